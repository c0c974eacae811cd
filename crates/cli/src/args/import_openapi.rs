//! The arguments of `import openapi`.

use clap::Args;

#[derive(Debug, Args)]
pub struct ImportOpenapi {}
