//! Measures several candidates in rounds. The candidates take turns within a round, so a disturbance of the machine
//! affects all of them alike.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cpu::Meter;
use crate::load::Load;
use crate::results::Spread;

/// A load, and the threads whose CPU it is measured by.
pub struct Candidate {
    pub name: String,
    pub load: Load,
    pub meter: Meter,
}

#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The time for which each candidate runs before the first round. Afterwards, code that runs often has been compiled
    /// by the optimizing compiler, caches are warm and connections are open.
    pub warm_up: Duration,
    pub rounds: usize,
    /// The time for which each candidate runs in each round.
    pub turn: Duration,
}

/// The number of pieces that a turn is divided into. The pieces of all candidates alternate, so that a disturbance that
/// comes and goes within a round affects all of them.
const PIECES: u32 = 5;

/// Returns nanoseconds of CPU per request: for each candidate, one value per round.
pub fn run(candidates: &mut [Candidate], schedule: Schedule) -> Result<Vec<Vec<f64>>> {
    for candidate in candidates.iter_mut() {
        candidate.take_turn(schedule.warm_up)?;
    }
    let mut values = vec![Vec::new(); candidates.len()];
    for _ in 0..schedule.rounds {
        let mut sums = vec![Turn::default(); candidates.len()];
        for _ in 0..PIECES {
            for (candidate, sum) in candidates.iter_mut().zip(&mut sums) {
                let turn = candidate.take_turn(schedule.turn / PIECES)?;
                sum.cpu_time += turn.cpu_time;
                sum.requests += turn.requests;
            }
        }
        for (values, sum) in values.iter_mut().zip(sums) {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            values.push(sum.cpu_time as f64 / sum.requests as f64);
        }
    }
    Ok(values)
}

#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// In nanoseconds.
    cpu_time: u64,
    requests: u64,
}

impl Candidate {
    fn take_turn(&mut self, length: Duration) -> Result<Turn> {
        self.try_take_turn(length).with_context(|| self.name.clone())
    }

    fn try_take_turn(&mut self, length: Duration) -> Result<Turn> {
        let before = self.meter.read()?;
        let requests = self.load.run(length)?;
        // The scheduler updates a thread's account when the thread goes to sleep.
        thread::sleep(Duration::from_millis(2));
        let cpu_time = self.meter.read()? - before;
        ensure!(cpu_time > 0, "the scheduler reports no CPU time");
        Ok(Turn { cpu_time, requests })
    }
}

/// Combines the values of two candidates round by round.
pub fn combine(one: &[f64], other: &[f64], with: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| with(*one, *other)).collect()
}

impl Spread {
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self { least: at(0), median, most: at(sorted.len().saturating_sub(1)), rounds: sorted.len() }
    }
}
