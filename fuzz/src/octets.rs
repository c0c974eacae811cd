//! An input taken apart: from its front as choices, or as lines.

use crate::common::{Choices, Request};

/// What is left of an input.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl<'a> Octets<'a> {
    pub(crate) fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// Up to the next line feed, which is taken as well; `None` where there is none or the line is no UTF-8.
    pub(crate) fn line(&mut self) -> Option<&'a str> {
        let at = self.0.iter().position(|&b| b == b'\n')?;
        let line = &self.0[..at];
        self.0 = &self.0[at + 1..];
        std::str::from_utf8(line).ok()
    }
}

impl Choices for Octets<'_> {
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.next()) % end
    }
}

/// What no head may do: cause a panic, or be explained otherwise than it is decided.
pub(crate) fn survives(table: &ksvc_routing::RouteTable, request: &Request) {
    let decided = request.on(table);
    request.with_head(|head| {
        let explained = crate::common::Seen::of(&table.explain(head).decision);
        assert!(request.routed || explained == decided, "{request:?}\n{explained:?}\n{decided:?}");
    });
}
