//! Which texts are valid hosts.

use std::collections::BTreeSet;

use crate::compile::builder::TableBuilder;
use crate::table::schema::HostSet;

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
        None => return Err(("has text after its address", "for example `[::1]`".into())),
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

/// Bytes of a label of a host name, at most.
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
