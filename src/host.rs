//! Every call to the host, octets in and out. Whatever a host answers, nothing here panics: what fails is
//! `None` or `false`.
//!
//! These are the calls of proxy-wasm ABI 0.2.1 that the filter needs. The SDK's wrappers of them panic on any status
//! that they don't expect, read headers into one allocation each, and some of them want UTF-8.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::mem::{self, ManuallyDrop};
use std::ops::Deref;
use std::ptr::null_mut;
use std::slice;

/// proxy-wasm's map and buffer types, metric types and log levels.
const PLUGIN_CONFIGURATION: u32 = 7;

#[derive(Clone, Copy)]
pub enum Map {
    Request = 0,
    Response = 2,
}

#[derive(Clone, Copy)]
pub enum Level {
    Info = 2,
    Warn = 3,
    Error = 4,
}

#[derive(Clone, Copy)]
pub enum MetricType {
    Counter = 0,
    Gauge = 1,
}

/// Status of a call; 0 is success.
type Status = u32;
const OK: Status = 0;
const BAD_ARGUMENT: Status = 2;
const CAS_MISMATCH: Status = 8;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> Status;
    fn proxy_set_tick_period_milliseconds(period: u32) -> Status;
    fn proxy_set_effective_context(id: u32) -> Status;
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> Status;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> Status;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> Status;
    fn proxy_add_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> Status;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> Status;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> Status;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> Status;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> Status;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> Status;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, data: *const u8, size: usize, cas: u32) -> Status;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> Status;
    fn proxy_increment_metric(id: u32, offset: i64) -> Status;
    fn proxy_record_metric(id: u32, value: u64) -> Status;
}

pub fn log(level: Level, message: &str) {
    // SAFETY: the host reads `message` during the call.
    unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

pub fn set_tick_period(milliseconds: u32) {
    // SAFETY: no memory is passed.
    unsafe { proxy_set_tick_period_milliseconds(milliseconds) };
}

/// Whether the host still has the context of this number; if so, what is asked of the host next is asked for it.
pub fn knows(id: u32) -> bool {
    // SAFETY: no memory is passed.
    unsafe { proxy_set_effective_context(id) != BAD_ARGUMENT }
}

/// The plugin's configuration from `start` on, at most so many octets; empty where there is none.
pub fn configuration(start: usize, max: usize) -> Vec<u8> {
    // SAFETY: `owned` hands in places for the answer.
    unsafe { owned(|data, size| proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, start, max, data, size)) }
        .unwrap_or_default()
}

/// All headers in one call, as the host serialises them; see `pairs`.
pub fn headers(map: Map) -> Option<HeaderMap> {
    // SAFETY: as above.
    unsafe { owned(|data, size| proxy_get_header_map_pairs(map as u32, data, size)) }.map(HeaderMap)
}

/// Headers as the host has serialised them. Their memory is kept for those of the next request.
pub struct HeaderMap(Vec<u8>);

impl Deref for HeaderMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for HeaderMap {
    fn drop(&mut self) {
        if self.0.capacity() == ROOM {
            SPARE.set(mem::take(&mut self.0));
        }
    }
}

/// Names and values of a serialised map: the number of pairs, the sizes of all names and values, then the
/// octets of each, with a NUL behind. What is cut short is left out.
pub fn pairs(map: &[u8]) -> Pairs<'_> {
    let (count, behind) = map.split_first_chunk().unwrap_or((&[0; 4], &[]));
    let count = (u32::from_le_bytes(*count) as usize).min(behind.len() / 8);
    let (sizes, octets) = behind.split_at_checked(count * 8).unwrap_or_default();
    Pairs { sizes: sizes.as_chunks().0.iter(), octets }
}

/// The same as a list.
pub fn list_of_pairs(map: &[u8]) -> Vec<(&[u8], &[u8])> {
    let pairs = pairs(map);
    let mut list = Vec::with_capacity(pairs.sizes.len());
    list.extend(pairs);
    list
}

pub struct Pairs<'m> {
    sizes: slice::Iter<'m, [u8; 8]>,
    octets: &'m [u8],
}

impl<'m> Iterator for Pairs<'m> {
    type Item = (&'m [u8], &'m [u8]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let both = u64::from_le_bytes(*self.sizes.next()?);
        let (name, behind) = self.octets.split_at_checked(both as u32 as usize)?;
        let (value, behind) = behind.get(1..)?.split_at_checked((both >> 32) as usize)?;
        self.octets = behind.get(1..)?;
        Some((name, value))
    }
}

