//! The two calls to Envoy for which the SDK has no suitable function. All other calls use `proxy_wasm::hostcalls`.
//!
//! - The SDK copies each name and value of a header map, and panics at a name that is not UTF-8. [`headers`] reads the
//!   map in place.
//! - The SDK sends a response without the text of `%RESPONSE_CODE_DETAILS%`, and only with header values that are
//!   UTF-8. [`send_response`] supports both.
#![allow(unsafe_code, reason = "these calls to Envoy pass pointers")]

use std::ptr::null_mut;
use std::slice;

use proxy_wasm::types::{Bytes, MapType};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: MapType, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

/// The status of a call that succeeded. Every other status is an error.
const OK: u32 = 0;

/// Headers as Envoy serializes them: the number of headers, then the sizes of every name and value, then every name and
/// value with a NUL behind it. Numbers are little-endian and have 32 bits.
pub struct HeaderMap(Bytes);

/// Reads all headers in one call. Returns `None` if Envoy reports an error.
pub fn headers(map: MapType) -> Option<HeaderMap> {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: both pointers are valid during the call, and Envoy writes to nothing else.
    if unsafe { proxy_get_header_map_pairs(map, &mut data, &mut size) } != OK {
        return None;
    }
    if data.is_null() {
        return Some(HeaderMap(Bytes::new()));
    }
    // SAFETY: Envoy got this memory from the SDK's `proxy_on_memory_allocate`, which allocates a boxed slice of exactly
    // `size` bytes and gives up ownership. Envoy has written all of it.
    Some(HeaderMap(unsafe { Bytes::from_raw_parts(data, size, size) }))
}

impl HeaderMap {
    /// Visits each header once, without allocating. If the map is cut short, the visit ends early.
    pub fn pairs(&self) -> Pairs<'_> {
        let (count, rest) = self.0.split_first_chunk().unwrap_or((&[0; 4], &[]));
        let count = (u32::from_le_bytes(*count) as usize).min(rest.len() / 8);
        let (sizes, bytes) = rest.split_at_checked(count * 8).unwrap_or_default();
        Pairs { sizes: sizes.as_chunks().0.iter(), bytes }
    }

    /// Returns all headers as a list.
    pub fn list(&self) -> Vec<(&[u8], &[u8])> {
        let pairs = self.pairs();
        let mut list = Vec::with_capacity(pairs.sizes.len());
        list.extend(pairs);
        list
    }
}

/// The iterator of [`HeaderMap::pairs`].
pub struct Pairs<'m> {
    sizes: slice::Iter<'m, [u8; 8]>,
    bytes: &'m [u8],
}

impl<'m> Iterator for Pairs<'m> {
    type Item = (&'m [u8], &'m [u8]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        // One load for both sizes.
        let sizes = u64::from_le_bytes(*self.sizes.next()?);
        let (name, rest) = self.bytes.split_at_checked(sizes as u32 as usize)?;
        let (value, rest) = rest.get(1..)?.split_at_checked((sizes >> 32) as usize)?;
        self.bytes = rest.get(1..)?;
        Some((name, value))
    }
}

/// Answers the request. `details` is the text of `%RESPONSE_CODE_DETAILS%`. A `grpc_status` of -1 lets Envoy derive the
/// gRPC status from the HTTP status. Returns whether Envoy accepted the response.
pub fn send_response(status: u16, details: &str, headers: &[(&str, &[u8])], body: &[u8], grpc_status: i32) -> bool {
    let headers = serialize(headers);
    // SAFETY: each pointer is valid for the size that follows it during the call, and Envoy only reads.
    let result = unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    };
    result == OK
}

/// Writes headers in the form that [`HeaderMap`] describes.
fn serialize(headers: &[(&str, &[u8])]) -> Bytes {
    let size: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 10).sum();
    let mut map = Bytes::with_capacity(4 + size);
    map.extend_from_slice(&(headers.len() as u32).to_le_bytes());
    for (name, value) in headers {
        map.extend_from_slice(&(name.len() as u32).to_le_bytes());
        map.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    for (name, value) in headers {
        for part in [name.as_bytes(), value] {
            map.extend_from_slice(part);
            map.push(0);
        }
    }
    map
}
