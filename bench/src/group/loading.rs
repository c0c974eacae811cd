//! What it takes to have a table: the memory that it adds, and the CPU and the time of taking it up.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testenv::http1;
use testenv::http1::Connection;

use crate::cpu::Meter;
use crate::results::Quantity;
use crate::run::Bench;
use crate::table::{HOST, Shape, Table};
use crate::upstream::REACHED;
use crate::variant::{System, Variant};

/// What the filter that does nothing takes is Envoy's own share: the document's way to a VM.
const VARIANTS: [Variant; 4] = [Variant::NoOp, Variant::Ours, Variant::Lua, Variant::Native];
/// How often it is looked whether the new table is there.
const LOOK: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(120);
/// Until what an edit leaves behind is gone.
const SETTLING: Duration = Duration::from_millis(300);

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    for variant in VARIANTS {
        let smallest = resident(&bench.start(variant, &Table::new(Shape::Parameters, 1))?)?;
        for routes in bench.sizes.clone() {
            measure(bench, variant, routes, smallest)?;
        }
    }
    Ok(())
}

fn measure(bench: &mut Bench, variant: Variant, routes: usize, smallest: f64) -> Result<()> {
    let tables = [0, 1].map(|generation| Table::generation(Shape::Parameters, routes, generation));
    if bench.able(&[variant], &tables[0]).is_empty() {
        return Ok(());
    }
    let mut system = bench.start(variant, &tables[0])?;
    let memory = resident(&system)? - smallest;
    let id = system.gateway.id();
    let meters = [Meter::main_thread(id), Meter::workers(id)];
    let (mut main, mut worker, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for edit in 1..=bench.edits {
        let table = &tables[edit % 2];
        let edit = system.prepare(&bench.tools, table)?;
        let before = [meters[0].read()?, meters[1].read()?];
        let begun = Instant::now();
        edit.hand_over()?;
        if variant.routes() {
            await_live(&system, table)?;
            times.push(begun.elapsed().as_nanos());
        } else {
            // Nothing shows when it is there.
            thread::sleep(SETTLING);
        }
        thread::sleep(SETTLING);
        main.push(u128::from(meters[0].read()? - before[0]));
        worker.push(u128::from(meters[1].read()? - before[1]));
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let [main, worker, times] =
        [main, worker, times].map(|values| values.into_iter().map(|held| held as f64).collect::<Vec<_>>());
    let (name, of) = (variant.name(), (Shape::Parameters.name(), routes));
    bench.note(Quantity::Memory, name, of, "", &[memory], None);
    if !times.is_empty() {
        bench.note(Quantity::LoadTime, name, of, "", &times, None);
    }
    bench.note(Quantity::LoadMainCpu, name, of, "", &main, None);
    bench.note(Quantity::LoadCpu, name, of, "", &worker, None);
    Ok(())
}

/// Asks until a request goes where this table has it go.
fn await_live(system: &System, table: &Table) -> Result<()> {
    let route = table.routes.last().context("a table has routes")?;
    let request = http1::Request::get(HOST, route.example());
    let mut connection = Connection::open(system.address())?;
    let deadline = Instant::now() + PATIENCE;
    while connection.send(&request)?.header(REACHED) != Some(&route.authority()) {
        ensure!(Instant::now() < deadline, "the table is not taken up:\n{}", system.gateway.log_tail());
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Of the gateway's process, in bytes.
fn resident(system: &System) -> Result<f64> {
    thread::sleep(SETTLING);
    let pages = fs::read_to_string(format!("/proc/{}/smaps_rollup", system.gateway.id()))?;
    let resident = pages.lines().find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB"));
    Ok(resident.context("no Rss")?.trim().parse::<f64>()? * 1024.0)
}
