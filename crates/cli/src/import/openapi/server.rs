//! Reads the servers of an OpenAPI document: their hosts become `hosts`, and the paths of their URLs the base path.

use std::collections::{BTreeSet, HashSet};

use super::Options;
use super::document::Located;
use super::kinds::{OPENAPI_OPTION, OPENAPI_SERVER, OPENAPI_VALUE};
use super::operation::Operation;
use super::reference::Resolver;

/// Where the operations are served.
#[derive(Debug)]
pub(super) struct Servers {
    /// Sorted.
    pub(super) hosts: Vec<String>,
    /// Empty, or a path without a slash at its end.
    pub(super) base_path: String,
    /// What each operation has in front of its path, below the base path.
    pub(super) prefixes: Vec<String>,
}

/// A list of servers with the same base path.
#[derive(Debug, Clone, Default)]
struct Group {
    hosts: BTreeSet<String>,
    base: String,
}

/// Returns the servers of a document and its operations.
pub(super) fn read(root: &Located, operations: &[Operation], options: &Options, resolver: &mut Resolver) -> Servers {
    let mut reader = Reader { reported: HashSet::new(), is_base_given: options.base_path.is_some() };
    let of_root = root.get("servers").filter(|list| !list.node.items().is_empty());
    let of_root = of_root.map_or_else(Group::default, |list| reader.group(&list, resolver));
    let mut groups: Vec<Group> = Vec::with_capacity(operations.len());
    let mut last: Option<(Located, Group)> = None;
    for operation in operations {
        groups.push(match (&operation.servers, &last) {
            (None, _) => of_root.clone(),
            (Some(list), Some((known, group))) if std::sync::Arc::ptr_eq(&list.node, &known.node) => group.clone(),
            (Some(list), _) => {
                let group = reader.group(list, resolver);
                if options.hosts.is_empty() && !group.hosts.is_empty()
                    && group.hosts != of_root.hosts && reader.is_new(&hosts_words(&group)) {
                    let text = format!(
                        "these servers have other hosts than the document, and a table serves all its routes on all its \
                         hosts; {} here too, or import the parts of the document as several tables",
                        hosts_words(&group)
                    );
                    resolver.messages.report(OPENAPI_SERVER, &list.at(), text);
                }
                if reader.is_base_given && group.base != of_root.base && reader.is_new(&format!("base {}", group.base)) {
                    let text = format!(
                        "these servers have the base path {}, and the document has {}; with `--base-path`, both are left out",
                        base_words(&group.base),
                        base_words(&of_root.base)
                    );
                    resolver.messages.report(OPENAPI_SERVER, &list.at(), text);
                }
                last = Some((list.clone(), group.clone()));
                group
            }
        });
    }
    if operations.is_empty() {
        groups.push(of_root.clone());
    }
    let mut hosts: BTreeSet<String> = groups.iter().flat_map(|group| group.hosts.iter().cloned()).collect();
    if let Some(of_kuadrant) = kuadrant_hosts(root) {
        hosts = of_kuadrant;
    }
    if !options.hosts.is_empty() {
        hosts = options.hosts.iter().cloned().collect();
    }
    if hosts.is_empty() {
        let at = root.get("servers").map_or_else(|| root.at(), |servers| servers.at());
        let text = "no server has a URL with a host; write `--host api.example.com`, with the public host of the API";
        resolver.messages.report(OPENAPI_OPTION, &at, text);
    }
    let (base_path, prefixes) = match &options.base_path {
        Some(base) => (base.trim_end_matches('/').to_owned(), vec![String::new(); operations.len()]),
        None => {
            let bases: Vec<&str> = groups.iter().map(|group| &*group.base).collect();
            let base = common_prefix(&bases);
            let prefixes = operations.iter().zip(&bases).map(|(_, group)| group[base.len()..].to_owned()).collect();
            (base, prefixes)
        }
    };
    Servers { hosts: hosts.into_iter().collect(), base_path, prefixes }
}

fn hosts_words(group: &Group) -> String {
    format!("`{}` is public", group.hosts.iter().cloned().collect::<Vec<_>>().join("`, `"))
}

/// Returns the hosts that an extension of Kuadrant names.
fn kuadrant_hosts(root: &Located) -> Option<BTreeSet<String>> {
    let names = root.node.at(&["info", "x-kuadrant", "route", "hostnames"])?;
    let hosts: BTreeSet<String> = names.items().iter().filter_map(|name| name.text().map(str::to_owned)).collect();
    (!hosts.is_empty()).then_some(hosts)
}

/// Returns the longest path that all paths begin with, at the end of a segment.
fn common_prefix(bases: &[&str]) -> String {
    let Some((first, others)) = bases.split_first() else { return String::new() };
    let segments: Vec<&str> = first.split('/').skip(1).collect();
    let has = |base: &str, count: usize| base.split('/').skip(1).take(count).eq(segments.iter().copied().take(count));
    let count = (0..=segments.len()).rev().find(|count| others.iter().all(|base| has(base, *count))).unwrap_or(0);
    segments.iter().take(count).map(|segment| format!("/{segment}")).collect()
}

fn without_empty_segments(path: &str) -> String {
    path.split('/').filter(|segment| !segment.is_empty()).map(|segment| format!("/{segment}")).collect()
}

