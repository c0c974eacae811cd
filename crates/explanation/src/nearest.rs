//! The routes that are most similar to a path that no route matches.

use std::cmp::Reverse;

use ksvc_routing::{Line, RouteTable};

/// How many routes are named.
const MOST: usize = 3;

/// Returns the routes whose path shares the most leading segments below `base` with a path, or whose next segment
/// resembles that of the path.
pub fn nearest_routes<'t>(table: &'t RouteTable, base: &str, path: &str) -> Vec<Line<'t>> {
    let depth = segments(base).len();
    let wanted: Vec<&str> = segments(path.split('?').next().unwrap_or_default()).into_iter().skip(depth).collect();
    let mut lines: Vec<(Reverse<usize>, usize, Line<'t>)> = Vec::new();
    for line in table.routes() {
        let pattern: Vec<&str> = segments(&line.path).into_iter().skip(depth).collect();
        let likeness = likeness(&wanted, &pattern);
        if likeness > 0 {
            lines.push((Reverse(likeness), pattern.len().abs_diff(wanted.len()), line));
        }
    }
    // The sort is stable: otherwise equal routes stay in the order of precedence.
    lines.sort_by_key(|(likeness, difference, _)| (*likeness, *difference));
    let mut nearest: Vec<Line<'t>> = Vec::new();
    for (.., line) in lines {
        if nearest.len() == MOST {
            break;
        }
        // Routes can differ in their conditions alone.
        if !nearest.iter().any(|other| (other.methods, &other.path) == (line.methods, &line.path)) {
            nearest.push(line);
        }
    }
    nearest
}

fn segments(path: &str) -> Vec<&str> {
    path.trim_matches('/').split('/').filter(|segment| !segment.is_empty()).collect()
}

/// Returns 100 for each leading segment that both have, a parameter included only after a literal, and up to 99 for the
/// likeness of the first segment that differs.
fn likeness(wanted: &[&str], pattern: &[&str]) -> usize {
    let mut points = 0;
    for (wanted, pattern) in wanted.iter().zip(pattern) {
        if wanted == pattern || (points > 0 && pattern.contains('{')) {
            points += 100;
            continue;
        }
        let similar = strsim::jaro_winkler(wanted, pattern);
        return points + if similar > 0.8 { (similar * 99.0) as usize } else { 0 };
    }
    points
}
