//! The Helm chart and the kustomize base, with real Helm and kustomize: what they make passes `ksvc-router check` and the
//! API server, and reaches a real gateway. Wrong values get one clear error.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use ksvc_router_cli::check::check;
use ksvc_router_cli::load::{from_named, load};
use ksvc_router_cli::message::Message;
use ksvc_router_cli::source::Source;
use ksvc_router_cli::yaml::{Origin, parse};
use serde_json::{Value, json};
use tempfile::TempDir;
use testenv::istio::IngressGateway;
use testenv::{plugin, repository};

use crate::common::{orders, orders_table, report, table};
use crate::{Env, tests};

tests! {
    helm_lint_passes,
    the_examples_of_the_documentation_pass_check,
    what_the_chart_makes_passes_check_and_the_api_server,
    the_keys_of_the_values_reach_the_wasm_plugin,
    names_of_digits_stay_texts,
    the_chart_installs_the_admission_policy_as_it_is,
    the_chart_installs_the_alerts_for_prometheus,
    wrong_values_get_one_clear_error,
    a_wrong_value_installs_nothing,
    a_release_of_helm_4_is_installed_changed_rolled_back_and_uninstalled,
    a_release_of_helm_3_is_installed_changed_rolled_back_and_uninstalled,
    a_release_of_another_name_replaces_a_plugin_of_kubectl,
    a_table_as_large_as_an_object_can_be_is_installed,
    a_packaged_chart_shows_its_values_and_can_be_installed,
    kustomize_and_kubectl_build_the_example,
    an_overlay_applied_by_kubectl_is_served,
}

const CHART: &str = "charts/ksvc-router";
const ORDERS: &str = "orders.shop.example.com";
const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// Helm, with its files in a temporary folder.
pub(crate) struct Helm {
    program: PathBuf,
    folder: TempDir,
    kubeconfig: PathBuf,
}

/// The outcome of a command.
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Helm {
    /// Returns Helm 4 and Helm 3.
    fn both(env: &Env) -> Result<[Self; 2]> {
        Ok([Self::new(env, env.packaging.helm4())?, Self::new(env, env.packaging.helm3())?])
    }

    pub(crate) fn new(env: &Env, program: PathBuf) -> Result<Self> {
        let kubeconfig = env.plane.cluster().kubeconfig().to_owned();
        Ok(Self { program, folder: tempfile::tempdir()?, kubeconfig })
    }

    /// Runs Helm in the root of the repository.
    fn outcome(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut helm = Command::new(&self.program);
        helm.args(arguments).current_dir(repository()).stdin(Stdio::null());
        helm.env("KUBECONFIG", &self.kubeconfig).env("HOME", self.folder.path());
        for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "KUBECACHEDIR"] {
            helm.env(variable, self.folder.path().join(variable));
        }
        outcome(&mut helm)
    }

    /// Runs Helm and returns what it prints. If it fails, the error contains its message.
    pub(crate) fn run(&self, arguments: &[&str]) -> Result<String> {
        let outcome = self.outcome(arguments)?;
        ensure!(outcome.success, "{} {arguments:?}: {}{}", self.program.display(), outcome.out, outcome.err);
        Ok(outcome.out)
    }

    /// Writes values into a file and returns its path.
    pub(crate) fn values(&self, values: &Value) -> Result<String> {
        let path = self.folder.path().join("values.json");
        fs::write(&path, values.to_string())?;
        Ok(path.display().to_string())
    }

    /// Returns what the chart makes of these values in this namespace.
    fn template(&self, namespace: &str, values: &Value) -> Result<String> {
        self.run(&["template", "release", CHART, "-n", namespace, "-f", &self.values(values)?])
    }
}

/// Runs a command to its end.
pub(crate) fn outcome(command: &mut Command) -> Result<Outcome> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("cannot start {command:?}"))?;
    Ok(Outcome { success: status.success(), out: String::from_utf8(stdout)?, err: String::from_utf8(stderr)? })
}

