//! `ksvc-router doctor` and `ksvc-router status` against the real API server, registry and gateway: what they say before
//! and after real edits, and that they send nothing but GET and LIST.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::istio::IngressGateway;
use testenv::istio::ingress::Setup;
use testenv::istio::objects;
use testenv::istio::registry::{Format, Registry};
use testenv::{plugin, repository, target_folder};

use crate::common::{orders_table, sample_table, table};
use crate::{Env, manifest, tests, wasm_plugin};

tests! {
    status_tells_the_new_table_from_an_old_and_a_rejected_one,
    status_computes_the_hash_of_every_kind_of_table,
    status_says_why_a_pod_can_not_be_asked,
    doctor_finds_no_error_in_a_working_installation,
    doctor_names_each_fault_of_an_installation,
    doctor_asks_the_registry_for_the_image,
    doctor_needs_get_and_list_alone,
    doctor_says_what_it_may_not_read_and_goes_on,
    import_reads_the_services_of_a_cluster,
    import_says_that_it_may_not_read_services,
    kubectl_runs_the_program_as_its_plugin,
}

/// Returns the program, which Cargo builds once.
fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
        // The same features as those of this test, so that no library is built again.
        let arguments = ["build", "--workspace", "--features", "testenv/istio", "--bin", "ksvc-router"];
        let mut build = Command::new(cargo);
        build.args(arguments).current_dir(repository());
        // What Cargo tells this test about its own package would make build scripts run again.
        let of_package = |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        std::env::vars().map(|(name, _)| name).filter(of_package).for_each(|name| {
            build.env_remove(name);
        });
        let built = build.status();
        built.is_ok_and(|status| status.success()).then(|| target_folder().join("debug/ksvc-router"))
    };
    PROGRAM.get_or_init(build).as_deref().context("ksvc-router can't be built")
}

/// The exit code and the JSON of a run.
struct Run {
    code: Option<i32>,
    out: Value,
}

