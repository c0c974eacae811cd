//! Every call that the host makes (proxy-wasm ABI 0.2.1): its numbers become contexts here, and `plugin` and `filter` do
//! the rest.
//!
//! Envoy makes each call that a module exports, for every request, and a call into a VM costs more than finding the
//! route. So there is none for bodies, trailers, the end of a stream and its log, and none for the end of a context:
//! what is kept of streams and plugins is looked through now and then for those that the host no longer knows.
//!
//! Whatever the host calls, in whatever order, nothing here panics: an unknown number is nobody, and passes.
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::filter::{self, Action, Planned};
use crate::host;
use crate::plugin::Plugin;

thread_local! {
    /// A VM has one thread.
    static CONTEXTS: RefCell<Contexts> = RefCell::default();
}

/// Milliseconds after which what the host no longer knows is let go.
const TICK: u32 = 5_000;

/// By the numbers that the host has given them, which no two share.
#[derive(Default)]
struct Contexts {
    /// Hardly ever more than one.
    plugins: Vec<(u32, Plugin)>,
    /// Whose a stream is, until its request has come, which for one that another filter has answered it never does. Where
    /// there is but one plugin, that is known.
    owners: HashMap<u32, u32, BuildHasherDefault<NumberHasher>>,
    /// What is to become of responses that have not come yet.
    planned: HashMap<u32, Planned, BuildHasherDefault<NumberHasher>>,
    /// How many of both there were when the host was asked last.
    kept: usize,
}

impl Contexts {
    fn plugin(&mut self, id: u32) -> Option<&mut Plugin> {
        self.plugins.iter_mut().find(|(known, _)| *known == id).map(|(_, plugin)| plugin)
    }

    fn begin(&mut self, id: u32, parent: u32) {
        if self.plugins.len() > 1 {
            self.owners.insert(id, parent);
            self.keep_in_bounds(id);
        }
    }

    fn request(&mut self, id: u32) -> Action {
        let plugin = match self.plugins.as_slice() {
            // A stream's plugin outlives it, and its request follows its beginning at once.
            [(_, only)] => Some(only),
            _ => self.owner(id),
        };
        let Some(active) = plugin.and_then(Plugin::active) else { return Action::Continue };
        let (action, planned) = filter::request(active);
        if let Some(planned) = planned {
            self.plan(id, planned);
        }
        action
    }

    #[inline(never)]
    fn owner(&mut self, id: u32) -> Option<&Plugin> {
        let owner = self.owners.remove(&id)?;
        self.plugin(owner).map(|plugin| &*plugin)
    }

    #[inline(never)]
    fn plan(&mut self, id: u32, planned: Planned) {
        self.planned.insert(id, planned);
        self.keep_in_bounds(id);
    }

    fn keep_in_bounds(&mut self, caller: u32) {
        if self.owners.len() + self.planned.len() > 2 * self.kept + 1_000 {
            self.forget_the_gone(caller);
        }
    }

    /// Lets go what belongs to contexts that the host no longer knows: streams that were reset before their response,
    /// plugins that another document has replaced. `caller` is whom the host is calling.
    #[inline(never)]
    fn forget_the_gone(&mut self, caller: u32) {
        if !host::knows(caller) {
            return; // It doesn't know what it says.
        }
        self.plugins.retain(|(id, _)| host::knows(*id));
        self.owners.retain(|id, _| host::knows(*id));
        self.planned.retain(|id, _| host::knows(*id));
        self.kept = self.owners.len() + self.planned.len();
        // To ask for a context is to speak for it.
        host::knows(caller);
    }
}

/// Spreads numbers that are given out one after the other.
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

#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    host::allocate(size)
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_context_create(id: u32, parent: u32) {
    contexts(|contexts| match parent {
        0 if contexts.plugin(id).is_none() => {
            contexts.plugins.push((id, Plugin::default()));
            // An edit, where VMs live on: the plugin before the last has gone by now.
            contexts.forget_the_gone(id);
        }
        0 => {}
        _ => contexts.begin(id, parent),
    });
}

/// Never refuses: a refused document makes Envoy refuse every later change of the listener too.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_configure(id: u32, size: usize) -> bool {
    contexts(|contexts| contexts.plugin(id).map(|plugin| plugin.configure(size)));
    host::set_tick_period(TICK);
    true
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_tick(id: u32) {
    contexts(|contexts| contexts.forget_the_gone(id));
}

#[unsafe(no_mangle)]
extern "C" fn proxy_on_request_headers(id: u32, _count: u32, _end_of_stream: u32) -> u32 {
    contexts(|contexts| contexts.request(id)).unwrap_or(Action::Continue) as u32
}

/// Also called for answers of Envoy's own, and for this filter's, for which nothing is planned.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_response_headers(id: u32, _count: u32, _end_of_stream: u32) -> u32 {
    contexts(|contexts| {
        if !contexts.planned.is_empty()
            && let Some(planned) = contexts.planned.remove(&id)
        {
            planned.carry_out();
        }
    });
    Action::Continue as u32
}
