//! Every manifest of the repository is one that the API server and istioctl take and find nothing wrong with.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use testenv::repository;

use crate::{Env, tests};

tests! {
    the_api_server_takes_every_manifest,
    istioctl_finds_nothing_in_any_manifest,
}

/// `wasm-plugin.yaml`, `admission.yaml`, what is in `envoyfilter/`, and what is in the folders below `docs/`.
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

fn the_api_server_takes_every_manifest(env: &Env) -> Result<()> {
    for manifest in manifests()? {
        let dry_run = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f"];
        env.plane.cluster().run(dry_run, &[manifest.as_os_str()], None)?;
    }
    Ok(())
}

fn istioctl_finds_nothing_in_any_manifest(env: &Env) -> Result<()> {
    for manifest in manifests()? {
        let path = manifest.display().to_string();
        let (valid, said) = env.plane.istioctl(&["validate", "-f", &path])?;
        // It has nothing good to say of any EnvoyFilter.
        let told = said.lines().filter(|line| line.contains("* ") && !line.contains("EnvoyFilter exposes internal"));
        ensure!(valid && told.count() == 0, "istioctl validate -f {path}:\n{said}");
        let (silent, said) = env.plane.istioctl(&["analyze", "--use-kube=false", &path])?;
        ensure!(silent && said.contains("No validation issues found"), "istioctl analyze {path}:\n{said}");
    }
    Ok(())
}
