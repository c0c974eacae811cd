//! The image of a compiled table: one run of bytes that is used where it lies, without being decoded first.
//!
//! An image holds lists of fixed-size rows; rows refer to each other by index. One thread of a process compiles a
//! document and stores the image in Envoy's shared data. The other threads copy the image from there, which takes them
//! far less time than compiling. `schema` defines the rows and lists, `compile::image_builder` writes an image, and
//! [`ImageReader`] opens one.
//!
//! An image begins with [`MAGIC`] and the hash of its document, so that only the build that has written it uses it, and
//! only for this document. An image of another document, of another version of the plugin, or of somebody else is
//! ignored. An image that another plugin has forged on purpose can still be nonsense. It can't cause a panic then, only
//! cost time; and a plugin that wants to route a request elsewhere can do so itself.
//!
//! This is our own because a serialization library would decode, or at least check, the whole image again in each
//! thread.

use std::marker::PhantomData;
use std::sync::Arc;

/// The first bytes of every image that this build writes. They contain a hash of this crate's sources. The hash of the
/// document follows them.
pub(crate) const MAGIC: &[u8] = concat!("ksvc-router table ", env!("KSVC_ROUTING_SOURCES"), "\n").as_bytes();

/// A type whose values are all written with the same number of bytes.
pub(crate) trait Row: Copy {
    /// The number of bytes.
    const SIZE: usize;

    /// Writes the value, and advances `to` by `SIZE` bytes.
    fn write(self, to: &mut ByteWriter<'_>);

    /// Reads a value, and advances `from` by `SIZE` bytes. Any bytes make some value.
    fn read(from: &mut ByteReader<'_>) -> Self;
}

/// Reads bytes from the front. After the last one, it reads zeros.
pub(crate) struct ByteReader<'b>(pub(crate) &'b [u8]);

impl ByteReader<'_> {
    #[inline(always)]
    fn read_array<const N: usize>(&mut self) -> [u8; N] {
        let Some((array, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *array
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }
}

/// Writes bytes from the front of a buffer, which holds zeros at first. After its end, nothing is written.
pub(crate) struct ByteWriter<'b>(pub(crate) &'b mut [u8]);

impl ByteWriter<'_> {
    #[inline(always)]
    fn write_array<const N: usize>(&mut self, array: [u8; N]) {
        if let Some((place, rest)) = std::mem::take(&mut self.0).split_first_chunk_mut() {
            *place = array;
            self.0 = rest;
        }
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, count: usize) {
        self.0 = std::mem::take(&mut self.0).get_mut(count..).unwrap_or_default();
    }
}

/// Implements [`Row`] for integers, which are written in little-endian order.
macro_rules! number_row {
    ($($number:ty),*) => { $(
        impl Row for $number {
            const SIZE: usize = size_of::<$number>();

            #[inline(always)]
            fn write(self, to: &mut ByteWriter<'_>) {
                to.write_array(self.to_le_bytes());
            }

            #[inline(always)]
            fn read(from: &mut ByteReader<'_>) -> Self {
                Self::from_le_bytes(from.read_array())
            }
        }
    )* };
}
number_row!(u8, u16, u32, u64);

impl Row for bool {
    const SIZE: usize = 1;

    #[inline(always)]
    fn write(self, to: &mut ByteWriter<'_>) {
        u8::from(self).write(to);
    }

    #[inline(always)]
    fn read(from: &mut ByteReader<'_>) -> Self {
        u8::read(from) != 0
    }
}

impl<T: Row + Default> Row for Option<T> {
    const SIZE: usize = 1 + T::SIZE;

    #[inline(always)]
    fn write(self, to: &mut ByteWriter<'_>) {
        self.is_some().write(to);
        self.unwrap_or_default().write(to);
    }

    #[inline(always)]
    fn read(from: &mut ByteReader<'_>) -> Self {
        let is_some = bool::read(from);
        let value = T::read(from);
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
/// An enum is written as the number in front of the variant (one byte), then the variant's fields, then zeros up to the
/// size of the largest variant. Any other number reads as the value after `else`.
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
    /// A range of consecutive rows of a list, by index. `end` is the index after the last row.
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

/// Marks an absent index. No list has a row with this index.
pub(crate) const NO_INDEX: u32 = u32::MAX;

/// A list of rows in an image.
#[derive(Debug, Clone)]
pub(crate) struct Rows<T> {
    image: Arc<Vec<u8>>,
    /// The position of the first row in the image, in bytes.
    start: usize,
    /// The number of rows. The image has all of them.
    count: u32,
    row: PhantomData<T>,
}

/// An empty list, whether or not `T` has a default.
impl<T> Default for Rows<T> {
    fn default() -> Self {
        Rows { image: Arc::default(), start: 0, count: 0, row: PhantomData }
    }
}

impl<T: Row> Rows<T> {
    /// Returns the row at an index.
    #[inline(always)]
    pub(crate) fn get(&self, index: u32) -> Option<T> {
        if index >= self.count {
            return None;
        }
        let start = self.start + index as usize * T::SIZE;
        let bytes = self.image.get(start..)?.get(..T::SIZE)?;
        Some(T::read(&mut ByteReader(bytes)))
    }

    /// Returns the rows of a span.
    pub(crate) fn span(&self, span: Span) -> impl DoubleEndedIterator<Item = T> + Clone + '_ {
        self.bytes(span.start, span.end).chunks_exact(T::SIZE).map(|row| T::read(&mut ByteReader(row)))
    }

    /// Returns all rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.span(Span { start: 0, end: self.count })
    }

    /// Returns the number of rows.
    pub(crate) fn len(&self) -> u32 {
        self.count
    }

    /// Returns the bytes of the rows `from..to`, which the list must have. Otherwise the bytes can be those of other
    /// lists.
    #[inline(always)]
    pub(crate) fn bytes(&self, from: u32, to: u32) -> &[u8] {
        let at = |row: u32| self.start + row as usize * T::SIZE;
        self.image.get(at(from)..at(to)).unwrap_or_default()
    }
}

/// Names a list of an image by its number. `schema` defines all of them as constants.
#[derive(Clone, Copy)]
pub(crate) struct List<T> {
    pub(crate) number: usize,
    row: PhantomData<T>,
}

impl<T> List<T> {
    pub(crate) const fn new(number: usize) -> Self {
        List { number, row: PhantomData }
    }
}

/// Opens an image, and hands out its lists.
pub(crate) struct ImageReader {
    image: Arc<Vec<u8>>,
}

impl ImageReader {
    /// Opens an image. Returns it with the hash of its document; `None` if this build has not written it.
    pub(crate) fn new(image: Arc<Vec<u8>>) -> Option<(Self, u64)> {
        let document_hash = u64::read(&mut ByteReader(image.strip_prefix(MAGIC)?));
        Some((ImageReader { image }, document_hash))
    }

    /// Returns a list; `None` if the image ends before the list does.
    pub(crate) fn list<T: Row>(&self, list: List<T>) -> Option<Rows<T>> {
        let extent = self.image.get(MAGIC.len() + u64::SIZE + list.number * Span::SIZE..)?;
        // Unlike other spans, this one counts bytes of the image.
        let Span { start, end } = Span::read(&mut ByteReader(extent));
        let bytes = self.image.get(start as usize..end as usize)?;
        Some(Rows {
            image: self.image.clone(),
            start: start as usize,
            count: (bytes.len() / T::SIZE) as u32,
            row: PhantomData,
        })
    }
}
