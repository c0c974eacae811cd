//! Which generations of the table may answer at this moment.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use testenv::gateway::{Document, Gateway};

pub(crate) struct Live {
    /// Every worker has at least this one.
    oldest: AtomicU64,
    /// No worker has a newer one.
    newest: AtomicU64,
}

impl Live {
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
