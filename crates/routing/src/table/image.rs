//! A compiled table as one run of bytes, used where it lies: fixed-size rows in lists, that refer to each other by
//! number. So the threads of a process need not compile what one of them has: they take its image from Envoy's
//! shared data, and that costs them a copy.
//!
//! An image stands for one document and for these very sources. Any other is left alone, be it of another document, of
//! another version of the plugin, or of somebody else. What another plugin has forged on purpose may still be nonsense:
//! that can't cause a panic, only cost time, and a plugin that wants to route a request elsewhere can do so by itself.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::table::schema;

/// What an image begins with; the hash of the document comes next.
const MARK: &[u8] = concat!("ksvc-router table ", env!("KSVC_ROUTING_SOURCES"), "\n").as_bytes();

/// A value with the same number of bytes whatever it is.
pub(crate) trait Row: Copy {
    const SIZE: usize;

    fn write(self, room: &mut ByteWriter<'_>);

    fn read(bytes: &mut ByteReader<'_>) -> Self;
}

/// ByteReader to be read from the front. Where none are left, they are zeros.
pub(crate) struct ByteReader<'o>(&'o [u8]);

impl ByteReader<'_> {
    #[inline(always)]
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((taken, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *taken
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }
}

/// ByteWriter for bytes, zeros so far, to be filled from the front.
pub(crate) struct ByteWriter<'o>(&'o mut [u8]);

impl ByteWriter<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((room, rest)) = std::mem::take(&mut self.0).split_first_chunk_mut() {
            *room = bytes;
            self.0 = rest;
        }
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, count: usize) {
        self.0 = std::mem::take(&mut self.0).get_mut(count..).unwrap_or_default();
    }
}

macro_rules! number_row {
    ($($number:ty),*) => { $(
        impl Row for $number {
            const SIZE: usize = size_of::<$number>();

            #[inline(always)]
            fn write(self, room: &mut ByteWriter<'_>) {
                room.put(self.to_le_bytes());
            }

            #[inline(always)]
            fn read(bytes: &mut ByteReader<'_>) -> Self {
                Self::from_le_bytes(bytes.take())
            }
        }
    )* };
}
number_row!(u8, u16, u32, u64);

impl Row for bool {
    const SIZE: usize = 1;

    #[inline(always)]
    fn write(self, room: &mut ByteWriter<'_>) {
        u8::from(self).write(room);
    }

    #[inline(always)]
    fn read(bytes: &mut ByteReader<'_>) -> Self {
        u8::read(bytes) != 0
    }
}

impl<T: Row + Default> Row for Option<T> {
    const SIZE: usize = 1 + T::SIZE;

    #[inline(always)]
    fn write(self, room: &mut ByteWriter<'_>) {
        self.is_some().write(room);
        self.unwrap_or_default().write(room);
    }

    #[inline(always)]
    fn read(bytes: &mut ByteReader<'_>) -> Self {
        let is_some = bool::read(bytes);
        let value = T::read(bytes);
        is_some.then_some(value)
    }
}

