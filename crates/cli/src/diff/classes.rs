//! Classes of paths: one path for each set of patterns that can match together.
//!
//! The patterns of all tables are put into one tree. A walk through it keeps the set of all its nodes that the segments so
//! far can lead to, and goes on with one text for each different set that a next segment can lead to: each literal, texts
//! that match segments with literal text and parameters, alone and together, and a text that matches parameters alone.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ksvc_routing::{MixedSegment, PathSegment};

/// A part of a segment of an example path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Text that some pattern asks for.
    Text(String),
    /// Text that parameters take. Another text of the same kind would do.
    Fill(String),
}

/// The segments of an example path.
pub(super) type Path = Vec<Vec<Piece>>;

/// Returns the path as text.
pub(super) fn path_text(path: &[Vec<Piece>], final_slash: bool) -> String {
    let mut text = String::new();
    for segment in path {
        text.push('/');
        text.push_str(&segment_text(segment));
    }
    if final_slash || path.is_empty() {
        text.push('/');
    }
    text
}

fn segment_text(segment: &[Piece]) -> String {
    segment
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) | Piece::Fill(text) => &**text,
        })
        .collect()
}

/// The patterns of several tables as one tree of segments.
#[derive(Debug)]
pub(super) struct Patterns {
    nodes: Vec<Node>,
    /// Whether an empty segment may stand within a path.
    empty_segments: bool,
}

#[derive(Debug, Default)]
struct Node {
    literals: BTreeMap<String, usize>,
    mixed: Vec<(MixedSegment, usize)>,
    parameter: Option<usize>,
    /// Whether some pattern takes all segments from here on.
    takes_rest: bool,
    /// Whether the scope of a table begins here, with its `basePath`.
    begins_scope: bool,
}

/// How many texts are tried for the segments with literal text and parameters at one place.
const MIXED_TEXTS: usize = 2_000;
/// The most different texts between the parameters of a segment of which each two are joined.
const JOINED: usize = 8;

impl Patterns {
    pub(super) fn new(empty_segments: bool) -> Self {
        Self { nodes: vec![Node::default()], empty_segments }
    }

    /// Adds a pattern, and returns its nodes in the tree. `base` has the segments of `basePath`.
    pub(super) fn add(&mut self, base: &[String], segments: &[PathSegment]) -> Vec<usize> {
        let mut at = 0;
        let mut nodes = vec![at];
        for text in base {
            at = self.literal(at, text);
            nodes.push(at);
        }
        self.nodes[at].begins_scope = true;
        for segment in segments {
            at = match segment {
                PathSegment::Literal(text) => self.literal(at, text),
                PathSegment::Mixed(mixed) => {
                    let known = self.nodes[at].mixed.iter().find(|(known, _)| known == mixed).map(|(_, child)| *child);
                    known.unwrap_or_else(|| {
                        let child = self.push();
                        self.nodes[at].mixed.push((mixed.clone(), child));
                        child
                    })
                }
                PathSegment::Parameter => self.nodes[at].parameter.unwrap_or_else(|| {
                    let child = self.push();
                    self.nodes[at].parameter = Some(child);
                    child
                }),
                PathSegment::Rest | PathSegment::RestOrNone | PathSegment::Unreadable => {
                    self.nodes[at].takes_rest = true;
                    return nodes;
                }
            };
            nodes.push(at);
        }
        nodes
    }

