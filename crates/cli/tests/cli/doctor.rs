//! `doctor` on objects in a file: a good cluster, and one fault after the other. What it reads from a real API server is
//! tested in `testenv/tests/istio/cluster.rs`.

use ksvc_router_cli::cluster::finding::CHECKS;
use ksvc_router_cli::source::Source;
use ksvc_router_cli::{load, yaml};
use serde_json::{Value, json};

use super::support::{Folder, Run};

/// A good cluster, and a manifest that works in it.
const OBJECTS: &str = include_str!("../cluster/objects.yaml");
const PLUGIN: &str = include_str!("../../../../wasm-plugin.yaml");

fn read(text: &str) -> Value {
    let documents = load::parse(&Source::new("f.yaml", text)).unwrap();
    let [document] = &documents[..] else { panic!("{text}") };
    yaml::Node::to_value(document)
}

/// A cluster and a manifest, of which a test changes one thing.
struct Case {
    objects: Value,
    plugin: Value,
}

impl Case {
    fn good() -> Self {
        let mut plugin = read(PLUGIN);
        plugin["spec"]["url"] = format!("oci://registry.example.com/ksvc-router@sha256:{}", "1".repeat(64)).into();
        Self { objects: read(OBJECTS), plugin }
    }

    fn object(&mut self, kind: &str, name: &str) -> &mut Value {
        let items = self.objects["items"].as_array_mut().unwrap();
        items.iter_mut().find(|object| object["kind"] == kind && object["metadata"]["name"] == name).unwrap()
    }

    fn pod(&mut self) -> &mut Value {
        self.object("Pod", "istio-ingressgateway-6c9d5f7b88-x2x7p")
    }

    fn add(&mut self, object: Value) {
        self.objects["items"].as_array_mut().unwrap().push(object);
    }

    fn remove(&mut self, kind: &str, name: &str) {
        let items = self.objects["items"].as_array_mut().unwrap();
        items.retain(|object| object["kind"] != kind || object["metadata"]["name"] != name);
    }

    fn run(&self, more: &[&str]) -> Run {
        let [objects, plugin] = [&self.objects, &self.plugin].map(Value::to_string);
        let folder = Folder::new(&[("objects.json", &objects), ("plugin.yaml", &plugin)]);
        let args = ["doctor", "plugin.yaml", "--objects", "objects.json", "--no-registry"];
        folder.run(&[&args[..], more].concat())
    }

    /// Returns the lines of a run that are neither `ok` nor the summary.
    fn complaints(&self) -> Vec<String> {
        let run = self.run(&[]);
        let lines = run.out.lines().filter(|line| !line.starts_with("ok: ") && line.ends_with(']'));
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        let has_errors = lines.iter().any(|line| line.starts_with("error: "));
        assert_eq!(run.code, i32::from(has_errors), "{}{}", run.out, run.err);
        lines.into_iter().filter(|line| !line.contains("the registry was not asked")).collect()
    }
}

#[test]
fn a_good_cluster_has_no_complaints() {
    let case = Case::good();
    assert_eq!(case.complaints(), [""; 0]);
    let findings = case.run(&["--format", "json"]).json();
    let made: Vec<&str> =
        findings.as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    // The other checks only tell faults.
    let silent = ["plugins", "module-file", "not-readable"];
    let expected: Vec<&str> = CHECKS.iter().map(|(code, _)| *code).filter(|code| !silent.contains(code)).collect();
    assert_eq!(made, expected);
}

/// Changes one thing.
type Change = fn(&mut Case);

