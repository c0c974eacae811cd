//! The ways to attach the WasmPlugin to a gateway of the Gateway API, and its listeners.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testenv::http1::{Endpoint, Request, Response};
use testenv::istio::certificates::Purpose;
use testenv::istio::control_plane::ROOT_NAMESPACE;
use testenv::istio::objects::{gateway_pod, tls_secret};
use testenv::knative::function::REVISION_HEADER;
use testenv::knative::network::NODE;
use testenv::knative::objects::{GATEWAY, gateway};
use testenv::knative::serving::{HTTP, HTTPS, LOCAL, eventually};
use testenv::stand_in::Report;

use crate::api::{Api, PATIENCE};
use crate::page::Page;
use crate::{Env, tests};

tests! {
    a_selector_attaches_to_every_listener_of_the_pods_and_ports_limit_it,
    a_target_reference_attaches_only_to_pods_with_the_label_of_the_gateway,
    public_and_ksvc_host_share_a_listener_for_https,
    a_redirect_to_https_needs_the_plugin_on_the_https_port_alone,
    the_page_adds_https_to_the_gateway,
}

/// The label by which Istio knows the pods of a Gateway of the Gateway API. Istio sets it on the pods that it deploys for
/// a Gateway itself.
const GATEWAY_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

/// Returns the manifest of the plugin with these keys of its spec instead of `selector` and `match`.
fn attached(api: &Api<'_>, keys: Value) -> Result<Value> {
    let mut manifest = api.manifest(&api.table_to("function"))?;
    let spec = manifest["spec"].as_object_mut().context("the manifest has no spec")?;
    spec.remove("selector");
    spec.remove("match");
    spec.extend(keys.as_object().cloned().unwrap_or_default());
    Ok(manifest)
}

fn selector(ports: &[u16]) -> Value {
    let mut keys = json!({"selector": {"matchLabels": {"istio": "ingressgateway"}}});
    if !ports.is_empty() {
        keys["match"] = matching(ports);
    }
    keys
}

fn matching(ports: &[u16]) -> Value {
    let ports: Vec<_> = ports.iter().map(|port| json!({"number": port})).collect();
    json!([{"ports": ports}])
}

/// Returns the listeners, by port, whose filter chain has the plugin.
fn listeners_with(api: &Api<'_>) -> Result<Vec<u16>> {
    let dump = api.knative.gateway().admin_get("/config_dump?resource=dynamic_listeners")?;
    let dump: Value = serde_json::from_str(&dump)?;
    let listeners = dump["configs"].as_array().into_iter().flatten();
    let with = listeners.filter_map(|listener| {
        let state = listener.pointer("/active_state/listener")?;
        let port = state.pointer("/address/socket_address/port_value").and_then(Value::as_u64)?;
        let has_plugin = state.to_string().contains(&format!("{ROOT_NAMESPACE}.{}~", api.name));
        has_plugin.then(|| u16::try_from(port).unwrap_or_default())
    });
    let mut ports: Vec<_> = with.collect();
    ports.sort_unstable();
    Ok(ports)
}

fn ensure_attached(api: &Api<'_>, keys: &Value, ports: &[u16]) -> Result<()> {
    api.knative.cluster().apply(&[attached(api, keys.clone())?])?;
    let mut found = Vec::new();
    let waited = eventually("the plugin is on the listeners", || {
        found = listeners_with(api)?;
        Ok(found == ports)
    });
    ensure!(waited.is_ok(), "{keys}: on the listeners {found:?} instead of {ports:?}");
    Ok(())
}

/// The Gateway API's Gateway with another listener for HTTPS, which ends with this.
struct WithHttps<'a> {
    api: &'a Api<'a>,
}

impl<'a> WithHttps<'a> {
    /// Adds listeners for HTTPS with these host names, or one for all hosts.
    fn add(api: &'a Api<'a>, hosts: &[&str]) -> Result<Self> {
        let cluster = api.knative.cluster();
        let (host, ksvc_host) = (&api.host, api.ksvc_host("function"));
        let names = [host.as_str(), ksvc_host.as_str()];
        let certificate = api.knative.plane().authority().sign(&api.name, Purpose::Server(&names))?;
        let this = Self { api };
        cluster.apply(&[tls_secret(ROOT_NAMESPACE, &api.name, &certificate)?])?;
        this.set(hosts)?;
        Ok(this)
    }

