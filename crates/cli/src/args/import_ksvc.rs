//! The arguments of `import ksvc`.

use clap::Args;

#[derive(Debug, Args)]
pub struct ImportKsvc {}