/// A fault: what to change, the beginning of the complaint, and the words of its remedy.
type Fault = (Change, &'static str, &'static str, &'static str);

const FAULTS: &[Fault] = &[
    // ---- the pods
    (
        |case| case.pod()["metadata"]["labels"]["istio"] = "other".into(),
        "error: WasmPlugin istio-system/ksvc-router: no pod has the labels `istio: ingressgateway`",
        "write the labels of your gateway's pods: `istio: other`",
        "gateway-pods",
    ),
    (
        |case| case.remove("Pod", "istio-ingressgateway-6c9d5f7b88-x2x7p"),
        "error: WasmPlugin istio-system/ksvc-router: no pod has the labels",
        "deploy the gateway first",
        "gateway-pods",
    ),
    (
        |case| case.pod()["status"]["phase"] = "Pending".into(),
        "warning: WasmPlugin istio-system/ksvc-router: it selects 1 pod",
        "`kubectl describe pod -n istio-system istio-ingressgateway-6c9d5f7b88-x2x7p`",
        "gateway-pods",
    ),
    (
        |case| case.plugin["metadata"]["namespace"] = "shop".into(),
        "error: WasmPlugin shop/ksvc-router: the pods with `istio: ingressgateway` are in the namespace `istio-system`",
        "write `namespace: istio-system`",
        "plugin-namespace",
    ),
    (
        |case| {
            let mesh = json!({"mesh": "rootNamespace: istio-config\n"});
            case.add(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "istio", "namespace": "istio-system"}, "data": mesh}));
            case.pod()["metadata"]["namespace"] = "gateways".into();
            case.object("Service", "istio-ingressgateway")["metadata"]["namespace"] = "gateways".into();
        },
        "error: WasmPlugin istio-system/ksvc-router: the pods with",
        "write `namespace: gateways`",
        "plugin-namespace",
    ),
    // ---- the Gateway API
    (
        |case| {
            target(case, "gone");
            case.remove("Pod", "istio-ingressgateway-6c9d5f7b88-x2x7p");
        },
        "error: WasmPlugin istio-system/ksvc-router: `targetRefs` names the Gateway `gone`",
        "the cluster has no Gateway of the Gateway API",
        "gateway-pods",
    ),
    (
        |case| {
            target(case, "public");
            case.add(api_gateway(
                &json!([{"type": "Hostname", "value": "istio-ingressgateway.istio-system.svc.cluster.local"}]),
            ));
        },
        "error: WasmPlugin istio-system/ksvc-router: the plugin never runs: `targetRefs` attaches it to pods with the label \
         `gateway.networking.k8s.io/gateway-name: public`",
        "with the labels that the Service `istio-system/istio-ingressgateway` selects, `istio: ingressgateway`",
        "gateway-pods",
    ),
    (
        |case| {
            target(case, "public");
            case.add(api_gateway(&json!([])));
        },
        "error: WasmPlugin istio-system/ksvc-router: the Gateway `istio-system/public` has no pod yet",
        "`kubectl get gateway -n istio-system public`",
        "gateway-pods",
    ),
    // ---- ports
    (
        |case| case.plugin["spec"]["match"] = json!([{"ports": [{"number": 443}]}]),
        "error: WasmPlugin istio-system/ksvc-router: 443 is the port of the gateway's Service, and its pods listen on 8443",
        "write `number: 8443` in `match`",
        "pod-ports",
    ),
    (
        |case| {
            // The Helm chart `gateway`: its pods listen on the ports of the Service.
            case.object("Service", "istio-ingressgateway")["spec"]["ports"] = json!([{"port": 80}, {"port": 443}]);
        },
        "error: WasmPlugin istio-system/ksvc-router: the pods do not listen on port 8443",
        "write for example `number: 443` in `match`",
        "pod-ports",
    ),
    (
        |case| case.object("Gateway", "knative-ingress-gateway")["spec"]["selector"]["istio"] = "other".into(),
        "error: WasmPlugin istio-system/ksvc-router: no Gateway is for these pods",
        "create a Gateway whose `selector` selects the pod",
        "pod-ports",
    ),
    // ---- Knative's Gateway
    (
        |case| {
            case.object("Gateway", "knative-ingress-gateway")["metadata"]["namespace"] = "shop".into();
        },
        "error: WasmPlugin istio-system/ksvc-router: Knative binds its services to the Gateway \
         `knative-serving/knative-ingress-gateway` (ConfigMap `config-istio`), which does not exist",
        "create it",
        "knative-gateway",
    ),
    (
        |case| {
            let mut other = case.object("Gateway", "knative-ingress-gateway").clone();
            other["metadata"]["name"] = "others".into();
            other["spec"]["selector"]["istio"] = "other".into();
            case.add(other);
            let gateways = "- name: others\n  namespace: knative-serving\n";
            case.add(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "config-istio", "namespace": "knative-serving"},
                "data": {"external-gateways": gateways}}));
        },
        "error: WasmPlugin istio-system/ksvc-router: Knative binds its services to the Gateway `knative-serving/others` \
         (ConfigMap `config-istio`), which other pods serve",
        "select the pods of that Gateway",
        "knative-gateway",
    ),
    (
        |case| {
            let servers = &mut case.object("Gateway", "knative-ingress-gateway")["spec"]["servers"];
            servers[1]["hosts"] = json!(["*.example.net"]);
        },
        "error: WasmPlugin istio-system/ksvc-router: the Gateway `knative-serving/knative-ingress-gateway`, to which Knative \
         binds its services (ConfigMap `config-istio`), does not serve `api.example.com`",
        "add them to the `hosts` of a server of that Gateway",
        "knative-gateway",
    ),
    (
        |case| {
            let servers = &mut case.object("Gateway", "knative-ingress-gateway")["spec"]["servers"];
            let mut own = servers[1].clone();
            own["hosts"] = json!(["api.example.com"]);
            servers.as_array_mut().unwrap().push(own);
        },
        "warning: plugin.yaml:1:",
        "write both hosts in the `hosts` of one server",
        "split-servers",
    ),
    // ---- the module
    (
        |case| case.pod()["spec"]["containers"][0]["env"] = json!([]),
        "warning: WasmPlugin istio-system/ksvc-router: `istio-system/istio-ingressgateway-6c9d5f7b88-x2x7p` lacks \
         `WASM_MODULE_EXPIRY`",
        "set `WASM_MODULE_EXPIRY=87600h`",
        "module-expiry",
    ),
    (
        |case| case.pod()["spec"]["containers"][0]["env"][0]["value"] = "24h".into(),
        "warning: WasmPlugin istio-system/ksvc-router: `istio-system/istio-ingressgateway-6c9d5f7b88-x2x7p` has \
         `WASM_MODULE_EXPIRY=24h`",
        "set `WASM_MODULE_EXPIRY=87600h`",
        "module-expiry",
    ),
    (
        |case| case.plugin["spec"]["url"] = "file:///var/lib/ksvc-router/plugin.wasm".into(),
        "error: WasmPlugin istio-system/ksvc-router: the container `istio-proxy` of `istio-system/",
        "mount the volume at `/var/lib/ksvc-router`",
        "module-file",
    ),
    (
        |case| case.plugin["spec"]["imagePullPolicy"] = "Always".into(),
        "warning: plugin.yaml:1:",
        "write `IfNotPresent`",
        "pull-always",
    ),
    // ---- other filters
    (
        |case| case.add(other_plugin(&json!({}))),
        "warning: WasmPlugin istio-system/ksvc-router: the WasmPlugin `istio-system/audit` runs in the same pods",
        "write another `priority` in one of them",
        "filter-chain",
    ),
    (
        |case| {
            let mut ours = case.plugin.clone();
            ours["metadata"]["name"] = "second".into();
            ours["spec"]["pluginConfig"]["name"] = "second".into();
            case.add(ours);
        },
        "warning: plugin.yaml:1:",
        "write `hosts` or `basePath` that do not overlap",
        "overlapping-tables",
    ),
    // ---- Knative Services
    (
        |case| case.remove("Service", "payments"),
        "error: WasmPlugin istio-system/ksvc-router: routes[3]: the Knative Service `billing/payments` does not exist",
        "create it, or correct `service` or `namespace`",
        "services",
    ),
    (
        |case| {
            case.object("Service", "payments")["metadata"]["labels"] =
                json!({"networking.knative.dev/visibility": "cluster-local"});
        },
        "error: WasmPlugin istio-system/ksvc-router: routes[3]: `billing/payments` is cluster-local",
        "remove the label `networking.knative.dev/visibility: cluster-local`",
        "services",
    ),
    (
        |case| case.object("Service", "payments")["status"]["url"] = "http://payments.billing.svc.cluster.local".into(),
        "error: WasmPlugin istio-system/ksvc-router: routes[3]: `billing/payments` is cluster-local",
        "give it a public domain",
        "services",
    ),
    (
        |case| {
            case.object("Service", "payments")["status"]["conditions"][0] =
                json!({"type": "Ready", "status": "False", "message": "image not found"})
        },
        "error: WasmPlugin istio-system/ksvc-router: routes[3]: `billing/payments` is not ready (image not found)",
        "`kubectl describe ksvc -n billing payments`",
        "services",
    ),
    (
        |case| {
            let status = &mut case.object("Service", "payments")["status"];
            status["conditions"][0]["status"] = "Unknown".into();
            status["latestReadyRevisionName"] = "payments-00001".into();
        },
        "warning: WasmPlugin istio-system/ksvc-router: routes[3]: the newest revision of `billing/payments` is not ready",
        "`payments-00001` serves; see `kubectl describe ksvc -n billing payments`",
        "services",
    ),
    (
        |case| case.object("Service", "payments")["status"]["url"] = "http://payments.billing.example.net".into(),
        "error: WasmPlugin istio-system/ksvc-router: routes[3]: the host of `billing/payments` is \
         `payments.billing.example.net`, and the table writes `payments.billing.example.com`",
        "write `domain: example.net`",
        "services",
    ),
    (
        |case| case.object("Service", "payments")["status"]["url"] = "http://payments-billing.example.com".into(),
        "error: WasmPlugin istio-system/ksvc-router: routes[3]: the host of `billing/payments`",
        "write `hostTemplate: \"{service}-{namespace}.{domain}\"`",
        "services",
    ),
    (
        |case| case.object("Service", "payments")["status"]["url"] = "http://pay.example.org".into(),
        "error: WasmPlugin istio-system/ksvc-router: routes[3]: the host of `billing/payments`",
        "write `host: pay.example.org` in place of `service`",
        "services",
    ),
    (
        |case| case.object("Service", "orders")["status"]["traffic"] = json!([{"tag": "old"}]),
        "error: WasmPlugin istio-system/ksvc-router: routes[1]: `shop/orders` has no tag `beta` (it has `old`)",
        "correct `tag`",
        "services",
    ),
    // ---- Knative's settings
    (
        |case| case.object("ConfigMap", "config-network")["data"]["external-domain-tls"] = "Enabled".into(),
        "error: WasmPlugin istio-system/ksvc-router: `external-domain-tls: Enabled` in the ConfigMap `config-network`",
        "write the annotation `networking.knative.dev/disable-external-domain-tls: \"true\"` on `shop/orders`",
        "knative-settings",
    ),
    (
        |case| case.object("ConfigMap", "config-network")["data"]["http-protocol"] = "Redirected".into(),
        "error: WasmPlugin istio-system/ksvc-router: `http-protocol: Redirected` in the ConfigMap `config-network`",
        "write the annotation `networking.knative.dev/http-protocol: \"enabled\"`",
        "knative-settings",
    ),
    (
        |case| case.object("ConfigMap", "config-domain")["data"] = json!({"_example": "", "example.net": ""}),
        "error: WasmPlugin istio-system/ksvc-router: Knative's domain is `example.net`",
        "write `domain: example.net`",
        "knative-settings",
    ),
    (
        |case| {
            case.object("ConfigMap", "config-network")["data"]["domain-template"] =
                "{{.Name}}-{{ .Namespace }}.{{.Domain}}".into();
        },
        "error: WasmPlugin istio-system/ksvc-router: Knative makes hosts by `{service}-{namespace}.{domain}`",
        "write `hostTemplate: \"{service}-{namespace}.{domain}\"`",
        "knative-settings",
    ),
    // ---- the API server
    (
        |case| case.remove("ValidatingAdmissionPolicyBinding", "ksvc-router"),
        "warning: the cluster: Kubernetes of an unknown version, but the admission policy is not installed",
        "run `ksvc-router admission | kubectl apply -f -`",
        "admission-policy",
    ),
];

