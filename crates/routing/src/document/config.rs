//! The document as the user wrote it: every key, its type and what it is for.
//!
//! Nothing is checked here but the shape; `compile` says what the values mean. The JSON Schema that
//! `ksvc-router schema` prints is made from the same definitions.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::document::read::{DocumentReader, OneOrMany, OrOff, Read, choice, object};
use crate::document::value::JsonValue;

object! {
    /// The route table of one plugin.
    pub struct Config<'a> called "an object with `hosts` and `routes`" {
        /// Name of the table, for logs and metrics: letters, digits, `-` and `_`. Default: `default`.
        "name" name: Cow<'a, str>;
        /// The public hosts of this table: exact names, `*.suffix` (one or more labels) or `*`. Compared
        /// without case, port and trailing dot; all other traffic is left untouched.
        "hosts" hosts: Vec<Option<Cow<'a, str>>>, required "the public hosts, such as `hosts: [api.example.com]`";
        /// Literal path prefix of every match, on a segment border; outside it traffic is left untouched.
        "basePath" base_path: Cow<'a, str>;
        /// Knative's domain, part of the host that `service` makes.
        "domain" domain: Cow<'a, str>;
        /// Default namespace of `service`.
        "namespace" namespace: Cow<'a, str>;
        /// Knative's domain template, with `{service}`, `{namespace}` and `{domain}`.
        /// Default: `{service}.{namespace}.{domain}`.
        "hostTemplate" host_template: Cow<'a, str>;
        /// Forward the path without `basePath`. Default: false.
        "stripBasePath" strip_base_path: bool;
        /// In responses, turn a `Location` that names the target's host back to the public one. Default: false.
        "rewriteLocation" rewrite_location: bool;
        /// What becomes of a request inside the scope that no route serves. Default: `notFound`.
        "onNoMatch" on_no_match: OnNoMatch;
        /// `ignore`: `/a/` finds `/a` and the reverse, an exact match first. Default: `strict`.
        "trailingSlash" trailing_slash: TrailingSlash;
        /// `reject`: 400 for paths that can mean two things. Default: `reject`.
        "unsafePaths" unsafe_paths: UnsafePaths;
        /// Remove Knative's internal headers when a client sent them. Default: true.
        "stripInternalHeaders" strip_internal_headers: bool;
        /// Answer 404 to requests that name a target's host directly. Default: false.
        "denyDirect" deny_direct: bool;
        /// Which pages of other origins may call the routes; a route may say otherwise.
        "cors" cors: OrOff<Box<Cors<'a>>>;
        /// Changes to the headers of every routed request; a route's own come after.
        "requestHeaders" request_headers: Box<HeaderOperations<'a>>;
        /// Changes to the headers of every route's responses; a route's own come after.
        "responseHeaders" response_headers: Box<HeaderOperations<'a>>;
        /// The table; may be empty. The order matters only between routes that are equal in all else.
        "routes" routes: Routes<'a>, required "the list of routes, or `routes: []`";
    }
}

/// The routes as JSON. They are read one by one after the rest of the document is known.
#[derive(Debug)]
pub struct Routes<'a>(pub(crate) Vec<&'a RawValue>);

impl<'a> Read<'a> for Routes<'a> {
    const EXPECTED: &'static str = "a list";

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::List(routes) => Some(Routes(routes.first)),
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        <Vec<Option<Route<'a>>>>::schema()
    }
}

object! {
    /// One route: what it matches, and where that goes.
    pub struct Route<'a> called "an object with `match` and a target" {
        /// `METHODS PATH`, or a list of them: `GET /orders/{id}`, `GET|POST /orders`, `ANY /files/{*rest}`.
        "match" patterns: OneOrMany<Cow<'a, str>>, required "for example `match: GET /orders/{id}`";
        /// The Knative Service.
        "service" service: Cow<'a, str>;
        /// Namespace of `service`; default: the table's.
        "namespace" namespace: Cow<'a, str>;
        /// Traffic tag of `service`: `canary` makes `canary-orders.shop.example.com`.
        "tag" tag: Cow<'a, str>;
        /// The authority as it is, instead of `service`.
        "host" host: Cow<'a, str>;
        /// Answered by the gateway with a redirect.
        "redirect" redirect: Box<Redirect<'a>>;
        /// Answered by the gateway.
        "respond" respond: Box<Respond<'a>>;
        /// For logs, metrics and messages; default: the first `match`.
        "name" name: Cow<'a, str>;
        /// Conditions beside method and path; all must hold.
        "when" when: Box<When<'a>>;
        /// Template of the forwarded path, such as `/v2/{rest}`; the query is kept.
        "rewritePath" rewrite_path: Cow<'a, str>;
        /// Which pages of other origins may call the route, instead of the table's `cors`; `null` turns that off.
        "cors" cors: OrOff<Box<Cors<'a>>>;
        /// Changes to the headers of the routed request, after the table's.
        "requestHeaders" request_headers: Box<HeaderOperations<'a>>;
        /// Changes to the headers of the response, after the table's.
        "responseHeaders" response_headers: Box<HeaderOperations<'a>>;
    }
}

