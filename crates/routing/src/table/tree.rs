//! All path patterns of a table as one tree of segments, searched in the order of precedence.
//!
//! At each node come first the patterns that end there, then those that go on: with literal text, then with a segment that
//! can't be read, then with literal text and parameters (more literal text first, then the longer prefix, then fewer
//! parameters), then with a plain parameter, then with `{*name}`, and then with `{**name}`. So one walk, depth first,
//! meets all patterns that match a path in their order.
//!
//! A search visits a node at most once: a node has one depth and one parent, so it can be tried with one segment only.
//! Each segment of the path is found once. It is hashed only for nodes with several literal children, and at most once,
//! however many nodes it is tried at. So a search takes time in proportion to the length of the path and to the visited
//! part of the table.
//!
//! This is our own because router libraries such as `matchit` return one match, while conditions, `405` and `explain`
//! need all of them in order, and because their trees can't lie in an image that other threads copy.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::bytes::{equal, find_slash, hash_from, mix};
use crate::limits;
use crate::path;
use crate::table::image::{ImageReader, NO_INDEX, Rows};
use crate::table::schema::{
    EMPTY, Entry, LITERALS, MIXED, MixedChild, NO_EXTRAS, NODE_EXTRAS, NODES, Node, NodeExtras, NodeId, ROOT, SEVERAL,
    Slot,
};
use crate::table::strings::Strings;

/// A segment of a request's path.
struct PathSegment<'p> {
    text: &'p [u8],
    /// The value of `segment_hash`; 0 until it is needed.
    hash: Cell<u64>,
    /// The value of `path::characters`, made when it is needed.
    characters: OnceCell<Box<str>>,
}

impl<'p> PathSegment<'p> {
    fn new(text: &'p [u8]) -> Self {
        PathSegment { text, hash: Cell::new(0), characters: OnceCell::new() }
    }

    fn characters(&self) -> &str {
        self.characters.get_or_init(|| path::characters(self.text).into())
    }

    fn hash(&self, seed: u64) -> u64 {
        if self.hash.get() == 0 {
            self.hash.set(segment_hash(seed, self.text));
        }
        self.hash.get()
    }
}

/// The segments of a request's path.
struct Segments<'p> {
    /// The first segments are kept inline, so that nothing is allocated for a path of usual depth.
    first: [Option<PathSegment<'p>>; Segments::INLINE],
    more: Vec<PathSegment<'p>>,
    final_slash: FinalSlash,
}

/// How a slash at the end of a path is treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FinalSlash {
    /// It is an empty segment at the end, as every other segment.
    Counts,
    /// The path matches with and without it. It is not among the segments, and the path came with it.
    Removed,
    /// The path matches with and without it. The path came without it.
    Missing,
}

impl<'p> Segments<'p> {
    const INLINE: usize = 8;

    /// Splits a path that is empty or begins with a slash. The root has one form only, whether final slashes are ignored
    /// or not.
    fn new(path: &'p [u8], ignore_final_slash: bool) -> Self {
        let (path, final_slash) = match path.strip_suffix(b"/") {
            _ if !ignore_final_slash => (path, FinalSlash::Counts),
            Some(b"" | b"/") => (path, FinalSlash::Counts),
            None if path.is_empty() => (path, FinalSlash::Counts),
            Some(path) => (path, FinalSlash::Removed),
            None => (path, FinalSlash::Missing),
        };
        let mut segments = Segments { first: Default::default(), more: Vec::new(), final_slash };
        segments.add(path);
        segments
    }

    fn add(&mut self, path: &'p [u8]) {
        let mut rest = path.strip_prefix(b"/").filter(|path| !path.is_empty());
        let mut places = self.first.iter_mut();
        while let Some(path) = rest {
            let (text, after) = match find_slash(path).and_then(|at| path.split_at_checked(at)) {
                Some((text, after)) => (text, after.get(1..)),
                None => (path, None),
            };
            let segment = PathSegment::new(text);
            match places.next() {
                Some(place) => *place = Some(segment),
                None => self.more.push(segment),
            }
            rest = after;
        }
    }

