//! Bytes looked at by words. On wasm, `==` of slices is a call that goes byte by byte, and most strings here are a word or
//! two long.

/// All bytes marked.
pub(crate) const HIGH_BITS: u64 = spread(0x80);

/// A word of nothing but this byte.
const fn spread(byte: u8) -> u64 {
    byte as u64 * 0x0101_0101_0101_0101
}

/// Marks the bytes of a word that lie in a range of ASCII, each by its high bit.
#[inline(always)]
pub(crate) const fn marks(word: u64, from: u8, to: u8) -> u64 {
    let ascii = word & !HIGH_BITS;
    let (at_least, beyond) = (ascii + spread(0x80 - from), ascii + spread(0x7f - to));
    at_least & !beyond & !word & HIGH_BITS
}

/// Marks the letters of a word.
#[inline(always)]
pub(crate) const fn letters(word: u64) -> u64 {
    marks(word | spread(b'a' - b'A'), b'a', b'z')
}

/// Whether `marks` marks an byte in some word of a text; not to be asked for NULs.
#[inline(always)]
fn any(text: &[u8], marks: impl Fn(u64) -> u64) -> bool {
    let of_word = |word: &[u8; 8]| marks(u64::from_le_bytes(*word)) != 0;
    match text.last_chunk() {
        // What words leave over is looked at in a last one that overlaps them.
        Some(last) => of_word(last) || text.as_chunks().0.iter().any(of_word),
        None => text.iter().any(|byte| marks(u64::from(*byte)) != 0),
    }
}

/// Whether some byte lies in a range of ASCII, which has no NUL.
pub(crate) fn any_between(text: &[u8], from: u8, to: u8) -> bool {
    any(text, |word| marks(word, from, to))
}

pub(crate) fn is_ascii(text: &[u8]) -> bool {
    !any(text, |word| word & HIGH_BITS)
}

/// The place of the first slash.
pub(crate) fn slash(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks();
    for (at, word) in words.iter().enumerate() {
        let slashes = marks(u64::from_le_bytes(*word), b'/', b'/');
        if slashes != 0 {
            return Some(8 * at + slashes.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|&byte| byte == b'/').map(|at| 8 * words.len() + at)
}

/// Whether two strings are the same.
#[inline]
pub(crate) fn equal(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(a_last), Some(b_last)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        return a_last == b_last && a.as_chunks::<8>().0.iter().zip(b.as_chunks().0).all(|(a, b)| a == b);
    }
    match (a.first_chunk::<4>(), b.first_chunk(), a.last_chunk::<4>(), b.last_chunk()) {
        (Some(a), Some(b), Some(a_last), Some(b_last)) => a == b && a_last == b_last,
        _ => a.iter().zip(b).all(|(a, b)| a == b),
    }
}

/// What is behind a prefix.
pub(crate) fn without_prefix<'t>(text: &'t [u8], prefix: &[u8]) -> Option<&'t [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    equal(start, prefix).then_some(rest)
}

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Multiply and fold, eight bytes at a time. What is left over is taken together with bytes before it.
pub(crate) fn hash_from(seed: u64, text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks();
    let hash = words.iter().fold(seed ^ text.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let last = match (text.last_chunk(), text.first_chunk(), text.last_chunk()) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    mix(hash, last)
}

pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let product = (hash ^ word).wrapping_mul(ODD);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_equal_where_every_byte_is() {
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
            assert_eq!(slash(&text), None);
            for at in (0..length).rev() {
                text.get_mut(at).into_iter().for_each(|byte| *byte = b'/');
                assert_eq!(slash(&text), Some(at));
            }
        }
    }

    #[test]
    fn every_byte_of_a_text_is_looked_at() {
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
