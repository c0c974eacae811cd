//! `serve PATH…`: serves the page of the routes on this machine.

use ksvc_router_cli::args::Format;
use ksvc_router_cli::serve::{self, Options};

use super::{CallError, Report, refuse};

/// Runs until a signal comes.
pub(super) fn run(options: &Options) -> Result<Report, CallError> {
    Ok(match serve::run(options).map_err(CallError::Server)? {
        Ok(()) => Report { success: true, ..Report::default() },
        Err(messages) => refuse(&messages, Format::Text),
    })
}
