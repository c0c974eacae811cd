//! What `cargo xtask dist push` has pushed: the gateway's agent fetches the image by the digest in the released manifest,
//! and Envoy loads the very bytes of `dist/plugin.wasm`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testenv::{plugin, repository, target_folder, yaml};

use crate::common::orders_table;
use crate::registry::{apply, module_file, registry, routed_to, setup, start};
use crate::{Env, tests, wasm_plugin};

tests! {
    the_image_that_was_pushed_is_what_envoy_loads,
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

fn the_image_that_was_pushed_is_what_envoy_loads(env: &Env) -> Result<()> {
    let folder = release(env, "image")?;
    let registry = registry(env, "release")?;
    let name = format!("{}/team/ksvc-router", registry.host());
    let pushed = dist(&["push", &name], &folder)?;
    ensure!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));

    let manifest: Value = yaml::read(&folder.join("wasm-plugin.yaml"))?;
    let url = manifest["spec"]["url"].as_str().context("the manifest has no URL")?;
    ensure!(url.starts_with(&format!("oci://{name}@sha256:")), "{url}");
    let printed = String::from_utf8(pushed.stdout)?;
    let digest = url.rsplit('@').next().unwrap_or_default();
    ensure!(printed.contains(digest), "{printed}");

    let gateway = start(env, setup("release"))?;
    let mut plugin_of_user = wasm_plugin(&gateway, &orders_table("one"))?;
    plugin_of_user["spec"]["url"] = url.into();
    apply(env, plugin_of_user)?;
    routed_to(&gateway, "one")?;
    ensure!(fs::read(module_file(&gateway)?)? == fs::read(plugin()?)?, "Envoy has loaded other bytes");
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