/// Returns what the chart makes of these values, which must be the same with Helm 4 and Helm 3.
fn rendered(env: &Env, namespace: &str, values: &Value) -> Result<String> {
    let [four, three] = Helm::both(env)?;
    let rendered = four.template(namespace, values)?;
    // They separate the documents of a stream differently.
    let same = objects(&rendered)? == objects(&three.template(namespace, values)?)?;
    ensure!(same, "Helm 3 makes other objects of {values}");
    Ok(rendered)
}

/// Returns the objects of a YAML stream.
fn objects(text: &str) -> Result<Vec<Value>> {
    let documents = parse(text, Origin::File).map_err(|error| anyhow::anyhow!("{}\n{text}", error.what))?;
    Ok(documents.iter().map(|document| document.to_value()).filter(|object| !object.is_null()).collect())
}

fn of_kind(objects: &[Value], kind: &str) -> Vec<Value> {
    objects.iter().filter(|object| object["kind"] == kind).cloned().collect()
}

/// Returns values with this table for a module that is mounted into the gateway.
fn mounted(tables: Value) -> Value {
    json!({"image": {"url": "file:///var/lib/ksvc-router/plugin.wasm"}, "tables": tables})
}

fn from_registry() -> Value {
    json!({
        "image": {"repository": "registry.example.com:5000/team/ksvc-router", "digest": DIGEST, "pullSecret": "registry"},
        "tables": {"ksvc-router": {"table": orders_table("orders")}},
    })
}

/// Returns a table with values that YAML could take for something else.
fn awkward_table() -> Value {
    let mut awkward = table(json!([
        {"match": "GET /braces/{{id}}", "service": "orders", "name": "yes", "when": {"headers": {"x-beta": "true"}}},
        {"match": "GET /text", "respond": {"status": 200, "body": "{{ .Values }}: 'a' \"b\" # c\n\u{e9}\n"}},
        {"match": "GET /number/{id}", "service": "orders", "timeout": "1m", "cors": false},
    ]));
    awkward["name"] = "1e3".into();
    awkward["cors"] = json!({"allowOrigins": ["*"], "maxAge": 1_000_000_000});
    awkward
}

/// Returns sets of values that users write, each with the codes of the warnings that `check` has for what it makes.
fn sets() -> Vec<(Value, &'static [&'static str])> {
    let mut second = table(json!([{"match": "GET /users/{id}", "service": "users"}]));
    second["hosts"] = json!(["users.example.com"]);
    second["name"] = json!("users");
    let several = json!({
        "ksvc-router": {"table": orders_table("orders"), "priority": 10},
        "users": {"table": second, "ports": [8080, 8443], "priority": -1, "phase": "AUTHN"},
    });
    let mut attached = from_registry();
    attached["targetRefs"] =
        json!([{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "knative-gateway"}]);
    let mut selected = from_registry();
    selected["selector"] = json!({"matchLabels": {"app": "gateway", "istio": "gateway"}});
    selected["ports"] = json!([443]);
    selected["failStrategy"] = json!("FAIL_CLOSE");
    let mut guarded = mounted(json!({"ksvc-router": {"table": orders_table("orders")}}));
    guarded["admissionPolicy"] = json!({"enabled": true});
    vec![
        (from_registry(), &[]),
        (mounted(several), &["early-phase", "plain-port"]),
        (attached, &[]),
        (selected, &["fail-strategy", "service-port"]),
        (guarded, &[]),
        (mounted(json!({"awkward": {"table": awkward_table()}})), &[]),
    ]
}

/// Returns what `check` reports about a text.
fn messages(text: &str) -> Vec<Message> {
    check(&[from_named(&Source::new("rendered.yaml", text))]).into_iter().flatten().collect()
}

fn dry_run(env: &Env, text: &str) -> Result<String> {
    let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
    env.plane.cluster().run(arguments, &[], Some(text))
}

