//! A compiled table as one run of octets, used where it lies: fixed-size rows in lists, that refer to each other by
//! number. So the threads of a process need not compile what one of them has: they take its image from Envoy's
//! shared data, and that costs them a copy.
//!
//! An image stands for one document and for these very sources. Any other is left alone, be it of another document, of
//! another version of the plugin, or of somebody else. What another plugin has forged on purpose may still be nonsense:
//! that can't cause a panic, and a plugin that wants to route a request elsewhere can do so by itself.

use std::marker::PhantomData;
use std::rc::Rc;

/// What an image begins with; the hash of the document comes next.
const MARK: &[u8] = concat!("ksvc-router table ", env!("KSVC_ROUTING_SOURCES"), "\n").as_bytes();

/// A value with the same number of octets whatever it is.
pub(crate) trait Row: Copy {
    const SIZE: usize;

    fn write(self, room: &mut Room<'_>);

    fn read(octets: &mut Octets<'_>) -> Self;
}

/// Octets to be read from the front. Where none are left, they are zeros.
pub(crate) struct Octets<'o>(&'o [u8]);

impl Octets<'_> {
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

/// Room for octets, zeros so far, to be filled from the front.
pub(crate) struct Room<'o>(&'o mut [u8]);

impl Room<'_> {
    #[inline(always)]
    fn put<const N: usize>(&mut self, octets: [u8; N]) {
        if let Some((room, rest)) = std::mem::take(&mut self.0).split_first_chunk_mut() {
            *room = octets;
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
            fn write(self, room: &mut Room<'_>) {
                room.put(self.to_le_bytes());
            }

            #[inline(always)]
            fn read(octets: &mut Octets<'_>) -> Self {
                Self::from_le_bytes(octets.take())
            }
        }
    )* };
}
number_row!(u8, u16, u32, u64);

impl Row for bool {
    const SIZE: usize = 1;

    #[inline(always)]
    fn write(self, room: &mut Room<'_>) {
        u8::from(self).write(room);
    }

    #[inline(always)]
    fn read(octets: &mut Octets<'_>) -> Self {
        u8::read(octets) != 0
    }
}

impl<T: Row + Default> Row for Option<T> {
    const SIZE: usize = 1 + T::SIZE;

    #[inline(always)]
    fn write(self, room: &mut Room<'_>) {
        self.is_some().write(room);
        self.unwrap_or_default().write(room);
    }

