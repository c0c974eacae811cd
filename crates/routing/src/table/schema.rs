//! The format of a compiled table: every kind of row that it has, and the lists that hold them.
//!
//! A table is one run of bytes, its [image](super::image). Rows refer to each other by index. All rows are defined
//! here, so this file is the whole format: the compiler writes it, and `RouteTable` reads it.
//!
//! A field of type [`Span`] is a range of rows; its comment names the list. A span of `TEXT_LISTS` is called a list of
//! strings. A *shared* string is stored once, so that two shared strings are equal exactly if their ids are.

use super::image::{List, NO_INDEX, Span, row};
use crate::path::{Hazard, hazard_beside_encoded_slashes};

// ---- strings and templates

row! {
    /// A string of the table: its position and length in `TEXTS`, in bytes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
    pub(crate) struct StringId {
        pub(crate) start: u32,
        pub(crate) length: u32,
    }
}

row! {
    /// A part of a template.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Part {
        /// Literal text.
        0 Literal(text: StringId),
        /// The value of the parameter with this name, which is a shared string.
        1 Capture(name: StringId),
        /// The name of the chosen route.
        2 Route,
        else Part::Route
    }
}

row! {
    /// A text with parameters in it, such as `/v2/{rest}`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub(crate) struct Template {
        /// Rows of `PARTS`.
        pub(crate) parts: Span,
    }
}

/// The name that stands for the chosen route's name in the value of a header: `{:route}`. No parameter can have it.
pub(crate) const ROUTE: &str = ":route";

// ---- the table as a whole

row! {
    /// The settings of the table as a whole.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Settings {
        /// The name of the table.
        pub(crate) name: StringId,
        pub(crate) hosts: HostSet,
        /// `basePath` as written; empty if the table has none.
        pub(crate) base: StringId,
        /// `stripBasePath`.
        pub(crate) strip_base: bool,
        /// `onNoMatch`.
        pub(crate) no_match: NoMatch,
        /// True if `trailingSlash` is `ignore`.
        pub(crate) ignore_trailing_slash: bool,
        /// `unsafePaths`.
        pub(crate) unsafe_paths: UnsafePaths,
        /// `stripInternalHeaders`.
        pub(crate) strip_internal: bool,
        /// `denyDirect`.
        pub(crate) deny_direct: bool,
        /// `rewriteLocation`.
        pub(crate) rewrite_location: bool,
        /// `cors` of the table.
        pub(crate) cors: Cors,
        /// `requestHeaders` of the table: rows of `OPERATIONS`.
        pub(crate) request_headers: Span,
        /// `responseHeaders` of the table: rows of `OPERATIONS`.
        pub(crate) response_headers: Span,
        /// A sorted list of strings: all methods that routes name.
        pub(crate) methods: Span,
        /// A sorted list of strings: the hosts of all `service`s, in lower case. It is empty without `denyDirect`.
        pub(crate) ksvc_hosts: Span,
        /// A sorted list of strings: the `host`s of all routes, in lower case and without port.
        pub(crate) other_hosts: Span,
        /// The template of the hosts of `CAPTURED_HOSTS`, with the domain filled in. Its fields are `service` and
        /// `namespace`.
        pub(crate) host_template: Template,
        /// `allowNamespaces`.
        pub(crate) namespaces: NamespaceSet,
        /// The number of routes that are not broken.
        pub(crate) routes: u32,
        /// True if the table or some route has `cors`, or may have it because it can't be read.
        pub(crate) uses_cors: bool,
        /// True if the table or some route changes responses.
        pub(crate) plans_responses: bool,
    }
}

