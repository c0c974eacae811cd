//! Envoy's own configuration of the filter: as an extension configuration (ECDS), and in Istio's EnvoyFilter.

use http::Uri;
use http::uri::Scheme;
use serde_json::{Value, json};

use super::istio::labels_object;
use super::module::{Module, VOLUME_PATH, no_digest};
use super::settings::Origin;
use super::{CHANGED_SETTING, Job, Platform};
use crate::manifest::PLUGIN_NAME;

/// Returns the extension configuration, an element of `resources` in a file like `testenv/ecds.yaml`.
pub(super) fn extension(job: &mut Job) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": job.settings.name,
        "typed_config": filter(job, Platform::EnvoyEcds),
    })
}

/// Returns an EnvoyFilter with a patch for each port, in the form of `envoyfilter/` of this repository.
pub(super) fn envoy_filter(job: &mut Job) -> Value {
    let filter = filter(job, Platform::EnvoyFilter);
    let settings = &job.settings;
    let ports: Vec<Option<u16>> = match &settings.ports {
        Some((ports, _)) => ports.iter().copied().map(Some).collect(),
        None => vec![None],
    };
    let patch = |port: Option<u16>| {
        let mut listener = json!({});
        super::put(&mut listener, "portNumber", port);
        // After the policies, which check the public host and path; before CORS and the router.
        listener["filterChain"] = json!({
            "filter": {
                "name": "envoy.filters.network.http_connection_manager",
                "subFilter": {"name": "envoy.filters.http.cors"},
            },
        });
        json!({
            "applyTo": "HTTP_FILTER",
            "match": {"context": "GATEWAY", "listener": listener},
            "patch": {
                "operation": "INSERT_BEFORE",
                "value": {"name": PLUGIN_NAME, "typed_config": filter},
            },
        })
    };
    let mut spec = json!({});
    if let Some((labels, _)) = &settings.selector {
        spec["workloadSelector"] = json!({"labels": labels_object(labels)});
    }
    if let Some((targets, _)) = &settings.targets {
        spec["targetRefs"] = targets.iter().map(super::Target::to_json).collect();
    }
    spec["configPatches"] = ports.into_iter().map(patch).collect();
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": job.metadata(),
        "spec": spec,
    })
}

/// Returns Envoy's wasm filter with the table.
fn filter(job: &mut Job, platform: Platform) -> Value {
    let code = code(job, platform);
    let failure = job.settings.failure.as_ref().map_or("FAIL_RELOAD", |(strategy, _)| strategy);
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": PLUGIN_NAME,
            "root_id": PLUGIN_NAME,
            // Envoy spells this one in another way than Istio.
            "failure_policy": failure.replace("FAIL_CLOSE", "FAIL_CLOSED"),
            "vm_config": {"runtime": "envoy.wasm.runtime.v8", "code": code},
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": job.table_text(),
            },
        },
    })
}

/// Returns where Envoy gets the module.
fn code(job: &mut Job, platform: Platform) -> Value {
    let local = |path: &str| json!({"local": {"filename": path}});
    let (url, sha256) = match (job.settings.module.clone(), &job.settings.envoy_code) {
        // Envoy's own source has more keys than the other platforms. An option replaces all of it.
        (Some((_, Origin::File(_))), Some(code)) => return code.clone(),
        (Some((Module::File { path }, _)), _) => return local(&path),
        (Some((module @ Module::Image { .. }, _)), _) if !module.is_placeholder() => return local(VOLUME_PATH),
        (Some((Module::Web { url, sha256 }, _)), _) => (url, sha256.unwrap_or_else(no_digest)),
        (Some((Module::Image { .. }, _)) | None, _) => {
            ("https://registry.example.com/plugin.wasm".to_owned(), no_digest())
        }
    };
    let uri: Uri = url.parse().unwrap_or_default();
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 });
    let cluster = match platform {
        // This is what istiod calls a Service, or the host of a ServiceEntry.
        Platform::EnvoyFilter => format!("outbound|{port}||{host}"),
        _ => host.to_owned(),
    };
    if let Some((Module::Web { .. }, at)) = job.settings.module.as_ref() {
        let needed = match platform {
            Platform::EnvoyFilter => "a Service or ServiceEntry of the mesh with this host and port makes it",
            _ => "define it in the bootstrap",
        };
        let at = at.place(job.configuration);
        let text = format!(
            "Envoy downloads the module through a cluster, which the manifest names `{cluster}`: {needed}; until the \
             download is complete, and if it fails, every request is answered with 503"
        );
        job.report(CHANGED_SETTING, at, text);
    }
    json!({
        "remote": {
            "http_uri": {"uri": url, "cluster": cluster, "timeout": "30s"},
            "sha256": sha256,
            "retry_policy": {"num_retries": 5},
        },
    })
}
