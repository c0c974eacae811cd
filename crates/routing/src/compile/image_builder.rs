//! The image of a table while it is built.
//!
//! An [`ImageBuilder`] holds all lists of the image. Rows are added to any of them in any order, and can be read and
//! edited meanwhile; [`ImageBuilder::finish`] returns the image, which `table::image` reads.

use crate::table::image::{ByteReader, ByteWriter, List, MAGIC, Row, Span};
use crate::table::schema::{self, SETTINGS};

/// The number of bytes before the first row: the magic bytes, the hash of the document, and the start and end of each
/// list.
const HEADER_SIZE: usize = MAGIC.len() + u64::SIZE + schema::COUNT * Span::SIZE;

/// Collects the rows of an image.
///
/// The lists grow side by side in the bytes that become the image. In buffers of their own they would take as much
/// memory again, and the memory of a wasm VM never shrinks.
pub(crate) struct ImageBuilder {
    bytes: Vec<u8>,
    extents: [Extent; schema::COUNT],
}

/// The place of a list, in bytes.
#[derive(Clone, Copy, Default)]
struct Extent {
    start: usize,
    /// The size of its rows.
    used: usize,
    /// The size of its rows and of the room after them.
    room: usize,
}

impl ImageBuilder {
    pub(crate) fn new() -> Self {
        let empty = Extent { start: HEADER_SIZE, used: 0, room: 0 };
        let mut builder = ImageBuilder { bytes: vec![0; HEADER_SIZE], extents: [empty; schema::COUNT] };
        // The settings are the first list and are written last. With room for them, no other list has to move then.
        builder.reserve(SETTINGS, 1);
        builder
    }

    /// Reserves memory for lists of this many bytes in all.
    pub(crate) fn reserve_total(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    /// Makes room in a list for this many more rows.
    pub(crate) fn reserve<T: Row>(&mut self, list: List<T>, rows: usize) {
        self.extend_room(list.number, rows * T::SIZE);
    }

    /// Returns the number of rows of a list.
    #[inline]
    pub(crate) fn len<T: Row>(&self, list: List<T>) -> u32 {
        self.extent(list.number).used as u32 / T::SIZE as u32
    }

    /// Returns the row at an index of a list.
    #[inline(always)]
    pub(crate) fn get<T: Row>(&self, list: List<T>, index: u32) -> Option<T> {
        let Extent { start, used, .. } = self.extent(list.number);
        let at = index as usize * T::SIZE;
        if at >= used {
            return None;
        }
        let bytes = self.bytes.get(start + at..)?.get(..T::SIZE)?;
        Some(T::read(&mut ByteReader(bytes)))
    }

    /// Returns the rows of a span.
    pub(crate) fn span<T: Row>(&self, list: List<T>, span: Span) -> impl Iterator<Item = T> + '_ {
        let bytes = self.bytes(list, span.start, span.end);
        bytes.chunks_exact(T::SIZE).map(|row| T::read(&mut ByteReader(row)))
    }