fn helm_lint_passes(env: &Env) -> Result<()> {
    for helm in Helm::both(env)? {
        for values in [json!({}), from_registry()] {
            let Outcome { success, out, err } =
                helm.outcome(&["lint", "--strict", CHART, "-f", &helm.values(&values)?])?;
            ensure!(success && out.contains("1 chart(s) linted, 0 chart(s) failed"), "{out}{err}");
            ensure!(!out.contains("[WARNING]") && !out.contains("[ERROR]"), "{out}");
        }
    }
    Ok(())
}

/// The values in README.md, and the example in the comments of values.yaml.
fn the_examples_of_the_documentation_pass_check(env: &Env) -> Result<()> {
    let read = |name: &str| fs::read_to_string(repository().join(CHART).join(name));
    let (page, comments) = (read("README.md")?, read("values.yaml")?);
    let blocks = page.split("```yaml\n").skip(1).filter_map(|block| block.split("```").next());
    let mut examples: Vec<Value> = blocks.map(objects).collect::<Result<Vec<_>>>()?.concat();
    ensure!(!examples.is_empty(), "no example in README.md");
    let example = comments.lines().skip_while(|line| *line != "# tables:").take_while(|line| line.starts_with('#'));
    let example: String = example.map(|line| format!("{}\n", line.strip_prefix("# ").unwrap_or_default())).collect();
    let mut values = objects(&example)?.pop().context("the example in values.yaml")?;
    values["image"] = from_registry()["image"].take();
    examples.push(values);
    for values in examples {
        let text = rendered(env, "istio-system", &values)?;
        ensure!(of_kind(&objects(&text)?, "WasmPlugin").len() == 1 && messages(&text).is_empty(), "{text}");
    }
    Ok(())
}

fn what_the_chart_makes_passes_check_and_the_api_server(env: &Env) -> Result<()> {
    for (values, warnings) in sets() {
        let text = rendered(env, "istio-system", &values)?;
        let made = of_kind(&objects(&text)?, "WasmPlugin");
        let tables = values["tables"].as_object().context("the tables")?;
        ensure!(made.len() == tables.len(), "{values} makes {made:?}");
        for plugin in &made {
            let name = plugin["metadata"]["name"].as_str().context("a name")?;
            ensure!(plugin["spec"]["pluginConfig"] == tables[name]["table"], "{plugin}");
        }
        let messages = messages(&text);
        let mut codes: Vec<&str> = messages.iter().map(|message| message.code).collect();
        codes.sort();
        let mut expected = warnings.to_vec();
        expected.sort();
        ensure!(codes == expected && !messages.iter().any(Message::is_error), "{values}: {codes:?}");
        dry_run(env, &text).with_context(|| text.clone())?;
    }
    Ok(())
}

fn names_of_digits_stay_texts(env: &Env) -> Result<()> {
    let mut values = mounted(json!({"7": {"table": orders_table("orders")}}));
    values["prometheusRule"] = json!({"enabled": true});
    for helm in Helm::both(env)? {
        let values = helm.values(&values)?;
        for object in objects(&helm.run(&["template", "123", CHART, "-n", "456", "-f", &values])?)? {
            let metadata = &object["metadata"];
            ensure!(metadata["name"].is_string() && metadata["namespace"] == "456", "{metadata}");
        }
    }
    Ok(())
}

