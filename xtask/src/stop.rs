//! Handles Ctrl-C. It only sets a flag, so that the task can stop everything that it has started, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

/// Returns a flag that becomes true at the first Ctrl-C.
pub(crate) fn on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    ctrlc::set_handler(move || stopped.store(true, Ordering::Relaxed))?;
    Ok(stop)
}