fn run(kubeconfig: &Path, arguments: &[&str]) -> Result<Run> {
    let mut command = Command::new(program()?);
    command.args(arguments).args(["--format", "json"]).env("KUBECONFIG", kubeconfig);
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let out = serde_json::from_str(&text)
        .with_context(|| format!("{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(Run { code: output.status.code(), out })
}

/// Writes a manifest to a file in the folder of a gateway.
fn write(env: &Env, namespace: &str, name: &str, object: &Value) -> Result<String> {
    let folder = env.plane.folder().join("cluster").join(namespace);
    fs::create_dir_all(&folder)?;
    let path = folder.join(name);
    fs::write(&path, format!("{object:#}"))?;
    Ok(path.display().to_string())
}

// ---- status

/// Returns the states of a table in the gateway, by its admin interface, and the exit code.
fn state(gateway: &IngressGateway, file: &str) -> Result<(String, Option<i32>)> {
    let admin = format!("http://{}", gateway.admin_address());
    let Run { code, out } = run(Path::new("/nowhere"), &["status", file, "--admin", &admin])?;
    let state = out["gateways"][0]["state"].as_str().with_context(|| out.to_string())?.to_owned();
    Ok((state, code))
}

/// Waits until the gateway is in a state.
fn await_state(gateway: &IngressGateway, file: &str, expected: &str) -> Result<()> {
    let mut last = None;
    let reached = gateway.eventually(&format!("`status` says {expected}"), || {
        let (state, code) = state(gateway, file)?;
        let is_it = state == expected;
        last = Some((state, code));
        Ok(is_it)
    });
    reached.with_context(|| format!("{last:?}"))?;
    let success = last.and_then(|(_, code)| code) == Some(0);
    ensure!(success == (expected == "current"), "exit code of {expected}: {success}");
    Ok(())
}

fn status_tells_the_new_table_from_an_old_and_a_rejected_one(env: &Env) -> Result<()> {
    let namespace = "status-edits";
    let gateway = env.gateway(namespace, &["one.shop.example.com", "two.shop.example.com"])?;
    let [one, two] = ["one", "two"].map(orders_table);
    let bad = table(json!([{"match": "GET /orders/{id}", "service": "one", "rewritePath": "/{unknown}"}]));
    let file = |name: &str, table: &Value| write(env, namespace, name, &wasm_plugin(&gateway, table)?);
    let (old, new, broken) = (file("old.yaml", &one)?, file("new.yaml", &two)?, file("broken.yaml", &bad)?);
    let apply = |table: &Value| gateway.apply_plugin(&wasm_plugin(&gateway, table)?);

    ensure!(state(&gateway, &old)? == ("absent".to_owned(), Some(1)), "no plugin runs yet");
    apply(&one)?;
    await_state(&gateway, &old, "current")?;
    await_state(&gateway, &new, "other")?;
    apply(&two)?;
    await_state(&gateway, &new, "current")?;
    await_state(&gateway, &old, "other")?;
    apply(&bad)?;
    await_state(&gateway, &broken, "lastGood")?;
    await_state(&gateway, &new, "current")?;
    let admin = format!("http://{}", gateway.admin_address());
    let run = run(Path::new("/nowhere"), &["status", &new, "--admin", &admin])?;
    ensure!(run.out["gateways"][0]["newerIsRejected"] == true, "{}", run.out);

    // A new pod has no good table before the broken one.
    let ports = gateway.ports();
    drop(gateway);
    let gateway = Setup::new(namespace).ports(ports, 0).start(&env.plane)?;
    await_state(&gateway, &broken, "partial")
}

/// istiod writes the table anew, so the hash is right only if `status` writes the same bytes.
fn status_computes_the_hash_of_every_kind_of_table(env: &Env) -> Result<()> {
    let gateway = env.gateway("status-hash", &["orders.shop.example.com"])?;
    let respond = json!({"status": 200, "headers": {"x-b": "2", "X-A": "1"}, "body": "<b>&\u{2028}é \"\\\n\u{1}</b>"});
    let odd = table(json!([
        {"match": "GET /text", "respond": respond},
        {"match": "GET /old", "redirect": {"to": "/faas/new", "status": 301}, "name": "ü"},
        {"match": ["GET /orders/{id}", "POST /orders"], "service": "orders", "timeout": "1s", "cors": false},
    ]));
    let mut named = orders_table("orders");
    named["name"] = "my-table_1".into();
    for (index, table) in [sample_table()?, odd, named].into_iter().enumerate() {
        let plugin = wasm_plugin(&gateway, &table)?;
        gateway.apply_plugin(&plugin)?;
        let file = write(env, "status-hash", &format!("{index}.yaml"), &plugin)?;
        await_state(&gateway, &file, "current").with_context(|| format!("table {index}"))?;
        // The port for Prometheus has the same metrics.
        let metrics = format!("http://{}/stats/prometheus", gateway.metrics_address());
        let run = run(Path::new("/nowhere"), &["status", &file, "--admin", &metrics])?;
        ensure!(run.code == Some(0), "{}", run.out);
    }
    Ok(())
}

/// The API server refuses to send requests to loopback, where all of this runs, and `status` says so for the pod.
fn status_says_why_a_pod_can_not_be_asked(env: &Env) -> Result<()> {
    let gateway = env.gateway("status-pods", &["orders.shop.example.com"])?;
    let plugin = wasm_plugin(&gateway, &orders_table("orders"))?;
    gateway.apply_plugin(&plugin)?;
    apply_pod(env, "status-pods", "Running", &[8443])?;
    let run = run(env.plane.cluster().kubeconfig(), &["status", &write(env, "status-pods", "f.yaml", &plugin)?])?;
    let row = &run.out["gateways"][0];
    ensure!(run.code == Some(1) && row["gateway"] == "status-pods/status-pods-gateway", "{}", run.out);
    ensure!(row["state"] == "unreadable", "{}", run.out);
    ensure!(row["reason"].as_str().is_some_and(|why| why.contains("address not allowed")), "{}", run.out);
    Ok(())
}

// ---- doctor

/// Makes the Pod object of a gateway. No kubelet runs here, so its status is written by hand.
pub(crate) fn apply_pod(env: &Env, namespace: &str, phase: &str, ports: &[u16]) -> Result<()> {
    let name = objects::gateway_pod(namespace);
    let ports: Value = ports.iter().map(|port| json!({"containerPort": port, "name": format!("p{port}")})).collect();
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": objects::gateway_labels()},
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "istio-proxy",
                "image": "istio/proxyv2",
                "args": ["proxy", "router"],
                "env": [{"name": "WASM_MODULE_EXPIRY", "value": "87600h"}],
                "ports": ports,
            }],
        },
    });
    env.plane.cluster().apply(&[pod])?;
    let status = json!({"status": {"phase": phase, "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}).to_string();
    let patch = ["patch", "pod", &name, "-n", namespace, "--subresource", "status", "--type", "merge", "-p", &status];
    env.plane.cluster().kubectl(patch).map(drop)
}

/// Makes the CRD of Knative's services, and a service that is ready.
pub(crate) fn apply_ksvc(env: &Env, namespace: &str, name: &str, url: &str) -> Result<()> {
    apply_annotated_ksvc(env, namespace, name, url, &json!({}))
}

/// Makes the CRD of Knative's services, without the checks of the real one, and a service that is ready.
fn apply_annotated_ksvc(env: &Env, namespace: &str, name: &str, url: &str, annotations: &Value) -> Result<()> {
    let cluster = env.plane.cluster();
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "services.serving.knative.dev"},
        "spec": {
            "group": "serving.knative.dev",
            "scope": "Namespaced",
            "names": {"plural": "services", "singular": "service", "kind": "Service", "shortNames": ["ksvc"]},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    cluster.apply(&[crd])?;
    let wait = ["wait", "--for", "condition=established", "--timeout", "60s", "crd", "services.serving.knative.dev"];
    cluster.kubectl(wait)?;
    cluster.apply(&[json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "status": {"url": url, "conditions": [{"type": "Ready", "status": "True"}]},
    })])
}

