//! The API server and istioctl accept every manifest of the repository and report no problem.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use testenv::repository;

use crate::{Env, tests};

tests! {
    the_api_server_accepts_every_manifest,
    istioctl_reports_nothing_for_any_manifest,
}

/// Returns the paths of `wasm-plugin.yaml`, of `admission.yaml`, and of every manifest in `envoyfilter/` and `docs/`.
fn manifests() -> Result<Vec<PathBuf>> {
    let mut found = vec![repository().join("wasm-plugin.yaml"), repository().join("admission.yaml")];
    for folder in ["envoyfilter", "docs"] {
        collect(&repository().join(folder), &mut found)?;
    }
    found.sort();
    Ok(found)
}

fn collect(folder: &std::path::Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension() == Some(OsStr::new("yaml")) {
            found.push(path);
        }
    }
    Ok(())
}

fn the_api_server_accepts_every_manifest(env: &Env) -> Result<()> {
    for manifest in manifests()? {
        let dry_run = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f"];
        env.plane.cluster().run(dry_run, &[manifest.as_os_str()], None)?;
    }
    Ok(())
}

fn istioctl_reports_nothing_for_any_manifest(env: &Env) -> Result<()> {
    for manifest in manifests()? {
        let path = manifest.display().to_string();
        let (valid, output) = env.plane.istioctl(&["validate", "-f", &path])?;
        // This warning comes for every EnvoyFilter.
        let is_general = |line: &str| line.contains("EnvoyFilter exposes internal");
        let warnings = output.lines().filter(|line| line.contains("* ") && !is_general(line));
        ensure!(valid && warnings.count() == 0, "istioctl validate -f {path}:\n{output}");
        let (valid, output) = env.plane.istioctl(&["analyze", "--use-kube=false", &path])?;
        ensure!(valid && output.contains("No validation issues found"), "istioctl analyze {path}:\n{output}");
    }
    Ok(())
}
