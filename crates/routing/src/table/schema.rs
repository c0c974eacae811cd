//! All lists of an image, in the order in which they lie. A list that outgrows its room moves those behind it: so those
//! come first whose length is known best, and last those that are written when all routes have been read.

use crate::decide::cors::Policy;
use crate::decide::headers::Operation;
use crate::decide::template::Part;
use crate::table::conditions::{Condition, Conditions};
use crate::table::image::{List, Span};
use crate::table::strings::StringId;
use crate::table::tree::{Affixed, Node, NodeExtras, Slot};
use crate::table::{Candidate, Capture, MatchRow, Response, Route, RouteExtras, Settings};

macro_rules! lists {
    ($number:expr;) => {
        /// How many there are.
        pub(crate) const COUNT: usize = $number;
    };
    ($number:expr; $(#[doc = $about:literal])* $name:ident: $row:ty, $($rest:tt)*) => {
        $(#[doc = $about])*
        pub(crate) const $name: List<$row> = List::new($number);
        lists!($number + 1; $($rest)*);
    };
}

lists! {
    0;
    /// Of the table alone.
    SETTINGS: Settings,
    PATTERNS: MatchRow,
    ROUTES: Route,
    /// ByteReader of all strings.
    TEXTS: u8,
    /// Of all patterns.
    CAPTURES: Capture,
    NODES: Node,
    /// The strings of all lists of strings.
    TEXT_LISTS: StringId,
    /// Of all templates.
    PARTS: Part,
    /// Of all routes, and of the table.
    OPERATIONS: Operation,
    RESPONSES: Response,
    /// Of the routes that have any.
    ROUTE_EXTRAS: RouteExtras,
    /// Of the nodes that have any.
    NODE_EXTRAS: NodeExtras,
    POLICIES: Policy,
    CONDITION_SETS: Conditions,
    /// Of all sets.
    CONDITIONS: Condition,
    AFFIXED: Affixed,
    /// The hash table of literal children.
    LITERALS: Slot,
    /// By the tree's entry: where in `CANDIDATES`.
    ENTRIES: Span,
    CANDIDATES: Candidate,
}
