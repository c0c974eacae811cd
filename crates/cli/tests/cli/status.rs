//! `status` and the reading of a cluster, with a server that answers like an API server whose pods serve tables. Tables in
//! a real gateway are tested in `testenv/tests/istio/cluster.rs`.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use ksvc_router_cli::cluster::metrics;
use ksvc_router_cli::cluster::status::Expected;
use ksvc_router_cli::load::from_named;
use ksvc_router_cli::source::Source;
use serde_json::{Value, json};

use super::support::{Folder, GOOD, Run};

/// A server on loopback that answers each path with a status and a body. It ends when it is dropped.
struct Server {
    address: SocketAddr,
    /// The first lines of the requests.
    seen: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// The answers are taken by the longest path with which a request begins.
    fn start(answers: Vec<(String, u16, String)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let lines = Arc::clone(&seen);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut first = String::new();
                let _ = reader.read_line(&mut first);
                if first.starts_with("END") {
                    return;
                }
                let mut line = String::from("-");
                while !line.trim().is_empty() {
                    line.clear();
                    let _ = reader.read_line(&mut line);
                }
                lines.lock().unwrap().push(first.trim().to_owned());
                answer(stream, first.split(' ').nth(1).unwrap_or_default(), &answers);
            }
        });
        Self { address, seen, thread: Some(thread) }
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns a kubeconfig for this server.
    fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c", "namespace": "shop"}}],
        })
        .to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = TcpStream::connect(self.address).and_then(|mut stream| stream.write_all(b"END\r\n\r\n"));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(mut stream: TcpStream, path: &str, answers: &[(String, u16, String)]) {
    let best = answers.iter().filter(|(start, ..)| path.starts_with(start)).max_by_key(|(start, ..)| start.len());
    let missing = (String::new(), 404, failure(404, "there is no such page"));
    let (_, status, body) = best.unwrap_or(&missing);
    let head = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all((head + body).as_bytes());
}

fn failure(code: u16, message: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "message": message}).to_string()
}

/// Returns the answer to a list of pods.
fn pods(names: &[&str]) -> String {
    let pod = |name: &&str| {
        let phase = if *name == "pending" { "Pending" } else { "Running" };
        json!({"metadata": {"name": name, "namespace": "istio-system", "labels": {"istio": "ingressgateway"}},
            "status": {"phase": phase}})
    };
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": names.iter().map(pod).collect::<Value>()})
        .to_string()
}

fn pod_page(name: &str) -> String {
    format!("/api/v1/namespaces/istio-system/pods/{name}:15090/proxy/stats/prometheus?filter=ksvc_router")
}

/// Returns the page of a gateway that serves a table.
fn page(hash: u64, degraded: u64) -> String {
    format!(
        "# TYPE ksvc_router_config_hash gauge\nksvc_router_config_hash{{wasm_filter=\"default\"}} {hash}\n\
         ksvc_router_config_degraded{{wasm_filter=\"default\"}} {degraded}\n"
    )
}

fn manifest(table: &str) -> String {
    let indented: String = table.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: ksvc-router, namespace: \
         istio-system}}\nspec:\n  selector: {{matchLabels: {{istio: ingressgateway}}}}\n  pluginName: ksvc-router\n  \
         url: file:///plugin.wasm\n  pluginConfig:\n{indented}"
    )
}

fn hash(manifest: &str) -> u64 {
    Expected::new(&from_named(&Source::new("f.yaml", manifest)).configurations[0]).hash
}

fn status(server: &Server, file: &str, more: &[&str]) -> Run {
    let folder = Folder::new(&[("config", &server.kubeconfig()), ("f.yaml", file)]);
    folder.run(&[&["status", "--kubeconfig", "config", "f.yaml"], more].concat())
}

