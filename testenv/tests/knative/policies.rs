//! The policies of `docs/security/` under net-gateway-api: Knative's probes pass them, and nothing else of the direct way.
//!
//! A KSVC becomes ready even if the probes get 403: net-gateway-api then takes its route for ready at once, because it
//! does not see whether the gateway has the route. So the test sends probes itself.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::istio::control_plane::ROOT_NAMESPACE;
use testenv::istio::objects::security;
use testenv::knative::serving::eventually;
use testenv::{repository, yaml};

use crate::api::{Api, probe};
use crate::{Env, tests};

tests! {
    ksvcs_become_ready_behind_a_policy_that_allows,
    ksvcs_become_ready_behind_a_policy_that_closes_the_direct_way,
}

/// Returns a manifest of `docs/security/`, for this API and with the paths that net-gateway-api asks for.
fn manifest(name: &str, host: &str) -> Result<Value> {
    let text = yaml::read(&repository().join("docs/security").join(name))?.to_string();
    let paths = r#"["/healthz","/","/.well-known/knative/revision/*"]"#;
    let edited = text.replace(r#"["/healthz"]"#, paths).replace("api.example.com", host);
    let edited = edited.replace(
        r#"["/healthz","/.well-known/acme"#,
        r#"["/healthz","/","/.well-known/knative/revision/*","/.well-known/acme"#,
    );
    ensure!(edited != text, "{name} has no paths of probes");
    serde_json::from_str(&edited).context("the edited manifest")
}

/// Checks that the policy is in force and that a new KSVC becomes ready, and takes the policy away.
fn becomes_ready(api: &Api<'_>, policies: &[Value]) -> Result<()> {
    let cluster = api.knative.cluster();
    cluster.apply(policies)?;
    let direct = |ksvc: &str| Request::get(api.ksvc_host(ksvc), "/any").send(api.knative.address());
    let result = eventually("the direct way is closed", || Ok(direct("before")?.status == 403)).and_then(|()| {
        api.serve(&[api.ksvc("after")])?;
        let routed = api.get("/after")?;
        ensure!(routed.status == 200, "{routed:?}");
        let direct = direct("after")?;
        ensure!(direct.status == 403, "{direct:?}");
        for path in ["/healthz", "/", &format!("/.well-known/knative/revision/{}/after-00001", api.name)] {
            let host = api.ksvc_host("after");
            let plain = api.send(&Request::get(&host, path))?;
            ensure!(plain.status == 403, "{path}: {plain:?}");
            let probe = api.send(&probe(&host, path))?;
            ensure!(probe.status == 200, "{path}, as a probe: {probe:?}");
        }
        Ok(())
    });
    for policy in policies {
        let name = policy["metadata"]["name"].as_str().context("a policy has a name")?;
        cluster.kubectl(["delete", "authorizationpolicy", "-n", ROOT_NAMESPACE, name])?;
    }
    result
}

fn ksvcs_become_ready_behind_a_policy_that_allows(env: &Env) -> Result<()> {
    let api = env.exclusive_api("allowed")?;
    api.serve(&[api.ksvc("before")])?;
    api.apply(&api.table_to("after"))?;
    let rules = json!([{"to": [{"operation": {"hosts": [api.host]}}]}]);
    let allow = security("AuthorizationPolicy", ROOT_NAMESPACE, "api", json!({"action": "ALLOW", "rules": rules}));
    becomes_ready(&api, &[allow, manifest("knative.yaml", &api.host)?])
}

fn ksvcs_become_ready_behind_a_policy_that_closes_the_direct_way(env: &Env) -> Result<()> {
    let api = env.exclusive_api("closed")?;
    api.serve(&[api.ksvc("before")])?;
    api.apply(&api.table_to("after"))?;
    becomes_ready(&api, &[manifest("direct-way.yaml", &api.host)?])
}
