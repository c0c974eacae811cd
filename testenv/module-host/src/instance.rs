//! The instance of the module behind a VM: starts it, and calls its callbacks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use wasmtime::{Func, Linker, Store, Val};

use crate::abi::{self, HOST_CALLS};
use crate::module::Module;
use crate::state::{Counts, Shared, State, StreamState};
use crate::wasi::{self, WASI_CALLS};

/// The number of wasm instructions after which a callback counts as endless.
const ENDLESS: u64 = 60_000_000_000;

/// The result and the cost of a callback. A callback that the module does not export does not run.
pub(crate) struct Called {
    pub(crate) ran: bool,
    pub(crate) result: Option<u32>,
    pub(crate) counts: Counts,
}

/// The instance of the module in one VM.
pub(crate) struct Instance {
    pub(crate) store: RefCell<Store<State>>,
    exports: wasmtime::Instance,
    next_context: Cell<u32>,
    callbacks: RefCell<BTreeMap<&'static str, Option<Func>>>,
}

impl Instance {
    pub(crate) fn start(module: &Module, shared: Rc<RefCell<Shared>>, env: &[(&str, &str)]) -> Self {
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
            assert!(known, "the module imports `{space}.{name}`, which this host does not have");
        }

        let env = env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut store = Store::new(&module.engine, State::new(shared, env));
        store.set_fuel(ENDLESS).expect("the engine counts fuel");
        let exports = linker
            .instantiate(&mut store, &module.module)
            .unwrap_or_else(|error| panic!("the module does not start: {error:?}"));
        let memory = exports.get_memory(&mut store, "memory");
        store.data_mut().memory = Some(memory.expect("the module exports its memory"));
        let allocate = exports
            .get_typed_func::<u32, u32>(&mut store, "proxy_on_memory_allocate")
            .or_else(|_| exports.get_typed_func::<u32, u32>(&mut store, "malloc"));
        store.data_mut().allocate = Some(allocate.expect("the module exports proxy_on_memory_allocate"));
        assert!(
            exports.get_func(&mut store, "proxy_abi_version_0_2_1").is_some(),
            "the module does not export the version of its ABI, 0.2.1"
        );

        let instance =
            Instance { store: RefCell::new(store), exports, next_context: Cell::new(1), callbacks: RefCell::default() };
        let initialized = instance.call("_initialize", 0, &[]).ran || instance.call("_start", 0, &[]).ran;
        assert!(initialized, "the module exports neither _initialize nor _start");
        instance
    }

    pub(crate) fn next_context(&self) -> u32 {
        let id = self.next_context.get();
        self.next_context.set(id + 1);
        id
    }

    pub(crate) fn with_state<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(self.store.borrow_mut().data_mut())
    }

    pub(crate) fn with_stream<T>(&self, id: u32, f: impl FnOnce(&mut StreamState) -> T) -> T {
        self.with_state(|state| f(state.streams.get_mut(&id).expect("the stream is open")))
    }

    fn callback(&self, name: &'static str) -> Option<Func> {
        let mut callbacks = self.callbacks.borrow_mut();
        *callbacks.entry(name).or_insert_with(|| self.exports.get_func(&mut *self.store.borrow_mut(), name))
    }

    pub(crate) fn call(&self, name: &'static str, context: u32, arguments: &[u32]) -> Called {
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
            panic!("the module trapped in {name}: {reason}{before}\n{}", state.last_log_lines());
        }
        assert!(
            violations.is_empty(),
            "in {name} the module did what no filter may do: {}\n{}",
            violations.join("; "),
            state.last_log_lines()
        );
        Called { ran: true, result: result.unwrap_or_default(), counts }
    }
}

/// Calls a callback of any type. Most take up to three numbers and return none or one.
fn enter(store: &mut Store<State>, function: Func, arguments: &[u32]) -> wasmtime::Result<Option<u32>> {
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

/// Calls a callback of a rare type.
fn enter_untyped(store: &mut Store<State>, function: Func, arguments: &[u32]) -> wasmtime::Result<Option<u32>> {
    let arguments: Vec<Val> = arguments.iter().map(|number| Val::I32(number.cast_signed())).collect();
    let mut results = vec![Val::I32(0); function.ty(&*store).results().len()];
    function.call(store, &arguments, &mut results)?;
    Ok(results.first().and_then(Val::i32).map(i32::cast_unsigned))
}