    /// Returns all rows of a list.
    pub(crate) fn iter<T: Row>(&self, list: List<T>) -> impl Iterator<Item = T> + '_ {
        self.span(list, Span { start: 0, end: self.len(list) })
    }

    /// Returns the bytes of the rows `from..to` of a list.
    #[inline(always)]
    pub(crate) fn bytes<T: Row>(&self, list: List<T>, from: u32, to: u32) -> &[u8] {
        let start = self.extent(list.number).start;
        let at = |row: u32| start + row as usize * T::SIZE;
        self.bytes.get(at(from)..at(to)).unwrap_or_default()
    }

    /// Changes the row at an index of a list. Does nothing if there is none.
    #[inline(always)]
    pub(crate) fn edit<T: Row>(&mut self, list: List<T>, index: u32, change: impl FnOnce(&mut T)) {
        let at = self.extent(list.number).start + index as usize * T::SIZE;
        let Some(bytes) = self.bytes.get_mut(at..).and_then(|bytes| bytes.get_mut(..T::SIZE)) else { return };
        let mut row = T::read(&mut ByteReader(bytes));
        change(&mut row);
        row.write(&mut ByteWriter(bytes));
    }

    /// Appends a row to a list, and returns its index.
    #[inline(always)]
    pub(crate) fn push<T: Row>(&mut self, list: List<T>, row: T) -> u32 {
        let index = self.len(list);
        if let Some(bytes) = self.grow(list.number, T::SIZE).get_mut(..T::SIZE) {
            row.write(&mut ByteWriter(bytes));
        }
        index
    }

    /// Appends rows to a list, and returns their span. All spans of no rows are equal.
    pub(crate) fn append<T: Row>(&mut self, list: List<T>, rows: impl IntoIterator<Item = T>) -> Span {
        let start = self.len(list);
        let rows = rows.into_iter();
        self.make_room(list.number, rows.size_hint().0 * T::SIZE);
        for row in rows {
            self.push(list, row);
        }
        match self.len(list) {
            end if end == start => Span::default(),
            end => Span { start, end },
        }
    }

    /// Appends bytes to a list of bytes.
    pub(crate) fn append_bytes(&mut self, list: List<u8>, bytes: &[u8]) {
        let room = self.grow(list.number, bytes.len());
        if room.len() == bytes.len() {
            room.copy_from_slice(bytes);
        }
    }

    /// Returns the image, without the room between the lists.
    pub(crate) fn finish(mut self, document_hash: u64) -> Vec<u8> {
        let mut end = HEADER_SIZE;
        let mut header = Vec::with_capacity(HEADER_SIZE);
        header.extend_from_slice(MAGIC);
        header.extend(document_hash.to_le_bytes());
        for Extent { start, used, .. } in self.extents {
            self.bytes.copy_within(start..start + used, end);
            header.extend((end as u32).to_le_bytes());
            end += used;
            header.extend((end as u32).to_le_bytes());
        }
        self.bytes.splice(..HEADER_SIZE, header);
        self.bytes.truncate(end);
        self.bytes.shrink_to_fit();
        self.bytes
    }

    #[inline(always)]
    fn extent(&self, number: usize) -> Extent {
        self.extents.get(number).copied().unwrap_or_default()
    }

    /// Adds bytes to the end of a list, and returns them to be written.
    #[inline(always)]
    fn grow(&mut self, number: usize, bytes: usize) -> &mut [u8] {
        self.make_room(number, bytes);
        let Some(extent) = self.extents.get_mut(number) else { return &mut [] };
        let at = extent.start + extent.used;
        extent.used += bytes;
        self.bytes.get_mut(at..at + bytes).unwrap_or_default()
    }

    /// Makes room for this many more bytes, if a list lacks it. It then gets more than it needs, so that it seldom
    /// lacks room.
    #[inline(always)]
    fn make_room(&mut self, number: usize, bytes: usize) {
        let Extent { used, room, .. } = self.extent(number);
        if used + bytes > room {
            self.extend_room(number, bytes.max(room / 4));
        }
    }

    /// Gives a list this much more room, by moving the lists after it.
    #[cold]
    fn extend_room(&mut self, number: usize, bytes: usize) {
        let end = self.bytes.len();
        if self.bytes.capacity() < end + bytes {
            self.bytes.reserve_exact(bytes.max(end / 8));
        }
        self.bytes.resize(end + bytes, 0);
        let mut extents = self.extents.iter_mut().skip(number);
        let Some(own) = extents.next() else { return };
        let after = own.start + own.room;
        own.room += bytes;
        self.bytes.copy_within(after..end, after + bytes);
        extents.for_each(|extent| extent.start += bytes);
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::table::image::ImageReader;
    use crate::table::schema::{ENTRIES, NODES, TEXTS};

    /// Each list outgrows its room many times while the others have rows, and no row is lost.
    #[test]
    fn lists_that_grow_in_turn_keep_their_rows() {
        let span = |number: u32| Span { start: number, end: number + 1 };
        let mut lists = ImageBuilder::new();
        for number in 0..500_u32 {
            lists.append_bytes(TEXTS, &number.to_le_bytes());
            assert_eq!(lists.push(ENTRIES, span(number)), number);
        }
        lists.edit(ENTRIES, 7, |row| row.end = 4711);
        let check = |entries: Vec<Span>, strings: &[u8]| {
            for number in 0..500 {
                let expected = if number == 7 { Span { start: 7, end: 4711 } } else { span(number) };
                assert_eq!(entries.get(number as usize), Some(&expected));
            }
            assert_eq!(strings, (0..500_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
        };
        check(lists.iter(ENTRIES).collect(), lists.bytes(TEXTS, 0, 2_000));
        assert_eq!(lists.get(ENTRIES, 500), None);
        let (image, document_hash) = ImageReader::new(lists.finish(42).into()).expect("an image of this build");
        assert_eq!(document_hash, 42);
        let (entries, strings) = (image.list(ENTRIES).expect("entries"), image.list(TEXTS).expect("strings"));
        check(entries.iter().collect(), strings.bytes(0, 2_000));
        assert_eq!(image.list(NODES).map(|nodes| nodes.len()), Some(0));
    }
}
