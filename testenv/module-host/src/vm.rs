//! One thread's VM, and the plugins in it.

use std::rc::Rc;
use std::time::Duration;

use crate::exchange::{Exchange, Head};
use crate::instance::Inner;
use crate::state::{Counts, Phase, RootState, StreamState};

/// One thread's instance of the module. Dropped without a callback, as Envoy drops the one that it only tries a
/// configuration on; [`Root::done`] is the orderly end.
#[derive(Clone)]
pub struct Vm {
    pub(crate) inner: Rc<Inner>,
}

impl Vm {
    /// Creates the root context of the plugin that Envoy knows as `plugin_name`, and starts it.
    pub fn root(&self, plugin_name: &str) -> Root {
        let id = self.inner.next_context();
        self.inner.with_state(|state| {
            let root = RootState { plugin_name: plugin_name.to_owned(), ..RootState::default() };
            state.roots.insert(id, root);
        });
        let inner = Rc::clone(&self.inner);
        inner.call("proxy_on_context_create", id, &[id, 0]);
        let started = inner.call("proxy_on_vm_start", id, &[id, 0]).result;
        assert!(started.is_none_or(|started| started != 0), "proxy_on_vm_start returned false");
        Root { inner, id }
    }

    /// Calls any export, in any order and with any numbers, as no proxy does; the callback's first argument is its
    /// context. The result, where it has one. [`Vm::root`] and [`Root::send`] are the orderly way.
    pub fn call(&self, callback: &'static str, arguments: &[u32]) -> Option<u32> {
        let context = arguments.first().copied().unwrap_or_default();
        self.inner.with_state(|state| {
            let Some(stream) = state.streams.get_mut(&context) else { return };
            stream.phase = match callback {
                "proxy_on_request_headers" => Phase::Request,
                "proxy_on_response_headers" => Phase::Response,
                "proxy_on_log" => Phase::Log,
                _ => Phase::Upstream,
            };
            stream.local_response = None;
        });
        self.inner.call(callback, context, arguments).result
    }

    /// What this host knows of a root context from now on: to be said before [`Vm::call`] speaks of it.
    pub fn know_root(&self, id: u32, plugin_name: &str, document: &[u8]) {
        let root =
            RootState { plugin_name: plugin_name.to_owned(), configuration: document.to_vec(), ..RootState::default() };
        self.inner.with_state(|state| state.roots.insert(id, root));
    }

    /// The same of a stream's context; its response is to have these headers.
    pub fn know_stream(&self, id: u32, root: u32, request: Head, response: Head) {
        let stream = StreamState {
            root,
            serialised: request.serialised.or(response.serialised),
            request: request.headers,
            response: response.headers,
            filter_state: request.filter_state,
            ..StreamState::default()
        };
        self.inner.with_state(|state| state.streams.insert(id, stream));
    }

    /// The end of what this host knows of a context.
    pub fn forget(&self, id: u32) {
        self.inner.with_state(|state| (state.roots.remove(&id), state.streams.remove(&id)));
    }

    /// The size of the module's memory in bytes. Never shrinks.
    pub fn memory(&self) -> usize {
        let mut store = self.inner.store.borrow_mut();
        let memory = store.data().memory.expect("checked when the VM started");
        memory.data_size(&mut *store)
    }
}

/// One plugin in one VM.
pub struct Root {
    inner: Rc<Inner>,
    id: u32,
}

impl Root {
    /// Hands a configuration over; what the module returned (false: refused).
    pub fn configure(&self, document: impl AsRef<[u8]>) -> bool {
        self.configure_counted(document).0
    }

    /// As [`Root::configure`], with what it cost.
    pub fn configure_counted(&self, document: impl AsRef<[u8]>) -> (bool, Counts) {
        let document = document.as_ref();
        self.inner.with_state(|state| {
            let root = state.roots.get_mut(&self.id).expect("a root has its state");
            root.configuration = document.to_vec();
        });
        let size = u32::try_from(document.len()).expect("a document below 4 GiB");
        let call = self.inner.call("proxy_on_configure", self.id, &[self.id, size]);
        (call.result.is_none_or(|accepted| accepted != 0), call.counts)
    }

    /// A request with these headers, none of its own filter state, and no body.
    pub fn request(&self, headers: &[(&str, &str)]) -> Exchange {
        self.send(Head::new(headers))
    }

    pub fn send(&self, head: Head) -> Exchange {
        Exchange::begin(&self.inner, self.id, head)
    }

    /// Runs the timer once, where the module has asked for one; whether it has.
    pub fn tick(&self) -> bool {
        let asked = self.tick_period().is_some();
        if asked {
            self.inner.call("proxy_on_tick", self.id, &[self.id]);
        }
        asked
    }

    pub fn tick_period(&self) -> Option<Duration> {
        self.inner.with_state(|state| state.roots.get(&self.id).and_then(|root| root.tick_period))
    }

    /// The orderly end of the plugin in this VM: done, then delete.
    pub fn done(self) {
        self.inner.call("proxy_on_done", self.id, &[self.id]);
        self.inner.call("proxy_on_delete", self.id, &[self.id]);
        self.inner.with_state(|state| state.roots.remove(&self.id));
    }

    /// The number of its root context.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The VM that this plugin lives in.
    pub fn vm(&self) -> Vm {
        Vm { inner: Rc::clone(&self.inner) }
    }
}
