//! `up FILE [CASES…]`: serves the tables of a file in real Envoy on this machine.

use ksvc_router_cli::up::{self, Options};

use super::{CallError, Report};
use ksvc_router_cli::args::Format;

/// Runs until a signal comes. Everything is printed when it happens, so the report has only the exit code.
pub(super) fn run(options: &Options, format: Format) -> Result<Report, CallError> {
    if format != Format::Text {
        return Err(CallError::Up(anyhow::anyhow!("--format: `up` prints text alone; leave the option out")));
    }
    up::run(options).map(|success| Report { success, ..Report::default() }).map_err(CallError::Up)
}
