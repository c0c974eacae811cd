//! `ksvc-router`: route tables checked, explained and tested where they are written, without a gateway.
//!
//! Exit codes: 0 fine; 1 the input has errors, or a test failed; 2 the call was wrong.

mod args;
mod commands;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::commands::Report;

fn main() -> ExitCode {
    match commands::run(Args::parse()) {
        Ok(Report { out, err, good }) => {
            // Who reads may have gone, as `head` does; there is nobody left to tell.
            let _ = anstream::stderr().write_all(err.as_bytes());
            let mut stdout = anstream::stdout();
            let _ = stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush());
            if good { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}
