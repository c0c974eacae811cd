//! `import ksvc`: from a file of KSVCs, or standard input, to tables that the other commands take.

use serde_json::{Value, json};

use crate::support::{Folder, Run};

/// What `kubectl get ksvc -A -o yaml` prints, in short.
const SERVICES: &str = r#"apiVersion: v1
kind: List
items:
- apiVersion: serving.knative.dev/v1
  kind: Service
  metadata:
    name: orders
    namespace: shop
    creationTimestamp: "2026-11-01T09:00:00Z"
    annotations:
      ksvc-router/match: |
        GET /orders/{id}
        POST /orders
  status:
    url: http://orders.shop.example.com
    conditions: [{type: Ready, status: "True"}]
- apiVersion: serving.knative.dev/v1
  kind: Service
  metadata:
    name: refunds
    namespace: billing
    creationTimestamp: "2026-11-02T09:00:00Z"
    annotations:
      ksvc-router/match: |

        POST /refunds
          REFUND
        GET /orders/{order}
  status:
    url: http://refunds.billing.example.com
    conditions: [{type: Ready, status: "True"}]
"#;

const TABLES: &str = r#"tables:
  - hosts: [api.example.com]
    basePath: /faas
    domain: example.com
    cors: {allowOrigins: ["https://app.example.com"]}
    routes:
      - {match: GET /ping, respond: {status: 200, body: pong}}
    namespaces:
      shop: [/orders]
      billing: [/refunds, /orders]
  - name: internal
    hosts: [internal.example.com]
    namespaces: {"team-*": "/{namespace}"}
"#;

fn folder() -> Folder {
    Folder::new(&[("services.yaml", SERVICES), ("tables.yaml", TABLES)])
}

/// Returns the first line of each message.
fn lines(run: &Run) -> Vec<String> {
    let is_first = |line: &&str| line.contains("error: ") || line.contains("warning: ");
    run.err.lines().filter(is_first).map(str::to_owned).collect()
}

