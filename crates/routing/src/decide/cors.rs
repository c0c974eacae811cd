//! Cross-origin resource sharing: which pages of other origins may call a route, and the headers that say so
//! (https://fetch.spec.whatwg.org/#http-cors-protocol).

use std::borrow::Cow;

use crate::compile::pattern::is_token;
use crate::decide::headers::Changes;
use crate::request::Head;
use crate::table::schema::{AllowedHeaders, AllowedMethods, Origins, Policy};
use crate::table::strings::Strings;

impl Origins {
    fn allow(self, strings: &Strings, origin: &[u8]) -> bool {
        if self.any {
            return true;
        }
        let Some(origin) = std::str::from_utf8(origin).ok().map(normal) else { return false };
        let is_label = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        strings.position(self.exact, origin.as_bytes()).is_some()
            || strings.pairs(self.wildcards).any(|(before, behind)| {
                let label = origin.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
                label.is_some_and(is_label)
            })
    }
}

impl Origins {
    /// As they could have been written.
    pub(crate) fn described(self, strings: &Strings) -> String {
        let any = self.any.then_some("*".to_owned());
        let exact = strings.list(self.exact).map(str::to_owned);
        let wildcards = strings.pairs(self.wildcards).map(|(before, behind)| format!("{before}*{behind}"));
        any.into_iter().chain(exact).chain(wildcards).collect::<Vec<_>>().join(" ")
    }
}

/// An origin in lower case and without the port that its scheme has anyway, which browsers leave out.
pub(crate) fn normal(origin: &str) -> String {
    let mut normal = origin.to_ascii_lowercase();
    let port = match normal.split_once("://") {
        Some(("http", _)) => ":80",
        Some(("https", _)) => ":443",
        _ => return normal,
    };
    if let Some(without) = normal.strip_suffix(port) {
        normal.truncate(without.len());
    }
    normal
}

/// A request by which a browser asks whether it may send another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preflight<'a> {
    /// Of the request that the browser would send.
    pub(crate) method: &'a [u8],
    origin: &'a [u8],
    headers: Option<&'a [u8]>,
}

impl<'a> Preflight<'a> {
    /// `OPTIONS` with `origin` and `access-control-request-method`, both of which can be read.
    pub(crate) fn read(head: &Head<'a>) -> Option<Self> {
        if head.method != Some(b"OPTIONS") {
            return None;
        }
        let method = head.values("access-control-request-method").next()?;
        let origin = head.values("origin").next().filter(|origin| !origin.is_empty())?;
        let headers = head.values("access-control-request-headers").next();
        std::str::from_utf8(method).is_ok_and(is_token).then_some(Preflight { method, origin, headers })
    }
}

/// The headers that a response may have from a service that does CORS by itself.
const OF_RESPONSES: [&str; 7] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
];

impl Policy {
    /// The value of `access-control-allow-origin` for the origin of a request; `None` where there is none, or it
    /// is not allowed.
    pub(crate) fn granted(self, strings: &Strings, origin: Option<&[u8]>) -> Option<Box<[u8]>> {
        let origin = origin.filter(|origin| !origin.is_empty() && self.origins.allow(strings, origin))?;
        Some(if self.origins.any { b"*".as_slice().into() } else { origin.into() })
    }

