//! What a user applies: the manifest, the Helm chart and the folder for kustomize. They name the image with its digest.

use std::fs;

use anyhow::{Context, Result, anyhow, bail};
use ksvc_router_cli::yaml::{Origin, parse};
use oci_artifacts::archive::{self, File};
use serde_json::Value;

/// The name of the image before it is pushed.
const PLACEHOLDER: &str = "registry.example.com/ksvc-router";

/// Returns the manifest, the package of the chart and the archive of the kustomize base, with this digest.
pub(super) fn make(version: &str, digest: &str) -> Result<Vec<File>> {
    let repository = testenv::repository();
    let manifest = fs::read_to_string(repository.join("wasm-plugin.yaml"))?;
    // The schema is beside the manifest in a release.
    let manifest = manifest.replace("$schema=docs/", "$schema=");
    let chart = archive::read_folder(&repository.join("charts/ksvc-router"), "ksvc-router/")?;
    let kustomize = archive::read_folder(&repository.join("kustomize"), "kustomize/")?;
    let mut files = vec![
        File::new("wasm-plugin.yaml", manifest),
        File::new(chart_name(version), archive::tar_gz(&chart)?),
        File::new(format!("kustomize-{version}.tar.gz"), archive::tar_gz(&kustomize)?),
    ];
    set_image(&mut files, PLACEHOLDER, digest)?;
    Ok(files)
}

/// Returns the file name of the chart's package.
pub(super) fn chart_name(version: &str) -> String {
    format!("ksvc-router-{version}.tgz")
}

/// Returns the content of `Chart.yaml` in a package.
pub(super) fn chart_metadata(package: &File) -> Result<Value> {
    let files = archive::unpack(&package.content)?;
    let metadata = files.iter().find(|file| file.path == "ksvc-router/Chart.yaml");
    let metadata = metadata.context("the package of the chart has no Chart.yaml")?;
    let documents = parse(std::str::from_utf8(&metadata.content)?, Origin::File);
    let documents = documents.map_err(|error| anyhow!("{}: {}", metadata.path, error.what))?;
    Ok(documents.first().with_context(|| format!("{} is empty", metadata.path))?.to_value())
}

/// Writes the image and its digest into all files that name it.
pub(super) fn set_image(files: &mut [File], repository: &str, digest: &str) -> Result<()> {
    for file in files {
        if file.path == "wasm-plugin.yaml" {
            set_url(file, repository, digest)?;
        } else if file.path.ends_with(".tgz") || file.path.starts_with("kustomize-") {
            let mut packed = archive::unpack(&file.content)?;
            for file in &mut packed {
                if file.path == "ksvc-router/values.yaml" {
                    set_values(file, repository, digest)?;
                } else if file.path.starts_with("kustomize/") && file.path.ends_with("/wasm-plugin.yaml") {
                    set_url(file, repository, digest)?;
                }
            }
            file.content = archive::tar_gz(&packed)?;
        }
    }
    Ok(())
}

/// Replaces the URL of the image in a WasmPlugin.
fn set_url(file: &mut File, repository: &str, digest: &str) -> Result<()> {
    replace_line(file, "  url: oci://", &format!("{repository}@{digest}"))
}

/// Replaces the image in the values of the chart. A repository that is a placeholder is left to the user.
fn set_values(file: &mut File, repository: &str, digest: &str) -> Result<()> {
    if repository != PLACEHOLDER {
        replace_line(file, "  repository: ", repository)?;
    }
    replace_line(file, "  digest: ", digest)
}

/// Replaces what stands behind `key` in the only line that begins with it.
fn replace_line(file: &mut File, key: &str, value: &str) -> Result<()> {
    let text = String::from_utf8(std::mem::take(&mut file.content))?;
    if text.lines().filter(|line| line.starts_with(key)).count() != 1 {
        bail!("{} must have one line that begins with `{key}`", file.path);
    }
    let replace = |line: &str| if line.starts_with(key) { format!("{key}{value}\n") } else { format!("{line}\n") };
    file.content = text.lines().map(replace).collect::<String>().into_bytes();
    Ok(())
}
