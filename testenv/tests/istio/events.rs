//! Random sequences of events under Istio: good and bad documents, a plugin that is deleted and created again, another
//! plugin on the same gateway, policies, and new pods. The model of the allowed outcomes is that of the tests with
//! Envoy alone, in `tests/events/`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testenv::gateway::Document as Content;
use testenv::istio::ingress::Setup;
use testenv::istio::{IngressGateway, objects};

use crate::document::{self, Document, OTHER, OURS, Outcome, Outcomes, Owner, SERVICES};
use crate::documents::check_nothing_was_refused;
use crate::model::{Identity, PluginModel, allows};
use crate::probe::{self, DENIED};
use crate::random::Random;
use crate::{Env, tests, wasm_plugin};

tests! { no_order_of_events_breaks_the_contract }

/// The number of events, unless `EVENTS` in the environment sets another.
const EVENTS: usize = 30;

/// Long enough until every worker has an edit, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of probes in a row that must agree. Each goes to one of two workers, so they miss one of the workers only
/// one time in two thousand.
const IN_A_ROW: usize = 12;

const NAMESPACE: &str = "events";

fn no_order_of_events_breaks_the_contract(env: &Env) -> Result<()> {
    let events = std::env::var("EVENTS").ok().map_or(Ok(EVENTS), |number| number.parse())?;
    let mut random = Random::new("EVENTS_SEED");
    let hosts = SERVICES.map(|service| format!("{service}.shop.example.com"));
    let gateway = env.gateway(NAMESPACE, &hosts.each_ref().map(String::as_str))?;
    let plugins = [OURS, OTHER].map(|owner| PluginModel::new(owner, Identity::Version));
    let mut harness =
        Harness { env, gateway: Some(gateway), plugins, denies: false, responses: 0, history: Vec::new() };
    for number in 0..events {
        harness.next(&mut random).with_context(|| {
            format!("EVENTS_SEED={} EVENTS={}:\n  {}", random.seed(), number + 1, harness.history.join("\n  "))
        })?;
    }
    println!("{events} events, {} responses, none was wrong", harness.responses);
    Ok(())
}

/// A gateway, and the model of its plugins.
struct Harness<'e> {
    env: &'e Env,
    /// The pod, or `None` between the end of one pod and the start of the next.
    gateway: Option<IngressGateway>,
    plugins: [PluginModel; 2],
    /// Whether the DENY policy exists.
    denies: bool,
    /// The number of responses that were checked.
    responses: usize,
    /// A line for each event so far.
    history: Vec<String>,
}

/// The outcomes that are allowed at one time.
#[derive(Clone)]
struct Allowed {
    tables: Vec<Vec<Outcomes>>,
    denies: bool,
}

impl Allowed {
    fn allows_denied(&self, denied: &Outcome) -> bool {
        if self.denies { *denied == Outcome::Status(403) } else { allows(&self.tables[0], 0, denied) }
    }
}

impl<'e> Harness<'e> {
    fn gateway(&self) -> Result<&IngressGateway> {
        self.gateway.as_ref().context("no pod runs")
    }

    /// Carries out a random event, and compares what the gateway serves with the model.
    fn next(&mut self, random: &mut Random) -> Result<()> {
        let before = self.allowed();
        let index = usize::from(random.below(4) == 0);
        let owner = [OURS, OTHER][index];
        match random.below(10) {
            0 if self.plugins[index].exists() => {
                self.record(format!("{} is deleted", owner.plugin));
                self.gateway()?.delete("wasmplugin", owner.plugin)?;
                self.plugins[index].remove();
            }
            1..=2 => {
                self.denies = !self.denies;
                self.record(format!("the DENY policy is {}", if self.denies { "created" } else { "deleted" }));
                if self.denies {
                    let to = json!([{"operation": {"hosts": ["api.example.com"], "paths": [DENIED]}}]);
                    let spec = json!({"action": "DENY", "rules": [{"to": to}]});
                    let policy = objects::security("AuthorizationPolicy", NAMESPACE, "deny", spec);
                    self.env.plane.cluster().apply(&[policy])?;
                } else {
                    self.gateway()?.delete("authorizationpolicy", "deny")?;
                }
            }
            3 => {
                self.record("a new pod".to_owned());
                let ports = self.gateway()?.ports();
                check_nothing_was_refused(self.gateway()?)?;
                self.gateway = None;
                let gateway = Setup::new(NAMESPACE).ports(ports, 0).start(&self.env.plane)?;
                gateway.eventually("the listener accepts connections", || {
                    Ok(std::net::TcpStream::connect(gateway.address()).is_ok())
                })?;
                self.gateway = Some(gateway);
                self.plugins.iter_mut().for_each(|plugin| plugin.restart(false));
            }
            _ => {
                let document = self.document(index, owner, random);
                self.record(format!("{} gets a document, {}", owner.plugin, document.label));
                let Content::Table(table) = &document.content else { unreachable!("only tables are chosen") };
                let mut plugin = wasm_plugin(self.gateway()?, table)?;
                plugin["metadata"]["name"] = owner.plugin.into();
                if table.is_null() {
                    plugin["spec"].as_object_mut().context("a spec")?.remove("pluginConfig");
                }
                self.gateway()?.apply_plugin(&plugin)?;
                self.plugins[index].put(&document);
            }
        }
        self.settle(&before)?;
        self.check_gauges()?;
        check_nothing_was_refused(self.gateway()?)
    }

