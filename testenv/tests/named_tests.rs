//! Every test that an operator's page, or the page about the installation, names as `module::test` exists, under Istio or
//! under Knative.

use std::fs;

use anyhow::{Context, Result, ensure};
use testenv::repository;

#[test]
fn every_test_that_the_pages_name_exists() -> Result<()> {
    let tests = repository().join("testenv/tests");
    let source = |layer: &str, module: &str| {
        fs::read_to_string(tests.join(layer).join(format!("{module}.rs"))).unwrap_or_default()
    };
    for (page, least) in [
        ("docs/operations.md", 40),
        ("docs/install.md", 2),
        ("docs/zh/install.md", 2),
        ("docs/monitoring.md", 2),
        ("docs/runbook.md", 5),
    ] {
        let text = fs::read_to_string(repository().join(page)).context(page)?;
        let named = text.split('`').filter_map(|code| code.split_once("::"));
        let named: Vec<_> = named.filter(|(module, name)| is_identifier(module) && is_identifier(name)).collect();
        ensure!(named.len() >= least, "{page} names too few tests: {named:?}");
        for (module, name) in named {
            let exists =
                ["istio", "knative"].iter().any(|layer| source(layer, module).contains(&format!("\nfn {name}(")));
            ensure!(exists, "{page} names {module}::{name}, which is no test");
        }
    }
    Ok(())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
