//! One Envoy process: what all of its threads share.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::abi::HOST_CALLS;
use crate::instance::Instance;
use crate::module::Module;
use crate::state::{Log, Shared};
use crate::vm::Vm;

/// One Envoy process: the shared data, metrics and logs of the VMs of all threads.
pub struct Process {
    module: &'static Module,
    shared: Rc<RefCell<Shared>>,
}

impl Default for Process {
    fn default() -> Self {
        Self::new()
    }
}

impl Process {
    /// A process that runs the plugin that is released.
    pub fn new() -> Self {
        Self::with_module(Module::plugin())
    }

    pub fn with_module(module: &'static Module) -> Self {
        Process { module, shared: Rc::default() }
    }

    /// Starts a new instance of the module, on a thread of its own, with these environment variables.
    ///
    /// # Panics
    /// If the module imports what this host lacks, exports another ABI, or traps when it starts.
    pub fn vm(&self, env: &[(&str, &str)]) -> Vm {
        Vm { instance: Rc::new(Instance::start(self.module, Rc::clone(&self.shared), env)) }
    }

    /// Returns the value of a counter; `None` if no VM has defined it.
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.shared.borrow().counters.get(name).copied()
    }

    /// Returns the value of a gauge; `None` if no VM has defined it.
    pub fn gauge(&self, name: &str) -> Option<u64> {
        self.shared.borrow().gauges.get(name).copied()
    }

    /// Returns all counters and gauges by name.
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        let shared = self.shared.borrow();
        let both = shared.counters.iter().chain(&shared.gauges);
        both.map(|(name, value)| (name.clone(), *value)).collect()
    }

    /// Returns everything that was logged since the last [`Process::clear_logs`].
    pub fn logs(&self) -> Vec<Log> {
        self.shared.borrow().logs.clone()
    }

    pub fn clear_logs(&self) {
        self.shared.borrow_mut().logs.clear();
    }

    /// Returns the keys of the shared data, sorted.
    pub fn shared_keys(&self) -> Vec<String> {
        self.shared.borrow().data.keys().cloned().collect()
    }

    pub fn shared_data(&self, key: &str) -> Option<Vec<u8>> {
        let shared = self.shared.borrow();
        shared.data.get(key).map(|(value, _)| value.clone())
    }

    /// Writes shared data, as another plugin of the process could.
    pub fn set_shared_data(&self, key: &str, value: &[u8]) {
        self.shared.borrow_mut().write(key, value.to_vec());
    }

    /// Makes every `call` from now on do nothing and return `status`.
    ///
    /// # Panics
    /// If this host has no such call.
    pub fn fail(&self, call: &str, status: u32) {
        let name = HOST_CALLS.iter().find(|name| **name == call);
        let name = name.unwrap_or_else(|| panic!("no host call is named {call}"));
        self.shared.borrow_mut().failing.insert(name, status);
    }

    /// Ends the effect of [`Process::fail`].
    pub fn recover(&self) {
        self.shared.borrow_mut().failing.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasi;

    /// Returns a module that imports one function without arguments and does nothing.
    fn module_with_import(space: &str, name: &str) -> &'static Module {
        let text = |text: &str| [&[u8::try_from(text.len()).expect("a short name")], text.as_bytes()].concat();
        let section =
            |id: u8, content: &[u8]| [&[id, u8::try_from(content.len()).expect("a short section")], content].concat();
        let types = section(1, &[1, 0x60, 0, 0]);
        let imports = section(2, &[&[1][..], &text(space), &text(name), &[0, 0]].concat());
        let bytes = [b"\0asm\x01\0\0\0".as_slice(), &types, &imports].concat();
        Box::leak(Box::new(Module::new(&bytes)))
    }

    #[test]
    #[should_panic(expected = "the module imports `env.proxy_open_door`")]
    fn module_with_an_unknown_import_does_not_start() {
        Process::with_module(module_with_import("env", "proxy_open_door")).vm(&[]);
    }

    #[test]
    #[should_panic(expected = "the module imports `wasi_snapshot_preview1.path_open`")]
    fn module_that_wants_files_does_not_start() {
        Process::with_module(module_with_import(wasi::MODULE, "path_open")).vm(&[]);
    }
}
