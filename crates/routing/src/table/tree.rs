//! All path patterns of a table as one tree of segments, searched in the order of precedence.
//!
//! A request visits a node at most once: a node stands at one depth below one parent, so it can be tried
//! with one segment only. Each segment is found once, and hashed at most once, where a node has several literal children,
//! however many nodes it is tried at: so a search costs the length of the path, and beside it what the visited part of
//! the table costs.
//!
//! At each node literal text comes first, then parameters with a prefix or suffix (longer literal part first, then the
//! longer prefix), then plain parameters, then `{*name}`.

use std::cell::Cell;
use std::ops::ControlFlow;

use crate::bytes::{equal, hash_from, mix, slash};
use crate::limits;
use crate::table::image::{ImageReader, NONE, Rows};
use crate::table::schema::{
    AFFIXED, Affixed, Entry, LITERALS, NO_EXTRAS, NODE_EXTRAS, NODES, Node, NodeExtras, NodeId, ROOT, SEVERAL, Slot,
};
use crate::table::strings::Strings;

/// How a pattern ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// At its last segment.
    Exact,
    /// With `{*name}`.
    Rest,
    /// It can't be read to its end: as exact as anything that does not go on from here, so it yields to
    /// patterns that were visited before, whatever their ending.
    Unknown,
}

impl Affixed {
    /// The segment's text between prefix and suffix, in its normal form: at least one byte, and no part of
    /// a percent-encoded one.
    fn takes(self, strings: &Strings, segment: &[u8]) -> bool {
        let (prefix, suffix) = (strings.bytes(self.prefix), strings.bytes(self.suffix));
        let inner = segment.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
        inner.is_some_and(|inner| !inner.is_empty() && !inner.iter().rev().take(2).any(|&b| b == b'%'))
    }
}

/// A segment of a request's path.
struct PathSegment<'p> {
    text: &'p [u8],
    /// 0 where it has not been asked for yet.
    hash: Cell<u64>,
}

impl PathSegment<'_> {
    fn hash(&self) -> u64 {
        if self.hash.get() == 0 {
            self.hash.set(hash(self.text));
        }
        self.hash.get()
    }
}

/// The segments of a request's path, each looked at once.
#[derive(Default)]
struct Segments<'p> {
    /// Nothing is allocated for a path of a usual depth.
    first: [Option<PathSegment<'p>>; Segments::FEW],
    more: Vec<PathSegment<'p>>,
}

impl<'p> Segments<'p> {
    const FEW: usize = 8;

    /// Puts in those of a path that is empty, or begins with a slash.
    fn take(&mut self, path: &'p [u8]) {
        let mut rest = path.strip_prefix(b"/").filter(|path| !path.is_empty());
        let mut places = self.first.iter_mut();
        while let Some(path) = rest {
            let (text, behind) = match slash(path).and_then(|at| path.split_at_checked(at)) {
                Some((text, behind)) => (text, behind.get(1..)),
                None => (path, None),
            };
            let segment = PathSegment { text, hash: Cell::new(0) };
            match places.next() {
                Some(place) => *place = Some(segment),
                None => self.more.push(segment),
            }
            rest = behind;
        }
    }

    fn get(&self, depth: usize) -> Option<&PathSegment<'p>> {
        match self.first.get(depth) {
            Some(segment) => segment.as_ref(),
            None => self.more.get(depth - Self::FEW),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Rows<Node>,
    extras: Rows<NodeExtras>,
    affixed: Rows<Affixed>,
    literals: Rows<Slot>,
}

impl Tree {
    pub(crate) fn read(image: &ImageReader) -> Option<Self> {
        Some(Tree {
            nodes: image.list(NODES)?,
            extras: image.list(NODE_EXTRAS)?,
            affixed: image.list(AFFIXED)?,
            literals: image.list(LITERALS)?,
        })
    }

    /// Calls `visit` for every pattern that matches a path, those of one ending in their order of
    /// precedence, until it breaks. The path is in normal form: empty, or beginning with a slash.
    pub(crate) fn search(
        &self,
        strings: &Strings,
        path: &[u8],
        visit: &mut impl FnMut(Ending, Entry) -> ControlFlow<()>,
    ) {
        let mut segments = Segments::default();
        segments.take(path);
        let _ = self.descend(strings, ROOT, 0, &segments, visit);
    }