/// Makes a KSVC that is ready.
fn service(namespace: &str, name: &str, annotations: Value) -> Value {
    json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": "2026-11-01T09:00:00Z",
            "annotations": annotations,
        },
        "status": {
            "url": format!("http://{name}.{namespace}.example.com"),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

#[test]
fn claims_become_a_table_that_serves_them() {
    let good = SERVICES.replace("          REFUND\n        GET /orders/{order}\n", "");
    let folder = Folder::new(&[("services.yaml", &good), ("tables.yaml", TABLES)]);
    let run = folder.run(&["import", "ksvc", "services.yaml", "--tables", "tables.yaml"]);
    assert_eq!((run.code, &*run.err), (0, "2 of 2 KSVCs with a route, 2 tables, 0 errors, 0 warnings\n"));
    assert_eq!(
        run.out,
        r#"hosts:
- api.example.com
basePath: /faas
domain: example.com
cors:
  allowOrigins:
  - https://app.example.com
routes:
- match: GET /ping
  respond:
    status: 200
    body: pong
- name: billing/refunds
  match: POST /refunds
  service: refunds
  namespace: billing
- name: shop/orders
  match:
  - GET /orders/{id}
  - POST /orders
  service: orders
  namespace: shop
---
name: internal
hosts:
- internal.example.com
routes: []
"#
    );
    let made = Folder::new(&[("t.yaml", &run.out)]);
    let check = made.run(&["check", "t.yaml"]);
    assert_eq!((check.code, &*check.out), (0, "t.yaml: 3 routes, 0 errors, 0 warnings\n"));
    let explained =
        made.run(&["explain", "t.yaml", "GET", "https://api.example.com/faas/orders/7", "--format", "json"]);
    assert_eq!(explained.json()["authority"], "orders.shop.example.com", "{}", explained.out);
}

#[test]
fn errors_are_told_at_their_lines_and_stop_the_output() {
    let run = folder().run(&["import", "ksvc", "services.yaml", "--tables", "tables.yaml"]);
    assert_eq!((run.code, &*run.out), (1, ""));
    let lines = lines(&run);
    assert!(lines[0].starts_with("services.yaml:27:11: error: KSVC billing/refunds, `REFUND`: "), "{lines:#?}");
    let conflict = "services.yaml:28:9: error: KSVC billing/refunds, `GET /orders/{order}`: the KSVC shop/orders has claimed \
                    `GET /orders/{id}`";
    assert!(lines.iter().any(|line| line.starts_with(conflict)), "{lines:#?}");
    assert!(
        run.err.contains("services.yaml:12:9: note: KSVC shop/orders, `GET /orders/{id}` is here\n"),
        "{}",
        run.err
    );
    assert!(run.err.ends_with("`--partial` prints the tables without what has an error.\n"), "{}", run.err);
}

#[test]
fn partial_output_lacks_what_has_an_error() {
    let run = folder().run(&["import", "ksvc", "services.yaml", "--tables", "tables.yaml", "--partial"]);
    assert_eq!(run.code, 1);
    let check = Folder::new(&[("t.yaml", &run.out)]).run(&["check", "t.yaml"]);
    assert_eq!((check.code, &*check.out), (0, "t.yaml: 3 routes, 0 errors, 0 warnings\n"));
    assert!(run.out.contains("POST /refunds") && !run.out.contains("{order}"), "{}", run.out);
}

/// JSON of kubectl has the annotation on one line, in which each match has its column.
#[test]
fn the_order_and_the_form_of_the_input_make_no_difference() {
    let services = [
        service("shop", "b", json!({"ksvc-router/match": "GET /b\nGET /bb\nGET /b"})),
        service("shop", "a", json!({"ksvc-router/match": "GET /a"})),
    ];
    let list = |items: &[&Value]| json!({"apiVersion": "v1", "kind": "List", "items": items});
    let arguments = ["import", "ksvc", "-", "--host", "api.example.com", "--domain", "example.com", "--partial"];
    let folder = Folder::new(&[]);
    let one = folder.run_with_input(&arguments, list(&[&services[0], &services[1]]).to_string());
    let other = folder.run_with_input(&arguments, format!("{:#}", list(&[&services[1], &services[0]])));
    let documents = services.each_ref().map(Value::to_string).join("\n---\n");
    let third = folder.run_with_input(&arguments, documents);
    assert!(one.out.contains("name: shop/a"), "{}{}", one.out, one.err);
    assert_eq!((&one.out, &one.out), (&other.out, &third.out));
    let repeated = &lines(&one)[0];
    let text = list(&[&services[0], &services[1]]).to_string();
    let column = text.find("GET /b\\nGET /bb").unwrap() + 1;
    assert!(repeated.starts_with(&format!("<stdin>:1:{column}: ")), "{repeated}");
}

#[test]
fn json_has_the_tables_and_the_messages() {
    let arguments = ["import", "ksvc", "services.yaml", "--tables", "tables.yaml", "--format", "json"];
    let refused = folder().run(&arguments);
    assert_eq!((refused.code, &*refused.err), (1, ""));
    assert_eq!(refused.json()["tables"], json!([]));
    assert_eq!(refused.json()["messages"][0]["line"], 27, "{}", refused.out);
    let partial = folder().run(&[&arguments[..], &["--partial"]].concat());
    assert_eq!(partial.json()["tables"].as_array().map(Vec::len), Some(1));
    assert_eq!(partial.json()["tables"][0]["routes"][1]["match"], "POST /refunds", "{}", partial.out);
}

#[test]
fn every_error_of_a_table_file_is_told_at_once() {
    let tables = r#"tabels: []
tables:
  - hosts: [api.example.com]
    basePath: faas
    namspaces: {shop: [/orders]}
  - hosts: [b.example.com]
    namespaces:
      shop: [orders, 7, GET /a]
      Shop: /x
      shop: [/y]
  - hosts: [c.example.com]
"#;
    let run = Folder::new(&[("s.yaml", SERVICES), ("t.yaml", tables)])
        .run(&["import", "ksvc", "s.yaml", "--tables", "t.yaml"]);
    assert_eq!((run.code, &*run.out), (1, ""));
    let found = lines(&run);
    let expected = [
        "t.yaml:1:1: error: tabels: unknown key `tabels`; did you mean `tables`?",
        "t.yaml:4:15: error: tables[0].basePath: \"faas\" does not begin with `/`; write \"/faas\"",
        "t.yaml:5:5: error: tables[0].namspaces: unknown key `namspaces`; did you mean `namespaces`?",
        "t.yaml:6:5: error: tables[1].name: another table has the name `default` too; write another `name`",
        "t.yaml:8:14: error: tables[1].namespaces[\"shop\"][0]: ",
        "t.yaml:8:22: error: tables[1].namespaces[\"shop\"][1]: expected paths, found the number 7",
        "t.yaml:8:25: error: tables[1].namespaces[\"shop\"][2]: ",
        "t.yaml:9:7: error: tables[1].namespaces[\"Shop\"]: \"Shop\" is no namespace",
        "t.yaml:10:7: error: tables[1].namespaces: the key `shop` is repeated",
        "t.yaml:11:5: error: tables[2]: `namespaces` is missing",
        "t.yaml:11:5: error: tables[2].name: another table has the name `default` too",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (line, expected) in found.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
    for (text, expected) in [
        ("", "t.yaml:1:1: error: the file is empty; write `tables:`"),
        ("tables: []", "t.yaml:1:9: error: tables: expected a list of tables, found an empty list"),
        ("tables: 1", "t.yaml:1:9: error: tables: expected a list of tables, found the number 1"),
        ("[]", "t.yaml:1:1: error: expected an object, found a list; write `tables:`"),
        ("{}", "t.yaml:1:1: error: the file has no tables; write `tables:`"),
        ("hosts: [a.example.com]", "t.yaml:1:1: error: hosts: unknown key `hosts`; write `tables:`"),
    ] {
        let run = Folder::new(&[("s.yaml", SERVICES), ("t.yaml", text)])
            .run(&["import", "ksvc", "s.yaml", "--tables", "t.yaml"]);
        assert!(run.code == 1 && run.err.starts_with(expected), "{text}: {}", run.err);
    }
}

#[test]
fn an_input_without_claims_is_an_error() {
    let arguments = ["import", "ksvc", "-", "--host", "api.example.com"];
    let folder = Folder::new(&[]);
    let pods =
        r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "Service", "metadata": {}}]}"#;
    let run = folder.run_with_input(&arguments, pods);
    assert!(run.code == 1 && run.err.contains("there is no KSVC here") && run.out.is_empty(), "{}", run.err);
    let run = folder.run_with_input(&arguments, service("shop", "a", json!({})).to_string());
    assert!(run.code == 1 && run.err.contains("the only KSVC does not have it") && run.out.is_empty(), "{}", run.err);
    let run = folder.run_with_input(&arguments, "{");
    assert!(run.code == 1 && run.err.contains("[invalid-yaml]"), "{}", run.err);
}

