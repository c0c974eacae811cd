//! One thread's VM, and the plugins in it.

use std::rc::Rc;

use crate::exchange::{Exchange, Head};
use crate::instance::Inner;
use crate::state::{Counts, RootState};

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

    /// A stream whose request never reaches the module, because an earlier filter answers it: Envoy creates its context
    /// to write the access log, and ends it at once.
    pub fn stream_without_request(&self) {
        drop(Exchange::create(&self.inner, self.id, Head::default()));
    }

    /// The orderly end of the plugin in this VM: done, then delete.
    pub fn done(self) {
        self.inner.call("proxy_on_done", self.id, &[self.id]);
        self.inner.call("proxy_on_delete", self.id, &[self.id]);
        self.inner.with_state(|state| state.roots.remove(&self.id));
    }

    /// The VM that this plugin lives in.
    pub fn vm(&self) -> Vm {
        Vm { inner: Rc::clone(&self.inner) }
    }
}