fn the_keys_of_the_values_reach_the_wasm_plugin(env: &Env) -> Result<()> {
    let spec = |values: &Value, name: &str| -> Result<Value> {
        let made = objects(&rendered(env, "gateways", values)?)?;
        let named = made.into_iter().find(|object| object["metadata"]["name"] == name);
        let mut plugin = named.with_context(|| format!("no object {name}"))?;
        ensure!(plugin["metadata"]["namespace"] == "gateways", "{plugin}");
        let mut spec = plugin["spec"].take();
        spec.as_object_mut().context("a spec")?.remove("pluginConfig").context("a table")?;
        Ok(spec)
    };
    let sets = sets();
    let default_selector = json!({"matchLabels": {"istio": "ingressgateway"}});
    let expected = json!({
        "selector": default_selector,
        "pluginName": "ksvc-router",
        "match": [{"ports": [{"number": 8443}]}],
        "url": format!("oci://registry.example.com:5000/team/ksvc-router@{DIGEST}"),
        "imagePullPolicy": "IfNotPresent",
        "imagePullSecret": "registry",
        "failStrategy": "FAIL_RELOAD",
    });
    let found = spec(&sets[0].0, "ksvc-router")?;
    ensure!(found == expected, "{found}");

    let found = spec(&sets[1].0, "users")?;
    let expected = json!({
        "selector": default_selector,
        "pluginName": "ksvc-router",
        "phase": "AUTHN",
        "priority": -1,
        "match": [{"ports": [{"number": 8080}, {"number": 8443}]}],
        "url": "file:///var/lib/ksvc-router/plugin.wasm",
        "failStrategy": "FAIL_RELOAD",
    });
    ensure!(found == expected, "{found}");
    ensure!(spec(&sets[1].0, "ksvc-router")?["priority"] == 10);

    let attached = spec(&sets[2].0, "ksvc-router")?;
    ensure!(attached["targetRefs"] == sets[2].0["targetRefs"] && attached.get("selector").is_none(), "{attached}");
    let selected = spec(&sets[3].0, "ksvc-router")?;
    ensure!(selected["selector"] == sets[3].0["selector"], "{selected}");
    ensure!(selected["match"] == json!([{"ports": [{"number": 443}]}]), "{selected}");
    ensure!(selected["failStrategy"] == "FAIL_CLOSE", "{selected}");

    let mut every_port = from_registry();
    every_port["ports"] = json!([]);
    ensure!(spec(&every_port, "ksvc-router")?.get("match").is_none());
    Ok(())
}

fn the_chart_installs_the_admission_policy_as_it_is(env: &Env) -> Result<()> {
    let mut values = mounted(json!({"ksvc-router": {"table": orders_table("orders")}}));
    let policy = |values: &Value| -> Result<Vec<Value>> {
        let made = objects(&rendered(env, "istio-system", values)?)?;
        Ok(made.into_iter().filter(|object| object["kind"] != "WasmPlugin").collect())
    };
    ensure!(policy(&values)?.is_empty());
    values["admissionPolicy"] = json!({"enabled": true});
    ensure!(policy(&values)? == objects(&fs::read_to_string(repository().join("admission.yaml"))?)?);
    Ok(())
}

/// Returns values with the alerts on.
fn with_alerts() -> Value {
    let mut values = mounted(json!({"ksvc-router": {"table": orders_table("orders")}}));
    values["prometheusRule"] = json!({"enabled": true, "labels": {"release": "kube-prometheus-stack"}});
    values
}

/// Returns the PrometheusRule of the chart.
fn prometheus_rule(env: &Env) -> Result<Value> {
    let made = objects(&rendered(env, "istio-system", &with_alerts())?)?;
    of_kind(&made, "PrometheusRule").pop().context("no PrometheusRule")
}

fn the_chart_installs_the_alerts_for_prometheus(env: &Env) -> Result<()> {
    let rule = prometheus_rule(env)?;
    ensure!(rule["metadata"]["labels"]["release"] == "kube-prometheus-stack", "{rule}");
    let rules = fs::read_to_string(repository().join("monitoring/prometheus-rules.yaml"))?;
    ensure!(objects(&rules)? == [rule["spec"].clone()], "{rule}");

    // The CRD of the Prometheus Operator, so that the API server knows the kind.
    let cluster = env.plane.cluster();
    let crd = env.packaging.prometheus_rule_crd();
    cluster.run(["apply", "--server-side", "-f"], &[crd.as_os_str()], None)?;
    cluster.kubectl(["wait", "--for", "condition=established", "--timeout", "60s", "crd", "--all"])?;
    dry_run(env, &rule.to_string())?;
    let mut wrong = rule;
    wrong["spec"]["groups"][0]["rules"][0]["expression"] = json!("up");
    ensure!(dry_run(env, &wrong.to_string()).is_err(), "the API server does not check the rule");
    Ok(())
}

