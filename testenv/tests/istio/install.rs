//! Follows docs/install.md: the commands of the page run as they are written there, and print what the page says. Only
//! ports and the namespace of the gateway's pods differ, because the gateway listens on free ports of loopback, and a
//! Gateway applies only to the pods of its own namespace here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use testenv::istio::certificates::Purpose;
use testenv::istio::control_plane::ROOT_NAMESPACE;
use testenv::istio::ingress::Setup;
use testenv::istio::{IngressGateway, objects};
use testenv::{plugin, repository};

use crate::{Env, manifest, tests};

tests! {
    the_page_installs_the_filter,
}

const API: &str = "api.example.com";
const KNATIVE: &str = "knative-serving";

fn the_page_installs_the_filter(env: &Env) -> Result<()> {
    let page = Page::new(env)?;
    page.follow("### Read Knative's settings", |_| true)?;
    page.follow("### Knative's own Gateway with net-istio", |_| true)?;
    page.follow("### HTTPS with one certificate", |_| true)?;
    // The admission policy is for the whole cluster, which other tests use too. It has tests of its own. The ways with
    // Helm and Kustomize have theirs as well.
    page.follow("## 5. Apply the table", |commands| commands.contains("wasm-plugin.yaml"))?;
    page.follow("## 6. Check the installation", |commands| commands.contains("curl "))?;
    // This takes the Gateway away from the pods.
    page.follow("### Istio's Helm chart gateway", |_| true)
}

/// The page, and a folder in which its commands run.
struct Page<'a> {
    env: &'a Env,
    text: String,
    gateway: IngressGateway,
    folder: PathBuf,
}

