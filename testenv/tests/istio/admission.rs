//! admission.yaml on a real API server: what it refuses at `kubectl apply`, in which words, and what it lets pass.
//!
//! The API server is one of its own, for the tests beside this one apply bad documents on purpose.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testenv::cases;
use testenv::istio::certificates::Authority;
use testenv::istio::control_plane::{ApiServer, Cluster};
use testenv::repository;

use crate::{Env, manifest, tests};

tests! {
    misshapen_tables_are_refused_in_useful_words,
    good_tables_pass_the_policy,
    plugins_of_others_are_left_alone,
    objects_older_than_the_policy_can_be_labelled,
    fifteen_thousand_routes_pass_the_policy,
    more_than_16384_routes_are_refused,
}

/// The API server takes a policy into account some time after it was made.
const PATIENCE: Duration = Duration::from_secs(60);

/// An API server with the policy in force, and an object that is older than the policy.
pub(crate) struct Guarded {
    server: ApiServer,
    // Last: whoever writes there has ended by then.
    _folder: TempDir,
}

/// The one that the tests here share.
fn guarded(env: &Env) -> Result<Arc<Guarded>> {
    let mut shared = env.guarded.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(started) = &*shared {
        return Ok(Arc::clone(started));
    }
    let started = Arc::new(start(env)?);
    *shared = Some(Arc::clone(&started));
    Ok(started)
}

fn start(env: &Env) -> Result<Guarded> {
    let folder = tempfile::Builder::new().prefix("ksvc-router-admission-").tempdir()?;
    let authority = Authority::new(&folder.path().join("certificates"))?;
    let server = ApiServer::start(env.plane.tools(), &authority, folder.path())?;
    let cluster = server.cluster();
    cluster.apply(&[object("older", "ksvc-router", &json!({"rotues": []}))])?;
    let policy = repository().join("admission.yaml");
    cluster.run(["apply", "-f"], &[policy.as_os_str()], None)?;
    let began = Instant::now();
    while refusal(cluster, &json!({"rotues": []})).is_err() {
        ensure!(began.elapsed() < PATIENCE, "the policy is not in force");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(Guarded { server, _folder: folder })
}

fn object(name: &str, plugin_name: &str, table: &Value) -> Value {
    json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": {"name": name, "namespace": "istio-system"},
        "spec": {"pluginName": plugin_name, "url": "file:///plugin.wasm", "pluginConfig": table},
    })
}

fn dry_run(cluster: &Cluster, object: &Value) -> Result<String> {
    cluster.run(["apply", "--dry-run=server", "-f", "-"], &[], Some(&object.to_string()))
}

/// The words with which a table is refused.
fn refusal(cluster: &Cluster, table: &Value) -> Result<String> {
    match dry_run(cluster, &object("table", "ksvc-router", table)) {
        Ok(_) => bail!("passes: {table}"),
        Err(error) => {
            let said = error.to_string();
            let (_, reason) = said.split_once("denied request: ").with_context(|| format!("{table}: {said}"))?;
            Ok(reason.to_owned())
        }
    }
}

fn table(routes: Value) -> Value {
    json!({"hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop", "routes": routes})
}