/// Returns values with one mistake, and the error: for a mistake that the schema finds, its place and what is wrong.
fn mistakes() -> Vec<(&'static str, Value, &'static str)> {
    let with = |pointer: &str, value: Value| {
        let mut values = from_registry();
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = values.pointer_mut(parent) {
            parent[key] = value;
        }
        values
    };
    let zeros = format!("sha256:{}", "0".repeat(64));
    let route = "/tables/ksvc-router/table/routes/0";
    let target_ref = json!([{"kind": "Gateway", "name": "gateway"}]);
    let mut both = with("/selector", json!({"matchLabels": {"istio": "ingressgateway"}}));
    both["targetRefs"] = target_ref;
    let mut with_priority = from_registry();
    with_priority["tables"]["ksvc-router"]["prio"] = json!(1);
    let mut two_targets = from_registry();
    two_targets["tables"]["ksvc-router"]["table"]["routes"][0]["host"] = json!("a.example.com");
    vec![
        (
            "no table",
            with("/tables", json!({})),
            "tables: there is no route table; write one under the name of its WasmPlugin",
        ),
        ("null", with("/image", Value::Null), "- at '': missing property 'image'"),
        ("no image", with("/image", json!({})), "image.repository: is missing; write the image in your registry"),
        ("no digest", with("/image/digest", json!("")), "image.digest: is missing; write the digest of the image"),
        (
            "zeros",
            with("/image/digest", json!(zeros)),
            "image.digest: these zeros stand for the digest of your image; write",
        ),
        (
            "a tag",
            with("/image/digest", json!("latest")),
            "image.digest: \"latest\" is not a digest; write `sha256:` and 64",
        ),
        (
            "a scheme",
            with("/image/repository", json!("oci://registry.example.com/ksvc-router")),
            "image.repository: \"oci://registry.example.com/ksvc-router\" is not an image without tag and digest; write",
        ),
        (
            "not a file",
            with("/image/url", json!("oci://registry.example.com/ksvc-router:1")),
            "image.url: \"oci://registry.example.com/ksvc-router:1\" is not a file in the gateway; write for example `file:///",
        ),
        ("both", both, "selector, targetRefs: both name the gateway; keep one of them"),
        ("an unknown value", with("/imgae", json!({})), "- at '': additional properties 'imgae' not allowed"),
        (
            "an unknown key of a plugin",
            with_priority,
            "- at '/tables/ksvc-router': additional properties 'prio' not allowed",
        ),
        (
            "an unknown key of a table",
            with("/tables/ksvc-router/table/rotues", json!([])),
            "- at '/tables/ksvc-router/table': additional properties 'rotues' not allowed",
        ),
        (
            "an unknown key of a route",
            with(&format!("{route}/serivce"), json!("a")),
            "- at '/tables/ksvc-router/table/routes/0': additional properties 'serivce' not allowed",
        ),
        (
            "two targets",
            two_targets,
            "- at '/tables/ksvc-router/table/routes/0': value must be 'another: this has no target, or more than one; write one of",
        ),
        (
            "a match without path",
            with(&format!("{route}/match"), json!("GET")),
            "- at '/tables/ksvc-router/table/routes/0/match': value must be 'another: this is not METHODS PATH; write for example `GET /",
        ),
        (
            "a wrong type",
            with("/tables/ksvc-router/table/hosts", json!("api.example.com")),
            "- at '/tables/ksvc-router/table/hosts': got string, want array",
        ),
        (
            "a wrong word",
            with("/failStrategy", json!("FAIL")),
            "- at '/failStrategy': value must be one of 'FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD'",
        ),
        ("a port in quotes", with("/ports", json!(["8443"])), "- at '/ports/0': got string, want integer"),
    ]
}

