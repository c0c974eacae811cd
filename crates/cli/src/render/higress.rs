//! Writes Higress' WasmPlugin.
//!
//! Its controller makes one of Istio's WasmPlugin of it, with `defaultConfig` as `pluginConfig`, so the filter gets the same
//! JSON as from Istio. With `matchRules`, it would add the key `_rules_`, which the filter reports as unknown.

use serde_json::{Value, json};

use super::{Job, istio, put};

/// The only namespace whose WasmPlugins Higress reads: its own.
pub(super) const NAMESPACE: &str = "higress-system";

/// Returns the WasmPlugin.
pub(super) fn wasm_plugin(job: &mut Job) -> Value {
    let mut spec = json!({});
    istio::phase_and_priority(job, &mut spec);
    istio::plugin(job, &mut spec, "defaultConfig");
    let is_open = job.settings.failure.as_ref().is_some_and(|(strategy, _)| strategy == "FAIL_OPEN");
    put(&mut spec, "failStrategy", Some(if is_open { "FAIL_OPEN" } else { "FAIL_CLOSE" }));
    json!({
        "apiVersion": "extensions.higress.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": job.metadata(),
        "spec": spec,
    })
}
