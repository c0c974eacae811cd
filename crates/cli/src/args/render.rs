//! The arguments of `render`.

use clap::Args;

#[derive(Debug, Args)]
pub struct Render {}