#[test]
fn a_ksvc_that_can_not_be_read_is_an_error() {
    let arguments = ["import", "ksvc", "-", "--host", "api.example.com", "--domain", "example.com"];
    let folder = Folder::new(&[]);
    let number = service("shop", "a", json!({"ksvc-router/match": 7})).to_string();
    let run = folder.run_with_input(&arguments, number);
    let told = "`metadata.annotations[\"ksvc-router/match\"]` must be a string, but is the number 7; put it in quotes";
    assert!(run.code == 1 && run.err.contains(told) && run.err.contains("[invalid-ksvc]"), "{}", run.err);
    let mut nameless = service("", "a", json!({"ksvc-router/match": "GET /a"}));
    nameless["status"] = Value::Null;
    let run = folder.run_with_input(&arguments, nameless.to_string());
    assert!(run.code == 1 && run.err.contains("has no `metadata.namespace`"), "{}", run.err);
    let run = folder.run_with_input(&[&arguments[..], &["-n", "shop"]].concat(), nameless.to_string());
    assert!(
        run.code == 0 && run.out.contains("namespace: shop") && run.err.contains("[ksvc-without-url]"),
        "{}",
        run.err
    );
}

/// A table without routes would take every route away from whoever applies it.
#[test]
fn a_table_in_which_no_ksvc_has_a_route_is_not_printed_after_an_error() {
    let folder = Folder::new(&[("tables.yaml", TABLES)]);
    let partial = ["--partial", "--domain", "example.com", "--host", "api.example.com"];
    for services in [
        service("shop", "a", json!({})),
        service("shop", "a", json!({"ksvc-router/match": "REFUSED"})),
        service("shop", "a", json!({"ksvc-router/match": 7})),
        service("shop", "a", json!({"ksvc-router/match": "GET /a", "ksvc-router/table": "none"})),
    ] {
        let run = folder.run_with_input(&[&["import", "ksvc", "-"], &partial[..]].concat(), services.to_string());
        assert_eq!((run.code, &*run.out), (1, ""), "{services}");
        assert!(run.err.contains("the table is not printed [table-without-claim]"), "{}", run.err);
    }
    // The fixed routes alone are not the table either.
    let refused = service("shop", "a", json!({"ksvc-router/match": "GET /not-owned"})).to_string();
    let run = folder.run_with_input(&["import", "ksvc", "-", "--tables", "tables.yaml", "--partial"], refused);
    assert_eq!((run.code, &*run.out), (1, ""));
    assert_eq!(run.err.matches("[table-without-claim]").count(), 2, "{}", run.err);
}

