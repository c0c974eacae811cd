//! Looks at the keys of an object that are not known here: keys of other routers, with the entry to write instead, or
//! the reason why none is needed.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{is_name, methods, templates};
use crate::problem::{Instead, ProblemKind};

/// Keys that belong together, and their problem.
pub(crate) struct Found<'k> {
    /// The keys as written. The problem is reported at the first of them.
    pub(crate) keys: Vec<&'k str>,
    /// The known key that they were probably meant to be.
    pub(crate) like: Option<&'static str>,
    /// The known key whose value is a part of the proposed entry.
    pub(crate) replaced: Option<&'static str>,
    pub(crate) kind: ProblemKind,
}

/// An entry of an object: a key, and its value as JSON text.
type Entry<'e, 'a> = (Cow<'e, str>, &'a RawValue);

/// Finds the keys of other routers in an object that has the keys `known`.
pub(crate) fn find<'k>(entries: &'k [Entry<'_, '_>], known: &'static [&'static str]) -> Vec<Found<'k>> {
    let object = Object { entries, known };
    if known.contains(&"routes") {
        return object.table();
    }
    if known.contains(&"match") {
        return object.route();
    }
    object.aliases()
}

struct Object<'k, 'e, 'a> {
    entries: &'k [Entry<'e, 'a>],
    known: &'static [&'static str],
}

/// The longest value that is read for a message.
const VALUE: usize = 1_000;

impl<'k> Object<'k, '_, '_> {
    fn unknown(&self) -> impl Iterator<Item = (&'k str, String)> {
        let keys = self.entries.iter().map(|(key, _)| &**key).filter(|key| !self.known.contains(key));
        keys.filter(|key| key.len() <= 40).map(|key| (key, word(key)))
    }

    fn value(&self, key: &str) -> Value {
        let raw = self.entries.iter().find(|(name, _)| name == key).map(|(_, raw)| raw.get());
        raw.filter(|raw| raw.len() <= VALUE).and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or_default()
    }

    fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name == key)
    }

    fn text(&self, key: &str) -> Option<String> {
        self.value(key).as_str().map(str::to_owned)
    }

    fn useless(&self, key: &'k str, why: &'static str) -> Found<'k> {
        Found {
            keys: vec![key],
            like: None,
            replaced: None,
            kind: ProblemKind::UselessKey { key: key.to_owned(), why },
        }
    }

    fn like(&self, key: &'k str, like: &'static str) -> Found<'k> {
        let kind = ProblemKind::UnknownKey { key: key.to_owned(), like: Some(like), known: self.known };
        Found { keys: vec![key], like: Some(like), replaced: None, kind }
    }

    fn entry(&self, keys: Vec<&'k str>, like: &'static str, write: String) -> Found<'k> {
        self.foreign(keys, like, Instead::Text(write))
    }

    /// Explains what to write if it can't be known in full.
    fn explained(&self, keys: Vec<&'k str>, like: &'static str, words: &str) -> Found<'k> {
        self.foreign(keys, like, Instead::Words(words.to_owned()))
    }

    fn foreign(&self, keys: Vec<&'k str>, like: &'static str, write: Instead) -> Found<'k> {
        let names = keys.iter().map(|key| (*key).to_owned()).collect();
        Found { keys, like: Some(like), replaced: None, kind: ProblemKind::ForeignKey { keys: names, write } }
    }

    /// Finds keys of a small object that have another name here.
    fn aliases(&self) -> Vec<Found<'k>> {
        let found = self.unknown().filter_map(|(key, word)| {
            let like = alias(&word, self.known)?;
            (!self.has(like)).then(|| self.like(key, like))
        });
        found.collect()
    }

    fn table(&self) -> Vec<Found<'k>> {
        self.unknown().filter_map(|(key, word)| self.table_key(key, &word)).collect()
    }

    fn table_key(&self, key: &'k str, word: &str) -> Option<Found<'k>> {
        let text = self.text(key);
        match word {
            "host" | "hostname" | "hostnames" | "servername" | "virtualhost" | "virtualhosts" | "fqdn" | "domains"
                if !self.has("hosts") =>
            {
                let list = match self.value(key) {
                    Value::String(host) => vec![host],
                    Value::Array(hosts) if word != "host" => {
                        hosts.iter().map(|host| host.as_str().map(str::to_owned)).collect::<Option<_>>()?
                    }
                    _ => return None,
                };
                let hosts: Vec<String> = list.iter().map(|host| in_flow(host)).collect();
                Some(self.entry(vec![key], "hosts", format!("hosts: [{}]", hosts.join(", "))))
            }
            "prefix" | "pathprefix" | "root" | "rootpath" | "contextpath" | "mountpath" | "base" | "baseurl"
                if !self.has("basePath") =>
            {
                let text = text?;
                let text = text
                    .split_once("://")
                    .map_or(&*text, |(_, rest)| rest.find('/').and_then(|at| rest.get(at..)).unwrap_or(""));
                let path = text.trim_matches('/');
                let is_path =
                    !path.is_empty() && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./~".contains(&b));
                let is_path = is_path && !path.split('/').any(|segment| matches!(segment, "" | "." | ".."));
                is_path.then(|| self.entry(vec![key], "basePath", format!("basePath: /{path}")))
            }
            "rules" | "paths" | "endpoints" | "http" | "mappings" | "entries" | "locations" | "apis"
                if !self.has("routes") && self.value(key).is_array() =>
            {
                Some(self.like(key, "routes"))
            }
            "stripprefix" | "strippath" | "removeprefix" | "stripbase" if !self.has("stripBasePath") => {
                let strips = self.value(key) == Value::Bool(true) || (text.is_some() && text == self.text("basePath"));
                strips.then(|| self.entry(vec![key], "stripBasePath", "stripBasePath: true".to_owned()))
            }
            "ignoretrailingslash"
            | "trailingslashes"
            | "strictslash"
            | "stricttrailingslash"
            | "redirecttrailingslash"
                if !self.has("trailingSlash") =>
            {
                let is_on = self.value(key).as_bool()?;
                let choice = if is_on != word.starts_with("strict") { "ignore" } else { "strict" };
                Some(self.entry(vec![key], "trailingSlash", format!("trailingSlash: {choice}")))
            }
            "casesensitive" | "ignorecase" | "caseinsensitive" => {
                Some(self.useless(key, "paths are always compared with case"))
            }
            "default" | "defaultbackend" | "defaultservice" | "defaultroute" | "fallback" | "catchall" | "notfound" => {
                let why = "a route with `match: ANY /{**rest}` serves what no other route does";
                Some(self.useless(key, why))
            }
            "version" | "apiversion" | "kind" | "metadata" | "spec" | "selector" | "targetrefs" | "phase"
            | "gateway" | "gateways" | "pluginname" | "sha256" | "imagepullpolicy" | "failstrategy" => {
                Some(self.useless(key, "it belongs to the manifest around the configuration"))
            }
            "retries" | "retry" | "weight" | "weights" | "service" | "services" | "timeout" | "timeoutseconds" => {
                Some(self.useless(key, "it belongs to each route"))
            }
            _ => useless(word).map(|why| self.useless(key, why)),
        }
    }

    fn route(&self) -> Vec<Found<'k>> {
        let mut found: Vec<Found<'k>> = self.match_keys().into_iter().chain(self.respond_keys()).collect();
        for (key, word) in self.unknown() {
            if !found.iter().any(|found| found.keys.contains(&key)) {
                found.extend(self.route_key(key, &word));
            }
        }
        found
    }

    /// Finds the keys for methods and paths, which are one entry here.
    fn match_keys(&self) -> Vec<Found<'k>> {
        let is_path = |word: &str| {
            matches!(
                word,
                "path"
                    | "paths"
                    | "uri"
                    | "url"
                    | "prefix"
                    | "pathprefix"
                    | "pattern"
                    | "endpoint"
                    | "location"
                    | "route"
            )
        };
        let is_method =
            |word: &str| matches!(word, "method" | "methods" | "verb" | "verbs" | "httpmethod" | "httpmethods");
        let written = self.text("match");
        // A location beside a `match` is where a redirect leads, and the URL beside it is a target.
        let is_path =
            |word: &str| is_path(word) && !(written.is_some() && matches!(word, "location" | "url" | "route"));
        let keys: Vec<(&str, String)> = self.unknown().filter(|(_, word)| is_path(word) || is_method(word)).collect();
        let names: Vec<&str> = keys.iter().map(|(key, _)| *key).collect();
        if names.is_empty() {
            return Vec::new();
        }
        let path = keys.iter().find(|(_, word)| is_path(word));
        let method = keys.iter().find(|(_, word)| is_method(word));
        let methods = match (method, &written) {
            (Some((key, _)), _) => words(&self.value(key)).unwrap_or_default().join("|"),
            (None, Some(written)) if !written.contains('/') => written.clone(),
            (None, _) => "ANY".to_owned(),
        };
        let is_prefix = path.is_some_and(|(_, word)| word.ends_with("prefix"));
        let elements = match (path, &written) {
            (Some(_), Some(written)) if written.contains('/') => None,
            (Some((key, _)), _) => elements(&methods, &self.value(key), is_prefix),
            (None, Some(written)) if written.starts_with('/') => {
                elements(&methods, &Value::from(written.as_str()), false)
            }
            (None, _) => None,
        };
        // A list beside the keys, or a value that can't be translated: the keys are explained.
        let Some(elements) = elements.filter(|_| written.is_some() || !self.has("match")) else {
            if self.has("match") {
                return names
                    .into_iter()
                    .map(|key| self.useless(key, "methods and path belong into `match`"))
                    .collect();
            }
            let words =
                "methods and path as one text, such as `match: GET /orders/{id}`; there are no regular expressions";
            return vec![self.explained(names, "match", words)];
        };
        let write = match &elements[..] {
            [one] => format!("match: {}", in_block(one)),
            many => format!("match: [{}]", many.iter().map(|element| in_flow(element)).collect::<Vec<_>>().join(", ")),
        };
        let mut found = self.entry(names, "match", write);
        if let (ProblemKind::ForeignKey { keys, .. }, true) = (&mut found.kind, written.is_some()) {
            keys.push("match".to_owned());
            found.replaced = Some("match");
        }
        vec![found]
    }

    /// Finds the keys of a fixed response that are not inside `respond`.
    fn respond_keys(&self) -> Option<Found<'k>> {
        let is_one = |word: &str| {
            matches!(
                word,
                "status" | "statuscode" | "body" | "directresponse" | "fixedresponse" | "response" | "staticresponse"
            )
        };
        let keys: Vec<(&str, String)> = self.unknown().filter(|(_, word)| is_one(word)).collect();
        if keys.is_empty() || ["service", "host", "redirect", "respond"].iter().any(|key| self.has(key)) {
            return None;
        }
        let mut status = None;
        let mut body = None;
        for (key, word) in &keys {
            let value = self.value(key);
            match (&**word, &value) {
                ("body", Value::String(text)) => body = Some(text.clone()),
                ("status" | "statuscode", Value::Number(_)) => status = value.as_u64(),
                (_, Value::Object(inside)) => {
                    status = inside.iter().find_map(|(_, value)| value.as_u64());
                    body = inside.iter().find_map(|(_, value)| value.as_str()).map(str::to_owned);
                }
                _ => return None,
            }
        }
        let status = status.unwrap_or(200);
        if !(200..600).contains(&status) {
            return None;
        }
        let body = body.filter(|_| !matches!(status, 204 | 205 | 304));
        let body = body.map(|body| format!(", body: {}", in_quotes(&body))).unwrap_or_default();
        let names = keys.iter().map(|(key, _)| *key).collect();
        Some(self.entry(names, "respond", format!("respond: {{ status: {status}{body} }}")))
    }

    fn route_key(&self, key: &'k str, word: &str) -> Option<Found<'k>> {
        let targets = ["service", "host", "redirect", "respond"];
        let has_target = targets.iter().any(|target| self.has(target));
        let one = |like, write| Some(self.entry(vec![key], like, write));
        match word {
            "backend" | "upstream" | "destination" | "target" | "to" | "svc" | "function" | "fn" | "ksvc"
            | "servicename" | "proxypass" | "forwardto" | "app" | "handler" | "cluster" | "url" | "backendrefs"
            | "services" | "route" | "servicehost"
                if !has_target =>
            {
                let written = self.text(key);
                Some(written.and_then(|text| target(&text)).map_or_else(
                    || {
                        self.explained(
                            vec![key],
                            "service",
                            "the name of the Knative Service, such as `service: orders`",
                        )
                    },
                    |(like, write)| self.entry(vec![key], like, write),
                ))
            }
            "stripprefix" | "strippath" | "removeprefix" | "striprequestpath" | "stripbasepath" | "strip"
                if !self.has("rewritePath") =>
            {
                match self.stripped(&self.value(key)) {
                    Some(path) => one("rewritePath", format!("rewritePath: {path}")),
                    None => {
                        let why = "`rewritePath: /{rest}` forwards what `{**rest}` at the end of `match` takes, and \
                                   `stripBasePath` of the table takes `basePath` off";
                        Some(self.useless(key, why))
                    }
                }
            }
            "rewrite" | "rewritetarget" | "replacepath" | "prefixrewrite" | "pathrewrite" | "rewriteuri"
            | "urlrewrite" | "replaceprefix" | "replacefullpath"
                if !self.has("rewritePath") =>
            {
                match self.text(key).and_then(|path| self.rewritten(path)) {
                    Some(path) => one("rewritePath", format!("rewritePath: {}", in_block(&path))),
                    None => {
                        let words = "`rewritePath` with the parameters of `match`, such as `rewritePath: /v2/{id}`";
                        Some(self.explained(vec![key], "rewritePath", words))
                    }
                }
            }
            "location" | "redirectto" | "redirecturl" | "redirecturi" | "return" if !has_target => {
                let to = self
                    .text(key)
                    .filter(|to| to.starts_with('/') && !to.starts_with("//") || to.starts_with("https://"));
                match to {
                    Some(to) if to.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/:{}?=&".contains(&b)) => {
                        one("redirect", format!("redirect: {{ to: {} }}", in_flow(&to)))
                    }
                    _ => Some(self.explained(vec![key], "redirect", "`redirect: { to: … }` with a path or a URL")),
                }
            }
            "retries" | "retry" | "retrypolicy" | "numretries" | "maxretries" | "attempts"
                if !self.has("requestHeaders") =>
            {
                let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
                let value = self.value(key);
                let times = number(&value).or_else(|| value.as_object()?.iter().find_map(|(_, value)| number(value)));
                let times = times.unwrap_or(3);
                let write = format!(
                    "requestHeaders: {{ set: {{ x-envoy-retry-on: \"connect-failure,refused-stream\", x-envoy-max-retries: \"{times}\" }} }}"
                );
                one("requestHeaders", write)
            }
            "timeoutseconds" | "requesttimeout" | "proxytimeout" | "timeoutms" | "timeouts" | "readtimeout"
                if self.known.contains(&"timeout") && !self.has("timeout") =>
            {
                let unit = if word == "timeoutms" { "ms" } else { "s" };
                let value = match self.value(key) {
                    Value::Number(number) if number.as_u64().is_some_and(|number| number < 3_600) => {
                        format!("{number}{unit}")
                    }
                    Value::String(text) if is_duration(&text) => text,
                    _ => {
                        return Some(self.explained(
                            vec![key],
                            "timeout",
                            "a number and a unit, such as `timeout: 30s`",
                        ));
                    }
                };
                one("timeout", format!("timeout: {value}"))
            }
            "query" | "queryparams" | "queryparameters" | "queryparam" | "params" if !self.has("when") => {
                let pairs = pairs(&self.value(key))?;
                one("when", format!("when: {{ query: {{ {pairs} }} }}"))
            }
            "headers" | "header" | "conditions" | "condition" | "cookies" if !self.has("when") => {
                let words = "`when: { headers: … }` for conditions, or `requestHeaders: { set: … }` for changes";
                Some(self.explained(vec![key], "when", words))
            }
            "addheaders"
            | "setheaders"
            | "headerstoadd"
            | "requestheaderstoadd"
            | "setrequestheaders"
            | "addrequestheaders"
            | "proxysetheader"
                if !self.has("requestHeaders") =>
            {
                let pairs = pairs(&self.value(key))?;
                one("requestHeaders", format!("requestHeaders: {{ set: {{ {pairs} }} }}"))
            }
            "addresponseheaders" | "setresponseheaders" | "responseheaderstoadd" if !self.has("responseHeaders") => {
                let pairs = pairs(&self.value(key))?;
                one("responseHeaders", format!("responseHeaders: {{ set: {{ {pairs} }} }}"))
            }
            "id" | "title" | "operationid" if !self.has("name") => Some(self.like(key, "name")),
            "subset" | "revision" | "revisionname" => Some(self.useless(
                key,
                "give the revision a tag in the Knative Service's `spec.traffic`, and write it as `tag`",
            )),
            "weight" | "weights" | "traffic" | "split" | "percent" | "canary" | "trafficsplit" => {
                let why = "Knative itself splits the traffic of a service (`spec.traffic` of the Knative Service), and `tag` \
                           chooses one part of it";
                Some(self.useless(key, why))
            }
            _ => useless(word).map(|why| self.useless(key, why)),
        }
    }

    /// Returns a template of the forwarded path as it is written here.
    fn rewritten(&self, path: String) -> Option<String> {
        let written = self.text("match")?;
        let inside = written.split('{').skip(1).filter_map(|after| after.split('}').next());
        let names: Vec<&str> = inside.map(|name| name.trim_start_matches('*')).collect();
        let path = match templates::reference(&path, &names) {
            Some(ProblemKind::ForeignReference { write, .. }) => write?,
            _ => path,
        };
        let mut used = path.split('{').skip(1).map(|after| after.split('}').next());
        let is_known = used.all(|name| name.is_some_and(|name| names.contains(&name)));
        (path.starts_with('/') && is_known && !path.contains(['$', '\\', '*', '?', '#', ' '])).then_some(path)
    }

    /// Returns the path that is forwarded if a prefix is taken off, as a template. `prefix` is the value of the key: the
    /// prefix, or `true` for everything before the first parameter.
    fn stripped(&self, prefix: &Value) -> Option<String> {
        let written = self.text("match")?;
        let (_, path) = written.split_once(' ')?;
        let below = match prefix {
            Value::String(prefix) => path.strip_prefix(prefix.trim_end_matches('/'))?,
            Value::Bool(true) => path.get(path.find('{')?.checked_sub(1)?..)?,
            _ => return None,
        };
        let is_plain = below.starts_with('/') && !below.contains([' ', '?', '#', ':', '=', '+', '<', '[', '(', '$']);
        is_plain.then(|| below.replace("{**", "{").replace("{*", "{"))
    }
}

