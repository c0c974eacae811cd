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

/// The most bytes of a segment that is compared with several parameters, in normal form. To search a longer one for the
/// literals of hundreds of patterns would stop a worker for too long.
const LONGEST: usize = 8 * 1024;

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
            false => segment.len() <= LONGEST && split(strings.list(self.literals), characters()).is_some(),
        }
    }
}

/// Returns what the parameters take of a raw segment that matches. `literals` are those of its [`MixedChild`].
pub(super) fn values<'p>(strings: &Strings, literals: Span, segment: &'p [u8]) -> Vec<&'p [u8]> {
    let characters = path::characters(segment);
    let values = split(strings.list(literals), &characters).unwrap_or_default();
    // Both texts are gone through once, side by side.
    let (mut rest, mut at) = (segment, 0);
    let mut skip = |until: usize| {
        let count = characters.get(at..until).unwrap_or_default().chars().count();
        at = until;
        let (skipped, after) = path::split_after(rest, count);
        rest = after;
        skipped
    };
    let value = |(start, value): (usize, &str)| {
        skip(start);
        skip(start + value.len())
    };
    values.into_iter().map(value).collect()
}

/// Splits a text at literals, the first and the last of which are at its ends. Returns the texts between them, and where
/// each begins. Returns `None` if there is no way to split it.
pub(crate) fn split<'l, 't>(
    mut literals: impl DoubleEndedIterator<Item = &'l str>,
    text: &'t str,
) -> Option<Vec<(usize, &'t str)>> {
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
