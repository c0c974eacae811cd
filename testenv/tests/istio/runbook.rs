//! Follows docs/runbook.md: every `kubectl` command of the page, and of docs/operations.md, runs against the real API
//! server as it is written there, and the canary on a second gateway is carried out with the page's own objects.
//!
//! Only names differ from the pages: everything is in the namespace of the test, and ports are free ports. The pods are
//! processes of this machine, for which a stand-in for a kubelet answers `logs`, `exec` and `port-forward`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ksvc_router_cli::load;
use ksvc_router_cli::source::Source;
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::istio::control_plane::Cluster;
use testenv::istio::ingress::{Data, Setup};
use testenv::istio::kubelet::{Kubelet, Pod};
use testenv::istio::{IngressGateway, objects};
use testenv::process::{Running, free_ports};
use testenv::{page, plugin, program, repository};

use crate::cluster::{apply_ksvc, apply_pod};
use crate::common::{orders_table, report, table};
use crate::page::Page;
use crate::{Env, eventually, tests, wasm_plugin};

tests! {
    every_kubectl_command_of_the_runbook_works,
    a_canary_on_a_second_gateway_serves_the_table_of_each,
}

const API: &str = "api.example.com";
const NAMESPACE: &str = "runbook";
const PAGES: [&str; 2] = ["docs/runbook.md", "docs/operations.md"];

/// The commands that have no result here, each with what kubectl says instead: it understands the command, but the API
/// server lacks what it asks for.
const WITHOUT_RESULT: &[(&str, &str)] =
    &[("kubectl top pods -n istio-system -l istio=ingressgateway", "Metrics API not available")];

/// Returns the commands of a page that begin with `kubectl`: the lines of its shell blocks, and those in its sentences
/// that name a namespace or a file. Others, such as `kubectl apply`, only name what kubectl does.
fn commands(text: &str) -> BTreeSet<String> {
    let blocks = page::blocks(text).into_iter().filter(|(language, _)| *language == "sh");
    let blocks: Vec<String> = blocks.map(|(_, text)| text.replace("\\\n", "")).collect();
    let lines = blocks.iter().flat_map(|block| block.lines()).map(|line| line.trim_end_matches(" &"));
    let is_whole = |code: &&str| !code.contains('\n') && [" -n ", " -A", " -f "].iter().any(|flag| code.contains(flag));
    let sentences = text.split('`').filter(is_whole);
    let words = |command: &str| command.split_whitespace().collect::<Vec<_>>().join(" ");
    // The words of a command are never separated by more than one space, so joining them changes nothing but indentation.
    lines.chain(sentences).filter(|command| command.starts_with("kubectl ")).map(words).collect()
}

/// The pages whose commands are tried.
struct Pages<'a> {
    page: Page<'a>,
    cluster: &'a Cluster,
    gateway: &'a IngressGateway,
    commands: BTreeSet<String>,
    tried: RefCell<BTreeSet<String>>,
}

impl Pages<'_> {
    /// Notes that a command of the pages, which is given as it is written there, is tried. Returns it with the names of
    /// the test.
    fn tried(&self, command: &str) -> Result<String> {
        ensure!(self.commands.contains(command), "{PAGES:?} do not have the command `{command}`");
        self.tried.borrow_mut().insert(command.to_owned());
        Ok(adapt(command))
    }

    /// Runs a command of the pages. Returns what it prints.
    fn run(&self, command: &str) -> Result<String> {
        self.page.run(&self.tried(command)?).with_context(|| command.to_owned())
    }

    /// Runs a command until it prints this text. Returns all that it prints.
    fn prints(&self, command: &str, expected: &str) -> Result<String> {
        let mut printed = String::new();
        eventually(self.gateway, &format!("`{command}` prints {expected:?}"), || {
            printed = self.run(command)?;
            ensure!(printed.contains(expected), "`{command}` has printed {printed:?}");
            Ok(())
        })?;
        Ok(printed)
    }
}

/// Replaces the names of the pages by those of the test.
fn adapt(command: &str) -> String {
    command.replace("-n istio-system", "-n runbook").replace("-n shop", "-n runbook")
}

