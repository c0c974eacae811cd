//! Every key of the document, with its type and its documentation.
//!
//! Reading checks only the types of the values; `compile` checks what they mean. The JSON Schema that `ksvc-router
//! schema` prints is made from the same definitions. The doc comment of a key is its description there, and a
//! `Default:` at its end is compared with the tables of `docs/configuration.md`.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::document::read::{DocumentReader, FromJson, choice, object};
pub use crate::document::read::{Key, OneOrMany, OrOff};
use crate::document::value::JsonValue;

object! {
    /// The configuration of one plugin: a route table.
    #[expected = "an object with `hosts` and `routes`"]
    pub struct Config<'a> {
        /// Name of the table in metrics and log lines: letters, digits, `-` and `_`. Default: `default`.
        #[key = "name"]
        pub name: Key<Cow<'a, str>>,
        /// The public hosts of the table: exact names, `*.suffix` (one or more labels) or `*`. Case, port and trailing
        /// dot do not count. Requests to other hosts are left unchanged.
        #[key = "hosts", required = "the public hosts, such as `hosts: [api.example.com]`"]
        pub hosts: Key<Vec<Option<Cow<'a, str>>>>,
        /// Literal prefix of every path in the table; it ends at a segment boundary. Requests to other paths are left
        /// unchanged.
        #[key = "basePath"]
        pub base_path: Key<Cow<'a, str>>,
        /// Knative's domain, a part of the host of a `service`.
        #[key = "domain"]
        pub domain: Key<Cow<'a, str>>,
        /// Namespace of every `service` whose route does not name one.
        #[key = "namespace"]
        pub namespace: Key<Cow<'a, str>>,
        /// Template of the host of a `service`: Knative's domain template, with `{service}`, `{namespace}` and
        /// `{domain}`. Default: `{service}.{namespace}.{domain}`.
        #[key = "hostTemplate"]
        pub host_template: Key<Cow<'a, str>>,
        /// Namespaces that a captured `namespace` of a route may name: names, `team-*` for all that begin with `team-`,
        /// or `*` for every namespace.
        #[key = "allowNamespaces"]
        pub allow_namespaces: Key<Vec<Option<Cow<'a, str>>>>,
        /// Forward the path without `basePath`. Default: false.
        #[key = "stripBasePath"]
        pub strip_base_path: Key<bool>,
        /// In responses, turn a `Location` header of the service back to the public URL. Default: false.
        #[key = "rewriteLocation"]
        pub rewrite_location: Key<bool>,
        /// Defines what happens to a request in scope that no route serves. Default: `notFound`.
        #[key = "onNoMatch"]
        pub on_no_match: Key<OnNoMatch>,
        /// Defines whether `/a` and `/a/` are different paths. With `ignore`, each matches the other if there is no
        /// exact match. Default: `strict`.
        #[key = "trailingSlash"]
        pub trailing_slash: Key<TrailingSlash>,
        /// Defines what happens to a path that can be read in two ways. `reject` answers 400. Default: `reject`.
        #[key = "unsafePaths"]
        pub unsafe_paths: Key<UnsafePaths>,
        /// Remove Knative's internal headers from routed requests. Default: true.
        #[key = "stripInternalHeaders"]
        pub strip_internal_headers: Key<bool>,
        /// Answer 404 to requests that use the host of a target directly. Default: false.
        #[key = "denyDirect"]
        pub deny_direct: Key<bool>,
        /// Defines which pages of other origins may call the routes. A route can replace it.
        #[key = "cors"]
        pub cors: Key<OrOff<Box<Cors<'a>>>>,
        /// Changes to the headers of every routed request. Those of a route are made after them.
        #[key = "requestHeaders"]
        pub request_headers: Key<Box<HeaderOperations<'a>>>,
        /// Changes to the headers of the responses of every route. Those of a route are made after them.
        #[key = "responseHeaders"]
        pub response_headers: Key<Box<HeaderOperations<'a>>>,
        /// The routes; the list may be empty. Their order matters only between routes that are otherwise equal.
        #[key = "routes", required = "the list of routes, or `routes: []`"]
        pub routes: Key<Routes<'a>>,
    }
}