struct Reader {
    /// What has been reported already.
    reported: HashSet<String>,
    is_base_given: bool,
}

impl Reader {
    fn is_new(&mut self, what: &str) -> bool {
        self.reported.insert(what.to_owned())
    }

    /// Reads a list of servers. The first one decides about the base path, and those with another one are left out.
    fn group(&mut self, list: &Located, resolver: &mut Resolver) -> Group {
        let mut group: Option<Group> = None;
        for server in list.items() {
            let Some(server) = resolver.resolve(&server) else { continue };
            let Some(url) = server.get("url") else { continue };
            let Some(text) = url.node.text() else {
                resolver.messages.wrong_type(OPENAPI_VALUE, &url, "the URL of a server", "a string");
                continue;
            };
            let text = match filled(text, &server) {
                Ok(text) => text,
                Err(why) => {
                    resolver.messages.report(OPENAPI_VALUE, &url.at(), why);
                    continue;
                }
            };
            let (host, base) = split(&text, resolver.own_url());
            if base.contains("//") && !self.is_base_given && self.is_new(&text) {
                let what = "the path of this URL has an empty segment (`//`), which the filter refuses; it is left out";
                resolver.messages.report(OPENAPI_SERVER, &url.at(), what);
            }
            let base = without_empty_segments(&base);
            match &mut group {
                Some(known) if known.base == base || self.is_base_given => known.hosts.extend(host),
                Some(known) if self.is_new(&text) => {
                    let text = format!(
                        "this server has the base path {}, the first one has {}, and a table has one; it is left out, \
                         and `--base-path` chooses another one",
                        base_words(&base),
                        base_words(&known.base)
                    );
                    resolver.messages.report(OPENAPI_SERVER, &url.at(), text);
                }
                Some(_) => {}
                None => group = Some(Group { hosts: host.into_iter().collect(), base }),
            }
        }
        group.unwrap_or_default()
    }
}

fn base_words(base: &str) -> String {
    if base.is_empty() { "`/`".to_owned() } else { format!("`{base}`") }
}

/// Replaces the variables of a server's URL by their defaults.
fn filled(url: &str, server: &Located) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("the variable in \"{url}\" is not closed; write `}}` after its name"));
        };
        let default = server.node.at(&["variables", name, "default"]).map(|default| default.to_value());
        filled += before;
        match default {
            Some(serde_json::Value::String(text)) => filled += &text,
            // `default: 443` without quotes.
            Some(number @ serde_json::Value::Number(_)) => filled += &number.to_string(),
            _ => {
                return Err(format!(
                    "the variable `{name}` of the server has no default; write one into `variables`, such as `{name}: \
                     {{default: …}}`"
                ));
            }
        }
        rest = after;
    }
    Ok(filled + rest)
}

/// Splits a URL into its host, in lower case and without port, and its path without a slash at the end. A relative URL
/// begins at the URL of the document, if that is known.
fn split(url: &str, own: Option<&str>) -> (Option<String>, String) {
    let url = url.split(['?', '#']).next().unwrap_or_default().trim();
    let after_scheme = url.split_once("://").map(|(_, rest)| rest).or_else(|| url.strip_prefix("//"));
    let path = |path: &str| {
        let path = path.trim_matches('/');
        if path.is_empty() { String::new() } else { format!("/{path}") }
    };
    match after_scheme {
        Some(rest) => {
            let (authority, rest) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            let end = host.rfind(':').filter(|colon| host[*colon..].find(']').is_none()).unwrap_or(host.len());
            let host = host[..end].trim_end_matches('.').to_lowercase();
            (Some(host).filter(|host| !host.is_empty()), path(rest))
        }
        None => {
            let (host, own_path) = own.map_or((None, String::new()), |own| split(own, None));
            let folder = own_path.rfind('/').map_or("", |slash| &own_path[..slash]);
            match url.strip_prefix('/') {
                Some(rest) => (host, path(rest)),
                None => (host, path(&format!("{folder}/{}", url.trim_start_matches("./")))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{common_prefix, split};

    #[test]
    fn a_url_is_a_host_and_a_base_path() {
        let host = |host: &str| Some(host.to_owned());
        for (url, expected) in [
            ("https://API.example.com:8443/v1/", (host("api.example.com"), "/v1")),
            ("https://user@api.example.com", (host("api.example.com"), "")),
            ("//api.example.com/v1?x=1", (host("api.example.com"), "/v1")),
            ("http://[::1]:80/v1", (host("[::1]"), "/v1")),
            ("/v1", (None, "/v1")),
            ("/", (None, "")),
            ("v1", (None, "/v1")),
        ] {
            assert_eq!(split(url, None), (expected.0, expected.1.to_owned()), "{url}");
        }
        let own = Some("https://example.com/apis/api.yaml");
        assert_eq!(split("./v1", own), (host("example.com"), "/apis/v1".to_owned()));
        assert_eq!(split("/v1", own), (host("example.com"), "/v1".to_owned()));
    }

    #[test]
    fn the_common_base_path_ends_with_a_segment() {
        assert_eq!(common_prefix(&["/api/v1", "/api/v1"]), "/api/v1");
        assert_eq!(common_prefix(&["/api/v1", "/api/v10"]), "/api");
        assert_eq!(common_prefix(&["/api", ""]), "");
        assert_eq!(common_prefix(&[]), "");
    }
}
