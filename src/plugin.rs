//! The plugin in one VM. It receives the configuration documents, logs and counts the result of each, and gives the
//! current table to every new request.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use ksvc_routing::{
    Counter, DocumentId, Hash, Judgement, Rollout, RouteTable, ServedFrom, Severity, SharedData, limits, roll_out,
};
use log::Level;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, Bytes, ContextType};

use crate::filter::{Active, Filter};
use crate::metrics::Metrics;

/// How often a document is judged at most, if another thread stores a judgement each time.
const ATTEMPTS: u32 = 4;

/// The environment variable that identifies a document: istiod sets it to another value at every edit. pilot-agent
/// removes it if it fetches the module itself (`oci://`, `http://`).
const RESOURCE_VERSION: &str = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION";

thread_local! {
    /// The number of the judgement that each plugin in this VM followed last, by the plugin's name. It is not a field
    /// of [`Plugin`], because an edit makes a new root context, but not always a new VM.
    static FOLLOWED: RefCell<BTreeMap<Bytes, u64>> = const { RefCell::new(BTreeMap::new()) };
}

/// The root context.
#[derive(Default)]
pub struct Plugin {
    /// `None` before the first document.
    active: Option<Rc<Active>>,
    /// The metrics of each table name so far, so that none is defined twice.
    metrics: Vec<Rc<Metrics>>,
}

impl Context for Plugin {}