#[test]
fn each_pod_is_asked_through_the_api_server() {
    let file = manifest(GOOD);
    let good = hash(&file);
    let server = Server::start(vec![
        (
            "/api/v1/pods".to_owned(),
            200,
            pods(&["new", "old", "rejected", "rejects-newer", "without", "closed", "pending"]),
        ),
        (pod_page("new"), 200, page(good, 0)),
        (pod_page("old"), 200, page(1, 0)),
        (pod_page("rejected"), 200, page(1, 1)),
        (pod_page("rejects-newer"), 200, page(good, 1)),
        (pod_page("without"), 200, String::new()),
        (pod_page("closed"), 503, failure(503, "error trying to reach service: dial tcp: connection refused")),
    ]);
    let run = status(&server, &file, &["--format", "json"]);
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    let json = run.json();
    let states: Vec<(&str, &str)> = json["gateways"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["gateway"].as_str().unwrap(), row["state"].as_str().unwrap()))
        .collect();
    let expected = [
        ("istio-system/closed", "unreadable"),
        ("istio-system/new", "current"),
        ("istio-system/old", "other"),
        ("istio-system/pending", "unreadable"),
        ("istio-system/rejected", "lastGood"),
        ("istio-system/rejects-newer", "current"),
        ("istio-system/without", "absent"),
    ];
    assert_eq!(states, expected);
    assert_eq!(json["gateways"][5]["newerIsRejected"], true);
    assert_eq!(json["tables"][0]["hash"], format!("{good:012x}"));
    assert!(server.requests().iter().all(|line| line.starts_with("GET ")), "{:?}", server.requests());
}

#[test]
fn the_exit_code_is_0_if_all_pods_serve_the_table() {
    let file = manifest(GOOD);
    let server = Server::start(vec![
        ("/api/v1/pods".to_owned(), 200, pods(&["one", "two"])),
        (pod_page("one"), 200, page(hash(&file), 0)),
        (pod_page("two"), 200, page(hash(&file), 0)),
    ]);
    let run = status(&server, &file, &[]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.ends_with(&format!("default: 2 of 2 gateways serve {:012x}\n", hash(&file))), "{}", run.out);
}

/// No pod at all is no success: the table is served nowhere.
#[test]
fn without_pods_the_exit_code_is_1() {
    let server = Server::start(vec![("/api/v1/pods".to_owned(), 200, pods(&[]))]);
    let run = status(&server, &manifest(GOOD), &[]);
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    assert!(
        run.out.contains("default: no pod was found on which the plugin runs; `ksvc-router doctor` says why"),
        "{}",
        run.out
    );
}