/// Attaches the manifest to a Gateway of the Gateway API.
fn target(case: &mut Case, gateway: &str) {
    let spec = case.plugin["spec"].as_object_mut().unwrap();
    spec.remove("selector");
    let target = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": gateway});
    spec.insert("targetRefs".to_owned(), json!([target]));
    spec.insert("match".to_owned(), json!([{"ports": [{"number": 443}]}]));
}

fn api_gateway(addresses: &Value) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "public", "namespace": "istio-system"},
        "spec": {
            "gatewayClassName": "istio",
            "addresses": addresses,
            "listeners": [{"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"mode": "Terminate"}}],
        },
    })
}

/// Returns another plugin in the pods of the gateway.
fn other_plugin(more: &Value) -> Value {
    let mut plugin = json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": {"name": "audit", "namespace": "istio-system"},
        "spec": {"selector": {"matchLabels": {"istio": "ingressgateway"}}, "pluginName": "audit", "url": "file:///a.wasm"},
    });
    plugin["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    plugin
}

#[test]
fn every_fault_is_named_with_its_remedy() {
    for (index, (change, begin, remedy, code)) in FAULTS.iter().enumerate() {
        let mut case = Case::good();
        change(&mut case);
        let complaints = case.complaints();
        let is_it =
            |line: &String| line.starts_with(begin) && line.contains(remedy) && line.ends_with(&format!("[{code}]"));
        assert!(complaints.iter().any(is_it), "fault {index}: {begin} … {remedy} [{code}]\nis not in\n{complaints:#?}");
    }
}