impl Default for Settings {
    /// Returns the settings of a table that leaves all requests untouched, because it has no hosts.
    fn default() -> Self {
        Settings {
            name: StringId::default(),
            hosts: HostSet::default(),
            base: StringId::default(),
            strip_base: false,
            no_match: NoMatch::NotFound,
            ignore_trailing_slash: false,
            unsafe_paths: UnsafePaths::Reject,
            strip_internal: true,
            deny_direct: false,
            rewrite_location: false,
            cors: Cors::Off,
            request_headers: Span::default(),
            response_headers: Span::default(),
            methods: Span::default(),
            ksvc_hosts: Span::default(),
            other_hosts: Span::default(),
            host_template: Template::default(),
            namespaces: NamespaceSet::default(),
            routes: 0,
            uses_cors: false,
            plans_responses: false,
        }
    }
}

row! {
    /// The treatment of a request in scope for which no route is found.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum NoMatch {
        /// It is answered with 404 or 405.
        0 NotFound,
        /// It is left untouched.
        1 PassThrough,
        /// It is answered with 503, because an error in the document hides which of the other two applies, or which
        /// routes there are.
        2 Broken,
        else NoMatch::Broken
    }
}

row! {
    /// The treatment of a path that can be read in two ways.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum UnsafePaths {
        /// It is answered with 400.
        0 Reject,
        /// It is answered with 400, unless encoded slashes are all that is unsafe.
        1 AllowEncodedSlash,
        /// It is matched as it is.
        2 Allow,
        else UnsafePaths::Reject
    }
}

impl UnsafePaths {
    /// Returns why a path is refused; `None` if it is not. `hazard` is the first hazard of the path.
    pub(crate) fn refuse(self, hazard: Option<Hazard>, path: &[u8]) -> Option<Hazard> {
        match (self, hazard?) {
            (UnsafePaths::Allow, _) => None,
            (UnsafePaths::AllowEncodedSlash, Hazard::EncodedSlash) => hazard_beside_encoded_slashes(path),
            (_, hazard) => Some(hazard),
        }
    }
}

row! {
    /// The hosts of a table.
    #[derive(Debug, Clone, Copy, Default)]
    pub(crate) struct HostSet {
        /// A sorted list of strings: exact names in lower case.
        pub(crate) exact: Span,
        /// A sorted list of strings: suffixes in lower case, without the `*.` before them.
        pub(crate) suffixes: Span,
        /// True if `*` is among the hosts.
        pub(crate) any: bool,
    }
}

row! {
    /// The namespaces that `allowNamespaces` lists.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub(crate) struct NamespaceSet {
        /// A sorted list of strings: whole names.
        pub(crate) exact: Span,
        /// A list of strings: prefixes, without the `*` after them.
        pub(crate) prefixes: Span,
        /// True if `*` is among the namespaces.
        pub(crate) any: bool,
    }
}

// ---- routes

/// The number of `ANY`. It is greater than that of every other method. The number of a named method is its index in
/// `Settings::methods`.
pub(crate) const ANY: u16 = u16::MAX;

/// The number that stands for all methods that no route names.
pub(crate) const UNNAMED: u16 = ANY - 1;

row! {
    /// A pattern that can serve one method at one path. The candidates of an entry are sorted: those of unreadable
    /// patterns first, then by method, then by precedence.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Candidate {
        /// The number of the method.
        pub(crate) method: u16,
        /// True if some part of the pattern can't be read. The candidate then comes before its equals, so that none of
        /// them gets a request that may have been meant for it.
        pub(crate) unreadable: bool,
        /// An index of `CONDITION_SETS`; 0 if there are no conditions.
        pub(crate) conditions: u32,
        /// An index of `PATTERNS`.
        pub(crate) pattern: u32,
    }
}

row! {
    /// An element of `match`, which is called a pattern.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct MatchRow {
        /// An index of `ROUTES`, which is also the route's index in the document.
        pub(crate) route: u32,
        /// The text as the document has it.
        pub(crate) text: StringId,
        /// Rows of `CAPTURES`, in the order of the path.
        pub(crate) captures: Span,
    }
}

row! {
    /// The place of a parameter in the path below `basePath`.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Capture {
        /// The name of the parameter, a shared string.
        pub(crate) name: StringId,
        /// The index of its segment.
        pub(crate) segment: u32,
        pub(crate) extent: Extent,
    }
}

