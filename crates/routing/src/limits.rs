//! How much a document may hold, and why no more. Past a limit a document is wrong, and is reported so, like any other.
//!
//! A Kubernetes object holds 1.5 MiB, so nobody comes near most of these by writing a table. They are for what a program
//! writes by mistake, or somebody by intent: whatever comes, a gateway's workers stand still for moments only, its memory
//! and its log stay bounded, and no request pays for what the table is.
//!
//! `docs/configuration.md` has a row for each constant: what is limited stands before the colon, the reason behind it.

/// Bytes of a document: ten times what a Kubernetes object holds; each thread of a gateway has a copy.
pub const DOCUMENT: usize = 16 * 1024 * 1024;

/// Values of a document, nested ones included: twenty for each of the most routes; each costs time to
/// look at.
pub const VALUES: usize = 2_000_000;

/// Keys of an object of the document: none has so many; each that is not known is compared with those that are.
pub const KEYS: usize = 256;

/// Routes of a table: six times what a Kubernetes object holds; reading them takes a worker a second.
pub const ROUTES: usize = 100_000;

/// Elements of one `match`: each is compared with each name in the route's templates.
pub const MATCHES: usize = 1_000;

/// Elements of all `match`es of a table: each costs as much as a route.
pub const PATTERNS: usize = 100_000;

/// Methods of all `match`es of a table, counted wherever they stand: five for each of the most routes; each has a
/// row in the table.
pub const CANDIDATES: usize = 500_000;

/// Methods of one `match`: HTTP has about 40 registered ones.
pub const METHODS_OF_A_MATCH: usize = 64;

/// Different methods of a table: a 405 names those of its path.
pub const METHODS: usize = 1_024;

/// Segments of one `match`: the tree of routes is searched as deep as its longest path.
pub const SEGMENTS: usize = 256;

/// Routes with conditions at one path and method: a request may ask for the conditions of each.
pub const CONDITIONAL: usize = 256;

/// Elements of `hosts`: each is a name somebody has to own.
pub const HOSTS: usize = 10_000;

/// Names in one `headers`, `query`, `set`, `add` or `remove`: as many headers as Envoy takes in one message
/// (`max_headers_count`).
pub const HEADERS: usize = 100;

/// Elements of one list of `cors`: they are looked through for each request of a page.
pub const CORS: usize = 1_000;

/// Bytes of a text that is not named here, such as a `match`, a template, or a header's value: Envoy takes 60 KiB
/// of headers in one message.
pub const TEXT: usize = 8 * 1024;

/// Bytes of a `name`, and of a header's, a query parameter's or a method's name in a list or an object: log lines
/// and metrics hold it.
pub const NAME: usize = 256;

/// Bytes of a `body`: an answer is held in memory, once for each thread and for each request under way.
pub const BODY: usize = 1024 * 1024;

/// Errors and warnings that are kept: the rest is counted.
pub const PROBLEMS: usize = 1_000;

/// Errors and warnings that the filter logs: the rest is counted in one more line; nobody reads on.
pub const LOGGED: usize = 100;

/// Characters of a piece of the document that a message quotes: to find it again.
pub const QUOTED: usize = 200;

/// Unknown keys that are compared with the known ones, beyond those of the table itself: that is done letter by letter.
pub(crate) const LIKENESSES: usize = 1_000;

/// Characters of a key that is compared with the known ones: they are far shorter.
pub(crate) const LIKE: usize = 64;

/// Returns how many elements, or names, the value of a key may have; `None` where no list and no object belongs.
pub(crate) fn elements(key: &str) -> Option<usize> {
    Some(match key {
        "routes" => ROUTES,
        "hosts" => HOSTS,
        "match" => MATCHES,
        "headers" | "query" | "set" | "add" | "remove" => HEADERS,
        "allowOrigins" | "allowMethods" | "allowHeaders" | "exposeHeaders" => CORS,
        _ => return None,
    })
}

/// Of the bytes of a text under a key, or in a list or an object under it.
pub(crate) fn text(key: &str) -> usize {
    match key {
        "body" => BODY,
        "name" | "remove" | "allowMethods" | "allowHeaders" | "exposeHeaders" => NAME,
        _ => TEXT,
    }
}