/// Keys of the table and of a route, what is written there, and how the refusal begins.
fn misshapen() -> Vec<(Value, &'static str)> {
    let route = |key: &str, value: Value| {
        let mut route = json!({"match": "GET /a", "service": "a"});
        route[key] = value;
        table(json!([{"match": "GET /good", "service": "good"}, route]))
    };
    let only = |route: Value| table(json!([route]));
    let key = |key: &str, value: Value| {
        let mut table = table(json!([]));
        table[key] = value;
        table
    };
    vec![
        (json!({}), "pluginConfig: `hosts` is missing; write it: "),
        (key("rotues", json!([])), "rotues: unknown key; the keys here are `name`, `hosts`, "),
        (key("hosts", json!([])), "hosts: the list is empty, so no request would be routed; write the public hosts"),
        (key("hosts", json!("a.example.com")), "hosts: expected a list; write a list"),
        (key("hosts", json!(["https://a.example.com/"])), "hosts[0]: \"https://a.example.com/\" is not a host; write"),
        (key("routes", json!({})), "routes: expected a list"),
        (key("routes", json!([7])), "routes[0]: expected an object"),
        (key("name", json!("my shop")), "name: \"my shop\" can't be part of a metric's name"),
        (key("name", json!(7)), "name: expected a string; write it in quotes"),
        (key("basePath", json!("faas/")), "basePath: \"faas/\" is not a base path; write"),
        (key("hostTemplate", json!("{name}")), "hostTemplate: \"{name}\" is not a host template; write"),
        (
            key("onNoMatch", json!("maybe")),
            "onNoMatch: \"maybe\" is not a choice here; write `notFound` or `passThrough`",
        ),
        (key("denyDirect", json!("yes")), "denyDirect: expected true or false"),
        (route("serivce", json!("a")), "routes[1].serivce: unknown key; the keys here are `match`, "),
        (route("service", json!("Orders")), "routes[1].service: \"Orders\" is not a name for this; write"),
        (route("service", json!(7)), "routes[1].service: expected a string; write it in quotes"),
        (route("host", json!("b.example.com")), "routes[1]: has more than one target; keep one of `service`, `host`, "),
        (only(json!({"match": "GET /a"})), "routes[0]: has no target; write one of `service`, `host`, "),
        (only(json!({"service": "a"})), "routes[0]: `match` is missing; write it: "),
        (route("match", json!([])), "routes[1].match: the list is empty"),
        (route("match", json!(["GET /a", "GET a"])), "routes[1].match[1]: \"GET a\" is not METHODS PATH; write"),
        (route("match", json!("/a")), "routes[1].match: \"/a\" is not METHODS PATH; write"),
        (route("match", json!("GET  /a")), "routes[1].match: \"GET  /a\" is not METHODS PATH"),
        (route("match", json!("GET,PUT /a")), "routes[1].match: \"GET,PUT /a\" is not METHODS PATH"),
        (route("match", json!("GET /a/{id")), "routes[1].match: \"GET /a/{id\" is not METHODS PATH"),
        (route("match", json!("GET /a/{b}{c}")), "routes[1].match: \"GET /a/{b}{c}\" is not METHODS PATH"),
        (route("match", json!("GET /{*rest}/a")), "routes[1].match: \"GET /{*rest}/a\" is not METHODS PATH"),
        (route("match", json!("GET /v{*rest}")), "routes[1].match: \"GET /v{*rest}\" is not METHODS PATH"),
        (route("rewritePath", json!("v2")), "routes[1].rewritePath: \"v2\" is not a path; write"),
        (
            route("when", json!({"headers": {"x-a": true}})),
            "routes[1].when.headers.x-a: expected a string; write it in",
        ),
        (
            route("when", json!({"body": {}})),
            "routes[1].when.body: unknown key; the keys here are `headers`, `cookies`, `query`",
        ),
        (only(json!({"match": "GET /a", "redirect": {}})), "routes[0].redirect: `to` is missing; write it: "),
        (
            only(json!({"match": "GET /a", "redirect": {"to": "/b", "status": 304}})),
            "routes[0].redirect.status: 304 is not a status for this; write 301, 302, 303, 307 or 308",
        ),
        (
            only(json!({"match": "GET /a", "redirect": {"to": "www.example.com"}})),
            "routes[0].redirect.to: \"www.example.com\" does not say where it leads; write",
        ),
        (
            only(json!({"match": "GET /a", "respond": {"status": 99}})),
            "routes[0].respond.status: 99 is not a status for this; write a number from 200 to 599",
        ),
        (
            table(json!([{"match": "GET a", "service": "a"}, {"match": "GET b", "service": "b"}])),
            "routes[0].match: \"GET a\" is not METHODS PATH",
        ),
    ]
}

fn misshapen_tables_are_refused_in_useful_words(env: &Env) -> Result<()> {
    let guarded = guarded(env)?;
    let mut faults = Vec::new();
    for (table, words) in misshapen() {
        match refusal(guarded.server.cluster(), &table) {
            Ok(reason) if reason.starts_with(words) => {}
            Ok(reason) => faults.push(format!("{table}: expected {words:?}, got {reason:?}")),
            Err(error) => faults.push(error.to_string()),
        }
    }
    ensure!(faults.is_empty(), "{faults:#?}");
    let several = refusal(guarded.server.cluster(), &misshapen().pop().context("the last one")?.0)?;
    ensure!(several.ends_with("(and 1 more of the routes: `ksvc-router check` names all)"), "{several}");
    let without = json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": {"name": "table", "namespace": "istio-system"},
        "spec": {"pluginName": "ksvc-router", "url": "file:///plugin.wasm"},
    });
    let refused = dry_run(guarded.server.cluster(), &without).err().context("none at all passes")?.to_string();
    ensure!(refused.contains("pluginConfig: is missing; write the route table there"), "{refused}");
    Ok(())
}