/// These are no faults: the check would be wrong to complain.
#[test]
fn other_ways_to_install_have_no_complaints() {
    let ways: [(&str, Change); 6] = [
        ("a plugin in the namespace of the pods", |case| {
            for (kind, name) in [("Pod", "istio-ingressgateway-6c9d5f7b88-x2x7p"), ("Service", "istio-ingressgateway")]
            {
                case.object(kind, name)["metadata"]["namespace"] = "gateways".into();
            }
            case.plugin["metadata"]["namespace"] = "gateways".into();
        }),
        ("the Helm chart `gateway`", |case| {
            case.object("Service", "istio-ingressgateway")["spec"]["ports"] = json!([{"port": 80}, {"port": 443}]);
            case.plugin["spec"]["match"] = json!([{"ports": [{"number": 443}]}]);
        }),
        ("another plugin with an order", |case| case.add(other_plugin(&json!({"priority": 10})))),
        ("another plugin in an earlier phase", |case| case.add(other_plugin(&json!({"phase": "AUTHN"})))),
        ("an exempt service", |case| {
            case.object("ConfigMap", "config-network")["data"]["external-domain-tls"] = "Enabled".into();
            for name in ["orders", "orders-write", "payments"] {
                case.object("Service", name)["metadata"]["annotations"] =
                    json!({"networking.knative.dev/disable-external-domain-tls": "true"});
            }
        }),
        ("net-gateway-api, with `targetRefs` to a Gateway that Istio deploys", |case| {
            target(case, "public");
            case.add(api_gateway(&json!([])));
            case.remove("Gateway", "knative-ingress-gateway");
            case.object("ConfigMap", "config-network")["data"]["ingress-class"] =
                "gateway-api.ingress.networking.knative.dev".into();
            let gateways = "- class: istio\n  gateway: istio-system/public\n  service: istio-system/public-istio\n";
            case.add(json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "config-gateway", "namespace": "knative-serving"},
                "data": {"external-gateways": gateways}}));
            case.pod()["metadata"]["labels"] = json!({"gateway.networking.k8s.io/gateway-name": "public"});
            let service = case.object("Service", "istio-ingressgateway");
            service["spec"]["selector"] = json!({"gateway.networking.k8s.io/gateway-name": "public"});
            service["spec"]["ports"] = json!([{"port": 443, "targetPort": 443}]);
        }),
    ];
    for (way, change) in ways {
        let mut case = Case::good();
        change(&mut case);
        assert_eq!(case.complaints(), [""; 0], "{way}");
    }
}