/// Makes the objects of an installation that works, in one namespace: the pod of the gateway with its Service and its
/// Gateway, a Knative Service, and Knative's settings. Returns the WasmPlugin, whose module is a file of a volume.
fn installation(env: &Env, namespace: &str) -> Result<Value> {
    let cluster = env.plane.cluster();
    cluster.namespace(namespace)?;
    apply_pod(env, namespace, "Running", &[8080, 8443])?;
    apply_ksvc(env, namespace, "orders", &format!("http://orders.{namespace}.example.com"))?;
    let config = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data});
    let gateway = objects::networking(
        "Gateway",
        namespace,
        "public",
        json!({
            "selector": objects::gateway_labels(),
            "servers": [{
                "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
                "hosts": ["*"],
                "tls": {"mode": "SIMPLE", "credentialName": "certificate"},
            }],
        }),
    );
    cluster.apply(&[
        gateway,
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "gateway", "namespace": namespace},
            "spec": {
                "selector": objects::gateway_labels(),
                "ports": [{"name": "https", "port": 443, "targetPort": "p8443"}],
            },
        }),
        config("config-network", json!({"ingress-class": "istio.ingress.networking.knative.dev"})),
        config("config-domain", json!({"example.com": ""})),
        config("config-istio", json!({
            "external-gateways": format!("- name: public\n  namespace: {namespace}\n  service: gateway.{namespace}"),
        })),
    ])?;
    let mut table = orders_table("orders");
    table["namespace"] = namespace.into();
    let mut plugin = objects::wasm_plugin(manifest()?, namespace, &plugin()?, &[8443], Some(&table))?;
    plugin["spec"]["url"] = "oci://registry.example.com/ksvc-router:1".into();
    Ok(plugin)
}

/// Runs `doctor` on a manifest.
fn doctor(env: &Env, namespace: &str, plugin: &Value, more: &[&str]) -> Result<Run> {
    let file = write(env, namespace, "plugin.yaml", plugin)?;
    let arguments = [&["doctor", &file, "--knative-namespace", namespace], more].concat();
    run(env.plane.cluster().kubeconfig(), &arguments)
}

/// Returns the findings of a level about the plugin in a namespace.
fn findings<'r>(run: &'r Run, level: &'r str, namespace: &'r str) -> impl Iterator<Item = (&'r str, &'r str)> {
    let all = run.out.as_array().into_iter().flatten();
    let is_wanted = move |finding: &&Value| {
        let about = finding["about"].as_str().unwrap_or_default();
        finding["level"] == level
            && [format!("WasmPlugin {namespace}/"), format!("/cluster/{namespace}/")]
                .iter()
                .any(|own| about.contains(own))
    };
    let pair = |finding: &'r Value| Some((finding["code"].as_str()?, finding["message"].as_str()?));
    all.filter(is_wanted).filter_map(pair)
}