fn good_tables_pass_the_policy(env: &Env) -> Result<()> {
    let guarded = guarded(env)?;
    let mut tables = vec![manifest()?["spec"]["pluginConfig"].take()];
    for path in cases::files()? {
        let text = std::fs::read_to_string(&path)?;
        let documents = ksvc_router_cli::yaml::parse(&text, ksvc_router_cli::yaml::Origin::File);
        let documents = documents.map_err(|error| anyhow::anyhow!("{}: {}", path.display(), error.what))?;
        tables.extend(documents.iter().filter_map(|document| Some(document.get("pluginConfig")?.to_value())));
    }
    ensure!(tables.len() > 5, "{} tables", tables.len());
    for table in &tables {
        dry_run(guarded.server.cluster(), &object("table", "ksvc-router", table)).with_context(|| table.to_string())?;
        let mut extension = object("table", "ksvc-router", table);
        extension["kind"] = json!("TrafficExtension");
        extension["spec"] = json!({"wasm": extension["spec"]});
        dry_run(guarded.server.cluster(), &extension).with_context(|| table.to_string())?;
    }
    Ok(())
}

fn plugins_of_others_are_left_alone(env: &Env) -> Result<()> {
    let guarded = guarded(env)?;
    let cluster = guarded.server.cluster();
    dry_run(cluster, &object("foreign", "other", &json!({"routes": 7})))?;
    let mut nameless = object("foreign", "other", &json!({"routes": 7}));
    nameless["spec"].as_object_mut().context("a spec")?.remove("pluginName");
    dry_run(cluster, &nameless)?;
    let lua = json!({"lua": {"inlineCode": "function envoy_on_request(handle) end"}});
    let mut extension = object("foreign", "other", &json!({}));
    extension["kind"] = json!("TrafficExtension");
    extension["spec"] = lua;
    dry_run(cluster, &extension)?;
    Ok(())
}

fn objects_older_than_the_policy_can_be_labelled(env: &Env) -> Result<()> {
    let guarded = guarded(env)?;
    let cluster = guarded.server.cluster();
    cluster.kubectl(["label", "wasmplugin", "older", "-n", "istio-system", "team=shop"])?;
    let edited = dry_run(cluster, &object("older", "ksvc-router", &json!({"rotues": [1]})));
    ensure!(edited.is_err(), "an edit of its table is judged");
    cluster.kubectl(["delete", "wasmplugin", "older", "-n", "istio-system"])?;
    Ok(())
}

fn fifteen_thousand_routes_pass_the_policy(env: &Env) -> Result<()> {
    let guarded = guarded(env)?;
    let route = |index: usize| {
        let path = format!("GET|POST /api/v1/customers-{index:05}/{{customerId}}/orders/{{orderId}}.json");
        json!({"match": path, "service": format!("s{index:05}")})
    };
    let mut routes: Vec<Value> = (0..15_000).map(route).collect();
    let cluster = guarded.server.cluster();
    cluster.apply(&[object("large", "ksvc-router", &table(json!(routes)))])?;
    // And the last one is looked at like the first.
    routes[14_999]["match"] = json!("GET");
    let large = object("large", "ksvc-router", &table(json!(routes)));
    let refused = cluster.apply(&[large]).err().context("a misshapen route among 15,000 passes")?.to_string();
    ensure!(refused.contains("routes[14999].match: \"GET\" is not METHODS PATH"), "{refused}");
    Ok(())
}

/// The policy checks as many routes as fit into its cost, and says what to do with a larger table.
fn more_than_16384_routes_are_refused(env: &Env) -> Result<()> {
    let guarded = guarded(env)?;
    let cluster = guarded.server.cluster();
    let route = |index: usize| json!({"match": format!("GET /customers-{index:05}/{{id}}"), "service": "customers"});
    let mut routes: Vec<Value> = (0..16_384).map(route).collect();
    cluster.apply(&[object("largest", "ksvc-router", &table(json!(routes)))])?;
    let last = std::mem::replace(&mut routes[16_383], json!({"match": "GET", "service": "customers"}));
    let malformed = object("largest", "ksvc-router", &table(json!(routes)));
    let refused = cluster.apply(&[malformed]).err().context("a malformed route among 16,384 passes")?.to_string();
    ensure!(refused.contains("routes: a route is malformed; `ksvc-router check` shows which"), "{refused}");
    routes[16_383] = last;
    routes.push(route(16_384));
    let larger = object("largest", "ksvc-router", &table(json!(routes)));
    let refused = cluster.apply(&[larger]).err().context("16,385 routes pass")?.to_string();
    let words = "routes: the table has more than 16384 routes; split it into several WasmPlugins, or apply it without the policy";
    ensure!(refused.contains(words), "{refused}");
    Ok(())
}
