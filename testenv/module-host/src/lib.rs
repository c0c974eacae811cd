//! A small proxy-wasm host: runs `dist/plugin.wasm` as Envoy would, without Envoy.
//!
//! It keeps the state that Envoy keeps (header maps, filter state, shared data, metrics, logs) and changes it as
//! Envoy does, so that tests ask what became of a request and not which calls the module made. What the module
//! costs is counted on the way: host calls by name, wasm instructions, bytes across the border, memory.
//!
//! The names are Envoy's: a [`Process`] holds what all threads share; each [`Vm`] stands for one thread's
//! instance of the module with its environment; a [`Root`] is one plugin in it, and takes configurations and
//! requests; an [`Exchange`] is one request on its way through the filter.
//!
//! Where the module does what no filter may (a trap, an import that Envoy lacks, a header that would split the
//! message), the host panics and says which callback it was and what was logged last.

mod abi;
mod state;
mod wasi;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use wasmtime::{Config, Engine, Instance, Linker, Store, Val};

pub use abi::{HOST_CALLS, UNUSED_CALLS};
pub use state::{Counts, HeaderMap, Level, LocalResponse, Log, Pair};
pub use wasi::WASI_CALLS;

use state::{Phase, RootState, Shared, State, StreamState};

/// What one callback may take at most, in wasm instructions, before it counts as never ending.
const ENDLESS: u64 = 60_000_000_000;

/// A compiled module, with the bytes that it was made of.
pub struct Module {
    engine: Engine,
    module: wasmtime::Module,
    size: usize,
}

impl Module {
    /// The plugin as shipped, compiled once for all tests of a run.
    ///
    /// # Panics
    /// Where `dist/plugin.wasm` is missing or is not a wasm module.
    pub fn plugin() -> &'static Module {
        static PLUGIN: OnceLock<Module> = OnceLock::new();
        PLUGIN.get_or_init(|| {
            let path = plugin_path();
            match std::fs::read(&path) {
                Ok(bytes) => Module::new(&bytes),
                Err(error) => panic!("{}: {error}: run `cargo xtask build` first", path.display()),
            }
        })
    }

    /// # Panics
    /// Where `bytes` is not a wasm module.
    pub fn new(bytes: &[u8]) -> Module {
        let mut config = Config::new();
        config.consume_fuel(true);
        let engine = Engine::new(&config).expect("this machine can run wasm");
        let module =
            wasmtime::Module::new(&engine, bytes).unwrap_or_else(|error| panic!("not a wasm module: {error:?}"));
        Module { engine, module, size: bytes.len() }
    }

    /// In bytes, as shipped.
    pub fn size(&self) -> usize {
        self.size
    }

    /// `module.name` of every import, sorted.
    pub fn imports(&self) -> Vec<String> {
        let mut imports: Vec<String> =
            self.module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect();
        imports.sort();
        imports
    }

    /// The names of all exports, sorted.
    pub fn exports(&self) -> Vec<String> {
        let mut exports: Vec<String> = self.module.exports().map(|export| export.name().to_owned()).collect();
        exports.sort();
        exports
    }
}

fn plugin_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugin.wasm")
}

/// One Envoy: shared data, metrics, logs and the clock, which all its threads' VMs see.
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
    /// A process that runs the plugin as shipped.
    pub fn new() -> Self {
        Self::with_module(Module::plugin())
    }

    pub fn with_module(module: &'static Module) -> Self {
        Process { module, shared: Rc::default() }
    }

    /// A fresh instance of the module on one thread, with these environment variables.
    ///
    /// # Panics
    /// Where the module imports what this host lacks, exports another ABI, or traps as it starts.
    pub fn vm(&self, env: &[(&str, &str)]) -> Vm {
        Vm { inner: Rc::new(Inner::start(self.module, Rc::clone(&self.shared), env)) }
    }

    /// A counter's value; `None` where no VM defined it.
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.shared.borrow().counters.get(name).copied()
    }

    /// A gauge's value; `None` where no VM defined it.
    pub fn gauge(&self, name: &str) -> Option<u64> {
        self.shared.borrow().gauges.get(name).copied()
    }

    /// Counters and gauges by name.
    pub fn metrics(&self) -> BTreeMap<String, u64> {
        let shared = self.shared.borrow();
        let both = shared.counters.iter().chain(&shared.gauges);
        both.map(|(name, value)| (name.clone(), *value)).collect()
    }

    /// Everything that was logged since the last [`Process::clear_logs`].
    pub fn logs(&self) -> Vec<Log> {
        self.shared.borrow().logs.clone()
    }

    pub fn clear_logs(&self) {
        self.shared.borrow_mut().logs.clear();
    }

    /// What `proxy_get_log_level` answers. All that the module logs is kept, whatever the level.
    pub fn set_log_level(&self, level: Level) {
        self.shared.borrow_mut().log_level = level;
    }

    /// The shared data's keys, sorted.
    pub fn shared_keys(&self) -> Vec<String> {
        self.shared.borrow().data.keys().cloned().collect()
    }

    pub fn shared_data(&self, key: &str) -> Option<Vec<u8>> {
        let shared = self.shared.borrow();
        shared.data.get(key).map(|(value, _)| value.clone())
    }

    /// As another plugin of the same process would write it.
    pub fn set_shared_data(&self, key: &str, value: &[u8]) {
        self.shared.borrow_mut().write(key, value.to_vec());
    }

    /// From now on `call` does nothing and returns `status`.
    ///
    /// # Panics
    /// Where this host has no such call.
    pub fn fail(&self, call: &str, status: u32) {
        let name = HOST_CALLS.iter().find(|name| **name == call);
        let name = name.unwrap_or_else(|| panic!("no host call is named {call}"));
        self.shared.borrow_mut().faults.insert(name, status);
    }

    /// Ends what [`Process::fail`] began.
    pub fn heal(&self) {
        self.shared.borrow_mut().faults.clear();
    }

    /// Moves the clock that the module sees.
    pub fn advance(&self, by: Duration) {
        self.shared.borrow_mut().now += by;
    }
}

