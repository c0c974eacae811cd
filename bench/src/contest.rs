//! Rounds in which each has its turn, one after another: what disturbs the machine disturbs all of them alike.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cpu::Meter;
use crate::load::Load;
use crate::results::Spread;

/// Who takes part: the load, and whose CPU it costs.
pub struct Contestant {
    pub name: String,
    pub load: Load,
    pub meter: Meter,
}

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Of each contestant before the first round: what runs often enough is compiled anew by then, caches are warm and
    /// connections open.
    pub warm_up: Duration,
    pub rounds: usize,
    /// Of each contestant in each round.
    pub turn: Duration,
}

/// A round's turn is taken in so many pieces, in between those of the others, so that what comes and goes in between
/// hits all of them.
const PIECES: u32 = 5;

/// Nanoseconds of CPU a request: for each contestant, one value a round.
pub fn run(contestants: &mut [Contestant], pace: Pace) -> Result<Vec<Vec<f64>>> {
    for contestant in contestants.iter_mut() {
        contestant.turn(pace.warm_up)?;
    }
    let mut values = vec![Vec::new(); contestants.len()];
    for _ in 0..pace.rounds {
        let mut sums = vec![Turn::default(); contestants.len()];
        for _ in 0..PIECES {
            for (contestant, sum) in contestants.iter_mut().zip(&mut sums) {
                let turn = contestant.turn(pace.turn / PIECES)?;
                sum.used += turn.used;
                sum.requests += turn.requests;
            }
        }
        for (values, sum) in values.iter_mut().zip(sums) {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            values.push(sum.used as f64 / sum.requests as f64);
        }
    }
    Ok(values)
}

#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// Nanoseconds of CPU.
    used: u64,
    requests: u64,
}

impl Contestant {
    fn turn(&mut self, length: Duration) -> Result<Turn> {
        self.try_turn(length).with_context(|| self.name.clone())
    }

    fn try_turn(&mut self, length: Duration) -> Result<Turn> {
        let before = self.meter.read()?;
        let requests = self.load.run(length)?;
        // A thread is accounted for when it has gone to sleep.
        thread::sleep(Duration::from_millis(2));
        let used = self.meter.read()? - before;
        ensure!(used > 0, "no CPU is accounted for");
        Ok(Turn { used, requests })
    }
}

/// Round by round.
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
