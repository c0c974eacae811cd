//! A gateway under events: carries each out on real Envoy, and holds what is served against the model.

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

use crate::document::{Answer, BESIDE, Document, OURS, Owner, PATHS, SERVICES, Serves};
use crate::held::Held;
use crate::model::{Identity, Plugin, allows};
use crate::probe::{self, DENIED, Seen};

/// On a loaded machine of two cores; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// For how long a worker stands still: long enough for some edits of the others.
const STAND_STILL: Duration = Duration::from_millis(600);

/// How the gateway has its plugins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) delivery: Delivery,
    /// Whether listeners come and go; else all is in the bootstrap, and an edit takes a restart.
    pub(crate) listeners_by_file: bool,
    pub(crate) resource_version: bool,
    pub(crate) workers: u32,
    /// Seconds for which what was taken away still lives.
    pub(crate) drain_time: u32,
}

impl Shape {
    fn identity(self) -> Identity {
        match (self.resource_version, self.delivery) {
            (true, _) => Identity::Version,
            (false, Delivery::Ecds) => Identity::Octets,
            (false, Delivery::Listener) => Identity::OctetsInListener,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// An edit; or the plugin is made, or made again.
    Put(Owner, Document),
    Remove(Owner),
    /// Edits, one after another, while a worker stands still.
    Lag(Vec<Document>),
    /// A DENY policy in front of the plugins is made, or taken away.
    Policy(bool),
    Crash,
    HotRestart,
    /// The pod is about to go, gets an edit meanwhile, and another takes its place.
    Drain(Document),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Put(owner, document) => write!(f, "{} gets a document, {}", owner.plugin, document.is),
            Event::Remove(owner) => write!(f, "{} is deleted", owner.plugin),
            Event::Lag(documents) => {
                write!(f, "edits while a worker stands still:")?;
                documents.iter().try_for_each(|document| write!(f, " {};", document.is))
            }
            Event::Policy(true) => f.write_str("a DENY policy is made"),
            Event::Policy(false) => f.write_str("the DENY policy is taken away"),
            Event::Crash => f.write_str("Envoy is killed and started anew"),
            Event::HotRestart => f.write_str("a hot restart"),
            Event::Drain(document) => write!(f, "a drain, meanwhile an edit, {}, and then a new pod", document.is),
        }
    }
}

pub(crate) struct World {
    gateway: Gateway,
    _stand_in: StandIn,
    shape: Shape,
    plugins: [Plugin; 2],
    denies: bool,
    /// Answers that were looked at.
    pub(crate) answers: usize,
    /// How often a worker was behind the main thread by all edits of an event.
    pub(crate) lags: usize,
}

/// Denies one path of the public host, as istiod renders an AuthorizationPolicy.
fn deny() -> Value {
    json!({"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "DENY", "policies": {"deny": {
            "permissions": [{"url_path": {"path": {"exact": DENIED}}}],
            "principals": [{"any": true}],
        }}},
    }})
}

/// Has the worker that gets a request with `x-stand-still: SECONDS` do nothing else for so long.
fn stand_still() -> Value {
    json!({"name": "envoy.filters.http.lua", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": "
            function envoy_on_request(request)
              local seconds = request:headers():get('x-stand-still')
              if seconds then
                os.execute('sleep ' .. tonumber(seconds))
                request:respond({[':status'] = '200'}, 'it goes on')
              end
            end"},
    }})
}

impl World {
    pub(crate) fn start(envoy: &std::path::Path, shape: Shape, first: &Document) -> Result<Self> {
        let stand_in = StandIn::start()?;
        let mut setup = Setup::new(envoy, &plugin()?, first.sent.clone()).delivery(shape.delivery);
        setup = setup.ksvcs(SERVICES.map(|service| format!("{service}.shop.example.com"))).catch_all();
        setup = setup.policy(stand_still()).workers(shape.workers).hot_restart().drain_time(shape.drain_time);
        if shape.listeners_by_file {
            setup = setup.listeners_by_file();
        }
        if !shape.resource_version {
            setup = setup.without_resource_version();
        }
        let gateway = setup.start(stand_in.address())?;
        let mut plugins = [OURS, BESIDE].map(|owner| Plugin::new(owner, shape.identity()));
        plugins[0].put(first);
        let mut world = Self { gateway, _stand_in: stand_in, shape, plugins, denies: false, answers: 0, lags: 0 };
        world.settle(&[])?;
        world.hold()?;
        Ok(world)
    }

