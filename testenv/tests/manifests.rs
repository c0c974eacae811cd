//! The manifests that users apply: they are valid for Istio's types, their tables are good and equal, and in
//! Envoy the EnvoyFilter patches route as the table says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kcr_extensions_istio_io::v1alpha1::wasmplugins::WasmPlugin;
use kcr_networking_istio_io::v1alpha3::envoyfilters::EnvoyFilter;
use ksvc_router_cli::render::{Module, Options, Platform, render};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testenv::cases::{self, CaseFile, Ingress};
use testenv::gateway::{Document, Setup};
use testenv::http1::Request;
use testenv::stand_in::StandIn;
use testenv::{envoy, plugin, repository, yaml};

const WASM_PLUGIN: &str = "wasm-plugin.yaml";
const ENVOY_FILTERS: [&str; 2] = ["envoyfilter/local.yaml", "envoyfilter/remote.yaml"];

fn path(manifest: &str) -> PathBuf {
    repository().join(manifest)
}

/// Asserts that a manifest is a valid object of an Istio type. It is read into the type and written again, which loses
/// every key that the type does not know.
fn assert_is_a<T: DeserializeOwned + Serialize>(manifest: &str) -> Result<()> {
    let original: Value = yaml::read(&path(manifest))?;
    let typed: T = serde_json::from_value(original.clone()).with_context(|| format!("{manifest} as Istio's type"))?;
    assert_eq!(serde_json::to_value(typed)?, original, "{manifest} has keys that Istio does not know");
    Ok(())
}

fn patch(manifest: &str) -> Result<Value> {
    let document: Value = yaml::read(&path(manifest))?;
    let patches = document.pointer("/spec/configPatches").and_then(Value::as_array).context("configPatches")?;
    ensure!(patches.len() == 1, "{manifest} has {} patches instead of one", patches.len());
    Ok(patches[0].clone())
}

#[test]
fn the_wasm_plugin_is_valid_for_istios_type() -> Result<()> {
    assert_is_a::<WasmPlugin>(WASM_PLUGIN)
}

#[test]
fn the_envoy_filters_are_valid_for_istios_type() -> Result<()> {
    ENVOY_FILTERS.into_iter().try_for_each(assert_is_a::<EnvoyFilter>)
}

#[test]
fn all_manifests_have_the_same_table() -> Result<()> {
    let table = yaml::plugin_config(&path(WASM_PLUGIN))?;
    for manifest in ENVOY_FILTERS {
        let patch = patch(manifest)?;
        let text = patch.pointer("/patch/value/typed_config/config/configuration/value");
        let found: Value = serde_json::from_str(text.and_then(Value::as_str).context("a JSON text")?)?;
        assert_eq!(found, table, "{manifest}");
    }
    Ok(())
}

/// The digests are to be filled in by the user.
#[test]
fn check_reports_only_placeholder_digests_for_the_manifests() -> Result<()> {
    for (manifest, expected) in [(WASM_PLUGIN, 1), (ENVOY_FILTERS[0], 0), (ENVOY_FILTERS[1], 1)] {
        let loaded = ksvc_router_cli::load::load(&[path(manifest)])?;
        let reported = ksvc_router_cli::check::check(&loaded).into_iter().flatten();
        let codes: Vec<&str> = reported.map(|message| message.code).collect();
        assert_eq!(codes, vec!["placeholder-digest"; expected], "{manifest}");
        let configurations: usize = loaded.iter().map(|loaded| loaded.configurations.len()).sum();
        assert_eq!(configurations, 1, "{manifest}");
    }
    Ok(())
}

/// The path of the module in the gateway's pod, in every document and manifest.
const MODULE: &str = "/var/lib/ksvc-router/plugin.wasm";

/// Returns the Markdown and YAML files of the repository.
fn documents() -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![repository().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, name) = (entry.path(), entry.file_name());
            let is_built = ["target", "dist"].iter().any(|built| name == *built);
            if path.is_dir() && !is_built && !name.to_string_lossy().starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md" || extension == "yaml") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

