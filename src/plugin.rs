//! One plugin in one VM: configuration in, table swapped; what becomes of a document is logged and counted.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use ksvc_routing::{DocumentId, Hash, Judgement, Rollout, ServedFrom, Severity, SharedData, limits, roll_out};

use crate::filter::Active;
use crate::host::{self, Level};
use crate::metrics::{Counter, Metrics};

/// How often a run looks for what other threads have judged, should they go on judging meanwhile.
const LOOKS: u32 = 4;

/// istiod sets it to another value at every edit, so it tells documents apart. pilot-agent takes it away where it
/// fetches the module (`oci://`, `http://`).
const VERSION: &str = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION";

thread_local! {
    /// The judgement that each plugin of this VM followed last. An edit makes a new root context, but not always a new VM.
    static SEEN: Cell<BTreeMap<Vec<u8>, u64>> = const { Cell::new(BTreeMap::new()) };
}

#[derive(Default)]
pub struct Plugin {
    active: Option<Rc<Active>>,
    /// Of every table name that this VM has met.
    metrics: Vec<Rc<Metrics>>,
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

    /// Takes in a document. Envoy tries one that it has had before on no thread first, but hands it to all at once:
    /// the one that has its judgement recorded reports it, and the others look again and follow.
    fn roll_out(id: &DocumentId<'_>, shared: &Shared) -> Rollout {
        let mut looks = 1;
        loop {
            let rollout = roll_out(id, shared);
            let stands = match &rollout.judgement {
                Some(judgement) => shared.keep(judgement),
                None => true,
            };
            if stands || looks == LOOKS {
                return rollout;
            }
            looks += 1;
        }
    }

    /// Tells operators what became of a document: once in a process.
    fn report(&mut self, judgement: &Judgement, hash: u64, served: ServedFrom, active: &Active) {
        let Judgement { problems, more_problems, name, cleared, size, .. } = judgement;
        let mut more = more_problems + problems.len();
        // Errors come first where not all are logged.
        for (severity, level) in [(Severity::Error, Level::Error), (Severity::Warning, Level::Warn)] {
            let left = more_problems + problems.len() - more;
            let these = problems.iter().filter(|problem| problem.severity() == severity);
            for problem in these.take(limits::LOGGED - left) {
                host::log(level, &format!("ksvc-router {name}: {problem}"));
                more -= 1;
            }
        }
        if more > 0 {
            host::log(Level::Warn, &format!("ksvc-router {name}: and {more} more errors and warnings"));
        }
        let (routes, hosts) = (active.table.route_count(), active.table.host_count());
        let (level, outcome) = match served {
            ServedFrom::New => (Level::Info, "configuration accepted"),
            ServedFrom::LastGood => (Level::Error, "configuration has errors; the last good one goes on serving"),
            ServedFrom::InPart => (
                Level::Error,
                "configuration has errors and there is no good one before it; serving what can be served",
            ),
        };
        let version = env!("CARGO_PKG_VERSION");
        host::log(
            level,
            &format!(
                "ksvc-router {name}: {outcome}: {routes} routes, {hosts} hosts, {size} bytes, hash {hash:016x}, plugin {version}"
            ),
        );

        let metrics = self.metrics(name);
        metrics.add(if served == ServedFrom::New { Counter::ConfigAccepted } else { Counter::ConfigRejected });
        metrics.set_config_degraded(served != ServedFrom::New);
        active.metrics.set_routes(routes);
        for name in cleared {
            let metrics = self.metrics(name);
            metrics.set_routes(0);
            metrics.set_config_degraded(false);
        }
    }

    /// Takes in a document of that many octets.
    pub fn configure(&mut self, size: usize) {
        let plugin = host::property("plugin_name").unwrap_or_default();
        let shared = Shared::of(&String::from_utf8_lossy(&plugin));
        let version = std::env::var(VERSION).ok();
        let mut seen = SEEN.take();
        let hash = hash_of_document(size);
        let id = DocumentId { hash, version: version.as_deref(), seen: seen.get(&plugin).copied(), size };
        let Rollout { table, served, number, judgement } = Self::roll_out(&id, &shared);
        seen.insert(plugin, number);
        SEEN.set(seen);

        let metrics = self.metrics(table.name());
        let active = Rc::new(Active { table, metrics });
        if let Some(judgement) = judgement {
            self.report(&judgement, hash, served, &active);
        }
        self.active = Some(active);
    }

    /// `None` before the first document.
    pub fn active(&self) -> Option<&Rc<Active>> {
        self.active.as_ref()
    }
}

/// The document's hash, read piece by piece: what a VM has once allocated it never gives back.
fn hash_of_document(size: usize) -> u64 {
    const PIECE: usize = 64 * 1024;
    let mut hash = Hash::default();
    for start in (0..size).step_by(PIECE) {
        hash.update(&host::configuration(start, PIECE));
    }
    hash.digest()
}

/// What a plugin keeps in shared data, for it must outlive its VMs. All plugins of a proxy share one name space.
struct Shared {
    good: String,
    record: String,
    image: String,
    /// Of the record, when it was read last.
    writing: Cell<u32>,
}

impl Shared {
    fn of(plugin: &str) -> Self {
        let key = |what| format!("ksvc_router/{plugin}/{what}");
        Shared { good: key("good"), record: key("record"), image: key("image"), writing: Cell::new(0) }
    }

    /// Keeps what was judged, unless another thread has recorded a judgement since the record was read.
    fn keep(&self, judgement: &Judgement) -> bool {
        if !host::set_shared_data(&self.record, &judgement.record, self.writing.get()) {
            return false;
        }
        if let Some(good) = &judgement.good {
            host::set_shared_data(&self.good, good, 0);
        }
        host::set_shared_data(&self.image, &judgement.image, 0);
        true
    }
}

impl SharedData for Shared {
    fn document(&self) -> Vec<u8> {
        host::configuration(0, usize::MAX)
    }

    fn record(&self) -> Option<Vec<u8>> {
        let (record, writing) = host::shared_data(&self.record).unzip();
        self.writing.set(writing.unwrap_or_default());
        record
    }

    fn good(&self) -> Option<Vec<u8>> {
        host::shared_data(&self.good).map(|(document, _)| document)
    }

    fn image(&self) -> Option<Vec<u8>> {
        host::shared_data(&self.image).map(|(image, _)| image)
    }
}