fn codes<'r>(run: &'r Run, level: &'r str, namespace: &'r str) -> Vec<&'r str> {
    findings(run, level, namespace).map(|(code, _)| code).collect()
}

fn doctor_finds_no_error_in_a_working_installation(env: &Env) -> Result<()> {
    let namespace = "doctor-good";
    let plugin = installation(env, namespace)?;
    let run = doctor(env, namespace, &plugin, &["--no-registry"])?;
    ensure!(run.code == Some(0) && codes(&run, "error", namespace).is_empty(), "{:#}", run.out);
    ensure!(codes(&run, "warning", namespace) == ["no-digest"], "{:#}", run.out);
    let good = codes(&run, "ok", namespace);
    let expected = [
        "gateway-pods",
        "plugin-namespace",
        "pod-ports",
        "knative-gateway",
        "module-expiry",
        "filter-chain",
        "services",
        "knative-settings",
    ];
    ensure!(good == expected, "{:#}", run.out);
    Ok(())
}

fn doctor_names_each_fault_of_an_installation(env: &Env) -> Result<()> {
    type Fault = fn(&mut Value);
    let namespace = "doctor-faults";
    let plugin = installation(env, namespace)?;
    let faults: [(&str, &str, Fault); 8] = [
        ("gateway-pods", "write the labels of your gateway's pods", |plugin| {
            plugin["spec"]["selector"]["matchLabels"] = json!({"istio": "gateway"});
        }),
        ("gateway-pods", "`targetRefs` names the Gateway `none`", |plugin| {
            let target = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "none"});
            plugin["spec"]["targetRefs"] = json!([target]);
        }),
        ("plugin-namespace", "write `namespace: ", |plugin| plugin["metadata"]["namespace"] = "default".into()),
        ("pod-ports", "write `number: 8443` in `match`", |plugin| {
            plugin["spec"]["match"] = json!([{"ports": [{"number": 443}]}]);
        }),
        ("module-file", "mount the volume at `/var/lib/ksvc-router`", |plugin| {
            plugin["spec"]["url"] = "file:///var/lib/ksvc-router/plugin.wasm".into();
        }),
        ("services", "`doctor-faults/none` does not exist", |plugin| {
            plugin["spec"]["pluginConfig"]["routes"][0]["service"] = "none".into();
        }),
        ("services", "write `domain: example.com`", |plugin| {
            plugin["spec"]["pluginConfig"]["domain"] = "example.net".into();
        }),
        ("unknown-key", "did you mean `hosts`", |plugin| {
            plugin["spec"]["pluginConfig"]["host"] = json!(["www.example.com"]);
        }),
    ];
    for (code, words, fault) in faults {
        let mut plugin = plugin.clone();
        fault(&mut plugin);
        let run = doctor(env, namespace, &plugin, &["--no-registry"])?;
        let all = run.out.as_array().into_iter().flatten();
        let is_it = |finding: &Value| {
            finding["level"] == "error"
                && finding["code"] == code
                && finding["message"].as_str().is_some_and(|text| text.contains(words))
        };
        ensure!(run.code == Some(1) && all.into_iter().any(is_it), "{code} {words}: {:#}", run.out);
    }
    Ok(())
}

fn doctor_asks_the_registry_for_the_image(env: &Env) -> Result<()> {
    let namespace = "doctor-image";
    let plugin = installation(env, namespace)?;
    let mut registry = Registry::start(&env.plane.folder().join("registries").join(namespace))?;
    let module = fs::read(testenv::plugin()?)?;
    let image = registry.push_module(Format::Oci, "ksvc-router", "1", &module)?;
    let index = registry.push_index("ksvc-router", "2", &module)?;
    let missing = format!("{}/ksvc-router@sha256:{}", registry.host(), "1".repeat(64));
    let check = |reference: &str, level: &str, words: &str| {
        let mut plugin = plugin.clone();
        plugin["spec"]["url"] = format!("oci://{reference}").into();
        let run = doctor(env, namespace, &plugin, &[])?;
        let found = findings(&run, level, namespace).any(|(code, text)| code == "image" && text.contains(words));
        ensure!(found, "{reference}: {:#}", run.out);
        anyhow::Ok(())
    };
    check(&image.by_digest, "ok", "the registry has the image")?;
    check(&image.by_tag, "ok", image.by_digest.rsplit('@').next().unwrap_or_default())?;
    // The remedy names the image in the index, which is another one than that of the tag `1` only by its tag.
    check(&index.by_digest, "error", image.by_digest.rsplit('@').next().unwrap_or_default())?;
    check(&missing, "error", "the registry has no image")?;
    registry.stop();
    check(&image.by_digest, "warning", "can't be asked from here")
}

