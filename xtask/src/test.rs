//! `cargo xtask test`: runs every check and test, layer by layer, the cheap ones first, and prints a summary.
//!
//! `--quick` runs only the layers that need neither Envoy nor the built module. It is for daily work and takes under
//! two minutes on a built tree.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use testenv::envoy;

use crate::build;
use crate::step::{self, cargo};

/// One layer of a run.
struct Layer {
    name: &'static str,
    /// What the layer checks, with about how long it takes on two cores and a built tree.
    parts: &'static [(&'static str, &'static str)],
    run: fn() -> Result<()>,
    /// The names of the layers without which this one can't run.
    needs: &'static [&'static str],
}

const BUILD: Layer = Layer {
    name: "build",
    parts: &[(
        "2 min",
        "dist/plugin.wasm, the core of the page in dist/page, dist/ksvc-router, and the filter that does nothing",
    )],
    run: || build::all().and_then(|()| build::no_op()),
    needs: &[],
};

const FORMAT: Layer = Layer {
    name: "format",
    parts: &[("<1 min", "rustfmt")],
    run: || step::run("Format (`cargo fmt --all` corrects it)", cargo(["fmt", "--all", "--check"])),
    needs: &[],
};

const NATIVE_LINTS: Layer = Layer {
    name: "lints, native",
    parts: &[("1 min", "clippy for everything that runs on this machine, with all features of testenv")],
    run: || {
        let features = "testenv/istio,testenv/knative,testenv/browser,testenv/openapi,testenv/load";
        let clippy = ["clippy", "--workspace", "--all-targets", "--features", features, "--", "-D", "warnings"];
        step::run("Lints, native", cargo(clippy))
    },
    needs: &[],
};

const PLUGIN_LINTS: Layer = Layer {
    name: "lints, plugin",
    parts: &[("<1 min", "clippy for the plugin, for wasm32-wasip1")],
    run: || {
        let clippy = ["clippy", "-p", "ksvc-router", "--target", "wasm32-wasip1", "--", "-D", "warnings"];
        step::run("Lints, plugin", cargo(clippy))
    },
    needs: &[],
};

const PURE_TESTS: Layer = Layer {
    name: "pure tests",
    parts: &[("1 min", "crates/routing, crates/discovery, crates/explanation, crates/cli and crates/oci-artifacts")],
    run: || {
        let packages = ["ksvc-routing", "ksvc-discovery", "ksvc-explanation", "ksvc-router-cli", "oci-artifacts"];
        let packages = packages.into_iter().flat_map(|package| ["-p", package]);
        let test = ["test"].into_iter().chain(packages).chain(["--no-fail-fast"]);
        step::run("Pure tests", cargo(test))
    },
    needs: &[],
};

const ENVOY: Layer = Layer {
    name: "Envoy",
    parts: &[("<1 min", "every version of Envoy that the tests run on; the first time, 200 MB are downloaded")],
    run: fetch_envoys,
    needs: &[],
};

/// A single run of Cargo, so that the dependencies of the whole workspace are built once.
const ALL_TESTS: Layer = Layer {
    name: "tests",
    parts: &[
        ("1 min", "pure: crates/routing, crates/discovery, crates/explanation, crates/cli and crates/oci-artifacts"),
        ("3 min", "module: dist/plugin.wasm in a wasm runtime"),
        ("6 min", "end to end: dist/plugin.wasm in real Envoy"),
    ],
    run: || step::run("Tests: pure, module, end to end", cargo(["test", "--workspace", "--no-fail-fast"])),
    needs: &["build", "Envoy"],
};

/// Runs every layer. The build comes first because it installs the target that the plugin's lints need.
pub(crate) fn all() -> Result<ExitCode> {
    run(&[BUILD, FORMAT, NATIVE_LINTS, PLUGIN_LINTS, ENVOY, ALL_TESTS])
}

/// Runs the layers of daily work.
pub(crate) fn quick() -> Result<ExitCode> {
    run(&[FORMAT, NATIVE_LINTS, PLUGIN_LINTS, PURE_TESTS])
}

fn run(layers: &[Layer]) -> Result<ExitCode> {
    eprintln!("==> The layers of this run, and about how long each takes on two cores and a built tree:");
    for layer in layers {
        for (index, (minutes, what)) in layer.parts.iter().enumerate() {
            let name = if index == 0 { layer.name } else { "" };
            eprintln!("    {name:<14} {minutes:>6}   {what}");
        }
    }

    let begun = Instant::now();
    let mut passed = Vec::new();
    let mut summary = Vec::new();
    for layer in layers {
        let missing = layer.needs.iter().find(|needed| !passed.contains(*needed));
        let result = match missing {
            Some(missing) => format!("not run, because it needs the layer that failed: {missing}"),
            None => match (layer.run)() {
                Ok(()) => {
                    passed.push(layer.name);
                    "ok".to_owned()
                }
                Err(error) => {
                    eprintln!("error: {error:#}");
                    "FAILED".to_owned()
                }
            },
        };
        summary.push((layer.name, result));
    }

    eprintln!("\n==> Summary, after {:.1} min", begun.elapsed().as_secs_f64() / 60.0);
    for (name, result) in &summary {
        eprintln!("    {name:<14} {result}");
    }
    Ok(if passed.len() == layers.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Finds the Envoy of this machine and every version that the tests run on, or downloads them. This is not left to the
/// tests, because their output is captured and would hide the progress of a download.
fn fetch_envoys() -> Result<()> {
    eprintln!("==> Envoy");
    eprintln!("    {}", envoy::find()?.display());
    for version in envoy::VERSIONS {
        eprintln!("    {}", envoy::pinned(version)?.display());
    }
    Ok(())
}