/// A struct that is a row, field by field; or an enum that is one, with a number for each variant and something else
/// for every other number.
macro_rules! row {
    (
        $(#[$about:meta])*
        pub(crate) struct $name:ident {
            $( $(#[$doc:meta])* $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$about])*
        pub(crate) struct $name {
            $( $(#[$doc])* pub(crate) $field: $type, )*
        }

        impl $crate::table::image::Row for $name {
            const SIZE: usize = 0 $( + <$type as $crate::table::image::Row>::SIZE )*;

            #[inline(always)]
            fn write(self, room: &mut $crate::table::image::ByteWriter<'_>) {
                $( self.$field.write(room); )*
            }

            #[inline(always)]
            fn read(bytes: &mut $crate::table::image::ByteReader<'_>) -> Self {
                Self { $( $field: <$type as $crate::table::image::Row>::read(bytes), )* }
            }
        }
    };
    (
        $(#[$about:meta])*
        pub(crate) enum $name:ident {
            $( $(#[$doc:meta])* $number:literal $variant:ident $( ( $($field:ident: $type:ty),* ) )?, )*
            else $otherwise:expr
        }
    ) => {
        $(#[$about])*
        pub(crate) enum $name {
            $( $(#[$doc])* $variant $( ( $($type),* ) )?, )*
        }

        impl $crate::table::image::Row for $name {
            const SIZE: usize = {
                let mut most = 0;
                $(
                    let own = 0 $( $( + <$type as $crate::table::image::Row>::SIZE )* )?;
                    if own > most {
                        most = own;
                    }
                )*
                1 + most
            };

            #[inline(always)]
            fn write(self, room: &mut $crate::table::image::ByteWriter<'_>) {
                match self {
                    $( Self::$variant $( ( $($field),* ) )? => {
                        let used = 0 $( $( + <$type as $crate::table::image::Row>::SIZE )* )?;
                        <u8 as $crate::table::image::Row>::write($number, room);
                        $( $( $field.write(room); )* )?
                        room.skip(Self::SIZE - 1 - used);
                    } )*
                }
            }

            #[inline(always)]
            fn read(bytes: &mut $crate::table::image::ByteReader<'_>) -> Self {
                match <u8 as $crate::table::image::Row>::read(bytes) {
                    $( $number => {
                        let used = 0 $( $( + <$type as $crate::table::image::Row>::SIZE )* )?;
                        let value = Self::$variant $( ( $( <$type as $crate::table::image::Row>::read(bytes) ),* ) )?;
                        bytes.skip(Self::SIZE - 1 - used);
                        value
                    } )*
                    _ => {
                        bytes.skip(Self::SIZE - 1);
                        $otherwise
                    }
                }
            }
        }
    };
}
pub(crate) use row;

row! {
    /// Some rows of a list, one behind the other.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
    pub(crate) struct Span {
        start: u32,
        end: u32,
    }
}

impl Span {
    pub(crate) fn is_empty(self) -> bool {
        self.start >= self.end
    }

    pub(crate) fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }
}

/// An index that no list has.
pub(crate) const NONE: u32 = u32::MAX;

/// A list of rows in an image.
#[derive(Debug, Clone)]
pub(crate) struct Rows<T> {
    image: Rc<Vec<u8>>,
    /// In bytes.
    start: usize,
    /// In rows, all of which the image has.
    count: u32,
    row: PhantomData<T>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { image: Rc::default(), start: 0, count: 0, row: PhantomData }
    }
}

impl<T: Row> Rows<T> {
    #[inline(always)]
    pub(crate) fn get(&self, index: u32) -> Option<T> {
        if index >= self.count {
            return None;
        }
        let start = self.start + index as usize * T::SIZE;
        let bytes = self.image.get(start..)?.get(..T::SIZE)?;
        Some(T::read(&mut ByteReader(bytes)))
    }

    pub(crate) fn span(&self, span: Span) -> impl DoubleEndedIterator<Item = T> + ExactSizeIterator + Clone + '_ {
        self.bytes(span.start, span.end).chunks_exact(T::SIZE).map(|row| T::read(&mut ByteReader(row)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.span(Span { start: 0, end: self.count })
    }

    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    /// Of the rows from one to another, which the list has.
    #[inline(always)]
    pub(crate) fn bytes(&self, from: u32, to: u32) -> &[u8] {
        let at = |row: u32| self.start + row as usize * T::SIZE;
        self.image.get(at(from)..at(to)).unwrap_or_default()
    }
}

/// A list of an image, by its number.
pub(crate) struct List<T> {
    number: usize,
    row: PhantomData<T>,
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<T> {}

impl<T> List<T> {
    pub(crate) const fn new(number: usize) -> Self {
        List { number, row: PhantomData }
    }
}

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
        lists.reserve(schema::SETTINGS, 1);
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

/// An image to be read.
pub(crate) struct ImageReader {
    image: Rc<Vec<u8>>,
}

impl ImageReader {
    /// `None` where it is no image of these sources. With the hash of the document.
    pub(crate) fn new(image: Rc<Vec<u8>>) -> Option<(Self, u64)> {
        let document = u64::read(&mut ByteReader(image.strip_prefix(MARK)?));
        Some((ImageReader { image }, document))
    }

    /// `None` where the list is cut short.
    pub(crate) fn list<T: Row>(&self, list: List<T>) -> Option<Rows<T>> {
        let place = self.image.get(MARK.len() + u64::SIZE + list.number * Span::SIZE..)?;
        let Span { start, end } = Span::read(&mut ByteReader(place));
        let bytes = self.image.get(start as usize..end as usize)?;
        Some(Rows {
            image: self.image.clone(),
            start: start as usize,
            count: (bytes.len() / T::SIZE) as u32,
            row: PhantomData,
        })
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;
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
