//! Operations on bytes that look at eight of them at a time.
//!
//! Every request runs through these. They are our own because on wasm `==` of slices is a call that compares byte by
//! byte, and a search for one byte is a loop over bytes. Most strings here are one or two words (of eight bytes) long.
//!
//! Several functions return *marks*: a word in which the highest bit of each byte says whether something is true of
//! that byte. All other bits are zero.

/// The marks of a word in which every byte is marked.
pub(crate) const HIGH_BITS: u64 = repeat(0x80);

/// Returns a word of eight copies of a byte.
const fn repeat(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// Marks the bytes of a word that lie in a range of ASCII. The range includes both ends.
#[inline(always)]
pub(crate) const fn marks(word: u64, from: u8, to: u8) -> u64 {
    let ascii = word & !HIGH_BITS;
    let (at_least, beyond) = (ascii + repeat(0x80 - from), ascii + repeat(0x7f - to));
    at_least & !beyond & !word & HIGH_BITS
}

/// Marks the ASCII letters of a word.
#[inline(always)]
pub(crate) const fn letters(word: u64) -> u64 {
    marks(word | repeat(b'a' - b'A'), b'a', b'z')
}

/// Returns whether `marks` marks a byte in some word of a text. Short texts are padded with NUL bytes, so `marks` must
/// not mark those.
#[inline(always)]
fn any_marked(text: &[u8], marks: impl Fn(u64) -> u64) -> bool {
    let has_marks = |word: &[u8; 8]| marks(u64::from_le_bytes(*word)) != 0;
    match text.last_chunk() {
        // The last word overlaps the whole words before it, so that it covers the bytes that these leave over.
        Some(last) => has_marks(last) || text.as_chunks().0.iter().any(has_marks),
        None => text.iter().any(|byte| marks(u64::from(*byte)) != 0),
    }
}

/// Returns whether some byte of a text lies in a range of ASCII. The range must not include NUL.
pub(crate) fn any_between(text: &[u8], from: u8, to: u8) -> bool {
    any_marked(text, |word| marks(word, from, to))
}

/// Returns whether all bytes of a text are ASCII. The method of the standard library takes more instructions on wasm.
pub(crate) fn is_ascii(text: &[u8]) -> bool {
    !any_marked(text, |word| word & HIGH_BITS)
}

/// Returns the position of the first slash.
pub(crate) fn find_slash(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let slashes = marks(u64::from_le_bytes(*word), b'/', b'/');
        if slashes != 0 {
            return Some(8 * index + slashes.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|&byte| byte == b'/').map(|at| 8 * words.len() + at)
}

/// Returns whether two byte strings are equal.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // The last word, or half word, overlaps those before it, so that it covers the bytes that these leave over.
    if let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        return a_last == b_last && a.as_chunks::<8>().0.iter().zip(b.as_chunks().0).all(|(a, b)| a == b);
    }
    match (a.first_chunk::<4>(), b.first_chunk(), a.last_chunk::<4>(), b.last_chunk()) {
        (Some(a), Some(b), Some(a_last), Some(b_last)) => a == b && a_last == b_last,
        _ => a.iter().zip(b).all(|(a, b)| a == b),
    }
}

/// Returns the rest of a text after a prefix; `None` if the text does not begin with it.
pub(crate) fn strip_prefix<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    equal(start, prefix).then_some(rest)
}

/// Returns whether a text is a token (RFC 9110, section 5.6.2). Methods and header names are tokens.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Hashes a text, eight bytes at a time. `seed` selects one of many hash functions.
pub(crate) fn hash_from(seed: u64, text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks();
    let hash = words.iter().fold(seed ^ text.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    // The bytes that whole words leave over are read together with bytes before them where there are enough.
    let last = match (text.last_chunk(), text.first_chunk(), text.last_chunk()) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    mix(hash, last)
}

/// Mixes a word into a hash: multiplies, and folds the upper half into the lower one.
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let product = (hash ^ word).wrapping_mul(ODD);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_equal_only_if_every_byte_is() {
        let text: Vec<u8> = (0..40).collect();
        for length in 0..text.len() {
            let (a, longer) = (text.get(..length).unwrap_or_default(), text.get(..=length).unwrap_or_default());
            assert!(equal(a, a), "{length}");
            assert!(!equal(a, longer) && !equal(longer, a));
            for at in 0..length {
                let mut b = a.to_vec();
                b.get_mut(at).into_iter().for_each(|byte| *byte ^= 0x80);
                assert!(!equal(a, &b) && !equal(&b, a), "{at} of {length}");
            }
        }
    }

    #[test]
    fn first_slash_is_found() {
        for length in 0..40 {
            let mut text = vec![b'.'; length];
            assert_eq!(find_slash(&text), None);
            for at in (0..length).rev() {
                text.get_mut(at).into_iter().for_each(|byte| *byte = b'/');
                assert_eq!(find_slash(&text), Some(at));
            }
        }
    }

    #[test]
    fn every_byte_of_a_text_is_examined() {
        for length in 1..40 {
            for at in 0..length {
                for byte in 0..=255 {
                    let mut text = vec![b'-'; length];
                    text.get_mut(at).into_iter().for_each(|place| *place = byte);
                    assert_eq!(any_between(&text, b':', b'['), (b':'..=b'[').contains(&byte), "{byte} at {at}");
                    assert_eq!(is_ascii(&text), byte.is_ascii(), "{byte} at {at}");
                    let word = text.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
                    let is_letter = byte.is_ascii_alphabetic() && at < 8 && length >= 8;
                    assert_eq!(letters(word), if is_letter { 0x80 << (8 * at) } else { 0 }, "{byte} at {at}");
                }
            }
        }
        assert!(is_ascii(b"") && !any_between(b"", b':', b'['));
    }
}
