//! Hosts: which names are the table's own, and what is a valid authority.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::bytes::any_between;
use crate::compile::builder::TableBuilder;
use crate::table::image::Span;
use crate::table::schema::HostSet;
use crate::table::strings::Strings;

/// How a host belongs to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    Exact,
    Suffix,
    Any,
}

impl HostSet {
    pub(crate) fn new<'h>(hosts: impl IntoIterator<Item = &'h str>, builder: &mut TableBuilder) -> Self {
        let (mut exact, mut suffixes, mut any) = (BTreeSet::new(), BTreeSet::new(), false);
        for host in hosts {
            match host.strip_prefix("*.") {
                _ if host == "*" => any = true,
                Some(suffix) => _ = suffixes.insert(suffix.to_ascii_lowercase()),
                None => _ = exact.insert(host.to_ascii_lowercase()),
            }
        }
        let mut list = |names: BTreeSet<String>| builder.list(names.iter().map(String::as_str));
        HostSet { exact: list(exact), suffixes: list(suffixes), any }
    }

    pub(crate) fn len(self) -> usize {
        self.exact.len() + self.suffixes.len() + usize::from(self.any)
    }

    /// How a bare host, as `bare` gives it, belongs to the set; `None` where it does not.
    pub(crate) fn membership(self, strings: &Strings, host: &[u8]) -> Option<Membership> {
        if contains(strings, self.exact, host) {
            return Some(Membership::Exact);
        }
        if !self.suffixes.is_empty() {
            let mut rest = host;
            while let Some(dot) = rest.iter().position(|&b| b == b'.') {
                let labels_before = dot > 0 || rest.len() < host.len();
                rest = rest.get(dot + 1..).unwrap_or_default();
                if labels_before && contains(strings, self.suffixes, rest) {
                    return Some(Membership::Suffix);
                }
            }
        }
        self.any.then_some(Membership::Any)
    }
}

/// Whether a sorted list of lower-case names holds a host, as `bare` gives it.
pub(crate) fn contains(strings: &Strings, names: Span, host: &[u8]) -> bool {
    strings.position(names, host).is_some()
}

/// The host of an authority in lower case, without port and trailing dot.
pub(crate) fn bare(authority: &[u8]) -> Cow<'_, [u8]> {
    // Hosts hardly ever come with a port, a bracket or in upper case, which are all among these bytes.
    let as_it_is = !any_between(authority, b':', b'[') && authority.last() != Some(&b'.');
    if as_it_is {
        return authority.into();
    }
    let host = without_port(authority);
    match host.iter().any(u8::is_ascii_uppercase) {
        true => host.to_ascii_lowercase().into(),
        false => host.into(),
    }
}

/// The host of an authority as it is, without port and trailing dot.
#[inline(never)]
pub(crate) fn without_port(authority: &[u8]) -> &[u8] {
    // Colons inside brackets belong to an IPv6 address. Of several others the first one counts: Envoy takes one
    // port away and matches what is left by prefix, so that `host:x:80` leads to `host`.
    let address = if authority.first() == Some(&b'[') { authority.iter().position(|&b| b == b']') } else { None };
    let from = address.unwrap_or(0);
    let colon = authority.get(from..).unwrap_or_default().iter().position(|&b| b == b':');
    let host = authority.get(..colon.map_or(authority.len(), |colon| from + colon)).unwrap_or_default();
    host.strip_suffix(b".").unwrap_or(host)
}

/// Why a text is not a host name, and what to write instead.
pub(crate) type HostFault = (&'static str, String);

/// Checks an entry of `hosts`.
pub(crate) fn check_public_host(text: &str) -> Result<(), HostFault> {
    if text == "*" {
        return Ok(());
    }
    let name = text.strip_prefix("*.").unwrap_or(text);
    if name.contains('*') {
        return Err(("has a `*` that is not its first label", "`*.example.com`, or `*` for every host".into()));
    }
    if name.len() < text.len() && name.starts_with('[') {
        return Err(("has a `*` before an address, which has no labels", quoted(name)));
    }
    match text.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address, one before a slash to a URL.
        Some((host, port)) if !port.contains('/') && (host.ends_with(']') || !host.starts_with('[')) => {
            Err(("has a port, and ports are not compared", quoted(host)))
        }
        _ => check_authority(name).map(|_| ()),
    }
}

