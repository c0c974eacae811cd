//! Builds the tree of path segments: each pattern is inserted, and gets the entry at its end.
//!
//! `table/tree.rs` searches the tree and describes its order.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::bytes::equal;
use crate::compile::builder::TableBuilder;
use crate::compile::pattern::Segment;
use crate::table::image::{List, NO_INDEX, Row, Span};
use crate::table::schema::{
    AFFIXED, AffixedChild, EMPTY, Entry, LITERALS, NO_EXTRAS, NODE_EXTRAS, NODES, Node, NodeId, ROOT, SEVERAL, Slot,
    VACANT,
};
use crate::table::tree::{child_hash, probe, segment_hash};

/// A tree that is being built. Its nodes are in the table already.
#[derive(Default)]
pub(super) struct TreeBuilder {
    literals: LiteralTable,
    /// The children with a prefix or suffix, by parent, prefix and suffix. They are sorted when the tree is complete.
    affixed: HashMap<(NodeId, Box<str>, Box<str>), NodeId>,
    entries: u32,
}

impl TreeBuilder {
    /// Adds the root of the tree to a table that has no nodes yet.
    pub(super) fn new(builder: &mut TableBuilder) -> Self {
        add_node(builder, EMPTY);
        TreeBuilder::default()
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
                Segment::Capture { prefix, suffix, .. } if prefix.is_empty() && suffix.is_empty() => {
                    match node(builder, id).capture {
                        NO_INDEX => {
                            let child = add_node(builder, EMPTY);
                            edit(builder, id, |node| node.capture = child);
                            child
                        }
                        child => child,
                    }
                }
                Segment::Capture { prefix, suffix, .. } => {
                    let key = (id, Box::from(&**prefix), Box::from(&**suffix));
                    *self.affixed.entry(key).or_insert_with(|| add_node(builder, EMPTY))
                }
                Segment::Rest { .. } => {
                    let extras = extras(builder, id);
                    return self.entry(builder, NODE_EXTRAS, extras, |extras| &mut extras.rest);
                }
                Segment::Unknown => {
                    let extras = extras(builder, id);
                    return self.entry(builder, NODE_EXTRAS, extras, |extras| &mut extras.unknown);
                }
            };
        }
        self.entry(builder, NODES, id, |node| &mut node.entry)
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

    /// Returns the child of a node for a literal segment. Adds it if the node has none.
    ///
    /// A node that has a single literal child points to it. The literal children of all other nodes are in the hash
    /// table.
    fn literal_child(&mut self, parent: NodeId, text: &str, builder: &mut TableBuilder) -> NodeId {
        let is_it = |child: NodeId| {
            let child = node(builder, child);
            child.parent == parent && equal(builder.bytes(child.text), text.as_bytes())
        };
        let hash_of = |text: &[u8]| child_hash(parent, segment_hash(text));
        let known = node(builder, parent).literal;
        match known {
            NO_INDEX => {}
            SEVERAL => {
                if let Some(child) = self.literals.probe(hash_of(text.as_bytes())).find(|child| is_it(*child)) {
                    return child;
                }
            }
            child if is_it(child) => return child,
            // The node had a single child, and now gets a second one.
            sibling => self.literals.insert(hash_of(builder.bytes(node(builder, sibling).text)), sibling),
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

    /// Writes the children with a prefix or suffix in their order of precedence, and the hash table of literal
    /// children.
    pub(super) fn finish(self, builder: &mut TableBuilder) {
        let mut affixed: Vec<_> = self.affixed.into_iter().collect();
        affixed.sort_unstable_by(|((a, ap, asuf), _), ((b, bp, bsuf), _)| {
            let rank = |p: &str, s: &str| (Reverse(p.len() + s.len()), Reverse(p.len()));
            (a, rank(ap, asuf), ap, asuf).cmp(&(b, rank(bp, bsuf), bp, bsuf))
        });
        for siblings in affixed.chunk_by(|((a, ..), _), ((b, ..), _)| a == b) {
            let start = builder.image.len(AFFIXED);
            for ((_, prefix, suffix), child) in siblings {
                let row =
                    AffixedChild { prefix: builder.shared(prefix), suffix: builder.shared(suffix), child: *child };
                builder.image.push(AFFIXED, row);
            }
            let span = Span { start, end: builder.image.len(AFFIXED) };
            if let Some(((id, ..), _)) = siblings.first() {
                let extras = extras(builder, *id);
                builder.image.edit(NODE_EXTRAS, extras, |extras| extras.affixed = span);
            }
        }
        builder.image.append(LITERALS, self.literals.slots);
    }
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