fn every_kubectl_command_of_the_runbook_works(env: &Env) -> Result<()> {
    let cluster = env.plane.cluster();
    // Its access log has Istio's default text format, which the page's commands search.
    let istiod = env.plane.another_istiod("runbook-istiod", &json!({"accessLogFormat": ""}))?;
    let gateway = Setup::new(NAMESPACE).data(Data::Private).start_under(&env.plane, &istiod)?;
    gateway.serve_http(&["orders.shop.example.com"], env.stand_in.address())?;
    let page = Page::new(PAGES[0], &env.plane, adapt)?;
    let commands = PAGES.iter().map(|name| Ok(commands(&fs::read_to_string(repository().join(name))?)));
    let commands: Vec<BTreeSet<String>> = commands.collect::<Result<_>>()?;
    ensure!(commands.iter().all(|commands| !commands.is_empty()), "a page has no commands: {commands:?}");
    let commands = commands.into_iter().flatten().collect();
    let folder = page.folder.clone();
    let pages = Pages { page, cluster, gateway: &gateway, commands, tried: RefCell::default() };

    let programs = istiods_program(env, &folder, istiod.monitoring_address())?;
    let path = std::env::join_paths(
        std::iter::once(programs).chain(std::env::split_paths(&std::env::var_os("PATH").context("PATH is not set")?)),
    )?;
    let answer = folder.join("answer");
    fs::write(&answer, "HTTP/1.1 200 OK\n")?;
    let admin = BTreeMap::from([(15000, gateway.admin_address().port())]);
    let pods = BTreeMap::from([
        (pod_name(&gateway), Pod { log: gateway.log_file().to_owned(), ports: admin }),
        (format!("{NAMESPACE}/istiod"), Pod { log: answer.clone(), ports: BTreeMap::new() }),
        (format!("{NAMESPACE}/probe"), Pod { log: answer, ports: BTreeMap::new() }),
    ]);
    let kubelet = Kubelet::start(&env.plane, "runbook-node", &folder, &path, &pods)?;
    apply_pod(env, NAMESPACE, "Running", &[8443])?;
    cluster.apply(&[
        pod("istiod", &json!({"app": "istiod"})),
        pod("lost", &json!({"app": "lost"})),
        pod("orders-00001", &json!({"serving.knative.dev/service": "orders"})),
        deployment("istiod", &json!({"app": "istiod"}), "istio/pilot"),
        deployment("istio-ingressgateway", &objects::gateway_labels(), "istio/proxyv2:old"),
    ])?;
    kubelet.bind(NAMESPACE, &objects::gateway_pod(NAMESPACE))?;
    kubelet.bind(NAMESPACE, "istiod")?;
    apply_ksvc(env, NAMESPACE, "orders", "http://orders.shop.example.com")?;

    the_table(&pages)?;
    the_access_log(&pages)?;
    port_forward(&pages)?;
    module_not_fetched(&pages)?;
    refused_listener(&pages)?;
    off_and_on(&pages)?;
    rollout(env, &pages)?;
    probe(env, &pages, &kubelet)?;
    pages.prints("kubectl get ksvc -n shop orders", "orders")?;
    pages.prints("kubectl get ksvc -A", "orders")?;
    pages.prints("kubectl get pods -n shop -l serving.knative.dev/service=orders", "orders-00001")?;
    cluster.apply(&[
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "knative-serving"}}),
        pod_in("knative-serving", "activator", &json!({"app": "activator"})),
        pod("labelled", &json!({"istio": "ingressgateway", "table": "stable"})),
    ])?;
    pages.prints("kubectl get pods -n knative-serving", "activator")?;
    pages.prints("kubectl get pods -n istio-system -l istio=ingressgateway,table=stable", "labelled")?;
    let delete = pages.tried("kubectl delete pod -n istio-system NAME")?;
    pages.page.run(&delete.replace("NAME", "lost"))?;
    ensure!(cluster.kubectl(["get", "pod", "lost", "-n", NAMESPACE]).is_err(), "the pod still exists");
    for (command, answer) in WITHOUT_RESULT {
        let error = pages.run(command).err().with_context(|| format!("{command} works here: run it above"))?;
        ensure!(format!("{error:#}").contains(answer), "{command}: {error:#}");
    }
    let tried = pages.tried.take();
    let untried: Vec<_> = pages.commands.difference(&tried).collect();
    ensure!(untried.is_empty(), "no test tries these commands of {PAGES:?}:\n{untried:#?}");
    Ok(())
}