/// Two listeners of the Gateway API, one for the public host and one for the services.
#[test]
fn separate_listeners_for_the_public_host_and_the_services_are_a_fault() {
    let mut case = Case::good();
    target(&mut case, "public");
    let mut gateway = api_gateway(&json!([]));
    let listener = |name: &str, hostname: &str| json!({"name": name, "hostname": hostname, "port": 443, "protocol": "HTTPS", "tls": {"mode": "Terminate"}});
    gateway["spec"]["listeners"] = json!([listener("public", "api.example.com"), listener("ksvc", "*.example.com")]);
    case.add(gateway);
    let complaints = case.complaints();
    assert!(complaints.iter().any(|line| line.ends_with("[split-listeners]")), "{complaints:#?}");
}

#[test]
fn without_files_the_tables_of_the_cluster_are_examined() {
    let mut case = Case::good();
    let folder = |case: &Case| Folder::new(&[("objects.json", &case.objects.to_string())]);
    let args = ["doctor", "--objects", "objects.json", "--no-registry"];
    let run = folder(&case).run(&args);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("it has no WasmPlugin, TrafficExtension or EnvoyFilter of this filter"), "{}", run.out);
    case.add(case.plugin.clone());
    case.remove("Service", "orders");
    let run = folder(&case).run(&args);
    assert!(run.out.contains("routes[0]: the Knative Service `shop/orders` does not exist"), "{}", run.out);
    assert_eq!(run.code, 1);
}

