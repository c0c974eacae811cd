//! The command `ksvc-router`: it checks, explains and tests route tables in the files where they are written, serves them
//! in a gateway on this machine, and says whether a cluster can serve them and does.
//!
//! Exit codes: 0 success; 1 the input or the installation has errors, or a test failed; 2 the command line was wrong,
//! the cluster can't be read, or the output can't be written.

mod commands;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use crate::commands::{CallError, Report};
use ksvc_router_cli::args;
use ksvc_router_cli::print::to_stderr;
use ksvc_router_cli::words::reason;

fn main() -> ExitCode {
    match commands::run(args::parse()) {
        Ok(report) => print(&report, if report.success { 0 } else { 1 }),
        Err(CallError::Refused(report)) => print(&report, 2),
        Err(error) => {
            to_stderr(&format!("error: {error}\n"));
            ExitCode::from(2)
        }
    }
}

/// Prints a report. Returns this code, or 2 if the report could not be written, for example to a full disk. It is no error
/// if the reader of a pipe has ended, as `head` does.
fn print(report: &Report, code: u8) -> ExitCode {
    to_stderr(&report.err);
    let mut stdout = anstream::stdout();
    match stdout.write_all(report.out.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            to_stderr(&format!("error: the output could not be written completely: {}\n", reason(&error)));
            ExitCode::from(2)
        }
        _ => ExitCode::from(code),
    }
}