row! {
    /// The part of a path that a parameter takes.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Extent {
        /// Its segment, without literal text before and after it. The lengths of these texts are in bytes of the normal
        /// form.
        0 Segment(prefix: u32, suffix: u32),
        /// A part of its segment, which has several parameters: `MixedChild::literals`, and the index of the parameter.
        1 OneOfSeveral(literals: Span, index: u32),
        /// All segments from its own on.
        2 Rest,
        else Extent::Rest
    }
}

row! {
    /// A route.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Route {
        pub(crate) name: StringId,
        pub(crate) target: Target,
        /// An index of `ROUTE_EXTRAS`, or `NO_INDEX` for the many routes that have nothing of their own there.
        pub(crate) extras: u32,
    }
}

impl Route {
    /// Returns whether the route answers with 503, because an error in the document concerns it.
    pub(crate) fn is_broken(self) -> bool {
        matches!(self.target, Target::Broken)
    }
}

row! {
    /// The part of a route that few routes have.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct RouteExtras {
        /// `rewritePath`.
        pub(crate) rewrite: Option<Template>,
        /// `cors` of the route, or that of the table if the route has none.
        pub(crate) cors: Cors,
        /// `requestHeaders` of the route, without those of the table: rows of `OPERATIONS`.
        pub(crate) request_headers: Span,
        /// `responseHeaders` of the route, without those of the table: rows of `OPERATIONS`.
        pub(crate) response_headers: Span,
    }
}

impl RouteExtras {
    /// Returns the extras of a route that has none of its own. `cors` is that of the table.
    pub(crate) fn none(cors: Cors) -> Self {
        let empty = Span::default();
        RouteExtras { rewrite: None, cors, request_headers: empty, response_headers: empty }
    }
}

row! {
    /// The target of a route: how it handles its requests.
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Target {
        /// Forwards them to an authority.
        0 Forward(authority: StringId),
        /// Redirects them.
        1 Redirect(to: Template, status: u16),
        /// Answers them with a row of `RESPONSES`.
        2 Respond(response: u32),
        /// Answers them with 503, because the document has an error that concerns the route.
        3 Broken,
        /// Forwards them to a host that captured values make: a row of `CAPTURED_HOSTS`.
        4 Captured(host: u32),
        else Target::Broken
    }
}

impl Target {
    /// Returns whether requests are forwarded.
    pub(crate) fn forwards(self) -> bool {
        matches!(self, Target::Forward(_) | Target::Captured(_))
    }
}

row! {
    /// The host of a `service` with captured values. `Settings::host_template` makes it of the two.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct CapturedHost {
        /// `service`, with `tag` and a hyphen before it if the route has a `tag`.
        pub(crate) service: Template,
        /// `namespace` of the route or of the table. It is literal, or `allowNamespaces` lists what it may make.
        pub(crate) namespace: Template,
    }
}

row! {
    /// The answer of a route with `respond`.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Response {
        pub(crate) status: u16,
        /// A list of strings: names and values in turn.
        pub(crate) headers: Span,
        pub(crate) body: StringId,
    }
}

// ---- conditions and changes to headers

row! {
    /// Conditions that a request must all fulfil. All are sorted rows of `CONDITIONS`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub(crate) struct Conditions {
        pub(crate) headers: Span,
        pub(crate) cookies: Span,
        pub(crate) query: Span,
    }
}

row! {
    /// A condition on a header, a cookie or a query parameter.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) struct Condition {
        /// The name of a header, in lower case, of a cookie or of a query parameter. It is a shared string.
        pub(crate) name: StringId,
        pub(crate) expected: Expected,
    }
}

row! {
    /// The value that a condition expects.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) enum Expected {
        /// Any value.
        0 Present,
        /// This value, a shared string.
        1 Equal(value: StringId),
        /// A value that begins with this shared string, which is not empty.
        2 Prefix(prefix: StringId),
        else Expected::Present
    }
}