    fn push(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    fn literal(&mut self, at: usize, text: &str) -> usize {
        if let Some(child) = self.nodes[at].literals.get(text) {
            return *child;
        }
        let child = self.push();
        self.nodes[at].literals.insert(text.to_owned(), child);
        child
    }

    /// Calls `visit` with a path of each class, without and with a final slash. Returns the places in the tree from which
    /// the walk did not go on, because of the limit or because no text was found: not all classes below them are visited.
    pub(super) fn walk(&self, limit: usize, visit: &mut impl FnMut(&Path, bool)) -> Cut {
        let mut walk = Walk { patterns: self, left: limit, cut: Cut::default(), visit };
        walk.from(&[0], false, &mut Vec::new());
        walk.cut
    }

    /// Returns the nodes to which a segment leads from some nodes.
    fn step(&self, state: &[usize], text: &str) -> Vec<usize> {
        let mut next = BTreeSet::new();
        for node in state.iter().map(|at| &self.nodes[*at]) {
            next.extend(node.literals.get(text));
            next.extend(node.mixed.iter().filter(|(mixed, _)| mixed.matches(text)).map(|(_, child)| child));
            if !text.is_empty() {
                next.extend(node.parameter);
            }
        }
        next.into_iter().collect()
    }
}

/// The places from which a walk did not go on.
#[derive(Debug, Default)]
pub(super) struct Cut {
    pub(super) places: usize,
    /// The nodes of the tree at these places.
    pub(super) nodes: BTreeSet<usize>,
}

impl Cut {
    fn add(&mut self, state: &[usize]) {
        self.places += 1;
        self.nodes.extend(state);
    }
}

struct Walk<'p, V> {
    patterns: &'p Patterns,
    left: usize,
    cut: Cut,
    visit: V,
}

impl<V: FnMut(&Path, bool)> Walk<'_, V> {
    /// Visits the classes whose first segments are those of `path`, which lead to the nodes of `state`.
    fn from(&mut self, state: &[usize], rest_is_taken: bool, path: &mut Path) {
        if self.left < 2 {
            self.cut.add(state);
            return;
        }
        self.left -= 2;
        (self.visit)(path, false);
        if !path.is_empty() {
            (self.visit)(path, true);
        }
        let patterns = self.patterns;
        let nodes = || state.iter().map(|at| &patterns.nodes[*at]);
        let rest_is_taken = rest_is_taken || nodes().any(|node| node.takes_rest);
        if state.is_empty() {
            return;
        }
        let mut seen: HashSet<Vec<usize>> = HashSet::new();
        let literals: BTreeSet<&str> = nodes().flat_map(|node| node.literals.keys().map(String::as_str)).collect();
        let mixed: Vec<&MixedSegment> = nodes().flat_map(|node| node.mixed.iter().map(|(mixed, _)| mixed)).collect();
        for text in &literals {
            let next = patterns.step(state, text);
            seen.insert(next.clone());
            self.descend(&next, rest_is_taken, path, vec![Piece::Text((*text).to_owned())]);
        }
        if !mixed.is_empty() {
            let (texts, are_all) = mixed_texts(&mixed, path.len());
            if !are_all {
                self.cut.add(state);
            }
            for segment in texts {
                let next = patterns.step(state, &segment_text(&segment));
                if seen.insert(next.clone()) {
                    self.descend(&next, rest_is_taken, path, segment);
                }
            }
        }
        let parameters: Vec<usize> =
            nodes().filter_map(|node| node.parameter).collect::<BTreeSet<_>>().into_iter().collect();
        if parameters.is_empty() && !rest_is_taken && !nodes().any(|node| node.begins_scope) && !path.is_empty() {
            // No pattern matches from here on, which the beginning of the scope has too.
        } else {
            match fresh_text(&literals, &mixed, path.len() + 1) {
                Some(text) => self.descend(&parameters, rest_is_taken, path, vec![Piece::Fill(text)]),
                None => self.cut.add(state),
            }
        }
        if patterns.empty_segments && !literals.contains("") {
            self.descend(&[], rest_is_taken, path, vec![Piece::Text(String::new())]);
        }
    }

    fn descend(&mut self, next: &[usize], rest_is_taken: bool, path: &mut Path, segment: Vec<Piece>) {
        path.push(segment);
        self.from(next, rest_is_taken, path);
        path.pop();
    }
}

