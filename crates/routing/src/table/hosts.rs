//! Finds out whether a request's host is one of the table's hosts.

use std::borrow::Cow;

use crate::bytes::any_between;
use crate::table::image::Span;
use crate::table::schema::HostSet;
use crate::table::strings::Strings;

/// How a host belongs to the hosts of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// `hosts` names it.
    Exact,
    /// It ends with a suffix such as `*.example.com`.
    Suffix,
    /// `hosts` has a `*`.
    Any,
}

impl HostSet {
    /// Returns the number of different exact names, suffixes and `*`.
    pub(crate) fn len(self) -> usize {
        self.exact.len() + self.suffixes.len() + usize::from(self.any)
    }

    /// Returns how a host belongs to the set; `None` if it does not. `normalize_host` must have returned the host.
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

/// Returns whether a sorted list of names in lower case contains a host that `normalize_host` has returned.
pub(crate) fn contains(strings: &Strings, names: Span, host: &[u8]) -> bool {
    strings.position(names, host).is_some()
}

/// Returns the host of an authority in lower case, without port and trailing dot.
pub(crate) fn normalize_host(authority: &[u8]) -> Cow<'_, [u8]> {
    // Hosts hardly ever come with a port, a bracket or upper-case letters. All of these have bytes in this range.
    let is_normal = !any_between(authority, b':', b'[') && authority.last() != Some(&b'.');
    if is_normal {
        return authority.into();
    }
    let host = strip_port(authority);
    match host.iter().any(u8::is_ascii_uppercase) {
        true => host.to_ascii_lowercase().into(),
        false => host.into(),
    }
}

/// Returns the host of an authority without port and trailing dot.
#[inline(never)]
pub(crate) fn strip_port(authority: &[u8]) -> &[u8] {
    // Colons inside brackets belong to an IPv6 address. If there are several others, the host ends at the first one:
    // Envoy removes one port and matches the rest by prefix, so that it routes `host:x:80` as `host`.
    let address = if authority.first() == Some(&b'[') { authority.iter().position(|&b| b == b']') } else { None };
    let from = address.unwrap_or(0);
    let colon = authority.get(from..).unwrap_or_default().iter().position(|&b| b == b':');
    let host = authority.get(..colon.map_or(authority.len(), |colon| from + colon)).unwrap_or_default();
    host.strip_suffix(b".").unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::builder::TableBuilder;
    use crate::compile::host_name::check_authority;

    fn set(hosts: &[&str]) -> impl Fn(&[u8]) -> Option<Membership> + use<> {
        let mut strings = TableBuilder::new(0);
        let set = HostSet::new(hosts.iter().copied(), &mut strings);
        let strings = strings.strings();
        move |host| set.membership(&strings, host)
    }

    #[test]
    fn case_port_and_trailing_dot_are_ignored() {
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
            assert_eq!(set(&normalize_host(authority.as_bytes())), Some(Membership::Exact), "{authority}");
        }
        for authority in ["example.com", "api.example.com.evil.org", "xapi.example.com", "", ":80", "api.example.com.."]
        {
            assert_eq!(set(&normalize_host(authority.as_bytes())), None, "{authority}");
        }
    }

    #[test]
    fn a_suffix_matches_one_or_more_labels() {
        let set = set(&["*.example.com"]);
        for host in ["a.example.com", "a.b.EXAMPLE.com"] {
            assert_eq!(set(&normalize_host(host.as_bytes())), Some(Membership::Suffix), "{host}");
        }
        for host in ["example.com", ".example.com", "aexample.com", "a.example.org"] {
            assert_eq!(set(&normalize_host(host.as_bytes())), None, "{host}");
        }
    }

    #[test]
    fn any_matches_all_hosts() {
        assert_eq!(set(&["*", "a.b"])(b"x"), Some(Membership::Any));
        assert_eq!(set(&["*", "a.b"])(b"a.b"), Some(Membership::Exact));
    }

    #[test]
    fn ipv6_addresses_keep_their_colons() {
        assert_eq!(*normalize_host(b"[::1]"), *b"[::1]");
        assert_eq!(*normalize_host(b"[::1]:80"), *b"[::1]");
        assert!(check_authority("[::1]:80").is_ok());
    }
}