#[test]
fn without_a_file_the_tables_of_the_cluster_are_expected() {
    let file = manifest(GOOD);
    let documents = ksvc_router_cli::load::parse(&Source::new("f.yaml", &*file)).unwrap();
    let list = json!({"kind": "WasmPluginList", "metadata": {}, "items": [documents[0].to_value()]});
    let server = Server::start(vec![
        ("/apis/extensions.istio.io/v1alpha1/wasmplugins".to_owned(), 200, list.to_string()),
        ("/api/v1/pods".to_owned(), 200, pods(&["one"])),
        (pod_page("one"), 200, page(hash(&file), 0)),
    ]);
    let folder = Folder::new(&[("config", &server.kubeconfig())]);
    let run = folder.run(&["status", "--kubeconfig", "config"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
}

#[test]
fn a_table_in_no_manifest_needs_the_labels_of_the_pods() {
    let server = Server::start(vec![
        ("/api/v1/namespaces/istio-system/pods".to_owned(), 200, pods(&["one"])),
        (pod_page("one"), 200, page(hash(GOOD), 0)),
    ]);
    let run = status(&server, GOOD, &[]);
    assert_eq!((run.code, &*run.out), (2, ""));
    assert!(run.err.contains("name their labels by `--selector`"), "{}", run.err);
    let run = status(&server, GOOD, &["--selector", "istio=ingressgateway", "-n", "istio-system"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let run = status(&server, GOOD, &["--selector", "istio"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("write labels with `=` and commas"), "{}", run.err);
}

#[test]
fn a_user_who_may_not_read_pods_is_told_what_to_ask_for() {
    let forbidden = failure(403, "pods is forbidden");
    let server = Server::start(vec![("/api/v1".to_owned(), 403, forbidden.clone())]);
    let run = status(&server, &manifest(GOOD), &[]);
    assert_eq!((run.code, &*run.out), (2, ""));
    assert!(run.err.contains("ask for a role with the verb `list` on `pods` and `get` on `pods/proxy`"), "{}", run.err);
    let server =
        Server::start(vec![("/api/v1/pods".to_owned(), 200, pods(&["one"])), (pod_page("one"), 403, forbidden)]);
    let run = status(&server, &manifest(GOOD), &[]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("the user may not `get` the resource `pods/proxy` (403)"), "{}", run.out);
}

#[test]
fn a_gateway_is_asked_at_a_url() {
    let server = Server::start(vec![("/stats/prometheus?filter=ksvc_router".to_owned(), 200, page(hash(GOOD), 0))]);
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for url in [format!("http://{}", server.address), format!("{}/", server.address)] {
        let run = folder.run(&["status", "f.yaml", "--admin", &url]);
        assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    }
    let run = folder.run(&["status", "f.yaml", "--admin", &format!("http://{}/other", server.address)]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("write the URL of Envoy's admin interface"), "{}", run.out);
}

/// The page is found from any of its URLs.
#[test]
fn the_metrics_are_found_with_a_query_and_a_path() {
    let page = page(hash(GOOD), 0);
    let server = Server::start(vec![
        ("/stats/prometheus?filter=ksvc_router".to_owned(), 200, page.clone()),
        ("/proxy/stats/prometheus?filter=ksvc_router".to_owned(), 200, page),
    ]);
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for end in ["?", "/#x", "/stats/prometheus", "/stats/prometheus/", "/stats/prometheus?usedonly", "/proxy/"] {
        let run = folder.run(&["status", "f.yaml", "--admin", &format!("{}{end}", server.address)]);
        assert_eq!(run.code, 0, "{end}\n{}{}", run.out, run.err);
    }
}

/// A page of something else is not a gateway without the table.
#[test]
fn a_page_without_metrics_is_not_a_gateway_without_the_table() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for body in ["<html>\n<body>Log in</body>\n</html>\n", "{\"path\": \"/stats/prometheus\"}", "ok"] {
        let server = Server::start(vec![("/".to_owned(), 200, body.to_owned())]);
        let run = folder.run(&["status", "f.yaml", "--admin", &server.address.to_string(), "--format", "json"]);
        let row = &run.json()["gateways"][0];
        assert_eq!((run.code, row["state"].as_str()), (1, Some("unreadable")), "{}", run.out);
        assert!(row["reason"].as_str().unwrap().starts_with("this is not Envoy's admin interface"), "{}", run.out);
    }
    for body in ["", "# TYPE other counter\nother{} 1\n"] {
        let server = Server::start(vec![("/".to_owned(), 200, body.to_owned())]);
        let run = folder.run(&["status", "f.yaml", "--admin", &server.address.to_string(), "--format", "json"]);
        assert_eq!(run.json()["gateways"][0]["state"], "absent", "{}", run.out);
    }
}

#[test]
fn a_url_that_names_no_gateway_is_one_clear_error() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for url in ["", "http://", "http://:15000", "http://user:secret@", "ftp://127.0.0.1", "http://user:secret@a:b"] {
        let run = folder.run(&["status", "f.yaml", "--admin", url]);
        assert_eq!((run.code, &*run.out), (2, ""), "{url}");
        assert!(run.err.starts_with("error: --admin: `"), "{}", run.err);
        assert!(run.err.contains("write for example `http://127.0.0.1:15000`"), "{}", run.err);
        assert!(run.err.trim_end().lines().count() == 1 && !run.err.contains("secret"), "{}", run.err);
    }
}

/// Returns an address at which no program listens, and which no program gets as a free port by chance.
fn closed_port() -> SocketAddr {
    let [port] = local_gateway::process::free_ports().unwrap();
    SocketAddr::from(([127, 0, 0, 1], port))
}

#[test]
fn passwords_in_urls_are_not_printed() {
    let file = manifest(GOOD);
    let good = Server::start(vec![("/stats/prometheus".to_owned(), 200, page(hash(&file), 0))]);
    let bad = Server::start(vec![]);
    let closed = closed_port();
    let folder = Folder::new(&[("f.yaml", &file)]);
    for address in [good.address, bad.address, closed] {
        for url in [format!("http://user:sec@ret@{address}"), format!("user:secret@{address}/stats/prometheus")] {
            for format in ["text", "json"] {
                let run = folder.run(&["status", "f.yaml", "--admin", &url, "--format", format]);
                assert!(run.out.contains(&address.to_string()), "{url}\n{}", run.out);
                let printed = run.out + &run.err;
                assert!(!printed.contains("ret@") && !printed.contains("user"), "{url}\n{printed}");
            }
        }
    }
    for server in [good.address, bad.address, closed] {
        let config = bad.kubeconfig().replace(&bad.address.to_string(), &format!("admin:secret@{server}"));
        let folder = Folder::new(&[("f.yaml", &file), ("config", &config)]);
        for command in ["doctor", "status"] {
            let run = folder.run(&[command, "f.yaml", "--kubeconfig", "config"]);
            assert!(run.code > 0, "{}", run.out);
            assert!(!(run.out + &run.err).contains("secret"), "{}", run.err);
        }
    }
}

/// A text in an EnvoyFilter reaches the filter as it is.
#[test]
fn the_hash_of_an_envoy_filter_is_that_of_its_text() {
    let text = r#"{ "hosts": ["a.example.com"],  "routes": [] }"#;
    let filter = json!({
        "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
        "metadata": {"name": "ksvc-router", "namespace": "istio-system"},
        "spec": {"configPatches": [{"applyTo": "HTTP_FILTER", "patch": {"value": {"typed_config": {"config": {
            "root_id": "ksvc-router", "vm_config": {},
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text},
        }}}}}]},
    });
    assert_eq!(hash(&filter.to_string()), ksvc_routing::compile(text.as_bytes()).table.config_hash());
    assert_ne!(hash(text), hash(&filter.to_string()), "istiod writes a `pluginConfig` anew");
}

#[test]
fn metrics_are_read_with_and_without_the_bootstrap_of_istio() {
    let page = "# TYPE x gauge\n\
        envoy_wasmcustom_wasm_filter_my_table_ksvc_router_config_hash{} 281474976710655\n\
        envoy_wasmcustom_wasm_filter_my_table_ksvc_router_config_degraded{} 1\n\
        ksvc_router_config_hash{wasm_filter=\"shop\",pod=\"x\"} 7\n\
        ksvc_router_routes{wasm_filter=\"shop\"} 9\nother 5\n";
    let tables = metrics::parse(page);
    let found: Vec<(&str, u64, bool)> =
        tables.iter().map(|(name, gauges)| (&**name, gauges.hash, gauges.is_degraded)).collect();
    assert_eq!(found, [("my_table", 0xffff_ffff_ffff, true), ("shop", 7, false)]);
    assert_eq!(metrics::as_metric("my-table"), "my_table");
}

// ---- a cluster that can't be read

#[test]
fn a_kubeconfig_that_leads_nowhere_is_one_clear_error() {
    let folder = Folder::new(&[("f.yaml", &manifest(GOOD)), ("bad", "clusters: ["), ("empty", "{}")]);
    for command in ["doctor", "status"] {
        for (config, words) in [("none", "none"), ("bad", "kubeconfig"), ("empty", "context")] {
            let run = folder.run(&[command, "f.yaml", "--kubeconfig", config]);
            assert_eq!((run.code, &*run.out), (2, ""), "{command} {config}");
            assert!(run.err.starts_with("error: there is no cluster to read: "), "{}", run.err);
            assert!(run.err.contains(words) && run.err.trim_end().lines().count() == 1, "{}", run.err);
        }
    }
}

#[test]
fn an_api_server_that_is_not_there_is_one_clear_error() {
    let port = closed_port();
    let config = Server::start(vec![]).kubeconfig();
    let value: Value = serde_json::from_str(&config).unwrap();
    let old = value["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
    let folder = Folder::new(&[("config", &config.replace(&old, &format!("http://{port}")))]);
    for command in ["doctor", "status"] {
        let run = folder.run(&[command, "--kubeconfig", "config"]);
        assert_eq!((run.code, &*run.out), (2, ""));
        assert!(run.err.starts_with(&format!("error: the API server http://{port} can't be reached: ")), "{}", run.err);
        assert!(run.err.trim_end().lines().count() == 1, "{}", run.err);
        let run = folder.run(&[command, "--kubeconfig", "config", "--context", "other"]);
        assert_eq!(run.code, 2);
        assert!(run.err.contains("other"), "{}", run.err);
    }
}

/// The connections wait in the queue of a listener that nobody serves.
#[test]
fn an_api_server_that_does_not_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "c", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    });
    let run = Folder::new(&[("config", &config.to_string())]).run(&["doctor", "--kubeconfig", "config"]);
    assert_eq!((run.code, &*run.out), (2, ""));
    assert!(run.err.contains("can't be reached"), "{}", run.err);
}

