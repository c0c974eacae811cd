//! `routes`: the table sorted by precedence.

use serde_json::json;

use crate::support::{Folder, GOOD};

#[test]
fn routes_are_listed_by_precedence_in_columns() {
    let run = Folder::new(&[("f.yaml", GOOD)]).run(&["routes", "f.yaml"]);
    assert_eq!(run.code, 0);
    let lines: Vec<&str> = run.out.lines().collect();
    let beta = lines.iter().position(|line| line.contains("orders-beta.shop.example.com")).unwrap();
    assert!(
        lines[beta].starts_with("GET        /faas/orders/{id}       →  orders-beta.shop.example.com"),
        "{}",
        run.out
    );
    assert!(lines[beta].ends_with("header x-beta = \"true\""), "{}", run.out);
    assert!(lines[beta + 1].contains("→  orders.shop.example.com"), "{}", run.out);
    assert!(lines[5].starts_with("ANY        /faas/payments/{*rest}  →"), "{}", run.out);
    assert!(lines[6].starts_with("GET        /faas/ping"), "{}", run.out);
    let arrows: Vec<_> = lines.iter().map(|line| line.find('→')).collect();
    assert!(arrows.iter().all(|arrow| *arrow == arrows[0]), "{}", run.out);
    assert_eq!(lines.len(), 7, "one line per match");
}

#[test]
fn the_json_format_lists_the_same_routes() {
    let run = Folder::new(&[("f.yaml", GOOD)]).run(&["routes", "f.yaml", "--format", "json"]);
    let routes = run.json();
    let write = routes.as_array().unwrap().iter().find(|route| route["methods"] == json!(["PUT", "PATCH"])).unwrap();
    assert_eq!(
        *write,
        json!({
            "methods": ["PUT", "PATCH"],
            "path": "/faas/orders/{id}",
            "target": "orders-write.shop.example.com",
            "route": "POST /orders",
            "conditions": [],
            "index": 2,
            "table": "default",
            "file": "f.yaml",
        })
    );
}

#[test]
fn broken_routes_are_listed_as_broken() {
    let table = GOOD.replace("service: payments", "service: Payments!");
    let run = Folder::new(&[("f.yaml", &table)]).run(&["routes", "f.yaml"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("→  broken"), "{}", run.out);
    assert!(run.err.contains("error: routes[3].service: "), "{}", run.err);
}

#[test]
fn several_tables_are_listed_in_the_order_in_which_the_gateway_asks_them() {
    let plugin = |name: &str, spec: &str| {
        format!(
            "kind: WasmPlugin\nspec:\n  pluginName: ksvc-router\n{spec}  pluginConfig: {{name: {name}, hosts: [a.b], routes: \
             [{{match: GET /{name}, host: c.d}}]}}\n"
        )
    };
    let folder = Folder::new(&[
        ("a.yaml", &(plugin("last", "") + "---\n" + &plugin("second", "  priority: 1\n"))),
        ("b.yaml", &plugin("first", "  phase: AUTHN\n")),
        ("c.yaml", &plugin("third", "  priority: -5\n")),
    ]);
    let run = folder.run(&["routes", "a.yaml", "b.yaml", "c.yaml"]);
    assert_eq!(
        (run.code, &*run.out),
        (
            0,
            "# first (b.yaml:5), phase AUTHN\nGET  /first  →  c.d  GET /first\n\n# second (a.yaml:10), priority 1\nGET  /second  →  c.d  GET /second\n\n\
             # third (c.yaml:5), priority -5\nGET  /third  →  c.d  GET /third\n\n# last (a.yaml:4)\nGET  /last  →  c.d  GET /last\n"
        )
    );
    let json = folder.run(&["routes", ".", "--format", "json"]).json();
    let names: Vec<&str> = json.as_array().unwrap().iter().map(|line| line["table"].as_str().unwrap()).collect();
    assert_eq!(names, ["first", "second", "third", "last"]);
}

#[test]
fn a_program_without_the_page_says_where_to_get_it() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for command in [
        &["routes", "f.yaml", "--as", "html"][..],
        &["diff", "f.yaml", "f.yaml", "--as", "html"],
        &["serve", "f.yaml", "--port", "0"],
    ] {
        let run = folder.run(command);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{command:?}");
        assert!(
            run.err.contains("this build of ksvc-router does not contain the page; take the program of a release"),
            "{}",
            run.err
        );
    }
}

#[test]
fn a_page_has_no_other_format_and_cases_are_for_the_page() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    let run = folder.run(&["routes", "f.yaml", "--as", "html", "--format", "json"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("--format: this command prints `text` alone; leave the option out"), "{}", run.err);
    let run = folder.run(&["routes", "f.yaml", "--cases", "f.yaml"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("--as"), "{}", run.err);
}

#[test]
fn a_page_reads_its_files_again_so_they_are_no_pipe() {
    let run = Folder::new(&[]).run(&["serve", "-"]);
    assert_eq!(run.code, 2);
    assert!(
        run.err.contains("`serve` reads its files again at every change, which standard input does not allow"),
        "{}",
        run.err
    );
}
