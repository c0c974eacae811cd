//! Carries out events on a gateway with real Envoy, and compares what the gateway serves with the model.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::gateway::{Delivery, Gateway, Setup};
use testenv::http1::Request;
use testenv::plugin;
use testenv::stand_in::StandIn;

use crate::document::{Document, OTHER, OURS, Outcome, Outcomes, Owner, PATHS, SERVICES};
use crate::in_flight::InFlight;
use crate::model::{Count, Identity, PluginModel, allows};
use crate::probe::{self, DENIED, Seen};

/// Long enough for a loaded machine with two cores. An operation that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a worker is stalled: long enough for several edits on the other threads.
const STALL: Duration = Duration::from_millis(600);

/// How the gateway gets its plugins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) delivery: Delivery,
    /// Whether listeners come from a file that Envoy watches. If not, everything is in the bootstrap and every edit
    /// needs a restart.
    pub(crate) listeners_by_file: bool,
    pub(crate) resource_version: bool,
    pub(crate) workers: u32,
    /// The seconds for which a removed plugin or a replaced listener lives on.
    pub(crate) drain_time: u32,
}

impl Shape {
    fn identity(self) -> Identity {
        match (self.resource_version, self.delivery) {
            (true, _) => Identity::Version,
            (false, Delivery::Ecds) => Identity::Bytes,
            (false, Delivery::Listener) => Identity::BytesInListener,
        }
    }

    /// Returns whether the gateway can be edited while it runs.
    fn can_be_edited(self) -> bool {
        self.listeners_by_file || self.delivery == Delivery::Ecds
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// The plugin gets a document. It is created if it does not exist.
    Put(Owner, Document),
    Remove(Owner),
    /// The plugin gets these documents, one after another, while a worker is stalled.
    EditsDuringStall(Vec<Document>),
    /// A DENY policy before the plugins is created (true) or deleted (false).
    Policy(bool),
    Crash,
    HotRestart,
    /// The pod drains, gets an edit during the drain, and is replaced by a new pod.
    Drain(Document),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Put(owner, document) => write!(f, "{} gets a document, {}", owner.plugin, document.label),
            Event::Remove(owner) => write!(f, "{} is deleted", owner.plugin),
            Event::EditsDuringStall(documents) => {
                write!(f, "edits while a worker is stalled:")?;
                documents.iter().try_for_each(|document| write!(f, " {};", document.label))
            }
            Event::Policy(true) => f.write_str("a DENY policy is created"),
            Event::Policy(false) => f.write_str("the DENY policy is deleted"),
            Event::Crash => f.write_str("Envoy is killed and started again"),
            Event::HotRestart => f.write_str("a hot restart"),
            Event::Drain(document) => {
                write!(f, "a drain, during which an edit, {}, and then a new pod", document.label)
            }
        }
    }
}

/// A gateway, and the model of its plugins.
pub(crate) struct Harness {
    gateway: Gateway,
    _stand_in: StandIn,
    shape: Shape,
    plugins: [PluginModel; 2],
    /// Whether the DENY policy exists.
    denies: bool,
    /// The number of responses that were checked.
    pub(crate) responses: usize,
    /// The number of events in which a worker was still stalled when the main thread had all edits.
    pub(crate) stalls: usize,
}

/// Returns a filter that denies one path of the public host, as istiod renders an AuthorizationPolicy.
fn deny() -> Value {
    json!({"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "DENY", "policies": {"deny": {
            "permissions": [{"url_path": {"path": {"exact": DENIED}}}],
            "principals": [{"any": true}],
        }}},
    }})
}

/// Returns a filter that blocks the worker of a request with `x-stall-seconds: SECONDS` for that time.
fn stall_filter() -> Value {
    json!({"name": "envoy.filters.http.lua", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": "
            function envoy_on_request(request)
              local seconds = request:headers():get('x-stall-seconds')
              if seconds then
                os.execute('sleep ' .. tonumber(seconds))
                request:respond({[':status'] = '200'}, 'stall is over')
              end
            end"},
    }})
}

