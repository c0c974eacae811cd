//! Which document a process serves. Every edit starts new VMs on every thread, first on the main thread, and only
//! shared data remembers earlier documents.

use module_host::{Level, Process, Root, Vm};
use serde_json::{Value, json};

use crate::{ORDERS, PLUGIN, VERSION, api, counter, gauge, head, lines, metric, shop, shop_with, target};

/// Starts a VM on one thread and configures it with this version of a document.
fn thread(process: &Process, version: &str, document: &[u8]) -> Root {
    let root = process.vm(&[(VERSION, version)]).root(PLUGIN);
    assert!(root.configure(document));
    root
}

/// Makes an edit as Envoy does under Istio: first on a trial VM on the main thread, then on the main thread and on two
/// workers. Returns the plugins of the three threads.
fn edit(process: &Process, version: &str, document: impl AsRef<[u8]>) -> Vec<Root> {
    let document = document.as_ref();
    drop(thread(process, version, document));
    (0..3).map(|_| thread(process, version, document)).collect()
}

fn edit_json(process: &Process, version: &str, document: &Value) -> Vec<Root> {
    edit(process, version, document.to_string())
}

/// Returns where all threads send a `GET` of this path, which must be the same.
fn served(threads: &[Root], path: &str) -> String {
    let first = target(&threads[0], path);
    for root in threads {
        assert_eq!(target(root, path), first, "the threads differ on {path}");
    }
    first
}

/// Returns a good document that routes `/orders/1` to `service`.
fn to(service: &str) -> Value {
    shop_with(&json!({"routes": [{"match": "GET /orders/{id}", "service": service}]}))
}

/// Returns a document in which one of two routes has an error.
fn broken() -> Value {
    shop_with(&json!({"routes": [
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /broken/{id}", "service": "broken", "rewritePath": "/{nothing}"},
    ]}))
}

fn documents_counted(process: &Process) -> (u64, u64) {
    (counter(process, "shop", "config_accepted"), counter(process, "shop", "config_rejected"))
}

#[test]
fn good_document_replaces_the_table_on_every_thread() {
    let process = Process::new();
    for (version, service) in [("1", "one"), ("2", "two"), ("3", "one")] {
        let threads = edit_json(&process, version, &to(service));
        assert_eq!(served(&threads, "/faas/orders/1"), format!("{service}.shop.example.com"));
    }
    assert_eq!(documents_counted(&process), (3, 0));
    assert_eq!(gauge(&process, "shop", "config_degraded"), 0);
    assert_eq!(gauge(&process, "shop", "routes"), 1);
}

#[test]
fn document_is_compiled_once_per_version() {
    let process = Process::new();
    for version in ["1", "2", "3"] {
        process.clear_logs();
        let document = if version == "2" { broken() } else { shop() };
        let _first = thread(&process, version, document.to_string().as_bytes());
        let counted = documents_counted(&process);
        let logged = process.logs();
        let reported: Vec<_> = logged.iter().filter(|log| log.level >= Level::Info).collect();
        assert!(!reported.is_empty(), "the first VM of version {version} logged nothing");
        let accepted = lines(&process, Level::Info).len();
        assert_eq!(accepted, usize::from(version != "2"), "info lines of version {version}: {reported:?}");

        // The other threads only copy the result: they log, count and store nothing.
        for _ in 0..3 {
            let root = process.vm(&[(VERSION, version)]).root(PLUGIN);
            let (_, counts) = root.configure_counted(document.to_string());
            assert!(!counts.calls.contains_key("proxy_set_shared_data"), "version {version}: {counts:?}");
            root.done();
        }
        assert_eq!(documents_counted(&process), counted, "version {version}");
        let now = process.logs().into_iter().filter(|log| log.level >= Level::Info).count();
        assert_eq!(now, reported.len(), "version {version}: {:?}", process.logs());
    }
    assert_eq!(documents_counted(&process), (2, 1));
}

