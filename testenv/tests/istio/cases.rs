//! Every case table, each applied as an edit of one WasmPlugin on one gateway.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::json;
use testenv::cases::{self, CaseFile, Ingress};
use testenv::istio::ingress::Setup;

use crate::{Env, tests, wasm_plugin};

tests! { every_case_table_holds }

/// Those whose path Envoy's `normalize_path` would change go to a gateway of an istiod that leaves it off.
fn every_case_table_holds(env: &Env) -> Result<()> {
    let files = cases::files()?.into_iter().map(|path| Ok((CaseFile::read(&path)?, path)));
    let files = files.collect::<Result<Vec<_>>>()?;
    let cases = files.iter().flat_map(|(file, _)| &file.cases);
    let hosts: BTreeSet<&str> = cases.filter_map(|case| case.expected_text("authority")).collect();
    let hosts: Vec<&str> = hosts.into_iter().collect();

    let usual = env.gateway("cases", &hosts)?;
    let unchanged = json!({"pathNormalization": {"normalization": "NONE"}});
    let istiod = env.plane.another_istiod("istiod-as-sent", &unchanged)?;
    let as_sent = Setup::new("cases-as-sent").start_under(&env.plane, &istiod)?;
    as_sent.serve_http(&hosts, env.stand_in.address())?;
    let ingress = Ingress::of_istio(usual.address().into(), as_sent.address().into());

    let mut failures = Vec::new();
    for (file, path) in &files {
        for gateway in [&usual, &as_sent] {
            gateway.apply_plugin(&wasm_plugin(gateway, &file.table)?)?;
        }
        if let Err(error) = cases::run_all(file, &ingress) {
            failures.push(format!("{}: {error:#}", path.display()));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
