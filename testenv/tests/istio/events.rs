//! Random sequences of what users and the cluster do to a gateway: good documents and bad ones, a plugin deleted and made
//! again, another one beside it, policies, new pods. The model of what must be served is that of the tests on plain
//! Envoy, `tests/events/`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testenv::gateway::Document as Sent;
use testenv::istio::ingress::Setup;
use testenv::istio::{IngressGateway, objects};

use crate::document::{self, Answer, BESIDE, Document, OURS, Owner, SERVICES, Serves};
use crate::documents::nothing_was_refused;
use crate::model::{Identity, Plugin, allows};
use crate::probe::{self, DENIED};
use crate::random::Random;
use crate::{Env, tests, wasm_plugin};

tests! { no_order_of_events_is_served_otherwise_than_the_contract_says }

/// In the ordinary run; `EVENTS` in the environment is another number.
const EVENTS: usize = 30;

/// Until every worker has an edit, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many connections in a row that a worker of two is not left out: one time in two thousand.
const IN_A_ROW: usize = 12;

const NAMESPACE: &str = "events";

fn no_order_of_events_is_served_otherwise_than_the_contract_says(env: &Env) -> Result<()> {
    let events = std::env::var("EVENTS").ok().map_or(Ok(EVENTS), |number| number.parse())?;
    let mut random = Random::new("EVENTS_SEED");
    let hosts = SERVICES.map(|service| format!("{service}.shop.example.com"));
    let gateway = env.gateway(NAMESPACE, &hosts.each_ref().map(String::as_str))?;
    let plugins = [OURS, BESIDE].map(|owner| Plugin::new(owner, Identity::Version));
    let mut world = World { env, gateway: Some(gateway), plugins, denies: false, answers: 0, told: Vec::new() };
    for number in 0..events {
        world.next(&mut random).with_context(|| {
            format!("EVENTS_SEED={} EVENTS={}:\n  {}", random.seed(), number + 1, world.told.join("\n  "))
        })?;
    }
    println!("{events} events, {} answers: none was wrong", world.answers);
    Ok(())
}

struct World<'e> {
    env: &'e Env,
    /// None between one pod and the next.
    gateway: Option<IngressGateway<'e>>,
    plugins: [Plugin; 2],
    denies: bool,
    answers: usize,
    told: Vec<String>,
}

/// What is right at one time.
#[derive(Clone)]
struct Now {
    tables: Vec<Vec<Serves>>,
    denies: bool,
}

impl Now {
    fn allows_denied(&self, denied: &Answer) -> bool {
        if self.denies { *denied == Answer::Status(403) } else { allows(&self.tables[0], 0, denied) }
    }
}

impl<'e> World<'e> {
    fn gateway(&self) -> Result<&IngressGateway<'e>> {
        self.gateway.as_ref().context("no pod runs")
    }

    /// Carries out one event, and holds what is served against the model.
    fn next(&mut self, random: &mut Random) -> Result<()> {
        let before = self.now();
        let at = usize::from(random.below(4) == 0);
        let owner = [OURS, BESIDE][at];
        match random.below(10) {
            0 if self.plugins[at].is_there() => {
                self.tell(format!("{} is deleted", owner.plugin));
                self.gateway()?.delete("wasmplugin", owner.plugin)?;
                self.plugins[at].remove();
            }
            1..=2 => {
                self.denies = !self.denies;
                self.tell(format!("a DENY policy is there: {}", self.denies));
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
                self.tell("a new pod".to_owned());
                let ports = self.gateway()?.ports();
                nothing_was_refused(self.gateway()?)?;
                self.gateway = None;
                let gateway = Setup::new(NAMESPACE).ports(ports, 0).start(&self.env.plane)?;
                gateway.eventually("the listener", || Ok(std::net::TcpStream::connect(gateway.address()).is_ok()))?;
                self.gateway = Some(gateway);
                self.plugins.iter_mut().for_each(|plugin| plugin.restart(false));
            }
            _ => {
                let document = self.document(at, owner, random);
                self.tell(format!("{} gets a document, {}", owner.plugin, document.is));
                let Sent::Table(table) = &document.sent else { unreachable!("such are not chosen") };
                let mut plugin = wasm_plugin(self.gateway()?, table)?;
                plugin["metadata"]["name"] = owner.plugin.into();
                if table.is_null() {
                    plugin["spec"].as_object_mut().context("a spec")?.remove("pluginConfig");
                }
                self.gateway()?.apply_plugin(&plugin)?;
                self.plugins[at].put(&document);
            }
        }
        self.settle(&before)?;
        self.gauges()?;
        nothing_was_refused(self.gateway()?)
    }

    fn tell(&mut self, event: String) {
        self.told.push(format!("{}. {event}", self.told.len() + 1));
    }

    /// One that an object of the API server can hold, and not what is there.
    fn document(&self, at: usize, owner: Owner, random: &mut Random) -> Document {
        loop {
            let mut document = document::any(owner, random);
            if matches!(document.sent, Sent::Absent) {
                document.sent = Sent::Table(json!(null));
            }
            if matches!(document.sent, Sent::Table(_)) && !self.plugins[at].has(&document) {
                return document;
            }
        }
    }

    fn now(&self) -> Now {
        Now { tables: self.plugins.iter().map(Plugin::may_serve).collect(), denies: self.denies }
    }

    /// Asks until every worker surely serves what it should; until then each answer has to be one from before or after.
    fn settle(&mut self, before: &Now) -> Result<()> {
        let after = self.now();
        let tables = self.plugins.iter().map(Plugin::may_serve_meanwhile).collect();
        let any = [before.clone(), Now { tables, denies: self.denies }];
        let deadline = Instant::now() + PATIENCE;
        let mut in_a_row = 0;
        while in_a_row < IN_A_ROW {
            let (seen, _) = probe::ask_at(self.gateway()?.address(), &[OURS, BESIDE])?;
            for (plugin, answers) in seen.answers.iter().enumerate() {
                self.answers += answers.len();
                for (path, answer) in answers.iter().enumerate() {
                    let may_be = any.iter().any(|now| allows(&now.tables[plugin], path, answer));
                    ensure!(may_be, "plugin {plugin} answers {answers:?}: neither from before nor from after");
                }
            }
            ensure!(any.iter().any(|now| now.allows_denied(&seen.denied)), "the policy: {:?}", seen.denied);
            let tables = after.tables.iter().zip(&seen.answers);
            let mut right = tables.map(|(may, answers)| may.iter().any(|serves| serves[..] == answers[..]));
            let is_after = right.all(|right| right) && after.allows_denied(&seen.denied);
            in_a_row = if is_after { in_a_row + 1 } else { 0 };
            ensure!(Instant::now() < deadline, "{seen:?}, and not {:?}, after {PATIENCE:?}", after.tables);
        }
        Ok(())
    }

    fn gauges(&self) -> Result<()> {
        let gateway = self.gateway()?;
        for plugin in &self.plugins {
            for (gauge, expected) in [("config_degraded", plugin.degraded_gauge()), ("routes", plugin.routes_gauge())] {
                let metric = format!("ksvc_router_{gauge}{{wasm_filter=\"{}\"}}", plugin.owner.table);
                if let Some(expected) = expected {
                    gateway.eventually(&format!("{metric} {expected}"), || {
                        Ok(gateway.metric(&metric)? == Some(expected))
                    })?;
                }
            }
        }
        Ok(())
    }
}
