//! What `cargo xtask dist push` has pushed: the gateway's agent fetches the image by the digest in the released manifest,
//! and Envoy loads the very bytes of `dist/plugin.wasm`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::istio::IngressGateway;
use testenv::istio::registry::Registry;
use testenv::{plugin, repository, target_folder, yaml};

use crate::chart::Helm;
use crate::common::orders_table;
use crate::registry::{apply, module_file, registry, routed_to, setup, start};
use crate::{Env, tests, wasm_plugin};

tests! {
    the_image_that_was_pushed_is_what_envoy_loads,
    helm_installs_the_chart_that_was_pushed,
    a_push_that_fails_changes_nothing,
}

/// Runs `cargo xtask dist`, which has been built by the run that started this test.
fn dist(arguments: &[&str], folder: &Path) -> Result<Output> {
    let xtask = target_folder().join("debug/xtask");
    let mut command = Command::new(&xtask);
    command.arg("dist").args(arguments).arg("--folder").arg(folder).current_dir(repository());
    command.output().with_context(|| format!("cannot start {}: run `cargo xtask test --istio`", xtask.display()))
}

/// Makes a release without the parts that take minutes to build.
fn release(env: &Env, name: &str) -> Result<PathBuf> {
    let folder = env.plane.folder().join("releases").join(name);
    fs::create_dir_all(folder.parent().context("the folder has a parent")?)?;
    let made = dist(&["--quick"], &folder)?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Ok(folder)
}

/// Makes a release and pushes it. Returns its folder, the name of the image, and what the push prints.
fn pushed(env: &Env, registry: &Registry, name: &str) -> Result<(PathBuf, String, String)> {
    let folder = release(env, name)?;
    let image = format!("{}/team/ksvc-router", registry.host());
    let pushed = dist(&["push", &image], &folder)?;
    ensure!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    Ok((folder, image, String::from_utf8(pushed.stdout)?))
}

/// Checks that the gateway has loaded the bytes of `dist/plugin.wasm`.
fn check_module(gateway: &IngressGateway) -> Result<()> {
    ensure!(fs::read(module_file(gateway)?)? == fs::read(plugin()?)?, "Envoy has loaded other bytes");
    Ok(())
}

fn the_image_that_was_pushed_is_what_envoy_loads(env: &Env) -> Result<()> {
    let registry = registry(env, "release")?;
    let (folder, name, printed) = pushed(env, &registry, "image")?;
    let manifest: Value = yaml::read(&folder.join("wasm-plugin.yaml"))?;
    let url = manifest["spec"]["url"].as_str().context("the manifest has no URL")?;
    ensure!(url.starts_with(&format!("oci://{name}@sha256:")), "{url}");
    ensure!(printed.contains(url.rsplit('@').next().unwrap_or_default()), "{printed}");

    let gateway = start(env, setup("release"))?;
    let mut plugin_of_user = wasm_plugin(&gateway, &orders_table("one"))?;
    plugin_of_user["spec"]["url"] = url.into();
    apply(env, plugin_of_user)?;
    routed_to(&gateway, "one")?;
    check_module(&gateway)
}

fn helm_installs_the_chart_that_was_pushed(env: &Env) -> Result<()> {
    let registry = registry(env, "release-chart")?;
    let (_, name, printed) = pushed(env, &registry, "chart")?;
    let chart = format!("oci://{name}-chart");
    ensure!(printed.contains(&chart), "{printed}");
    let namespace = "release-chart";
    let gateway = start(env, setup(namespace))?;
    // The chart has the image, with its digest.
    let values = json!({"ports": [gateway.ports()[0]], "tables": {"api": {"table": orders_table("one")}}});
    for (program, service) in [(env.packaging.helm4(), "one"), (env.packaging.helm3(), "two")] {
        let helm = Helm::new(env, program)?;
        let mut values = values.clone();
        values["tables"]["api"]["table"] = orders_table(service);
        let version = env!("CARGO_PKG_VERSION");
        let values = helm.values(&values)?;
        helm.run(&[
            "upgrade",
            "--install",
            "api",
            &chart,
            "--version",
            version,
            "--plain-http",
            "-n",
            namespace,
            "-f",
            &values,
        ])?;
        routed_to(&gateway, service)?;
        check_module(&gateway)?;
    }
    Ok(())
}

fn a_push_that_fails_changes_nothing(env: &Env) -> Result<()> {
    let folder = release(env, "refused")?;
    let manifest = fs::read(folder.join("wasm-plugin.yaml"))?;
    let mut registry = registry(env, "refused")?;
    let name = format!("{}/ksvc-router", registry.host());
    registry.stop();
    for (arguments, advice) in [
        (["push", &*name], "can't be reached"),
        (["push", &*format!("{name}:1.0")], "write the name without `1.0`"),
        (["push", "ksvc-router"], "write the host of the registry first"),
    ] {
        let refused = dist(&arguments, &folder)?;
        let error = String::from_utf8(refused.stderr)?;
        ensure!(!refused.status.success() && error.contains(advice), "{arguments:?}: {error}");
        ensure!(error.lines().filter(|line| line.starts_with("error")).count() == 1, "{error}");
        ensure!(fs::read(folder.join("wasm-plugin.yaml"))? == manifest, "{arguments:?} has changed the manifest");
    }
    let missing = folder.join("missing");
    let error = String::from_utf8(dist(&["push", &name], &missing)?.stderr)?;
    ensure!(error.contains("run `cargo xtask dist` first") && !missing.exists(), "{error}");
    Ok(())
}