/// The list of routes, as JSON that is not parsed yet.
///
/// `compile` reads the routes one by one, after the rest of the document, so that they never take memory all at once.
#[derive(Debug)]
pub struct Routes<'a>(pub(crate) Vec<&'a RawValue>);

impl<'a> FromJson<'a> for Routes<'a> {
    const EXPECTED: &'static str = "a list";

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
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
    /// One route: which requests it matches, and what happens to them.
    #[expected = "an object with `match` and a target"]
    pub struct Route<'a> {
        /// `METHODS PATH`, or a list of them: `GET /orders/{id}`, `GET|POST /orders`, `ANY /files/{*rest}`.
        #[key = "match", required = "for example `match: GET /orders/{id}`"]
        pub patterns: Key<OneOrMany<Cow<'a, str>>>,
        /// Name of the Knative Service. It may contain captured values, such as `{name}`.
        #[key = "service"]
        pub service: Key<Cow<'a, str>>,
        /// Namespace of `service`. It may contain captured values; the table then needs `allowNamespaces`. Default: the
        /// table's.
        #[key = "namespace"]
        pub namespace: Key<Cow<'a, str>>,
        /// Traffic tag of `service`: `canary` makes the host `canary-orders.shop.example.com`. It may contain captured
        /// values.
        #[key = "tag"]
        pub tag: Key<Cow<'a, str>>,
        /// The authority to forward to, instead of `service`. It is used as written, with a port if it needs one.
        #[key = "host"]
        pub host: Key<Cow<'a, str>>,
        /// Answer with a redirect, made in the gateway.
        #[key = "redirect"]
        pub redirect: Key<Box<Redirect<'a>>>,
        /// Answer with a fixed response, made in the gateway.
        #[key = "respond"]
        pub respond: Key<Box<Respond<'a>>>,
        /// Name of the route in access logs, metrics and messages. Default: the first `match`.
        #[key = "name"]
        pub name: Key<Cow<'a, str>>,
        /// Conditions that the request must also meet, all of them.
        #[key = "when"]
        pub when: Key<Box<When<'a>>>,
        /// Template of the forwarded path, such as `/v2/{rest}`. The query is kept.
        #[key = "rewritePath"]
        pub rewrite_path: Key<Cow<'a, str>>,
        /// How long a request may take, from its end to the end of the response: a whole number and `ms`, `s` or `m`, such
        /// as `30s`; `0s` for no timeout. It includes a cold start of the service.
        #[key = "timeout"]
        pub timeout: Key<Timeout<'a>>,
        /// Defines which pages of other origins may call the route. It replaces the table's `cors` as a whole; `false`
        /// or `null` turns it off.
        #[key = "cors"]
        pub cors: Key<OrOff<Box<Cors<'a>>>>,
        /// Changes to the headers of the routed request, made after those of the table.
        #[key = "requestHeaders"]
        pub request_headers: Key<Box<HeaderOperations<'a>>>,
        /// Changes to the headers of the response, made after those of the table.
        #[key = "responseHeaders"]
        pub response_headers: Key<Box<HeaderOperations<'a>>>,
    }
}

/// A timeout as written. A number without a unit is read too, so that the message about it can say which units there
/// are.
#[derive(Debug)]
pub struct Timeout<'a>(pub(crate) Cow<'a, str>);

impl<'a> FromJson<'a> for Timeout<'a> {
    const EXPECTED: &'static str = "a time, such as `30s`";

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Number(number) => Some(Timeout(number.to_string().into())),
            JsonValue::Text(text) => Cow::from_json(JsonValue::Text(text), reader).map(Timeout),
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        Cow::<str>::schema()
    }
}

