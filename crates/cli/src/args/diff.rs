//! The arguments of `diff`.

use clap::Args;

#[derive(Debug, Args)]
pub struct Diff {}