impl<'a> Page<'a> {
    /// Starts a gateway, and makes what a cluster has before the installation: Knative's ConfigMaps, the Gateway and
    /// the routes that net-istio makes, and the Service of the gateway's pods.
    fn new(env: &'a Env) -> Result<Self> {
        let gateway = Setup::new(KNATIVE).start(&env.plane)?;
        gateway.serve(&[named_http(gateway.ports()[1])], &["orders.shop.example.com"], env.stand_in.address())?;
        gateway.delete("virtualservice", "catch-all")?;
        let cluster = env.plane.cluster();
        let config_map = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": KNATIVE, "name": name}, "data": data});
        let service = "istio-ingressgateway.istio-system.svc.cluster.local";
        let example = "an example that is no setting";
        cluster.apply(&[
            config_map(
                "config-network",
                json!({
                    "_example": example,
                    "ingress-class": "istio.ingress.networking.knative.dev",
                    "domain-template": "{{.Name}}.{{.Namespace}}.{{.Domain}}",
                }),
            ),
            config_map("config-domain", json!({"_example": example, "example.com": ""})),
            config_map(
                "config-istio",
                json!({"_example": example, "gateway.knative-serving.knative-ingress-gateway": service}),
            ),
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"namespace": ROOT_NAMESPACE, "name": "istio-ingressgateway"},
                "spec": {"type": "LoadBalancer", "ports": [{"port": 443}]},
            }),
            // istiod gives a Secret only to a gateway whose service account may read it. The charts make such a Role.
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": {"namespace": KNATIVE, "name": "secrets"},
                "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}],
            }),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"namespace": KNATIVE, "name": "secrets"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "secrets"},
                "subjects": [{"kind": "ServiceAccount", "name": objects::SERVICE_ACCOUNT}],
            }),
            // The pod of the chart `gateway`.
            json!({
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"namespace": KNATIVE, "name": "istio-ingress", "labels": {"istio": "ingress"}},
                "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]},
            }),
        ])?;
        let address = r#"{"status":{"loadBalancer":{"ingress":[{"ip":"127.0.0.1"}]}}}"#;
        let service = "service/istio-ingressgateway";
        cluster.kubectl(["patch", service, "-n", ROOT_NAMESPACE, "--subresource", "status", "-p", address])?;

        let folder = env.plane.folder().join("install");
        fs::create_dir_all(&folder)?;
        let certificate = env.plane.authority().sign("install", Purpose::Server(&[API]))?;
        fs::copy(certificate.certificate, folder.join("api.example.com.crt"))?;
        fs::copy(certificate.key, folder.join("api.example.com.key"))?;
        let manifest = objects::wasm_plugin(manifest()?, ROOT_NAMESPACE, &plugin()?, &gateway.ports()[..1], None)?;
        fs::write(folder.join("wasm-plugin.yaml"), manifest.to_string())?;
        let text = fs::read_to_string(repository().join("docs/install.md"))?;
        Ok(Self { env, text, gateway, folder })
    }

    /// Runs the commands of a section that `are_chosen`, and writes its files. Checks what the commands print where a
    /// block of text follows them.
    fn follow(&self, heading: &str, are_chosen: impl Fn(&str) -> bool) -> Result<()> {
        let blocks = blocks(section(&self.text, heading)?);
        let mut chosen = 0;
        for (number, (language, text)) in blocks.iter().enumerate() {
            let text = self.adapted(text);
            match *language {
                "yaml" => self.write(&text)?,
                "sh" if are_chosen(&text) => {
                    chosen += 1;
                    let expected = blocks.get(number + 1).filter(|(language, _)| *language == "text");
                    let expected = expected.map(|(_, expected)| self.adapted(expected));
                    self.run(&text, expected.as_deref()).with_context(|| format!("{heading}:\n{text}"))?;
                }
                _ => {}
            }
        }
        ensure!(chosen > 0, "docs/install.md has no commands in {heading:?}");
        Ok(())
    }

    /// Writes a file whose name is in its first line.
    fn write(&self, text: &str) -> Result<()> {
        match text.lines().next().and_then(|line| line.strip_prefix("# ")) {
            Some(name) => Ok(fs::write(self.folder.join(name), text)?),
            None => Ok(()),
        }
    }

    /// Replaces the ports and the namespace of the gateway's pods.
    fn adapted(&self, text: &str) -> String {
        let [https, http, ..] = self.gateway.ports();
        text.replace("number: 443,", &format!("number: {https},"))
            .replace("number: 80,", &format!("number: {http},"))
            .replace("\n      hosts:", "\n      bind: 127.0.0.1\n      hosts:")
            .replace("$ADDRESS:443", &format!("$ADDRESS:{https}"))
            .replace("$ADDRESS:80", &format!("$ADDRESS:{http}"))
            .replace("\n80 HTTP", &format!("\n{http} HTTP"))
            .replace("secret tls api-example-com -n istio-system", &format!("secret tls api-example-com -n {KNATIVE}"))
    }

    /// Runs commands until they print what is expected. Commands of which nothing is expected run once.
    fn run(&self, commands: &str, expected: Option<&str>) -> Result<()> {
        let Some(expected) = expected else { return self.output(commands).map(drop) };
        let mut printed = String::new();
        let is_printed = || {
            printed = self.output(commands).unwrap_or_else(|error| format!("{error:#}"));
            Ok(printed.trim() == expected.trim())
        };
        let waited = self.gateway.eventually("the commands print what the page says", is_printed);
        waited.map_err(|error| anyhow!("printed {printed:?} instead of {expected:?}: {error:#}"))
    }

    /// Runs commands in the page's folder with bash, after those of the page that set a variable.
    fn output(&self, commands: &str) -> Result<String> {
        let cluster = self.env.plane.cluster();
        let programs = [self.env.plane.tools().program("kubectl"), repository().join("dist/ksvc-router")];
        let folders = programs.iter().filter_map(|program| program.parent()).map(Path::to_path_buf);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&path)))?;
        let variables: Vec<&str> =
            blocks(&self.text).into_iter().map(|(_, text)| text).filter(|text| text.starts_with("ADDRESS=")).collect();
        let kubectl = cluster.command();
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &format!("{}\n{commands}", variables.concat())])
            .current_dir(&self.folder)
            .envs(kubectl.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", path)
            .env("CURL_CA_BUNDLE", self.env.plane.authority().file())
            .output()
            .context("cannot start bash")?;
        let printed = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(printed)
    }
}

/// Returns the server of net-istio's Gateway on this port.
fn named_http(port: u16) -> Value {
    let mut server = objects::http_server(port);
    server["port"]["name"] = "http".into();
    server
}

/// Returns the text below a heading, up to the next heading of the same or a higher level.
fn section<'p>(page: &'p str, heading: &str) -> Result<&'p str> {
    let (_, text) = page
        .split_once(&format!("\n{heading}\n"))
        .with_context(|| format!("docs/install.md has no section {heading:?}"))?;
    let level = heading.bytes().take_while(|byte| *byte == b'#').count();
    let ends = |line: &str| {
        let hashes = line.bytes().take_while(|byte| *byte == b'#').count();
        (2..=level).contains(&hashes)
    };
    let length = text.split_inclusive('\n').take_while(|line| !ends(line)).map(str::len).sum();
    Ok(&text[..length])
}

/// Returns the language and the text of each code block.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let pieces = text.split("\n```").collect::<Vec<_>>();
    pieces.iter().skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect()
}