fn wrong_values_get_one_clear_error(env: &Env) -> Result<()> {
    let page = fs::read_to_string(repository().join(CHART).join("README.md"))?;
    for helm in Helm::both(env)? {
        for (mistake, values, expected) in mistakes() {
            let values = helm.values(&values)?;
            let Outcome { success, err, .. } = helm.outcome(&["template", "release", CHART, "-f", &values])?;
            ensure!(!success && err.contains(expected), "{mistake}: expected {expected:?}, got {err}");
            let errors = err.lines().filter(|line| line.starts_with("Error: ") || line.starts_with("- at "));
            ensure!(errors.count() == 1 + usize::from(expected.starts_with("- at ")), "{mistake}: {err}");
            // The example of an error in README.md.
            ensure!(!err.contains("/match'") || page.contains(err.trim()), "README.md does not have: {err}");
        }
        let mut old = from_registry();
        old["admissionPolicy"] = json!({"enabled": true});
        let values = helm.values(&old)?;
        let arguments = ["template", "release", CHART, "-f", &values, "--kube-version", "1.32.0"];
        let Outcome { success, err, .. } = helm.outcome(&arguments)?;
        let expected =
            "admissionPolicy.enabled: the policy needs Kubernetes 1.33 or later, and this is v1.32.0; write false";
        ensure!(!success && err.contains(expected), "{err}");
    }
    Ok(())
}

fn a_wrong_value_installs_nothing(env: &Env) -> Result<()> {
    let namespace = "chart-wrong";
    env.plane.cluster().namespace(namespace)?;
    for helm in Helm::both(env)? {
        for (mistake, values, _) in mistakes() {
            let values = helm.values(&values)?;
            let installed = helm.outcome(&["install", "release", CHART, "-n", namespace, "-f", &values])?;
            ensure!(!installed.success, "{mistake}: {}", installed.out);
        }
        ensure!(helm.run(&["list", "-n", namespace, "-q"])?.trim().is_empty());
    }
    let left = env.plane.cluster().kubectl(["get", "wasmplugins,secrets", "-n", namespace, "-o", "name"])?;
    ensure!(left.trim().is_empty(), "{left}");
    Ok(())
}

fn values_for(gateway: &IngressGateway, service: &str) -> Result<Value> {
    Ok(json!({
        "image": {"url": format!("file://{}", plugin()?.display())},
        "ports": [gateway.ports()[0]],
        "tables": {"api": {"table": orders_table(service)}},
    }))
}

/// Waits until a request of the table arrives at this host.
fn await_host(gateway: &IngressGateway, host: &str) -> Result<()> {
    gateway.eventually(&format!("requests arrive at {host}"), || {
        // Several requests, so that both workers are asked.
        let seen = (0..8).map(|_| Ok(report(&orders(gateway.address())?)?.authority == host));
        Ok(seen.collect::<Result<Vec<_>>>()?.into_iter().all(|arrived| arrived))
    })
}

fn a_release_of_helm_4_is_installed_changed_rolled_back_and_uninstalled(env: &Env) -> Result<()> {
    release(env, &Helm::new(env, env.packaging.helm4())?, "chart-helm4")
}

fn a_release_of_helm_3_is_installed_changed_rolled_back_and_uninstalled(env: &Env) -> Result<()> {
    release(env, &Helm::new(env, env.packaging.helm3())?, "chart-helm3")
}

