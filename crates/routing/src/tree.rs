//! All path patterns of a table as one tree of segments, searched in the order of precedence.
//!
//! A request visits a node at most once: a node stands at one depth below one parent, so it can be tried
//! with one segment only. At each node literal text comes first, then parameters with a prefix or suffix
//! (longer literal part first, then the longer prefix), then plain parameters, then `{*name}`.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::ControlFlow;

use borsh::{BorshDeserialize, BorshSerialize};

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
    /// It can't be read to its end: as exact as anything that does not go on from here, so it yields to
    /// patterns that were visited before, whatever their ending.
    Unknown,
}

type NodeId = u32;
const ROOT: NodeId = 0;
const NONE: u32 = u32::MAX;
const SEVERAL: NodeId = NONE - 1;

#[derive(Debug, Clone, Copy, BorshSerialize, BorshDeserialize)]
struct Node {
    /// `NONE`, the only child for a literal, or `SEVERAL` that `Tree::literals` knows.
    literal: NodeId,
    /// `NONE` or the child for a plain parameter.
    capture: NodeId,
    /// `NONE` or the entry of the pattern that ends here.
    here: Entry,
    /// `NONE` or the entry of the pattern that ends here with `{*name}`.
    rest: Entry,
    /// `NONE` or the entry of the pattern that can't be read from here on.
    unknown: Entry,
    /// Where this node's children with affixes begin and end.
    affixed: (u32, u32),
    /// Of a literal child: its parent, and where its text begins and ends in `Tree::texts`.
    parent: NodeId,
    text: (u32, u32),
}

const EMPTY: Node = Node {
    literal: NONE,
    capture: NONE,
    here: NONE,
    rest: NONE,
    unknown: NONE,
    affixed: (0, 0),
    parent: NONE,
    text: (0, 0),
};

#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
struct Affixed {
    prefix: Box<str>,
    suffix: Box<str>,
    child: NodeId,
}

impl Affixed {
    /// The segment's text between prefix and suffix, in its normal form: at least one octet, and no part of
    /// a percent-encoded one.
    fn takes(&self, segment: &[u8]) -> bool {
        let inner =
            segment.strip_prefix(self.prefix.as_bytes()).and_then(|rest| rest.strip_suffix(self.suffix.as_bytes()));
        inner.is_some_and(|inner| !inner.is_empty() && !inner.iter().rev().take(2).any(|&b| b == b'%'))
    }
}

#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    affixed: Vec<Affixed>,
    literals: Literals,
    /// The text of all literals.
    texts: Vec<u8>,
}

impl Tree {
    /// Calls `visit` for every pattern that matches a path, those of one ending in their order of
    /// precedence, until it breaks. The path is in normal form: empty, or beginning with a slash.
    pub(crate) fn search(&self, path: &str, visit: &mut impl FnMut(Ending, Entry) -> ControlFlow<()>) {
        let tail = path.strip_prefix('/').filter(|tail| !tail.is_empty());
        let _ = self.descend(ROOT, tail.map(str::as_bytes), visit);
    }

