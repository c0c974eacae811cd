//! Holds `import openapi` against two OpenAPI crates, and against properties that every document has to keep.

use std::collections::BTreeSet;
use std::path::Path;

use ksvc_router_cli::import::openapi::{Imported, Options, import};
use ksvc_router_cli::message::as_text;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

fn options() -> Options {
    Options {
        domain: Some("example.com".to_owned()),
        namespace: Some("shop".to_owned()),
        service: Some("api".to_owned()),
        hosts: vec!["api.example.com".to_owned()],
        cases: true,
        ..Options::default()
    }
}

fn imported(document: &Value, options: &Options) -> Imported {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document.to_string()).unwrap();
    import(&file, options).unwrap()
}

/// A method, a path and an `operationId`.
type Row = (String, String, Option<String>);

/// Returns what the table says about each operation.
fn rows(imported: &Imported) -> BTreeSet<Row> {
    let routes = imported.table.as_ref().unwrap()["routes"].as_array().unwrap();
    let row = |route: &Value| {
        let (method, path) = route["match"].as_str().unwrap().split_once(' ').unwrap();
        (method.to_owned(), path.to_owned(), route["name"].as_str().map(str::to_owned))
    };
    routes.iter().map(row).collect()
}

const DOCUMENT: &str = r##"{
    "openapi": "3.0.3",
    "info": {"title": "A shop", "version": "1"},
    "servers": [{"url": "https://api.example.com"}],
    "paths": {
        "/orders": {
            "get": {"operationId": "listOrders", "responses": {"200": {"description": "the orders"}}},
            "post": {"responses": {"201": {"description": "the order"}}}
        },
        "/orders/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}}],
            "get": {"operationId": "getOrder", "responses": {"200": {"description": "the order"}}},
            "head": {"operationId": "hasOrder", "responses": {"200": {"description": "nothing"}}},
            "put": {"operationId": "putOrder", "responses": {"200": {"description": "the order"}}},
            "patch": {"operationId": "patchOrder", "responses": {"200": {"description": "the order"}}},
            "delete": {"operationId": "deleteOrder", "responses": {"204": {"description": "nothing"}}},
            "options": {"operationId": "orderOptions", "responses": {"204": {"description": "nothing"}}},
            "trace": {"operationId": "traceOrder", "responses": {"200": {"description": "the request"}}}
        },
        "/orders/{id}:cancel": {
            "post": {
                "operationId": "cancelOrder",
                "parameters": [{"$ref": "#/components/parameters/id"}],
                "responses": {"200": {"description": "the order"}},
                "callbacks": {"done": {"{$request.query.url}": {"post": {"responses": {"200": {"description": "ok"}}}}}}
            }
        }
    },
    "components": {
        "parameters": {"id": {"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}}
    }
}"##;

#[test]
fn the_operations_are_those_that_openapiv3_reads() {
    let read: openapiv3::OpenAPI = serde_json::from_str(DOCUMENT).unwrap();
    let row = |(path, method, operation): (&str, &str, &openapiv3::Operation)| {
        (method.to_uppercase(), path.to_owned(), operation.operation_id.clone())
    };
    let expected: BTreeSet<Row> = read.operations().map(row).collect();
    assert_eq!(expected.len(), 10);
    assert_eq!(rows(&imported(&serde_json::from_str(DOCUMENT).unwrap(), &options())), expected);
}

#[test]
fn the_operations_are_those_that_oas3_reads() {
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap();
    document["openapi"] = json!("3.1.1");
    document["webhooks"] = json!({"shipped": {"post": {"operationId": "shipped", "responses": {}}}});
    let read = oas3::from_json(document.to_string()).unwrap();
    let row = |(path, method, operation): (String, http::Method, &oas3::spec::Operation)| {
        (method.to_string(), path, operation.operation_id.clone())
    };
    let expected: BTreeSet<Row> = read.operations().map(row).collect();
    assert_eq!(expected.len(), 10);
    assert_eq!(rows(&imported(&document, &options())), expected);
}

/// Returns a random document. Its paths differ in more than the names of parameters.
fn random_document(random: &mut fastrand::Rng) -> (Value, usize) {
    let mut paths: Vec<(String, Value)> = Vec::new();
    let mut shapes = BTreeSet::new();
    let mut count = 0;
    for _ in 0..random.usize(1..14) {
        let (mut path, mut shape) = (String::new(), String::new());
        for depth in 0..random.usize(1..4) {
            let name = format!("p{}{depth}", random.usize(..3));
            let parts: &[&str] = match random.usize(..8) {
                0 => &["{}"],
                1 => &["{}", ":cancel"],
                2 => &["v", "{}", ".json"],
                3 => &["a b"],
                4 => &["Ünï"],
                _ => &[["users", "me", "1", "orders", "$count"][random.usize(..5)]],
            };
            let segment = parts.concat();
            path += &format!("/{}", segment.replace("{}", &format!("{{{name}}}")));
            shape += &format!("/{segment}");
        }
        if random.usize(..6) == 0 {
            path.push('/');
            shape.push('/');
        }
        if !shapes.insert(shape) {
            continue;
        }
        let mut item = Map::new();
        for method in ["get", "put", "post", "delete", "options", "head", "patch"] {
            if random.usize(..3) == 0 {
                let example = ["me", "users", "42", "a/b", "..", "ä ?#%", ""][random.usize(..7)];
                let parameters: Vec<Value> = path
                    .split('{')
                    .skip(1)
                    .filter(|_| random.bool())
                    .map(|part| json!({"name": part.split('}').next(), "in": "path", "example": example}))
                    .collect();
                let mut operation = json!({"parameters": parameters});
                if random.bool() {
                    operation["operationId"] = json!(format!("operation{count}"));
                }
                item.insert(method.to_owned(), operation);
                count += 1;
            }
        }
        paths.push((path, Value::Object(item)));
    }
    random.shuffle(&mut paths);
    let paths: Map<String, Value> = paths.into_iter().collect();
    (json!({"openapi": "3.1.0", "servers": [{"url": "/v1"}], "paths": paths}), count)
}

/// Returns the same document with its paths, and the methods of each path, in another order.
fn shuffled(document: &Value, random: &mut fastrand::Rng) -> Value {
    let mut shuffle = |object: &Value| {
        let mut entries: Vec<(String, Value)> = object.as_object().unwrap().clone().into_iter().collect();
        random.shuffle(&mut entries);
        entries.into_iter().collect::<Map<String, Value>>()
    };
    let mut document = document.clone();
    let mut paths = shuffle(&document["paths"]);
    paths.values_mut().for_each(|item| *item = Value::Object(shuffle(item)));
    document["paths"] = Value::Object(paths);
    document
}

#[test]
fn every_operation_has_a_route_and_a_case_in_any_order_of_the_document() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut cases = 0;
    for round in 0..400 {
        let (document, count) = random_document(&mut random);
        let all = imported(&document, &options());
        assert!(!all.has_errors(), "{round}: {document:#}\n{}", as_text(&all.messages));
        let (table, made) = (all.table.as_ref().unwrap(), all.cases.as_ref().unwrap());
        assert_eq!(table["routes"].as_array().unwrap().len(), count, "{round}: {document:#}");
        assert_eq!(made["cases"].as_array().unwrap().len(), count, "{round}: {document:#}\n{}", as_text(&all.messages));
        cases += count;
        let other = imported(&shuffled(&document, &mut random), &options());
        assert_eq!((&all.table, &all.cases), (&other.table, &other.cases), "{round}: {document:#}");

        let folded = imported(&document, &Options { fold: true, ..options() });
        assert!(!folded.has_errors(), "{round}: {}", as_text(&folded.messages));
        let paths = document["paths"].as_object().unwrap().values().filter(|item| **item != json!({})).count();
        assert_eq!(folded.table.unwrap()["routes"].as_array().unwrap().len(), paths, "{round}: {document:#}");
        assert_eq!(folded.cases.unwrap()["cases"].as_array().unwrap().len(), count, "{round}: {document:#}");
    }
    assert!(cases > 2_000, "{cases}");
}