/// Makes a service account with these rules, and returns a kubeconfig with its token.
fn account(env: &Env, name: &str, rules: &Value) -> Result<PathBuf> {
    let (cluster, namespace) = (env.plane.cluster(), "default");
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    });
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}});
    cluster.apply(&[account, role, binding])?;
    let token = cluster.kubectl(["create", "token", name, "-n", namespace])?;
    let mut config: Value = serde_json::from_str(&fs::read_to_string(cluster.kubeconfig())?)?;
    config["users"][0]["user"] = json!({"token": token.trim()});
    let path = env.plane.folder().join(format!("{name}.kubeconfig"));
    fs::write(&path, config.to_string())?;
    Ok(path)
}

fn doctor_needs_get_and_list_alone(env: &Env) -> Result<()> {
    let namespace = "doctor-verbs";
    let plugin = installation(env, namespace)?;
    let file = write(env, namespace, "plugin.yaml", &plugin)?;
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]);
    let kubeconfig = account(env, "reads-everything", &rules)?;
    let run = run(&kubeconfig, &["doctor", &file, "--knative-namespace", namespace, "--no-registry"])?;
    let not_read = run.out.as_array().into_iter().flatten().find(|finding| finding["code"] == "not-readable");
    ensure!(not_read.is_none() && codes(&run, "error", namespace).is_empty(), "{:#}", run.out);
    Ok(())
}

