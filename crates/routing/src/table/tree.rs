//! All path patterns of a table as one tree of segments, searched in the order of precedence.
//!
//! At each node literal text comes first, then parameters with a prefix or suffix (longer literal part first, then the
//! longer prefix), then plain parameters, then `{*name}`.
//!
//! A search visits a node at most once: a node has one depth and one parent, so it can be tried with one segment only.
//! Each segment of the path is found once. It is hashed only for nodes with several literal children, and at most once,
//! however many nodes it is tried at. So a search takes time in proportion to the length of the path and to the visited
//! part of the table.
//!
//! This is our own because router libraries such as `matchit` return one match, while conditions, `405` and `explain`
//! need all of them in order, and because their trees can't lie in an image that other threads copy.

use std::cell::Cell;
use std::ops::ControlFlow;

use crate::bytes::{equal, find_slash, hash_from, mix};
use crate::limits;
use crate::table::image::{ImageReader, NO_INDEX, Rows};
use crate::table::schema::{
    AFFIXED, AffixedChild, Entry, LITERALS, NO_EXTRAS, NODE_EXTRAS, NODES, Node, NodeExtras, NodeId, ROOT, SEVERAL,
    Slot,
};
use crate::table::strings::Strings;

/// How a pattern ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It ends with a segment.
    Exact,
    /// It ends with `{*name}`.
    Rest,
    /// Its end can't be read, and could be any ending. It yields only to patterns that are visited before it, whatever
    /// their ending.
    Unknown,
}

impl AffixedChild {
    /// Returns whether a segment in normal form has this prefix and suffix, with at least one byte between them. The
    /// suffix must not begin within a percent-escape of the segment.
    fn matches(self, strings: &Strings, segment: &[u8]) -> bool {
        let (prefix, suffix) = (strings.bytes(self.prefix), strings.bytes(self.suffix));
        let inner = segment.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        inner.is_some_and(|inner| !inner.is_empty() && !inner.iter().rev().take(2).any(|&b| b == b'%'))
    }
}

/// A segment of a request's path.
struct PathSegment<'p> {
    text: &'p [u8],
    /// The value of `segment_hash`; 0 until it is needed.
    hash: Cell<u64>,
}

impl PathSegment<'_> {
    fn hash(&self) -> u64 {
        if self.hash.get() == 0 {
            self.hash.set(segment_hash(self.text));
        }
        self.hash.get()
    }
}

/// The segments of a request's path.
#[derive(Default)]
struct Segments<'p> {
    /// The first segments are kept inline, so that nothing is allocated for a path of usual depth.
    first: [Option<PathSegment<'p>>; Segments::INLINE],
    more: Vec<PathSegment<'p>>,
}

impl<'p> Segments<'p> {
    const INLINE: usize = 8;