#[test]
fn document_is_counted_by_a_vm_that_ends_without_a_callback() {
    // Envoy tries a document on a VM that it then deletes without any callback.
    let process = Process::new();
    drop(thread(&process, "1", shop().to_string().as_bytes()));
    assert_eq!(documents_counted(&process), (1, 0));
    drop(thread(&process, "2", b""));
    assert_eq!(documents_counted(&process), (1, 1));
    assert_eq!(gauge(&process, "shop", "config_degraded"), 1);
}

#[test]
fn without_a_version_a_document_is_compiled_once_too() {
    let process = Process::new();
    let vms: Vec<Vm> = (0..3).map(|_| process.vm(&[])).collect();
    let configure = |document: &Value| -> Vec<Root> {
        let roots: Vec<Root> = vms.iter().map(|vm| vm.root(PLUGIN)).collect();
        for root in &roots {
            assert!(root.configure(document.to_string()));
        }
        roots
    };
    assert_eq!(served(&configure(&to("one")), "/faas/orders/1"), "one.shop.example.com");
    assert_eq!(served(&configure(&broken()), "/faas/orders/1"), "one.shop.example.com");
    assert_eq!(gauge(&process, "shop", "config_degraded"), 1);
    assert_eq!(served(&configure(&to("two")), "/faas/orders/1"), "two.shop.example.com");
    assert_eq!(gauge(&process, "shop", "config_degraded"), 0);
    assert_eq!(documents_counted(&process), (2, 1));
    // The same holds in a new VM, as under a control plane that sets no version.
    let fresh = process.vm(&[]).root(PLUGIN);
    assert!(fresh.configure(broken().to_string()));
    assert_eq!(target(&fresh, "/faas/orders/1"), "two.shop.example.com");
}

#[test]
fn one_root_accepts_one_document_after_another() {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    for (document, expected) in [
        (to("one"), "one.shop.example.com"),
        (broken(), "one.shop.example.com"),
        (to("two"), "two.shop.example.com"),
        (json!(null), "two.shop.example.com"),
    ] {
        assert!(root.configure(document.to_string()));
        assert_eq!(target(&root, "/faas/orders/1"), expected);
    }
}

#[test]
fn last_good_document_is_still_served_in_new_vms() {
    let process = Process::new();
    let old = edit_json(&process, "1", &to("one"));
    for (version, bad) in [("2", broken().to_string()), ("3", String::new()), ("4", "{".to_owned())] {
        let threads = edit(&process, version, bad);
        assert_eq!(served(&threads, "/faas/orders/1"), "one.shop.example.com", "version {version}");
        assert_eq!(served(&threads, "/faas/broken/1"), "404", "version {version}");
        assert_eq!(gauge(&process, "shop", "config_degraded"), 1, "version {version}");
    }
    drop(old);
    assert_eq!(documents_counted(&process), (1, 3));
    let threads = edit_json(&process, "5", &to("two"));
    assert_eq!(served(&threads, "/faas/orders/1"), "two.shop.example.com");
    assert_eq!(gauge(&process, "shop", "config_degraded"), 0);
}

#[test]
fn late_worker_never_brings_an_older_table_back() {
    let process = Process::new();
    drop(thread(&process, "1", to("one").to_string().as_bytes()));
    let main = thread(&process, "2", to("two").to_string().as_bytes());
    // A worker that was busy now gets version 1, and then version 2.
    let late = thread(&process, "1", to("one").to_string().as_bytes());
    assert_eq!(gauge(&process, "shop", "config_degraded"), 0);
    drop(late);
    let worker = thread(&process, "2", to("two").to_string().as_bytes());
    assert_eq!(served(&[main, worker], "/faas/orders/1"), "two.shop.example.com");
    let threads = edit_json(&process, "3", &broken());
    assert_eq!(served(&threads, "/faas/orders/1"), "two.shop.example.com");
    assert_eq!(documents_counted(&process), (2, 1));
}

