//! Headers by name, in conditions and in answers: checked alike.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Compiler;
use crate::pattern::is_token;
use crate::problem::{Place, What};
use crate::read::Key;
use crate::texts::Text;

/// Headers as they are written; a value that can't be read is `None`.
type Written<'a> = Key<Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>>;

impl Compiler {
    /// The headers that can be used, with their names in lower case, and whether these are all. `forbidden`
    /// says why a name has no place here.
    pub(super) fn headers<'h>(
        &mut self,
        headers: &'h Written<'_>,
        place: impl Fn() -> Place,
        forbidden: fn(&str) -> Option<&'static str>,
    ) -> (Vec<(Text, &'h str)>, bool) {
        let mut usable = Vec::new();
        let mut whole = !headers.is_broken();
        let mut names = BTreeSet::new();
        for (name, value) in headers.get().into_iter().flatten() {
            let lower = name.to_ascii_lowercase();
            let fault = if !is_token(name) {
                Some(What::HeaderName { found: name.to_string() })
            } else if let Some(reason) = forbidden(&lower) {
                Some(What::HeaderForbidden { name: lower.clone(), reason })
            } else if value.as_deref().is_some_and(|value| !is_header_value(value)) {
                Some(What::HeaderValue { name: name.to_string() })
            } else if !names.insert(lower.clone()) {
                Some(What::HeaderRepeated { name: lower.clone() })
            } else {
                None
            };
            match (fault, value) {
                (None, Some(value)) => usable.push((self.texts.shared(&lower), &**value)),
                (None, None) => whole = false,
                (Some(what), _) => {
                    self.tell(place().named(name), what);
                    whole = false;
                }
            }
        }
        (usable, whole)
    }
}

/// Why a header can't be asked for in a condition.
pub(super) fn forbidden_in_condition(name: &str) -> Option<&'static str> {
    (name == "host").then_some("is the request's host, which `hosts` is for")
}

/// Why a header can't be set in an answer.
pub(super) fn forbidden_in_answer(name: &str) -> Option<&'static str> {
    match name {
        "host" => Some("belongs to requests"),
        "content-length" | "transfer-encoding" | "trailer" => Some("is set by Envoy"),
        "connection" | "keep-alive" | "proxy-connection" | "te" | "upgrade" => Some("concerns one connection only"),
        _ => None,
    }
}

/// RFC 9110, section 5.5, in ASCII and beyond, without white space at its ends.
fn is_header_value(value: &str) -> bool {
    value.trim() == value && !value.chars().any(char::is_control)
}
