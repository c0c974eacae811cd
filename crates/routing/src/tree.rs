//! All path patterns of a table as one tree of segments, searched in the order of precedence.
//!
//! A request visits a node at most once: a node stands at one depth below one parent, so it can be tried
//! with one segment only. At each node literal text comes first, then parameters with a prefix or suffix
//! (longer literal part first, then the longer prefix), then plain parameters, then `{*name}`.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::pattern::Segment;

/// What stands at the end of a pattern: an index that the tree gives out, one for all patterns that match
/// the same paths.
pub(crate) type Entry = u32;

/// How a pattern ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// At its last segment.
    Exact,
    /// With `{*name}`.
    Rest,
}

type NodeId = u32;
const ROOT: NodeId = 0;
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    /// `NONE` or the child for a plain parameter.
    capture: NodeId,
    /// `NONE` or the entry of the pattern that ends here.
    here: Entry,
    /// `NONE` or the entry of the pattern that ends here with `{*name}`.
    rest: Entry,
    /// Where this node's children with affixes begin and end.
    affixed: (u32, u32),
}

const EMPTY: Node = Node { capture: NONE, here: NONE, rest: NONE, affixed: (0, 0) };

#[derive(Debug, Clone)]
struct Affixed {
    prefix: Box<str>,
    suffix: Box<str>,
    child: NodeId,
}

impl Affixed {
    /// The segment's text between prefix and suffix, in its normal form: at least one octet, and no part of
    /// a percent-encoded one.
    fn takes(&self, segment: &str) -> bool {
        let inner = segment.strip_prefix(&*self.prefix).and_then(|rest| rest.strip_suffix(&*self.suffix));
        inner.is_some_and(|inner| {
            let bytes = inner.as_bytes();
            let cut = bytes.iter().rev().take(2).any(|&b| b == b'%');
            !bytes.is_empty() && !cut
        })
    }
}

#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    affixed: Vec<Affixed>,
    literals: Literals,
}

impl Tree {
    /// Calls `visit` for every pattern that matches a path, those of one ending in their order of
    /// precedence, until it breaks. The path is in normal form: empty, or beginning with a slash.
    pub(crate) fn search(&self, path: &str, visit: &mut impl FnMut(Ending, Entry) -> ControlFlow<()>) {
        let tail = path.strip_prefix('/').filter(|tail| !tail.is_empty());
        let _ = self.descend(ROOT, tail, visit);
    }

    fn descend(
        &self,
        node: NodeId,
        tail: Option<&str>,
        visit: &mut impl FnMut(Ending, Entry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(here) = self.nodes.get(node as usize) else { return ControlFlow::Continue(()) };
        let Some(tail) = tail else {
            return if here.here == NONE { ControlFlow::Continue(()) } else { visit(Ending::Exact, here.here) };
        };
        let (segment, below) = match tail.split_once('/') {
            Some((segment, below)) => (segment, Some(below)),
            None => (tail, None),
        };
        if let Some(child) = self.literals.child(node, segment) {
            self.descend(child, below, visit)?;
        }
        let (start, end) = here.affixed;
        for affixed in self.affixed.get(start as usize..end as usize).unwrap_or_default() {
            if affixed.takes(segment) {
                self.descend(affixed.child, below, visit)?;
            }
        }
        if here.capture != NONE && !segment.is_empty() {
            self.descend(here.capture, below, visit)?;
        }
        if here.rest != NONE && !tail.is_empty() {
            visit(Ending::Rest, here.rest)?;
        }
        ControlFlow::Continue(())
    }
}

impl Tree {
    /// All entries in the order of precedence, literal siblings in the order of their text.
    pub(crate) fn in_order(&self) -> Vec<Entry> {
        let mut literals: Vec<&Slot> = self.literals.slots.iter().filter(|slot| slot.child != ROOT).collect();
        literals.sort_unstable_by_key(|slot| (slot.parent, self.literals.text(slot)));
        let (mut exact, mut rests) = (Vec::new(), Vec::new());
        self.collect(ROOT, &literals, &mut exact, &mut rests);
        exact.append(&mut rests);
        exact
    }

    fn collect(&self, id: NodeId, literals: &[&Slot], exact: &mut Vec<Entry>, rests: &mut Vec<Entry>) {
        let Some(node) = self.nodes.get(id as usize) else { return };
        if node.here != NONE {
            exact.push(node.here);
        }
        let first = literals.partition_point(|slot| slot.parent < id);
        let own = literals.iter().skip(first).take_while(|slot| slot.parent == id);
        let (start, end) = node.affixed;
        let affixed = self.affixed.get(start as usize..end as usize).unwrap_or_default();
        let children = own.map(|slot| slot.child).chain(affixed.iter().map(|affixed| affixed.child));
        for child in children.chain([node.capture]) {
            self.collect(child, literals, exact, rests);
        }
        if node.rest != NONE {
            rests.push(node.rest);
        }
    }
}

#[derive(Default)]
pub(crate) struct TreeBuilder {
    nodes: Vec<Node>,
    affixed: HashMap<(NodeId, Box<str>, Box<str>), NodeId>,
    literals: Literals,
    entries: u32,
}

impl TreeBuilder {
    pub(crate) fn new() -> Self {
        TreeBuilder { nodes: vec![EMPTY], ..Self::default() }
    }

    /// How many entries have been given out.
    pub(crate) fn entries(&self) -> usize {
        self.entries as usize
    }

