//! Checks host names and authorities.

use std::collections::BTreeSet;

use crate::compile::builder::TableBuilder;
use crate::dns;
use crate::problem::Instead;
use crate::table::schema::HostSet;

/// The reason why a text is not a host, and what to write instead.
pub(crate) type HostError = (&'static str, Instead);

/// What is wrong with a host, and a description of what to write if no other text can be proposed.
type Fault = (&'static str, &'static str);

const EXAMPLE: &str = "a host, such as `api.example.com`";

/// Checks an element of `hosts`.
pub(crate) fn check_public_host(text: &str) -> Result<(), HostError> {
    public_fault(text).map_err(|(reason, words)| {
        let cleaned = cleaned(text, false).filter(|cleaned| cleaned != "*" && public_fault(cleaned).is_ok());
        (reason, instead(cleaned, words))
    })
}

/// Checks an authority, `host` or `host:port`. Returns the port.
pub(crate) fn check_authority(text: &str) -> Result<Option<u16>, HostError> {
    authority_fault(text).map_err(|(reason, words)| {
        let cleaned = cleaned(text, true).filter(|cleaned| authority_fault(cleaned).is_ok());
        (reason, instead(cleaned, words))
    })
}

/// Checks the authority of an origin, whose host may have `*` as its first label. Returns the reason for an error, and
/// the authority to write instead.
pub(crate) fn check_origin_authority(text: &str) -> Result<(), (&'static str, Option<String>)> {
    let fault = |text: &str| match text.strip_prefix("*.").unwrap_or(text) {
        name if name.contains('*') => Err(("has a `*` that is not its first label", "")),
        name => authority_fault(name).map(drop),
    };
    fault(text).map_err(|(reason, _)| (reason, cleaned(text, true).filter(|cleaned| fault(cleaned).is_ok())))
}

fn instead(text: Option<String>, words: &str) -> Instead {
    text.map_or_else(|| Instead::Words(words.to_owned()), Instead::Text)
}

fn public_fault(text: &str) -> Result<(), Fault> {
    if text == "*" {
        return Ok(());
    }
    let name = text.strip_prefix("*.").unwrap_or(text);
    if name.contains('*') && !text.contains("://") {
        return Err(("has a `*` that is not its first label", "`*.example.com`, or `*` for every host"));
    }
    if name.len() < text.len() && name.starts_with('[') {
        return Err(("has a `*` before an address, which has no labels", "the address alone"));
    }
    match text.rsplit_once(':') {
        // A colon inside brackets belongs to an IPv6 address, one before a slash to a URL.
        Some((host, port)) if !port.contains('/') && (host.ends_with(']') || !host.starts_with('[')) => {
            Err(("has a port, and ports are not compared", EXAMPLE))
        }
        _ => authority_fault(name).map(drop),
    }
}

fn authority_fault(text: &str) -> Result<Option<u16>, Fault> {
    if text.is_empty() {
        return Err(("is empty", EXAMPLE));
    }
    if text.contains("://") {
        return Err(("is a URL", EXAMPLE));
    }
    if text.contains('/') {
        return Err(("has a path", EXAMPLE));
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let Some((address, after)) = rest.split_once(']') else {
            return Err(("opens a bracket and does not close it", "for example `[::1]`"));
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(("is not an IPv6 address", "for example `[::1]`"));
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
                    "for example `legacy.example.com:8080`",
                ));
            }
        },
        None if port.is_empty() => None,
        None => return Err(("has text after its address", "for example `[::1]`")),
    };
    if let Some(host) = host {
        if host.ends_with('.') {
            return Err(("ends in a dot", EXAMPLE));
        }
        if !host.is_ascii() {
            return Err((
                "has letters beyond ASCII, which clients send in Punycode",
                "its name in Punycode, which begins with `xn--`",
            ));
        }
        if !dns::is_name(host.as_bytes()) {
            return Err((
                "is not a host name",
                "labels of letters, digits and `-` joined by dots, such as `api.example.com`",
            ));
        }
    }
    Ok(port)
}