/// Runs the generated cases on the generated table, as a user would.
#[test]
fn generated_cases_pass_on_the_generated_table() {
    let mut random = fastrand::Rng::with_seed(2);
    for round in 0..60 {
        let (document, _) = random_document(&mut random);
        let Imported { table, cases, .. } = imported(&document, &options());
        let source = |name, value: &Value| {
            ksvc_router_cli::source::Source::new(name, ksvc_router_cli::yaml::write(value).unwrap())
        };
        let table = ksvc_router_cli::load::from_named(&source("table.yaml", &table.unwrap()));
        let (compiled, messages) = table.configurations[0].compile();
        assert!(messages.iter().all(|message| !message.is_error()), "{round}: {}", as_text(&messages));
        for case in ksvc_router_cli::cases::read(&source("cases.yaml", &cases.unwrap())).unwrap() {
            let explanation = ksvc_explanation::decision::explain(&compiled.table, &case.request);
            assert_eq!(case.compare(&explanation.fields), [], "{round}: {}", case.url);
        }
    }
}

#[test]
fn bytes_that_are_no_document_are_errors_and_no_panic() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("openapi.yaml");
    let mut random = fastrand::Rng::with_seed(3);
    let mut refused = 0;
    for _ in 0..600 {
        let mut bytes = DOCUMENT.as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            let (at, length) = (random.usize(..bytes.len()), random.usize(..40));
            let to = (at + length).min(bytes.len());
            let with: &[u8] =
                [&b"null"[..], b"[]", b"{", b"\"$ref\": \"#/paths\"", b"7", b"", b"{}}", b"\xff"][random.usize(..8)];
            bytes.splice(at..to, with.iter().copied());
        }
        std::fs::write(&file, bytes).unwrap();
        let imported = import(Path::new(&file), &options()).unwrap();
        assert!(imported.table.is_some() || imported.has_errors());
        refused += usize::from(imported.has_errors());
    }
    assert!(refused > 300, "{refused}");
}