    #[inline(always)]
    fn read(octets: &mut Octets<'_>) -> Self {
        let is_some = bool::read(octets);
        let value = T::read(octets);
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

        impl $crate::image::Row for $name {
            const SIZE: usize = 0 $( + <$type as $crate::image::Row>::SIZE )*;

            #[inline(always)]
            fn write(self, room: &mut $crate::image::Room<'_>) {
                $( self.$field.write(room); )*
            }

            #[inline(always)]
            fn read(octets: &mut $crate::image::Octets<'_>) -> Self {
                Self { $( $field: <$type as $crate::image::Row>::read(octets), )* }
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

        impl $crate::image::Row for $name {
            const SIZE: usize = {
                let mut most = 0;
                $(
                    let own = 0 $( $( + <$type as $crate::image::Row>::SIZE )* )?;
                    if own > most {
                        most = own;
                    }
                )*
                1 + most
            };

            #[inline(always)]
            fn write(self, room: &mut $crate::image::Room<'_>) {
                match self {
                    $( Self::$variant $( ( $($field),* ) )? => {
                        let used = 0 $( $( + <$type as $crate::image::Row>::SIZE )* )?;
                        <u8 as $crate::image::Row>::write($number, room);
                        $( $( $field.write(room); )* )?
                        room.skip(Self::SIZE - 1 - used);
                    } )*
                }
            }

            #[inline(always)]
            fn read(octets: &mut $crate::image::Octets<'_>) -> Self {
                match <u8 as $crate::image::Row>::read(octets) {
                    $( $number => {
                        let used = 0 $( $( + <$type as $crate::image::Row>::SIZE )* )?;
                        let value = Self::$variant $( ( $( <$type as $crate::image::Row>::read(octets) ),* ) )?;
                        octets.skip(Self::SIZE - 1 - used);
                        value
                    } )*
                    _ => {
                        octets.skip(Self::SIZE - 1);
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

    /// Puts rows behind the others of a list.
    pub(crate) fn append<T>(list: &mut Vec<T>, rows: impl IntoIterator<Item = T>) -> Self {
        let start = list.len() as u32;
        list.extend(rows);
        Span { start, end: list.len() as u32 }
    }

    /// Its rows in a list that is not yet part of an image.
    pub(crate) fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A list of rows in an image.
#[derive(Debug, Clone)]
pub(crate) struct Rows<T> {
    image: Rc<Vec<u8>>,
    /// In octets.
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
        let octets = self.image.get(start..)?.get(..T::SIZE)?;
        Some(T::read(&mut Octets(octets)))
    }

    pub(crate) fn span(&self, span: Span) -> impl DoubleEndedIterator<Item = T> + ExactSizeIterator + Clone + '_ {
        self.octets(span.start, span.end).chunks_exact(T::SIZE).map(|row| T::read(&mut Octets(row)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.span(Span { start: 0, end: self.count })
    }

    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    /// Of the rows from one to another; none where they are not there.
    #[inline(always)]
    pub(crate) fn octets(&self, from: u32, to: u32) -> &[u8] {
        let at = |row: u32| self.start + row as usize * T::SIZE;
        self.image.get(at(from)..at(to)).unwrap_or_default()
    }
}

/// An image in the making: lists, in the order in which a `Reader` takes them.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// For the table of the document of this hash. How many octets all lists will have together is known before: an image
    /// that grew would take twice its memory.
    pub(crate) fn new(document: u64, octets: usize) -> Self {
        let mut image = Vec::with_capacity(MARK.len() + u64::SIZE + octets);
        image.extend_from_slice(MARK);
        image.extend(document.to_le_bytes());
        Writer(image)
    }

    /// How many octets a list will have.
    pub(crate) const fn size<T: Row>(rows: &[T]) -> usize {
        u32::SIZE + T::SIZE * rows.len()
    }

    pub(crate) fn list<T: Row>(&mut self, rows: &[T]) {
        self.0.extend((rows.len() as u32).to_le_bytes());
        let start = self.0.len();
        self.0.resize(start + T::SIZE * rows.len(), 0);
        let room = self.0.get_mut(start..).unwrap_or_default();
        for (row, room) in rows.iter().zip(room.chunks_exact_mut(T::SIZE)) {
            row.write(&mut Room(room));
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.0.extend((text.len() as u32).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        debug_assert_eq!(self.0.len(), self.0.capacity(), "all lists have been counted");
        self.0
    }
}

pub(crate) struct Reader {
    image: Rc<Vec<u8>>,
    at: usize,
}

impl Reader {
    /// `None` where it is no image of these sources. With the hash of the document.
    pub(crate) fn new(image: Rc<Vec<u8>>) -> Option<(Self, u64)> {
        let mut behind = Octets(image.strip_prefix(MARK)?);
        let document = u64::read(&mut behind);
        let at = MARK.len() + u64::SIZE;
        Some((Reader { image, at }, document))
    }

    /// `None` where the list is cut short.
    pub(crate) fn list<T: Row>(&mut self) -> Option<Rows<T>> {
        let count = u32::read(&mut Octets(self.image.get(self.at..)?));
        let start = self.at + u32::SIZE;
        let end = start.checked_add((count as usize).checked_mul(T::SIZE)?)?;
        self.image.get(start..end)?;
        self.at = end;
        Some(Rows { image: self.image.clone(), start, count, row: PhantomData })
    }
}
