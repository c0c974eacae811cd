//! Every case table, each applied as an edit of one WasmPlugin on one gateway.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::json;
use testenv::cases::{self, CaseFile, Ingress};
use testenv::istio::ingress::Setup;

use crate::{Env, tests, wasm_plugin};

tests! { every_case_has_the_expected_result }

/// Requests with a path that Envoy's `normalize_path` would change go to another gateway, whose istiod switches it off.
fn every_case_has_the_expected_result(env: &Env) -> Result<()> {
    let files = cases::files()?.into_iter().map(|path| Ok((CaseFile::read(&path)?, path)));
    let files = files.collect::<Result<Vec<_>>>()?;
    let cases = files.iter().flat_map(|(file, _)| &file.cases);
    let hosts: BTreeSet<&str> = cases.filter_map(|case| case.expected_text("authority")).collect();
    let hosts: Vec<&str> = hosts.into_iter().collect();

    let usual = env.gateway("cases", &hosts)?;
    let no_normalization = json!({"pathNormalization": {"normalization": "NONE"}});
    let istiod = env.plane.another_istiod("istiod-raw-paths", &no_normalization)?;
    let raw_paths = Setup::new("cases-raw-paths").start_under(&env.plane, &istiod)?;
    raw_paths.serve_http(&hosts, env.stand_in.address())?;
    let ingress = Ingress::of_istio(usual.address().into(), raw_paths.address().into());

    let mut failures = Vec::new();
    for (file, path) in &files {
        for gateway in [&usual, &raw_paths] {
            gateway.apply_plugin(&wasm_plugin(gateway, &file.table)?)?;
        }
        if let Err(error) = cases::run_all(file, &ingress) {
            failures.push(format!("{}: {error:#}", path.display()));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
