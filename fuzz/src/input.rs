//! Reads an input from its front, as choices or as lines.

use crate::common::{Choices, Request};

/// The part of an input that has not been read yet.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// Reads a byte, or 0 at the end.
    pub(crate) fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// Reads up to and including the next line feed, and returns the line without it. Returns `None` if there is no
    /// line feed or the line is not UTF-8.
    pub(crate) fn line(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|&b| b == b'\n')?;
        let line = &self.0[..end];
        self.0 = &self.0[end + 1..];
        std::str::from_utf8(line).ok()
    }
}

impl Choices for Input<'_> {
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.next()) % end
    }
}

/// Checks what must be true for every request head: deciding it does not panic, and the explanation contains the same
/// decision.
pub(crate) fn decide_and_explain(table: &ksvc_routing::RouteTable, request: &Request) {
    let decided = request.on(table);
    request.with_head(|head| {
        let explained = crate::common::Seen::of(&table.explain(head).decision);
        assert!(request.routed || explained == decided, "{request:?}\n{explained:?}\n{decided:?}");
    });
}
