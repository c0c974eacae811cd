//! Why a request is out of a table's scope, and which byte makes its path unsafe.

use crate::decide::scope::{OutOfScope, Scope};
use crate::path::{self, Hazard, RequestPath};
use crate::request::Head;
use crate::table::RouteTable;

/// A part of a path that makes it unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsafePart<'a> {
    /// The index of its first byte in the path.
    pub index: usize,
    /// The byte, or the three bytes of an escape. It is empty if something is missing.
    pub bytes: &'a [u8],
    /// What it is, such as `an encoded slash`.
    pub what: &'static str,
}

impl RouteTable {
    /// Returns why a request that no other table has routed is out of scope; `None` if it is not.
    pub fn out_of_scope(&self, head: &Head<'_>) -> Option<OutOfScope> {
        match self.scope(head, || false) {
            Scope::Out(reason) => Some(reason),
            Scope::In(_) | Scope::Direct => None,
        }
    }

    /// Returns the part of a request's path that makes it unsafe; `None` if the path is safe as it came.
    pub fn unsafe_part<'a>(&self, head: &Head<'a>) -> Option<UnsafePart<'a>> {
        let path = RequestPath::read(head.path?);
        let hazard = path.hazard?;
        let index = position(hazard, path.raw)?;
        let length = match hazard {
            Hazard::NoSlash | Hazard::EmptySegment => 0,
            Hazard::EncodedSlash | Hazard::EncodedBackslash | Hazard::EncodedNul | Hazard::MalformedEscape => 3,
            Hazard::DotSegment => path.raw.iter().skip(index).take_while(|byte| **byte != b'/').count(),
            _ => 1,
        };
        let rest = path.raw.get(index..).unwrap_or_default();
        Some(UnsafePart { index, bytes: rest.get(..length).unwrap_or(rest), what: hazard.describe() })
    }
}

/// Returns where a hazard is in a path.
fn position(hazard: Hazard, raw: &[u8]) -> Option<usize> {
    let byte = |is_it: fn(u8) -> bool| raw.iter().position(|byte| is_it(*byte));
    let escape = |digits: &[u8; 2]| {
        let is_it = |three: &[u8]| matches!(three, [b'%', rest @ ..] if rest.eq_ignore_ascii_case(digits));
        raw.windows(3).position(is_it)
    };
    match hazard {
        Hazard::NoSlash => Some(0),
        Hazard::EncodedSlash => escape(b"2F"),
        Hazard::EncodedBackslash => escape(b"5C"),
        Hazard::EncodedNul => escape(b"00"),
        Hazard::Backslash => byte(|byte| byte == b'\\'),
        Hazard::Fragment => byte(|byte| byte == b'#'),
        Hazard::InvalidByte => byte(|byte| !byte.is_ascii_graphic()),
        Hazard::MalformedEscape => (0..raw.len()).find(|at| match raw.get(*at..) {
            Some([b'%', a, b, ..]) => !(a.is_ascii_hexdigit() && b.is_ascii_hexdigit()),
            Some([b'%', ..]) => true,
            _ => false,
        }),
        Hazard::EmptySegment => raw.windows(2).position(|two| two == b"//").map(|at| at + 1),
        Hazard::DotSegment => {
            let segment_at = |at: usize| raw.get(at..)?.split(|byte| *byte == b'/').next();
            let starts =
                std::iter::once(0).chain((0..raw.len()).filter(|at| raw.get(*at) == Some(&b'/')).map(|at| at + 1));
            starts.into_iter().find(|at| segment_at(*at).is_some_and(is_dot_segment))
        }
        Hazard::Length => None,
    }
}

/// Returns whether a segment is a dot segment, plain or with escapes.
fn is_dot_segment(segment: &[u8]) -> bool {
    let path = [b"/", segment].concat();
    path::hazard(&path) == Some(Hazard::DotSegment)
}