/// Plugins that do not run in the pods of the table.
#[test]
fn plugins_in_other_pods_are_not_in_the_filter_chain() {
    let gateway = |name: &str| json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name});
    let mut case = Case::good();
    target(&mut case, "public");
    case.add(api_gateway(&json!([])));
    case.pod()["metadata"]["labels"] = json!({"gateway.networking.k8s.io/gateway-name": "public"});
    let chain = |other: Value| {
        let mut objects = case.objects.clone();
        objects["items"].as_array_mut().unwrap().push(other);
        let run = Case { objects, plugin: case.plugin.clone() }.run(&[]);
        run.out.lines().find(|line| line.ends_with("[filter-chain]")).unwrap().to_owned()
    };
    let attached = |to: &Value| {
        let mut other = other_plugin(to);
        other["spec"].as_object_mut().unwrap().remove("selector");
        other
    };
    for (what, other) in [
        ("targetRef", attached(&json!({"targetRef": gateway("other")}))),
        ("targetRefs", attached(&json!({"targetRefs": [gateway("other")]}))),
        ("labels", other_plugin(&json!({}))),
    ] {
        assert!(chain(other).contains("no other plugin or EnvoyFilter is in these pods"), "{what}");
    }
    for (what, other) in [
        ("targetRef", attached(&json!({"targetRef": gateway("public")}))),
        ("targetRefs", attached(&json!({"targetRefs": [gateway("other"), gateway("public")]}))),
        ("every pod", attached(&json!({"targetRef": null}))),
    ] {
        assert!(chain(other).starts_with("warning: "), "{what}");
    }
}

/// A target is in the namespace of the plugin, also in the root namespace, whose selectors reach every namespace.
#[test]
fn a_target_is_in_the_namespace_of_its_plugin() {
    let mut case = Case::good();
    target(&mut case, "public");
    let mut api = api_gateway(&json!([]));
    api["metadata"]["namespace"] = "gateways".into();
    case.add(api);
    case.plugin["metadata"]["namespace"] = "gateways".into();
    case.pod()["metadata"]["namespace"] = "gateways".into();
    case.pod()["metadata"]["labels"] = json!({"gateway.networking.k8s.io/gateway-name": "public"});
    let mut other = other_plugin(&json!({"targetRefs": case.plugin["spec"]["targetRefs"].clone()}));
    other["spec"].as_object_mut().unwrap().remove("selector");
    case.add(other);
    let run = case.run(&[]);
    assert!(run.out.contains("no other plugin or EnvoyFilter is in these pods"), "{}", run.out);
}

/// Tables of one file, whose objects get their namespace by the option.
#[test]
fn tables_without_a_namespace_are_no_foreign_plugins_of_each_other() {
    let case = Case::good();
    let mut first = case.plugin.clone();
    first["metadata"].as_object_mut().unwrap().remove("namespace");
    let mut second = first.clone();
    second["metadata"]["name"] = "second".into();
    second["spec"]["pluginConfig"]["name"] = "second".into();
    second["spec"]["pluginConfig"]["hosts"] = json!(["second.example.com"]);
    let (objects, file) = (case.objects.to_string(), format!("{first}\n---\n{second}\n"));
    let folder = Folder::new(&[("objects.json", &objects), ("plugin.yaml", &file)]);
    let args = ["doctor", "plugin.yaml", "--objects", "objects.json", "--no-registry", "-n", "istio-system"];
    let run = folder.run(&args);
    let of_chain: Vec<&str> = run.out.lines().filter(|line| line.ends_with("[filter-chain]")).collect();
    assert_eq!(of_chain.len(), 2, "{}{}", run.out, run.err);
    assert!(of_chain.iter().all(|line| line.contains("no other plugin or EnvoyFilter")), "{of_chain:#?}");
}