    fn set(&self, hosts: &[&str]) -> Result<()> {
        let mut gateway = gateway(ROOT_NAMESPACE, GATEWAY, "istio-ingressgateway");
        let listener = |name: String, host: Option<&str>| {
            let mut listener = json!({
                "name": name, "port": 443, "protocol": "HTTPS",
                "tls": {"certificateRefs": [{"name": self.api.name}]},
                "allowedRoutes": {"namespaces": {"from": "All"}},
            });
            if let Some(host) = host {
                listener["hostname"] = host.into();
            }
            listener
        };
        let listeners = gateway["spec"]["listeners"].as_array_mut().context("the Gateway has no listeners")?;
        if hosts.is_empty() {
            listeners.push(listener("https".to_owned(), None));
        }
        for (number, host) in hosts.iter().enumerate() {
            listeners.push(listener(format!("https-{number}"), Some(host)));
        }
        self.api.knative.cluster().apply(&[gateway])?;
        let address = SocketAddr::from((NODE, HTTPS));
        eventually("the listener accepts connections", || Ok(std::net::TcpStream::connect(address).is_ok()))
    }

    fn send(&self, host: &str, path: &str) -> Result<Response> {
        let tls = Some(self.api.knative.plane().authority().client()?);
        Request::get(host, path).send_within(PATIENCE, Endpoint { address: (NODE, HTTPS).into(), tls })
    }

    /// Waits until a request over HTTPS has this status: a new listener, and a new version of one, take a moment.
    fn await_status(&self, host: &str, status: u16) -> Result<Response> {
        let mut last = self.send(host, "/");
        let waited = eventually("the response has the status", || {
            last = self.send(host, "/");
            Ok(last.as_ref().is_ok_and(|response| response.status == status))
        });
        if let (Err(_), Ok(response)) = (waited, &last) {
            bail!("https://{host}: {response:?} instead of status {status}");
        }
        last
    }
}

impl Drop for WithHttps<'_> {
    fn drop(&mut self) {
        let cluster = self.api.knative.cluster();
        let _ = cluster.apply(&[gateway(ROOT_NAMESPACE, GATEWAY, "istio-ingressgateway")]);
        let _ = cluster.kubectl(["delete", "secret", &self.api.name, "-n", ROOT_NAMESPACE, "--ignore-not-found"]);
        let _ = cluster.kubectl(["delete", "httproute", &self.api.name, "-n", ROOT_NAMESPACE, "--ignore-not-found"]);
    }
}

/// The label of the gateway's pod, which is taken off in the end.
struct Labelled<'a>(&'a Api<'a>);

impl<'a> Labelled<'a> {
    fn pod(api: &'a Api<'a>) -> Result<Self> {
        let this = Self(api);
        this.label(&format!("{GATEWAY_LABEL}={GATEWAY}"))?;
        Ok(this)
    }

    fn label(&self, label: &str) -> Result<()> {
        let pod = gateway_pod(ROOT_NAMESPACE);
        self.0.knative.cluster().kubectl(["label", "pod", &pod, "-n", ROOT_NAMESPACE, label]).map(drop)
    }
}

impl Drop for Labelled<'_> {
    fn drop(&mut self) {
        let _ = self.label(&format!("{GATEWAY_LABEL}-"));
    }
}

fn a_selector_attaches_to_every_listener_of_the_pods_and_ports_limit_it(env: &Env) -> Result<()> {
    let api = env.exclusive_api("selected")?;
    api.serve(&[api.ksvc("function")])?;
    ensure_attached(&api, &selector(&[]), &[HTTP, LOCAL])?;
    ensure!(api.await_status("/", 200)?.header(REVISION_HEADER).is_some());
    ensure_attached(&api, &selector(&[LOCAL]), &[LOCAL])?;
    api.await_status("/", 404)?;
    // The ports are those of the pod, and not those of the Service or of the Gateway's listener.
    ensure_attached(&api, &selector(&[80]), &[])?;
    ensure_attached(&api, &selector(&[HTTP]), &[HTTP])?;
    api.await_status("/", 200).map(drop)
}

fn a_target_reference_attaches_only_to_pods_with_the_label_of_the_gateway(env: &Env) -> Result<()> {
    let api = env.exclusive_api("targeted")?;
    api.serve(&[api.ksvc("function")])?;
    let target = json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY}]);
    let targeted = json!({"targetRefs": target});
    let targeted_at = |port: u16| json!({"targetRefs": target, "match": matching(&[port])});
    // The Gateway names the pods' Service as its address. That alone does not make them its pods.
    ensure_attached(&api, &selector(&[HTTP]), &[HTTP])?;
    ensure_attached(&api, &targeted, &[])?;
    api.await_status("/", 404)?;

    let labelled = Labelled::pod(&api)?;
    // The reference means the pods, so the plugin is on the listeners of other Gateways too that these pods serve.
    ensure_attached(&api, &targeted, &[HTTP, LOCAL])?;
    api.await_status("/", 200)?;
    ensure_attached(&api, &targeted_at(HTTP), &[HTTP])?;
    api.await_status("/", 200)?;
    ensure_attached(&api, &targeted_at(80), &[])?;
    // A selector still attaches to pods with the label.
    ensure_attached(&api, &selector(&[HTTP]), &[HTTP])?;
    api.await_status("/", 200)?;
    drop(labelled);
    Ok(())
}