object! {
    /// Cross-origin resource sharing (https://fetch.spec.whatwg.org/#http-cors-protocol).
    pub struct Cors<'a> called "an object with `allowOrigins`" {
        /// Origins as browsers send them, `https://app.example.com`; `https://*.example.com` for one label of any
        /// name, `*` for every origin.
        "allowOrigins" allow_origins: Vec<Option<Cow<'a, str>>>, required "the origins, such as `allowOrigins: [https://app.example.com]`";
        /// Methods that a page may use; `*` for every method. Default: those of the path's routes.
        "allowMethods" allow_methods: Vec<Option<Cow<'a, str>>>;
        /// Request headers that a page may set; `*` for every header.
        "allowHeaders" allow_headers: Vec<Option<Cow<'a, str>>>;
        /// Response headers that a page may read; `*` for every header.
        "exposeHeaders" expose_headers: Vec<Option<Cow<'a, str>>>;
        /// Whether a page may send cookies and other credentials. Default: false.
        "allowCredentials" allow_credentials: bool;
        /// For how many seconds a browser may keep the answer to a preflight.
        "maxAge" max_age: u32;
    }
}

object! {
    /// Changes to headers: first `remove`, then `set`, then `add`. Values are templates.
    pub struct HeaderOperations<'a> called "an object with `set`, `add` or `remove`" {
        /// Values by name, each in place of all that the header has.
        "set" set: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>;
        /// Values by name, each beside those that the header has.
        "add" add: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>;
        /// Names of headers to be taken away.
        "remove" remove: Vec<Option<Cow<'a, str>>>;
    }
}

object! {
    /// Where a redirect leads.
    pub struct Redirect<'a> called "an object with `to`" {
        /// Template of the location: a path, or an absolute URL whose scheme and host are literal.
        "to" to: Cow<'a, str>, required "where it leads, such as `to: /v2/{id}`";
        /// 301, 302, 303, 307 or 308. Default: 308.
        "status" status: u16;
    }
}

object! {
    /// An answer made in the gateway.
    pub struct Respond<'a> called "an object with `status`" {
        /// 200 to 599.
        "status" status: u16, required "such as `status: 200`";
        /// Headers of the answer, by name.
        "headers" headers: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>;
        /// The body as it is.
        "body" body: Cow<'a, str>;
    }
}

object! {
    /// Conditions on the request; the value `*` means present.
    pub struct When<'a> called "an object with `headers` or `query`" {
        /// Header values, by name.
        "headers" headers: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>;
        /// Values of query parameters, by name; the first one of a name counts.
        "query" query: Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>;
    }
}

choice! {
    /// What becomes of a request inside the scope that no route serves.
    pub enum OnNoMatch {
        "notFound" NotFound,
        "passThrough" PassThrough,
    }
}

choice! {
    /// Whether a final slash counts.
    pub enum TrailingSlash {
        "strict" Strict,
        "ignore" Ignore,
    }
}

choice! {
    /// What becomes of a path that can mean two things.
    pub enum UnsafePaths {
        "reject" Reject,
        "allow" Allow,
    }
}

/// The JSON Schema of the configuration, for editors.
#[cfg(feature = "schema")]
pub fn schema() -> serde_json::Value {
    let mut schema = Config::schema();
    if let Some(keywords) = schema.as_object_mut() {
        keywords.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        keywords.insert("title".into(), "ksvc-router: the route table (`pluginConfig`)".into());
    }
    if let Some(route) = schema.pointer_mut("/properties/routes/items").and_then(|route| route.as_object_mut()) {
        let targets = ["service", "host", "redirect", "respond"];
        let each = targets.iter().map(|target| serde_json::json!({"required": [target]})).collect::<Vec<_>>();
        route.insert("oneOf".into(), each.into());
    }
    schema
}