    fn get(&self, depth: usize) -> Option<&PathSegment<'p>> {
        match self.first.get(depth) {
            Some(segment) => segment.as_ref(),
            None => self.more.get(depth - Self::INLINE),
        }
    }
}

/// A segment of the patterns of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TreeSegment {
    /// Literal text in normal form.
    Literal(String),
    /// The literal text before each parameter and after the last one, in the form of [`path::characters`].
    Mixed(Vec<String>),
    Parameter,
    Rest,
    RestOrNone,
    Unreadable,
}

/// The tree of an image. `compile::tree` builds it.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Seeds the hash of segments. It is the hash of the document, so nobody can write a document whose segments collide.
    seed: u64,
    nodes: Rows<Node>,
    extras: Rows<NodeExtras>,
    mixed: Rows<MixedChild>,
    literals: Rows<Slot>,
}

impl Tree {
    /// Returns the tree of an image; `None` if the image is cut short.
    pub(crate) fn read(image: &ImageReader, seed: u64) -> Option<Self> {
        Some(Tree {
            seed,
            nodes: image.list(NODES)?,
            extras: image.list(NODE_EXTRAS)?,
            mixed: image.list(MIXED)?,
            literals: image.list(LITERALS)?,
        })
    }

    /// Calls `visit` for the entry of each pattern that matches a path, in the order of precedence, until it breaks. The
    /// path is in normal form; it is empty or begins with a slash. If final slashes are ignored, a pattern matches if it
    /// matches the path with or without one; of two that differ in it alone, the one that matches the path as it is
    /// comes first.
    pub(crate) fn search(
        &self,
        strings: &Strings,
        path: &[u8],
        ignore_final_slash: bool,
        visit: &mut impl FnMut(Entry) -> ControlFlow<()>,
    ) {
        let segments = Segments::new(path, ignore_final_slash);
        let _ = self.descend(strings, ROOT, 0, &segments, visit);
    }