object! {
    /// A policy for cross-origin resource sharing (<https://fetch.spec.whatwg.org/#http-cors-protocol>).
    #[expected = "an object with `allowOrigins`"]
    pub struct Cors<'a> {
        /// Origins as browsers send them: `https://app.example.com`, `https://*.example.com` for one label of any name,
        /// or `*` for every origin.
        #[key = "allowOrigins", required = "the origins, such as `allowOrigins: [https://app.example.com]`"]
        pub allow_origins: Key<Vec<Option<Cow<'a, str>>>>,
        /// Methods that a page may use; `*` for every method. Default: those of the path's routes.
        #[key = "allowMethods"]
        pub allow_methods: Key<Vec<Option<Cow<'a, str>>>>,
        /// Request headers that a page may set; `*` for every header.
        #[key = "allowHeaders"]
        pub allow_headers: Key<Vec<Option<Cow<'a, str>>>>,
        /// Response headers that a page may read; `*` for every header.
        #[key = "exposeHeaders"]
        pub expose_headers: Key<Vec<Option<Cow<'a, str>>>>,
        /// Allow pages to send cookies and other credentials. Default: false.
        #[key = "allowCredentials"]
        pub allow_credentials: Key<bool>,
        /// Number of seconds for which a browser may keep the response to a preflight request.
        #[key = "maxAge"]
        pub max_age: Key<u32>,
    }
}

object! {
    /// Changes to headers. `remove` is applied first, then `set`, then `add`. Values are templates.
    #[expected = "an object with `set`, `add` or `remove`"]
    pub struct HeaderOperations<'a> {
        /// Values by name. Each replaces all values of the header.
        #[key = "set"]
        pub set: Key<Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>>,
        /// Values by name. Each is added to the values of the header.
        #[key = "add"]
        pub add: Key<Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>>,
        /// Names of headers to remove.
        #[key = "remove"]
        pub remove: Key<Vec<Option<Cow<'a, str>>>>,
    }
}

object! {
    /// A redirect that the gateway answers with.
    #[expected = "an object with `to`"]
    pub struct Redirect<'a> {
        /// Template of the location: a path, or an absolute URL whose scheme and host are literal.
        #[key = "to", required = "where it leads, such as `to: /v2/{id}`"]
        pub to: Key<Cow<'a, str>>,
        /// Status code, one of 301, 302, 303, 307 and 308. Default: 308.
        #[key = "status"]
        pub status: Key<u16>,
    }
}

object! {
    /// A fixed response that the gateway answers with.
    #[expected = "an object with `status`"]
    pub struct Respond<'a> {
        /// Status code, 200 to 599.
        #[key = "status", required = "such as `status: 200`"]
        pub status: Key<u16>,
        /// Headers of the response, by name.
        #[key = "headers"]
        pub headers: Key<Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>>,
        /// The body: this text in UTF-8, byte for byte.
        #[key = "body"]
        pub body: Key<Cow<'a, str>>,
    }
}

object! {
    /// Conditions on the request. A value that ends in `*` is a prefix, and `*` alone requires only that the header,
    /// cookie or parameter is present.
    #[expected = "an object with `headers`, `cookies` or `query`"]
    pub struct When<'a> {
        /// Values of request headers, by name.
        #[key = "headers"]
        pub headers: Key<Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>>,
        /// Values of cookies, by name. If a cookie occurs several times, its first value counts.
        #[key = "cookies"]
        pub cookies: Key<Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>>,
        /// Values of query parameters, by name, decoded. If a parameter occurs several times, its first value counts.
        #[key = "query"]
        pub query: Key<Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>>,
    }
}

choice! {
    /// The ways to handle a request in scope that no route serves.
    pub enum OnNoMatch {
        /// Answer 404, or 405 if the path has routes for other methods.
        NotFound = "notFound",
        /// Leave the request unchanged.
        PassThrough = "passThrough",
    }
}

choice! {
    /// The ways to handle a slash at the end of a path.
    pub enum TrailingSlash {
        /// A path and the same path with a slash at its end are different.
        Strict = "strict",
        /// Each of these paths matches the other if there is no exact match.
        Ignore = "ignore",
    }
}

choice! {
    /// The ways to handle a path that can be read in two ways, such as `/a/../b`.
    pub enum UnsafePaths {
        /// Answer 400.
        Reject = "reject",
        /// Answer 400, unless encoded slashes (`%2F`) are all that is unsafe. They stay a part of their segment.
        AllowEncodedSlash = "allowEncodedSlash",
        /// Match it as it is.
        Allow = "allow",
    }
}

/// Returns the JSON Schema of the configuration, for editors.
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