impl RootContext for Plugin {
    /// Receives a document of `size` bytes. It never returns false, because Envoy would then also refuse every later
    /// change of the listener.
    fn on_configure(&mut self, size: usize) -> bool {
        let plugin = hostcalls::get_property(vec!["plugin_name"]).ok().flatten().unwrap_or_default();
        let version = std::env::var(RESOURCE_VERSION).ok();
        let seen = FOLLOWED.with_borrow(|followed| followed.get(&plugin).copied());
        let hash = hash_of_document(size);
        let id = DocumentId { hash, version: version.as_deref(), seen, size };
        let store = Store::new(&String::from_utf8_lossy(&plugin));
        let Rollout { table, served, number, judgement } = roll_out_and_store(&id, &store);
        FOLLOWED.with_borrow_mut(|followed| followed.insert(plugin, number));

        let metrics = self.metrics(table.name());
        if let Some(judgement) = judgement {
            log_problems(&judgement);
            log_result(&judgement, hash, served, &table);
            self.count(&judgement, served);
            metrics.set_served(&table);
        }
        self.active = Some(Rc::new(Active { table, metrics }));
        true
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter::new(self.active.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Plugin {
    fn metrics(&mut self, name: &str) -> Rc<Metrics> {
        if let Some(known) = self.metrics.iter().find(|metrics| metrics.name() == name) {
            return known.clone();
        }
        let defined = Rc::new(Metrics::define(name));
        self.metrics.push(defined.clone());
        defined
    }

    fn count(&mut self, judgement: &Judgement, served: ServedFrom) {
        let metrics = self.metrics(&judgement.name);
        metrics.add(if served == ServedFrom::New { Counter::ConfigAccepted } else { Counter::ConfigRejected });
        metrics.set_config_degraded(served != ServedFrom::New);
        for name in &judgement.cleared {
            let metrics = self.metrics(name);
            metrics.set_served(&RouteTable::default());
            metrics.set_config_degraded(false);
        }
    }
}

/// Logs the errors and then the warnings, at most `limits::LOGGED` of both, and how many more there are.
fn log_problems(judgement: &Judgement) {
    let Judgement { name, problems, more_problems, .. } = judgement;
    let levels = [(Severity::Error, Level::Error), (Severity::Warning, Level::Warn)];
    let sorted = levels.into_iter().flat_map(|(severity, level)| {
        problems.iter().filter(move |problem| problem.severity() == severity).map(move |problem| (level, problem))
    });
    for (level, problem) in sorted.take(limits::LOGGED) {
        log::log!(level, "ksvc-router {name}: {problem}");
    }
    let more = more_problems + problems.len().saturating_sub(limits::LOGGED);
    if more > 0 {
        log::warn!("ksvc-router {name}: and {more} more errors and warnings");
    }
}

/// Logs whether the document was accepted and what the plugin serves now.
fn log_result(judgement: &Judgement, hash: u64, served: ServedFrom, table: &RouteTable) {
    let level = if served == ServedFrom::New { Level::Info } else { Level::Error };
    let result = served.message();
    let Judgement { name, size, .. } = judgement;
    let (routes, hosts, version) = (table.route_count(), table.host_count(), env!("CARGO_PKG_VERSION"));
    log::log!(
        level,
        "ksvc-router {name}: {result}: {routes} routes, {hosts} hosts, {size} bytes, hash {hash:016x}, plugin {version}"
    );
}

/// Decides what to serve and stores the judgement of a new document. Envoy can pass a document to all threads at once.
/// The thread that stores its judgement first reports it. The others then find it in the record and follow it.
fn roll_out_and_store(id: &DocumentId<'_>, store: &Store) -> Rollout {
    let mut attempts = 1;
    loop {
        let rollout = roll_out(id, store);
        let kept = rollout.judgement.as_ref().is_none_or(|judgement| store.keep(judgement));
        if kept || attempts == ATTEMPTS {
            return rollout;
        }
        attempts += 1;
    }
}

/// Hashes the document. It is read in pieces, because a VM never gives back memory that it has allocated.
fn hash_of_document(size: usize) -> u64 {
    const PIECE: usize = 64 * 1024;
    let mut hash = Hash::default();
    for start in (0..size).step_by(PIECE) {
        hash.update(&document(start, PIECE));
    }
    hash.digest()
}

/// Returns at most `max` bytes of the document from `start` on, and nothing if there is no document.
fn document(start: usize, max: usize) -> Bytes {
    hostcalls::get_buffer(BufferType::PluginConfiguration, start, max).ok().flatten().unwrap_or_default()
}

/// The values that a plugin keeps in Envoy's shared data, where they survive its VMs. All plugins of a proxy share one
/// namespace, so the keys contain the plugin's name.
struct Store {
    good: String,
    record: String,
    image: String,
    /// The number of the record's version that was read last; `None` if there was no record.
    record_version: Cell<Option<u32>>,
}

impl Store {
    fn new(plugin: &str) -> Self {
        let key = |name| format!("ksvc_router/{plugin}/{name}");
        Store { good: key("good"), record: key("record"), image: key("image"), record_version: Cell::new(None) }
    }

    /// Stores a judgement, unless another thread has stored one since the record was read. Returns whether it did.
    fn keep(&self, judgement: &Judgement) -> bool {
        let version = self.record_version.get();
        if hostcalls::set_shared_data(&self.record, Some(&judgement.record), version).is_err() {
            return false;
        }
        // Envoy refuses a value only if the version that is given with it is out of date.
        if let Some(good) = &judgement.good {
            let _ = hostcalls::set_shared_data(&self.good, Some(good), None);
        }
        let _ = hostcalls::set_shared_data(&self.image, Some(&judgement.image), None);
        true
    }
}

impl SharedData for Store {
    fn document(&self) -> Vec<u8> {
        document(0, usize::MAX)
    }

    fn record(&self) -> Option<Vec<u8>> {
        let (record, version) = shared_data(&self.record);
        self.record_version.set(version);
        record
    }

    fn good(&self) -> Option<Vec<u8>> {
        shared_data(&self.good).0
    }

    fn image(&self) -> Option<Vec<u8>> {
        shared_data(&self.image).0
    }
}

/// Returns a value and the number of its version.
fn shared_data(key: &str) -> (Option<Bytes>, Option<u32>) {
    hostcalls::get_shared_data(key).unwrap_or_default()
}
