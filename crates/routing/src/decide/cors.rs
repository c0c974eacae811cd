//! Cross-origin resource sharing: which pages of other origins may call a route, and the headers that say so
//! (https://fetch.spec.whatwg.org/#http-cors-protocol).

use std::borrow::Cow;

use crate::bytes::is_token;
use crate::decide::headers::Changes;
use crate::request::Head;
use crate::table::schema::{AllowedHeaders, AllowedMethods, Policy};
use crate::table::strings::Strings;

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
