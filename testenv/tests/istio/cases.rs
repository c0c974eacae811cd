//! Every case table, each applied as an edit of one WasmPlugin on one gateway.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use testenv::cases::{self, CaseFile};
use testenv::istio::ingress::Setup;
use testenv::istio::objects;
use testenv::plugin;

use crate::{Env, manifest, tests};

tests! { every_case_table_holds }

fn every_case_table_holds(env: &Env) -> Result<()> {
    let gateway = Setup::new("cases").start(&env.plane)?;
    let files = cases::files()?.into_iter().map(|path| Ok((CaseFile::read(&path)?, path)));
    let files = files.collect::<Result<Vec<_>>>()?;
    let cases = files.iter().flat_map(|(file, _)| &file.cases);
    let hosts: BTreeSet<&str> = cases.filter_map(|case| case.expected_text("authority")).collect();
    gateway.serve_cases(&hosts.into_iter().collect::<Vec<_>>(), env.stand_in.address())?;

    let mut failures = Vec::new();
    for (file, path) in &files {
        let ports = &gateway.ports()[..2];
        gateway.apply_plugin(&objects::wasm_plugin(manifest()?, "cases", &plugin()?, ports, Some(&file.table))?)?;
        if let Err(error) = cases::run_all(file, &gateway.ingress()) {
            failures.push(format!("{}: {error:#}", path.display()));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