/// Returns the letters of a key in lower case: `strip_prefix` and `stripPrefix` are the same word.
fn word(key: &str) -> String {
    key.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

/// Returns why a key is not needed, in a route or a table.
fn useless(word: &str) -> Option<&'static str> {
    Some(match word {
        "auth" | "authentication" | "authorization" | "jwt" | "oauth" | "apikey" | "basicauth" | "authpolicy" => {
            "Istio's RequestAuthentication and AuthorizationPolicy judge requests before this filter"
        }
        "ratelimit" | "ratelimits" | "throttle" | "throttling" | "quota" => "Envoy's own filters limit rates",
        "priority" | "order" | "rank" | "precedence" => "the order of routes follows from their paths",
        "websocket" | "websockets" | "upgrade" | "upgrades" | "enablewebsocket" => "WebSockets pass without a key",
        "port" | "targetport" | "serviceport" => "a Knative Service has one port, and a `host` can end with one",
        "protocol" | "scheme" | "schemes" | "tls" | "ssl" | "https" | "h2c" | "grpc" => {
            "the Gateway and the service decide this"
        }
        "description" | "comment" | "summary" | "notes" | "note" | "tags" | "labels" | "annotations" | "owner" => {
            "a comment in YAML (`# …`) serves instead"
        }
        "mirror" | "shadow" | "requestmirror" => "this filter sends a request to one service only",
        "cache" | "caching" | "circuitbreaker" | "loadbalancer" | "loadbalancing" | "lb" | "healthcheck"
        | "buffering" | "compress" | "gzip" | "compression" => "Envoy, Istio or Knative do this, and not this filter",
        "regex" | "pathregex" | "regexmatch" => {
            "there are no regular expressions; `{name}` in `match` takes any text of one segment"
        }
        "enabled" | "active" | "disabled" => "a route that is in the table is active",
        "plugins" | "middlewares" | "middleware" | "filters" => "other filters are configured in the gateway",
        _ => return None,
    })
}

