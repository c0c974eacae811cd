//! The tree of path segments while it is built.

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

/// A tree that grows. Children with affixes are found by their text, and are put in order at the end.
#[derive(Default)]
pub(crate) struct TreeBuilder {
    literals: Literals,
    affixed: HashMap<(NodeId, Box<str>, Box<str>), NodeId>,
    entries: u32,
}

impl TreeBuilder {
    /// In a builder without nodes.
    pub(crate) fn new(builder: &mut TableBuilder) -> Self {
        add_node(builder, EMPTY);
        TreeBuilder::default()
    }

    /// How many entries have been given out.
    pub(crate) fn entries(&self) -> usize {
        self.entries as usize
    }

    /// The entry of a pattern.
    pub(crate) fn insert(&mut self, segments: &[Segment<'_>], builder: &mut TableBuilder) -> Entry {
        let mut id = ROOT;
        for segment in segments {
            id = match segment {
                Segment::Literal(text) => self.literal(id, text, builder),
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

    /// The entry that stands in a place of a row.
    #[inline(always)]
    fn entry<T: Row>(
        &mut self,
        builder: &mut TableBuilder,
        list: List<T>,
        index: u32,
        place: impl Fn(&mut T) -> &mut Entry,
    ) -> Entry {
        let next = self.entries;
        let mut entry = next;
        builder.image.edit(list, index, |row| match place(row) {
            vacant if *vacant == NO_INDEX => *vacant = next,
            known => entry = *known,
        });
        if entry == next {
            self.entries += 1;
        }
        entry
    }

    /// The child of a node for a literal segment.
    fn literal(&mut self, parent: NodeId, text: &str, builder: &mut TableBuilder) -> NodeId {
        let is = |child: NodeId| {
            let child = node(builder, child);
            child.parent == parent && equal(builder.bytes(child.text), text.as_bytes())
        };
        let hash_of = |text: &[u8]| child_hash(parent, segment_hash(text));
        let known = node(builder, parent).literal;
        match known {
            NO_INDEX => {}
            SEVERAL => {
                if let Some(child) = self.literals.probe(hash_of(text.as_bytes())).find(|child| is(*child)) {
                    return child;
                }
            }
            child if is(child) => return child,
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

    /// Puts the children with affixes into their order of precedence.
    pub(crate) fn finish(self, builder: &mut TableBuilder) {
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

#[inline(always)]
fn node(builder: &TableBuilder, id: NodeId) -> Node {
    builder.image.get(NODES, id).unwrap_or(EMPTY)
}

/// The index of a node's extras.
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

#[inline(always)]
fn edit(builder: &mut TableBuilder, id: NodeId, change: impl FnOnce(&mut Node)) {
    builder.image.edit(NODES, id, change);
}

/// The literal children of all nodes that have several, in one open-addressed hash table.
#[derive(Debug, Default)]
struct Literals {
    slots: Vec<Slot>,
    used: usize,
}

impl Literals {
    fn probe(&self, hash: u32) -> impl Iterator<Item = NodeId> {
        probe(hash, self.slots.len() as u32, |at| self.slots.get(at as usize).copied())
    }

    fn insert(&mut self, hash: u32, child: NodeId) {
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