/// Returns the host in a text such as a URL: without scheme, user, path, trailing dot and, unless it is kept, port; in lower
/// case; with a dot after a leading `*`; with letters beyond ASCII in Punycode. The result may still be no host.
fn cleaned(text: &str, keeps_port: bool) -> Option<String> {
    let text = text.trim();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest).trim_start_matches('/');
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end)?;
    let host = host.trim_end_matches('.').to_lowercase();
    let host = match host.strip_prefix('*') {
        Some(suffix) if !suffix.is_empty() && !suffix.starts_with('.') => format!("*.{suffix}"),
        _ => host,
    };
    let host = match host.strip_prefix("*.").filter(|address| address.starts_with('[')) {
        Some(address) => address.to_owned(),
        None => host.strip_prefix('.').map_or(host.clone(), |suffix| format!("*.{suffix}")),
    };
    let labels: Option<Vec<String>> = host.split('.').map(in_punycode).collect();
    Some(labels?.join(".") + if keeps_port { port } else { "" })
}

/// The longest label that is encoded, in bytes. A label of DNS has at most 63.
const LABEL: usize = 128;

/// Returns a label of a host as clients send it (RFC 3492). This is own code because the crates for it bring tables that
/// would make the module larger, for a message that few users see. Returns `None` for a label that has to be normalised
/// first.
fn in_punycode(label: &str) -> Option<String> {
    if label.is_ascii() || label.len() > LABEL {
        return Some(label.to_owned());
    }
    // Letters with a case mapping of their own, or made of several characters, need those tables.
    let needs_tables =
        |c: char| !c.is_ascii() && (!c.is_alphanumeric() || matches!(c, 'ß' | 'ς' | '\u{0300}'..='\u{036f}'));
    if label.chars().any(needs_tables) {
        return None;
    }
    let mut encoded: String = label.chars().filter(char::is_ascii).collect();
    let basic = encoded.len() as u32;
    if basic > 0 {
        encoded.push('-');
    }
    let (mut n, mut delta, mut bias, mut handled) = (128u32, 0u32, 72u32, basic);
    let total = label.chars().count() as u32;
    while handled < total {
        let next = label.chars().map(u32::from).filter(|c| *c >= n).min()?;
        delta = delta.checked_add((next - n).checked_mul(handled + 1)?)?;
        n = next;
        for c in label.chars().map(u32::from) {
            if c < n {
                delta += 1;
            }
            if c == n {
                let mut q = delta;
                for k in (36u32..).step_by(36) {
                    let t = k.saturating_sub(bias).clamp(1, 26);
                    if q < t {
                        break;
                    }
                    encoded.push(punycode_digit(t + (q - t) % (36 - t))?);
                    q = (q - t) / (36 - t);
                }
                encoded.push(punycode_digit(q)?);
                bias = adapted(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta += 1;
        n += 1;
    }
    Some(format!("xn--{encoded}"))
}

fn punycode_digit(value: u32) -> Option<char> {
    char::from_digit(if value < 26 { value + 10 } else { value - 26 }, 36)
}

/// Adapts the bias of Punycode after a character (RFC 3492, section 6.1).
fn adapted(delta: u32, count: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta += delta / count;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
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
        let error = ("has a `*` before an address, which has no labels", Instead::Text("[::1]".to_owned()));
        assert_eq!(check_public_host("*.[::1]"), Err(error));
        for text in ["a.*.b", "*.*.b", "a.b:80", "*a.b", "*."] {
            assert!(check_public_host(text).is_err(), "{text}");
        }
    }

    /// The examples of RFC 3492 and of real names.
    #[test]
    fn letters_beyond_ascii_are_proposed_in_punycode() {
        for (label, encoded) in [
            ("bücher", Some("xn--bcher-kva")),
            ("münchen", Some("xn--mnchen-3ya")),
            ("ドメイン名例", Some("xn--eckwd4c7cu47r2wf")),
            ("例え", Some("xn--r8jz45g")),
            ("почемужеонинеговорятпорусски", Some("xn--b1abfaaepdrnnbgefbadotcwatmq2g4l")),
            ("plain", Some("plain")),
            ("straße", None),
        ] {
            assert_eq!(in_punycode(label).as_deref(), encoded, "{label}");
        }
    }
}