/// A fault of another table in the cluster is not one of the file.
#[test]
fn with_a_file_the_other_tables_of_the_cluster_are_not_examined() {
    let mut case = Case::good();
    let mut other = case.plugin.clone();
    other["metadata"]["name"] = "other".into();
    // With the same name, so that `check` would complain of tables in one gateway.
    let mut elsewhere = case.plugin.clone();
    elsewhere["metadata"]["namespace"] = "elsewhere".into();
    case.plugin["metadata"]["namespace"] = "gateways".into();
    for (kind, name) in [("Pod", "istio-ingressgateway-6c9d5f7b88-x2x7p"), ("Service", "istio-ingressgateway")] {
        case.object(kind, name)["metadata"]["namespace"] = "gateways".into();
    }
    case.add(elsewhere);
    other["spec"]["pluginConfig"] = json!({"name": "other", "hosts": ["other.example.com"], "routes": [], "rutes": []});
    other["spec"]["selector"]["matchLabels"]["istio"] = "other".into();
    case.add(other);
    assert_eq!(case.complaints(), [""; 0]);
}

/// Text of the cluster can't end a line, or control the terminal.
#[test]
fn each_check_is_one_line() {
    let mut case = Case::good();
    let message = "image not found:\r\n\terror: forged\u{1b}[2J\u{85}\u{2028}line [services]";
    case.object("Service", "payments")["status"]["conditions"][0] =
        json!({"type": "Ready", "status": "False", "message": message});
    let run = case.run(&[]);
    let found = "(image not found: error: forged [2J line [services])";
    assert!(run.out.contains(found), "{}", run.out);
    let is_finding =
        |line: &str| ["ok: ", "warning: ", "skipped: ", "error: WasmPlugin"].iter().any(|word| line.starts_with(word));
    let (findings, summary): (Vec<&str>, Vec<&str>) = run.out.lines().partition(|line| is_finding(line));
    assert_eq!(summary, ["1 error, 0 warnings, 9 ok, 1 skipped"], "{findings:#?}");
    // JSON has the text as it is.
    let json = case.run(&["--format", "json"]).json();
    assert!(json.as_array().unwrap().iter().any(|finding| finding["message"].as_str().unwrap().contains(message)));
}

/// The file is what will be applied, so the older object of the same name does not count.
#[test]
fn a_file_replaces_the_object_of_the_same_name() {
    let mut case = Case::good();
    let mut older = case.plugin.clone();
    older["spec"]["pluginConfig"] = json!({"hosts": 1});
    case.add(older);
    assert_eq!(case.complaints(), [""; 0]);
}

#[test]
fn objects_that_can_not_be_read_are_one_clear_error() {
    let folder = Folder::new(&[("objects.yaml", "items: [\n"), ("plugin.yaml", PLUGIN)]);
    let run = folder.run(&["doctor", "plugin.yaml", "--objects", "objects.yaml"]);
    assert_eq!((run.code, &*run.out), (1, ""));
    assert!(run.err.starts_with("objects.yaml:"), "{}", run.err);
    // A file without objects is not a cluster without objects.
    for text in [
        "",
        "# nothing\n",
        "error: the server doesn't have a resource type \"ksvc\"\n",
        "items: []\n",
        "[]",
        "kind: List",
    ] {
        let folder = Folder::new(&[("objects.yaml", text), ("plugin.yaml", PLUGIN)]);
        let run = folder.run(&["doctor", "plugin.yaml", "--objects", "objects.yaml"]);
        assert_eq!((run.code, &*run.out), (2, ""), "{text}\n{}", run.err);
        assert!(
            run.err.starts_with("error: --objects: objects.yaml has no object of a cluster; write it"),
            "{}",
            run.err
        );
    }
    let run = folder.run(&["doctor", "plugin.yaml", "--objects", "none.yaml"]);
    assert_eq!((run.code, &*run.out), (2, ""));
    let run = folder.run(&["doctor", "none.yaml", "--objects", "objects.yaml"]);
    assert_eq!((run.code, &*run.out), (2, ""));
}