/// Makes a folder with the program `pilot-discovery` as istiod's pod has it. The real one asks a fixed port of loopback,
/// where no istiod listens here, so this one first checks that the real one understands its arguments, and then asks the
/// istiod of the test.
fn istiods_program(env: &Env, folder: &Path, istiod: SocketAddr) -> Result<PathBuf> {
    let programs = folder.join("istiod");
    fs::create_dir_all(&programs)?;
    let real = env.plane.tools().program("pilot-discovery");
    let file = programs.join("pilot-discovery");
    let script = format!(
        "#!/bin/sh\n\
         said=$(\"{real}\" \"$@\" 2>&1) || case $said in *127.0.0.1:15014*) ;; *) echo \"$said\"; exit 1 ;; esac\n\
         exec curl -fsS -X \"$2\" http://{istiod}\"$3\"\n",
        real = real.display()
    );
    fs::write(&file, script)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    Ok(programs)
}

fn pod_name(gateway: &IngressGateway) -> String {
    let namespace = gateway.namespace();
    format!("{namespace}/{}", objects::gateway_pod(namespace))
}

fn pod(name: &str, labels: &Value) -> Value {
    pod_in(NAMESPACE, name, labels)
}

fn pod_in(namespace: &str, name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
        "spec": {"containers": [{"name": name, "image": "of-the-test"}]},
    })
}

fn deployment(name: &str, labels: &Value, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": NAMESPACE, "name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": image}]}},
        },
    })
}

/// Writes wasm-plugin.yaml with this table and, if it is given, another URL of the module.
fn write_plugin(pages: &Pages<'_>, table: &Value, url: Option<&str>) -> Result<()> {
    let mut plugin = wasm_plugin(pages.gateway, table)?;
    if let Some(url) = url {
        plugin["spec"]["url"] = url.into();
    }
    Ok(fs::write(pages.page.folder.join("wasm-plugin.yaml"), plugin.to_string())?)
}

const APPLY: &str = "kubectl apply --server-side -f wasm-plugin.yaml";
const CHECK: &str = "kubectl get wasmplugin -n istio-system ksvc-router -o yaml | ksvc-router check -";

/// Returns a table with a route of each kind that the commands look for in the access log.
fn good_table() -> Value {
    table(json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /failing", "respond": {"status": 503}},
        {"match": "GET /long", "respond": {"status": 200, "body": "x".repeat(555)}},
    ]))
}

/// Applies the table, and waits until it is served.
fn apply(pages: &Pages<'_>) -> Result<()> {
    pages.run(APPLY)?;
    let version = pages.gateway.plugin_version("ksvc-router").context("the plugin was not created")?;
    pages.gateway.await_plugin("ksvc-router", &version)
}

/// A good table, a bad one, and the good one again.
fn the_table(pages: &Pages<'_>) -> Result<()> {
    write_plugin(pages, &good_table(), None)?;
    apply(pages)?;
    pages.prints(CHECK, "3 routes, 0 errors")?;
    let logs = "kubectl logs -n istio-system -l istio=ingressgateway --tail=-1";
    let accepted = "ksvc-router default: configuration accepted";
    pages.prints(&format!("{logs} --since=24h | grep ksvc-router"), accepted)?;
    pages.prints("kubectl logs -n istio-system deploy/istio-ingressgateway | grep ksvc-router", accepted)?;
    let printed = pages.prints(&format!("{logs} | grep 'configuration accepted' | tail -1"), accepted)?;
    let version = concat!(", plugin ", env!("CARGO_PKG_VERSION"));
    ensure!(printed.lines().count() == 1 && printed.contains(version), "{printed:?}");

    write_plugin(pages, &table(json!([{"match": "GET /orders/{id}", "serivce": "orders"}])), None)?;
    apply(pages)?;
    let error = pages.run(CHECK).err().context("`check` accepts the bad table")?;
    ensure!(format!("{error:#}").contains("unknown key `serivce`"), "{error:#}");
    write_plugin(pages, &good_table(), None)?;
    apply(pages)?;

    pages.run("kubectl get wasmplugin -n istio-system ksvc-router -o yaml > table.yaml")?;
    pages.page.run("ksvc-router check table.yaml").map(drop)
}