#[test]
fn every_document_names_the_same_path_of_the_module() -> Result<()> {
    let mut files = documents()?;
    files.push(path("docs/wasm-plugin.schema.json"));
    let mut named = 0;
    for file in files {
        let text = fs::read_to_string(&file)?;
        for (at, _) in text.match_indices("plugin.wasm") {
            // An absolute path, as a URL (`file://`) or as it is. Other places name dist/plugin.wasm or plugin.wasm.
            let before = text[..at].rsplit(|c: char| !(c.is_ascii_alphanumeric() || "-_./:".contains(c))).next();
            let word = format!("{}plugin.wasm", before.unwrap_or_default());
            let absolute = word.strip_prefix("file://").unwrap_or(&word);
            if absolute.starts_with('/') {
                ensure!(absolute == MODULE, "{} names {word} instead of {MODULE}", file.display());
                named += 1;
            }
        }
    }
    ensure!(named > 10, "only {named} places name the path of the module");
    Ok(())
}

#[test]
fn the_filter_is_inserted_before_cors_and_after_the_policies() -> Result<()> {
    for manifest in ENVOY_FILTERS {
        let patch = patch(manifest)?;
        assert_eq!(patch["patch"]["operation"], "INSERT_BEFORE");
        let sub_filter = patch.pointer("/match/listener/filterChain/filter/subFilter/name");
        assert_eq!(sub_filter, Some(&json!("envoy.filters.http.cors")), "{manifest}");
    }
    Ok(())
}

/// Returns the filter of `envoyfilter/local.yaml`, with the path of the built module.
fn local_filter() -> Result<Value> {
    let mut filter = patch("envoyfilter/local.yaml")?["patch"]["value"].take();
    let filename = filter.pointer_mut("/typed_config/config/vm_config/code/local/filename").context("filename")?;
    *filename = json!(plugin()?);
    Ok(filter)
}

#[test]
fn the_local_patch_routes_in_envoy_as_its_table_says() -> Result<()> {
    let samples = CaseFile::read(&repository().join("testenv/cases/sample.yaml"))?;
    for envoy in [envoy::find()?, envoy::pinned(envoy::OLDEST)?, envoy::pinned(envoy::NEWEST)?] {
        let stand_in = StandIn::start()?;
        let gateway = samples.setup(&envoy, &plugin()?).filter(local_filter()?).start(stand_in.address())?;
        cases::run_all(&samples, &Ingress::of_envoy(&gateway)).with_context(|| envoy.display().to_string())?;
        let response = Request::get("api.example.com", "/faas/ping").send(gateway.address())?;
        assert_eq!((response.status, response.text().as_str()), (200, "pong"), "{}", envoy.display());
    }
    Ok(())
}

/// This is why the patches contain the table as JSON text. If this test fails with a newer Envoy, the table of a patch
/// can be written as YAML.
#[test]
fn a_table_in_a_struct_does_not_reach_the_plugin_as_json() -> Result<()> {
    let mut filter = local_filter()?;
    let configuration = filter.pointer_mut("/typed_config/config/configuration").context("configuration")?;
    let table = yaml::plugin_config(&path(WASM_PLUGIN))?;
    *configuration = json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": table});
    for envoy in [envoy::pinned(envoy::OLDEST)?, envoy::pinned(envoy::NEWEST)?] {
        let stand_in = StandIn::start()?;
        let setup = Setup::new(&envoy, &plugin()?, Document::Absent).filter(filter.clone());
        let gateway = setup.start(stand_in.address())?;
        let response = Request::get("api.example.com", "/faas/ping").send(gateway.address())?;
        assert_eq!(response.status, 404, "{}: {}", envoy.display(), response.text());
        ensure!(gateway.log().contains("the configuration can't be read as JSON"), "{}", gateway.log());
    }
    Ok(())
}

/// Returns the first object that `render` makes of `wasm-plugin.yaml` for a platform, from the YAML that it prints.
fn rendered(platform: Platform, module: Module) -> Result<Value> {
    let tables = ksvc_router_cli::load::load_tables(&[path(WASM_PLUGIN)])?;
    let tables = tables.ok().context("wasm-plugin.yaml has no good table")?;
    let options = Options { module: Some(module), ..Options::default() };
    let rendered = render(&tables, platform, &options).ok().context("the table has errors")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rendered.yaml");
    fs::write(&file, rendered.to_yaml(platform, &[WASM_PLUGIN.to_owned()])?)?;
    yaml::read(&file)
}

