//! `up FILE [CASES…]`: serves the tables of a file in real Envoy on this machine.

use ksvc_router_cli::up::{self, Options};

use super::{CallError, Report};

/// Runs until a signal comes. Everything is printed when it happens, so the report has only the exit code.
pub(super) fn run(options: &Options) -> Result<Report, CallError> {
    up::run(options).map(|success| Report { success, ..Report::default() }).map_err(CallError::Server)
}