fn release(env: &Env, helm: &Helm, namespace: &str) -> Result<()> {
    let gateway = env.gateway(namespace, &["one.shop.example.com", "two.shop.example.com"])?;
    await_host(&gateway, "api.example.com")?;
    let run = |command: &str, service: &str| {
        helm.run(&[command, "release", CHART, "-n", namespace, "-f", &helm.values(&values_for(&gateway, service)?)?])
    };
    let notes = run("install", "one")?;
    ensure!(notes.contains(&format!("helm get manifest -n {namespace} release | ksvc-router check -")), "{notes}");
    ensure!(notes.contains("Call a route of api.example.com."), "{notes}");
    await_host(&gateway, "one.shop.example.com")?;
    run("upgrade", "two")?;
    await_host(&gateway, "two.shop.example.com")?;
    let manifest = helm.run(&["get", "manifest", "release", "-n", namespace])?;
    // As the notes of the release propose.
    ensure!(of_kind(&objects(&manifest)?, "WasmPlugin").len() == 1, "{manifest}");
    ensure!(messages(&manifest).is_empty(), "{manifest}");
    helm.run(&["rollback", "release", "1", "-n", namespace])?;
    await_host(&gateway, "one.shop.example.com")?;
    helm.run(&["uninstall", "release", "-n", namespace])?;
    await_host(&gateway, "api.example.com")?;
    ensure!(gateway.plugin_version("api").is_none(), "the WasmPlugin is left");
    crate::documents::check_nothing_was_refused(&gateway)
}

/// A release does not take over an object that it did not make, and `--take-ownership` would leave the keys of the old
/// table that the new one does not have.
fn a_release_of_another_name_replaces_a_plugin_of_kubectl(env: &Env) -> Result<()> {
    let namespace = "chart-replaced";
    let gateway = env.gateway(namespace, &["one.shop.example.com", "two.shop.example.com"])?;
    gateway.apply_plugin(&crate::wasm_plugin(&gateway, &orders_table("one"))?)?;
    await_host(&gateway, "one.shop.example.com")?;
    let helm = Helm::new(env, env.packaging.helm4())?;
    let mut values = values_for(&gateway, "two")?;
    let table = values["tables"]["api"].take();
    values["tables"] = json!({"ksvc-router": table});
    let refused = helm.outcome(&["install", "release", CHART, "-n", namespace, "-f", &helm.values(&values)?])?;
    ensure!(!refused.success && refused.err.contains("WasmPlugin \"ksvc-router\""), "{}", refused.err);

    values["tables"] = json!({"api": values["tables"]["ksvc-router"].take()});
    helm.run(&["install", "release", CHART, "-n", namespace, "-f", &helm.values(&values)?])?;
    let version = gateway.plugin_version("api").context("the release has no WasmPlugin")?;
    gateway.await_plugin("api", &version)?;
    // With both, either table may route a request, and one of them does.
    for _ in 0..20 {
        let host = report(&orders(gateway.address())?)?.authority;
        ensure!(["one.shop.example.com", "two.shop.example.com"].contains(&&*host), "{host}");
    }
    gateway.delete("wasmplugin", "ksvc-router")?;
    gateway.eventually("the release alone routes", || {
        let host = report(&orders(gateway.address())?)?.authority;
        ensure!(host != "api.example.com", "no table routes the request");
        Ok(host == "two.shop.example.com"
            && !gateway.admin_get("/config_dump?resource=ecds_filters")?.contains(".ksvc-router~"))
    })?;
    await_host(&gateway, "two.shop.example.com")
}

/// Helm keeps the values and the objects of a release, compressed, in a Secret of at most 1 MiB.
fn a_table_as_large_as_an_object_can_be_is_installed(env: &Env) -> Result<()> {
    let namespace = "chart-large";
    env.plane.cluster().namespace(namespace)?;
    let route = |n: usize| json!({"match": format!("GET /shops/{}/orders/{n}/{{id}}", n * 7919), "service": format!("orders-{n}")});
    let large = table((0..15_000).map(route).collect());
    for helm in Helm::both(env)? {
        let values = helm.values(&mounted(json!({"large": {"table": large}})))?;
        helm.run(&["install", "large", CHART, "-n", namespace, "-f", &values])?;
        let path = "jsonpath={.spec.pluginConfig.routes[14999].service}";
        let last = env.plane.cluster().kubectl(["get", "wasmplugin", "large", "-n", namespace, "-o", path])?;
        ensure!(last == "orders-14999", "{last}");
        helm.run(&["uninstall", "large", "-n", namespace])?;
    }
    Ok(())
}

