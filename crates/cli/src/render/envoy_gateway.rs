//! Writes Envoy Gateway's EnvoyExtensionPolicy.

use serde_json::{Value, json};

use super::module::Module;
use super::settings::Target;
use super::{CHANGED_SETTING, Job, put};
use crate::manifest::PLUGIN_NAME;

/// The Gateway of a policy that names none: Envoy Gateway's own first example has this name.
const GATEWAY: &str = "eg";

/// Returns the policy.
pub(super) fn policy(job: &mut Job) -> Value {
    let at = job.configuration.at;
    let targets = match job.settings.targets.take() {
        Some((targets, _)) => targets,
        None => {
            job.report(
                CHANGED_SETTING,
                at,
                format!("a policy needs a Gateway, so the manifest names `{GATEWAY}`; name yours with `--gateway`"),
            );
            vec![Target::gateway(GATEWAY)]
        }
    };
    if job.settings.namespace.is_none() {
        let text = "a policy has effect only in the namespace of its Gateway; name it with `--namespace`, or apply the \
                    manifest with `kubectl apply -n NAMESPACE`";
        job.report(CHANGED_SETTING, at, text);
    }
    let mut code = match job.module() {
        Module::Web { url, sha256 } => {
            let mut http = json!({ "url": url });
            put(&mut http, "sha256", sha256);
            json!({"type": "HTTP", "http": http})
        }
        Module::Image { url } => json!({"type": "Image", "image": {"url": plain(&url)}}),
        Module::File { .. } => {
            let Module::Image { url } = Module::placeholder() else { return Value::Null };
            json!({"type": "Image", "image": {"url": plain(&url)}})
        }
    };
    if let Some((secret, _)) = job.settings.pull_secret.as_ref().filter(|_| code.get("image").is_some()) {
        code["image"]["pullSecretRef"] = json!({"kind": "Secret", "name": secret});
    }
    put(&mut code, "pullPolicy", job.settings.pull_policy.as_ref().map(|(policy, _)| policy.as_str()));
    let is_open = job.settings.failure.as_ref().is_some_and(|(strategy, _)| strategy == "FAIL_OPEN");
    let reference = |target: &Target| {
        let mut reference = target.to_json();
        put(&mut reference, "sectionName", target.section.as_deref());
        reference
    };
    json!({
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyExtensionPolicy",
        "metadata": job.metadata(),
        "spec": {
            "targetRefs": targets.iter().map(reference).collect::<Vec<_>>(),
            "wasm": [{
                "name": PLUGIN_NAME,
                "rootID": PLUGIN_NAME,
                "code": code,
                "failOpen": is_open,
                "config": job.table(),
            }],
        },
    })
}

/// Returns the URL of an image without its scheme, as Envoy Gateway's reference has it.
fn plain(url: &str) -> &str {
    url.strip_prefix("oci://").unwrap_or(url)
}