/// One thread's instance of the module. Dropped without a callback, as Envoy drops the one that it only tries a
/// configuration on; [`Root::done`] is the orderly end.
#[derive(Clone)]
pub struct Vm {
    inner: Rc<Inner>,
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
        let id = self.inner.next_context();
        let count = u32::try_from(head.headers.len()).expect("fewer than 4 G headers");
        let end = u32::from(head.end_of_stream);
        self.inner.with_state(|state| {
            let stream = StreamState {
                root: self.id,
                request: head.headers,
                filter_state: head.filter_state,
                ..StreamState::default()
            };
            state.streams.insert(id, stream);
        });
        let mut exchange = Exchange {
            inner: Rc::clone(&self.inner),
            id,
            verdict: Verdict::Continue,
            costs: Vec::new(),
            finished: Cell::new(false),
        };
        exchange.call("proxy_on_context_create", &[id, self.id]);
        let action = exchange.call("proxy_on_request_headers", &[id, count, end]);
        let local = self.inner.with_stream(id, |stream| {
            stream.phase = Phase::Upstream;
            stream.local_response.clone()
        });
        exchange.verdict = match (local, action) {
            (Some(local), _) => Verdict::Answered(local),
            (None, None | Some(0)) => Verdict::Continue,
            (None, Some(_)) => Verdict::Paused,
        };
        exchange
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

/// A request's head as it reaches the filter.
#[derive(Debug, Default, Clone)]
pub struct Head {
    headers: HeaderMap,
    filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    end_of_stream: bool,
    serialised: Option<Vec<u8>>,
}

impl Head {
    /// Headers in this order, `:method`, `:path` and `:authority` among them.
    pub fn new(headers: &[(&str, &str)]) -> Self {
        let pairs = headers.iter();
        Self::from_bytes(pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    /// Headers of any bytes.
    pub fn from_bytes<N: Into<Vec<u8>>, V: Into<Vec<u8>>>(headers: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = headers.into_iter();
        Head {
            headers: pairs.map(|(name, value)| (name.into(), value.into())).collect(),
            filter_state: BTreeMap::new(),
            end_of_stream: true,
            serialised: None,
        }
    }

    /// These octets in place of a map in its wire form, as a host that is broken would hand them over.
    #[must_use]
    pub fn serialised_as(mut self, octets: Vec<u8>) -> Self {
        self.serialised = Some(octets);
        self
    }

    /// The wire form of proxy-wasm.
    pub fn serialised(&self) -> Vec<u8> {
        self.headers.serialise()
    }

    /// Filter state that an earlier filter of the chain has left, by its whole name (`wasm.x`).
    #[must_use]
    pub fn filter_state(mut self, name: &str, value: &str) -> Self {
        self.filter_state.insert(name.as_bytes().to_vec(), value.as_bytes().to_vec());
        self
    }

    /// A body will follow.
    #[must_use]
    pub fn with_body(mut self) -> Self {
        self.end_of_stream = false;
        self
    }
}

/// What became of a request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the next filter.
    Continue,
    /// It waits.
    Paused,
    /// The module answered it.
    Answered(LocalResponse),
}

/// One request on its way. Dropped, it ends as a stream does: done, log, delete.
pub struct Exchange {
    inner: Rc<Inner>,
    id: u32,
    /// What the module decided on the request's head.
    pub verdict: Verdict,
    costs: Vec<(&'static str, Counts)>,
    finished: Cell<bool>,
}

impl Exchange {
    /// The request's headers as they are now.
    pub fn headers(&self) -> HeaderMap {
        self.inner.with_stream(self.id, |stream| stream.request.clone())
    }