    pub(crate) fn is_there(&self, owner: Owner) -> bool {
        self.plugins.iter().any(|plugin| plugin.owner == owner && plugin.is_there())
    }

    pub(crate) fn denies(&self) -> bool {
        self.denies
    }

    /// Whether the plugin has just this document.
    pub(crate) fn has(&self, owner: Owner, document: &Document) -> bool {
        self.plugins.iter().any(|plugin| plugin.owner == owner && plugin.has(document))
    }

    fn plugin(&mut self, owner: Owner) -> &mut Plugin {
        &mut self.plugins[usize::from(owner == BESIDE)]
    }

    /// Carries an event out, and holds all that can be seen against the model.
    pub(crate) fn take(&mut self, event: &Event) -> Result<()> {
        let mut before = vec![self.now()];
        let mut held = if self.spares_requests(event) { Some(self.begin_request()?) } else { None };
        match event {
            Event::Put(owner, document) => {
                if self.shape.listeners_by_file || self.shape.delivery == Delivery::Ecds {
                    self.gateway.put(owner.plugin, document.sent.clone())?;
                } else {
                    self.gateway.write(owner.plugin, document.sent.clone())?;
                    self.gateway.hot_restart()?;
                    held.take().map_or(Ok(()), Held::finish)?;
                }
                if self.shape.listeners_by_file || self.shape.delivery == Delivery::Ecds {
                    self.plugin(*owner).put(document);
                } else {
                    self.plugin(*owner).replace(document);
                    self.plugins.iter_mut().for_each(|plugin| plugin.restart(true));
                }
            }
            Event::Remove(owner) => {
                self.gateway.remove(owner.plugin)?;
                self.plugin(*owner).remove();
            }
            Event::Lag(documents) => self.lag(documents, std::mem::take(&mut before))?,
            Event::Policy(denies) => {
                self.denies = *denies;
                let deny = denies.then(deny);
                self.gateway.set_policies(&deny.into_iter().chain([stand_still()]).collect::<Vec<_>>())?;
            }
            Event::Crash => {
                self.gateway.crash()?;
                self.plugins.iter_mut().for_each(|plugin| plugin.restart(false));
                before.clear();
            }
            Event::HotRestart => {
                self.hot_restart_under_requests()?;
                held.take().map_or(Ok(()), Held::finish)?;
                self.plugins.iter_mut().for_each(|plugin| plugin.restart(true));
            }
            Event::Drain(document) => return self.drain(document, held, &before),
        }
        self.settle(&before)?;
        held.map_or(Ok(()), Held::finish)?;
        self.gateway.await_old_process()?;
        self.hold()
    }

    /// Whether requests under way outlive the event: a crash takes them with it, and so does the end of the drain time of
    /// a listener that is replaced.
    fn spares_requests(&self, event: &Event) -> bool {
        let replaces_listener = match event {
            Event::Put(owner, _) => self.shape.delivery == Delivery::Listener || !self.is_there(*owner),
            Event::Lag(_) => self.shape.delivery == Delivery::Listener,
            Event::Crash | Event::HotRestart => false,
            Event::Remove(_) | Event::Policy(_) | Event::Drain(_) => true,
        };
        let restarts_hot = matches!(event, Event::HotRestart) || !self.shape.listeners_by_file;
        let is_spared = restarts_hot || !replaces_listener || self.shape.drain_time > 10;
        is_spared && !matches!(event, Event::Crash)
    }

    /// A request whose body is sent when the event is over, through a table where one surely takes it.
    fn begin_request(&self) -> Result<Held> {
        let ours = self.plugins[0].may_serve();
        let is_routed = ours.iter().all(|serves| matches!(serves[0], Answer::Service(_)));
        Held::begin(self.gateway.address(), if is_routed { "/faas/orders/held" } else { "/elsewhere/held" })
    }