#[test]
fn the_rendered_filters_route_in_envoy_as_their_table_says() -> Result<()> {
    let module = Module::File { path: plugin()?.display().to_string() };
    let patch = rendered(Platform::EnvoyFilter, module.clone())?;
    let patch = patch.pointer("/spec/configPatches/0/patch/value").context("a patch")?.clone();
    let resource = rendered(Platform::EnvoyEcds, module)?;
    let config = resource.pointer("/resources/0/typed_config").context("a resource")?;
    let samples = CaseFile::read(&repository().join("testenv/cases/sample.yaml"))?;
    for filter in [patch, json!({"name": "ksvc-router", "typed_config": config})] {
        let stand_in = StandIn::start()?;
        let gateway = samples.setup(&envoy::find()?, &plugin()?).filter(filter).start(stand_in.address())?;
        cases::run_all(&samples, &Ingress::of_envoy(&gateway))?;
    }
    Ok(())
}

/// Envoy reads the file that `render` writes, as the file of a `config_discovery`.
#[test]
fn envoy_reads_the_rendered_extension_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ecds.yaml");
    let tables = ksvc_router_cli::load::load_tables(&[path(WASM_PLUGIN)])?.ok().context("a table")?;
    let module = Module::File { path: plugin()?.display().to_string() };
    let options = Options { module: Some(module), ..Options::default() };
    let rendered = render(&tables, Platform::EnvoyEcds, &options).ok().context("the table has errors")?;
    fs::write(&file, rendered.to_yaml(Platform::EnvoyEcds, &[WASM_PLUGIN.to_owned()])?)?;
    let filter = json!({
        "name": "ksvc-router",
        "config_discovery": {
            "config_source": {
                "path_config_source": {"path": file},
                "resource_api_version": "V3",
                "initial_fetch_timeout": "0s",
            },
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
        },
    });
    let samples = CaseFile::read(&repository().join("testenv/cases/sample.yaml"))?;
    let stand_in = StandIn::start()?;
    let gateway = samples.setup(&envoy::find()?, &plugin()?).filter(filter).start(stand_in.address())?;
    cases::run_all(&samples, &Ingress::of_envoy(&gateway))
}

/// Envoy accepts the module from a web server, with the cluster that the manifest names.
#[test]
fn envoy_accepts_the_rendered_patch_with_a_module_from_a_web_server() -> Result<()> {
    let url = format!("https://modules.example.com/plugin.wasm@sha256:{}", "5e".repeat(32));
    let patch = rendered(Platform::EnvoyFilter, Module::parse(&url).map_err(anyhow::Error::msg)?)?;
    let filter = patch.pointer("/spec/configPatches/0/patch/value").context("a patch")?.clone();
    validate("the rendered patch", filter)
}

/// The patch is only validated, because the server that it names does not exist.
#[test]
fn envoy_accepts_the_remote_patch() -> Result<()> {
    let manifest = "envoyfilter/remote.yaml";
    validate(manifest, patch(manifest)?["patch"]["value"].take())
}

#[test]
fn envoy_refuses_a_patch_with_a_misspelt_key() -> Result<()> {
    let mut filter = patch("envoyfilter/remote.yaml")?["patch"]["value"].take();
    let vm = filter.pointer_mut("/typed_config/config/vm_config").and_then(Value::as_object_mut);
    vm.context("vm_config")?.insert("runtimes".into(), json!("v8"));
    ensure!(
        validate("a misspelt patch", filter).is_err(),
        "Envoy accepts an unknown key, so validating proves nothing"
    );
    Ok(())
}

/// Runs `envoy --mode validate` with the filter before CORS, where istiod would put it.
fn validate(name: &str, filter: Value) -> Result<()> {
    let typed = |kind: &str| json!({"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{kind}")});
    let cluster = filter.pointer("/typed_config/config/vm_config/code/remote/http_uri/cluster");
    let clusters: Vec<Value> = cluster.into_iter().map(|name| json!({"name": name, "type": "STATIC"})).collect();
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "route_config": {"virtual_hosts": []},
        "http_filters": [
            filter,
            {"name": "envoy.filters.http.cors", "typed_config": typed("cors.v3.Cors")},
            {"name": "envoy.filters.http.router", "typed_config": typed("router.v3.Router")},
        ],
    });
    let bootstrap = json!({"static_resources": {
        "clusters": clusters,
        "listeners": [{
            "name": "ingress",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [{"filters": [
                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
            ]}],
        }],
    }});
    let folder = tempfile::tempdir()?;
    let file: &Path = &folder.path().join("envoy.json");
    fs::write(file, serde_json::to_vec_pretty(&bootstrap)?)?;
    let output = Command::new(envoy::find()?).args(["--mode", "validate", "-c"]).arg(file).output()?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