fn doctor_says_what_it_may_not_read_and_goes_on(env: &Env) -> Result<()> {
    let namespace = "doctor-rights";
    let plugin = installation(env, namespace)?;
    let file = write(env, namespace, "plugin.yaml", &plugin)?;
    let rules = json!([
        {"apiGroups": ["serving.knative.dev"], "resources": ["*"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
    ]);
    let kubeconfig = account(env, "reads-little", &rules)?;
    let run = run(&kubeconfig, &["doctor", &file, "--knative-namespace", namespace, "--no-registry"])?;
    ensure!(run.code == Some(0), "{:#}", run.out);
    let skipped = codes(&run, "skipped", namespace);
    ensure!(skipped.contains(&"gateway-pods"), "{:#}", run.out);
    let good = codes(&run, "ok", namespace);
    ensure!(good.contains(&"services") && good.contains(&"knative-settings"), "{:#}", run.out);
    let all: Vec<&Value> = run.out.as_array().into_iter().flatten().collect();
    let is_told = |about: &str| all.iter().any(|f| f["code"] == "not-readable" && f["about"].as_str() == Some(about));
    ensure!(is_told("wasmplugins.extensions.istio.io"), "{:#}", run.out);
    ensure!(
        all.iter().any(|f| f["code"] == "not-readable" && f["about"].as_str().is_some_and(|a| a.starts_with("pods")))
    );
    Ok(())
}

// ---- import ksvc

/// Makes two annotated services in a namespace, and an account that may only list services, in that namespace or in all.
fn annotated(env: &Env, namespace: &str) -> Result<()> {
    env.plane.cluster().namespace(namespace)?;
    for (name, matches) in [("orders", "GET /orders/{id}\n\nPOST /orders"), ("refunds", "POST /orders\nPOST /refunds")]
    {
        let url = format!("http://{name}.{namespace}.example.com");
        apply_annotated_ksvc(env, namespace, name, &url, &json!({"ksvc-router/match": matches}))?;
    }
    Ok(())
}

fn import_reads_the_services_of_a_cluster(env: &Env) -> Result<()> {
    let namespace = "import-ksvc";
    annotated(env, namespace)?;
    let list = json!([{"apiGroups": ["serving.knative.dev"], "resources": ["services"], "verbs": ["list"]}]);
    let kubeconfig = account(env, "lists-services", &list)?;
    let tables = json!({"tables": [{
        "hosts": ["api.example.com"],
        "domain": "example.com",
        "namespaces": {namespace: ["/orders", "/refunds"]},
    }]});
    let tables = write(env, namespace, "tables.yaml", &tables)?;
    // Of objects of the same second, the one whose name comes first has the path. Otherwise, the older one has it.
    let arguments = ["import", "ksvc", "--cluster", "--namespace", namespace, "--tables", &tables];
    let refused = run(&kubeconfig, &arguments)?;
    ensure!(refused.code == Some(1) && refused.out["tables"] == json!([]), "{:#}", refused.out);
    let message = &refused.out["messages"][0];
    ensure!(message["place"] == "KSVC import-ksvc/refunds, `POST /orders`", "{:#}", refused.out);
    ensure!(message["code"] == "claim-conflict" && message["file"].is_null(), "{:#}", refused.out);

    let partial = run(&kubeconfig, &[&arguments[..], &["--partial"]].concat())?;
    let routes = json!([
        {
            "name": "import-ksvc/orders",
            "match": ["GET /orders/{id}", "POST /orders"],
            "service": "orders",
            "namespace": namespace,
        },
        {"name": "import-ksvc/refunds", "match": "POST /refunds", "service": "refunds", "namespace": namespace},
    ]);
    ensure!(partial.out["tables"][0]["routes"] == routes, "{:#}", partial.out);

    // kubectl prints the same objects.
    let all = env.plane.cluster().kubectl(["get", "ksvc", "-n", namespace, "-o", "json"])?;
    let file = write(env, namespace, "services.json", &serde_json::from_str(&all)?)?;
    let of_file = run(Path::new("/nowhere"), &["import", "ksvc", &file, "--tables", &tables, "--partial"])?;
    ensure!(of_file.out["tables"] == partial.out["tables"], "{:#}", of_file.out);

    // The services of all namespaces are read, and those that have no annotations are left out.
    let everything = run(&kubeconfig, &["import", "ksvc", "--cluster", "--tables", &tables, "--partial"])?;
    ensure!(everything.out["tables"] == partial.out["tables"], "{:#}", everything.out);
    Ok(())
}

fn import_says_that_it_may_not_read_services(env: &Env) -> Result<()> {
    annotated(env, "import-rights")?;
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]);
    let kubeconfig = account(env, "lists-pods", &rules)?;
    let arguments = ["import", "ksvc", "--cluster", "--host", "api.example.com"];
    let output = Command::new(program()?).args(arguments).env("KUBECONFIG", &kubeconfig).output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(2) && output.stdout.is_empty(), "{error}");
    ensure!(error.contains("has not returned the Knative Services: this user may not `list` them (403)"), "{error}");
    Ok(())
}

// ---- the kubectl plugin

/// kubectl finds the program by its file name, and the program then calls itself as kubectl does.
fn kubectl_runs_the_program_as_its_plugin(env: &Env) -> Result<()> {
    let folder = env.plane.folder().join("cluster/plugin");
    fs::create_dir_all(&folder)?;
    let link = folder.join("kubectl-ksvc_router");
    if !link.exists() {
        std::os::unix::fs::symlink(program()?, &link)?;
    }
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let kubectl = |arguments: &[&str]| -> Result<String> {
        let mut command = env.plane.cluster().command();
        command.args(arguments).env("PATH", &path).env("KUBECONFIG", env.plane.cluster().kubeconfig());
        let output = command.output()?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let list = kubectl(&["plugin", "list"])?;
    ensure!(list.contains("kubectl-ksvc_router"), "{list}");
    let help = kubectl(&["ksvc_router", "check", "--help"])?;
    ensure!(help.contains("Usage: kubectl ksvc_router check"), "{help}");
    annotated(env, "plugin")?;
    let arguments =
        ["ksvc_router", "import", "ksvc", "--cluster", "-n", "plugin", "--host", "api.example.com", "--partial"];
    let out = kubectl(&arguments)?;
    ensure!(out.contains("name: plugin/orders"), "{out}");
    Ok(())
}
