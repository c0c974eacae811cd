//! Builds the tree of path segments: each pattern is inserted, and gets the entry at its end.
//!
//! `table/tree.rs` searches the tree and describes its order.

use std::cmp::Reverse;
use std::collections::{HashMap, hash_map};

use crate::bytes::equal;
use crate::compile::builder::TableBuilder;
use crate::compile::pattern::{Mixed, Segment};
use crate::limits::{MIXED_SEGMENTS, MIXED_SEGMENTS_AT_ONE_PLACE};
use crate::path;
use crate::table::image::{List, NO_INDEX, Row, Span};
use crate::table::schema::{
    EMPTY, Entry, LITERALS, MIXED, MixedChild, NO_EXTRAS, NODE_EXTRAS, NODES, Node, NodeId, ROOT, SEVERAL, Slot, VACANT,
};
use crate::table::tree::{child_hash, probe, segment_hash};

/// The literal text before each parameter of a segment, and that after the last one.
type MixedLiterals = Box<[Box<str>]>;

/// A tree that is being built. Its nodes are in the table already.
#[derive(Default)]
pub(super) struct TreeBuilder {
    /// The seed of the tree.
    seed: u64,
    literals: LiteralTable,
    /// The children for segments of literal text and parameters, by parent and literals. They are sorted when the tree is
    /// complete.
    mixed: HashMap<(NodeId, MixedLiterals), NodeId>,
    /// The number of children with several parameters: of each node that has any, and of all.
    with_several: HashMap<NodeId, usize>,
    all_with_several: usize,
    entries: u32,
}

impl TreeBuilder {
    /// Adds the root of the tree to a table that has no nodes yet.
    pub(super) fn new(seed: u64, builder: &mut TableBuilder) -> Self {
        add_node(builder, EMPTY);
        TreeBuilder { seed, ..TreeBuilder::default() }
    }

    /// Returns the number of entries.
    pub(super) fn entries(&self) -> usize {
        self.entries as usize
    }

