//! The released module under real Knative with net-gateway-api, controlled by kubectl alone. All tests share one Knative
//! and one gateway. Each has an [`Api`](api::Api) of its own: a public host, a namespace and a WasmPlugin.

mod api;
mod arrival;
mod attachment;
mod captured;
mod cases;
mod cold_starts;
#[allow(dead_code, reason = "shared with other test programs, which use different parts of it")]
#[path = "../common/mod.rs"]
mod common;
mod domains;
mod edits;
mod failures;
mod lifecycle;
mod limits;
mod load;
#[path = "../common/page.rs"]
mod page;
mod policies;
mod probes;
mod revisions;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, RwLock};

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};
use testenv::knative::{Knative, Tools, function, namespaces};
use testenv::plugin;

/// What all tests share.
pub(crate) struct Env {
    pub(crate) knative: Knative,
    /// The names of the APIs so far. A name is used once, because the namespace of a finished test is still being deleted.
    names: Mutex<BTreeSet<String>>,
    /// Held by each test, and exclusively by one that affects the hosts of others.
    turn: RwLock<()>,
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
    if let Some(code) = function::run_if_called() {
        return code;
    }
    let arguments = Arguments::from_args();
    let env = if arguments.list {
        None
    } else {
        match start() {
            Ok(Ok(env)) => Some(Arc::new(env)),
            Ok(Err(code)) => return code,
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::FAILURE;
            }
        }
    };
    let tests = [
        arrival::TESTS,
        attachment::TESTS,
        captured::TESTS,
        cases::TESTS,
        cold_starts::TESTS,
        domains::TESTS,
        edits::TESTS,
        failures::TESTS,
        lifecycle::TESTS,
        limits::TESTS,
        policies::TESTS,
        probes::TESTS,
        revisions::TESTS,
    ];
    let tests = tests.concat();
    let trial = |(name, test): &Test| {
        let (env, test) = (env.clone(), *test);
        let name = name.strip_prefix("knative::").unwrap_or(name);
        Trial::test(name, move || match &env {
            Some(env) => test(env).map_err(|error| format!("{error:#}").into()),
            None => Err("no test can run while the tests are listed".into()),
        })
    };
    // They measure and check nothing, so they run only when they are named: `-- --ignored NAME`.
    let measurements = cold_starts::MEASUREMENTS.iter().map(|test| trial(test).with_ignored_flag(true));
    let trials = tests.iter().map(trial).chain(measurements).collect();
    // Knative is dropped when this function returns. A static would never be dropped.
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Starts Knative in namespaces of its own, or returns the exit code of the program that has run in them.
fn start() -> Result<Result<Env, ExitCode>> {
    plugin()?;
    let tools = Tools::find_or_build()?;
    if let Some(code) = namespaces::enter()? {
        return Ok(Err(code));
    }
    let knative = Knative::start(&tools)?;
    Ok(Ok(Env { knative, names: Mutex::default(), turn: RwLock::default() }))
}
