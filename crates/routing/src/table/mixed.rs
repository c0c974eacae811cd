//! Segments of literal text and parameters, such as `{id}.json` or `v{major}.{minor}`: whether a segment of a request
//! matches, and what the parameters take.
//!
//! Each parameter takes at least one byte. The literal text before the first parameter and after the last one is at the
//! ends of the segment. All other literal text is taken at its first possible place, from the left. That finds a way to
//! split the segment if there is one, and nothing is tried twice.

use crate::path;
use crate::table::image::Span;
use crate::table::schema::MixedChild;
use crate::table::strings::Strings;

impl MixedChild {
    /// Returns whether a segment in normal form matches. `characters` returns the [`path::characters`] of the segment.
    pub(super) fn matches<'s>(self, strings: &Strings, segment: &[u8], characters: impl FnOnce() -> &'s str) -> bool {
        let (prefix, suffix) = (strings.bytes(self.prefix), strings.bytes(self.suffix));
        let Some(inner) = segment.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix)) else { return false };
        if inner.is_empty() {
            return false;
        }
        match self.literals.is_empty() {
            // The suffix must not begin within a percent-escape.
            true => !inner.iter().rev().take(2).any(|&b| b == b'%'),
            false => split(strings, self.literals, characters()).is_some(),
        }
    }
}

/// Returns what a parameter takes of a raw segment that matches. `literals` are those of its [`MixedChild`].
pub(super) fn value<'p>(strings: &Strings, literals: Span, index: u32, segment: &'p [u8]) -> &'p [u8] {
    let characters = path::characters(segment);
    let values = split(strings, literals, &characters).unwrap_or_default();
    let Some((start, value)) = values.get(index as usize) else { return b"" };
    let before = characters.get(..*start).unwrap_or_default();
    path::raw_part(segment, before.chars().count(), value.chars().count())
}

/// Splits a text at literals, the first and the last of which are at its ends. Returns the texts between them, and where
/// each begins. Returns `None` if there is no way to split it.
fn split<'t>(strings: &Strings, literals: Span, text: &'t str) -> Option<Vec<(usize, &'t str)>> {
    let mut literals = strings.list(literals);
    let (first, last) = (literals.next()?, literals.next_back()?);
    let end = text.strip_suffix(last)?.len();
    let mut start = first.len();
    let mut rest = text.get(..end)?.strip_prefix(first)?;
    let mut values = Vec::new();
    for literal in literals {
        let least = rest.chars().next()?.len_utf8();
        let length = least + rest.get(least..)?.find(literal)?;
        values.push((start, rest.get(..length)?));
        start += length + literal.len();
        rest = rest.get(length + literal.len()..)?;
    }
    (!rest.is_empty()).then(|| {
        values.push((start, rest));
        values
    })
}