#[test]
fn an_api_server_that_does_not_know_the_user_is_one_clear_error() {
    let server = Server::start(vec![("/".to_owned(), 401, failure(401, "Unauthorized"))]);
    let folder = Folder::new(&[("config", &server.kubeconfig())]);
    for command in ["doctor", "status"] {
        let run = folder.run(&[command, "--kubeconfig", "config"]);
        assert_eq!((run.code, &*run.out), (2, ""));
        assert!(run.err.contains("does not accept the credentials"), "{}", run.err);
    }
}

/// What answers every request alike is no API server, or lets the user read nothing: the installation was not examined.
#[test]
fn a_cluster_of_which_nothing_can_be_read_is_one_clear_error() {
    let page = "<html>\n<body>Log in</body>\n</html>\n";
    let version = || ("/version".to_owned(), 200, json!({"major": "1", "minor": "33"}).to_string());
    let every = |status, body: &str| vec![("/".to_owned(), status, body.to_owned())];
    let with_version = |status, body: &str| [every(status, body), vec![version()]].concat();
    for (answers, words) in [
        (every(200, page), "does not answer `/version` as an API server does: the answer is not JSON"),
        (every(200, "{}"), "does not answer `/version` as an API server does: the answer has no version"),
        (every(500, page), "does not answer `/version` as an API server does: status 500 without a message"),
        (every(500, &failure(500, "out of\norder")), "does not answer `/version` as an API server does: out of order;"),
        (every(400, "Client sent an HTTP request to an HTTPS server.\n"), "Client sent an HTTP request"),
        (every(404, page), "does not answer `/version` as an API server does: status 404 without a message"),
        (
            every(403, &failure(403, "forbidden")),
            "has returned none of the objects: this user may not `list` them (403)",
        ),
        (with_version(500, &failure(500, "etcd is away")), "has returned none of the objects: etcd is away"),
        (with_version(200, "{}"), "has returned none of the objects: the answer is not a list of objects"),
        (with_version(200, page), "has returned none of the objects: the answer is not JSON"),
        (with_version(404, page), "has returned none of the objects: the cluster has none of the kinds (404)"),
    ] {
        let server = Server::start(answers);
        let folder = Folder::new(&[("config", &server.kubeconfig()), ("f.yaml", &manifest(GOOD))]);
        for files in [&["f.yaml"][..], &[]] {
            let run = folder.run(&[&["doctor", "--kubeconfig", "config", "--no-registry"], files].concat());
            assert_eq!((run.code, &*run.out), (2, ""), "{words}\n{}", run.err);
            assert!(run.err.contains(words) && run.err.trim_end().lines().count() == 1, "{words}\n{}", run.err);
        }
    }
}