/// Returns a text that is no literal and matches no segment with literal text.
fn fresh_text(literals: &BTreeSet<&str>, mixed: &[&MixedSegment], number: usize) -> Option<String> {
    let letters = || ('a'..='z').rev().cycle().skip(2).take(26);
    let short = letters().map(|letter| format!("{letter}{number}"));
    let long = letters().flat_map(|first| letters().map(move |last| format!("{first}{number}{last}")));
    short.chain(long).find(|text| !literals.contains(&**text) && !mixed.iter().any(|mixed| mixed.matches(text)))
}

/// Returns texts for segments with literal text and parameters: for each of them, and for as many of them together as
/// possible. The second value is false if there would be too many.
fn mixed_texts(mixed: &[&MixedSegment], depth: usize) -> (Vec<Vec<Piece>>, bool) {
    let fill = |index: usize| {
        let letters = ('a'..='z').rev().cycle().skip(2 + index).take(26);
        let is_free =
            |letter: &char| !mixed.iter().any(|mixed| mixed.literals.iter().any(|text| text.contains(*letter)));
        let letter = letters.clone().find(is_free).unwrap_or('x');
        let number = format!("{}", depth * 10 + index);
        Piece::Fill(format!("{letter}{number}"))
    };
    let build = |prefix: &str, middle: &[String], suffix: &str| {
        let mut pieces = vec![Piece::Text(prefix.to_owned())];
        for (index, literal) in middle.iter().enumerate() {
            pieces.extend([fill(index), Piece::Text(literal.clone())]);
        }
        pieces.extend([fill(middle.len()), Piece::Text(suffix.to_owned())]);
        pieces
    };
    let parts = |mixed: &MixedSegment| match &mixed.literals[..] {
        [first, middle @ .., last] => (first.clone(), middle.to_vec(), last.clone()),
        _ => Default::default(),
    };
    let all: Vec<(String, Vec<String>, String)> = mixed.iter().map(|mixed| parts(mixed)).collect();
    let mut texts: Vec<Vec<Piece>> = all.iter().map(|(prefix, middle, suffix)| build(prefix, middle, suffix)).collect();
    let mut prefixes: BTreeSet<&str> = all.iter().map(|(prefix, ..)| &**prefix).collect();
    let mut suffixes: BTreeSet<&str> = all.iter().map(|(.., suffix)| &**suffix).collect();
    prefixes.insert("");
    suffixes.insert("");
    let mut middles: BTreeSet<Vec<String>> = all.iter().map(|(_, middle, _)| middle.clone()).collect();
    middles.insert(Vec::new());
    let single: Vec<Vec<String>> = middles.iter().cloned().collect();
    // More are not joined with each other.
    let are_joined = single.len() <= JOINED;
    if are_joined {
        middles.extend(single.iter().flat_map(|a| single.iter().map(move |b| [a.clone(), b.clone()].concat())));
    }
    let are_all = are_joined && prefixes.len() * suffixes.len() * (middles.len() + 3) <= MIXED_TEXTS;
    'all: for prefix in &prefixes {
        for suffix in &suffixes {
            for middle in &middles {
                texts.push(build(prefix, middle, suffix));
                // The first parameter can take the literal itself.
                if let Some(first) = middle.first() {
                    let mut doubled = build(prefix, middle, suffix);
                    doubled[1] = Piece::Text(first.clone());
                    texts.push(doubled);
                }
            }
            texts.push(vec![Piece::Text(format!("{prefix}{suffix}"))]);
            // A text that begins and ends as asked for can have both in one.
            let overlaps = (1..prefix.len().min(suffix.len()))
                .filter(|length| prefix.get(prefix.len() - length..).is_some_and(|end| suffix.starts_with(end)));
            texts.extend(overlaps.map(|length| vec![Piece::Text(format!("{prefix}{}", &suffix[length..]))]));
            if texts.len() > MIXED_TEXTS {
                break 'all;
            }
        }
    }
    texts.retain(|pieces| !segment_text(pieces).is_empty());
    (texts, are_all)
}
