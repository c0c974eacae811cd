//! Prints for as long as somebody reads: the reader of a pipe, such as `head`, may have ended, which is no error here.

use std::io::Write as _;

/// Prints a text to standard error.
pub fn to_stderr(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}