    fn hot_restart_under_requests(&mut self) -> Result<()> {
        let to = self.gateway.address();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let client = scope.spawn(|| {
                let mut sent = 0;
                while !done.load(Ordering::Relaxed) {
                    let response = Request::get("www.example.com", "/").send(to)?;
                    ensure!(response.status == 200, "request {sent} beside a hot restart: {response:?}");
                    sent += 1;
                    thread::sleep(Duration::from_millis(2));
                }
                anyhow::Ok(sent)
            });
            let restarted = self.gateway.hot_restart();
            // The old process closes its sockets about now.
            thread::sleep(Duration::from_millis(200));
            done.store(true, Ordering::Relaxed);
            self.answers += client.join().expect("the client panicked").context("a request beside a hot restart")?;
            restarted
        })
    }

    /// Edits while a worker stands still: it comes to each of them after the others have had them all.
    fn lag(&mut self, documents: &[Document], mut before: Vec<Now>) -> Result<()> {
        let to = self.gateway.address();
        let seconds = STAND_STILL.as_secs_f32().to_string();
        let begun = Instant::now();
        thread::scope(|scope| {
            let standing =
                scope.spawn(|| Request::get("www.example.com", "/").header("x-stand-still", &seconds).send(to));
            thread::sleep(Duration::from_millis(30)); // until the worker has the request
            for document in documents {
                self.gateway.put_on_main_thread(OURS.plugin, document.sent.clone())?;
                self.plugins[0].put(document);
                before.push(self.now());
            }
            self.lags += usize::from(begun.elapsed() < STAND_STILL);
            // The other workers serve the last one already, and no worker goes back from it.
            self.settle(&before)?;
            let stood_still = standing.join().expect("the client panicked")?;
            ensure!(stood_still.text() == "it goes on", "{stood_still:?}");
            Ok(())
        })
    }

    /// The pod serves on until its drain time is over, whatever it is given meanwhile.
    fn drain(&mut self, document: &Document, held: Option<Held>, before: &[Now]) -> Result<()> {
        let begun = Instant::now();
        self.gateway.drain()?;
        if self.shape.delivery == Delivery::Ecds && self.is_there(OURS) {
            self.gateway.put(OURS.plugin, document.sent.clone())?;
            self.plugins[0].put(document);
        }
        let meanwhile = [before, &[self.now()]].concat();
        // Envoy now closes each connection after an answer, so nobody knows whose it is. Not into its last seconds.
        for _ in 0..8 {
            if begun.elapsed() + Duration::from_secs(5) < Duration::from_secs(self.shape.drain_time.into()) {
                self.ask(&meanwhile)?;
            }
        }
        held.map_or(Ok(()), Held::finish)?;
        self.nothing_was_refused()?;
        self.gateway.crash()?;
        self.plugins.iter_mut().for_each(|plugin| plugin.restart(false));
        self.settle(&[])?;
        self.hold()
    }

    fn now(&self) -> Now {
        Now { tables: self.plugins.iter().map(Plugin::may_serve).collect(), denies: self.denies }
    }

    /// Asks until every worker serves what it should; until then each answer has to be one from before or after.
    fn settle(&mut self, before: &[Now]) -> Result<()> {
        let after = self.now();
        let meanwhile =
            Now { tables: self.plugins.iter().map(Plugin::may_serve_meanwhile).collect(), denies: self.denies };
        let any = [before, &[meanwhile]].concat();
        let mut settled = BTreeSet::new();
        let deadline = Instant::now() + PATIENCE;
        while settled.len() < self.shape.workers as usize {
            let seen = self.ask(&any)?;
            match (&seen.worker, after.is(&seen)) {
                (Some(worker), true) => _ = settled.insert(worker.clone()),
                (Some(worker), false) => {
                    ensure!(!settled.contains(worker), "{worker} went back to {seen:?}, from {after:?}");
                    ensure!(Instant::now() < deadline, "{seen:?}, and not {after:?}, after {PATIENCE:?}");
                    thread::sleep(Duration::from_millis(5));
                }
                (None, _) => ensure!(Instant::now() < deadline, "Envoy closes every connection for {PATIENCE:?}"),
            }
        }
        self.plugins.iter_mut().for_each(Plugin::settle);
        Ok(())
    }

    /// Asks over one connection: each answer has to be right by one of these.
    fn ask(&mut self, any: &[Now]) -> Result<Seen> {
        let owners = [OURS, BESIDE];
        let seen = probe::ask(&self.gateway, &owners)?;
        self.answers += PATHS.len() * owners.len() + 3;
        for (owner, answers) in seen.answers.iter().enumerate() {
            for (path, answer) in answers.iter().enumerate() {
                let may_be = any.iter().any(|now| allows(&now.tables[owner], path, answer));
                let plugin = owners[owner].plugin;
                ensure!(may_be, "{plugin} answers {answers:?}, which is neither from before nor from after: {any:?}");
            }
        }
        ensure!(any.iter().any(|now| now.policy_allows(&seen.denied)), "the policy: {:?}", seen.denied);
        Ok(seen)
    }

    /// Nothing was refused, nothing broke, and the metrics say what happened.
    fn hold(&self) -> Result<()> {
        self.nothing_was_refused()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Err(wrong) = self.metrics_agree() else { return Ok(()) };
            ensure!(Instant::now() < deadline, "{wrong:#}, after {PATIENCE:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn nothing_was_refused(&self) -> Result<()> {
        let refused = self.gateway.refused()?;
        ensure!(refused.is_empty(), "Envoy has refused: {refused:?}");
        let mut reloaded = self.gateway.stats("wasm.*vm_reload")?;
        reloaded.retain(|(_, count)| *count > 0);
        ensure!(reloaded.is_empty(), "a VM has failed: {reloaded:?}");
        let log = self.gateway.log();
        // The plugin tells errors of a document at this level.
        let is_complaint = |line: &&str| {
            line.contains("panicked")
                || line.contains("[critical]")
                || (line.contains("[error]") && !line.contains("wasm log"))
        };
        let complaints: Vec<&str> = log.lines().filter(is_complaint).take(5).collect();
        ensure!(complaints.is_empty(), "Envoy complains: {complaints:#?}");
        Ok(())
    }

    fn metrics_agree(&self) -> Result<()> {
        let counted = |counter: &str| -> Result<u64> {
            let stats = self.gateway.stats(&format!(r"ksvc_router\.{counter}$"))?;
            Ok(stats.iter().map(|(_, count)| count).sum())
        };
        let expected = |of: fn(&Plugin) -> &crate::model::Count| {
            let counts = self.plugins.iter().map(of);
            counts.fold((0, 0), |(least, most), count| (least + count.least, most + count.most))
        };
        // Without a resource version each thread may judge by itself.
        let threads = if self.shape.resource_version { 1 } else { u64::from(self.shape.workers) + 2 };
        for (counter, (least, most)) in [
            ("config_accepted", expected(|plugin| &plugin.accepted)),
            ("config_rejected", expected(|plugin| &plugin.rejected)),
        ] {
            let counted = counted(counter)?;
            let most = most * threads;
            ensure!((least..=most).contains(&counted), "{counter}: {counted}, and not {least} to {most}");
        }
        for plugin in &self.plugins {
            let table = plugin.owner.table;
            let gauges = [("config_degraded", plugin.degraded_gauge()), ("routes", plugin.routes_gauge())];
            for (gauge, expected) in gauges {
                let Some(expected) = expected else { continue };
                let told = self.gateway.plugin_stat(table, gauge)?;
                ensure!(told == expected, "{gauge} of {table}: {told}, and not {expected}");
            }
        }
        // Both plugins would share the name of a table that has none.
        if let Some(expected) = self.plugins[0].nameless_gauge()
            && self.plugins[1].never_was()
        {
            let told = self.gateway.plugin_stat("default", "config_degraded")?;
            ensure!(told == expected, "config_degraded of a table without a name: {told}, and not {expected}");
        }
        Ok(())
    }
}

/// What is right at one time.
#[derive(Debug, Clone)]
struct Now {
    tables: Vec<Vec<Serves>>,
    denies: bool,
}

impl Now {
    fn is(&self, seen: &Seen) -> bool {
        let tables = self.tables.iter().zip(&seen.answers);
        let mut right = tables.map(|(may_serve, answers)| may_serve.iter().any(|serves| serves[..] == answers[..]));
        right.all(|right| right) && self.policy_allows(&seen.denied)
    }

    fn policy_allows(&self, denied: &Answer) -> bool {
        if self.denies { *denied == Answer::Status(403) } else { allows(&self.tables[0], 0, denied) }
    }
}