    /// The entry of a pattern.
    pub(crate) fn insert(&mut self, segments: &[Segment<'_>]) -> Entry {
        let mut node = ROOT;
        for segment in segments {
            node = match segment {
                Segment::Literal(text) => match self.literals.child(node, text) {
                    Some(child) => child,
                    None => {
                        let child = self.add_node();
                        self.literals.insert(node, text, child);
                        child
                    }
                },
                Segment::Capture { prefix, suffix, .. } if prefix.is_empty() && suffix.is_empty() => {
                    match self.node(node).capture {
                        NONE => {
                            let child = self.add_node();
                            self.edit(node, |node| node.capture = child);
                            child
                        }
                        child => child,
                    }
                }
                Segment::Capture { prefix, suffix, .. } => {
                    let key = (node, Box::from(&**prefix), Box::from(&**suffix));
                    match self.affixed.get(&key) {
                        Some(child) => *child,
                        None => {
                            let child = self.add_node();
                            self.affixed.insert(key, child);
                            child
                        }
                    }
                }
                Segment::Rest { .. } => {
                    let entry = match self.node(node).rest {
                        NONE => self.add_entry(),
                        entry => entry,
                    };
                    self.edit(node, |node| node.rest = entry);
                    return entry;
                }
            };
        }
        let entry = match self.node(node).here {
            NONE => self.add_entry(),
            entry => entry,
        };
        self.edit(node, |node| node.here = entry);
        entry
    }

    pub(crate) fn finish(self) -> Tree {
        let TreeBuilder { mut nodes, affixed, mut literals, .. } = self;
        let mut affixed: Vec<_> = affixed.into_iter().collect();
        affixed.sort_unstable_by(|((a, ap, asuf), _), ((b, bp, bsuf), _)| {
            let rank = |p: &str, s: &str| (Reverse(p.len() + s.len()), Reverse(p.len()));
            (a, rank(ap, asuf), ap, asuf).cmp(&(b, rank(bp, bsuf), bp, bsuf))
        });
        for (index, ((node, ..), _)) in affixed.iter().enumerate() {
            if let Some(node) = nodes.get_mut(*node as usize) {
                let start = if node.affixed.1 == 0 { index as u32 } else { node.affixed.0 };
                node.affixed = (start, index as u32 + 1);
            }
        }
        let affixed =
            affixed.into_iter().map(|((_, prefix, suffix), child)| Affixed { prefix, suffix, child }).collect();
        nodes.shrink_to_fit();
        literals.texts.shrink_to_fit();
        Tree { nodes, affixed, literals }
    }

    fn add_node(&mut self) -> NodeId {
        self.nodes.push(EMPTY);
        self.nodes.len() as NodeId - 1
    }

    fn add_entry(&mut self) -> Entry {
        self.entries += 1;
        self.entries - 1
    }

    fn node(&self, id: NodeId) -> Node {
        self.nodes.get(id as usize).copied().unwrap_or(EMPTY)
    }

    fn edit(&mut self, id: NodeId, change: impl FnOnce(&mut Node)) {
        self.nodes.get_mut(id as usize).map(change);
    }
}

/// The literal children of all nodes in one open-addressed hash table, keyed by parent and text.
#[derive(Debug, Default)]
struct Literals {
    slots: Vec<Slot>,
    texts: String,
    used: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u32,
    parent: NodeId,
    /// Where the text stands in `texts`.
    start: u32,
    length: u32,
    /// The root is nobody's child, so it marks an empty slot.
    child: NodeId,
}

const VACANT: Slot = Slot { hash: 0, parent: 0, start: 0, length: 0, child: ROOT };

impl Literals {
    fn child(&self, parent: NodeId, text: &str) -> Option<NodeId> {
        let hash = Self::hash(parent, text);
        for slot in self.probe(hash) {
            if slot.child == ROOT {
                return None;
            }
            if slot.hash == hash && slot.parent == parent && self.text(slot) == text {
                return Some(slot.child);
            }
        }
        None
    }

    /// The pair must be new.
    fn insert(&mut self, parent: NodeId, text: &str, child: NodeId) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let larger = (self.slots.len() * 2).max(8);
            let old = std::mem::replace(&mut self.slots, vec![VACANT; larger]);
            for slot in old.into_iter().filter(|slot| slot.child != ROOT) {
                self.place(slot);
            }
        }
        let start = self.texts.len() as u32;
        self.texts.push_str(text);
        self.place(Slot { hash: Self::hash(parent, text), parent, start, length: text.len() as u32, child });
        self.used += 1;
    }

    fn place(&mut self, slot: Slot) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = slot.hash as usize & mask;
        while let Some(found) = self.slots.get_mut(at) {
            if found.child == ROOT {
                *found = slot;
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// The slots to be looked at for a hash, in order; at least one of them is vacant.
    fn probe(&self, hash: u32) -> impl Iterator<Item = &Slot> {
        let mask = self.slots.len().wrapping_sub(1);
        let first = hash as usize & mask;
        (0..self.slots.len()).map_while(move |step| self.slots.get((first + step) & mask))
    }

    fn text(&self, slot: &Slot) -> &str {
        self.texts.get(slot.start as usize..(slot.start + slot.length) as usize).unwrap_or_default()
    }

    /// FNV-1a, folded so that the low bits, which choose the slot, know of all.
    fn hash(parent: NodeId, text: &str) -> u32 {
        let seed = 0xcbf2_9ce4_8422_2325 ^ u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = text.bytes().fold(seed, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3));
        (hash ^ (hash >> 32)) as u32
    }
}