row! {
    /// A change to a header that the document asks for. Names are in lower case.
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Operation {
        /// Removes all values.
        0 Remove(name: StringId),
        /// Replaces all values.
        1 Set(name: StringId, value: Template),
        /// Adds a value to those that the header has.
        2 Add(name: StringId, value: Template),
        else Operation::Remove(StringId::default())
    }
}

impl Operation {
    /// Returns the key of the document that asks for the operation.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Operation::Remove(_) => "remove",
            Operation::Set(..) => "set",
            Operation::Add(..) => "add",
        }
    }

    /// Returns the name of the header.
    pub(crate) fn name(self) -> StringId {
        let (Operation::Remove(name) | Operation::Set(name, _) | Operation::Add(name, _)) = self;
        name
    }

    /// Returns the template of the value; `None` if the operation removes a header.
    pub(crate) fn template(self) -> Option<Template> {
        match self {
            Operation::Remove(_) => None,
            Operation::Set(_, template) | Operation::Add(_, template) => Some(template),
        }
    }
}

// ---- CORS

row! {
    /// `cors` of a route or of the table.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Cors {
        0 Off,
        /// An index of `POLICIES`. Equal policies have equal indexes.
        1 On(policy: u32),
        /// It has an error.
        2 Unknown,
        else Cors::Unknown
    }
}

row! {
    /// A compiled `cors` of the document. Its strings are shared, so that equal policies are equal rows.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(crate) struct Policy {
        pub(crate) origins: Origins,
        pub(crate) methods: AllowedMethods,
        pub(crate) headers: AllowedHeaders,
        /// The value of `access-control-expose-headers`.
        pub(crate) expose: Option<StringId>,
        /// `allowCredentials`.
        pub(crate) credentials: bool,
        /// The value of `access-control-max-age`, in seconds.
        pub(crate) max_age: Option<StringId>,
    }
}

row! {
    /// `allowMethods` of a policy.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(crate) enum AllowedMethods {
        /// The methods of the routes at the path.
        0 OfRoutes,
        /// This value of `access-control-allow-methods`.
        1 Listed(methods: StringId),
        /// The method that the preflight announces, whatever it is.
        2 Every,
        else AllowedMethods::OfRoutes
    }
}

row! {
    /// `allowHeaders` of a policy.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub(crate) enum AllowedHeaders {
        0 None,
        /// This value of `access-control-allow-headers`.
        1 Listed(headers: StringId),
        /// The headers that the preflight announces, whatever they are. They are repeated, because a literal `*` would
        /// not cover `authorization`, and with credentials it would mean a header of that name.
        2 Every,
        else AllowedHeaders::None
    }
}

row! {
    /// `allowOrigins` of a policy. The origins are in the form that `normalize_origin` returns.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub(crate) struct Origins {
        /// True if `*` is among them.
        pub(crate) any: bool,
        /// A sorted list of strings: origins without a `*`.
        pub(crate) exact: Span,
        /// A list of strings in pairs: the text before and after the `*`, which stands for the first label of a host.
        pub(crate) wildcards: Span,
    }
}

// ---- the tree of path segments

/// An index of `ENTRIES`. All patterns that match exactly the same paths share one entry, and each entry has its
/// candidates.
pub(crate) type Entry = u32;

/// An index of `NODES`.
pub(crate) type NodeId = u32;

/// The node at which every search begins.
pub(crate) const ROOT: NodeId = 0;

/// The value of `Node::literal` for a node with several literal children, which are in `LITERALS`.
pub(crate) const SEVERAL: NodeId = NO_INDEX - 1;

