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

/// Returns what the parameters take of a raw segment that matches. `literals` are those of its [`MixedChild`].
pub(super) fn values<'p>(strings: &Strings, literals: Span, segment: &'p [u8]) -> Vec<&'p [u8]> {
    let characters = path::characters(segment);
    let values = split(strings, literals, &characters).unwrap_or_default();
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
fn split<'t>(strings: &Strings, literals: Span, text: &'t str) -> Option<Vec<(usize, &'t str)>> {
    let mut literals = strings.list(literals);
    let (first, last) = (literals.next()?, literals.next_back()?);
    let end = text.strip_suffix(last)?.len();
    let mut start = first.len();
    let mut rest = text.get(..end)?.strip_prefix(first)?;
    let mut values = Vec::new();
    for literal in literals {
        let least = rest.chars().next()?.len_utf8();
        let length = least + find(rest.get(least..)?, literal)?;
        values.push((start, rest.get(..length)?));
        start += length + literal.len();
        rest = rest.get(length + literal.len()..)?;
    }
    (!rest.is_empty()).then(|| {
        values.push((start, rest));
        values
    })
}

/// Returns the first place of a literal in a text, by the method of Morris and Pratt.
///
/// This is our own because a search of the standard library takes 80 wasm instructions for a byte of an unlucky text, and
/// a request can be compared with hundreds of literals.
fn find(text: &str, literal: &str) -> Option<usize> {
    let literal = literal.as_bytes();
    // For each number of bytes that match, how many still match if the last of them does not count.
    let mut shorter = vec![0; literal.len() + 1];
    let mut matching = 0;
    for (at, byte) in literal.iter().enumerate().skip(1) {
        while matching > 0 && literal.get(matching) != Some(byte) {
            matching = shorter.get(matching).copied().unwrap_or(0);
        }
        matching += usize::from(literal.get(matching) == Some(byte));
        if let Some(place) = shorter.get_mut(at + 1) {
            *place = matching;
        }
    }
    let mut matching = 0;
    for (at, byte) in text.bytes().enumerate() {
        while matching > 0 && literal.get(matching) != Some(&byte) {
            matching = shorter.get(matching).copied().unwrap_or(0);
        }
        matching += usize::from(literal.get(matching) == Some(&byte));
        if matching == literal.len() {
            return Some(at + 1 - matching);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn a_literal_is_found_at_its_first_place() {
        for literal in ["a", "ab", "aab", "aabaa", "abab", "Āa", "ĀĀb"] {
            for number in 0..3_u32.pow(8) {
                let text: String = (0..8).map(|at| ['a', 'b', 'Ā'][(number / 3_u32.pow(at) % 3) as usize]).collect();
                assert_eq!(find(&text, literal), text.find(literal), "{text} {literal}");
            }
        }
    }
}