/// Tables that may not be read are not tables that do not exist, and the remedy is another one.
#[test]
fn tables_that_may_not_be_read_are_not_said_to_be_missing() {
    let server = Server::start(vec![
        ("/version".to_owned(), 200, json!({"major": "1", "minor": "33"}).to_string()),
        ("/apis/extensions.istio.io".to_owned(), 403, failure(403, "forbidden")),
        ("/apis/networking.istio.io".to_owned(), 403, failure(403, "forbidden")),
        ("/api/v1".to_owned(), 200, pods(&[])),
    ]);
    let folder = Folder::new(&[("config", &server.kubeconfig())]);
    let run = folder.run(&["doctor", "--kubeconfig", "config", "--no-registry"]);
    let line = "error: the cluster: no table was found, but the wasmplugins, trafficextensions, envoyfilters could not be \
                read; name the file that you want to apply, or ask for the right to read them [plugins]";
    assert!(run.out.lines().any(|found| found == line), "{}", run.out);
    assert_eq!(run.code, 1);
    let run = folder.run(&["status", "--kubeconfig", "config"]);
    assert_eq!((run.code, &*run.out), (2, ""));
    assert!(run.err.contains("the wasmplugins could not be read: this user may not `list` them (403)"), "{}", run.err);
}

/// A cluster without Istio.
#[test]
fn a_cluster_without_the_kind_of_the_plugin_is_an_error() {
    let server = Server::start(vec![
        ("/version".to_owned(), 200, json!({"major": "1", "minor": "33"}).to_string()),
        ("/api/v1/pods".to_owned(), 200, pods(&["one"])),
    ]);
    let folder = Folder::new(&[("config", &server.kubeconfig()), ("f.yaml", &manifest(GOOD))]);
    let run = folder.run(&["doctor", "f.yaml", "--kubeconfig", "config", "--no-registry"]);
    let line = "error: WasmPlugin istio-system/ksvc-router: the cluster has no kind WasmPlugin, so the file can't be \
                applied; install a version of Istio that has it [plugins]";
    assert!(run.out.lines().any(|found| found == line), "{}", run.out);
    let run = folder.run(&["doctor", "--kubeconfig", "config", "--no-registry"]);
    let line = "error: the cluster: it has none of the kinds WasmPlugin, TrafficExtension and EnvoyFilter; install Istio \
                [plugins]";
    assert!(run.out.lines().any(|found| found == line), "{}", run.out);
}

