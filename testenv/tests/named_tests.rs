//! Every test that docs/operations.md names as `module::test` exists, under Istio or under Knative.

use std::fs;

use anyhow::{Context, Result, ensure};
use testenv::repository;

#[test]
fn every_test_that_operations_md_names_exists() -> Result<()> {
    let tests = repository().join("testenv/tests");
    let source = |layer: &str, module: &str| {
        fs::read_to_string(tests.join(layer).join(format!("{module}.rs"))).unwrap_or_default()
    };
    let page = fs::read_to_string(repository().join("docs/operations.md")).context("docs/operations.md")?;
    let named = page.split('`').filter_map(|code| code.split_once("::"));
    let named: Vec<_> = named.filter(|(module, name)| is_identifier(module) && is_identifier(name)).collect();
    ensure!(named.len() > 40, "docs/operations.md names too few tests: {named:?}");
    for (module, name) in named {
        let exists = ["istio", "knative"].iter().any(|layer| source(layer, module).contains(&format!("\nfn {name}(")));
        ensure!(exists, "docs/operations.md names {module}::{name}, which is no test");
    }
    Ok(())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