row! {
    /// A node of the tree: the place after some segments of a path.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Node {
        /// The parent of a node for literal text; `NO_INDEX` for all other nodes.
        pub(crate) parent: NodeId,
        /// The segment that leads to a node for literal text.
        pub(crate) text: StringId,
        /// The only child for literal text, `NO_INDEX` if there is none, or `SEVERAL`.
        pub(crate) literal: NodeId,
        /// The child for a plain parameter, or `NO_INDEX`.
        pub(crate) capture: NodeId,
        /// The entry of the patterns that end at this node, or `NO_INDEX`.
        pub(crate) entry: Entry,
        /// An index of `NODE_EXTRAS`, or `NO_INDEX` for the many nodes that have none.
        pub(crate) extras: u32,
    }
}

/// A node without children and entry.
pub(crate) const EMPTY: Node = Node {
    parent: NO_INDEX,
    text: StringId { start: 0, length: 0 },
    literal: NO_INDEX,
    capture: NO_INDEX,
    entry: NO_INDEX,
    extras: NO_INDEX,
};

row! {
    /// The part of a node that few nodes have.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct NodeExtras {
        /// The entry of the patterns that end here with `{*name}`, or `NO_INDEX`.
        pub(crate) rest: Entry,
        /// The entry of the patterns that end here with `{**name}`, or `NO_INDEX`.
        pub(crate) rest_or_none: Entry,
        /// The entry of the patterns that can't be read from here on, or `NO_INDEX`.
        pub(crate) unknown: Entry,
        /// The children for segments of literal text and parameters: rows of `MIXED`, in the order of precedence.
        pub(crate) mixed: Span,
    }
}

/// The extras of a node that has none.
pub(crate) const NO_EXTRAS: NodeExtras =
    NodeExtras { rest: NO_INDEX, rest_or_none: NO_INDEX, unknown: NO_INDEX, mixed: Span { start: 0, end: 0 } };

row! {
    /// A child node for a segment of literal text and parameters, such as `{id}.json` or `v{major}.{minor}`.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct MixedChild {
        /// The literal text before the first parameter, in normal form.
        pub(crate) prefix: StringId,
        /// The literal text after the last parameter, in normal form.
        pub(crate) suffix: StringId,
        /// If there are several parameters, a list of strings: all literal text, that before the first and after the last
        /// parameter included, in the form of `mixed::characters`. Otherwise it is empty.
        pub(crate) literals: Span,
        pub(crate) child: NodeId,
    }
}

row! {
    /// A slot of the hash table of literal children.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Slot {
        /// The value of `tree::child_hash` for the child.
        pub(crate) hash: u32,
        /// `ROOT` marks a vacant slot, because the root is nobody's child.
        pub(crate) child: NodeId,
    }
}

/// A slot without a child.
pub(crate) const VACANT: Slot = Slot { hash: 0, child: ROOT };

// ---- the lists

/// Defines the constants of the lists, and numbers them in their order.
macro_rules! lists {
    ($number:expr;) => {
        /// The number of lists.
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
    /// One row.
    SETTINGS: Settings,
    PATTERNS: MatchRow,
    /// In the order of the document.
    ROUTES: Route,
    /// The bytes of all strings.
    TEXTS: u8,
    /// The captures of all patterns.
    CAPTURES: Capture,
    NODES: Node,
    /// The strings of all lists of strings.
    TEXT_LISTS: StringId,
    /// The parts of all templates.
    PARTS: Part,
    /// The operations of the table and of all routes.
    OPERATIONS: Operation,
    RESPONSES: Response,
    /// The different hosts with captured values.
    CAPTURED_HOSTS: CapturedHost,
    /// The extras of the routes that have any.
    ROUTE_EXTRAS: RouteExtras,
    /// The extras of the nodes that have any.
    NODE_EXTRAS: NodeExtras,
    POLICIES: Policy,
    CONDITION_SETS: Conditions,
    /// The conditions of all sets.
    CONDITIONS: Condition,
    MIXED: MixedChild,
    /// The hash table of the literal children of all nodes that have several.
    LITERALS: Slot,
    /// For each entry of the tree: rows of `CANDIDATES`.
    ENTRIES: Span,
    CANDIDATES: Candidate,
}
