//! Reads an element of `match` into a key, by which programs that put tables together compare claims with the rule of the
//! compiler: the methods and the path in normal form, without the names of parameters.

use super::pattern::{Pattern, PatternMethods, Segment};
use crate::problem::{ProblemKind, Severity};

/// The methods and the path of an element of `match`, in normal form and without the names of parameters.
///
/// The compiler can't tell two routes without conditions apart if their keys have the same path and share a method, and
/// reports them as duplicates. `ANY` is a method of its own here: `GET /a` comes before `ANY /a`, so they are no
/// duplicates.
///
/// ```
/// use ksvc_routing::MatchKey;
///
/// let key = |text| MatchKey::read(text).unwrap();
/// assert_eq!(key("GET /orders/{id}"), key("GET /orders/{order}"));
/// assert_eq!(key("GET /%6frders"), key("GET /orders"));
/// assert_ne!(key("GET /orders"), key("ANY /orders"));
/// assert_ne!(key("GET /orders/{id}"), key("GET /orders/{**rest}"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatchKey {
    /// The methods, sorted; `ANY` alone for every method.
    pub methods: Vec<String>,
    /// The segments of the path; none for `/`.
    pub path: Vec<SegmentKey>,
}

/// A segment of a path, in normal form and without the names of parameters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SegmentKey {
    /// The segment itself.
    Literal(String),
    /// Literal text with parameters in it: the text before each parameter, and that after the last one.
    Mixed(Vec<String>),
    /// One segment that is not empty: `{name}`.
    Parameter,
    /// All segments that are left, at least one: `{*name}`.
    Rest,
    /// All segments that are left, or none: `{**name}`.
    RestOrNone,
}

impl MatchKey {
    /// Reads an element of `match`, such as `GET /orders/{id}`. Returns its errors and warnings if it has an error.
    pub fn read(text: &str) -> Result<Self, Vec<ProblemKind>> {
        let mut problems = Vec::new();
        let pattern = Pattern::parse(text, &mut |problem| problems.push(problem));
        if problems.iter().any(|problem| problem.severity() == Severity::Error) {
            return Err(problems);
        }
        let mut methods = match pattern.methods {
            PatternMethods::Any => vec!["ANY".to_owned()],
            PatternMethods::Named(names) => names.into_iter().map(str::to_owned).collect(),
        };
        methods.sort_unstable();
        Ok(Self { methods, path: pattern.segments.iter().filter_map(SegmentKey::new).collect() })
    }
}

impl SegmentKey {
    /// Returns `None` only for the segment that stands for unreadable text, which a pattern without errors does not have.
    fn new(segment: &Segment<'_>) -> Option<Self> {
        Some(match segment {
            Segment::Literal(text) => Self::Literal(text.clone().into_owned()),
            Segment::Mixed(mixed) => Self::Mixed(mixed.literals.iter().map(|text| text.clone().into_owned()).collect()),
            Segment::Capture { .. } => Self::Parameter,
            Segment::Rest { may_be_none: false, .. } => Self::Rest,
            Segment::Rest { may_be_none: true, .. } => Self::RestOrNone,
            Segment::Unknown => return None,
        })
    }
}