impl Harness {
    pub(crate) fn start(envoy: &std::path::Path, shape: Shape, first: &Document) -> Result<Self> {
        let stand_in = StandIn::start()?;
        let mut setup = Setup::new(envoy, &plugin()?, first.content.clone()).delivery(shape.delivery);
        setup = setup.ksvcs(SERVICES.map(|service| format!("{service}.shop.example.com"))).catch_all();
        setup = setup.policy(stall_filter()).workers(shape.workers).hot_restart().drain_time(shape.drain_time);
        if shape.listeners_by_file {
            setup = setup.listeners_by_file();
        }
        if !shape.resource_version {
            setup = setup.without_resource_version();
        }
        let gateway = setup.start(stand_in.address())?;
        let mut plugins = [OURS, OTHER].map(|owner| PluginModel::new(owner, shape.identity()));
        plugins[0].put(first);
        let mut harness = Self { gateway, _stand_in: stand_in, shape, plugins, denies: false, responses: 0, stalls: 0 };
        harness.settle(&[])?;
        harness.check_logs_and_metrics()?;
        Ok(harness)
    }

    /// Returns whether this plugin is in the listener.
    pub(crate) fn exists(&self, owner: Owner) -> bool {
        self.plugins.iter().any(|plugin| plugin.owner == owner && plugin.exists())
    }

    pub(crate) fn denies(&self) -> bool {
        self.denies
    }

    /// Returns whether this is the document that the plugin has now.
    pub(crate) fn has(&self, owner: Owner, document: &Document) -> bool {
        self.plugins.iter().any(|plugin| plugin.owner == owner && plugin.has(document))
    }

    fn plugin(&mut self, owner: Owner) -> &mut PluginModel {
        &mut self.plugins[usize::from(owner == OTHER)]
    }

    /// Carries out an event, and compares everything that can be seen of the gateway with the model.
    pub(crate) fn carry_out(&mut self, event: &Event) -> Result<()> {
        let mut before = vec![self.allowed()];
        let mut in_flight = if self.keeps_requests(event) { Some(self.begin_request()?) } else { None };
        match event {
            Event::Put(owner, document) if self.shape.can_be_edited() => {
                self.gateway.put(owner.plugin, document.content.clone())?;
                self.plugin(*owner).put(document);
            }
            Event::Put(owner, document) => {
                self.gateway.write(owner.plugin, document.content.clone())?;
                self.gateway.hot_restart()?;
                in_flight.take().map_or(Ok(()), InFlight::finish)?;
                self.plugin(*owner).replace(document);
                self.plugins.iter_mut().for_each(|plugin| plugin.restart(true));
            }
            Event::Remove(owner) => {
                self.gateway.remove(owner.plugin)?;
                self.plugin(*owner).remove();
            }
            Event::EditsDuringStall(documents) => self.edit_during_stall(documents, std::mem::take(&mut before))?,
            Event::Policy(denies) => {
                self.denies = *denies;
                let deny = denies.then(deny);
                self.gateway.set_policies(&deny.into_iter().chain([stall_filter()]).collect::<Vec<_>>())?;
            }
            Event::Crash => {
                self.gateway.crash()?;
                self.plugins.iter_mut().for_each(|plugin| plugin.restart(false));
                before.clear();
            }
            Event::HotRestart => {
                self.hot_restart_under_requests()?;
                in_flight.take().map_or(Ok(()), InFlight::finish)?;
                self.plugins.iter_mut().for_each(|plugin| plugin.restart(true));
            }
            Event::Drain(document) => return self.drain(document, in_flight, &before),
        }
        self.settle(&before)?;
        in_flight.map_or(Ok(()), InFlight::finish)?;
        self.gateway.await_old_process()?;
        self.check_logs_and_metrics()
    }

    /// Returns whether a request in flight survives the event. It does not survive a crash, nor the end of the drain
    /// time of a listener that is replaced.
    fn keeps_requests(&self, event: &Event) -> bool {
        let replaces_listener = match event {
            Event::Put(owner, _) => self.shape.delivery == Delivery::Listener || !self.exists(*owner),
            Event::EditsDuringStall(_) => self.shape.delivery == Delivery::Listener,
            Event::Crash | Event::HotRestart => false,
            Event::Remove(_) | Event::Policy(_) | Event::Drain(_) => true,
        };
        let restarts_hot = matches!(event, Event::HotRestart) || !self.shape.listeners_by_file;
        let survives = restarts_hot || !replaces_listener || self.shape.drain_time > 10;
        survives && !matches!(event, Event::Crash)
    }

    /// Begins a request whose body is completed after the event. It goes through the table if the table surely routes
    /// it.
    fn begin_request(&self) -> Result<InFlight> {
        let allowed = self.plugins[0].allowed();
        let is_routed = allowed.iter().all(|outcomes| matches!(outcomes[0], Outcome::Service(_)));
        let path = if is_routed { "/faas/orders/in-flight" } else { "/elsewhere/in-flight" };
        InFlight::begin(self.gateway.address(), path)
    }

