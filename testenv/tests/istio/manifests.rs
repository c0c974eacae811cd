//! The API server and istioctl accept every manifest of the repository and report no problem.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ksvc_router_cli::load;
use ksvc_router_cli::render::{Module, Options, Platform, render};
use serde_json::{Value, json};
use testenv::repository;

use crate::{Env, tests};

tests! {
    the_api_server_accepts_every_manifest,
    istioctl_reports_nothing_for_any_manifest,
    the_api_server_accepts_every_rendered_manifest,
    istioctl_reports_nothing_for_rendered_manifests,
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
        } else if path.extension() == Some(OsStr::new("yaml"))
            && std::fs::read_to_string(&path)?.contains("apiVersion:")
        {
            // The other files are tables alone, and documents that a table is made of.
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

/// The namespace of rendered manifests. In another one, a test may have an object of the same name, with which the API
/// server would merge them.
const NAMESPACE: &str = "rendered";

/// Returns the manifests that `render` makes of a bare table and of `wasm-plugin.yaml`, with their options.
fn rendered(platform: Platform) -> Result<Vec<Value>> {
    let image = format!("oci://registry.example.com/ksvc-router@sha256:{}", "5e".repeat(32));
    let web = format!("https://modules.example.com/plugin.wasm@sha256:{}", "5e".repeat(32));
    let modules = [&image, &web, "file:///var/lib/ksvc-router/plugin.wasm"];
    let mut made = Vec::new();
    for file in ["wasm-plugin.yaml", "envoyfilter/local.yaml", "testenv/cases/headers.yaml", "testenv/cases/cors.yaml"]
    {
        let tables = load::load_tables(&[repository().join(file)])?;
        let tables = tables.ok().with_context(|| format!("{file} has no good table"))?;
        for module in modules {
            for gateway in [None, Some("public".to_owned())] {
                let options = Options {
                    module: Some(Module::parse(module).map_err(anyhow::Error::msg)?),
                    ports: if gateway.is_some() { vec![80, 443] } else { vec![] },
                    namespace: Some(NAMESPACE.to_owned()),
                    gateway,
                    ..Options::default()
                };
                let rendered = render(&tables, platform, &options);
                let rendered = rendered.map_err(|messages| anyhow::anyhow!("{file}: {messages:?}"))?;
                // What a user applies is the YAML text.
                let text = rendered.to_yaml(platform, &[file.to_owned()])?;
                let source = ksvc_router_cli::source::Source::new(file, text);
                let documents = load::parse(&source).map_err(|message| anyhow::anyhow!("{file}: {message}"))?;
                made.extend(documents.iter().map(|document| document.to_value()));
            }
        }
    }
    ensure!(made.len() >= 24, "only {} manifests were made", made.len());
    Ok(made)
}

fn dry_run(env: &Env, object: &Value) -> Result<String> {
    let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    env.plane.cluster().run(arguments, &[], Some(&object.to_string()))
}

fn the_api_server_accepts_every_rendered_manifest(env: &Env) -> Result<()> {
    // Not all definitions: other tests make and delete their own at the same time.
    const CRD: &str = "crd/envoyextensionpolicies.gateway.envoyproxy.io";
    let cluster = env.plane.cluster();
    cluster.namespace(NAMESPACE)?;
    let crd = env.packaging.envoy_extension_policy_crd();
    cluster.run(["apply", "--server-side", "-f"], &[crd.as_os_str()], None)?;
    cluster.kubectl(["wait", "--for", "condition=established", "--timeout", "60s", CRD])?;
    for platform in [Platform::WasmPlugin, Platform::TrafficExtension, Platform::EnvoyFilter, Platform::EnvoyGateway] {
        for object in rendered(platform)? {
            dry_run(env, &object).with_context(|| format!("{object:#}"))?;
        }
    }
    // The API server checks the policy, so accepting it says something.
    let mut wrong = rendered(Platform::EnvoyGateway)?.pop().context("a policy")?;
    wrong["spec"]["wasm"][0]["rootId"] = json!("ksvc-router");
    ensure!(dry_run(env, &wrong).is_err(), "the API server does not check the policy");
    Ok(())
}

fn istioctl_reports_nothing_for_rendered_manifests(env: &Env) -> Result<()> {
    let folder = tempfile::tempdir()?;
    for platform in [Platform::WasmPlugin, Platform::TrafficExtension, Platform::EnvoyFilter] {
        for (index, object) in rendered(platform)?.iter().enumerate() {
            let path = folder.path().join(format!("{}-{index}.json", platform.word()));
            std::fs::write(&path, object.to_string())?;
            let (valid, output) = env.plane.istioctl(&["validate", "-f", &path.display().to_string()])?;
            let is_general = |line: &str| line.contains("EnvoyFilter exposes internal");
            let warnings = output.lines().filter(|line| line.contains("* ") && !is_general(line));
            ensure!(valid && warnings.count() == 0, "istioctl validate:\n{output}\n{object:#}");
        }
    }
    Ok(())
}
