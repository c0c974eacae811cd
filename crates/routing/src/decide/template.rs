//! Templates over captured names: a forwarded path, a redirect's location, a header's value.

use std::cell::{Cell, OnceCell};

use crate::path::Hazard;
use crate::table::Chosen;
use crate::table::schema::{Part, ROUTE, StringId, Template};
use crate::table::strings::Strings;

/// What all templates of one request together may come to, in bytes: as much as Envoy takes for all headers of a
/// request (`max_request_headers_kb`, 60 by default). What is longer would be refused behind the gateway.
pub(crate) const RENDERED: usize = 60 * 1024;

/// What templates are filled in with, for one request.
pub(crate) struct Filling<'a> {
    pub(crate) chosen: Chosen<'a>,
    /// By name; found in the path when the first template asks, once for all.
    captured: OnceCell<Vec<(StringId, &'a [u8])>>,
    /// Of `RENDERED`.
    left: Cell<usize>,
}

impl<'a> Filling<'a> {
    pub(crate) fn new(chosen: Chosen<'a>) -> Self {
        Filling { chosen, captured: OnceCell::new(), left: Cell::new(RENDERED) }
    }

    fn captured(&self, name: StringId) -> Option<&'a [u8]> {
        let captured = self.captured.get_or_init(|| self.chosen.captured().collect());
        captured.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

impl Template {
    /// The text with the captures filled in, as they stood in the request; `None` if the path that was chosen has
    /// not captured one of them, which only a template of the whole table can meet.
    pub(crate) fn render(self, strings: &Strings, filling: &Filling<'_>) -> Result<Option<Vec<u8>>, Hazard> {
        let mut rendered = Vec::with_capacity(64);
        for part in strings.parts(self) {
            let bytes = match part {
                Part::Literal(text) => strings.bytes(text),
                Part::Capture(name) => match filling.captured(name) {
                    Some(captured) => captured,
                    None => return Ok(None),
                },
                Part::Route => filling.chosen.route_bytes(),
            };
            let left = filling.left.get().checked_sub(bytes.len()).ok_or(Hazard::Length)?;
            filling.left.set(left);
            rendered.extend_from_slice(bytes);
        }
        Ok(Some(rendered))
    }

    /// The text, where it is the same for every request.
    pub(crate) fn literal(self, strings: &Strings) -> Option<StringId> {
        let mut parts = strings.parts(self);
        match (parts.next(), parts.next()) {
            (None, _) => Some(StringId::default()),
            (Some(Part::Literal(text)), None) => Some(text),
            _ => None,
        }
    }

    /// As it could have been written.
    pub(crate) fn described(self, strings: &Strings) -> String {
        let part = |part: Part| match part {
            Part::Literal(text) => strings.get(text).replace('{', "{{").replace('}', "}}"),
            Part::Capture(name) => format!("{{{}}}", strings.get(name)),
            Part::Route => format!("{{{ROUTE}}}"),
        };
        strings.parts(self).map(part).collect()
    }
}
