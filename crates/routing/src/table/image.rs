//! A compiled table as one run of bytes, used where it lies: fixed-size rows in lists, that refer to each other by
//! number. So the threads of a process need not compile what one of them has: they take its image from Envoy's
//! shared data, and that costs them a copy.
//!
//! An image stands for one document and for these very sources. Any other is left alone, be it of another document, of
//! another version of the plugin, or of somebody else. What another plugin has forged on purpose may still be nonsense:
//! that can't cause a panic, only cost time, and a plugin that wants to route a request elsewhere can do so by itself.

use std::marker::PhantomData;
use std::sync::Arc;

/// What an image begins with; the hash of the document comes next.
pub(crate) const MARK: &[u8] = concat!("ksvc-router table ", env!("KSVC_ROUTING_SOURCES"), "\n").as_bytes();

/// A value with the same number of bytes whatever it is.
pub(crate) trait Row: Copy {
    const SIZE: usize;

    fn write(self, room: &mut ByteWriter<'_>);

    fn read(bytes: &mut ByteReader<'_>) -> Self;
}

/// Bytes to be read from the front. Where none are left, they are zeros.
pub(crate) struct ByteReader<'o>(pub(crate) &'o [u8]);

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

/// Room for bytes, zeros so far, to be filled from the front.
pub(crate) struct ByteWriter<'o>(pub(crate) &'o mut [u8]);

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

/// Defines a type and its [`Row`] implementation.
///
/// A struct is written field by field. This definition
///
/// ```text
/// row! {
///     pub(crate) struct Span {
///         pub(crate) start: u32,
///         pub(crate) end: u32,
///     }
/// }
/// ```
///
/// expands to the same struct and to
///
/// ```text
/// impl Row for Span {
///     const SIZE: usize = u32::SIZE + u32::SIZE;
///     fn write(self, to: &mut ByteWriter<'_>) { self.start.write(to); self.end.write(to); }
///     fn read(from: &mut ByteReader<'_>) -> Self { Span { start: u32::read(from), end: u32::read(from) } }
/// }
/// ```
///
/// An enum is written as the number that stands in front of the variant (one byte), then the variant's fields, then zeros
/// up to the size of the largest variant. The value behind `else` is what any other number reads as.
macro_rules! row {
    (
        $(#[$about:meta])*
        $vis:vis struct $name:ident {
            $( $(#[$doc:meta])* $field_vis:vis $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$about])*
        $vis struct $name {
            $( $(#[$doc])* $field_vis $field: $type, )*
        }

        impl $crate::table::image::Row for $name {
            const SIZE: usize = 0 $( + <$type as $crate::table::image::Row>::SIZE )*;

            #[inline(always)]
            fn write(self, to: &mut $crate::table::image::ByteWriter<'_>) {
                $( self.$field.write(to); )*
            }

            #[inline(always)]
            fn read(from: &mut $crate::table::image::ByteReader<'_>) -> Self {
                Self { $( $field: <$type as $crate::table::image::Row>::read(from), )* }
            }
        }
    };
    (
        $(#[$about:meta])*
        $vis:vis enum $name:ident {
            $( $(#[$doc:meta])* $number:literal $variant:ident $( ( $($field:ident: $type:ty),* ) )?, )*
            else $otherwise:expr
        }
    ) => {
        $(#[$about])*
        $vis enum $name {
            $( $(#[$doc])* $variant $( ( $($type),* ) )?, )*
        }

        impl $crate::table::image::Row for $name {
            const SIZE: usize = {
                let mut largest = 0;
                $(
                    let own = 0 $( $( + <$type as $crate::table::image::Row>::SIZE )* )?;
                    if own > largest {
                        largest = own;
                    }
                )*
                1 + largest
            };

            #[inline(always)]
            fn write(self, to: &mut $crate::table::image::ByteWriter<'_>) {
                match self {
                    $( Self::$variant $( ( $($field),* ) )? => {
                        let used = 0 $( $( + <$type as $crate::table::image::Row>::SIZE )* )?;
                        <u8 as $crate::table::image::Row>::write($number, to);
                        $( $( $field.write(to); )* )?
                        to.skip(Self::SIZE - 1 - used);
                    } )*
                }
            }

            #[inline(always)]
            fn read(from: &mut $crate::table::image::ByteReader<'_>) -> Self {
                match <u8 as $crate::table::image::Row>::read(from) {
                    $( $number => {
                        let used = 0 $( $( + <$type as $crate::table::image::Row>::SIZE )* )?;
                        let value = Self::$variant $( ( $( <$type as $crate::table::image::Row>::read(from) ),* ) )?;
                        from.skip(Self::SIZE - 1 - used);
                        value
                    } )*
                    _ => {
                        from.skip(Self::SIZE - 1);
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
        pub(crate) start: u32,
        pub(crate) end: u32,
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
    image: Arc<Vec<u8>>,
    /// In bytes.
    start: usize,
    /// In rows, all of which the image has.
    count: u32,
    row: PhantomData<T>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { image: Arc::default(), start: 0, count: 0, row: PhantomData }
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
    pub(crate) number: usize,
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

/// An image to be read.
pub(crate) struct ImageReader {
    image: Arc<Vec<u8>>,
}

impl ImageReader {
    /// `None` where it is no image of these sources. With the hash of the document.
    pub(crate) fn new(image: Arc<Vec<u8>>) -> Option<(Self, u64)> {
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
