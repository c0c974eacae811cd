//! Checks whether a CORS policy allows the origin of a request.

use crate::table::schema::Origins;
use crate::table::strings::Strings;

impl Origins {
    /// Returns whether an origin is allowed. `origin` is the value of the request's `origin` header.
    pub(crate) fn allows(self, strings: &Strings, origin: &[u8]) -> bool {
        if self.any {
            return true;
        }
        let Some(origin) = std::str::from_utf8(origin).ok().map(normalize_origin) else { return false };
        // `*` stands for exactly one label of a host name.
        let is_label = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        strings.position(self.exact, origin.as_bytes()).is_some()
            || strings.pairs(self.wildcards).any(|(before, after)| {
                let label = origin.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
                label.is_some_and(is_label)
            })
    }
}

/// Returns an origin in lower case and without the default port of its scheme, which browsers leave out too.
pub(crate) fn normalize_origin(origin: &str) -> String {
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
        move |origin| origins.allows(&strings, origin)
    }

    #[test]
    fn scheme_host_and_port_are_compared_ignoring_case() {
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
    fn a_star_matches_exactly_one_label() {
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
}