/// The name of a namespace is a part of the paths that the user's credentials read.
#[test]
fn a_name_that_no_namespace_can_have_is_refused_before_anything_is_read() {
    let bad = "x/../../secrets?x=";
    let server = Server::start(vec![("/".to_owned(), 200, pods(&[]))]);
    let good = manifest(GOOD);
    let refused = |file: &str, config: &str, args: &[&str], place: &str| {
        let folder = Folder::new(&[("config", config), ("f.yaml", file)]);
        let run = folder.run(&[args, &["f.yaml", "--kubeconfig", "config"]].concat());
        assert_eq!((run.code, &*run.out), (2, ""), "{place}\n{}", run.err);
        assert!(run.err.starts_with(&format!("error: {place}: \"")), "{place}\n{}", run.err);
        assert!(run.err.contains("can't be the name of a namespace; write lower-case letters"), "{}", run.err);
        assert!(run.err.trim_end().lines().count() == 1, "{}", run.err);
    };
    for command in ["doctor", "status"] {
        for name in [bad, "", "a b", "a\nb", "-a", "A", "a.b", &"a".repeat(64)] {
            for option in ["--namespace", "--istio-namespace"] {
                refused(&good, &server.kubeconfig(), &[command, &format!("{option}={name}")], option);
            }
        }
        let file = good.replace("namespace: istio-system", &format!("namespace: \"{bad}\""));
        refused(&file, &server.kubeconfig(), &[command], "f.yaml:3:42: `metadata.namespace`");
        let config = server.kubeconfig().replace("\"shop\"", &format!("\"{bad}\""));
        refused(&good, &config, &[command], "the context of the kubeconfig");
    }
    refused(&good, &server.kubeconfig(), &["doctor", "--knative-namespace", bad], "--knative-namespace");
    let gateway = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: a, namespace: a/b}\n";
    let file = format!("{gateway}---\n{good}");
    refused(&file, &server.kubeconfig(), &["doctor"], "f.yaml:3:32: `metadata.namespace`");
    assert_eq!(server.requests(), [""; 0]);
    // The table itself names namespaces too.
    let file = good.replace("namespace: shop", &format!("namespace: \"{bad}\""));
    let folder = Folder::new(&[("config", &server.kubeconfig()), ("f.yaml", &file)]);
    folder.run(&["doctor", "f.yaml", "--kubeconfig", "config", "--no-registry"]);
    assert!(server.requests().iter().all(|line| !line.contains("secrets?")), "{:?}", server.requests());
}

/// Kinds that the cluster does not have, objects that may not be read, and an API server with an error of its own.
#[test]
fn what_can_not_be_read_is_said_for_each_item() {
    let server = Server::start(vec![
        ("/version".to_owned(), 200, json!({"major": "1", "minor": "32+"}).to_string()),
        ("/apis/extensions.istio.io/v1alpha1/wasmplugins".to_owned(), 403, failure(403, "forbidden")),
        ("/apis/networking.istio.io/v1alpha3/envoyfilters".to_owned(), 500, failure(500, "etcd\nis\taway")),
        ("/api/v1".to_owned(), 200, pods(&[])),
        ("/api/v1/namespaces/istio-system/configmaps".to_owned(), 403, failure(403, "forbidden")),
    ]);
    let folder = Folder::new(&[("config", &server.kubeconfig()), ("f.yaml", &manifest(GOOD))]);
    let run = folder.run(&["doctor", "f.yaml", "--kubeconfig", "config", "--no-registry"]);
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    for line in [
        "skipped: wasmplugins.extensions.istio.io: the API server does not let this user read them (403); ask for a role \
         with the verb `list` on `wasmplugins` in the API group `extensions.istio.io` [not-readable]",
        "skipped: envoyfilters.networking.istio.io: the API server answered: etcd is away [not-readable]",
        // The core group has no name.
        "skipped: configmaps in the namespace `istio-system`: the API server does not let this user read them (403); ask \
         for a role with the verb `get` on `configmaps` [not-readable]",
        "error: WasmPlugin istio-system/ksvc-router: the cluster has no Knative Services at all; install Knative Serving \
         [services]",
        "ok: the cluster: Kubernetes 1.32 is too old for the admission policy, which needs 1.33; check tables in your \
         pipeline [admission-policy]",
    ] {
        assert!(run.out.lines().any(|found| found == line), "{line}\nis not in\n{}", run.out);
    }
    assert!(server.requests().iter().all(|line| line.starts_with("GET ")), "{:?}", server.requests());
}
