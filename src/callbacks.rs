//! Every call that the host makes (proxy-wasm ABI 0.2.1): its numbers become contexts here, and `plugin` and `filter` do
//! the rest.
//!
//! Envoy makes each call that a module exports, for every request, and a call into a VM costs more than finding the
//! route. So there is none for bodies, trailers, the end of a stream and its log.
//!
//! Whatever the host calls, in whatever order, nothing here panics: an unknown number is nobody, and passes.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::filter::{Action, Filter};
use crate::plugin::Plugin;

thread_local! {
    /// A VM has one thread.
    static CONTEXTS: RefCell<Contexts> = RefCell::default();
}

/// What the host calls by a number of its own, which no two of them share.
#[derive(Default)]
struct Contexts {
    /// Of root contexts; hardly ever more than one.
    plugins: Vec<(u32, Plugin)>,
    /// Of streams.
    filters: HashMap<u32, Filter, BuildHasherDefault<NumberHasher>>,
}

impl Contexts {
    fn plugin(&mut self, id: u32) -> Option<&mut Plugin> {
        self.plugins.iter_mut().find(|(known, _)| *known == id).map(|(_, plugin)| plugin)
    }
}

/// Spreads numbers that the host gives out one after the other.
#[derive(Default)]
struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.write_u32(u32::from(*octet)));
    }
}

/// `None` where the host calls while it is being called.
fn contexts<T>(act: impl FnOnce(&mut Contexts) -> T) -> Option<T> {
    CONTEXTS.try_with(|contexts| contexts.try_borrow_mut().ok().map(|mut contexts| act(&mut contexts))).ok().flatten()
}

// SAFETY, for this and all that follow: the names are those of the ABI, and no other symbol has them.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the host calls this once, before all else.
    unsafe { __wasm_call_ctors() };
}

/// Room for what the host hands over; `host` takes it back as the boxed slice that it is.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::into_raw(Box::<[u8]>::new_uninit_slice(size)).cast()
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(id: u32, parent: u32) {
    contexts(|contexts| {
        if let Some(plugin) = contexts.plugin(parent) {
            let filter = plugin.filter();
            contexts.filters.insert(id, filter);
        } else if parent == 0 && contexts.plugin(id).is_none() {
            contexts.plugins.push((id, Plugin::default()));
        }
    });
}

/// Never refuses: a refused document makes Envoy refuse every later change of the listener too.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(id: u32, size: usize) -> bool {
    contexts(|contexts| contexts.plugin(id).map(|plugin| plugin.configure(size)));
    true
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(id: u32) {
    contexts(|contexts| contexts.plugin(id).map(|plugin| plugin.flush()));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(id: u32, _count: u32, _end_of_stream: u32) -> u32 {
    let action = contexts(|contexts| contexts.filters.get_mut(&id).map(Filter::request));
    action.flatten().unwrap_or(Action::Continue) as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(id: u32, _count: u32, _end_of_stream: u32) -> u32 {
    contexts(|contexts| contexts.filters.get_mut(&id).map(Filter::response));
    Action::Continue as u32
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_delete(id: u32) {
    contexts(|contexts| {
        if contexts.filters.remove(&id).is_none() {
            contexts.plugins.retain(|(known, _)| *known != id);
        }
    });
}
