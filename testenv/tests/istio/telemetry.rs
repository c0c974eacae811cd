//! The Telemetry object of `monitoring/`, with settings for the access log or for traces.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use testenv::istio::IngressGateway;
use testenv::{repository, yaml};

/// Returns `monitoring/telemetry.yaml` with these settings for a namespace. It is without its metrics, because those need
/// Istio's filter, which upstream Envoy does not have.
pub(crate) fn with_settings(namespace: &str, settings: &Value) -> Result<Value> {
    let mut telemetry = yaml::read(&repository().join("monitoring/telemetry.yaml"))?;
    telemetry["metadata"]["namespace"] = namespace.into();
    let spec = telemetry["spec"].as_object_mut().context("a spec")?;
    spec.remove("metrics");
    spec.extend(settings.as_object().context("settings")?.clone());
    Ok(telemetry)
}

/// Waits until the active listeners of a gateway have a setting with this text.
pub(crate) fn await_in_listeners(gateway: &IngressGateway, text: &str) -> Result<()> {
    gateway.eventually(&format!("the listeners have {text}"), || {
        let listeners = gateway.admin_get("/config_dump?resource=dynamic_listeners")?;
        Ok(listeners.contains(text) && !listeners.contains("\"warming_state\""))
    })?;
    // Envoy shows what its main thread has. The workers get it a moment later.
    thread::sleep(Duration::from_secs(1));
    Ok(())
}
