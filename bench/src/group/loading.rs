//! The memory that a table adds, and the CPU and the time to load it.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testenv::http1;
use testenv::http1::Connection;

use crate::cpu::Meter;
use crate::results::Quantity;
use crate::run::Run;
use crate::table::{HOST, Shape, Table};
use crate::upstream::REACHED;
use crate::variant::{System, Variant};

/// The cost of the no-op filter is Envoy's own share: it is the cost of passing the document to a VM.
const VARIANTS: [Variant; 4] = [Variant::NoOp, Variant::Ours, Variant::Lua, Variant::Native];
/// The time between two checks whether the new table is in use.
const INTERVAL: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(120);
/// The time after which Envoy has removed what an edit replaced.
const SETTLING: Duration = Duration::from_millis(300);

pub(super) fn measure(run: &mut Run) -> Result<()> {
    for variant in VARIANTS {
        let smallest = resident(&run.start(variant, &Table::new(Shape::Parameters, 1))?)?;
        for routes in run.sizes.clone() {
            measure_table(run, variant, routes, smallest)?;
        }
    }
    Ok(())
}

fn measure_table(run: &mut Run, variant: Variant, routes: usize, smallest: f64) -> Result<()> {
    let tables = [0, 1].map(|generation| Table::generation(Shape::Parameters, routes, generation));
    if run.supported(&[variant], &tables[0]).is_empty() {
        return Ok(());
    }
    let mut system = run.start(variant, &tables[0])?;
    let memory = resident(&system)? - smallest;
    let id = system.gateway.id();
    let meters = [Meter::main_thread(id), Meter::workers(id)];
    let (mut main, mut worker, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for edit in 1..=run.edits {
        let table = &tables[edit % 2];
        let edit = system.prepare(&run.tools, table)?;
        let before = [meters[0].read()?, meters[1].read()?];
        let begun = Instant::now();
        edit.apply()?;
        if variant.selects_routes() {
            await_table(&system, table)?;
            times.push(begun.elapsed().as_nanos());
        } else {
            // No response shows when this variant has loaded the table.
            thread::sleep(SETTLING);
        }
        thread::sleep(SETTLING);
        main.push(u128::from(meters[0].read()? - before[0]));
        worker.push(u128::from(meters[1].read()? - before[1]));
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let [main, worker, times] =
        [main, worker, times].map(|values| values.into_iter().map(|value| value as f64).collect::<Vec<_>>());
    let (name, table) = (variant.name(), (Shape::Parameters.name(), routes));
    run.record(Quantity::Memory, name, table, "", &[memory], None);
    if !times.is_empty() {
        run.record(Quantity::LoadTime, name, table, "", &times, None);
    }
    run.record(Quantity::LoadMainCpu, name, table, "", &main, None);
    run.record(Quantity::LoadCpu, name, table, "", &worker, None);
    Ok(())
}

/// Sends requests until one reaches the service that this table names.
fn await_table(system: &System, table: &Table) -> Result<()> {
    let route = table.routes.last().context("the table has no routes")?;
    let request = http1::Request::get(HOST, route.example());
    let mut connection = Connection::open(system.address())?;
    let deadline = Instant::now() + PATIENCE;
    while connection.send(&request)?.header(REACHED) != Some(&route.authority()) {
        ensure!(
            Instant::now() < deadline,
            "the table is not in use after {PATIENCE:?}:\n{}",
            system.gateway.log_tail()
        );
        thread::sleep(INTERVAL);
    }
    Ok(())
}

/// Returns the resident memory of the gateway's process in bytes.
fn resident(system: &System) -> Result<f64> {
    thread::sleep(SETTLING);
    let pages = fs::read_to_string(format!("/proc/{}/smaps_rollup", system.gateway.id()))?;
    let resident = pages.lines().find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB"));
    Ok(resident.context("smaps_rollup has no Rss")?.trim().parse::<f64>()? * 1024.0)
}