    /// One request header as text, for assertions.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().text(name)
    }

    /// The module's own answer, where it gave one.
    pub fn answer(&self) -> Option<&LocalResponse> {
        match &self.verdict {
            Verdict::Answered(response) => Some(response),
            Verdict::Continue | Verdict::Paused => None,
        }
    }

    /// Filter state by its whole name (`wasm.x`), as text.
    pub fn filter_state(&self, name: &str) -> Option<String> {
        self.inner.with_stream(self.id, |stream| {
            let value = stream.filter_state.get(name.as_bytes());
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        })
    }

    /// How often Envoy would have forgotten the route that it had chosen.
    pub fn route_cache_clears(&self) -> u32 {
        self.inner.with_stream(self.id, |stream| stream.route_cache_clears)
    }

    /// A piece of the request's body passes; whether the module let it.
    pub fn request_body(&mut self, size: u32, end_of_stream: bool) -> bool {
        let arguments = [self.id, size, u32::from(end_of_stream)];
        let action = self.call("proxy_on_request_body", &arguments);
        action.is_none_or(|action| action == 0)
    }

    /// The response's head passes, the module's own answer included; the headers after it.
    pub fn response(&mut self, headers: &[(&str, &str)], end_of_stream: bool) -> HeaderMap {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect();
        let count = u32::try_from(headers.len()).expect("fewer than 4 G headers");
        self.inner.with_stream(self.id, |stream| {
            stream.phase = Phase::Response;
            stream.response = headers;
        });
        let arguments = [self.id, count, u32::from(end_of_stream)];
        self.call("proxy_on_response_headers", &arguments);
        self.inner.with_stream(self.id, |stream| stream.response.clone())
    }

    /// A piece of the response's body passes; whether the module let it.
    pub fn response_body(&mut self, size: u32, end_of_stream: bool) -> bool {
        let arguments = [self.id, size, u32::from(end_of_stream)];
        let action = self.call("proxy_on_response_body", &arguments);
        action.is_none_or(|action| action == 0)
    }

    /// Ends the stream; what each callback of it cost, in their order.
    pub fn finish(mut self) -> Vec<(&'static str, Counts)> {
        self.end();
        std::mem::take(&mut self.costs)
    }

    fn end(&mut self) {
        self.finished.set(true);
        self.inner.with_stream(self.id, |stream| stream.phase = Phase::Log);
        self.call("proxy_on_done", &[self.id]);
        self.call("proxy_on_log", &[self.id]);
        self.call("proxy_on_delete", &[self.id]);
        self.inner.with_state(|state| state.streams.remove(&self.id));
    }

    fn call(&mut self, callback: &'static str, arguments: &[u32]) -> Option<u32> {
        let call = self.inner.call(callback, self.id, arguments);
        if call.ran {
            self.costs.push((callback, call.counts));
        }
        call.result
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.finished.get() && !std::thread::panicking() {
            self.end();
        }
    }
}

/// What one callback returned and cost. A callback that the module does not export is not run.
struct Called {
    ran: bool,
    result: Option<u32>,
    counts: Counts,
}

/// The instance behind a [`Vm`].
struct Inner {
    store: RefCell<Store<State>>,
    instance: Instance,
    next_context: Cell<u32>,
    callbacks: RefCell<BTreeMap<&'static str, Option<wasmtime::Func>>>,
}

impl Inner {
    fn start(module: &Module, shared: Rc<RefCell<Shared>>, env: &[(&str, &str)]) -> Self {
        let mut linker = Linker::new(&module.engine);
        abi::link(&mut linker).expect("no host call is defined twice");
        wasi::link(&mut linker).expect("no WASI call is defined twice");
        for import in module.module.imports() {
            let (space, name) = (import.module(), import.name());
            let known = match space {
                "env" => HOST_CALLS.contains(&name),
                wasi::MODULE => WASI_CALLS.contains(&name),
                _ => false,
            };
            let unused = UNUSED_CALLS.iter().find(|unused| **unused == name);
            if let Some((unused, ty)) = unused.zip(import.ty().func()) {
                abi::link_unused(&mut linker, unused, ty.clone()).expect("no host call is defined twice");
            } else {
                assert!(known, "the module imports `{space}.{name}`, which Envoy or this host does not have");
            }
        }

        let env = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut store = Store::new(&module.engine, State::new(shared, env));
        store.set_fuel(ENDLESS).expect("the engine counts fuel");
        let instance = linker
            .instantiate(&mut store, &module.module)
            .unwrap_or_else(|error| panic!("the module does not start: {error:?}"));
        let memory = instance.get_memory(&mut store, "memory");
        store.data_mut().memory = Some(memory.expect("the module exports its memory"));
        let allocate = instance
            .get_typed_func::<u32, u32>(&mut store, "proxy_on_memory_allocate")
            .or_else(|_| instance.get_typed_func::<u32, u32>(&mut store, "malloc"));
        store.data_mut().allocate = Some(allocate.expect("the module exports proxy_on_memory_allocate"));
        assert!(
            instance.get_func(&mut store, "proxy_abi_version_0_2_1").is_some(),
            "the module does not say that it follows the ABI 0.2.1"
        );

        let inner =
            Inner { store: RefCell::new(store), instance, next_context: Cell::new(1), callbacks: RefCell::default() };
        let initialised = inner.call("_initialize", 0, &[]).ran || inner.call("_start", 0, &[]).ran;
        assert!(initialised, "the module exports neither _initialize nor _start");
        inner
    }