#[test]
fn a_ksvc_that_can_not_be_read_does_not_stop_the_others() {
    let good = service("shop", "good", json!({"ksvc-router/match": "GET /good"}));
    let bad = service("shop", "bad", json!({"ksvc-router/match": true}));
    let arguments = ["import", "ksvc", "-", "--domain", "example.com", "--host", "api.example.com"];
    let input = json!({"apiVersion": "v1", "kind": "List", "items": [bad, good]}).to_string();
    let folder = Folder::new(&[]);
    let run = folder.run_with_input(&arguments, input.clone());
    assert_eq!((run.code, &*run.out), (1, ""));
    let run = folder.run_with_input(&[&arguments[..], &["--partial"]].concat(), input);
    assert!(run.code == 1 && run.out.contains("match: GET /good\n"), "{}{}", run.out, run.err);
    assert!(run.err.contains("[invalid-ksvc]"), "{}", run.err);
}

#[test]
fn annotations_at_another_place_are_warned_of_at_their_line() {
    let services = "apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: a
  namespace: shop
  annotations:
    ksvc-router.io/match: GET /a
spec:
  template:
    metadata:
      annotations:
        ksvc-router/match: GET /a
";
    let folder = Folder::new(&[("s.yaml", services)]);
    let run = folder.run(&["import", "ksvc", "s.yaml", "--host", "api.example.com"]);
    let lines = lines(&run);
    assert!(lines[0].starts_with("s.yaml:7:5: warning: ") && lines[0].contains("[similar-annotation]"), "{lines:#?}");
    assert!(
        lines[1].starts_with("s.yaml:12:9: warning: ") && lines[1].contains("[annotation-in-template]"),
        "{lines:#?}"
    );
    assert_eq!(run.code, 1);
}

#[test]
fn options_make_one_table_for_all_namespaces() {
    let folder = folder();
    let run = folder.run(&[
        "import",
        "ksvc",
        "services.yaml",
        "--host",
        "api.example.com",
        "--base-path",
        "/faas",
        "--partial",
    ]);
    assert!(run.out.starts_with("hosts:\n- api.example.com\nbasePath: /faas\nroutes:\n"), "{}", run.out);
    assert!(run.out.contains("host: orders.shop.example.com"), "{}", run.out);
    let shared = "warning: each of 2 namespaces (`billing`, `shop`) may claim every path";
    assert!(run.err.contains(shared), "{}", run.err);
    for (arguments, expected) in [
        (
            &["--host", "api.example.com", "--base-path", "faas"][..],
            "error: --base-path: \"faas\" does not begin with `/`",
        ),
        (&["--host", "a b"][..], "error: --host: "),
        (&["--host", "api.example.com", "--host-template", "{svc}"][..], "error: --host-template: "),
        (&["--host", "api.example.com", "--tables", "tables.yaml"][..], "error: "),
        (&[][..], "error: the following required arguments"),
        (&["--host", "api.example.com", "--cluster"][..], "error: "),
        (&["--host", "api.example.com", "-n", "No"][..], "error: --namespace: "),
        (&["--host", "api.example.com", "--context", "staging"][..], "error: --context: the KSVCs of FILE are read"),
        (&["--host", "api.example.com", "--kubeconfig", "config"][..], "error: --kubeconfig: "),
    ] {
        let run = folder.run(&[&["import", "ksvc", "services.yaml"], arguments].concat());
        assert!(run.code == 2 && run.err.starts_with(expected) && run.out.is_empty(), "{arguments:?}: {}", run.err);
    }
}

#[test]
fn standard_input_is_read_once() {
    let run = folder().run_with_input(&["import", "ksvc", "-", "--tables", "-"], SERVICES);
    assert!(run.code == 2 && run.err.starts_with("error: --tables: standard input can be read once"), "{}", run.err);
}

#[test]
fn a_cluster_that_can_not_be_reached_is_an_error_of_the_call() {
    let folder = folder();
    let run = folder.run(&["import", "ksvc", "--cluster", "--tables", "tables.yaml", "--kubeconfig", "nowhere"]);
    assert!(run.code == 2 && run.err.contains("there is no cluster to read"), "{}", run.err);
}