pub fn replace_header(map: Map, name: &str, value: &[u8]) -> bool {
    // SAFETY: the host reads name and value during the call.
    let status =
        unsafe { proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    status == OK
}

pub fn add_header(map: Map, name: &str, value: &[u8]) -> bool {
    // SAFETY: as above.
    let status =
        unsafe { proxy_add_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
    status == OK
}

pub fn remove_header(map: Map, name: &str) -> bool {
    // SAFETY: the host reads the name during the call.
    unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) == OK }
}

/// Answers the request. `details` is what `%RESPONSE_CODE_DETAILS%` shows; `grpc_status` -1 leaves the
/// gRPC status to Envoy's mapping.
pub fn send_response<'h>(
    status: u16,
    details: &str,
    headers: impl ExactSizeIterator<Item = (&'h str, &'h [u8])> + Clone,
    body: &[u8],
    grpc_status: i32,
) -> bool {
    let map = serialize(headers);
    // SAFETY: the host reads all of it during the call.
    let status = unsafe {
        proxy_send_local_response(
            u32::from(status),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            map.as_ptr(),
            map.len(),
            grpc_status,
        )
    };
    status == OK
}

/// The opposite of `pairs`.
fn serialize<'h>(headers: impl ExactSizeIterator<Item = (&'h str, &'h [u8])> + Clone) -> Vec<u8> {
    let mut map = Vec::with_capacity(128);
    map.extend_from_slice(&(headers.len() as u32).to_le_bytes());
    for (name, value) in headers.clone() {
        map.extend_from_slice(&(name.len() as u32).to_le_bytes());
        map.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    for (name, value) in headers {
        map.extend_from_slice(name.as_bytes());
        map.push(0);
        map.extend_from_slice(value);
        map.push(0);
    }
    map
}

/// A property, or the filter state `wasm.<name>`.
pub fn property(name: &str) -> Option<Vec<u8>> {
    // SAFETY: as in `configuration`; the host reads the name during the call.
    unsafe { owned(|data, size| proxy_get_property(name.as_ptr(), name.len(), data, size)) }
}

/// Writes the filter state `wasm.<name>`.
pub fn set_property(name: &str, value: &[u8]) {
    // SAFETY: the host reads name and value during the call.
    unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

/// A value, and the number of its writing, for `set_shared_data`.
pub fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut cas = 0;
    // SAFETY: as in `configuration`; `cas` outlives the call.
    let value = unsafe { owned(|data, size| proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut cas)) };
    Some((value?, cas))
}

/// False where another thread has written since the writing of this number; 0 is any.
pub fn set_shared_data(key: &str, value: &[u8], cas: u32) -> bool {
    // SAFETY: the host reads key and value during the call.
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) != CAS_MISMATCH }
}

/// A metric of this name, the same one for all who define it.
pub fn define_metric(kind: MetricType, name: &str) -> Option<u32> {
    let mut id = 0;
    // SAFETY: the host reads the name and writes `id` during the call.
    let status = unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) };
    (status == OK).then_some(id)
}

pub fn increment_metric(id: u32) {
    // SAFETY: no memory is passed.
    unsafe { proxy_increment_metric(id, 1) };
}

pub fn record_metric(id: u32, value: u64) {
    // SAFETY: no memory is passed.
    unsafe { proxy_record_metric(id, value) };
}

/// What the host is given for as much, or less: the headers of most requests fit in.
const ROOM: usize = 4_096;

thread_local! {
    /// Of `ROOM`, or empty.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Room for what the host hands over, which `owned` takes back: a vector's whose capacity is `capacity(size)`.
pub fn allocate(size: usize) -> *mut u8 {
    if size <= ROOM {
        let spare = SPARE.take();
        if spare.capacity() == ROOM {
            return ManuallyDrop::new(spare).as_mut_ptr();
        }
    }
    Box::into_raw(Box::<[u8]>::new_uninit_slice(capacity(size))).cast()
}

fn capacity(size: usize) -> usize {
    size.max(ROOM)
}

/// Takes over what the host allocated in the guest for its answer.
///
/// # Safety
/// `call` must be a host call that leaves its places alone, or sets them to memory that it got from `allocate` for that
/// size, and wrote to.
unsafe fn owned(call: impl FnOnce(*mut *mut u8, *mut usize) -> Status) -> Option<Vec<u8>> {
    let mut data = null_mut();
    let mut size = 0;
    if call(&mut data, &mut size) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    // SAFETY: as the caller says.
    Some(unsafe { Vec::from_raw_parts(data, size, capacity(size)) })
}
