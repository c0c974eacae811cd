//! Fills in templates: the path of `rewritePath`, the location of a redirect, the value of a header.

use std::cell::{Cell, OnceCell};

use crate::path::Hazard;
use crate::table::Chosen;
use crate::table::schema::{Part, StringId, Template};
use crate::table::strings::Strings;

/// The greatest number of bytes that all templates of one request together may make. Envoy accepts as many for all
/// headers of a request (`max_request_headers_kb`, 60 by default), so a longer request would be refused behind the
/// gateway.
const MAX_RENDERED: usize = 60 * 1024;

/// The values that templates are filled in with, for one request.
pub(crate) struct TemplateValues<'a> {
    pub(crate) chosen: Chosen<'a>,
    /// The captured values by name. They are looked up in the path when a template first needs one, once for all
    /// templates.
    captured: OnceCell<Vec<(StringId, &'a [u8])>>,
    /// The number of bytes left of `MAX_RENDERED`.
    bytes_left: Cell<usize>,
}

impl<'a> TemplateValues<'a> {
    pub(crate) fn new(chosen: Chosen<'a>) -> Self {
        TemplateValues { chosen, captured: OnceCell::new(), bytes_left: Cell::new(MAX_RENDERED) }
    }

    fn captured(&self, name: StringId) -> Option<&'a [u8]> {
        let captured = self.captured.get_or_init(|| self.chosen.captured().collect());
        captured.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

impl Template {
    /// Returns the text with captured values filled in, as they came in the request. Returns `None` if the path has not
    /// captured one of them, which happens only for templates of the whole table. It is an error if the templates of
    /// the request make too many bytes.
    pub(crate) fn render(self, strings: &Strings, values: &TemplateValues<'_>) -> Result<Option<Vec<u8>>, Hazard> {
        let mut rendered = Vec::with_capacity(64);
        for part in strings.parts(self) {
            let bytes = match part {
                Part::Literal(text) => strings.bytes(text),
                Part::Capture(name) => match values.captured(name) {
                    Some(captured) => captured,
                    None => return Ok(None),
                },
                Part::Route => values.chosen.route_bytes(),
            };
            let bytes_left = values.bytes_left.get().checked_sub(bytes.len()).ok_or(Hazard::Length)?;
            values.bytes_left.set(bytes_left);
            rendered.extend_from_slice(bytes);
        }
        Ok(Some(rendered))
    }

    /// Returns the text of a template that is the same for every request; `None` if it has a parameter, or several
    /// parts.
    pub(crate) fn literal(self, strings: &Strings) -> Option<StringId> {
        let mut parts = strings.parts(self);
        match (parts.next(), parts.next()) {
            (None, _) => Some(StringId::default()),
            (Some(Part::Literal(text)), None) => Some(text),
            _ => None,
        }
    }
}
