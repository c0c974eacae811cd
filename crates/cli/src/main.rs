//! The command `ksvc-router`: it checks, explains and tests route tables in the files where they are written, serves them
//! in a gateway on this machine, and says whether a cluster can serve them and does.
//!
//! Exit codes: 0 success; 1 the input or the installation has errors, or a test failed; 2 the command line was wrong, or
//! the cluster can't be read.

mod commands;

use std::io::Write;
use std::process::ExitCode;

use crate::commands::{CallError, Report};
use ksvc_router_cli::args;

fn main() -> ExitCode {
    match commands::run(args::parse()) {
        Ok(report) => {
            print(&report);
            if report.success { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(CallError::Refused(report)) => {
            print(&report);
            ExitCode::from(2)
        }
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Prints a report. Errors are ignored: the reader of a pipe, such as `head`, may have ended.
fn print(report: &Report) {
    let _ = anstream::stderr().write_all(report.err.as_bytes());
    let mut stdout = anstream::stdout();
    let _ = stdout.write_all(report.out.as_bytes()).and_then(|()| stdout.flush());
}