#[test]
fn late_worker_of_a_bad_version_raises_no_gauge() {
    let process = Process::new();
    drop(thread(&process, "1", to("one").to_string().as_bytes()));
    drop(thread(&process, "2", broken().to_string().as_bytes()));
    drop(thread(&process, "3", to("three").to_string().as_bytes()));
    let late = thread(&process, "2", broken().to_string().as_bytes());
    assert!(["one.shop.example.com", "three.shop.example.com"].contains(&target(&late, "/faas/orders/1").as_str()));
    late.done();
    assert_eq!(gauge(&process, "shop", "config_degraded"), 0);
    assert_eq!(documents_counted(&process), (2, 1));
}

#[test]
fn late_worker_uses_the_recorded_result_on_a_cold_start() {
    // A bad document without a good one before it, and then a repaired one. The worker that gets the bad one late may
    // serve it in part or serve the repaired one, but it stores nothing.
    let process = Process::new();
    drop(thread(&process, "1", broken().to_string().as_bytes()));
    let repaired = edit_json(&process, "2", &to("repaired"));
    let late = thread(&process, "1", broken().to_string().as_bytes());
    assert!([ORDERS, "repaired.shop.example.com"].contains(&target(&late, "/faas/orders/1").as_str()));
    assert_eq!(served(&repaired, "/faas/orders/1"), "repaired.shop.example.com");
    let threads = edit(&process, "3", "");
    assert_eq!(served(&threads, "/faas/orders/1"), "repaired.shop.example.com");
}

#[test]
fn bad_document_on_a_cold_start_is_served_in_part() {
    for version in [Some("7"), None] {
        let process = Process::new();
        let threads = match version {
            Some(version) => edit_json(&process, version, &broken()),
            None => {
                let root = process.vm(&[]).root(PLUGIN);
                assert!(root.configure(broken().to_string()));
                vec![root]
            }
        };
        assert_eq!(served(&threads, "/faas/orders/1"), ORDERS);
        assert_eq!(served(&threads, "/faas/broken/1"), "503");
        assert_eq!(served(&threads, "/faas/other"), "404");
        assert_eq!(served(&threads, "/other"), "untouched");
        assert_eq!(gauge(&process, "shop", "config_degraded"), 1);
        assert_eq!(documents_counted(&process), (0, 1));
        let errors = lines(&process, Level::Error);
        assert!(errors.iter().any(|line| line.contains("routes[1].rewritePath")), "{errors:?}");
    }
}

#[test]
fn every_error_is_logged_at_its_place() {
    let process = Process::new();
    let document = shop_with(&json!({
        "onNoMatch": "no",
        "surprise": 1,
        "routes": [
            {"match": "GET orders", "service": "orders"},
            {"match": "GET /a", "service": "a", "host": "b"},
            {"match": "GET /b/{x}/{x}", "service": "a"},
            {"match": ["GET /c", 5], "service": "a"},
        ],
    }));
    edit_json(&process, "1", &document);
    let errors = lines(&process, Level::Error);
    for place in ["onNoMatch", "surprise", "routes[0].match", "routes[1]", "routes[2].match", "routes[3].match[1]"] {
        let reported = errors.iter().filter(|line| line.contains(place)).count();
        assert!(reported >= 1, "{place} is not reported: {errors:#?}");
    }
    let mut distinct = errors.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), errors.len(), "an error is reported twice: {errors:#?}");
}

#[test]
fn unreadable_document_leaves_all_traffic_untouched() {
    let no_hosts = shop_with(&json!({"hosts": 5})).to_string();
    let no_base_path = shop_with(&json!({"basePath": ["/faas"]})).to_string();
    for document in ["", "{", "null", "[]", "\u{0}", no_hosts.as_str(), no_base_path.as_str()] {
        let process = Process::new();
        let threads = edit(&process, "1", document);
        for path in ["/faas/orders/1", "/faas//", "/", "/faas/nothing"] {
            assert_eq!(served(&threads, path), "untouched", "{document}");
        }
        let exchange = threads[0].send(head("GET", "orders.shop.example.com", "/"));
        assert_eq!(exchange.route_cache_clears(), 0, "{document}");
    }
}

