//! Cross-origin resource sharing (CORS): tells browsers which pages of other origins may call a route.
//!
//! A browser asks with a [`Preflight`] before some requests. The filter answers it, and sets the CORS headers of
//! responses to actual requests. The protocol is defined at <https://fetch.spec.whatwg.org/#http-cors-protocol>.

use std::borrow::Cow;

use crate::bytes::is_token;
use crate::decide::headers::Changes;
use crate::request::Head;
use crate::table::schema::{AllowedHeaders, AllowedMethods, Policy};
use crate::table::strings::Strings;

/// A request by which a browser asks whether it may send another one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preflight<'a> {
    /// The method of the announced request.
    pub(crate) method: &'a [u8],
    origin: &'a [u8],
    /// The names of the announced request's headers, separated by commas.
    headers: Option<&'a [u8]>,
}

impl<'a> Preflight<'a> {
    /// Returns the preflight, if the request is one: an `OPTIONS` request with an `origin` that is not empty and an
    /// `access-control-request-method` that is a method.
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

/// The CORS headers that a response may have. A service that does CORS itself may have set any of them.
const RESPONSE_HEADERS: [&str; 7] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
];

impl Policy {
    /// Returns the value of `access-control-allow-origin` for the origin of a request; `None` if the request has no
    /// origin or it is not allowed.
    pub(crate) fn allowed_origin(self, strings: &Strings, origin: Option<&[u8]>) -> Option<Box<[u8]>> {
        let origin = origin.filter(|origin| !origin.is_empty() && self.origins.allows(strings, origin))?;
        Some(if self.origins.any { b"*".as_slice().into() } else { origin.into() })
    }

    /// Returns the headers of the answer to a preflight. `methods` returns the methods of the path's routes, separated
    /// by commas.
    pub(crate) fn preflight_headers<'a>(
        self,
        strings: &'a Strings,
        preflight: &Preflight<'_>,
        methods: impl FnOnce() -> String,
    ) -> Vec<(&'static str, Cow<'a, [u8]>)> {
        let mut headers = Vec::with_capacity(6);
        if let Some(origin) = self.allowed_origin(strings, Some(preflight.origin)) {
            headers.push(("access-control-allow-origin", origin.into_vec().into()));
            if self.credentials {
                headers.push(("access-control-allow-credentials", b"true".into()));
            }
            let methods = match self.methods {
                AllowedMethods::Listed(methods) => strings.bytes(methods).into(),
                AllowedMethods::Every => preflight.method.to_vec().into(),
                AllowedMethods::OfRoutes => methods().into_bytes().into(),
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
            let present = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
            headers.extend(present.filter(|(_, value): &(_, Cow<'_, [u8]>)| !value.is_empty()));
        }
        headers.push(("vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers".into()));
        headers
    }

    /// Sets the CORS headers of a response, and removes those that a service may have set. `allowed_origin` is the
    /// result of [`Policy::allowed_origin`] for the request.
    pub(crate) fn set_response_headers<'a>(
        self,
        strings: &'a Strings,
        allowed_origin: Option<&'a [u8]>,
        changes: &mut Changes<'a, '_>,
    ) {
        for name in RESPONSE_HEADERS {
            match (name, allowed_origin) {
                ("access-control-allow-origin", Some(origin)) => changes.set(name, origin.into()),
                ("access-control-allow-credentials", Some(_)) if self.credentials => changes.set(name, b"true".into()),
                ("access-control-expose-headers", Some(_)) if self.expose.is_some() => {
                    changes.set(name, self.expose.map_or(&b""[..], |names| strings.bytes(names)).into());
                }
                _ => changes.remove(name),
            }
        }
        // `vary` is also set for requests without an origin or with one that is not allowed, because a cache must not
        // give either response to a request with another origin.
        let varies_by_origin = |value: &[u8]| {
            let mut fields = value.split(|&b| b == b',').map(<[u8]>::trim_ascii);
            fields.any(|field| field == b"*" || field.eq_ignore_ascii_case(b"origin"))
        };
        if !changes.values("vary").any(varies_by_origin) {
            changes.add("vary", b"Origin".into());
        }
    }
}

/// Returns whether a value consists of header names, commas and blanks only, so that an answer can safely repeat it.
fn is_list_of_tokens(value: &[u8]) -> bool {
    let names = std::str::from_utf8(value).unwrap_or_default();
    !names.is_empty() && names.split(',').all(|name| is_token(name.trim_matches([' ', '\t'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_headers_are_repeated_only_if_they_are_names() {
        for value in ["x-a", "X-A,x-b", "x-a , x-b"] {
            assert!(is_list_of_tokens(value.as_bytes()), "{value}");
        }
        for value in ["", ",", "x-a,", "x a", "x-a: b", "x-a\r\nset-cookie: a", "<b>"] {
            assert!(!is_list_of_tokens(value.as_bytes()), "{value:?}");
        }
    }
}