    /// Searches below a node. `depth` is the number of segments that lead to it.
    fn descend(
        &self,
        strings: &Strings,
        mut id: NodeId,
        mut depth: usize,
        segments: &Segments<'_>,
        visit: &mut impl FnMut(Entry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (node, segment) = loop {
            // No pattern has more segments. In a forged image, nodes can be each other's children without end.
            let Some(node) = self.nodes.get(id).filter(|_| depth <= limits::SEGMENTS) else {
                return ControlFlow::Continue(());
            };
            let Some(segment) = segments.get(depth) else {
                return self.visit_end(strings, id, node, segments.final_slash, visit);
            };
            depth += 1;
            let child = self.literal_child(strings, id, node.literal, segment);
            if node.capture != NO_INDEX || node.extras != NO_INDEX {
                if let Some(child) = child {
                    self.descend(strings, child, depth, segments, visit)?;
                }
                break (node, segment);
            }
            // The node has literal children only, so the search need not come back to it, and does not recurse.
            match child {
                Some(child) => id = child,
                None => return ControlFlow::Continue(()),
            }
        };
        let extras = self.extras.get(node.extras).unwrap_or(NO_EXTRAS);
        visit_if_any(extras.unknown, visit)?;
        for mixed in self.mixed.span(extras.mixed) {
            if mixed.matches(strings, segment.text, || segment.characters()) {
                self.descend(strings, mixed.child, depth, segments, visit)?;
            }
        }
        if !segment.text.is_empty() {
            if node.capture != NO_INDEX {
                self.descend(strings, node.capture, depth, segments, visit)?;
            }
            visit_if_any(extras.rest, visit)?;
        }
        visit_if_any(extras.rest_or_none, visit)
    }

    /// Visits the entries of a node to which all segments of a path lead.
    #[inline(always)]
    fn visit_end(
        &self,
        strings: &Strings,
        id: NodeId,
        node: Node,
        final_slash: FinalSlash,
        visit: &mut impl FnMut(Entry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if final_slash != FinalSlash::Counts {
            return self.visit_end_in_both_forms(strings, id, node, final_slash, visit);
        }
        visit_if_any(node.entry, visit)?;
        self.visit_rest_of_none(node, visit)
    }

    /// Visits the entries of a node to which all segments of a path lead, with and without a final slash.
    #[inline(never)]
    fn visit_end_in_both_forms(
        &self,
        strings: &Strings,
        id: NodeId,
        node: Node,
        final_slash: FinalSlash,
        visit: &mut impl FnMut(Entry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let with_slash = self.literal_child(strings, id, node.literal, &PathSegment::new(b""));
        let with_slash = with_slash.and_then(|child| self.nodes.get(child)).unwrap_or(EMPTY);
        let [first, second] = match final_slash {
            FinalSlash::Removed => [with_slash.entry, node.entry],
            FinalSlash::Missing | FinalSlash::Counts => [node.entry, with_slash.entry],
        };
        visit_if_any(first, visit)?;
        visit_if_any(second, visit)?;
        self.visit_rest_of_none(with_slash, visit)?;
        self.visit_rest_of_none(node, visit)
    }

    /// Visits the entries of patterns that go on after a node, but need no more segments.
    #[inline(always)]
    fn visit_rest_of_none(&self, node: Node, visit: &mut impl FnMut(Entry) -> ControlFlow<()>) -> ControlFlow<()> {
        match self.extras.get(node.extras) {
            Some(extras) => {
                visit_if_any(extras.unknown, visit)?;
                visit_if_any(extras.rest_or_none, visit)
            }
            None => ControlFlow::Continue(()),
        }
    }

    /// Returns the child of a node for literal text that equals a segment. `literal` is the node's field of this name.
    #[inline(always)]
    fn literal_child(
        &self,
        strings: &Strings,
        id: NodeId,
        literal: NodeId,
        segment: &PathSegment<'_>,
    ) -> Option<NodeId> {
        match literal {
            NO_INDEX => None,
            SEVERAL => {
                let hash = child_hash(id, segment.hash(self.seed));
                let mut children = probe(hash, self.literals.len(), |index| self.literals.get(index));
                children.find(|child| self.is_child(strings, *child, id, segment))
            }
            child => self.is_child(strings, child, id, segment).then_some(child),
        }
    }

    #[inline(always)]
    fn is_child(&self, strings: &Strings, child: NodeId, parent: NodeId, segment: &PathSegment<'_>) -> bool {
        let child = self.nodes.get(child);
        child.is_some_and(|child| child.parent == parent && equal(strings.bytes(child.text), segment.text))
    }

    /// Calls `visit` for each entry, with the segments that lead to it.
    pub(crate) fn visit_paths(&self, strings: &Strings, visit: &mut impl FnMut(Entry, &[TreeSegment])) {
        let mut children: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for (id, node) in (0..).zip(self.nodes.iter()).filter(|(_, node)| node.parent != NO_INDEX) {
            children.entry(node.parent).or_default().push(id);
        }
        self.visit_paths_below(strings, ROOT, &children, &mut Vec::new(), visit);
    }

    /// Calls `visit` for each entry below a node. `children` has the children for literal text of each node, and `path` the
    /// segments that lead to this one.
    fn visit_paths_below(
        &self,
        strings: &Strings,
        id: NodeId,
        children: &HashMap<NodeId, Vec<NodeId>>,
        path: &mut Vec<TreeSegment>,
        visit: &mut impl FnMut(Entry, &[TreeSegment]),
    ) {
        // No pattern has more segments.
        let Some(node) = self.nodes.get(id).filter(|_| path.len() <= limits::SEGMENTS) else { return };
        if node.entry != NO_INDEX {
            visit(node.entry, path);
        }
        let extras = self.extras.get(node.extras).unwrap_or(NO_EXTRAS);
        let literals = children.get(&id).into_iter().flatten().filter_map(|child| {
            let text = strings.get(self.nodes.get(*child)?.text).to_owned();
            Some((TreeSegment::Literal(text), *child))
        });
        let mixed = self.mixed.span(extras.mixed).map(|mixed| {
            let literals = match mixed.literals.is_empty() {
                true => [mixed.prefix, mixed.suffix].map(|id| path::characters(strings.bytes(id))).into(),
                false => strings.list(mixed.literals).map(str::to_owned).collect(),
            };
            (TreeSegment::Mixed(literals), mixed.child)
        });
        let capture = Some((TreeSegment::Parameter, node.capture)).filter(|(_, child)| *child != NO_INDEX);
        for (segment, child) in literals.chain(mixed).chain(capture) {
            path.push(segment);
            self.visit_paths_below(strings, child, children, path, visit);
            path.pop();
        }
        for (segment, entry) in [
            (TreeSegment::Rest, extras.rest),
            (TreeSegment::RestOrNone, extras.rest_or_none),
            (TreeSegment::Unreadable, extras.unknown),
        ] {
            if entry != NO_INDEX {
                path.push(segment);
                visit(entry, path);
                path.pop();
            }
        }
    }

    /// Returns all entries in the order of precedence. Literal siblings are in the order of their text.
    pub(crate) fn in_order(&self, strings: &Strings) -> Vec<Entry> {
        let mut literals: Vec<(NodeId, &[u8], NodeId)> = (0..)
            .zip(self.nodes.iter())
            .filter(|(_, node)| node.parent != NO_INDEX)
            .map(|(id, node)| (node.parent, strings.bytes(node.text), id))
            .collect();
        literals.sort_unstable();
        let mut entries = Vec::new();
        self.collect(ROOT, &literals, &mut entries);
        entries
    }

    /// Appends the entries below a node. `literals` has the parent, text and index of all nodes for literal text,
    /// sorted.
    fn collect(&self, id: NodeId, literals: &[(NodeId, &[u8], NodeId)], entries: &mut Vec<Entry>) {
        let Some(node) = self.nodes.get(id) else { return };
        let first = literals.partition_point(|(parent, ..)| *parent < id);
        let own = literals.iter().skip(first).take_while(|(parent, ..)| *parent == id);
        let extras = self.extras.get(node.extras).unwrap_or(NO_EXTRAS);
        let add = |entry, entries: &mut Vec<Entry>| entries.extend((entry != NO_INDEX).then_some(entry));
        add(node.entry, entries);
        for (.., child) in own {
            self.collect(*child, literals, entries);
        }
        add(extras.unknown, entries);
        for mixed in self.mixed.span(extras.mixed) {
            self.collect(mixed.child, literals, entries);
        }
        self.collect(node.capture, literals, entries);
        add(extras.rest, entries);
        add(extras.rest_or_none, entries);
    }
}

#[inline(always)]
fn visit_if_any(entry: Entry, visit: &mut impl FnMut(Entry) -> ControlFlow<()>) -> ControlFlow<()> {
    if entry == NO_INDEX { ControlFlow::Continue(()) } else { visit(entry) }
}

/// Returns the children that a hash table of `slots` slots has for a hash. Few of them are other children with the same
/// hash.
pub(crate) fn probe(hash: u32, slots: u32, slot: impl Fn(u32) -> Option<Slot>) -> impl Iterator<Item = NodeId> {
    let mask = slots.wrapping_sub(1);
    let first = hash & mask;
    (0..slots)
        .map_while(move |step| slot(first.wrapping_add(step) & mask).filter(|slot| slot.child != ROOT))
        .filter(move |slot| slot.hash == hash)
        .map(|slot| slot.child)
}

/// Returns the hash under which a node keeps its child for a segment. `segment` is the value of `segment_hash`.
pub(crate) fn child_hash(parent: NodeId, segment: u64) -> u32 {
    mix(segment, u64::from(parent)) as u32
}

/// Returns the hash of a segment's text. It is never 0, which stands for a hash that has not been computed.
pub(crate) fn segment_hash(seed: u64, text: &[u8]) -> u64 {
    hash_from(seed, text).max(1)
}
