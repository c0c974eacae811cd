//! Random numbers from a seed that is printed, so that a failing test can be repeated: `MODULE_SEED=… cargo test …`.

use std::time::{SystemTime, UNIX_EPOCH};

/// The SplitMix64 generator.
pub(crate) struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// Returns a generator with the seed in this environment variable, or with a new seed.
    pub(crate) fn new(variable: &str) -> Self {
        let seed = match std::env::var(variable) {
            Ok(seed) => seed.parse().unwrap_or_else(|_| panic!("{variable} is a number")),
            Err(_) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
                u64::from(now.subsec_nanos()) ^ now.as_secs()
            }
        };
        println!("{variable}={seed}");
        Self::of(seed)
    }

    pub(crate) fn of(seed: u64) -> Self {
        Random { seed, state: seed }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`, which must not be 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