    fn next_context(&self) -> u32 {
        let id = self.next_context.get();
        self.next_context.set(id + 1);
        id
    }

    fn with_state<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(self.store.borrow_mut().data_mut())
    }

    fn with_stream<T>(&self, id: u32, f: impl FnOnce(&mut StreamState) -> T) -> T {
        self.with_state(|state| f(state.streams.get_mut(&id).expect("the stream is open")))
    }

    fn callback(&self, name: &'static str) -> Option<wasmtime::Func> {
        let mut callbacks = self.callbacks.borrow_mut();
        *callbacks.entry(name).or_insert_with(|| self.instance.get_func(&mut *self.store.borrow_mut(), name))
    }

    fn call(&self, name: &'static str, context: u32, arguments: &[u32]) -> Called {
        let Some(function) = self.callback(name) else {
            return Called { ran: false, result: None, counts: Counts::default() };
        };
        let mut store = self.store.borrow_mut();
        let store = &mut *store;
        assert!(!store.data().dead, "{name}: called on a VM that has trapped before");
        store.data_mut().context = context;
        store.data_mut().counts = Counts::default();
        store.set_fuel(ENDLESS).expect("the engine counts fuel");

        let result = enter(store, function, arguments);

        let left = store.get_fuel().expect("the engine counts fuel");
        let state = store.data_mut();
        let mut counts = std::mem::take(&mut state.counts);
        counts.instructions = ENDLESS - left;
        let violations = std::mem::take(&mut state.violations);
        if let Err(trap) = &result {
            state.dead = true;
            let reason = if left == 0 {
                format!("it did not end within {ENDLESS} instructions")
            } else {
                trap.root_cause().to_string()
            };
            let before: String = violations.iter().map(|what| format!("; before that: {what}")).collect();
            panic!("the module trapped in {name}: {reason}{before}\n{}", state.last_words());
        }
        assert!(
            violations.is_empty(),
            "in {name} the module did what no filter may: {}\n{}",
            violations.join("; "),
            state.last_words()
        );
        Called { ran: true, result: result.unwrap_or_default(), counts }
    }
}

/// Calls a callback of whatever shape its ABI gives it: mostly up to three numbers in, none or one out.
fn enter(store: &mut Store<State>, function: wasmtime::Func, arguments: &[u32]) -> wasmtime::Result<Option<u32>> {
    let returns = function.ty(&*store).results().len() > 0;
    match (arguments, returns) {
        ([], _) => {
            let function = function.typed::<(), ()>(&*store)?;
            function.call(store, ()).map(|()| None)
        }
        (&[a], false) => {
            let function = function.typed::<u32, ()>(&*store)?;
            function.call(store, a).map(|()| None)
        }
        (&[a], true) => {
            let function = function.typed::<u32, u32>(&*store)?;
            function.call(store, a).map(Some)
        }
        (&[a, b], false) => {
            let function = function.typed::<(u32, u32), ()>(&*store)?;
            function.call(store, (a, b)).map(|()| None)
        }
        (&[a, b], true) => {
            let function = function.typed::<(u32, u32), u32>(&*store)?;
            function.call(store, (a, b)).map(Some)
        }
        (&[a, b, c], true) => {
            let function = function.typed::<(u32, u32, u32), u32>(&*store)?;
            function.call(store, (a, b, c)).map(Some)
        }
        _ => enter_untyped(store, function, arguments),
    }
}

/// The same for rare shapes.
fn enter_untyped(
    store: &mut Store<State>,
    function: wasmtime::Func,
    arguments: &[u32],
) -> wasmtime::Result<Option<u32>> {
    let arguments: Vec<Val> = arguments.iter().map(|number| Val::I32(number.cast_signed())).collect();
    let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
    function.call(store, &arguments, &mut results)?;
    Ok(results.first().and_then(Val::i32).map(i32::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module that imports one function without arguments and does nothing.
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

    #[test]
    #[should_panic(expected = "exports its memory")]
    fn unused_call_may_be_imported() {
        Process::with_module(module_with_import("env", "proxy_http_call")).vm(&[]);
    }
}
