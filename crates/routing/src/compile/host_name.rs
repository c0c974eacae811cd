//! Checks host names and authorities.

use std::collections::BTreeSet;

use crate::compile::builder::TableBuilder;
use crate::dns;
use crate::table::schema::HostSet;

/// The reason why a text is not a host, and what to write instead.
pub(crate) type HostError = (&'static str, String);

/// Checks an element of `hosts`.
pub(crate) fn check_public_host(text: &str) -> Result<(), HostError> {
    if text == "*" {
        return Ok(());
    }
    let name = text.strip_prefix("*.").unwrap_or(text);
    if name.contains('*') {
        return Err(("has a `*` that is not its first label", "`*.example.com`, or `*` for every host".into()));
    }
    if name.len() < text.len() && name.starts_with('[') {
        return Err(("has a `*` before an address, which has no labels", in_quotes(name)));
    }
    match text.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address, one before a slash to a URL.
        Some((host, port)) if !port.contains('/') && (host.ends_with(']') || !host.starts_with('[')) => {
            Err(("has a port, and ports are not compared", in_quotes(host)))
        }
        _ => check_authority(name).map(|_| ()),
    }
}

/// Checks an authority, `host` or `host:port`. Returns the port.
pub(crate) fn check_authority(text: &str) -> Result<Option<u16>, HostError> {
    if text.is_empty() {
        return Err(("is empty", "a host, such as `api.example.com`".into()));
    }
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        return Err(("is a URL", format!("the host alone: {}", in_quotes(host))));
    }
    if let Some((host, _)) = text.split_once('/') {
        return Err(("has a path", format!("the host alone: {}", in_quotes(host))));
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
            return Err(("ends in a dot", in_quotes(without)));
        }
        if !dns::is_name(host.as_bytes()) {
            return Err((
                "is not a host name",
                "labels of letters, digits and `-` joined by dots, such as `api.example.com`".into(),
            ));
        }
    }
    Ok(port)
}

fn in_quotes(text: &str) -> String {
    format!("\"{text}\"")
}

/// Returns whether a host is known only inside the cluster.
pub(crate) fn is_cluster_local(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default();
    host.ends_with(".svc") || host.contains(".svc.cluster.")
}

impl HostSet {
    /// Adds the elements of `hosts`, which are valid, to a table.
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
    fn texts_that_are_not_hosts_are_errors() {
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
        let error = ("has a `*` before an address, which has no labels", "\"[::1]\"".to_owned());
        assert_eq!(check_public_host("*.[::1]"), Err(error));
        for text in ["a.*.b", "*.*.b", "a.b:80", "*a.b", "*."] {
            assert!(check_public_host(text).is_err(), "{text}");
        }
    }
}
