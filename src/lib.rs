#![cfg(target_family = "wasm")]
//! ksvc-router as a proxy-wasm plugin: configuration in, table swapped. One request is `filter`'s, every
//! host call is `host`'s, and what is to be done is decided in `ksvc_routing`.

mod filter;
mod host;
mod metrics;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use ksvc_routing::{Adoption, Judgement, Memory, Served, Severity, adopt};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use filter::{Active, Filter};
use host::Level;
use metrics::{Counter, Metrics};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::<Root>::default());
}}

/// How often a run looks for what other threads have judged, should they go on judging meanwhile.
const LOOKS: u32 = 4;

/// istiod sets it to another value at every edit, so it tells documents apart. pilot-agent takes it away where it
/// fetches the module (`oci://`, `http://`).
const VERSION: &str = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION";

thread_local! {
    /// The judgement that each plugin of this VM followed last. An edit makes a new root context, but not always a new VM.
    static SEEN: Cell<BTreeMap<Vec<u8>, u64>> = const { Cell::new(BTreeMap::new()) };
}

/// One plugin in one VM.
#[derive(Default)]
struct Root {
    active: Option<Rc<Active>>,
    /// Of every table name that this VM has met.
    metrics: Vec<Rc<Metrics>>,
}

impl Root {
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
    fn adopt(document: &[u8], version: Option<&str>, seen: Option<u64>, shared: &SharedKeys) -> Adoption {
        let mut looks = 1;
        loop {
            let good = host::shared_data(&shared.good);
            let (record, cas) = host::shared_data(&shared.record).unzip();
            let good = good.as_ref().map(|(document, _)| document.as_slice());
            let adoption = adopt(document, version, &Memory { good, record: record.as_deref(), seen });
            let stands = match &adoption.judgement {
                Some(judgement) => host::set_shared_data(&shared.record, &judgement.record, cas.unwrap_or_default()),
                None => true,
            };
            if stands || looks == LOOKS {
                return adoption;
            }
            looks += 1;
        }
    }

    /// Tells operators what became of a document: once in a process.
    fn report(&mut self, judgement: &Judgement, served: Served, active: &Active, size: usize) {
        let Judgement { problems, name, cleared, hash, .. } = judgement;
        for problem in problems {
            let level = match problem.severity() {
                Severity::Error => Level::Error,
                Severity::Warning => Level::Warn,
            };
            host::log(level, &format!("ksvc-router {name}: {problem}"));
        }
        let (routes, hosts) = (active.table.route_count(), active.table.host_count());
        let (level, outcome) = match served {
            Served::New => (Level::Info, "configuration accepted"),
            Served::LastGood => (Level::Error, "configuration has errors; the last good one goes on serving"),
            Served::InPart => (
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
        metrics.add(if served == Served::New { Counter::ConfigAccepted } else { Counter::ConfigRejected });
        metrics.flush();
        metrics.set_config_degraded(served != Served::New);
        active.metrics.set_routes(routes);
        for name in cleared {
            let metrics = self.metrics(name);
            metrics.set_routes(0);
            metrics.set_config_degraded(false);
        }
    }
}

impl Context for Root {
    /// The VM ends: nothing that was counted is lost.
    fn on_done(&mut self) -> bool {
        self.on_tick();
        true
    }
}

impl RootContext for Root {
    /// Never refuses: a refused document makes Envoy refuse every later change of the listener too.
    fn on_configure(&mut self, _size: usize) -> bool {
        let document = host::configuration();
        let plugin = host::property("plugin_name").unwrap_or_default();
        let shared = SharedKeys::of(&String::from_utf8_lossy(&plugin));
        let version = std::env::var(VERSION).ok();
        let mut seen = SEEN.take();
        let number = seen.get(&plugin).copied();
        let Adoption { table, served, number, judgement } = Self::adopt(&document, version.as_deref(), number, &shared);
        seen.insert(plugin, number);
        SEEN.set(seen);

        let metrics = self.metrics(table.name());
        let active = Rc::new(Active { table, metrics });
        if let Some(judgement) = judgement {
            if judgement.keep {
                host::set_shared_data(&shared.good, &document, 0);
            }
            self.report(&judgement, served, &active, document.len());
        }
        self.active = Some(active);
        host::set_tick_period(metrics::TICK);
        true
    }

    fn on_tick(&mut self) {
        for metrics in &self.metrics {
            metrics.flush();
        }
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter::new(self.active.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Where a plugin keeps what must outlive its VMs. All plugins of a proxy share one name space.
struct SharedKeys {
    good: String,
    record: String,
}

impl SharedKeys {
    fn of(plugin: &str) -> Self {
        SharedKeys { good: format!("ksvc_router/{plugin}/good"), record: format!("ksvc_router/{plugin}/record") }
    }
}
