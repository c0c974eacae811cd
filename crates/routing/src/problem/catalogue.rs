//! Everything that can be wrong with a document. To add an error, add an entry here, and report it where it is found.
//!
//! An entry has the explanation as its comment, then severity, code, name and fields, the message (what is wrong, a
//! semicolon, and what to write instead), and the smallest document that has the problem. `problems!` makes the enum,
//! its `Display` and the catalogue from it, and `docs/messages.md` is made from the catalogue: see [`CATALOGUE`].

use super::define::problems;
use super::place::Place;
use super::quote::{Invisible, Listed, ShortText};
use super::remedy::{Instead, PathEdit, Remedy};
use crate::limits;

problems! {
    "the document" {
        /// The configuration has no content. A manifest with `pluginConfig:` and no value passes 0 bytes to the filter.
        Error "empty-configuration" Empty => {
            message: "the configuration is empty; write at least `hosts` and `routes`",
            example: "",
        }

        /// The bytes that the filter received are not JSON. Line and column count in these bytes, as Envoy passed them,
        /// and not in the file that you applied.
        Error "not-json" NotJson { message: String } => {
            message: "the configuration can't be read as JSON: {message}; write one object with `hosts` and `routes`",
            document: r#"{"hosts": ["api.example.com"], "routes": [}"#,
        }

        /// The configuration has more bytes than the filter accepts, so the filter does not read it at all.
        Error "configuration-too-large" TooLarge { bytes: usize, limit: usize } => {
            message: "the configuration has {bytes} bytes, more than {limit}, and is not read; write fewer routes, or several tables",
            sample: { bytes: limits::DOCUMENT + 1, limit: limits::DOCUMENT },
        }

        /// The configuration has more values than the filter accepts, so the filter does not read it at all. Nested
        /// values count too: each object, each list, and everything inside them.
        Error "too-many-values" TooManyValues { limit: usize } => {
            message: "the configuration has more than {limit} values, and is not read; write fewer routes, or several tables",
            sample: { limit: limits::VALUES },
        }

        /// A list has too many elements, an object has too many keys or names, a `match` has too many methods, or the
        /// table has too many `match` elements or methods in total. A list or an object that is too long counts as a
        /// value that can't be read. The same message, with other words and numbers, is used for each of these limits.
        Error "too-many-elements" TooMany { found: usize, of: &'static str, limit: usize, write: &'static str } => {
            message: "{found} {of}, more than {limit}; {write}",
            sample: { found: limits::HOSTS + 1, of: "elements", limit: limits::HOSTS, write: "take some out" },
        }

        /// A text, or a name in a list or an object, has more bytes than its limit. It counts as a value that can't be
        /// read. The limit depends on the key.
        Error "text-too-long" TooLong { of: &'static str, bytes: usize, limit: usize } => {
            message: "the {of} has {bytes} bytes, more than {limit}; shorten it",
            sample: { of: "text", bytes: limits::TEXT + 1, limit: limits::TEXT },
        }

        /// The value has another type than its key needs. Quotes make the difference between the string `"7"` and the
        /// number `7`, and between the string `"true"` and the boolean `true`.
        Error "wrong-type" WrongType { expected: &'static str, found: ShortText, write: ShortText } => {
            message: "expected {expected}, found {found}; write {write}",
            remedy: write.0.strip_prefix("it in quotes: \"").and_then(|text| text.strip_suffix('"')).and_then(Remedy::value),
            example: r#"
                hosts: [api.example.com]
                namespace: 7
                denyDirect: "true"
                routes: []
            "#,
        }

        /// A key has no value, or the value `null`. Only `cors` can be `null`.
        Error "no-value" NoValue { expected: &'static str } => {
            message: "has no value; write {expected}, or take the key out",
            example: "
                hosts: [api.example.com]
                domain:
                routes: []
            ",
        }

        /// The filter does not know this key. If the key resembles a known one, the message proposes that one.
        /// Otherwise it lists the keys that can be used in this place.
        Error "unknown-key" UnknownKey {
            key: String,
            like: Option<&'static str>,
            known: &'static [&'static str]
        } => {
            message: |f| match like {
                Some(like) => write!(f, "unknown key `{key}`; did you mean `{like}`?"),
                None => write!(f, "unknown key `{key}`; the keys here are `{}`", known.join("`, `")),
            },
            remedy: like.map(|like| Remedy::Key(like.to_owned())),
            example: "
                hosts: [api.example.com]
                colour: green
                trailingSlashes: ignore
                routes: []
            ",
        }

        /// Another router has these keys. Here, one entry says the same: methods and path are one text in `match`, for
        /// example.
        Error "foreign-key" ForeignKey { keys: Vec<String>, write: Instead } => {
            message: |f| {
                let names: Vec<&str> = keys.iter().map(String::as_str).filter(|key| *key != "match").collect();
                let plural = if names.len() == 1 { "" } else { "s" };
                write!(f, "unknown key{plural} `{}`; ", names.join("` and `"))?;
                match write {
                    Instead::Text(entry) => write!(f, "write `{entry}`"),
                    Instead::Words(words) => write!(f, "write {words}"),
                }
            },
            remedy: match write {
                Instead::Text(entry) => Some(Remedy::Entry { take_out: keys.clone(), write: entry.clone() }),
                Instead::Words(_) => None,
            },
            example: "
                hosts: [api.example.com]
                routes:
                  - path: /orders/:id
                    methods: [GET, PUT]
                    host: a.example.com
            ",
        }

        /// Another router has this key. Here something else serves instead, or nothing is needed.
        Error "key-not-needed" UselessKey { key: String, why: &'static str } => {
            message: "unknown key `{key}`; {why}, so take it out",
            remedy: Some(Remedy::TakeOut),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    weight: 90
            ",
        }

        /// A text has an expression or a variable of Helm, `envsubst` or another tool that fills in templates. The tool
        /// has not been run, or the expression is in a file that the tool does not read.
        Error "unfilled-template" Unfilled { found: String } => {
            message: "\"{found}\" is a template that is not filled in; run `check` on what Helm, or another tool, makes of this file",
            example: r#"
                hosts: ["{{ .Values.host }}"]
                routes: []
            "#,
        }

        /// A text has a character that nobody can see, such as a no-break space, where none can be. Many programs write
        /// such characters when a text is copied from them.
        Error "invisible-character" Invisible { character: char, position: usize, write: Option<String> } => {
            message: |f| {
                write!(f, "character {position} is {}, which nobody can see; ", Invisible(*character))?;
                match write {
                    Some(write) => write!(f, "write \"{write}\""),
                    None => f.write_str("take it out, or write a plain space"),
                }
            },
            remedy: write.as_ref().and_then(|write| Remedy::value(write)),
            document: r#"{"hosts": ["api.example.com\u00a0"], "routes": []}"#,
        }

        /// A key has a character that nobody can see, such as a no-break space. It is a known key otherwise.
        Error "invisible-character-in-key" InvisibleInKey { character: char, position: usize, write: &'static str } => {
            message: |f| write!(
                f,
                "character {position} of this key is {}, which nobody can see; write `{write}`",
                Invisible(*character)
            ),
            remedy: Some(Remedy::Key((*write).to_owned())),
            document: r#"{"hosts": ["api.example.com"], "routes": [], "\u200bdomain": "example.com"}"#,
        }

        /// A text has a character that nobody can see, such as a no-break space, and it may be meant. In a path, the
        /// percent-encoded form shows it: `%C2%A0` is a no-break space.
        Warning "invisible-literal" InvisibleLiteral { character: char, position: usize, write: Option<String> } => {
            message: |f| {
                write!(f, "character {position} is {}, which nobody can see, ", Invisible(*character))?;
                match write {
                    Some(write) => write!(f, "and is a part of the text; write \"{write}\""),
                    None => f.write_str("and is a part of the text; take it out"),
                }
            },
            remedy: write.as_ref().and_then(|write| Remedy::value(write)),
            document: r#"{"hosts": ["api.example.com"], "routes": [{"match": "GET /or\u00adders", "host": "a.example.com"}]}"#,
        }

        /// An object has the same key twice, or `when` has the same cookie or the same query parameter twice.
        Error "repeated-key" RepeatedKey { key: String } => {
            message: "the key `{key}` is written twice; keep one",
            example: "
                hosts: [api.example.com]
                namespace: shop
                namespace: billing
                routes: []
            ",
        }

        /// A required key is missing: `hosts` or `routes` of the table, `match` of a route, `to` of a redirect,
        /// `status` of a fixed response, or `allowOrigins` of `cors`.
        Error "missing-key" MissingKey { key: &'static str, write: &'static str } => {
            message: "`{key}` is missing; write {write}",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    redirect: { status: 308 }
            ",
        }

        /// The key accepts only certain words, and the value is none of them. Upper and lower case must be the same
        /// too.
        Error "invalid-choice" NoSuchChoice { found: String, choices: &'static [&'static str] } => {
            message: |f| write!(f, "\"{found}\" is not a choice here; write {}", Listed(choices)),
            example: "
                hosts: [api.example.com]
                onNoMatch: pass-through
                routes: []
            ",
        }
    }

    "hosts and the table's keys" {
        /// The name of the table becomes a part of the names of its metrics. Therefore it can have only letters,
        /// digits, `-` and `_`.
        Error "invalid-table-name" TableName { found: String } => {
            message: "\"{found}\" can't be part of a metric's name; use letters, digits, `-` and `_`",
            example: "
                name: my shop
                hosts: [api.example.com]
                routes: []
            ",
        }

        /// `hosts` has no element, so no request belongs to the table.
        Error "no-hosts" NoHosts => {
            message: "the list is empty, so no request would be routed; write the public hosts, such as `[api.example.com]`",
            example: "
                hosts: []
                routes: []
            ",
        }

        /// An element of `hosts` is not a host. A host is a name such as `api.example.com`, a name after `*.` such as
        /// `*.example.com`, an IP address such as `10.0.0.1` or `[::1]`, or `*` for every host. It has no scheme, path
        /// or port, does not end in a dot, and can't have a `*` in another place.
        Error "invalid-host" Host { found: String, reason: &'static str, write: Instead } => {
            message: "\"{found}\" {reason}; write {write}",
            remedy: write.remedy(),
            example: "
                hosts: [https://api.example.com/, api.example.com:443]
                routes: []
            ",
        }

        /// An element of `hosts`, the `domain`, or the `host` of a route has upper-case letters. The filter compares
        /// hosts without case and always writes them in lower case, so it reads the value as if it were in lower case.
        Warning "upper-case-host" UpperCaseHost { host: String } => {
            message: |f| write!(
                f,
                "hosts are compared and written in lower case; write \"{}\"",
                host.to_ascii_lowercase()
            ),
            remedy: Remedy::value(&host.to_ascii_lowercase()),
            example: "
                hosts: [API.example.com]
                routes: []
            ",
        }

        /// The table is for every host of the gateway, and a request that matches no route gets 404. This affects the
        /// hosts of other applications too. With `onNoMatch: passThrough`, the filter leaves these requests unchanged.
        Warning "every-host-not-found" AnyHostNotFound => {
            message: "`*` covers every host of the gateway, and with `onNoMatch: notFound` each request that no route serves gets 404; name the hosts, or write `onNoMatch: passThrough`",
            example: r#"
                hosts: ["*"]
                routes: []
            "#,
        }

        /// `basePath` is literal text that begins with `/` and does not end with `/`. It has no parameter, query,
        /// fragment or control character, and nothing that can be read in two ways: empty, `.` and `..` segments,
        /// `%2F`, `%5C` and `%00`. For a table of all paths, take the key out.
        Error "invalid-base-path" BasePath { found: String, reason: &'static str, write: String } => {
            message: "\"{found}\" {reason}; {write}",
            example: "
                hosts: [api.example.com]
                basePath: faas
                routes: []
            ",
        }

        /// `stripBasePath` removes `basePath` from the path that is forwarded, and the table has no `basePath`.
        Warning "strip-without-base-path" StripWithoutBase => {
            message: "has no effect without `basePath`; add `basePath`, or take this key out",
            remedy: Some(Remedy::TakeOut),
            example: "
                hosts: [api.example.com]
                stripBasePath: true
                routes: []
            ",
        }
    }

    "the host of a service" {
        /// A `service`, `namespace` or `tag` is not a valid name of a Kubernetes object. It becomes part of a host, so
        /// it must be a DNS label in lower case.
        Error "invalid-dns-label" DnsLabel { key: &'static str, found: String } => {
            message: "\"{found}\" is not a name for `{key}`; write at most 63 lower-case letters, digits and `-`, with a letter or digit at both ends",
            example: "
                hosts: [api.example.com]
                domain: example.com
                namespace: shop
                routes:
                  - match: GET /orders
                    service: orders_write
                    tag: Canary
            ",
        }

        /// The `domain`, or the host that `hostTemplate` makes of valid names, is not a DNS name. A DNS name has labels
        /// of 1 to 63 characters and at most 253 characters in total.
        Error "invalid-dns-name" DnsName { key: &'static str, found: String } => {
            message: "\"{found}\" is not a DNS name; `{key}` is made of labels of letters, digits and `-`, joined by dots, such as `example.com`",
            example: "
                hosts: [api.example.com]
                domain: example..com
                routes: []
            ",
        }

        /// The host of the `service` contains a namespace, and neither the route nor the table has one.
        Error "no-namespace" NoNamespace => {
            message: "has no namespace; write `namespace` in this route or in the table",
            example: "
                hosts: [api.example.com]
                domain: example.com
                routes:
                  - match: GET /orders
                    service: orders
            ",
        }

        /// The host of the `service` contains Knative's domain, and the table has no `domain`.
        Error "no-domain" NoDomain => {
            message: "the host of this service needs `domain`; write `domain` in the table",
            example: "
                hosts: [api.example.com]
                namespace: shop
                routes:
                  - match: GET /orders
                    service: orders
            ",
        }

        /// The host that requests would be forwarded to is a host of the cluster's internal DNS (`.svc`). The listener
        /// of the gateway for external requests has no route for such a host and responds with 404.
        Warning "cluster-local-host" ClusterLocalHost { host: String } => {
            message: "\"{host}\" is a cluster-local host, which the gateway's external listener does not know (404); use the service's external domain",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: orders.shop.svc.cluster.local
            ",
        }

        /// The host that is made of `tag`, `service`, `namespace` and `domain` is longer than DNS allows. The tag and
        /// the service, joined by `-`, are one label.
        Error "host-too-long" AuthorityTooLong { authority: String } => {
            message: "the host \"{authority}\" is longer than DNS allows (63 characters per label, 253 in total); shorten the names",
            example: "
                hosts: [api.example.com]
                domain: example.com
                namespace: shop
                routes:
                  - match: GET /orders
                    service: the-service-that-lists-all-orders-of-all-customers
                    tag: canary-of-november
            ",
        }

        /// The `service`, `namespace` or `tag` of a route contains the parameter of a `{*name}` or `{**name}`, which can have
        /// several segments. Each of these keys is a part of one label of a host.
        Error "rest-in-host" RestInHost { key: &'static str, name: String } => {
            message: "`{{{name}}}` can be several segments of the path, and `{key}` is a part of one label of a host; capture a single segment for it, such as `/{{name}}/`",
            example: r#"
                hosts: [api.example.com]
                domain: example.com
                namespace: shop
                routes:
                  - match: ANY /{*rest}
                    service: "{rest}"
            "#,
        }

        /// The `namespace` of a route contains a parameter, so the client chooses the namespace, and the table does not
        /// say which namespaces it may choose.
        Error "namespaces-not-listed" NamespacesNotListed => {
            message: "the client chooses this namespace, and nothing says which ones it may choose; write them into the table, such as `allowNamespaces: [shop, team-*]`",
            example: r#"
                hosts: [api.example.com]
                domain: example.com
                routes:
                  - match: "ANY /{namespace}/{name}/{*rest}"
                    service: "{name}"
                    namespace: "{namespace}"
            "#,
        }

        /// `allowNamespaces` has no element, so a captured namespace could never be used.
        Error "no-namespaces" NoAllowedNamespaces => {
            message: "the list is empty, so no captured namespace would be allowed; write the namespaces, such as `[shop, team-*]`",
            example: "
                hosts: [api.example.com]
                allowNamespaces: []
                routes: []
            ",
        }

        /// An element of `allowNamespaces` is not the name of a namespace, nor the beginning of one with a `*` after it,
        /// nor `*` alone.
        Error "invalid-allowed-namespace" AllowedNamespace { found: String } => {
            message: "\"{found}\" is not a namespace; write a name such as `shop`, the beginning of names such as `team-*`, or `\"*\"` for every namespace",
            example: r#"
                hosts: [api.example.com]
                allowNamespaces: ["*-team", Shop]
                routes: []
            "#,
        }

        /// `allowNamespaces` has a `*`. A client can then call every service of the cluster that the gateway serves,
        /// those of system namespaces and those that are meant for other tables included.
        Warning "every-namespace" AnyNamespace => {
            message: "`*` lets a client choose any namespace, and so every service that the gateway serves; name the namespaces, such as `[shop, team-*]`",
            example: r#"
                hosts: [api.example.com]
                domain: example.com
                allowNamespaces: ["*"]
                routes:
                  - match: "ANY /{namespace}/{name}/{*rest}"
                    service: "{name}"
                    namespace: "{namespace}"
            "#,
        }

        /// The table has `allowNamespaces`, and no route has a parameter in its `namespace`.
        Warning "namespaces-not-captured" NamespacesNotCaptured => {
            message: "has no effect, because no route captures its `namespace` from the path; take it out, or write a parameter in the `namespace` of a route",
            remedy: Some(Remedy::TakeOut),
            example: "
                hosts: [api.example.com]
                domain: example.com
                namespace: shop
                allowNamespaces: [shop, billing]
                routes:
                  - match: ANY /{name}/{**rest}
                    service: \"{name}\"
            ",
        }

        /// `denyDirect` is on, a `namespace` is captured, and every namespace is allowed. Then it is not known which hosts
        /// the targets have, so requests that use such a host directly are not denied.
        Warning "direct-hosts-unknown" DirectHostsUnknown => {
            message: "`*` lets a client choose any namespace, so `denyDirect` can't know the hosts, and direct requests to them pass; name the namespaces, such as `[shop, team-*]`, or block direct requests by a policy (docs/security.md, \"Blocking direct access to services\")",
            example: r#"
                hosts: [api.example.com]
                domain: example.com
                allowNamespaces: ["*"]
                denyDirect: true
                routes:
                  - match: "ANY /{namespace}/{name}/{*rest}"
                    service: "{name}"
                    namespace: "{namespace}"
            "#,
        }

        /// A `service`, `namespace` or `tag` contains a parameter, and `hostTemplate` does not have the service and the
        /// namespace in different labels. A client could then choose a service in a namespace that the table does not
        /// name: with `{service}-{namespace}`, the service `a-b` of the namespace `c` has the same host as the service `a`
        /// of the namespace `b-c`.
        Error "host-template-for-captures" HostTemplateForCapture { key: &'static str, template: String } => {
            message: "a captured `{key}` needs a `hostTemplate` with `{{service}}` and `{{namespace}}` in different labels, and \"{template}\" has not; write the name without parameters, or use another domain template in Knative and here, such as `{{service}}.{{namespace}}.{{domain}}`",
            example: r#"
                hosts: [api.example.com]
                domain: example.com
                namespace: shop
                hostTemplate: "{service}-{namespace}.{domain}"
                routes:
                  - match: "ANY /{name}/{*rest}"
                    service: "{name}"
            "#,
        }

        /// `hostTemplate` is copied from Knative's `domain-template`, which is in the template language of Go. Here
        /// each field is its name in braces.
        Error "go-host-template" HostTemplateOfGo { found: String } => {
            message: "\"{found}\" is written in Go's template language; write its fields as `{{service}}.{{namespace}}.{{domain}}`",
            example: r#"
                hosts: [api.example.com]
                hostTemplate: "{{.Name}}.{{.Namespace}}.{{.Domain}}"
                routes: []
            "#,
        }

        /// `hostTemplate` has a field that does not exist.
        Error "unknown-host-template-field" HostTemplateField { found: String } => {
            message: "unknown field `{{{found}}}`; the fields are `{{service}}`, `{{namespace}}` and `{{domain}}`",
            example: r#"
                hosts: [api.example.com]
                hostTemplate: "{name}.{domain}"
                routes: []
            "#,
        }

        /// `hostTemplate` does not contain the name of the service, so it can't distinguish one service from another.
        Error "host-template-without-service" HostTemplateWithoutService => {
            message: "has no `{{service}}`, so every service would have the same host; write for example `{{service}}.{{namespace}}.{{domain}}`",
            example: r#"
                hosts: [api.example.com]
                hostTemplate: "{namespace}.{domain}"
                routes: []
            "#,
        }

        /// `hostTemplate` has an opening brace without a closing one, or a closing brace without an opening one.
        Error "host-template-braces" HostTemplateBraces { found: String } => {
            message: "\"{found}\" has an unmatched brace; write for example `{{service}}.{{namespace}}.{{domain}}`",
            example: r#"
                hosts: [api.example.com]
                hostTemplate: "{service.{domain}"
                routes: []
            "#,
        }
    }

    "a route's target" {
        /// The route does not say where its requests go.
        Error "no-target" NoTarget => {
            message: "has no target; write one of `service`, `host`, `redirect` or `respond`",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
            ",
        }

        /// The route has more than one of `service`, `host`, `redirect` and `respond`.
        Error "several-targets" SeveralTargets { found: Vec<&'static str> } => {
            message: |f| write!(f, "has {} targets, `{}`; keep one", found.len(), found.join("` and `")),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: orders.example.com
                    redirect: { to: /v2/orders }
            ",
        }

        /// The key has no effect on a target of this kind. `namespace` and `tag` need a `service`; `rewritePath`,
        /// `timeout` and `requestHeaders` need a request that is forwarded, so a `service` or a `host`.
        Error "misplaced-key" OnlyWith { key: &'static str, with: &'static str } => {
            message: "`{key}` can only be used with {with}; take it out",
            remedy: Some(Remedy::TakeOut),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /tag
                    host: orders.example.com
                    tag: canary
                  - match: GET /rewrite
                    redirect: { to: /v2 }
                    rewritePath: /v2
            ",
        }

        /// The `host` of a route is not a host. It is a name or an IP address, and can end with a port:
        /// `legacy.example.com`, `legacy.example.com:8080`, `[::1]`.
        Error "invalid-target-host" TargetHost { found: String, reason: &'static str, write: Instead } => {
            message: "\"{found}\" {reason}; write {write}",
            remedy: write.remedy(),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: https://orders.example.com/
            ",
        }

        /// A `timeout` is not a whole number with a unit after it. The units are `ms`, `s` and `m`. If the text is a
        /// duration of another program, such as `1.5s` or `1h`, the message says how to write it.
        Error "invalid-timeout" Timeout { found: String, write: Option<String> } => {
            message: |f| match write {
                Some(write) => write!(f, "\"{found}\" is not a whole number and `ms`, `s` or `m`; write `{write}`"),
                None => write!(
                    f,
                    "\"{found}\" is not a whole number and `ms`, `s` or `m`; write for example `30s`, or `0s` for no timeout"
                ),
            },
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /fraction
                    host: a.example.com
                    timeout: 1.5s
                  - match: GET /none
                    host: a.example.com
                    timeout: none
            ",
        }

        /// A `timeout` is a number without a unit.
        Error "timeout-without-unit" TimeoutWithoutUnit { found: String, seconds: Option<String>, milliseconds: String } => {
            message: |f| match seconds {
                Some(seconds) => write!(
                    f,
                    "{found} has no unit; write `{seconds}` for seconds, or `{milliseconds}` for milliseconds"
                ),
                None => write!(f, "{found} has no unit; write `{milliseconds}`"),
            },
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    timeout: 30
            ",
        }

        /// A `timeout` is longer than a day.
        Error "timeout-too-long" TimeoutTooLong { found: String } => {
            message: "\"{found}\" is longer than a day; write at most `1440m`, or `0s` for no timeout",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    timeout: 2000m
            ",
        }

        /// The `requestHeaders` of a route change the header that `timeout` of the same route sets.
        Error "timeout-twice" TimeoutTwice { header: &'static str } => {
            message: "sets the header `{header}`, which `requestHeaders` of this route changes too; keep one of them",
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    timeout: 30s
                    requestHeaders:
                      set: { x-envoy-upstream-rq-timeout-ms: "1000" }
            "#,
        }

        /// The `name` of a route is empty, or has a control character such as a line break. It is written to logs.
        Error "invalid-route-name" RouteName => {
            message: "is empty or has a control character; write one line of text, or take the key out",
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    name: ""
                    host: orders.example.com
            "#,
        }
    }

    "redirects and fixed answers" {
        /// The status is not one that a redirect, or a fixed response, can have.
        Error "invalid-status" Status { found: String, allowed: &'static str } => {
            message: "{found} is not a status for this; write {allowed}",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /redirect
                    redirect: { to: /v2, status: 304 }
                  - match: GET /respond
                    respond: { status: 100 }
            ",
        }

        /// `to` of a redirect is not a path that begins with `/`, nor a URL that begins with `https://` or `http://`
        /// and a host. All characters must be ones that a URL can have; others are percent-encoded, as in
        /// `/two%20words`. The scheme and the host of a URL can't come from the request, because then a client could
        /// choose them.
        Error "invalid-redirect" RedirectTo { found: String, reason: &'static str, write: &'static str } => {
            message: "\"{found}\" {reason}; write {write}",
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /neither
                    redirect: { to: www.example.com }
                  - match: GET /open/{host}
                    redirect: { to: "https://{host}/" }
            "#,
        }

        /// A response with status 204, 205 or 304 can't have a body.
        Error "body-not-allowed" BodyForbidden { status: u16 } => {
            message: "a response with status {status} has no body; take `body` out, or write another status",
            remedy: Some(Remedy::TakeOut),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /empty
                    respond: { status: 204, body: done }
            ",
        }
    }

    "match" {
        /// `match` is an empty list, so no request matches the route.
        Error "empty-match" NoMatch => {
            message: "the list is empty, so the route is never chosen; write for example `GET /orders/{{id}}`",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: []
                    host: a.example.com
            ",
        }

        /// A `match` has a path and no method. `ANY` stands for every method.
        Error "no-method" NoMethod { found: String } => {
            message: |f| write!(
                f,
                "\"{found}\" names no method; write for example `GET {0}`, `GET|POST {0}`, or `ANY {0}` for every method",
                found.trim_start()
            ),
            remedy: Remedy::value(&format!("ANY {}", found.trim_start())).filter(|_| found.trim_start().starts_with('/')),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: /orders
                    host: a.example.com
            ",
        }

        /// A `match` has methods and no path.
        Error "no-path" NoPath { found: String } => {
            message: "\"{found}\" has no path; write methods, one space and a path, such as `{found} /orders`",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET
                    host: a.example.com
            ",
        }

        /// A `match` has more than one space between methods and path.
        Error "several-spaces" SeveralSpaces { found: String, write: Option<String> } => {
            message: |f| match write {
                Some(write) => write!(f, "\"{found}\" has more than one space before its path; write \"{write}\""),
                None => write!(f, "\"{found}\" has more than one space before its path; write one"),
            },
            remedy: write.as_ref().and_then(|write| Remedy::value(write)),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: PUT  /orders
                    host: a.example.com
            ",
        }

        /// A method has a character that no method can have (RFC 9110, section 9.1). Several methods are joined by `|`.
        Error "invalid-method" Method { found: String } => {
            message: "\"{found}\" is not a method; write methods joined by `|`, such as `GET|POST`, or `ANY`",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: SEND@MAIL /orders
                    host: a.example.com
            ",
        }

        /// A `match` is written as another router has it. An element is one or more methods joined by `|`, one space, and a
        /// path.
        Error "match-form" MatchForm { found: String, write: Option<String> } => {
            message: |f| match write {
                Some(write) => write!(f, "\"{found}\" is not methods joined by `|`, one space and a path; write \"{write}\""),
                None => write!(f, "\"{found}\" is not methods joined by `|`, one space and a path; write it like `GET|POST /orders`"),
            },
            remedy: write.as_ref().and_then(|write| Remedy::value(write)),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: ["GET, POST /orders", "* /users"]
                    host: a.example.com
            "#,
        }

        /// An element of `match` is an object, as in other routers. Here it is a text.
        Error "match-object" MatchObject { write: String } => {
            message: "expected a string, found an object; write \"{write}\"",
            remedy: Remedy::value(write),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: { method: GET, path: /orders }
                    host: a.example.com
            ",
        }

        /// Envoy accepts the methods of a list over HTTP/1.1, and answers 400 to all others. Methods have upper and lower
        /// case. Over HTTP/2 and HTTP/3 it accepts every method.
        Warning "refused-method" RefusedMethod { found: String, like: Option<&'static str> } => {
            message: |f| {
                write!(f, "Envoy answers 400 to the method \"{found}\" over HTTP/1.1")?;
                match like {
                    Some(like) => write!(f, "; did you mean `{like}`?"),
                    None if found == "QUERY" => f.write_str(" before Envoy 1.40; write `POST` for clients that need it"),
                    None => f.write_str("; write a method that HTTP/1.1 has, unless all clients use HTTP/2"),
                }
            },
            remedy: like.and_then(|like| Remedy::part(found, like)),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: [GTE /orders, BREW /coffee]
                    host: a.example.com
            ",
        }

        /// A `match` has the same method twice.
        Error "repeated-method" MethodRepeated { method: String } => {
            message: "the method {method} is named twice; keep one",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET|GET /orders
                    host: a.example.com
            ",
        }

        /// `ANY` is joined with other methods, which it includes.
        Error "any-among-methods" AnyAmongMethods => {
            message: "ANY means every method; write it alone, or leave it out",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET|ANY /orders
                    host: a.example.com
            ",
        }

        /// A method in lower case would be one of the well-known methods in upper case. Methods are case-sensitive, so
        /// the route, or the `allowMethods` of `cors`, does not include the well-known one.
        Warning "method-case" MethodCase { found: String, is_beside: bool } => {
            message: |f| {
                let upper = found.to_ascii_uppercase();
                let write = if *is_beside { "take it out, because the other one is there too" } else { "write it in upper case" };
                write!(f, "methods are case-sensitive, and \"{found}\" is not \"{upper}\"; {write}")
            },
            remedy: if *is_beside { None } else { Remedy::part(found, &found.to_ascii_uppercase()) },
            example: "
                hosts: [api.example.com]
                routes:
                  - match: get /orders
                    host: a.example.com
            ",
        }

        /// The path of a `match` does not begin with `/`.
        Error "path-without-slash" PathStart { found: String, write: Option<String> } => {
            message: |f| match write {
                Some(write) => write!(f, "the path \"{found}\" does not begin with `/`; write \"{write}\""),
                None => write!(f, "the path \"{found}\" does not begin with `/`; write one that does, such as `/orders`"),
            },
            remedy: write.as_ref().and_then(|write| Remedy::end(found, write)),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET orders
                    host: a.example.com
            ",
        }

        /// A segment of a path has an opening brace without a closing one.
        Error "unclosed-brace" BraceOpen { segment: String } => {
            message: "in \"{segment}\" a brace is opened and not closed; write `{{name}}` for a parameter, `{{{{` for a literal brace",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders/{id
                    host: a.example.com
            ",
        }

        /// A segment of a path has a closing brace without an opening one.
        Error "unopened-brace" BraceClosed { segment: String } => {
            message: "in \"{segment}\" a brace is closed and was not opened; write `{{name}}` for a parameter, `}}}}` for a literal brace",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders/id}
                    host: a.example.com
            ",
        }

        /// The text between two braces is not the name of a parameter, or has more than the name. Among these are
        /// `{id:int}` and `{path+}` of other routers: here a parameter has no type, and `{*path}` matches the rest of a path.
        Error "invalid-parameter" CaptureName {
            segment: String,
            why: &'static str,
            write: Option<String>,
            edit: Option<PathEdit>
        } => {
            message: |f| match write {
                Some(write) => write!(f, "in \"{segment}\" the parameter {why}; write \"{write}\""),
                None => write!(f, "in \"{segment}\" the parameter {why}"),
            },
            remedy: edit.as_ref().and_then(PathEdit::remedy),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: ["GET /a/{order id}", "GET /b/{path+}"]
                    host: a.example.com
            "#,
        }

        /// A parameter has a regular expression, as in other routers. Here `{name}` matches any text, and the service decides
        /// what to do with it.
        Error "limited-parameter" LimitedCapture { segment: String, write: String, edit: PathEdit } => {
            message: "\"{segment}\" has a regular expression, and there are none here; write \"{write}\", which matches any text",
            remedy: edit.remedy(),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: "GET /orders/{id:[0-9]+}"
                    host: a.example.com
            "#,
        }

        /// A parameter spans several segments, as in Google's API definitions. Here each segment is written on its own.
        Error "spanning-parameter" SpanningCapture { segment: String, write: String, edit: PathEdit } => {
            message: "\"{segment}\" spans several segments, and a parameter is one segment or a part of it; write \"{write}\"",
            remedy: edit.remedy(),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: "GET /v1/{name=projects/*/locations/*}"
                    host: a.example.com
            "#,
        }

        /// A path has two parameters of the same name.
        Error "repeated-parameter" CaptureRepeated { name: String } => {
            message: "the parameter `{{{name}}}` is named twice in one path; rename one",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders/{id}/items/{id}
                    host: a.example.com
            ",
        }

        /// A segment of a path can have several parameters, such as `v{major}.{minor}`. There must be text between them,
        /// because that text is where the first one ends.
        Error "adjacent-parameters" AdjacentCaptures { segment: String } => {
            message: "in \"{segment}\" two parameters follow each other without text between them, so nothing says where the first one ends; write text between them, or one parameter",
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /range/{from}{to}
                    host: a.example.com
            "#,
        }

        /// Each parameter of a segment that has several takes time to find. So at most 64 different ones of these segments
        /// can stand at one place of the paths, and at most 256 in a table.
        Error "too-many-mixed-segments" TooManyMixed { segment: String, limit: usize, of: &'static str } => {
            message: "\"{segment}\" has several parameters, and {of} has more than {limit} different segments of this kind; write one parameter, and let the service take it apart",
            sample: { segment: "{from}-{to}".to_owned(), limit: limits::MIXED_SEGMENTS_AT_ONE_PLACE, of: "this place of the paths" },
        }

        /// A `{*name}` matches whole segments, so its segment can't have other text.
        Error "rest-beside-text" RestAffixed { segment: String } => {
            message: "in \"{segment}\" there is text next to `{{*name}}`; make `{{*name}}` a segment of its own",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /files/v{*rest}
                    host: a.example.com
            ",
        }

        /// A `{*name}` matches all remaining segments of a path, so no segment can follow it.
        Error "rest-not-last" RestNotLast { segment: String } => {
            message: "\"{segment}\" is not the last segment; `{{*name}}` matches all segments that follow, so write `{{name}}` for one segment, or end the path here",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /files/{*rest}/end
                    host: a.example.com
            ",
        }

        /// The path of a `match` has more segments than the limit.
        Error "too-many-segments" TooManySegments { found: usize, limit: usize } => {
            message: "the path has {found} segments, more than {limit}; shorten it, or end it with `{{*rest}}`",
            sample: { found: limits::SEGMENTS + 1, limit: limits::SEGMENTS },
        }

        /// The path of a `match` has a `?`. The filter matches the path of a request without its query, so this `?` is
        /// the literal character, which a path has as `%3F`.
        Warning "query-in-path" QueryInPath { edit: Option<PathEdit> } => {
            message: "the query is not matched, so `?` is read as a literal `%3F`; for a query parameter use `when: {{query: …}}`",
            remedy: edit.as_ref().and_then(PathEdit::remedy),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /search?q=x
                    host: a.example.com
            ",
        }

        /// The path of a `match` has a `#`. Clients send no fragment, so this `#` is the literal character, which a path has
        /// as `%23`.
        Warning "fragment-in-path" FragmentInPath { edit: Option<PathEdit> } => {
            message: "no request has a fragment, so `#` is read as a literal `%23`; take it out, or write `%23`",
            remedy: edit.as_ref().and_then(PathEdit::remedy),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: "GET /docs#top"
                    host: a.example.com
            "#,
        }

        /// A `%` that is followed by no two hex digits is no percent-encoding. It is the literal character, which a path has
        /// as `%25`.
        Warning "percent-in-path" PercentInPath { segment: String, write: String, edit: PathEdit } => {
            message: "in \"{segment}\" a `%` begins no percent-encoding, so it is read as a literal `%25`; write \"{write}\"",
            remedy: edit.remedy(),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /100%
                    host: a.example.com
            ",
        }

        /// A segment of a path is written like a parameter of another router: `:id`, `<id>` or `[id]`. Here it is literal
        /// text.
        Warning "foreign-syntax" ForeignSyntax { segment: String, write: String, edit: PathEdit } => {
            message: "\"{segment}\" is matched literally; if it is meant as a parameter, write \"{write}\"",
            remedy: edit.remedy(),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: [GET /users/:id, GET /files/<name>]
                    host: a.example.com
            ",
        }

        /// A segment of a path has a `*`, as a wildcard of another router. Here it is literal text.
        Warning "literal-star" LiteralStar { segment: String, write: String, also: Option<String>, edit: PathEdit } => {
            message: |f| {
                write!(f, "in \"{segment}\" the `*` is matched literally; write \"{write}\"")?;
                also.as_ref().map_or(Ok(()), |also| write!(f, " or \"{also}\""))
            },
            remedy: edit.remedy(),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: [GET /users/*/posts, GET /files/*]
                    host: a.example.com
            ",
        }

        /// A segment of a path is written like a regular expression. There are none here: it is literal text, and no request
        /// that was meant has it.
        Warning "literal-regular-expression" LiteralRegex { segment: String, write: String, edit: PathEdit } => {
            message: "there are no regular expressions, so \"{segment}\" is matched literally; write for example \"{write}\"",
            remedy: edit.remedy(),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: "GET /orders/[0-9]+"
                    host: a.example.com
            "#,
        }

        /// A path is written as a regular expression. There are none here.
        Error "regular-expression" RegexPath { found: String, write: Option<String> } => {
            message: |f| match write {
                Some(write) => write!(f, "\"{found}\" is a regular expression, and there are none here; write for example \"{write}\""),
                None => write!(f, "\"{found}\" is a regular expression, and there are none here; write a path such as `/orders/{{id}}`"),
            },
            remedy: write.as_ref().and_then(|write| Remedy::end(found, write)),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET ^/orders/([0-9]+)$
                    host: a.example.com
            "#,
        }

        /// The path of a `match` is a URL, or begins with a host. The public hosts are in `hosts` of the table.
        Error "url-as-path" UrlAsPath { found: String, host: String, write: Option<String> } => {
            message: |f| match write {
                Some(write) => write!(f, "\"{found}\" has a host, and a path has none; write \"{write}\", and \"{host}\" in `hosts`"),
                None => write!(f, "\"{found}\" has a host, and a path has none; write the path alone, and \"{host}\" in `hosts`"),
            },
            remedy: write.as_ref().and_then(|write| Remedy::end(found, write)),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET https://api.example.com/orders
                    host: a.example.com
            ",
        }

        /// The path of a `match` begins with `basePath`, which is put in front of every path of the table. So the route
        /// matches only paths that have it twice.
        Warning "repeated-base-path" RepeatedBase { base: String, edit: PathEdit } => {
            message: "`basePath` is put in front, so this matches only paths that begin with \"{base}{base}\"; write \"{edit}\"",
            remedy: edit.remedy(),
            example: "
                hosts: [api.example.com]
                basePath: /faas
                routes:
                  - match: GET /faas/orders
                    host: a.example.com
            ",
        }

        /// Every path that this `match` could match is unsafe, and `unsafePaths` responds to such paths with 400 before a
        /// route is chosen. Unsafe are, for example, an empty segment, `.` and `..` segments, `%2F` (not with
        /// `allowEncodedSlash`) and `%5C`.
        Warning "unreachable-path" Unreachable { reason: &'static str, write: &'static str } => {
            message: "can never be chosen: {reason} is refused before matching; change the path, or write `unsafePaths: {write}`",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /docs//index
                    host: a.example.com
            ",
        }

        /// A `match` ends with a space. The space is part of the path.
        Warning "final-space" FinalSpace { write: Option<String> } => {
            message: |f| {
                f.write_str("ends with a space, which is read as a literal `%20`; ")?;
                match write {
                    Some(write) => write!(f, "write \"{write}\", or `%20` at its end"),
                    None => f.write_str("take it out, or write `%20`"),
                }
            },
            remedy: write.as_ref().and_then(|write| Remedy::value(write)),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: "GET /orders "
                    host: a.example.com
            "#,
        }

        /// A `match` has a control character, such as a line break or a tab.
        Error "control-character" ControlCharacter { write: Option<String> } => {
            message: |f| match write {
                Some(write) => write!(f, "has a control character, such as a line break; write \"{write}\""),
                None => f.write_str("has a control character, such as a line break; write one line of text"),
            },
            remedy: write.as_ref().and_then(|write| Remedy::value(write)),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: "GET /two\nlines"
                    host: a.example.com
            "#,
        }
    }

    "conditions" {
        /// The name of a cookie in `when` is empty, has a character that separates cookies (`=`, `;` or a control
        /// character), or begins with white space. No cookie of a request has such a name.
        Error "invalid-cookie-name" CookieName { found: String } => {
            message: "\"{found}\" is not a cookie's name; write the name alone, without `=`, `;` and spaces around it",
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    when:
                      cookies: { "beta=1": "*" }
            "#,
        }

        /// The value of a cookie in `when` has a `;` or a control character. No cookie of a request has such a value.
        Error "invalid-cookie-value" CookieValue { name: String } => {
            message: "the value of the cookie `{name}` has a `;` or a control character; take it out",
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    when:
                      cookies: { beta: "1; Path=/" }
            "#,
        }

        /// The value of a cookie in `when` is in double quotes. One pair of double quotes around the value of a request's
        /// cookie is taken off before it is compared, so the condition holds only for a cookie with one more pair.
        Warning "quoted-cookie" QuotedCookie { name: String, found: String, write: Option<String> } => {
            message: |f| {
                write!(f, "one pair of double quotes is taken off a request's cookie before it is compared, so only `{name}=\"{found}\"` has this value; ")?;
                match write {
                    Some(write) => write!(f, "for `{name}={found}` write \"{write}\""),
                    None => f.write_str("take the quotes out if the cookie has none"),
                }
            },
            remedy: write.as_deref().and_then(Remedy::value),
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    when:
                      cookies: { beta: '"1"' }
            "#,
        }

        /// A condition on the query has a `+`, which stands for itself there. In the query of a request, a `+` means a
        /// space, and a plus is written `%2B`.
        Warning "plus-in-query" PlusInQuery { found: String, write: String } => {
            message: "in \"{found}\" the `+` is a plus, which a request's query has as `%2B`; for a space write \"{write}\"",
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /search
                    host: a.example.com
                    when:
                      query: { q: red+shoes }
            "#,
        }

        /// A query parameter in `when` has an empty name. The names and values of headers in `when` have the same rules
        /// as those of other headers, and their messages are the ones about headers.
        Error "empty-query-name" EmptyQueryName => {
            message: "a query parameter must have a name; write it instead of \"\"",
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    when:
                      query: { "": x }
            "#,
        }
    }

    "templates" {
        /// A template of the route uses a parameter that one of the route's `match` elements does not have. Each
        /// parameter of a template must be in every `match` of its route.
        Error "unknown-parameter" UnknownCapture { name: String, pattern: String, known: Vec<String> } => {
            message: |f| match &known[..] {
                [] => write!(
                    f,
                    "`{{{name}}}` is not captured by \"{pattern}\", which captures nothing; add the parameter to the path, or take it out here"
                ),
                known => write!(
                    f,
                    "`{{{name}}}` is not captured by \"{pattern}\"; it captures {}",
                    Listed(&known.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>())
                ),
            },
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: ["GET /orders/{order}", GET /orders]
                    host: a.example.com
                    rewritePath: /v2/{id}
            "#,
        }

        /// A template of the table uses a parameter that no route has. Such a template is for all routes, so at least
        /// one route must have the parameter.
        Error "parameter-of-no-route" CapturedNowhere { name: String } => {
            message: "no route captures `{{{name}}}`; add the parameter to a path, or take it out here",
            example: r#"
                hosts: [api.example.com]
                requestHeaders:
                  set: { x-tenant: "{tenant}" }
                routes:
                  - match: GET /orders/{id}
                    host: a.example.com
            "#,
        }

        /// A template has `{*name}`. The `*` belongs to `match` only: in a template, `{name}` is the text that
        /// `{*name}` matched.
        Error "rest-in-template" RestInTemplate { name: String } => {
            message: "in a template, a name has no `*`; write `{{{name}}}`",
            remedy: Remedy::part(&format!("{{*{name}}}"), &format!("{{{name}}}")),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /files/{*rest}
                    host: a.example.com
                    rewritePath: /v2/{*rest}
            ",
        }

        /// A template has an opening brace without a closing one, or a closing brace without an opening one.
        Error "template-braces" TemplateBraces { found: String } => {
            message: "\"{found}\" has an unmatched brace; write `{{name}}` for a captured value, `{{{{` and `}}}}` for literal braces",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders/{id}
                    host: a.example.com
                    rewritePath: /v2/{id
            ",
        }

        /// `service`, `namespace` or `tag` has a `{` without a `}`, or a `}` without a `{`. These are parts of a host, which
        /// has no braces of its own.
        Error "host-braces" HostBraces { key: &'static str, found: String } => {
            message: "\"{found}\" has an unmatched brace, and a `{key}` has braces only around the name of a captured value, such as `{{name}}`; close it, or take it out",
            example: r#"
                hosts: [api.example.com]
                domain: example.com
                namespace: shop
                routes:
                  - match: GET /orders/{id}
                    service: "orders-{id"
            "#,
        }

        /// Whatever a request has captured, `rewritePath` makes a path that is unsafe, and `unsafePaths` responds to it with
        /// 400.
        Warning "refused-rewrite" RefusedRewrite { reason: &'static str, write: &'static str } => {
            message: "makes {reason}, so every request of this route is answered with 400; change it, or write `unsafePaths: {write}`",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders/{id}
                    host: a.example.com
                    rewritePath: /v2//{id}
            ",
        }

        /// `{**rest}` may be empty. What `rewritePath` or the location of a redirect makes of the empty text is always refused:
        /// a path with an empty segment, for example, or a location that begins with `//` and so names another host.
        Warning "empty-rest" EmptyRest { name: String, path: String, made: String, reason: &'static str } => {
            message: |f| {
                match &**path {
                    "" => f.write_str("a request for `/`")?,
                    path => write!(f, "a request for `{path}` or `{path}/`")?,
                }
                write!(f, " is always answered with 400, because `{{{name}}}` is empty then, and \"{made}\" has {reason}; write `{{*{name}}}` in `match`, and a route of its own for `{}`", if path.is_empty() { "/" } else { path })
            },
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /files/{**rest}
                    host: a.example.com
                    rewritePath: /{rest}/index
            ",
        }

        /// A template refers to a part of the path as other tools do: `$1`, `\\1`, `${id}`, `:id` or `*`. Here it is the name of
        /// a parameter in braces.
        Error "foreign-reference" ForeignReference { found: String, write: Option<String>, known: Vec<String> } => {
            message: |f| match (write, &known[..]) {
                (Some(write), _) => write!(f, "`{found}` is not how a captured value is written here; write \"{write}\""),
                (None, []) => write!(f, "`{found}` is not how a captured value is written here; name a parameter in `match`, such as `{{id}}`, and write `{{id}}`"),
                (None, known) => write!(
                    f,
                    "`{found}` is not how a captured value is written here; write {}",
                    Listed(&known.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>())
                ),
            },
            remedy: write.as_ref().and_then(|write| Remedy::value(write)),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders/{id}
                    host: a.example.com
                    rewritePath: /v2/$1
            ",
        }

        /// `rewritePath` does not begin with `/`.
        Error "rewrite-without-slash" RewriteStart { found: String } => {
            message: "\"{found}\" does not begin with `/`; write \"/{found}\"",
            remedy: Remedy::value(&format!("/{found}")),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    rewritePath: v2
            ",
        }

        /// `rewritePath` has a `?` or a `#`. It changes the path only; the query of the request is forwarded as it is.
        Error "query-in-rewrite" RewriteQuery { character: char } => {
            message: |f| write!(
                f,
                "a path can't have a `{character}`, and the request's query is kept unchanged; take it out, or write `%{:02X}` for a literal one",
                *character as u32
            ),
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET /orders
                    host: a.example.com
                    rewritePath: /v2?x=1
            ",
        }
    }

    "CORS" {
        /// `allowOrigins` has no element, so no page of another origin may call the routes. `cors: false` says the
        /// same.
        Error "no-origins" NoOrigins => {
            message: "the list is empty, so no page could call the routes; write the origins, such as `[https://app.example.com]`, or `cors: false`",
            example: "
                hosts: [api.example.com]
                cors: { allowOrigins: [] }
                routes: []
            ",
        }

        /// An element of `allowOrigins` is not an origin. An origin is a scheme, `://`, a host whose first label can be
        /// `*`, and a port if it is not the default port of the scheme; it has no path, not even `/`. The origin `null`
        /// is not accepted, because every sandboxed page and every local file has it.
        Error "invalid-origin" CorsOrigin { found: String, reason: &'static str, write: Instead } => {
            message: "\"{found}\" {reason}; write {write}",
            remedy: write.remedy(),
            example: "
                hosts: [api.example.com]
                cors: { allowOrigins: [app.example.com, https://app.example.com/] }
                routes: []
            ",
        }

        /// An element of `allowMethods` is not a method. The word for every method is `*` here, not `ANY` as in
        /// `match`.
        Error "invalid-cors-method" CorsMethod { found: String, is_every: bool } => {
            message: "\"{found}\" is not a method; write one method in each element, such as `PUT`, or `\"*\"` for every method",
            remedy: is_every.then(|| Remedy::Value("*".to_owned())),
            example: "
                hosts: [api.example.com]
                cors: { allowOrigins: [https://app.example.com], allowMethods: [ANY] }
                routes: []
            ",
        }

        /// `allowOrigins: ["*"]` is combined with `allowCredentials: true`. Every page could then send requests with
        /// the cookies of the user who visits it. Browsers do not accept such a response.
        Error "any-origin-with-credentials" AnyOriginWithCredentials => {
            message: "`*` and `allowCredentials` together would let every page send requests with its visitor's credentials, and browsers refuse it; name the origins, or take `allowCredentials` out",
            example: r#"
                hosts: [api.example.com]
                cors: { allowOrigins: ["*"], allowCredentials: true }
                routes: []
            "#,
        }

        /// `exposeHeaders: ["*"]` is combined with `allowCredentials: true`. Then `*` does not mean every header: it is
        /// the name of a header.
        Error "expose-any-with-credentials" ExposeAnyWithCredentials => {
            message: "with `allowCredentials`, browsers read `*` as the name of a header; name the headers",
            example: r#"
                hosts: [api.example.com]
                cors: { allowOrigins: [https://app.example.com], exposeHeaders: ["*"], allowCredentials: true }
                routes: []
            "#,
        }
    }

    "headers" {
        /// The name of a header has a character that no name can have. This is reported for all headers of the
        /// configuration: in `when`, `requestHeaders`, `responseHeaders`, `respond` and `cors`.
        Error "invalid-header-name" HeaderName { found: String } => {
            message: "\"{found}\" is not a header's name; use letters, digits and `-`, such as `x-example`",
            example: r#"
                hosts: [api.example.com]
                requestHeaders:
                  set: { "x a": b }
                routes: []
            "#,
        }

        /// A configuration can't set, remove or compare this header. Other keys are for the host and the path of a
        /// request; Envoy sets the length of a body; headers such as `connection` concern one connection only; and
        /// Knative's components rely on theirs, such as `k-original-host`.
        Error "forbidden-header" HeaderForbidden { name: String, reason: &'static str } => {
            message: "the header `{name}` {reason}; take it out",
            example: r#"
                hosts: [api.example.com]
                requestHeaders:
                  set: { ":path": /b, k-original-host: b }
                routes: []
            "#,
        }

        /// An object has the same header twice. Upper and lower case make no difference in the name of a header.
        Error "repeated-header" HeaderRepeated { name: String } => {
            message: "the header `{name}` is written twice (case does not count); keep one",
            example: "
                hosts: [api.example.com]
                requestHeaders:
                  remove: [X-A, x-a]
                routes: []
            ",
        }

        /// The value of a header begins or ends with white space, or has a control character such as a line break.
        Error "invalid-header-value" HeaderValue { name: String } => {
            message: "the value of `{name}` has a control character, or a space at its start or end; take it out",
            example: r#"
                hosts: [api.example.com]
                responseHeaders:
                  set: { x-a: "b " }
                routes: []
            "#,
        }
    }

    "two routes" {
        /// Two routes have the same path, the same conditions, and a method in common, so a request could go to either
        /// of them. The names of parameters do not make paths different. Both routes are broken.
        Error "duplicate-route" Duplicate { other: Place, other_text: String, methods: String } => {
            message: "is a duplicate of {other} (\"{other_text}\"): same path, same conditions, {methods}; remove one, or make them differ in method or `when`",
            example: "
                hosts: [api.example.com]
                routes:
                  - match: GET|PUT /orders/{id}
                    host: a.example.com
                  - match: GET|PUT|DELETE /orders/{order}
                    host: b.example.com
            ",
        }

        /// Two routes can have the same path and the same number of conditions. But here every request that the second
        /// one matches is also matched by the first one, which is chosen because it comes first. If the second one
        /// comes first, both can be chosen.
        Warning "shadowed-route" Shadowed { other: Place, other_text: String } => {
            message: "can never be chosen: wherever its conditions hold, {other} (\"{other_text}\") is chosen first; remove it, or give it more conditions",
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: GET /users
                    host: a.example.com
                    when: { headers: { x-beta: "*" } }
                  - match: GET /users
                    host: b.example.com
                    when: { headers: { x-beta: "true" } }
            "#,
        }

        /// `{*rest}` takes at least one segment, so the path before it is not matched, with or without a slash. Here another
        /// route with a rest gets it. `{**rest}` takes zero or more segments.
        Warning "bare-prefix" BarePrefix {
            paths: String,
            other: Place,
            other_text: String,
            write: Option<String>
        } => {
            message: |f| {
                write!(
                    f,
                    "does not match {paths}, because `{{*name}}` takes at least one segment; {other} (\"{other_text}\") gets that"
                )?;
                match write {
                    Some(write) => write!(f, "; to match it here, write \"{write}\""),
                    None => f.write_str("; to match it here, write a `match` of its own for it"),
                }
            },
            example: r#"
                hosts: [api.example.com]
                routes:
                  - match: ANY /api/{*rest}
                    host: back.example.com
                  - match: ANY /{*rest}
                    host: front.example.com
            "#,
        }

        /// Too many routes with conditions have the same path and the same method. Those that come first in the order
        /// of precedence are served; other requests that match there get 503.
        Error "too-many-conditional-routes" TooManyConditional { found: usize, method: String, limit: usize } => {
            message: "is one of {found} routes with conditions at this path for {method}, more than {limit}, and comes after the first {limit}; use different paths, or let the service decide",
            sample: { found: limits::CONDITIONAL + 1, method: "GET".to_owned(), limit: limits::CONDITIONAL },
        }
    }
}
