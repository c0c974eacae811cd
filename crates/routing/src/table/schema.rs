//! The format of a compiled table: every kind of row that it has, and the lists that hold them.
//!
//! A table is one run of bytes, its [image](super::image). Rows refer to each other by index. All rows are defined here, so
//! this file is the whole format: the compiler writes it, and `RouteTable` reads it.

use super::image::{ByteReader, ByteWriter, List, NONE, Row, Span, row};

// ---- strings and templates

row! {
    /// A string of the table.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
    pub(crate) struct StringId {
        pub(crate) start: u32,
        pub(crate) length: u32,
    }
}

row! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Part {
        0 Literal(text: StringId),
        /// A captured name; names are shared strings, so that equal ones have equal handles.
        1 Capture(name: StringId),
        /// The name of the route that was chosen.
        2 Route,
        else Part::Route
    }
}

/// Its parts are kept with the table's strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Template(pub(crate) Span);

impl Row for Template {
    const SIZE: usize = Span::SIZE;

    #[inline(always)]
    fn write(self, room: &mut ByteWriter<'_>) {
        self.0.write(room);
    }

    #[inline(always)]
    fn read(bytes: &mut ByteReader<'_>) -> Self {
        Template(Span::read(bytes))
    }
}

/// How a header's value names the route. No parameter can have this name.
pub(crate) const ROUTE: &str = ":route";

// ---- the table as a whole

row! {
    /// The part of a table that does not come from its routes alone.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Settings {
        pub(crate) name: StringId,
        pub(crate) hosts: HostSet,
        pub(crate) base: StringId,
        pub(crate) strip_base: bool,
        pub(crate) no_match: NoMatch,
        pub(crate) ignore_trailing_slash: bool,
        pub(crate) reject_unsafe: bool,
        pub(crate) strip_internal: bool,
        pub(crate) deny_direct: bool,
        pub(crate) rewrite_location: bool,
        pub(crate) cors: Cors,
        pub(crate) request_headers: Span,
        pub(crate) response_headers: Span,
        /// A sorted list of all methods that routes name.
        pub(crate) methods: Span,
        /// A sorted list of the hosts of all targets, without port, lower case.
        pub(crate) targets: Span,
        /// How many routes can be served.
        pub(crate) routes: u32,
        /// Some route, or the table, has `cors`, or may have.
        pub(crate) uses_cors: bool,
        /// Some route, or the table, does something to responses.
        pub(crate) plans_responses: bool,
    }
}

impl Default for Settings {
    /// No host is the table's: nothing is touched.
    fn default() -> Self {
        Settings {
            name: StringId::default(),
            hosts: HostSet::default(),
            base: StringId::default(),
            strip_base: false,
            no_match: NoMatch::NotFound,
            ignore_trailing_slash: false,
            reject_unsafe: true,
            strip_internal: true,
            deny_direct: false,
            rewrite_location: false,
            cors: Cors::Off,
            request_headers: Span::default(),
            response_headers: Span::default(),
            methods: Span::default(),
            targets: Span::default(),
            routes: 0,
            uses_cors: false,
            plans_responses: false,
        }
    }
}

row! {
    /// What becomes of a request in scope that no route serves.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum NoMatch {
        0 NotFound,
        1 PassThrough,
        /// Whether it should pass can't be known.
        2 Broken,
        else NoMatch::Broken
    }
}

row! {
    /// The hosts of a table: exact names, `*.suffix`, `*`.
    #[derive(Debug, Clone, Copy, Default)]
    pub(crate) struct HostSet {
        /// A list in lower case, sorted.
        pub(crate) exact: Span,
        /// A list in lower case, sorted, without the `*.`.
        pub(crate) suffixes: Span,
        pub(crate) any: bool,
    }
}

// ---- routes

/// A method's number is its position among all method tokens of the table, which are sorted. This one sorts behind
/// every named method.
pub(crate) const ANY: u16 = u16::MAX;

/// The number of a method that no route names.
pub(crate) const UNNAMED: u16 = ANY - 1;

row! {
    /// A route's claim to one method of one path. Those of an entry are sorted: unreadable ones first, then by
    /// method, then by precedence.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Candidate {
        pub(crate) method: u16,
        /// Its pattern can't be read in whole: it stands before its equals, so that none of them gets what may
        /// have been meant for it.
        pub(crate) unreadable: bool,
        /// An index; that of no conditions is 0.
        pub(crate) conditions: u32,
        pub(crate) pattern: u32,
    }
}

row! {
    /// An element of `match`.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct MatchRow {
        pub(crate) route: u32,
        /// As written.
        pub(crate) text: StringId,
        pub(crate) captures: Span,
    }
}

row! {
    /// Where a captured value stands in the path below `basePath`.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Capture {
        pub(crate) name: StringId,
        pub(crate) segment: u32,
        /// Lengths of the literal text around it, in normal form.
        pub(crate) prefix: u32,
        pub(crate) suffix: u32,
        /// It takes all segments from there.
        pub(crate) rest: bool,
    }
}

row! {
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Route {
        pub(crate) name: StringId,
        pub(crate) target: Target,
        /// `NONE` or the index of what few routes have.
        pub(crate) extras: u32,
    }
}

row! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct RouteExtras {
        pub(crate) rewrite: Option<Template>,
        /// The table's, where the route has none of its own.
        pub(crate) cors: Cors,
        /// What it does to headers beyond what the table does.
        pub(crate) request_headers: Span,
        pub(crate) response_headers: Span,
    }
}

