//! One thread's VM, and the plugins in it.

use std::rc::Rc;

use crate::exchange::{Exchange, Head};
use crate::instance::Instance;
use crate::state::{Counts, RootState};

/// One thread's instance of the module. It is dropped without a callback, as Envoy drops the one on which it only tries
/// a configuration. [`Root::done`] is the orderly end.
#[derive(Clone)]
pub struct Vm {
    pub(crate) instance: Rc<Instance>,
}

impl Vm {
    /// Creates the root context of a plugin and starts it. `plugin_name` is the name that Envoy has for the plugin.
    pub fn root(&self, plugin_name: &str) -> Root {
        let id = self.instance.next_context();
        self.instance.with_state(|state| {
            let root = RootState { plugin_name: plugin_name.to_owned(), ..RootState::default() };
            state.roots.insert(id, root);
        });
        let instance = Rc::clone(&self.instance);
        instance.call("proxy_on_context_create", id, &[id, 0]);
        let started = instance.call("proxy_on_vm_start", id, &[id, 0]).result;
        assert!(started.is_none_or(|started| started != 0), "proxy_on_vm_start returned false");
        Root { instance, id }
    }

    /// Returns the size of the module's memory in bytes. It never shrinks.
    pub fn memory(&self) -> usize {
        let mut store = self.instance.store.borrow_mut();
        let memory = store.data().memory.expect("checked when the VM started");
        memory.data_size(&mut *store)
    }
}

/// One plugin in one VM.
pub struct Root {
    instance: Rc<Instance>,
    id: u32,
}

impl Root {
    /// Passes a configuration to the module. Returns what the module returns: false if it refuses.
    pub fn configure(&self, document: impl AsRef<[u8]>) -> bool {
        self.configure_counted(document).0
    }

    /// Does the same as [`Root::configure`], and returns the cost too.
    pub fn configure_counted(&self, document: impl AsRef<[u8]>) -> (bool, Counts) {
        let document = document.as_ref();
        self.instance.with_state(|state| {
            let root = state.roots.get_mut(&self.id).expect("a root has its state");
            root.configuration = document.to_vec();
        });
        let size = u32::try_from(document.len()).expect("a document below 4 GiB");
        let call = self.instance.call("proxy_on_configure", self.id, &[self.id, size]);
        (call.result.is_none_or(|accepted| accepted != 0), call.counts)
    }

    /// Sends a request with these headers, without filter state and without a body.
    pub fn request(&self, headers: &[(&str, &str)]) -> Exchange {
        self.send(Head::new(headers))
    }

    /// Sends a request.
    pub fn send(&self, head: Head) -> Exchange {
        Exchange::begin(&self.instance, self.id, head)
    }

    /// Runs a stream whose request does not reach the module because an earlier filter answers it: Envoy creates the
    /// context when it writes the access log, and ends it at once.
    pub fn stream_without_request(&self) {
        drop(Exchange::create(&self.instance, self.id, Head::default()));
    }

    /// Ends the plugin in this VM in the orderly way: done, then delete. Its streams must have ended.
    pub fn done(self) {
        self.instance.call("proxy_on_done", self.id, &[self.id]);
        self.instance.call("proxy_on_delete", self.id, &[self.id]);
        self.instance.with_state(|state| state.roots.remove(&self.id));
    }

    /// Returns the VM in which this plugin runs.
    pub fn vm(&self) -> Vm {
        Vm { instance: Rc::clone(&self.instance) }
    }
}
