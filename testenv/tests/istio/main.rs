//! The released module under Istio's real control plane, controlled by kubectl alone, as users run it, but without a
//! cluster. All tests share one control plane, and each starts a gateway in a namespace of its own.

mod access_log;
mod admission;
mod alternatives;
mod cases;
mod chart;
mod cluster;
mod collector;
#[path = "../common/mod.rs"]
mod common;
mod dashboard;
mod documents;
mod edits;
mod events;
mod fail_strategy;
mod https;
mod install;
mod manifests;
mod migrating;
mod monitoring;
#[path = "../common/page.rs"]
mod page;
mod policies;
mod prometheus;
mod protocols;
mod registry;
mod release;
mod runbook;
mod tables;
mod telemetry;
mod tracing;

// These modules are shared with the tests of events with Envoy alone.
#[allow(dead_code, reason = "shared with other test programs, which use different parts of it")]
#[path = "../events/document.rs"]
mod document;
#[allow(dead_code, reason = "shared with other test programs, which use different parts of it")]
#[path = "../events/model.rs"]
mod model;
#[allow(dead_code, reason = "shared with other test programs, which use different parts of it")]
#[path = "../events/probe.rs"]
mod probe;
#[allow(dead_code, reason = "shared with other test programs, which use different parts of it")]
#[path = "../common/random.rs"]
mod random;
#[path = "../common/trap.rs"]
mod trap;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;
use testenv::istio::ingress::Setup;
use testenv::istio::{ControlPlane, IngressGateway, Tools, objects};
use testenv::stand_in::StandIn;
use testenv::{packaging, plugin, repository, yaml};

/// The environment that all tests share.
pub(crate) struct Env {
    pub(crate) plane: ControlPlane,
    pub(crate) stand_in: StandIn,
    pub(crate) packaging: packaging::Tools,
    /// The API server that the tests of admission.yaml start.
    guarded: Mutex<Option<Arc<admission::Guarded>>>,
}

/// The name and function of a test. The name is the rule that the test checks.
type Test = (&'static str, fn(&Env) -> Result<()>);

/// Lists the tests of a module.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) const TESTS: &[$crate::Test] = &[$((concat!(module_path!(), "::", stringify!($name)), $name)),*];
    };
}
use tests;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests = [
        access_log::TESTS,
        admission::TESTS,
        alternatives::TESTS,
        cases::TESTS,
        chart::TESTS,
        cluster::TESTS,
        documents::TESTS,
        edits::TESTS,
        events::TESTS,
        fail_strategy::TESTS,
        https::TESTS,
        install::TESTS,
        manifests::TESTS,
        migrating::TESTS,
        monitoring::TESTS,
        policies::TESTS,
        protocols::TESTS,
        registry::TESTS,
        release::TESTS,
        runbook::TESTS,
        tables::TESTS,
        tracing::TESTS,
    ];
    let tests = tests.concat();
    let env = match start(&arguments) {
        Ok(env) => env.map(Arc::new),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    };
    let trial = |(name, test): &Test| {
        let (env, test) = (env.clone(), *test);
        let name = name.strip_prefix("istio::").unwrap_or(name);
        Trial::test(name, move || match &env {
            Some(env) => test(env).map_err(|error| format!("{error:#}").into()),
            None => Err("no test can run while the tests are listed".into()),
        })
    };
    // The control plane is dropped when this function returns. A static would never be dropped.
    libtest_mimic::run(&arguments, tests.iter().map(trial).collect()).exit_code()
}

fn start(arguments: &Arguments) -> Result<Option<Env>> {
    if arguments.list {
        return Ok(None);
    }
    plugin()?;
    let packaging = packaging::Tools::find_or_build()?;
    let plane = ControlPlane::start(&Tools::find_or_build()?)?;
    Ok(Some(Env { plane, stand_in: StandIn::start()?, packaging, guarded: Mutex::default() }))
}

impl Env {
    /// Starts a gateway with one plain-HTTP server and a KSVC for each of these hosts.
    pub(crate) fn gateway(&self, namespace: &str, hosts: &[&str]) -> Result<IngressGateway> {
        let gateway = Setup::new(namespace).start(&self.plane)?;
        gateway.serve_http(hosts, self.stand_in.address())?;
        Ok(gateway)
    }
}

/// Returns `wasm-plugin.yaml` with this table and the built module, for the gateway's first port.
pub(crate) fn wasm_plugin(gateway: &IngressGateway, table: &Value) -> Result<Value> {
    objects::wasm_plugin(manifest()?, gateway.namespace(), &plugin()?, &gateway.ports()[..1], Some(table))
}

/// Returns `wasm-plugin.yaml`.
pub(crate) fn manifest() -> Result<Value> {
    yaml::read(&repository().join("wasm-plugin.yaml"))
}

/// Repeats checks until they pass. If that takes too long, the error contains that of the last try. `what` names what is
/// waited for.
pub(crate) fn eventually(gateway: &IngressGateway, what: &str, mut checks: impl FnMut() -> Result<()>) -> Result<()> {
    let mut last = Ok(());
    let passed = gateway.eventually(what, || {
        last = checks();
        Ok(last.is_ok())
    });
    passed.map_err(|error| match last {
        Ok(()) => error,
        Err(last) => error.context(last),
    })
}
