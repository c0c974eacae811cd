//! The generations of the table that may answer at this moment.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use testenv::gateway::{Document, Gateway};

pub(crate) struct Generations {
    /// Every worker has at least this generation.
    oldest: AtomicU64,
    /// No worker has a newer generation.
    newest: AtomicU64,
}

impl Generations {
    pub(crate) fn new(generation: u64) -> Self {
        Self { oldest: generation.into(), newest: generation.into() }
    }

    pub(crate) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::SeqCst)
    }

    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::SeqCst)
    }

    /// Gives the gateway this generation of the table, and waits until every worker has it.
    pub(crate) fn edit(&self, gateway: &mut Gateway, generation: u64, document: Document) -> Result<()> {
        self.newest.store(generation, Ordering::SeqCst);
        gateway.edit(document)?;
        self.oldest.store(generation, Ordering::SeqCst);
        Ok(())
    }
}
