//! The image of a table while it is built.

use crate::table::image::{ByteReader, ByteWriter, List, MARK, Row, Span};
use crate::table::schema::{self, SETTINGS};

/// What stands before the rows: the mark, the hash of the document, and of each list where it begins and ends.
const HEAD: usize = MARK.len() + u64::SIZE + schema::COUNT * Span::SIZE;

/// The lists of an image in the making. They grow side by side in the bytes that become the image: in memory of their
/// own they would take as much again, and a VM never gives any back.
pub(crate) struct ImageBuilder {
    bytes: Vec<u8>,
    extents: [Extent; schema::COUNT],
}

/// Where a list lies, in bytes.
#[derive(Clone, Copy)]
struct Extent {
    start: usize,
    used: usize,
    room: usize,
}

impl ImageBuilder {
    pub(crate) fn new() -> Self {
        let mut lists =
            ImageBuilder { bytes: vec![0; HEAD], extents: [Extent { start: HEAD, used: 0, room: 0 }; schema::COUNT] };
        // It is written last and lies first: nothing is to be moved for it.
        lists.reserve(SETTINGS, 1);
        lists
    }

    /// Makes room in memory for lists of so many bytes in all.
    pub(crate) fn expect(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    /// Makes room for so many rows more.
    pub(crate) fn reserve<T: Row>(&mut self, list: List<T>, rows: usize) {
        self.extend_room(list.number, rows * T::SIZE);
    }

    #[inline]
    pub(crate) fn len<T: Row>(&self, list: List<T>) -> u32 {
        self.extent(list.number).used as u32 / T::SIZE as u32
    }

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

    /// Some rows of a list.
    pub(crate) fn span<T: Row>(&self, list: List<T>, span: Span) -> impl ExactSizeIterator<Item = T> + '_ {
        let bytes = self.bytes(list, span.start, span.end);
        bytes.chunks_exact(T::SIZE).map(|row| T::read(&mut ByteReader(row)))
    }

    pub(crate) fn iter<T: Row>(&self, list: List<T>) -> impl ExactSizeIterator<Item = T> + '_ {
        self.span(list, Span { start: 0, end: self.len(list) })
    }

    /// Of the rows from one to another.
    #[inline(always)]
    pub(crate) fn bytes<T: Row>(&self, list: List<T>, from: u32, to: u32) -> &[u8] {
        let start = self.extent(list.number).start;
        let at = |row: u32| start + row as usize * T::SIZE;
        self.bytes.get(at(from)..at(to)).unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) fn edit<T: Row>(&mut self, list: List<T>, index: u32, change: impl FnOnce(&mut T)) {
        let at = self.extent(list.number).start + index as usize * T::SIZE;
        let Some(bytes) = self.bytes.get_mut(at..).and_then(|behind| behind.get_mut(..T::SIZE)) else { return };
        let mut row = T::read(&mut ByteReader(bytes));
        change(&mut row);
        row.write(&mut ByteWriter(bytes));
    }

    /// Puts a row behind the others; its index.
    #[inline(always)]
    pub(crate) fn push<T: Row>(&mut self, list: List<T>, row: T) -> u32 {
        let index = self.len(list);
        if let Some(bytes) = self.more(list.number, T::SIZE).get_mut(..T::SIZE) {
            row.write(&mut ByteWriter(bytes));
        }
        index
    }

    /// Puts rows behind the others. All spans of none are equal.
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

    /// Puts bytes behind the others.
    pub(crate) fn append_bytes(&mut self, list: List<u8>, bytes: &[u8]) {
        let room = self.more(list.number, bytes.len());
        if room.len() == bytes.len() {
            room.copy_from_slice(bytes);
        }
    }

    /// The image: what was left between the lists is gone.
    pub(crate) fn finish(mut self, document: u64) -> Vec<u8> {
        let mut end = HEAD;
        let mut places = Vec::with_capacity(HEAD);
        places.extend_from_slice(MARK);
        places.extend(document.to_le_bytes());
        for Extent { start, used, .. } in self.extents {
            self.bytes.copy_within(start..start + used, end);
            places.extend((end as u32).to_le_bytes());
            end += used;
            places.extend((end as u32).to_le_bytes());
        }
        self.bytes.splice(..HEAD, places);
        self.bytes.truncate(end);
        self.bytes.shrink_to_fit();
        self.bytes
    }

    #[inline(always)]
    fn extent(&self, number: usize) -> Extent {
        self.extents.get(number).copied().unwrap_or(Extent { start: 0, used: 0, room: 0 })
    }

    /// That many bytes behind the rows of a list, which are its own from now on.
    #[inline(always)]
    fn more(&mut self, number: usize, bytes: usize) -> &mut [u8] {
        self.make_room(number, bytes);
        let Some(extent) = self.extents.get_mut(number) else { return &mut [] };
        let at = extent.start + extent.used;
        extent.used += bytes;
        self.bytes.get_mut(at..at + bytes).unwrap_or_default()
    }

    /// Sees to it that so many bytes more fit in. A list that needs room gets more than it needs, so that it seldom does.
    #[inline(always)]
    fn make_room(&mut self, number: usize, bytes: usize) {
        let Extent { used, room, .. } = self.extent(number);
        if used + bytes > room {
            self.extend_room(number, bytes.max(room / 4));
        }
    }

    /// Moves the lists behind one.
    #[cold]
    fn extend_room(&mut self, number: usize, bytes: usize) {
        let end = self.bytes.len();
        if self.bytes.capacity() < end + bytes {
            self.bytes.reserve_exact(bytes.max(end / 8));
        }
        self.bytes.resize(end + bytes, 0);
        let mut own_and_behind = self.extents.iter_mut().skip(number);
        let Some(own) = own_and_behind.next() else { return };
        let behind = own.start + own.room;
        own.room += bytes;
        self.bytes.copy_within(behind..end, behind + bytes);
        own_and_behind.for_each(|extent| extent.start += bytes);
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::table::image::ImageReader;
    use crate::table::schema::{ENTRIES, NODES, TEXTS};

    /// Each list outgrows its room many times while the others hold rows, and none of these is lost.
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
        let (image, document) = ImageReader::new(lists.finish(42).into()).expect("an image of these sources");
        assert_eq!(document, 42);
        let (entries, strings) = (image.list(ENTRIES).expect("entries"), image.list(TEXTS).expect("strings"));
        check(entries.iter().collect(), strings.bytes(0, 2_000));
        assert_eq!(image.list(NODES).map(|nodes| nodes.len()), Some(0));
    }
}