    fn descend(
        &self,
        id: NodeId,
        tail: Option<&[u8]>,
        visit: &mut impl FnMut(Ending, Entry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(node) = self.nodes.get(id as usize) else { return ControlFlow::Continue(()) };
        let Some(tail) = tail else {
            return if node.here == NONE { ControlFlow::Continue(()) } else { visit(Ending::Exact, node.here) };
        };
        let slash = tail.iter().position(|&b| b == b'/');
        let segment = tail.get(..slash.unwrap_or(tail.len())).unwrap_or_default();
        let below = slash.and_then(|slash| tail.get(slash + 1..));
        if let Some(child) = self.literal_child(id, node, segment) {
            self.descend(child, below, visit)?;
        }
        let (start, end) = node.affixed;
        for affixed in self.affixed.get(start as usize..end as usize).unwrap_or_default() {
            if affixed.takes(segment) {
                self.descend(affixed.child, below, visit)?;
            }
        }
        if node.capture != NONE && !segment.is_empty() {
            self.descend(node.capture, below, visit)?;
        }
        if !tail.is_empty() {
            if node.unknown != NONE {
                visit(Ending::Unknown, node.unknown)?;
            }
            if node.rest != NONE {
                visit(Ending::Rest, node.rest)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn literal_child(&self, id: NodeId, node: &Node, segment: &[u8]) -> Option<NodeId> {
        match node.literal {
            NONE => None,
            SEVERAL => {
                let hash = Literals::hash(id, segment);
                self.literals.probe(hash).find(|child| self.is_literal_child(*child, id, segment))
            }
            child => self.is_literal_child(child, id, segment).then_some(child),
        }
    }

    fn is_literal_child(&self, child: NodeId, parent: NodeId, segment: &[u8]) -> bool {
        self.nodes.get(child as usize).is_some_and(|child| child.parent == parent && self.text(child) == segment)
    }

    fn text(&self, node: &Node) -> &[u8] {
        self.texts.get(node.text.0 as usize..node.text.1 as usize).unwrap_or_default()
    }

    /// All entries in the order of precedence, literal siblings in the order of their text.
    pub(crate) fn in_order(&self) -> Vec<Entry> {
        let mut literals: Vec<(NodeId, &[u8], NodeId)> = (0..)
            .zip(&self.nodes)
            .filter(|(_, node)| node.parent != NONE)
            .map(|(id, node)| (node.parent, self.text(node), id))
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
        let Some(node) = self.nodes.get(id as usize) else { return };
        if node.here != NONE {
            exact.push(node.here);
        }
        let first = literals.partition_point(|(parent, ..)| *parent < id);
        let own = literals.iter().skip(first).take_while(|(parent, ..)| *parent == id);
        let (start, end) = node.affixed;
        let affixed = self.affixed.get(start as usize..end as usize).unwrap_or_default();
        let children = own.map(|(.., child)| *child).chain(affixed.iter().map(|affixed| affixed.child));
        for child in children.chain([node.capture]) {
            self.collect(child, literals, exact, rests);
        }
        if node.unknown != NONE {
            exact.push(node.unknown);
        }
        if node.rest != NONE {
            rests.push(node.rest);
        }
    }
}

/// A tree that grows. Children with affixes are found by their text, and are put in order at the end.
pub(crate) struct TreeBuilder {
    tree: Tree,
    affixed: HashMap<(NodeId, Box<str>, Box<str>), NodeId>,
    entries: u32,
}

impl TreeBuilder {
    pub(crate) fn new() -> Self {
        let tree = Tree { nodes: vec![EMPTY], ..Tree::default() };
        TreeBuilder { tree, affixed: HashMap::new(), entries: 0 }
    }

    /// How many entries have been given out.
    pub(crate) fn entries(&self) -> usize {
        self.entries as usize
    }

    /// The entry of a pattern.
    pub(crate) fn insert(&mut self, segments: &[Segment<'_>]) -> Entry {
        let mut id = ROOT;
        for segment in segments {
            let node = self.node(id);
            id = match segment {
                Segment::Literal(text) => match self.tree.literal_child(id, &node, text.as_bytes()) {
                    Some(child) => child,
                    None => self.add_literal(id, &node, text.as_bytes()),
                },
                Segment::Capture { prefix, suffix, .. } if prefix.is_empty() && suffix.is_empty() => {
                    if node.capture == NONE {
                        let child = self.add_node(EMPTY);
                        self.edit(id, |node| node.capture = child);
                    }
                    self.node(id).capture
                }
                Segment::Capture { prefix, suffix, .. } => {
                    let key = (id, Box::from(&**prefix), Box::from(&**suffix));
                    match self.affixed.get(&key) {
                        Some(child) => *child,
                        None => {
                            let child = self.add_node(EMPTY);
                            self.affixed.insert(key, child);
                            child
                        }
                    }
                }
                Segment::Rest { .. } => {
                    if node.rest == NONE {
                        let entry = self.add_entry();
                        self.edit(id, |node| node.rest = entry);
                    }
                    return self.node(id).rest;
                }
                Segment::Unknown => {
                    if node.unknown == NONE {
                        let entry = self.add_entry();
                        self.edit(id, |node| node.unknown = entry);
                    }
                    return self.node(id).unknown;
                }
            };
        }
        if self.node(id).here == NONE {
            let entry = self.add_entry();
            self.edit(id, |node| node.here = entry);
        }
        self.node(id).here
    }

    pub(crate) fn finish(self) -> Tree {
        let mut tree = self.tree;
        let mut affixed: Vec<_> = self.affixed.into_iter().collect();
        affixed.sort_unstable_by(|((a, ap, asuf), _), ((b, bp, bsuf), _)| {
            let rank = |p: &str, s: &str| (Reverse(p.len() + s.len()), Reverse(p.len()));
            (a, rank(ap, asuf), ap, asuf).cmp(&(b, rank(bp, bsuf), bp, bsuf))
        });
        for (index, ((id, ..), _)) in (0..).zip(&affixed) {
            if let Some(node) = tree.nodes.get_mut(*id as usize) {
                let start = if node.affixed.1 == 0 { index } else { node.affixed.0 };
                node.affixed = (start, index + 1);
            }
        }
        tree.affixed =
            affixed.into_iter().map(|((_, prefix, suffix), child)| Affixed { prefix, suffix, child }).collect();
        tree.nodes.shrink_to_fit();
        tree.texts.shrink_to_fit();
        tree
    }

    fn add_literal(&mut self, parent: NodeId, node: &Node, text: &[u8]) -> NodeId {
        let start = self.tree.texts.len() as u32;
        self.tree.texts.extend_from_slice(text);
        let child = self.add_node(Node { parent, text: (start, self.tree.texts.len() as u32), ..EMPTY });
        let only = match node.literal {
            NONE => child,
            SEVERAL => SEVERAL,
            sibling => {
                let hash = Literals::hash(parent, self.tree.text(&self.node(sibling)));
                self.tree.literals.insert(hash, sibling);
                SEVERAL
            }
        };
        if only == SEVERAL {
            self.tree.literals.insert(Literals::hash(parent, text), child);
        }
        self.edit(parent, |node| node.literal = only);
        child
    }

    fn add_node(&mut self, node: Node) -> NodeId {
        self.tree.nodes.push(node);
        self.tree.nodes.len() as NodeId - 1
    }

    fn add_entry(&mut self) -> Entry {
        self.entries += 1;
        self.entries - 1
    }

    fn node(&self, id: NodeId) -> Node {
        self.tree.nodes.get(id as usize).copied().unwrap_or(EMPTY)
    }

    fn edit(&mut self, id: NodeId, change: impl FnOnce(&mut Node)) {
        self.tree.nodes.get_mut(id as usize).map(change);
    }
}

/// The literal children of all nodes that have several, in one open-addressed hash table.
#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
struct Literals {
    /// A hash and a child; the root is nobody's child, so it marks a vacant slot.
    slots: Vec<(u32, NodeId)>,
    used: usize,
}

impl Literals {
    /// The children under a hash; few of them are not the one that is looked for.
    fn probe(&self, hash: u32) -> impl Iterator<Item = NodeId> {
        let mask = self.slots.len().wrapping_sub(1);
        let first = hash as usize & mask;
        (0..self.slots.len())
            .map_while(move |step| self.slots.get((first + step) & mask).filter(|(_, child)| *child != ROOT))
            .filter(move |(found, _)| *found == hash)
            .map(|(_, child)| *child)
    }

    fn insert(&mut self, hash: u32, child: NodeId) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let larger = vec![(0, ROOT); (self.slots.len() * 2).max(8)];
            for (hash, child) in std::mem::replace(&mut self.slots, larger) {
                if child != ROOT {
                    self.place(hash, child);
                }
            }
        }
        self.place(hash, child);
        self.used += 1;
    }

    fn place(&mut self, hash: u32, child: NodeId) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.1 == ROOT {
                *slot = (hash, child);
                return;
            }
            at = (at + 1) & mask;
        }
    }

    /// Multiply and fold, eight octets at a time.
    fn hash(parent: NodeId, text: &[u8]) -> u32 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mix = |hash: u64, word: u64| {
            let product = (hash ^ word).wrapping_mul(ODD);
            product ^ (product >> 32)
        };
        let mut words = text.chunks_exact(8);
        let mut hash = mix(u64::from(parent), text.len() as u64);
        for word in &mut words {
            hash = mix(hash, word.try_into().map_or(0, u64::from_le_bytes));
        }
        let last = words.remainder().iter().fold(0, |word, octet| word << 8 | u64::from(*octet));
        mix(hash, last) as u32
    }
}