/// What the commands find in the access log, after one request of each kind.
fn the_access_log(pages: &Pages<'_>) -> Result<()> {
    let requests = [
        ("GET", "/faas/orders/1", 200),
        ("GET", "/faas/long", 200),
        ("GET", "/faas/nothing", 404),
        ("DELETE", "/faas/orders/2", 405),
        ("GET", "/faas/failing", 503),
    ];
    for (method, path, status) in requests {
        let got = Request::new(method, API, path).send(pages.gateway.address())?.status;
        ensure!(got == status, "{method} {path}: {got}");
    }
    let logs = "kubectl logs -n istio-system -l istio=ingressgateway --tail=-1";
    for (filter, path) in [
        ("--since=15m | grep -E '[ \"]notFound[ \"]' | head -20", "/faas/nothing"),
        ("--since=15m | grep -E '[ \"]methodNotAllowed[ \"]' | head -20", "/faas/orders/2"),
        ("--since=10m | grep -E '(^|\" |\"response_code\":)5[0-9][0-9][ ,}]' | tail -20", "/faas/failing"),
    ] {
        let printed = pages.prints(&format!("{logs} {filter}"), path)?;
        let others = requests.iter().filter(|(_, other, _)| *other != path);
        for (_, other, _) in others {
            ensure!(!printed.contains(other), "{filter} finds {other} too:\n{printed}");
        }
    }
    pages.run(&format!("{logs} --since=1h > gateway.log"))?;
    let saved = fs::read_to_string(pages.page.folder.join("gateway.log"))?;
    ensure!(requests.iter().all(|(_, path, _)| saved.contains(path)), "{saved}");
    Ok(())
}

/// `status` asks the pod through a forwarded port.
fn port_forward(pages: &Pages<'_>) -> Result<()> {
    let command = "kubectl port-forward -n istio-system deploy/istio-ingressgateway 15000";
    let command = pages.tried(command)?;
    let [local] = free_ports()?;
    let command = command.replace("15000", &format!("{local}:15000"));
    let mut kubectl = pages.cluster.command();
    kubectl.args(command.split(' ').skip(1));
    let _forwarding = Running::start("kubectl", &mut kubectl, &pages.page.folder.join("port-forward.log"), None)?;
    let status = format!("ksvc-router status wasm-plugin.yaml --admin http://127.0.0.1:{local}");
    eventually(pages.gateway, "`status` says that the table is served", || {
        let printed = pages.page.run(&status)?;
        ensure!(printed.contains("this table"), "{printed}");
        Ok(())
    })
}

/// No registry listens there.
fn module_not_fetched(pages: &Pages<'_>) -> Result<()> {
    let [port] = free_ports()?;
    let url = format!("oci://127.0.0.1:{port}/ksvc-router@sha256:{}", "0".repeat(64));
    write_plugin(pages, &good_table(), Some(&url))?;
    pages.run(APPLY)?;
    let logs = "kubectl logs -n istio-system -l istio=ingressgateway --tail=-1 | grep -iE 'wasm|deny RBAC'";
    pages.prints(logs, "error in converting the wasm config to local")?;
    let edit = "kubectl patch wasmplugin -n istio-system ksvc-router --type=merge -p '{\"spec\":{\"pluginConfig\":{\"name\":\"default\"}}}'";
    let before = pages.gateway.plugin_version("ksvc-router");
    pages.run(edit)?;
    ensure!(pages.gateway.plugin_version("ksvc-router") != before, "the command has not edited the plugin");
    write_plugin(pages, &good_table(), None)?;
    apply(pages)
}

/// Envoy refuses a listener whose module does not exist.
fn refused_listener(pages: &Pages<'_>) -> Result<()> {
    let syncz = "kubectl exec -n istio-system deploy/istiod -- pilot-discovery request GET /debug/syncz";
    pages.prints(syncz, &objects::gateway_pod(NAMESPACE))?;
    write_plugin(pages, &good_table(), Some("file:///nowhere/plugin.wasm"))?;
    pages.run(APPLY)?;
    let printed = pages.prints(&format!("{syncz} | grep lastError"), "Invalid path: /nowhere/plugin.wasm")?;
    ensure!(printed.lines().all(|line| line.contains("lastError")), "{printed}");
    let rejected = "kubectl logs -n istio-system -l istio=ingressgateway --tail=-1 | grep rejected";
    pages.prints(rejected, "Invalid path: /nowhere/plugin.wasm")?;
    write_plugin(pages, &good_table(), None)?;
    apply(pages)
}

fn off_and_on(pages: &Pages<'_>) -> Result<()> {
    let routed = || -> Result<bool> {
        let response = Request::get(API, "/faas/orders/1").send(pages.gateway.address())?;
        Ok(report(&response)?.authority == "orders.shop.example.com")
    };
    ensure!(routed()?, "the filter is not on");
    pages.run("kubectl get wasmplugin -n istio-system ksvc-router -o yaml > removed.yaml")?;
    pages.run("kubectl delete wasmplugin -n istio-system ksvc-router")?;
    pages.gateway.eventually("the filter is off", || Ok(!routed()?))?;
    apply(pages)?;
    pages.gateway.eventually("the filter is on again", routed)
}

