//! `schema`: the schema accepts well-formed tables and refuses malformed tables.

use ksvc_router_cli::yaml::{Origin, parse};
use serde_json::Value;

use crate::support::{Folder, GOOD};

fn validator() -> jsonschema::Validator {
    let run = Folder::new(&[]).run(&["schema"]);
    assert_eq!(run.code, 0);
    jsonschema::validator_for(&run.json()).unwrap()
}

fn value(table: &str) -> Value {
    parse(table, Origin::File).unwrap()[0].to_value()
}

#[test]
fn the_schema_accepts_a_good_table() {
    let errors: Vec<String> = validator().iter_errors(&value(GOOD)).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn the_schema_refuses_malformed_tables() {
    let validator = validator();
    for table in [
        "[]",
        "routes: []",
        "hosts: [a.example.com]",
        "{hosts: a.example.com, routes: []}",
        "{hosts: [a.example.com], routes: [], rotues: []}",
        "{hosts: [a.example.com], routes: [], onNoMatch: maybe}",
        "{hosts: [a.example.com], routes: [], denyDirect: 'yes'}",
        "{hosts: [a.example.com], routes: [{service: a}]}",
        "{hosts: [a.example.com], routes: [{match: GET /a}]}",
        "{hosts: [a.example.com], routes: [{match: GET /a, service: a, host: b}]}",
        "{hosts: [a.example.com], routes: [{match: [], service: a}]}",
        "{hosts: [a.example.com], routes: [{match: [1], service: a}]}",
        "{hosts: [a.example.com], routes: [{match: GET /a, respond: {body: x}}]}",
        "{hosts: [a.example.com], routes: [{match: GET /a, service: a, when: {header: {}}}]}",
    ] {
        assert!(!validator.is_valid(&value(table)), "{table}");
    }
}