fn public_and_ksvc_host_share_a_listener_for_https(env: &Env) -> Result<()> {
    let api = env.exclusive_api("secure")?;
    api.serve(&[api.ksvc("function")])?;
    let https = WithHttps::add(&api, &[])?;
    ensure_attached(&api, &selector(&[HTTP, HTTPS]), &[HTTP, HTTPS])?;
    let secure = https.await_status(&api.host, 200)?;
    let report: Report = serde_json::from_slice(&secure.body)?;
    ensure!(report.authority == api.ksvc_host("function"), "{report:?}");
    ensure!(report.header("x-forwarded-proto") == Some("https"), "{report:?}");
    ensure!(report.header("forwarded").is_some_and(|value| value.contains("proto=https")), "{report:?}");
    let plain: Report = serde_json::from_slice(&api.await_status("/", 200)?.body)?;
    ensure!(plain.header("x-forwarded-proto") == Some("http"), "{plain:?}");

    // Listeners for HTTPS with different host names do not share their routes, unlike those for HTTP.
    https.set(&["*.test", "*.example.com"])?;
    let split = https.await_status(&api.host, 404)?;
    ensure!(split.body.is_empty(), "{split:?}");
    ensure!(https.send(&api.ksvc_host("function"), "/")?.status == 200);
    Ok(())
}

fn a_redirect_to_https_needs_the_plugin_on_the_https_port_alone(env: &Env) -> Result<()> {
    let api = env.exclusive_api("redirected")?;
    api.serve(&[api.ksvc("function")])?;
    let https = WithHttps::add(&api, &[])?;
    let redirect = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"namespace": ROOT_NAMESPACE, "name": api.name},
        "spec": {
            "parentRefs": [{"name": GATEWAY, "sectionName": "http"}],
            "hostnames": [api.host],
            "rules": [{"filters": [
                {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}},
            ]}],
        },
    });
    api.knative.cluster().apply(&[redirect])?;
    ensure_attached(&api, &selector(&[HTTPS]), &[HTTPS])?;
    let redirected = api.await_status("/orders?a=b", 301)?;
    ensure!(redirected.header("location") == Some(&format!("https://{}/orders?a=b", api.host)), "{redirected:?}");
    https.await_status(&api.host, 200)?;
    // On the port for HTTP, the plugin makes it a request for the KSVC's host, which the redirect does not have.
    ensure_attached(&api, &selector(&[HTTP, HTTPS]), &[HTTP, HTTPS])?;
    api.await_status("/orders", 200).map(drop)
}

/// The Gateway API's Gateway with the listeners of docs/install.md, which end with this.
struct Patched<'a>(&'a Api<'a>);

impl Drop for Patched<'_> {
    fn drop(&mut self) {
        let cluster = self.0.knative.cluster();
        let listeners = gateway(ROOT_NAMESPACE, GATEWAY, "istio-ingressgateway")["spec"]["listeners"].take();
        let patch = json!({"spec": {"listeners": listeners}}).to_string();
        let name = "gateway.gateway.networking.k8s.io";
        let _ = cluster.kubectl(["patch", name, GATEWAY, "-n", ROOT_NAMESPACE, "--type", "merge", "-p", &patch]);
        let _ = cluster.kubectl(["delete", "secret", "api-example-com", "-n", ROOT_NAMESPACE, "--ignore-not-found"]);
    }
}

fn the_page_adds_https_to_the_gateway(env: &Env) -> Result<()> {
    let api = env.exclusive_api("documented")?;
    api.serve(&[api.ksvc("function")])?;
    let page = Page::new("docs/install.md", api.knative.plane(), str::to_owned)?;
    let certificate = api.knative.plane().authority().sign(&api.name, Purpose::Server(&[&api.host]))?;
    fs::copy(certificate.certificate, page.folder.join("api.example.com.crt"))?;
    fs::copy(certificate.key, page.folder.join("api.example.com.key"))?;
    let patched = Patched(&api);
    let wait =
        |condition: &mut dyn FnMut() -> Result<bool>| eventually("the page's commands print its text", condition);
    page.follow("### net-gateway-api", |_| true, wait)?;
    ensure_attached(&api, &selector(&[HTTPS]), &[HTTPS])?;
    let tls = || anyhow::Ok(Some(api.knative.plane().authority().client()?));
    let send =
        || Request::get(&api.host, "/").send_within(PATIENCE, Endpoint { address: (NODE, HTTPS).into(), tls: tls()? });
    eventually("the KSVC answers", || Ok(send().is_ok_and(|response: Response| response.status == 200)))?;
    drop(patched);
    Ok(())
}