/// Checks an authority `host[:port]` and gives its port.
pub(crate) fn check_authority(text: &str) -> Result<Option<u16>, HostFault> {
    if text.is_empty() {
        return Err(("is empty", "a host, such as `api.example.com`".into()));
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        return Err(("is a URL", format!("the host alone: {}", quoted(host))));
    }
    if let Some((host, _)) = text.split_once('/') {
        return Err(("has a path", format!("the host alone: {}", quoted(host))));
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else {
            return Err(("opens a bracket and does not close it", "for example `[::1]`".into()));
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(("is not an IPv6 address", "for example `[::1]`".into()));
        }
        (None, after)
    } else {
        let end = text.find(':').unwrap_or(text.len());
        let (host, port) = text.split_at_checked(end).unwrap_or((text, ""));
        (Some(host), port)
    };
    let port = match port.strip_prefix(':') {
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) if port > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Some(port),
            _ => {
                return Err((
                    "has a port that is not a number from 1 to 65535",
                    "for example `legacy.example.com:8080`".into(),
                ));
            }
        },
        None if port.is_empty() => None,
        None => return Err(("has text behind its address", "for example `[::1]`".into())),
    };
    if let Some(host) = host {
        if let Some(without) = host.strip_suffix('.') {
            return Err(("ends in a dot", quoted(without)));
        }
        if !is_dns_name(host) {
            return Err((
                "is not a host name",
                "labels of letters, digits and `-` joined by dots, such as `api.example.com`".into(),
            ));
        }
    }
    Ok(port)
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// ByteReader of a label of a host name, at most.
pub(crate) const LABEL: usize = 63;

/// Labels of letters, digits, `-` and `_`, at most 63 bytes each and 253 in all (RFC 1123; the underscore
/// is not a host name's, but is seen in the wild and harmless).
pub(crate) fn is_dns_name(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            (1..=LABEL).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// A Kubernetes object's name as part of a host: one lower-case DNS label.
pub(crate) fn is_dns_label(text: &str) -> bool {
    (1..=LABEL).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a host is one that only a cluster's inside knows.
pub(crate) fn is_cluster_local(host: &str) -> bool {
    // Few are: what all of them have is found sooner.
    if !host.as_bytes().windows(4).any(|bytes| bytes == b".svc") {
        return false;
    }
    let host = host.split(':').next().unwrap_or_default();
    host.ends_with(".svc") || host.contains(".svc.cluster.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(hosts: &[&str]) -> impl Fn(&[u8]) -> Option<Membership> + use<> {
        let mut strings = TableBuilder::new(0);
        let set = HostSet::new(hosts.iter().copied(), &mut strings);
        let strings = strings.strings();
        move |host| set.membership(&strings, host)
    }

    #[test]
    fn case_port_and_trailing_dot_do_not_count() {
        let set = set(&["API.example.com"]);
        for authority in [
            "api.example.com",
            "Api.Example.COM",
            "api.example.com:8443",
            "api.example.com.:80",
            "api.example.com:80:1",
            "api.example.com:x:80",
            "api.example.com::80",
        ] {
            assert_eq!(set(&bare(authority.as_bytes())), Some(Membership::Exact), "{authority}");
        }
        for authority in ["example.com", "api.example.com.evil.org", "xapi.example.com", "", ":80", "api.example.com.."]
        {
            assert_eq!(set(&bare(authority.as_bytes())), None, "{authority}");
        }
    }

    #[test]
    fn a_suffix_takes_one_or_more_labels() {
        let set = set(&["*.example.com"]);
        for host in ["a.example.com", "a.b.EXAMPLE.com"] {
            assert_eq!(set(&bare(host.as_bytes())), Some(Membership::Suffix), "{host}");
        }
        for host in ["example.com", ".example.com", "aexample.com", "a.example.org"] {
            assert_eq!(set(&bare(host.as_bytes())), None, "{host}");
        }
    }

    #[test]
    fn any_takes_all() {
        assert_eq!(set(&["*", "a.b"])(b"x"), Some(Membership::Any));
        assert_eq!(set(&["*", "a.b"])(b"a.b"), Some(Membership::Exact));
    }

    #[test]
    fn ipv6_addresses_keep_their_colons() {
        assert_eq!(*bare(b"[::1]"), *b"[::1]");
        assert_eq!(*bare(b"[::1]:80"), *b"[::1]");
        assert!(check_authority("[::1]:80").is_ok());
    }

    #[test]
    fn hosts_that_are_none_are_told() {
        for text in [
            "",
            "https://a.b",
            "a.b/c",
            "a b",
            "a..b",
            "-a.b",
            "a.b.",
            "a:b",
            "a:0",
            "a:99999",
            "[::1",
            "[x]",
            "[::1]x",
        ] {
            assert!(check_authority(text).is_err(), "{text}");
        }
        let reported = ("has a `*` before an address, which has no labels", "\"[::1]\"".to_owned());
        assert_eq!(check_public_host("*.[::1]"), Err(reported));
        for text in ["a.*.b", "*.*.b", "a.b:80", "*a.b", "*."] {
            assert!(check_public_host(text).is_err(), "{text}");
        }
    }
}