/// The gateway's Deployment with a second revision, and back. No controllers run here, so the test makes the revisions
/// and the status.
fn rollout(env: &Env, pages: &Pages<'_>) -> Result<()> {
    let (cluster, name) = (env.plane.cluster(), "istio-ingressgateway");
    let get = |path: &str| -> Result<String> {
        let path = format!("jsonpath={{{path}}}");
        cluster.kubectl(["get", "deployment", name, "-n", NAMESPACE, "-o", &path])
    };
    let labels = objects::gateway_labels();
    cluster.apply(&[deployment(name, &labels, "istio/proxyv2:new")])?;
    for (revision, image) in [("1", "istio/proxyv2:old"), ("2", "istio/proxyv2:new")] {
        let mut set = deployment(&format!("{name}-{revision}"), &labels, image);
        set["kind"] = "ReplicaSet".into();
        set["spec"]["template"] = deployment(name, &labels, image)["spec"]["template"].take();
        set["metadata"]["labels"] = labels.clone();
        set["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": revision});
        set["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": get(".metadata.uid")?, "controller": true,
        }]);
        cluster.apply(&[set])?;
    }
    let rolled_out = || -> Result<()> {
        let generation: u64 = get(".metadata.generation")?.parse()?;
        let status = json!({"status": {
            "observedGeneration": generation,
            "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        }});
        let status = status.to_string();
        cluster
            .kubectl(["patch", "deployment", name, "-n", NAMESPACE, "--subresource", "status", "-p", &status])
            .map(drop)
    };
    let status = "kubectl rollout status -n istio-system deploy/istio-ingressgateway";
    rolled_out()?;
    pages.prints(status, "successfully rolled out")?;
    pages.run("kubectl rollout undo -n istio-system deploy/istio-ingressgateway")?;
    let image = get(".spec.template.spec.containers[0].image")?;
    ensure!(image == "istio/proxyv2:old", "{image}");
    rolled_out()?;
    pages.prints(status, "successfully rolled out").map(drop)
}

/// The test stands for the scheduler and for the container, which ends at once.
fn probe(env: &Env, pages: &Pages<'_>, kubelet: &Kubelet) -> Result<()> {
    let cluster = env.plane.cluster();
    let command = "kubectl run -n shop probe --rm -i --restart=Never --image=curlimages/curl -- curl -si http://orders.shop.svc.cluster.local/faas/orders/42";
    let command = pages.tried(command)?;
    let mut kubectl = pages.cluster.command();
    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    let log = pages.page.folder.join("probe.log");
    let kubectl = Running::start("kubectl", kubectl.args(arguments), &log, None)?;
    let get = |path: &str| cluster.kubectl(["get", "pod", "probe", "-n", NAMESPACE, "-o", path]);
    pages.gateway.eventually("the pod exists", || Ok(get("name").is_ok()))?;
    let arguments: Value = serde_json::from_str(&get("jsonpath={.spec.containers[0].args}")?)?;
    ensure!(arguments == json!(["curl", "-si", "http://orders.shop.svc.cluster.local/faas/orders/42"]), "{arguments}");
    kubelet.bind(NAMESPACE, "probe")?;
    let ended = json!({"name": "probe", "ready": false, "restartCount": 0, "image": "curlimages/curl", "imageID": "",
        "state": {"terminated": {"exitCode": 0}}});
    let status = json!({"status": {"phase": "Succeeded", "containerStatuses": [ended]}}).to_string();
    cluster.kubectl(["patch", "pod", "probe", "-n", NAMESPACE, "--subresource", "status", "-p", &status])?;
    pages.gateway.eventually("kubectl prints the answer", || Ok(kubectl.log().contains("HTTP/1.1 200 OK")))?;
    pages.gateway.eventually("the pod is removed", || Ok(get("name").is_err()))
}

// ---- the canary

/// Both gateways are in one namespace, as in `istio-system`. They can't have addresses of their own, so an EnvoyFilter
/// moves the listeners of the second one to another address of loopback.
fn a_canary_on_a_second_gateway_serves_the_table_of_each(env: &Env) -> Result<()> {
    const CANARY: &str = "canary";
    const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
    let cluster = env.plane.cluster();
    let stable = Setup::new(CANARY).pod("canary-stable", ("table", "stable")).start(&env.plane)?;
    let port = stable.ports()[0];
    cluster.apply(&[objects::networking("EnvoyFilter", CANARY, "address-of-the-second-pod", json!({
        "workloadSelector": {"labels": {"table": "next"}},
        "configPatches": [{
            "applyTo": "LISTENER",
            "match": {"context": "GATEWAY", "listener": {"portNumber": port}},
            "patch": {"operation": "MERGE", "value": {"address": {"socket_address": {"address": SECOND.to_string()}}}},
        }],
    }))])?;
    let next = Setup::new(CANARY).pod("canary-next", ("table", "next")).ports(stable.ports(), 0).start(&env.plane)?;
    stable.serve_http(&["orders.shop.example.com", "orders-v2.shop.example.com"], env.stand_in.address())?;
    let addresses = [stable.address(), SocketAddr::from((SECOND, port))];
    next.eventually("the second gateway listens", || Ok(std::net::TcpStream::connect(addresses[1]).is_ok()))?;
    // The host and path with which a request arrives at the service, through each of the gateways. Without the filter,
    // it arrives as the client has sent it.
    let served = || -> Result<[(String, String); 2]> {
        let ask = |address| -> Result<_> {
            let arrived = report(&Request::get(API, "/faas/orders/42").send(address)?)?;
            Ok((arrived.authority, arrived.path))
        };
        Ok([ask(addresses[0])?, ask(addresses[1])?])
    };
    let request = |authority: &str, path: &str| (authority.to_owned(), path.to_owned());
    let old = request("orders.shop.example.com", "/faas/orders/42");
    let new = request("orders-v2.shop.example.com", "/v2/orders/42");
    let none = request(API, "/faas/orders/42");
    let is_served = |what: &str, expected: [&(String, String); 2]| {
        eventually(&next, what, || {
            let served = served()?;
            ensure!(served.each_ref() == expected, "{what}: {served:?}");
            Ok(())
        })
    };

    // Before: one object for all pods of the gateway.
    stable.apply_plugin(&wasm_plugin(&stable, &orders_table("orders"))?)?;
    is_served("one table for both gateways", [&old, &old])?;
    let text = fs::read_to_string(repository().join("docs/runbook.md"))?;
    let text = page::block(&text, "### A canary on a second gateway", "yaml")?;
    let documents = load::parse(&Source::new("docs/runbook.md", text)).map_err(|_| anyhow::anyhow!("{text}"))?;
    let objects =
        documents.iter().map(|document| objects::wasm_plugin(document.to_value(), CANARY, &plugin()?, &[port], None));
    let [mut first, second]: [Value; 2] =
        objects.collect::<Result<Vec<_>>>()?.try_into().map_err(|objects| anyhow::anyhow!("{objects:?}"))?;
    stable.apply_plugin(&first)?;
    is_served("the first object is for its own pods alone", [&old, &none])?;
    next.apply_plugin(&second)?;
    is_served("each gateway serves its own table", [&old, &new])?;
    says_this_table(&stable, &first)?;
    says_this_table(&next, &second)?;
    let routed = |gateway: &IngressGateway, table: &str| {
        gateway.metric(&format!("ksvc_router_routed{{wasm_filter=\"{table}\"}}"))
    };
    next.eventually("the names keep the metrics apart", || {
        Ok(routed(&stable, "stable")?.is_some()
            && routed(&stable, "next")?.is_none()
            && routed(&next, "next")?.is_some())
    })?;

    // The new table is good: it goes into the first object, and then the second one is deleted.
    let name = first["spec"]["pluginConfig"]["name"].take();
    first["spec"]["pluginConfig"] = second["spec"]["pluginConfig"].clone();
    first["spec"]["pluginConfig"]["name"] = name;
    stable.apply_plugin(&first)?;
    is_served("both gateways serve the new table", [&new, &new])?;
    says_this_table(&stable, &first)?;
    next.delete("wasmplugin", "ksvc-router-next")?;
    is_served("the second gateway serves no table", [&new, &none])
}

/// Checks that `status` says that a gateway serves the table of an object.
fn says_this_table(gateway: &IngressGateway, object: &Value) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("table.json");
    fs::write(&file, object.to_string())?;
    let mut status = Command::new(program()?);
    status.arg("status").arg(&file).args(["--admin", &format!("http://{}", gateway.admin_address())]);
    let status = status.output()?;
    let printed = String::from_utf8_lossy(&status.stdout);
    ensure!(status.status.success() && printed.contains("this table"), "{printed}");
    Ok(())
}