#[test]
fn empty_document_is_a_bad_one() {
    let process = Process::new();
    let threads = edit(&process, "1", "");
    assert_eq!(counter(&process, "default", "config_rejected"), 1);
    assert_eq!(gauge(&process, "default", "config_degraded"), 1);
    assert!(!lines(&process, Level::Error).is_empty());
    drop(threads);
    edit_json(&process, "2", &shop());
    assert_eq!(gauge(&process, "default", "config_degraded"), 0, "the good document clears what the bad one raised");
}

#[test]
fn good_document_clears_every_gauge_whatever_its_name() {
    let process = Process::new();
    let named = |name: &str, good: bool| {
        let mut document = if good { shop() } else { broken() };
        document["name"] = json!(name);
        document
    };
    edit_json(&process, "1", &named("one", true));
    edit_json(&process, "2", &named("two", false));
    edit_json(&process, "3", &named("three", false));
    let degraded = |process: &Process| -> Vec<String> {
        let metrics = process.metrics().into_iter();
        metrics
            .filter(|(name, value)| name.ends_with(".config_degraded") && *value != 0)
            .map(|(name, _)| name)
            .collect()
    };
    assert!(!degraded(&process).is_empty());
    let threads = edit_json(&process, "4", &named("four", true));
    assert_eq!(degraded(&process), [""; 0]);
    let routes: Vec<_> =
        process.metrics().into_iter().filter(|(name, value)| name.ends_with(".routes") && *value != 0).collect();
    assert_eq!(routes, [(metric("four", "routes"), 8)]);
    assert_eq!(served(&threads, "/faas/orders/1"), ORDERS);
}

#[test]
fn document_with_an_unreadable_name_counts_for_the_last_good_name() {
    let process = Process::new();
    edit_json(&process, "1", &shop());
    for (version, name) in [("2", json!(5)), ("3", json!("not a name")), ("4", json!({"a": 1}))] {
        edit_json(&process, version, &shop_with(&json!({"name": name})));
        assert_eq!(gauge(&process, "shop", "config_degraded"), 1, "name {name}");
    }
    edit(&process, "5", "{");
    assert_eq!(documents_counted(&process), (1, 4));
    let others: Vec<_> =
        process.metrics().into_iter().filter(|(name, value)| !name.contains(".shop.") && *value != 0).collect();
    assert_eq!(others, []);
}

#[test]
fn partial_service_never_routes_where_the_whole_would_not() {
    // Both of two duplicates are broken, and an unreadable route blocks the paths that it might have matched.
    let document = shop_with(&json!({"routes": [
        {"match": "GET /a", "service": "one"},
        {"match": "GET /a", "service": "two"},
        {"match": "GET /b/{*}", "service": "three"},
        {"match": "GET /b/{x}", "service": "four"},
        {"match": "GET /b/c", "service": "five"},
        {"match": "GET /d", "service": "six"},
    ]}));
    let process = Process::new();
    let threads = edit_json(&process, "1", &document);
    assert_eq!(served(&threads, "/faas/a"), "503");
    assert_eq!(served(&threads, "/faas/b/y/z"), "503");
    assert_eq!(served(&threads, "/faas/b/c"), "five.shop.example.com");
    assert_eq!(served(&threads, "/faas/d"), "six.shop.example.com");

    let document = shop_with(&json!({"namespace": 5}));
    let threads = edit_json(&Process::new(), "1", &document);
    assert_eq!(served(&threads, "/faas/orders/1"), "503");
    assert_eq!(served(&threads, "/faas/ping"), "200");
    let exchange = api(&threads[0], "POST", "/faas/payments/1");
    assert_eq!(exchange.header(":authority").as_deref(), Some("payments.billing.example.com"));
}

#[test]
fn repaired_document_is_served_after_a_cold_start() {
    let process = Process::new();
    edit_json(&process, "1", &broken());
    let threads = edit_json(&process, "2", &shop());
    assert_eq!(served(&threads, "/faas/orders/1"), ORDERS);
    assert_eq!(gauge(&process, "shop", "config_degraded"), 0);
    assert_eq!(documents_counted(&process), (1, 1));
}