    fn record(&mut self, event: String) {
        self.history.push(format!("{}. {event}", self.history.len() + 1));
    }

    /// Returns a random document that a Kubernetes object can contain and that is not the current one.
    fn document(&self, index: usize, owner: Owner, random: &mut Random) -> Document {
        loop {
            let mut document = document::random(owner, random);
            if matches!(document.content, Content::Absent) {
                document.content = Content::Table(json!(null));
            }
            if matches!(document.content, Content::Table(_)) && !self.plugins[index].has(&document) {
                return document;
            }
        }
    }

    fn allowed(&self) -> Allowed {
        Allowed { tables: self.plugins.iter().map(PluginModel::allowed).collect(), denies: self.denies }
    }

    /// Probes the gateway until every worker surely serves what is allowed after the event. Until then, each outcome
    /// must be one that is allowed before or after it.
    fn settle(&mut self, before: &Allowed) -> Result<()> {
        let after = self.allowed();
        let tables = self.plugins.iter().map(PluginModel::allowed_during_event).collect();
        let any = [before.clone(), Allowed { tables, denies: self.denies }];
        let deadline = Instant::now() + PATIENCE;
        let mut in_a_row = 0;
        while in_a_row < IN_A_ROW {
            let (seen, _) = probe::probe_address(self.gateway()?.address(), &[OURS, OTHER])?;
            for (plugin, outcomes) in seen.outcomes.iter().enumerate() {
                self.responses += outcomes.len();
                for (path, outcome) in outcomes.iter().enumerate() {
                    let is_allowed = any.iter().any(|allowed| allows(&allowed.tables[plugin], path, outcome));
                    ensure!(
                        is_allowed,
                        "plugin {plugin} serves {outcomes:?}, which is allowed neither before nor after"
                    );
                }
            }
            ensure!(
                any.iter().any(|allowed| allowed.allows_denied(&seen.denied)),
                "the outcome at the path of the policy is {:?}",
                seen.denied
            );
            let tables = after.tables.iter().zip(&seen.outcomes);
            let mut are_allowed = tables.map(|(allowed, seen)| allowed.iter().any(|outcomes| outcomes[..] == seen[..]));
            let is_settled = are_allowed.all(|is_allowed| is_allowed) && after.allows_denied(&seen.denied);
            in_a_row = if is_settled { in_a_row + 1 } else { 0 };
            ensure!(Instant::now() < deadline, "after {PATIENCE:?}: {seen:?}, expected {:?}", after.tables);
        }
        Ok(())
    }

    fn check_gauges(&self) -> Result<()> {
        let gateway = self.gateway()?;
        for plugin in &self.plugins {
            for (gauge, expected) in [("config_degraded", plugin.degraded_gauge()), ("routes", plugin.routes_gauge())] {
                let metric = format!("ksvc_router_{gauge}{{wasm_filter=\"{}\"}}", plugin.owner.table);
                if let Some(expected) = expected {
                    gateway.eventually(&format!("{metric} is {expected}"), || {
                        Ok(gateway.metric(&metric)? == Some(expected))
                    })?;
                }
            }
        }
        Ok(())
    }
}