    fn hot_restart_under_requests(&mut self) -> Result<()> {
        let to = self.gateway.address();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let client = scope.spawn(|| {
                let mut sent = 0;
                while !done.load(Ordering::Relaxed) {
                    let response = Request::get("www.example.com", "/").send(to)?;
                    ensure!(response.status == 200, "request {sent} during a hot restart: {response:?}");
                    sent += 1;
                    thread::sleep(Duration::from_millis(2));
                }
                anyhow::Ok(sent)
            });
            let restarted = self.gateway.hot_restart();
            // The old process closes its sockets at about this time.
            thread::sleep(Duration::from_millis(200));
            done.store(true, Ordering::Relaxed);
            self.responses += client.join().expect("the client panicked").context("a request during a hot restart")?;
            restarted
        })
    }

    /// Makes edits while a worker is stalled, so that it gets each of them only after the other threads have all of
    /// them.
    fn edit_during_stall(&mut self, documents: &[Document], mut before: Vec<Allowed>) -> Result<()> {
        let to = self.gateway.address();
        let seconds = STALL.as_secs_f32().to_string();
        let begun = Instant::now();
        thread::scope(|scope| {
            let stalling =
                scope.spawn(|| Request::get("www.example.com", "/").header("x-stall-seconds", &seconds).send(to));
            thread::sleep(Duration::from_millis(30)); // until the worker has the request
            for document in documents {
                self.gateway.put_on_main_thread(OURS.plugin, document.content.clone())?;
                self.plugins[0].put(document);
                before.push(self.allowed());
            }
            self.stalls += usize::from(begun.elapsed() < STALL);
            // The other workers already serve the last document, and no worker may go back to an earlier one.
            self.settle(&before)?;
            let response = stalling.join().expect("the client panicked")?;
            ensure!(response.text() == "stall is over", "{response:?}");
            Ok(())
        })
    }

    /// Drains the pod, edits it during the drain, and replaces it. It must serve until its drain time is over.
    fn drain(&mut self, document: &Document, in_flight: Option<InFlight>, before: &[Allowed]) -> Result<()> {
        let begun = Instant::now();
        self.gateway.drain()?;
        if self.shape.delivery == Delivery::Ecds && self.exists(OURS) {
            self.gateway.put(OURS.plugin, document.content.clone())?;
            self.plugins[0].put(document);
        }
        let during = [before, &[self.allowed()]].concat();
        // Envoy now closes each connection after a response, so it is not known which worker has answered. The last
        // seconds of the drain time are left out.
        for _ in 0..8 {
            if begun.elapsed() + Duration::from_secs(5) < Duration::from_secs(self.shape.drain_time.into()) {
                self.probe(&during)?;
            }
        }
        in_flight.map_or(Ok(()), InFlight::finish)?;
        self.check_nothing_was_refused()?;
        self.gateway.crash()?;
        self.plugins.iter_mut().for_each(|plugin| plugin.restart(false));
        self.settle(&[])?;
        self.check_logs_and_metrics()
    }

    fn allowed(&self) -> Allowed {
        Allowed { tables: self.plugins.iter().map(PluginModel::allowed).collect(), denies: self.denies }
    }

    /// Probes the gateway until every worker serves what is allowed after the event. Until then, each outcome must be
    /// one that is allowed before or after it, and no worker may go back.
    fn settle(&mut self, before: &[Allowed]) -> Result<()> {
        let after = self.allowed();
        let during = Allowed {
            tables: self.plugins.iter().map(PluginModel::allowed_during_event).collect(),
            denies: self.denies,
        };
        let any = [before, &[during]].concat();
        let mut settled = BTreeSet::new();
        let deadline = Instant::now() + PATIENCE;
        while settled.len() < self.shape.workers as usize {
            let seen = self.probe(&any)?;
            match (&seen.worker, after.allows_all(&seen)) {
                (Some(worker), true) => _ = settled.insert(worker.clone()),
                (Some(worker), false) => {
                    ensure!(!settled.contains(worker), "{worker} went back to {seen:?} from {after:?}");
                    ensure!(Instant::now() < deadline, "after {PATIENCE:?}: {seen:?}, expected {after:?}");
                    thread::sleep(Duration::from_millis(5));
                }
                (None, _) => ensure!(Instant::now() < deadline, "Envoy has closed every connection for {PATIENCE:?}"),
            }
        }
        self.plugins.iter_mut().for_each(PluginModel::settle);
        Ok(())
    }

    /// Probes the gateway over one connection. Each outcome must be allowed by one of these.
    fn probe(&mut self, any: &[Allowed]) -> Result<Seen> {
        let owners = [OURS, OTHER];
        let seen = probe::probe(&self.gateway, &owners)?;
        self.responses += PATHS.len() * owners.len() + 3;
        for (owner, outcomes) in seen.outcomes.iter().enumerate() {
            for (path, outcome) in outcomes.iter().enumerate() {
                let is_allowed = any.iter().any(|allowed| allows(&allowed.tables[owner], path, outcome));
                let plugin = owners[owner].plugin;
                ensure!(is_allowed, "{plugin} serves {outcomes:?}, which is allowed neither before nor after: {any:?}");
            }
        }
        ensure!(
            any.iter().any(|allowed| allowed.allows_denied(&seen.denied)),
            "the outcome at the path of the policy is {:?}",
            seen.denied
        );
        Ok(seen)
    }

    /// Checks that nothing was refused, that nothing failed, and that the metrics agree with the model.
    fn check_logs_and_metrics(&self) -> Result<()> {
        self.check_nothing_was_refused()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(error) = self.check_metrics() else { return Ok(()) };
            ensure!(Instant::now() < deadline, "{error:#}, after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn check_nothing_was_refused(&self) -> Result<()> {
        let refused = self.gateway.refused()?;
        ensure!(refused.is_empty(), "Envoy has refused: {refused:?}");
        let mut reloaded = self.gateway.stats("wasm.*vm_reload")?;
        reloaded.retain(|(_, count)| *count > 0);
        ensure!(reloaded.is_empty(), "a VM has failed: {reloaded:?}");
        let log = self.gateway.log();
        // The plugin reports the errors of a document at this level, which is right.
        let is_failure = |line: &&str| {
            line.contains("panicked")
                || line.contains("[critical]")
                || (line.contains("[error]") && !line.contains("wasm log"))
        };
        let failures: Vec<&str> = log.lines().filter(is_failure).take(5).collect();
        ensure!(failures.is_empty(), "Envoy has logged errors: {failures:#?}");
        Ok(())
    }

    fn check_metrics(&self) -> Result<()> {
        let counted = |counter: &str| -> Result<u64> {
            let stats = self.gateway.stats(&format!(r"ksvc_router\.{counter}$"))?;
            Ok(stats.iter().map(|(_, count)| count).sum())
        };
        let expected = |of: fn(&PluginModel) -> &Count| {
            let counts = self.plugins.iter().map(of);
            counts.fold((0, 0), |(least, most), count| (least + count.least, most + count.most))
        };
        // Without a resource version, each thread may judge the document.
        let threads = if self.shape.resource_version { 1 } else { u64::from(self.shape.workers) + 2 };
        for (counter, (least, most)) in [
            ("config_accepted", expected(|plugin| &plugin.accepted)),
            ("config_rejected", expected(|plugin| &plugin.rejected)),
        ] {
            let counted = counted(counter)?;
            let most = most * threads;
            ensure!((least..=most).contains(&counted), "{counter} is {counted}, expected {least} to {most}");
        }
        for plugin in &self.plugins {
            let table = plugin.owner.table;
            let gauges = [("config_degraded", plugin.degraded_gauge()), ("routes", plugin.routes_gauge())];
            for (gauge, expected) in gauges {
                let Some(expected) = expected else { continue };
                let value = self.gateway.plugin_stat(table, gauge)?;
                ensure!(value == expected, "{gauge} of {table} is {value}, expected {expected}");
            }
        }
        // Checked only if the other plugin had no documents, because both would count under the name `default`.
        if let Some(expected) = self.plugins[0].default_name_gauge()
            && self.plugins[1].has_no_documents()
        {
            let value = self.gateway.plugin_stat("default", "config_degraded")?;
            ensure!(value == expected, "config_degraded of `default` is {value}, expected {expected}");
        }
        Ok(())
    }
}

/// The outcomes that are allowed at one time.
#[derive(Debug, Clone)]
struct Allowed {
    /// For each plugin, all its allowed outcomes.
    tables: Vec<Vec<Outcomes>>,
    denies: bool,
}

impl Allowed {
    fn allows_all(&self, seen: &Seen) -> bool {
        let tables = self.tables.iter().zip(&seen.outcomes);
        let mut are_allowed = tables.map(|(allowed, seen)| allowed.iter().any(|outcomes| outcomes[..] == seen[..]));
        are_allowed.all(|is_allowed| is_allowed) && self.allows_denied(&seen.denied)
    }

    fn allows_denied(&self, denied: &Outcome) -> bool {
        if self.denies { *denied == Outcome::Status(403) } else { allows(&self.tables[0], 0, denied) }
    }
}
