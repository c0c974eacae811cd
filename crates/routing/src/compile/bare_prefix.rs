//! Warns of prefixes whose own path goes elsewhere. `ANY /api/{*rest}` does not match `/api` and `/api/`, so that another
//! route with a rest, such as `ANY /{*rest}`, gets them. Few authors mean that.

use crate::compile::placeholder::{TextPart, TextParts};
use crate::decide::search::MethodOrder;
use crate::path::normal_literal;
use crate::table::RouteTable;

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
    /// The first pattern with `{**name}` instead.
    pub(super) write: String,
}

/// Finds these prefixes in a table without errors.
pub(super) fn bare_prefixes(table: &RouteTable) -> impl Iterator<Item = BarePrefix> + '_ {
    let with_rest = (0..table.patterns.len()).filter_map(|pattern| Some((pattern, prefix_of_rest(table, pattern)?)));
    with_rest.take(LOOKED_AT).filter_map(|(pattern, (method, prefix))| {
        let order = MethodOrder::new(table, method.as_bytes());
        let sample = sample_path(prefix)?;
        let other_of = |below: &str| {
            let entries = table.matching_entries(Some(below.as_bytes()));
            let mut candidates = entries.iter().flat_map(|entry| table.candidates(*entry));
            let other = candidates.find(|candidate| order.has(candidate.method))?.pattern;
            let is_elsewhere = table.patterns.get(other)?.route != table.patterns.get(pattern)?.route
                && last_segment(table, other).is_some_and(|last| last.starts_with("{*"))
                && prefix_of(table, other) != Some(prefix);
            is_elsewhere.then_some(other)
        };
        // Who has a route for the prefix itself has thought of it, and may mean another one with a slash.
        let other = other_of(&sample)?;
        let whole_prefix = format!("{}{prefix}", table.base.text);
        let paths = match other_of(&format!("{sample}/")) == Some(other) {
            true => format!("`{whole_prefix}` and `{whole_prefix}/`"),
            false => format!("`{whole_prefix}`"),
        };
        let text = table.strings.get(table.patterns.get(pattern)?.text);
        Some(BarePrefix { pattern, other, paths, write: text.replacen("/{*", "/{**", 1) })
    })
}

/// Returns the first method and the prefix of a pattern that ends with `{*name}`, unless the prefix is the root.
fn prefix_of_rest(table: &RouteTable, pattern: u32) -> Option<(&str, &str)> {
    let text = table.strings.get(table.patterns.get(pattern)?.text);
    let (methods, _) = text.split_once(' ')?;
    let last = last_segment(table, pattern)?;
    let prefix = prefix_of(table, pattern).filter(|prefix| !prefix.is_empty())?;
    let method = methods.split('|').next().filter(|method| *method != "ANY").unwrap_or("GET");
    (last.starts_with("{*") && !last.starts_with("{**")).then_some((method, prefix))
}

/// Returns the path of a pattern without its last segment.
fn prefix_of(table: &RouteTable, pattern: u32) -> Option<&str> {
    let (_, path) = table.strings.get(table.patterns.get(pattern)?.text).split_once(' ')?;
    path.rsplit_once('/').map(|(prefix, _)| prefix)
}

fn last_segment(table: &RouteTable, pattern: u32) -> Option<&str> {
    table.strings.get(table.patterns.get(pattern)?.text).rsplit('/').next()
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
