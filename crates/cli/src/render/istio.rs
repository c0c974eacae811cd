//! Istio's WasmPlugin and TrafficExtension, in the form of this repository's `wasm-plugin.yaml`.

use serde_json::{Map, Value, json};

use super::{Job, put};
use crate::manifest::PLUGIN_NAME;

/// Returns a WasmPlugin.
pub(super) fn wasm_plugin(job: &Job) -> Value {
    let mut spec = json!({});
    place(job, &mut spec);
    plugin(job, &mut spec, "pluginConfig");
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": job.metadata(),
        "spec": spec,
    })
}

/// Returns a TrafficExtension.
pub(super) fn traffic_extension(job: &Job) -> Value {
    let mut spec = json!({});
    place(job, &mut spec);
    let mut wasm = json!({});
    plugin(job, &mut wasm, "pluginConfig");
    // TrafficExtension has another word for the same phase.
    if spec["phase"] == "UNSPECIFIED_PHASE" {
        spec["phase"] = "UNSPECIFIED".into();
    }
    spec["wasm"] = wasm;
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "TrafficExtension",
        "metadata": job.metadata(),
        "spec": spec,
    })
}

/// Adds where the filter runs.
fn place(job: &Job, spec: &mut Value) {
    let settings = &job.settings;
    if let Some((labels, _)) = &settings.selector {
        spec["selector"] = json!({"matchLabels": labels_object(labels)});
    }
    if let Some((targets, _)) = &settings.targets {
        spec["targetRefs"] = targets.iter().map(super::Target::to_json).collect();
    }
    phase_and_priority(job, spec);
    if let Some((ports, _)) = &settings.ports {
        let ports: Vec<Value> = ports.iter().map(|port| json!({"number": port})).collect();
        spec["match"] = json!([{"ports": ports}]);
    }
}

/// Adds the place in the filter chain.
pub(super) fn phase_and_priority(job: &Job, spec: &mut Value) {
    let phase = job.settings.phase.as_ref().map(|(phase, _)| match &**phase {
        "UNSPECIFIED" => "UNSPECIFIED_PHASE",
        phase => phase,
    });
    put(spec, "phase", phase);
    put(spec, "priority", job.settings.priority.as_ref().map(|(priority, _)| *priority));
}

/// Adds the module and the table.
pub(super) fn plugin(job: &Job, plugin: &mut Value, table: &str) {
    let settings = &job.settings;
    let (url, sum) = job.module().url_and_sum();
    plugin["pluginName"] = PLUGIN_NAME.into();
    let is_remote = !url.starts_with("file:");
    plugin["url"] = url.into();
    put(plugin, "sha256", sum);
    let policy = settings.pull_policy.as_ref().map(|(policy, _)| policy.as_str());
    put(plugin, "imagePullPolicy", policy.or(is_remote.then_some("IfNotPresent")));
    put(plugin, "imagePullSecret", settings.pull_secret.as_ref().map(|(secret, _)| secret.as_str()));
    put(plugin, "verificationKey", settings.verification_key.as_ref().map(|(key, _)| key.as_str()));
    let strategy = settings.failure.as_ref().map_or("FAIL_RELOAD", |(strategy, _)| strategy);
    plugin["failStrategy"] = strategy.into();
    put(plugin, "vmConfig", settings.vm_config.as_ref().map(|(config, _)| config.clone()));
    plugin[table] = job.table();
}

/// Returns labels as an object.
pub(super) fn labels_object(labels: &[(String, String)]) -> Map<String, Value> {
    labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect()
}