/// Returns the key that an alias means, in one of the small objects.
fn alias(word: &str, known: &[&'static str]) -> Option<&'static str> {
    let meant = match word {
        "origins" | "origin" | "alloworigin" | "allowedorigins" | "allowedorigin" | "accesscontrolalloworigin" => {
            "allowOrigins"
        }
        "methods" | "allowedmethods" | "accesscontrolallowmethods" => "allowMethods",
        "credentials" | "accesscontrolallowcredentials" => "allowCredentials",
        "exposedheaders" | "accesscontrolexposeheaders" => "exposeHeaders",
        "maxageseconds" | "preflightmaxage" | "accesscontrolmaxage" => "maxAge",
        "allowedheaders" | "accesscontrolallowheaders" => "allowHeaders",
        "headers" if known.contains(&"allowHeaders") => "allowHeaders",
        "location" | "url" | "uri" | "target" | "path" | "destination" => "to",
        "code" | "statuscode" | "redirectcode" | "responsecode" => "status",
        "text" | "content" | "message" | "data" => "body",
        "queryparams" | "queryparameters" | "queryparam" | "params" | "parameters" => "query",
        "header" => "headers",
        "delete" | "unset" | "drop" => "remove",
        "append" | "insert" => "add",
        "replace" | "override" | "overwrite" => "set",
        _ => return None,
    };
    known.iter().copied().find(|known| *known == meant)
}

/// Returns the target that a text of another router means: the key, and the entry.
fn target(text: &str) -> Option<(&'static str, String)> {
    let is_label = |text: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !text.is_empty()
            && text.len() <= 63
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-')
    };
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    if !labels.iter().all(|label| is_label(label)) || rest.trim_end_matches('/').contains('/') {
        return None;
    }
    match &labels[..] {
        [service] => Some(("service", format!("service: {}", in_block(service)))),
        // The name of a service inside the cluster, which only the namespace's own key can say in full.
        [_, _, "svc", ..] => None,
        _ => Some(("host", format!("host: {}", in_block(&host)))),
    }
}

/// Returns a string, or a list of strings.
fn words(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(texts) if !texts.is_empty() => texts.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Returns the elements of `match` for methods and the value of a key such as `path`: a path, a list of paths, or an
/// object such as `{prefix: /orders}`.
fn elements(methods: &str, value: &Value, is_prefix: bool) -> Option<Vec<String>> {
    let (paths, is_prefix) = match value {
        Value::Object(entries) => {
            let is_exact = entries.keys().any(|key| matches!(&*word(key), "exact" | "path"));
            if entries.keys().any(|key| word(key).contains("regex")) {
                return None;
            }
            let kind = entries.get("type").and_then(Value::as_str).map(word);
            let is_prefix =
                entries.contains_key("prefix") || kind.as_deref().is_some_and(|kind| kind.contains("prefix"));
            let path = entries.iter().filter(|(key, _)| *key != "type").find_map(|(_, value)| value.as_str())?;
            (is_exact || is_prefix || kind.is_some()).then(|| (vec![path.to_owned()], is_prefix))?
        }
        value => (words(value)?, is_prefix),
    };
    let element = |path: &String| {
        let path = if is_prefix { format!("{}/{{**rest}}", path.trim_end_matches('/')) } else { path.clone() };
        methods::element_of(methods, &path)
    };
    paths.iter().map(element).collect()
}

/// Returns the element of `match` that an object means, such as `{method: GET, path: /orders}` or `{uri: {prefix: /a}}`.
pub(crate) fn element(raw: &RawValue) -> Option<String> {
    let value: Value =
        Some(raw.get()).filter(|raw| raw.len() <= VALUE).and_then(|raw| serde_json::from_str(raw).ok())?;
    let entries = value.as_object()?;
    let find = |words: &[&str]| entries.iter().find(|(key, _)| words.contains(&&*word(key)));
    let method = find(&["method", "methods", "verb"]).map(|(_, value)| value);
    let methods = match method {
        Some(Value::Object(inside)) => inside.get("exact")?.as_str()?.to_owned(),
        Some(value) => words(value)?.join("|"),
        None => "ANY".to_owned(),
    };
    let (key, path) = find(&["path", "uri", "url", "prefix", "pathprefix"])?;
    if entries.len() > 1 + usize::from(method.is_some()) {
        return None;
    }
    match &elements(&methods, path, word(key).ends_with("prefix"))?[..] {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// Returns the entries of an object of strings and numbers in YAML.
fn pairs(value: &Value) -> Option<String> {
    let pair = |(name, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) if !text.contains(['{', '}', '$', '%']) => in_quotes(text),
            Value::Number(number) => in_quotes(&number.to_string()),
            _ => return None,
        };
        is_name(name).then(|| format!("{name}: {text}"))
    };
    let entries = value.as_object().filter(|entries| !entries.is_empty())?;
    Some(entries.iter().map(pair).collect::<Option<Vec<_>>>()?.join(", "))
}

fn is_duration(text: &str) -> bool {
    let digits = text.trim_end_matches("ms").trim_end_matches(['s', 'm']);
    digits.len() < text.len() && (1..5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// Writes a string in YAML, as the value of a key that is on a line of its own.
fn in_block(text: &str) -> String {
    let starts_plainly = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let has_syntax = text.contains(": ") || text.contains(" #") || text.ends_with([':', ' ']);
    let is_other_type =
        matches!(&*text.to_ascii_lowercase(), "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null");
    let is_plain = starts_plainly && !has_syntax && !is_other_type && !text.chars().any(char::is_control);
    if is_plain { text.to_owned() } else { in_quotes(text) }
}

/// Writes a string in YAML, inside `[ ]` or `{ }`.
fn in_flow(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '|' | ' '));
    if plain && in_block(text) == text { text.to_owned() } else { in_quotes(text) }
}

fn in_quotes(text: &str) -> String {
    Value::from(text).to_string()
}