    /// Adds the segments of a path that is empty or begins with a slash.
    fn add(&mut self, path: &'p [u8]) {
        let mut rest = path.strip_prefix(b"/").filter(|path| !path.is_empty());
        let mut places = self.first.iter_mut();
        while let Some(path) = rest {
            let (text, after) = match find_slash(path).and_then(|at| path.split_at_checked(at)) {
                Some((text, after)) => (text, after.get(1..)),
                None => (path, None),
            };
            let segment = PathSegment { text, hash: Cell::new(0) };
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

/// The tree of an image. `compile::tree` builds it.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Rows<Node>,
    extras: Rows<NodeExtras>,
    affixed: Rows<AffixedChild>,
    literals: Rows<Slot>,
}

impl Tree {
    /// Returns the tree of an image; `None` if the image is cut short.
    pub(crate) fn read(image: &ImageReader) -> Option<Self> {
        Some(Tree {
            nodes: image.list(NODES)?,
            extras: image.list(NODE_EXTRAS)?,
            affixed: image.list(AFFIXED)?,
            literals: image.list(LITERALS)?,
        })
    }

    /// Calls `visit` for the entry of each pattern that matches a path, until it breaks. Entries with the same ending
    /// are visited in their order of precedence. The path is in normal form; it is empty or begins with a slash.
    pub(crate) fn search(
        &self,
        strings: &Strings,
        path: &[u8],
        visit: &mut impl FnMut(Ending, Entry) -> ControlFlow<()>,
    ) {
        let mut segments = Segments::default();
        segments.add(path);
        let _ = self.descend(strings, ROOT, 0, &segments, visit);
    }

    /// Searches below a node. `depth` is the number of segments that lead to it.
    fn descend(
        &self,
        strings: &Strings,
        mut id: NodeId,
        mut depth: usize,
        segments: &Segments<'_>,
        visit: &mut impl FnMut(Ending, Entry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (node, segment) = loop {
            // No pattern has more segments. In a forged image, nodes can be each other's children without end.
            let Some(node) = self.nodes.get(id).filter(|_| depth <= limits::SEGMENTS) else {
                return ControlFlow::Continue(());
            };
            let Some(segment) = segments.get(depth) else {
                return match node.entry {
                    NO_INDEX => ControlFlow::Continue(()),
                    entry => visit(Ending::Exact, entry),
                };
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
        for affixed in self.affixed.span(extras.affixed) {
            if affixed.matches(strings, segment.text) {
                self.descend(strings, affixed.child, depth, segments, visit)?;
            }
        }
        if node.capture != NO_INDEX && !segment.text.is_empty() {
            self.descend(strings, node.capture, depth, segments, visit)?;
        }
        if !segment.text.is_empty() || segments.get(depth).is_some() {
            if extras.unknown != NO_INDEX {
                visit(Ending::Unknown, extras.unknown)?;
            }
            if extras.rest != NO_INDEX {
                visit(Ending::Rest, extras.rest)?;
            }
        }
        ControlFlow::Continue(())
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
                let hash = child_hash(id, segment.hash());
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

    /// Returns all entries in the order of precedence. Literal siblings are in the order of their text.
    pub(crate) fn in_order(&self, strings: &Strings) -> Vec<Entry> {
        let mut literals: Vec<(NodeId, &[u8], NodeId)> = (0..)
            .zip(self.nodes.iter())
            .filter(|(_, node)| node.parent != NO_INDEX)
            .map(|(id, node)| (node.parent, strings.bytes(node.text), id))
            .collect();
        literals.sort_unstable();
        let (mut exact, mut rests) = (Vec::new(), Vec::new());
        self.collect(ROOT, &literals, &mut exact, &mut rests);
        exact.append(&mut rests);
        exact
    }

    /// Appends the entries below a node. `literals` has the parent, text and index of all nodes for literal text,
    /// sorted.
    fn collect(
        &self,
        id: NodeId,
        literals: &[(NodeId, &[u8], NodeId)],
        exact: &mut Vec<Entry>,
        rests: &mut Vec<Entry>,
    ) {
        let Some(node) = self.nodes.get(id) else { return };
        if node.entry != NO_INDEX {
            exact.push(node.entry);
        }
        let first = literals.partition_point(|(parent, ..)| *parent < id);
        let own = literals.iter().skip(first).take_while(|(parent, ..)| *parent == id);
        let extras = self.extras.get(node.extras).unwrap_or(NO_EXTRAS);
        let affixed = self.affixed.span(extras.affixed).map(|affixed| affixed.child);
        let children = own.map(|(.., child)| *child).chain(affixed);
        for child in children.chain([node.capture]) {
            self.collect(child, literals, exact, rests);
        }
        if extras.unknown != NO_INDEX {
            exact.push(extras.unknown);
        }
        if extras.rest != NO_INDEX {
            rests.push(extras.rest);
        }
    }
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
pub(crate) fn segment_hash(text: &[u8]) -> u64 {
    hash_from(0, text).max(1)
}