fn a_packaged_chart_shows_its_values_and_can_be_installed(env: &Env) -> Result<()> {
    for helm in Helm::both(env)? {
        let to = helm.folder.path().display().to_string();
        helm.run(&["package", CHART, "-d", &to])?;
        let package = format!("{to}/ksvc-router-{}.tgz", env!("CARGO_PKG_VERSION"));
        let values = fs::read_to_string(repository().join(CHART).join("values.yaml"))?;
        let shown = helm.run(&["show", "values", &package])?;
        ensure!(shown.trim() == values.trim(), "{shown}");
        let values = helm.values(&with_alerts())?;
        let packaged = helm.run(&["template", "release", &package, "-f", &values])?;
        ensure!(packaged == helm.run(&["template", "release", CHART, "-f", &values])?, "{packaged}");
    }
    Ok(())
}

const EXAMPLE: &str = "kustomize/overlays/example";

fn kustomize_and_kubectl_build_the_example(env: &Env) -> Result<()> {
    let example = repository().join(EXAMPLE);
    let built = outcome(Command::new(env.packaging.kustomize()).arg("build").arg(&example))?;
    ensure!(built.success, "{}", built.err);
    let by_kubectl = env.plane.cluster().run(["kustomize"], &[example.as_os_str()], None)?;
    ensure!(built.out == by_kubectl, "kubectl builds something else:\n{by_kubectl}");
    let made = objects(&built.out)?;
    ensure!(of_kind(&made, "ValidatingAdmissionPolicy").len() == 1 && of_kind(&made, "WasmPlugin").len() == 1);
    let messages = messages(&built.out);
    let codes: Vec<&str> = messages.iter().map(|message| message.code).collect();
    ensure!(codes == ["placeholder-digest"], "{codes:?}");
    dry_run(env, &built.out)?;

    // The other commands read the table of an overlay.
    ensure!(load(&[example.join("wasm-plugin.yaml")])?[0].configurations.len() == 1);
    Ok(())
}

fn an_overlay_applied_by_kubectl_is_served(env: &Env) -> Result<()> {
    let gateway = env.gateway("kustomized", &["orders.shop.example.com"])?;
    // The user's copy of the folder, with an overlay of their own.
    let folder = tempfile::tempdir()?;
    copy(&repository().join("kustomize/base"), &folder.path().join("base"))?;
    let overlay = folder.path().join("overlays/mine");
    fs::create_dir_all(&overlay)?;
    let write = |name: &str, content: Value| fs::write(overlay.join(name), content.to_string());
    write(
        "kustomization.yaml",
        json!({"resources": ["../../base"], "namespace": "kustomized", "patches": [{"path": "wasm-plugin.yaml"}]}),
    )?;
    let ports = json!([{"ports": [{"number": gateway.ports()[0]}]}]);
    write(
        "wasm-plugin.yaml",
        json!({
            "apiVersion": "extensions.istio.io/v1alpha1",
            "kind": "WasmPlugin",
            "metadata": {"name": "ksvc-router", "namespace": "istio-system"},
            "spec": {
                "url": format!("file://{}", plugin()?.display()),
                "imagePullPolicy": null,
                "match": ports,
                "pluginConfig": orders_table("orders"),
            },
        }),
    )?;
    let cluster = env.plane.cluster();
    let built = objects(&cluster.run(["kustomize"], &[overlay.as_os_str()], None)?)?;
    ensure!(built.len() == 1 && built[0]["spec"].get("imagePullPolicy").is_none(), "{built:?}");
    cluster.run(["apply", "--server-side", "-k"], &[overlay.as_os_str()], None)?;
    await_host(&gateway, ORDERS)?;
    cluster.run(["delete", "-k"], &[overlay.as_os_str()], None)?;
    await_host(&gateway, "api.example.com")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let name: &OsStr = &entry?.file_name();
        fs::copy(from.join(name), to.join(name))?;
    }
    Ok(())
}
