//! `cargo xtask up`: runs `ksvc-router up` with the sources of this repository: the plugin and the table of
//! `wasm-plugin.yaml`, with the sample requests as its cases.

use std::env;
use std::process::ExitCode;

use anyhow::Result;
use ksvc_router_cli::up::{self, Options};
use testenv::{envoy, plugin, repository};

use crate::{build, samples};

pub(crate) fn run(once: bool) -> Result<ExitCode> {
    build::all()?;
    let (envoy, plugin) = (Some(envoy::find()?), Some(plugin()?));
    // Messages begin with the names of the files as they are given here.
    env::set_current_dir(repository())?;
    let cases = vec![samples::FILE.into()];
    let success =
        up::run(&Options { file: "wasm-plugin.yaml".into(), cases, once, envoy, plugin, ..Options::default() })?;
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