    /// Inserts a pattern and returns its entry. Patterns that match the same paths have the same entry.
    pub(super) fn insert(&mut self, segments: &[Segment<'_>], builder: &mut TableBuilder) -> Entry {
        let mut id = ROOT;
        for segment in segments {
            id = match segment {
                Segment::Literal(text) => self.literal_child(id, text, builder),
                Segment::Mixed(mixed) => self.mixed_child(id, mixed, builder),
                Segment::Capture { .. } => match node(builder, id).capture {
                    NO_INDEX => {
                        let child = add_node(builder, EMPTY);
                        edit(builder, id, |node| node.capture = child);
                        child
                    }
                    child => child,
                },
                Segment::Rest { may_be_none, .. } => {
                    let extras = extras(builder, id);
                    return self.entry(builder, NODE_EXTRAS, extras, |extras| match may_be_none {
                        true => &mut extras.rest_or_none,
                        false => &mut extras.rest,
                    });
                }
                Segment::Unknown => {
                    let extras = extras(builder, id);
                    return self.entry(builder, NODE_EXTRAS, extras, |extras| &mut extras.unknown);
                }
            };
        }
        self.entry(builder, NODES, id, |node| &mut node.entry)
    }

    /// Returns the index of the first segment for which the tree has no room, and which limit that would exceed.
    pub(super) fn first_beyond_limits(
        &self,
        segments: &[Segment<'_>],
        builder: &TableBuilder,
    ) -> Option<(usize, MixedLimit)> {
        if !segments.iter().any(|segment| segment.names().len() > 1) {
            return None;
        }
        let mut id = Some(ROOT);
        for (index, segment) in segments.iter().enumerate() {
            id = match segment {
                // Nodes that the tree does not have yet have no children.
                Segment::Literal(text) => id.and_then(|id| self.find_literal(id, text, builder)),
                Segment::Capture { .. } => id.map(|id| node(builder, id).capture).filter(|child| *child != NO_INDEX),
                Segment::Rest { .. } | Segment::Unknown => None,
                Segment::Mixed(mixed) => {
                    let known = id.and_then(|id| self.mixed.get(&(id, literals(mixed))).copied());
                    let here = id.and_then(|id| self.with_several.get(&id).copied()).unwrap_or_default();
                    if known.is_none() && mixed.names.len() > 1 {
                        if here >= MIXED_SEGMENTS_AT_ONE_PLACE {
                            return Some((index, MixedLimit::AtOnePlace));
                        }
                        if self.all_with_several >= MIXED_SEGMENTS {
                            return Some((index, MixedLimit::InAll));
                        }
                    }
                    known
                }
            };
        }
        None
    }

    /// Returns the entry in a field of a row. If the field has none, it gets a new one.
    fn entry<T: Row>(
        &mut self,
        builder: &mut TableBuilder,
        list: List<T>,
        index: u32,
        field: impl Fn(&mut T) -> &mut Entry,
    ) -> Entry {
        let next = self.entries;
        let mut entry = next;
        builder.image.edit(list, index, |row| match field(row) {
            vacant if *vacant == NO_INDEX => *vacant = next,
            known => entry = *known,
        });
        if entry == next {
            self.entries += 1;
        }
        entry
    }

    /// Returns the child of a node for a segment of literal text and parameters. Adds it if the node has none.
    fn mixed_child(&mut self, parent: NodeId, mixed: &Mixed<'_>, builder: &mut TableBuilder) -> NodeId {
        match self.mixed.entry((parent, literals(mixed))) {
            hash_map::Entry::Occupied(known) => *known.get(),
            hash_map::Entry::Vacant(vacant) => {
                if mixed.names.len() > 1 {
                    *self.with_several.entry(parent).or_default() += 1;
                    self.all_with_several += 1;
                }
                *vacant.insert(add_node(builder, EMPTY))
            }
        }
    }

    /// Returns the child of a node for a literal segment; `None` if the node has none.
    ///
    /// A node that has a single literal child points to it. The literal children of all other nodes are in the hash
    /// table.
    fn find_literal(&self, parent: NodeId, text: &str, builder: &TableBuilder) -> Option<NodeId> {
        let is_it = |child: &NodeId| {
            let child = node(builder, *child);
            child.parent == parent && equal(builder.bytes(child.text), text.as_bytes())
        };
        match node(builder, parent).literal {
            NO_INDEX => None,
            SEVERAL => self.literals.probe(child_hash(parent, segment_hash(self.seed, text.as_bytes()))).find(is_it),
            child => Some(child).filter(is_it),
        }
    }

    /// Returns the child of a node for a literal segment. Adds it if the node has none.
    fn literal_child(&mut self, parent: NodeId, text: &str, builder: &mut TableBuilder) -> NodeId {
        if let Some(child) = self.find_literal(parent, text, builder) {
            return child;
        }
        let seed = self.seed;
        let hash_of = |text: &[u8]| child_hash(parent, segment_hash(seed, text));
        let known = node(builder, parent).literal;
        if !matches!(known, NO_INDEX | SEVERAL) {
            // The node had a single child, and now gets a second one.
            self.literals.insert(hash_of(builder.bytes(node(builder, known).text)), known);
        }
        let node = Node { parent, text: builder.add(text), ..EMPTY };
        let child = add_node(builder, node);
        if known != NO_INDEX {
            self.literals.insert(hash_of(text.as_bytes()), child);
        }
        if known != SEVERAL {
            edit(builder, parent, |node| node.literal = if known == NO_INDEX { child } else { SEVERAL });
        }
        child
    }

    /// Writes the children for segments of literal text and parameters in their order of precedence, and the hash table of
    /// literal children.
    pub(super) fn finish(self, builder: &mut TableBuilder) {
        let mut mixed: Vec<_> = self.mixed.into_iter().collect();
        mixed.sort_unstable_by(|((a_parent, a), _), ((b_parent, b), _)| {
            let rank = |literals: &[Box<str>]| {
                let length: usize = literals.iter().map(|literal| literal.len()).sum();
                (Reverse(length), Reverse(literals.first().map_or(0, |first| first.len())), literals.len())
            };
            (a_parent, rank(a), a).cmp(&(b_parent, rank(b), b))
        });
        for siblings in mixed.chunk_by(|((a, _), _), ((b, _), _)| a == b) {
            let start = builder.image.len(MIXED);
            for ((_, literals), child) in siblings {
                let row = MixedChild {
                    prefix: builder.shared(literals.first().map_or("", |first| first)),
                    suffix: builder.shared(literals.last().map_or("", |last| last)),
                    literals: several_literals(literals, builder),
                    child: *child,
                };
                builder.image.push(MIXED, row);
            }
            let span = Span { start, end: builder.image.len(MIXED) };
            if let Some(((id, _), _)) = siblings.first() {
                let extras = extras(builder, *id);
                builder.image.edit(NODE_EXTRAS, extras, |extras| extras.mixed = span);
            }
        }
        builder.image.append(LITERALS, self.literals.slots);
    }
}

/// A limit on segments with several parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MixedLimit {
    AtOnePlace,
    InAll,
}

fn literals(mixed: &Mixed<'_>) -> MixedLiterals {
    mixed.literals.iter().map(|literal| Box::from(&**literal)).collect()
}

/// Returns the `literals` of a [`MixedChild`], and of the parameters of its segment.
pub(super) fn several_literals(literals: &[impl AsRef<str>], builder: &mut TableBuilder) -> Span {
    // Between two literals there is one parameter.
    if literals.len() < 3 {
        return Span::default();
    }
    let texts: Vec<String> = literals.iter().map(|literal| path::characters(literal.as_ref().as_bytes())).collect();
    builder.list(texts.iter().map(String::as_str))
}

fn add_node(builder: &mut TableBuilder, node: Node) -> NodeId {
    builder.image.push(NODES, node)
}

fn node(builder: &TableBuilder, id: NodeId) -> Node {
    builder.image.get(NODES, id).unwrap_or(EMPTY)
}

/// Returns the index of the extras of a node. Adds them if the node has none.
fn extras(builder: &mut TableBuilder, id: NodeId) -> u32 {
    match node(builder, id).extras {
        NO_INDEX => {
            let extras = builder.image.push(NODE_EXTRAS, NO_EXTRAS);
            edit(builder, id, |node| node.extras = extras);
            extras
        }
        extras => extras,
    }
}

fn edit(builder: &mut TableBuilder, id: NodeId, change: impl FnOnce(&mut Node)) {
    builder.image.edit(NODES, id, change);
}

/// The literal children of all nodes that have several: one hash table with open addressing and linear probing. It is
/// written into the table as it is.
#[derive(Debug, Default)]
struct LiteralTable {
    /// Their number is a power of two, or 0.
    slots: Vec<Slot>,
    used: usize,
}

impl LiteralTable {
    /// Returns the children with a hash. Some of them may have another parent or text.
    fn probe(&self, hash: u32) -> impl Iterator<Item = NodeId> {
        probe(hash, self.slots.len() as u32, |at| self.slots.get(at as usize).copied())
    }

    fn insert(&mut self, hash: u32, child: NodeId) {
        // At most three quarters of the slots are used.
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            let larger = vec![VACANT; (self.slots.len() * 2).max(8)];
            for slot in std::mem::replace(&mut self.slots, larger) {
                if slot.child != ROOT {
                    self.place(slot);
                }
            }
        }
        self.place(Slot { hash, child });
        self.used += 1;
    }

    /// Puts a slot into the first vacant place for its hash.
    fn place(&mut self, new: Slot) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = new.hash as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.child == ROOT {
                *slot = new;
                return;
            }
            at = (at + 1) & mask;
        }
    }
}