impl RouteExtras {
    /// What stands for a route that has none. The table's CORS is its own.
    pub(crate) fn of_most(cors: Cors) -> Self {
        let none = Span::default();
        RouteExtras { rewrite: None, cors, request_headers: none, response_headers: none }
    }
}

row! {
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Target {
        0 Forward(authority: StringId),
        1 Redirect(to: Template, status: u16),
        /// An index.
        2 Respond(response: u32),
        /// An error of the document bears on it.
        3 Broken,
        else Target::Broken
    }
}

row! {
    /// What a route answers by itself.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Response {
        pub(crate) status: u16,
        /// Pairs.
        pub(crate) headers: Span,
        pub(crate) body: StringId,
    }
}

// ---- conditions and changes to headers

row! {
    /// What all must hold: sorted lists of `Condition`s.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub(crate) struct Conditions {
        pub(crate) headers: Span,
        pub(crate) query: Span,
    }
}

row! {
    /// The name is that of a header in lower case, or of a query parameter.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) struct Condition {
        pub(crate) name: StringId,
        pub(crate) expected: Expected,
    }
}

row! {
    /// Strings are shared ones: equal strings have equal handles.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) enum Expected {
        0 Present,
        1 Equal(value: StringId),
        else Expected::Present
    }
}

row! {
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Operation {
        0 Remove(name: StringId),
        1 Set(name: StringId, value: Template),
        2 Add(name: StringId, value: Template),
        else Operation::Remove(StringId::default())
    }
}

// ---- CORS

row! {
    /// What a route, or the table, has for `cors`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Cors {
        0 Off,
        /// An index. Equal policies have equal ones.
        1 On(policy: u32),
        /// It can't be read.
        2 Unknown,
        else Cors::Unknown
    }
}

row! {
    /// One `cors` of the document, compiled. Strings are shared ones.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(crate) struct Policy {
        pub(crate) origins: Origins,
        pub(crate) methods: AllowedMethods,
        pub(crate) headers: AllowedHeaders,
        /// The value of `access-control-expose-headers`.
        pub(crate) expose: Option<StringId>,
        pub(crate) credentials: bool,
        /// The value of `access-control-max-age`.
        pub(crate) max_age: Option<StringId>,
    }
}

row! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(crate) enum AllowedMethods {
        0 OfTheRoutes,
        /// As the header has them.
        1 Listed(methods: StringId),
        /// Whatever is asked for.
        2 Every,
        else AllowedMethods::OfTheRoutes
    }
}

row! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(crate) enum AllowedHeaders {
        0 None,
        /// As the header has them.
        1 Listed(headers: StringId),
        /// Whatever is asked for. A literal `*` would not cover `authorization`, and with credentials means nothing.
        2 Every,
        else AllowedHeaders::None
    }
}

row! {
    /// Allowed origins, in the form that `normal` gives.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub(crate) struct Origins {
        pub(crate) any: bool,
        /// A sorted list.
        pub(crate) exact: Span,
        /// Pairs: what stands before and behind a first label of any name.
        pub(crate) wildcards: Span,
    }
}

// ---- the tree of path segments

/// What stands at the end of a pattern: an index that the tree gives out, one for all patterns that match
/// the same paths.
pub(crate) type Entry = u32;

pub(crate) type NodeId = u32;
pub(crate) const ROOT: NodeId = 0;
pub(crate) const SEVERAL: NodeId = NONE - 1;

row! {
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Node {
        /// Of a literal child: its parent and its text.
        pub(crate) parent: NodeId,
        pub(crate) text: StringId,
        /// `NONE`, the only child for a literal, or `SEVERAL` that `Tree::literals` knows.
        pub(crate) literal: NodeId,
        /// `NONE` or the child for a plain parameter.
        pub(crate) capture: NodeId,
        /// `NONE` or the entry of the pattern that ends here.
        pub(crate) here: Entry,
        /// `NONE` or the index of what few nodes have.
        pub(crate) extras: u32,
    }
}

pub(crate) const EMPTY: Node = Node {
    parent: NONE,
    text: StringId { start: 0, length: 0 },
    literal: NONE,
    capture: NONE,
    here: NONE,
    extras: NONE,
};

row! {
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct NodeExtras {
        /// `NONE` or the entry of the pattern that ends here with `{*name}`.
        pub(crate) rest: Entry,
        /// `NONE` or the entry of the pattern that can't be read from here on.
        pub(crate) unknown: Entry,
        /// This node's children with affixes, in `Tree::affixed`.
        pub(crate) affixed: Span,
    }
}

pub(crate) const NO_EXTRAS: NodeExtras = NodeExtras { rest: NONE, unknown: NONE, affixed: Span { start: 0, end: 0 } };

row! {
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Affixed {
        pub(crate) prefix: StringId,
        pub(crate) suffix: StringId,
        pub(crate) child: NodeId,
    }
}

row! {
    /// Of the hash table of literal children.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Slot {
        pub(crate) hash: u32,
        /// The root is nobody's child, so it marks a vacant slot.
        pub(crate) child: NodeId,
    }
}

pub(crate) const VACANT: Slot = Slot { hash: 0, child: ROOT };

// ---- the lists

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
    /// Bytes of all strings.
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