    /// The headers of an answer to a preflight. `methods` are those of the path's routes.
    pub(crate) fn answer<'a>(
        self,
        strings: &'a Strings,
        preflight: &Preflight<'_>,
        methods: impl FnOnce() -> String,
    ) -> Vec<(&'static str, Cow<'a, [u8]>)> {
        let mut headers = Vec::with_capacity(6);
        if let Some(origin) = self.granted(strings, Some(preflight.origin)) {
            headers.push(("access-control-allow-origin", origin.into_vec().into()));
            if self.credentials {
                headers.push(("access-control-allow-credentials", b"true".into()));
            }
            let methods = match self.methods {
                AllowedMethods::Listed(methods) => strings.bytes(methods).into(),
                AllowedMethods::Every => preflight.method.to_vec().into(),
                AllowedMethods::OfTheRoutes => methods().into_bytes().into(),
            };
            let allowed = match self.headers {
                AllowedHeaders::None => None,
                AllowedHeaders::Listed(headers) => Some(strings.bytes(headers).into()),
                AllowedHeaders::Every => {
                    preflight.headers.filter(|names| is_list_of_tokens(names)).map(|names| names.to_vec().into())
                }
            };
            let max_age = self.max_age.map(|seconds| strings.bytes(seconds).into());
            let optional = [
                ("access-control-allow-methods", Some(methods)),
                ("access-control-allow-headers", allowed),
                ("access-control-max-age", max_age),
            ];
            let said = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
            headers.extend(said.filter(|(_, value): &(_, Cow<'_, [u8]>)| !value.is_empty()));
        }
        headers.push(("vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers".into()));
        headers
    }

    /// Gives a response its headers, in place of those that a service may have set.
    pub(crate) fn decorate<'a>(self, strings: &'a Strings, granted: Option<&'a [u8]>, changes: &mut Changes<'a, '_>) {
        for name in OF_RESPONSES {
            match (name, granted) {
                ("access-control-allow-origin", Some(origin)) => changes.set(name, origin.into()),
                ("access-control-allow-credentials", Some(_)) if self.credentials => changes.set(name, b"true".into()),
                ("access-control-expose-headers", Some(_)) if self.expose.is_some() => {
                    changes.set(name, self.expose.map_or(&b""[..], |names| strings.bytes(names)).into());
                }
                _ => changes.remove(name),
            }
        }
        // Also without an origin, and for one that is refused: a cache must give neither answer to another.
        let varies = |value: &[u8]| {
            let mut fields = value.split(|&b| b == b',').map(<[u8]>::trim_ascii);
            fields.any(|field| field == b"*" || field.eq_ignore_ascii_case(b"origin"))
        };
        if !changes.values("vary").any(varies) {
            changes.add("vary", b"Origin".into());
        }
    }
}

/// Whether a value can be repeated in an answer: header names, commas and blanks.
fn is_list_of_tokens(value: &[u8]) -> bool {
    let names = std::str::from_utf8(value).unwrap_or_default();
    !names.is_empty() && names.split(',').all(|name| is_token(name.trim_matches([' ', '\t'])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::builder::TableBuilder;

    fn origins(written: &[&str]) -> impl Fn(&[u8]) -> bool + use<> {
        let mut strings = TableBuilder::new(0);
        let (mut wildcards, mut exact): (Vec<&str>, Vec<&str>) = written.iter().partition(|text| text.contains('*'));
        exact.sort_unstable();
        wildcards.sort_unstable();
        let wildcards = strings.list(wildcards.iter().flat_map(|text| text.split('*')));
        let origins = Origins { any: false, exact: strings.list(exact), wildcards };
        let strings = strings.strings();
        move |origin| origins.allow(&strings, origin)
    }

    #[test]
    fn scheme_host_and_port_are_compared_without_case() {
        let origins = origins(&["https://app.example.com", "http://localhost:3000"]);
        for origin in ["https://app.example.com", "HTTPS://App.Example.com", "https://app.example.com:443"] {
            assert!(origins(origin.as_bytes()), "{origin}");
        }
        assert!(origins(b"http://localhost:3000"));
        for origin in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.org",
            "https://xapp.example.com",
            "https://app.example.com/",
            "http://localhost",
            "http://localhost:30000",
            "app.example.com",
            "null",
            "",
        ] {
            assert!(!origins(origin.as_bytes()), "{origin}");
        }
    }

    #[test]
    fn a_star_is_exactly_one_label() {
        let origins = origins(&["https://*.example.com", "https://*.example.net:8443"]);
        for origin in ["https://a.example.com", "https://A-1.EXAMPLE.com:443", "https://a.example.net:8443"] {
            assert!(origins(origin.as_bytes()), "{origin}");
        }
        for origin in [
            "https://example.com",
            "https://.example.com",
            "https://a.b.example.com",
            "http://a.example.com",
            "https://a.example.com:8443",
            "https://a.example.net",
            "https://evil.org/.example.com",
            "https://evil.org?.example.com",
            "https://user@a.example.com",
            "https://a:1.example.com",
            "https://a.example.com.evil.org",
        ] {
            assert!(!origins(origin.as_bytes()), "{origin}");
        }
        assert!(!origins(b"https://\xff.example.com"));
    }

    #[test]
    fn what_is_asked_for_is_repeated_only_if_it_is_names() {
        for value in ["x-a", "X-A,x-b", "x-a , x-b"] {
            assert!(is_list_of_tokens(value.as_bytes()), "{value}");
        }
        for value in ["", ",", "x-a,", "x a", "x-a: b", "x-a\r\nset-cookie: a", "<b>"] {
            assert!(!is_list_of_tokens(value.as_bytes()), "{value:?}");
        }
    }
}
