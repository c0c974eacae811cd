//! The syntax of DNS names (RFC 1123) and of their labels.

/// The number of bytes that a label can have.
const LABEL: usize = 63;

/// The number of bytes that a name can have.
const NAME: usize = 253;

/// Returns whether a text is a host name: labels of letters, digits, `-` and `_`, with at most 63 bytes each and 253 in
/// all. RFC 1123 has no underscore, but real hosts use it, and it does no harm.
pub(crate) fn is_name(text: &[u8]) -> bool {
    let is_label = |label: &[u8]| has_label_shape(label, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    text.len() <= NAME && text.split(|&b| b == b'.').all(is_label)
}

/// Returns whether a text can be the name of a Kubernetes object that is part of a host: one label in lower case.
pub(crate) fn is_label(text: &[u8]) -> bool {
    has_label_shape(text, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn has_label_shape(label: &[u8], is_allowed: impl Fn(u8) -> bool) -> bool {
    (1..=LABEL).contains(&label.len())
        && label.iter().all(|&b| is_allowed(b))
        && label.first() != Some(&b'-')
        && label.last() != Some(&b'-')
}
