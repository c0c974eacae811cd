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
    assert!(run.out.contains("\nANY        /faas/payments/{*rest}  →"), "{}", run.out);
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
