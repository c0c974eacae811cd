//! Hosts: which names are the table's own, and what is a valid authority.

use std::borrow::Cow;

use crate::bytes::any_between;
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
}
