//! Warns of prefixes whose own path goes elsewhere. `ANY /api/{*rest}` does not match `/api` and `/api/`, so that another
//! route with a rest, such as `ANY /{*rest}`, gets them. Few authors mean that.

use crate::compile::placeholder::{TextPart, TextParts};
use crate::decide::search::MethodOrder;
use crate::path::normal_literal;
use crate::table::RouteTable;
use crate::table::schema::{Part, Target};

/// The most prefixes that are looked at. Each one takes a search of the table.
const LOOKED_AT: usize = 100;

/// A prefix whose own path another route gets.
pub(super) struct BarePrefix {
    /// The pattern that ends with `{*name}`.
    pub(super) pattern: u32,
    /// The pattern that gets the path.
    pub(super) other: u32,
    /// The path with and without a final slash, as far as the other pattern gets it, such as `` `/api` and `/api/` ``.
    pub(super) paths: String,
    /// The first pattern with `{**name}` instead; `None` if the route makes a path of the rest that would have an empty
    /// segment without it.
    pub(super) write: Option<String>,
}

/// Finds these prefixes in a table without errors.
pub(super) fn bare_prefixes(table: &RouteTable) -> impl Iterator<Item = BarePrefix> + '_ {
    let with_rest = (0..table.patterns.len()).filter_map(|pattern| Some((pattern, prefix_of_rest(table, pattern)?)));
    with_rest.take(LOOKED_AT).filter_map(|(pattern, prefix)| {
        let (sample, text) = (sample_path(prefix)?, text(table, pattern));
        let methods: Vec<&str> = text.split(' ').next()?.split('|').collect();
        let other = other_of(table, pattern, &methods, &sample)?;
        let whole_prefix = format!("{}{prefix}", table.base.text);
        let paths = match other_of(table, pattern, &methods, &format!("{sample}/")) == Some(other) {
            true => format!("`{whole_prefix}` and `{whole_prefix}/`"),
            false => format!("`{whole_prefix}`"),
        };
        let write = Some(text.replacen("/{*", "/{**", 1)).filter(|_| !needs_rest(table, pattern));
        Some(BarePrefix { pattern, other, paths, write })
    })
}

/// Returns the first pattern that gets a path with one of these methods, if it ends with a rest, belongs to another route
/// and has another prefix. If the path has a route that ends there, its author has thought of it.
fn other_of(table: &RouteTable, pattern: u32, methods: &[&str], below: &str) -> Option<u32> {
    let orders: Vec<MethodOrder> = methods.iter().map(|method| MethodOrder::new(table, method.as_bytes())).collect();
    let is_any = methods.contains(&"ANY");
    let entries = table.matching_entries(Some(below.as_bytes()));
    let mut candidates = entries.iter().flat_map(|entry| table.candidates(*entry));
    let first = candidates.find(|candidate| is_any || orders.iter().any(|order| order.has(candidate.method)))?;
    let other = first.pattern;
    let is_elsewhere = table.patterns.get(other)?.route != table.patterns.get(pattern)?.route
        && last_segment(table, other).is_some_and(|last| last.starts_with("{*"))
        && prefix_of(table, other) != prefix_of(table, pattern);
    is_elsewhere.then_some(other)
}

/// Returns whether a template of the pattern's route makes an empty segment of an empty rest.
fn needs_rest(table: &RouteTable, pattern: u32) -> bool {
    let Some(route) = table.route(pattern) else { return false };
    let redirect = match route.target {
        Target::Redirect(to, _) => Some(to),
        _ => None,
    };
    let name = last_segment(table, pattern).map_or("", |last| last.trim_matches(['{', '*', '}']));
    let templates = table.extras(route).rewrite.into_iter().chain(redirect);
    templates.into_iter().any(|template| {
        let parts: Vec<Part> = table.strings.parts(template).collect();
        let text_at = |at: usize| match parts.get(at) {
            Some(Part::Literal(text)) => table.strings.get(*text),
            _ => "",
        };
        parts.iter().enumerate().any(|(at, part)| {
            let is_rest = matches!(part, Part::Capture(capture) if table.strings.get(*capture) == name);
            is_rest && at > 0 && text_at(at - 1).ends_with('/') && text_at(at + 1).starts_with('/')
        })
    })
}

/// Returns the prefix of a pattern that ends with `{*name}`, unless the prefix is the root.
fn prefix_of_rest(table: &RouteTable, pattern: u32) -> Option<&str> {
    let last = last_segment(table, pattern)?;
    let is_rest = last.starts_with("{*") && !last.starts_with("{**");
    prefix_of(table, pattern).filter(|prefix| is_rest && !prefix.is_empty())
}

/// Returns the path of a pattern without its last segment.
fn prefix_of(table: &RouteTable, pattern: u32) -> Option<&str> {
    let (_, path) = text(table, pattern).split_once(' ')?;
    path.rsplit_once('/').map(|(prefix, _)| prefix)
}

/// Returns a pattern as the document has it.
fn text(table: &RouteTable, pattern: u32) -> &str {
    table.patterns.get(pattern).map_or("", |pattern| table.strings.get(pattern.text))
}

fn last_segment(table: &RouteTable, pattern: u32) -> Option<&str> {
    text(table, pattern).rsplit('/').next()
}

/// Returns a path that a pattern matches, in normal form. Each parameter has a value that no literal is likely to be.
fn sample_path(pattern: &str) -> Option<String> {
    let mut path = String::new();
    for part in TextParts(pattern) {
        match part.ok()? {
            TextPart::Literal(text) => path.push_str(&normal_literal(text)),
            TextPart::Placeholder(_) => path.push('~'),
        }
    }
    Some(path)
}