    fn descend(
        &self,
        strings: &Strings,
        mut id: NodeId,
        mut depth: usize,
        segments: &Segments<'_>,
        visit: &mut impl FnMut(Ending, Entry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let (node, segment) = loop {
            // No pattern is longer; in a forged image nodes can be each other's children.
            let Some(node) = self.nodes.get(id).filter(|_| depth <= limits::SEGMENTS) else {
                return ControlFlow::Continue(());
            };
            let Some(segment) = segments.get(depth) else {
                return if node.here == NONE { ControlFlow::Continue(()) } else { visit(Ending::Exact, node.here) };
            };
            depth += 1;
            let child = self.literal_child(strings, id, node.literal, segment);
            if node.capture != NONE || node.extras != NONE {
                if let Some(child) = child {
                    self.descend(strings, child, depth, segments, visit)?;
                }
                break (node, segment);
            }
            // There is nothing to come back for.
            match child {
                Some(child) => id = child,
                None => return ControlFlow::Continue(()),
            }
        };
        let extras = self.extras.get(node.extras).unwrap_or(NO_EXTRAS);
        for affixed in self.affixed.span(extras.affixed) {
            if affixed.takes(strings, segment.text) {
                self.descend(strings, affixed.child, depth, segments, visit)?;
            }
        }
        if node.capture != NONE && !segment.text.is_empty() {
            self.descend(strings, node.capture, depth, segments, visit)?;
        }
        if !segment.text.is_empty() || segments.get(depth).is_some() {
            if extras.unknown != NONE {
                visit(Ending::Unknown, extras.unknown)?;
            }
            if extras.rest != NONE {
                visit(Ending::Rest, extras.rest)?;
            }
        }
        ControlFlow::Continue(())
    }

    #[inline(always)]
    fn literal_child(
        &self,
        strings: &Strings,
        id: NodeId,
        literal: NodeId,
        segment: &PathSegment<'_>,
    ) -> Option<NodeId> {
        match literal {
            NONE => None,
            SEVERAL => {
                let hash = below(id, segment.hash());
                let mut under = probe(hash, self.literals.len(), |at| self.literals.get(at));
                under.find(|child| self.is_child(strings, *child, id, segment))
            }
            child => self.is_child(strings, child, id, segment).then_some(child),
        }
    }

    #[inline(always)]
    fn is_child(&self, strings: &Strings, child: NodeId, parent: NodeId, segment: &PathSegment<'_>) -> bool {
        let child = self.nodes.get(child);
        child.is_some_and(|child| child.parent == parent && equal(strings.bytes(child.text), segment.text))
    }

    /// All entries in the order of precedence, literal siblings in the order of their text.
    pub(crate) fn in_order(&self, strings: &Strings) -> Vec<Entry> {
        let mut literals: Vec<(NodeId, &[u8], NodeId)> = (0..)
            .zip(self.nodes.iter())
            .filter(|(_, node)| node.parent != NONE)
            .map(|(id, node)| (node.parent, strings.bytes(node.text), id))
            .collect();
        literals.sort_unstable();
        let (mut exact, mut rests) = (Vec::new(), Vec::new());
        self.collect(ROOT, &literals, &mut exact, &mut rests);
        exact.append(&mut rests);
        exact
    }

    fn collect(
        &self,
        id: NodeId,
        literals: &[(NodeId, &[u8], NodeId)],
        exact: &mut Vec<Entry>,
        rests: &mut Vec<Entry>,
    ) {
        let Some(node) = self.nodes.get(id) else { return };
        if node.here != NONE {
            exact.push(node.here);
        }
        let first = literals.partition_point(|(parent, ..)| *parent < id);
        let own = literals.iter().skip(first).take_while(|(parent, ..)| *parent == id);
        let extras = self.extras.get(node.extras).unwrap_or(NO_EXTRAS);
        let affixed = self.affixed.span(extras.affixed).map(|affixed| affixed.child);
        let children = own.map(|(.., child)| *child).chain(affixed);
        for child in children.chain([node.capture]) {
            self.collect(child, literals, exact, rests);
        }
        if extras.unknown != NONE {
            exact.push(extras.unknown);
        }
        if extras.rest != NONE {
            rests.push(extras.rest);
        }
    }
}

/// The children under a hash; few of them are not the one that is looked for.
pub(crate) fn probe(hash: u32, slots: u32, slot: impl Fn(u32) -> Option<Slot>) -> impl Iterator<Item = NodeId> {
    let mask = slots.wrapping_sub(1);
    let first = hash & mask;
    (0..slots)
        .map_while(move |step| slot(first.wrapping_add(step) & mask).filter(|slot| slot.child != ROOT))
        .filter(move |slot| slot.hash == hash)
        .map(|slot| slot.child)
}

/// The hash of a segment below a node.
pub(crate) fn below(parent: NodeId, segment: u64) -> u32 {
    mix(segment, u64::from(parent)) as u32
}

/// Of a segment's text; never 0, which stands for one that has not been asked for.
pub(crate) fn hash(text: &[u8]) -> u64 {
    hash_from(0, text).max(1)
}
