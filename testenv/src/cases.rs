//! Reads the case tables of `testenv/cases/*.yaml`, which have the format of `ksvc-router test`, and runs them in a
//! gateway.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ksvc_router_cli::{cases, load};
use serde_json::Value;

pub use ksvc_router_cli::cases::Case;
pub use ksvc_router_cli::live::{CaseResult, Differences, Ingress, Sent, own_status, run, value_of};

use crate::gateway::Setup;
use crate::{repository, yaml};

/// A case file: a route table and the requests that show what it does.
#[derive(Debug)]
pub struct CaseFile {
    /// The table under test: the one in the file, or else that of the repository's `wasm-plugin.yaml`.
    pub table: Value,
    pub cases: Vec<Case>,
}

/// Returns the paths of all case files of the repository, sorted.
pub fn files() -> Result<Vec<PathBuf>> {
    let folder = repository().join("testenv/cases");
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    Ok(files)
}

impl CaseFile {
    pub fn read(path: &Path) -> Result<Self> {
        let source = load::read(path)?.map_err(|message| yaml::error_of(&[message]))?;
        let cases = cases::read(&source).map_err(|messages| yaml::error_of(&messages))?;
        let own = load::from_named(&source).configurations.pop().and_then(|configuration| configuration.node);
        let table = match own {
            Some(table) => table.to_value(),
            None => yaml::plugin_config(&repository().join("wasm-plugin.yaml"))?,
        };
        Ok(Self { table, cases })
    }

    /// Returns the setup of a gateway with the table under test, a KSVC for every authority that a case expects, and a
    /// virtual host for all other hosts.
    pub fn setup(&self, envoy: &Path, plugin: &Path) -> Setup {
        let targets = self.cases.iter().filter_map(|case| case.expected_text("authority"));
        Setup::new(envoy, plugin, self.table.clone()).ksvcs(targets).catch_all().raw_paths()
    }
}

/// Runs every case of a file. The error names all cases that fail, with their differences.
pub fn run_all(file: &CaseFile, ingress: &Ingress) -> Result<()> {
    let mut failures = Vec::new();
    for case in &file.cases {
        let result = run(case, ingress)?;
        if !result.differences.is_empty() {
            let (method, status) = (Sent::of(case).method, result.response.status);
            let differences = result.differences.join("\n    ");
            failures.push(format!("- {} ({method} {}, status {status})\n    {differences}", case.name, case.url));
        }
    }
    let (failed, all) = (failures.len(), file.cases.len());
    ensure!(failures.is_empty(), "{failed} of {all} cases fail\n{}", failures.join("\n"));
    Ok(())
}
