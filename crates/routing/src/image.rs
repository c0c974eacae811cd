//! A compiled table as octets, so that the threads of a process need not compile what one of them has: they take its
//! image from Envoy's shared data.
//!
//! An image stands for one document and for these very sources. Any other is left alone, be it of another document,
//! of another version of the plugin, or of somebody else. What is read from an image may still be nonsense, should
//! another plugin have forged it: that can't cause a panic, and a plugin that wants to route a request elsewhere can do
//! so without.

use borsh::BorshDeserialize;

use crate::table::RouteTable;

/// What an image begins with; the hash of the document comes next.
const MARK: &[u8] = concat!("ksvc-router table ", env!("KSVC_ROUTING_SOURCES"), "\n").as_bytes();

impl RouteTable {
    /// The image of this table, which was compiled from the document of this hash.
    pub(crate) fn image(&self, document: u64) -> Vec<u8> {
        let mut image = MARK.to_vec();
        // A `Vec` takes whatever is written.
        let _ = borsh::to_writer(&mut image, &(document, self));
        image
    }

    /// The table compiled from the document of this hash, if that is what the image is of.
    pub(crate) fn from_image(image: &[u8], document: u64) -> Option<Self> {
        let mut octets = image.strip_prefix(MARK)?;
        if u64::deserialize(&mut octets).ok()? != document {
            return None;
        }
        let table = Self::deserialize(&mut octets).ok()?;
        octets.is_empty().then_some(table)
    }
}
