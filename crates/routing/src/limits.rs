//! How much a document may hold, and why. A document that exceeds a limit is wrong, and the error is reported like any
//! other.
//!
//! A Kubernetes object holds 1.5 MiB, so no table that somebody writes comes near most of these limits. They are for a
//! program that writes a table by mistake, and for somebody who does it on purpose. Whatever the document is, the
//! workers of a gateway stop only for moments, its memory and its log stay bounded, and no request takes longer than
//! the limits allow.
//!
//! [`ALL`] lists the limits; the table in `docs/configuration.md` is compared with it.

/// A limit, as the documentation shows it.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The name of the constant.
    pub name: &'static str,
    /// The most that is allowed.
    pub value: usize,
    /// What is counted.
    pub what: &'static str,
    /// The reason, in one or two sentences.
    pub why: &'static str,
}

/// Defines the limits: a constant for each, with its documentation, and the list of all.
///
/// `DOCUMENT = 16 * 1024 * 1024, "Bytes of a document", "A Kubernetes object holds less.";` expands to
///
/// ```text
/// /// Bytes of a document.
/// ///
/// /// A Kubernetes object holds less.
/// pub const DOCUMENT: usize = 16 * 1024 * 1024;
/// ```
///
/// and to this element of `pub const ALL: &[Limit]`:
///
/// ```text
/// Limit { name: "DOCUMENT", value: DOCUMENT, what: "Bytes of a document", why: "A Kubernetes object holds less." }
/// ```
macro_rules! limits {
    ($( $name:ident = $value:expr, $what:literal, $why:literal; )*) => {
        $(
            #[doc = concat!($what, ".\n\n", $why)]
            pub const $name: usize = $value;
        )*

        /// All limits, in the order of the documentation.
        pub const ALL: &[Limit] =
            &[$( Limit { name: stringify!($name), value: $name, what: $what, why: $why } ),*];
    };
}

limits! {
    DOCUMENT = 16 * 1024 * 1024,
        "Bytes of a configuration",
        "This is ten times the size of a Kubernetes object. Each thread of a gateway has its own copy.";

    VALUES = 2_000_000,
        "Values of a configuration, with those inside lists and objects",
        "This allows 20 values for each route of the largest table. Each value takes time to read.";

    KEYS = 256,
        "Keys of one object",
        "No object needs so many. Each unknown key is compared with the known ones.";

    ROUTES = 100_000,
        "Routes of a table",
        "This is six times as many as fit into a Kubernetes object. A worker takes a second to read them.";

    MATCHES = 1_000,
        "Elements of one `match`",
        "Each element is compared with each parameter in the route's templates.";

    PATTERNS = 100_000,
        "Elements of all `match`es of a table together",
        "Each element costs as much as a route.";

    CANDIDATES = 500_000,
        "Methods of all `match`es of a table together; a method counts each time that it is written",
        "This allows five methods for each route of the largest table. Each has a row in the compiled table.";

    METHODS_OF_A_MATCH = 64,
        "Methods of one element of `match`",
        "HTTP has about 40 registered methods.";

    METHODS = 1_024,
        "Different methods of a table",
        "A response with status 405 lists all methods of the path.";

    SEGMENTS = 256,
        "Path segments of one element of `match`",
        "The tree of routes is searched as deep as its longest path.";

    MIXED_SEGMENTS_AT_ONE_PLACE = 64,
        "Different segments with several parameters, such as `{from}-{to}`, at one place of the paths",
        "Each of them is compared with the whole segment of a request.";

    MIXED_SEGMENTS = 256,
        "Different segments with several parameters at all places of the paths together",
        "A request may be compared with all of them. The largest public APIs have 160.";

    CONDITIONAL = 256,
        "Routes with conditions at one path and method",
        "For one request, the conditions of each of these routes may have to be checked.";

    HOSTS = 10_000,
        "Elements of `hosts`",
        "Each host is a name that somebody has to own.";

    NAMESPACES = 1_000,
        "Elements of `allowNamespaces`",
        "The list is searched for each request to a captured namespace.";

    TIMEOUT = 24 * 60 * 60 * 1000,
        "Milliseconds of a `timeout`",
        "This is a day. `0s` is for responses that may take longer.";

    HEADERS = 100,
        "Names in one `headers`, `cookies`, `query`, `set`, `add` or `remove`",
        "Envoy accepts at most this many headers in one message (`max_headers_count`).";

    CORS = 1_000,
        "Elements of one list of `cors`",
        "The lists are searched for each request of a page of another origin.";

    TEXT = 8 * 1024,
        "Bytes of any other text, such as a `match`, a template, or the value of a header",
        "Envoy accepts 60 KiB of headers in one message.";

    NAME = 256,
        "Bytes of a `name`, and of the name of a header, a cookie, a query parameter or a method in a list or an object",
        "Log lines and metrics contain these names.";

    BODY = 1024 * 1024,
        "Bytes of a `body`",
        "The body is in memory once for each thread, and once for each request that is answered with it.";

    PROBLEMS = 1_000,
        "Errors and warnings that are kept",
        "The others are only counted.";

    LOGGED = 100,
        "Errors and warnings that the filter logs",
        "One more line has the number of the others. Nobody reads more than this.";

    QUOTED = 200,
        "Characters of a part of the configuration that a message quotes",
        "This is enough to find the part in the configuration.";
}

/// Unknown keys that are compared with the known ones, not counting the keys of the table itself. The comparison goes
/// letter by letter.
pub(crate) const LIKENESSES: usize = 1_000;

/// Characters of a key that is compared with the known ones. All known keys are far shorter.
pub(crate) const LIKE: usize = 64;

/// Returns how many elements, or names, the value of a key may have, or `None` if the key has neither a list nor an
/// object.
pub(crate) fn elements(key: &str) -> Option<usize> {
    Some(match key {
        "routes" => ROUTES,
        "hosts" => HOSTS,
        "allowNamespaces" => NAMESPACES,
        "match" => MATCHES,
        "headers" | "cookies" | "query" | "set" | "add" | "remove" => HEADERS,
        "allowOrigins" | "allowMethods" | "allowHeaders" | "exposeHeaders" => CORS,
        _ => return None,
    })
}

/// Returns how many bytes a text may have that is the value of a key, or is in a list or an object under the key.
pub(crate) fn text(key: &str) -> usize {
    match key {
        "body" => BODY,
        "name" | "remove" | "allowMethods" | "allowHeaders" | "exposeHeaders" => NAME,
        _ => TEXT,
    }
}
