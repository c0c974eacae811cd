//! `test`: cases that pass, cases that fail, errors in cases, coverage.

use serde_json::json;

use crate::support::{Folder, GOOD, Run};

/// Runs cases on the good table. The cases are written as list elements.
fn test(cases: &str, args: &[&str]) -> Run {
    let args = [&["test", "f.yaml", "c.yaml"], args].concat();
    Folder::new(&[("f.yaml", GOOD), ("c.yaml", &format!("cases:\n{cases}"))]).run(&args)
}

const PASSING: &str = r#"
- name: order
  request: {method: GET, url: "https://api.example.com/faas/orders/42?x=1"}
  expect:
    outcome: route
    route: GET /orders/{id}
    match: GET /orders/{id}
    authority: orders.shop.example.com
    path: /faas/orders/42?x=1
    params: {id: "42"}
    requestHeaders: {x-forwarded-host: api.example.com, x-envoy-original-path: null}
- name: header names have no case, repeated ones are lists
  request: {method: GET, url: api.example.com/faas/orders/42, headers: {X-Beta: "true", x-a: ["1", "2"]}}
  expect: {route: beta, requestHeaders: {X-BETA: "true", x-a: ["1", "2"]}}
- name: headers as lines
  request: {method: GET, url: api.example.com/faas/orders/42, headers: ["x-beta: true"]}
  expect: {route: beta}
- name: method
  request: {method: DELETE, url: api.example.com/faas/orders/42}
  expect: {outcome: methodNotAllowed, status: 405, allow: "GET, HEAD, PATCH, PUT"}
- name: redirect
  request: {method: GET, url: api.example.com/faas/old/1}
  expect: {status: 301.0, location: /faas/orders/1}
"#;

#[test]
fn a_case_with_a_method_that_no_client_can_send_is_an_error() {
    let cases = "cases:\n  - name: a\n    request: {method: GE T, url: https://a.b/}\n    expect: {status: 404}\n";
    let run = Folder::new(&[("f.yaml", GOOD), ("cases.yaml", cases)]).run(&["test", "f.yaml", "cases.yaml"]);
    assert_eq!(run.code, 1);
    let error = "cases.yaml:3:23: error: \"GE T\" is not a method; write a method such as `GET` [invalid-case]";
    assert!((run.out + &run.err).contains(error));
}

#[test]
fn passing_cases_pass_and_uncovered_routes_are_listed() {
    let run = test(PASSING, &[]);
    assert_eq!(
        (run.code, &*run.out),
        (
            0,
            "5 passed, 0 failed\n\
             3 of 6 routes covered (50.0 %)\n\
             \x20 not covered: f.yaml:13: POST /orders\n\
             \x20 not covered: f.yaml:15: ANY /payments/{*rest}\n\
             \x20 not covered: f.yaml:21: GET /ping\n"
        )
    );
}

#[test]
fn too_few_covered_routes_fail() {
    assert_eq!(test(PASSING, &["--fail-under", "50"]).code, 0);
    let run = test(PASSING, &["--fail-under", "50.1"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("--fail-under 50.1"), "{}", run.out);
    assert_eq!(test(PASSING, &["--fail-under", "101"]).code, 2);
}

#[test]
fn a_failing_case_shows_expected_and_actual_values_with_their_position() {
    let run = test(
        "- name: wrong\n  request: {method: GET, url: api.example.com/faas/orders/42}\n  expect:\n    authority: elsewhere\n    \
         requestHeaders: {x-forwarded-host: null, x-none: a}\n    status: 404\n",
        &[],
    );
    assert_eq!(run.code, 1);
    assert!(
        run.out.starts_with(
            "c.yaml:2:3: failed: wrong\n\
             \x20 c.yaml:5:16: authority: expected \"elsewhere\", got \"orders.shop.example.com\"\n\
             \x20 c.yaml:6:40: requestHeaders.x-forwarded-host: expected none, got \"api.example.com\"\n\
             \x20 c.yaml:6:54: requestHeaders.x-none: expected \"a\", got none\n\
             \x20 c.yaml:7:13: status: expected 404, got none\n\
             0 passed, 1 failed\n"
        ),
        "{}",
        run.out
    );
}

#[test]
fn all_errors_in_cases_are_reported_at_once() {
    let run = test(
        "- name: a\n  request: {method: GET, url: a/, header: {}}\n  expect: {outcome: found, satus: 1, params: {x: 1}}\n\
         - request: {method: GET, url: a/, headers: {host: b}}\n  expect: {status: \"404\"}\n- name: c\n  request: {url: x}\n  expect: {}\n",
        &[],
    );
    assert_eq!((run.code, &*run.out), (1, ""));
    for message in [
        "c.yaml:3:35: error: unknown key `header`",
        "c.yaml:4:21: error: expected an outcome: `route`",
        "c.yaml:4:28: error: unknown key `satus`",
        "c.yaml:4:50: error: expected a string, found the number 1; write it in quotes",
        "c.yaml:5:3: error: `name` is missing",
        "c.yaml:5:45: error: the host and the pseudo headers come from the URL and the method",
        "c.yaml:6:20: error: expected a status, such as 404, found the string \"404\"",
        "c.yaml:8:12: error: `method` is missing",
        "c.yaml:9:11: error: a case that expects nothing can't fail",
    ] {
        assert!(run.err.contains(message), "{message} in {}", run.err);
    }
}

#[test]
fn a_name_that_yaml_reads_as_a_boolean_is_an_error() {
    let case = |n: &str| {
        format!(
            "- name: a\n  request: {{method: GET, url: a/, headers: {{{n}: b}}}}\n  expect:\n    params: {{{n}: \"12\"}}\n    \
             requestHeaders: {{{n}: b}}\n"
        )
    };
    let run = test(&case("n"), &[]);
    assert_eq!(run.code, 1);
    for place in ["c.yaml:3:45", "c.yaml:5:14", "c.yaml:6:22"] {
        let message = format!("{place}: error: `n` without quotes is a boolean, so the key is `false`; write \"n\"");
        assert!(run.err.contains(&message), "{message} in {}", run.err);
    }
    assert!(test(&case("\"n\""), &[]).out.starts_with("c.yaml:2:3: failed: a"));
}

#[test]
fn a_file_without_cases_is_an_error() {
    let run = Folder::new(&[("f.yaml", GOOD)]).run(&["test", "f.yaml", "f.yaml"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("f.yaml:1:1: error: this file has no cases"), "{}", run.err);
}

#[test]
fn one_file_may_have_the_table_and_the_cases() {
    let table: String = GOOD.lines().map(|line| format!("  {line}\n")).collect();
    let both = format!("pluginConfig:\n{table}cases:{PASSING}");
    let run = Folder::new(&[("f.yaml", &both)]).run(&["test", "f.yaml", "f.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let run = Folder::new(&[]).run_with_input(&["test", "-", "-"], &both);
    assert!(run.out.starts_with("5 passed, 0 failed\n"), "{}{}", run.out, run.err);
}

#[test]
fn a_table_with_errors_fails_even_if_all_cases_pass() {
    let table = GOOD.replace("service: payments", "service: Payments!");
    let case = "cases: [{name: b, request: {method: GET, url: api.example.com/faas/payments/1}, expect: {outcome: brokenRoute}}]\n";
    let run = Folder::new(&[("f.yaml", &table), ("c.yaml", case)]).run(&["test", "f.yaml", "c.yaml"]);
    assert_eq!(run.code, 1);
    assert!(run.out.starts_with("1 passed, 0 failed\n1 of 6 routes covered"), "{}", run.out);
    assert!(run.err.contains("error: routes[3].service: "), "{}", run.err);
}

#[test]
fn json_format_has_cases_and_coverage() {
    let run = test(
        "- name: w\n  request: {method: GET, url: api.example.com/faas/ping}\n  expect: {status: 404}\n",
        &["--format", "json"],
    );
    let object = run.json();
    assert_eq!((&object["passed"], &object["failed"]), (&json!(0), &json!(1)));
    assert_eq!(
        object["cases"][0]["mismatches"],
        json!([{"line": 4, "column": 20, "field": "status", "expected": 404, "actual": 200}])
    );
    assert_eq!(object["coverage"]["covered"], 1);
    assert_eq!(object["coverage"]["uncovered"][0], json!({"route": "GET /orders/{id}", "file": "f.yaml", "line": 7}));
}

#[test]
fn several_tables_and_several_files_of_cases_are_run_together() {
    let table =
        |base: &str| format!("hosts: [a.b]\nbasePath: /{base}\nroutes: [{{match: GET /x, host: {base}.c.d}}]\n");
    let case = |base: &str| {
        format!(
            "cases: [{{name: {base}, request: {{method: GET, url: a.b/{base}/x}}, expect: {{authority: {base}.c.d}}}}]\n"
        )
    };
    let folder = Folder::new(&[
        ("f.yaml", &(table("one") + "---\n" + &table("two"))),
        ("one.yaml", &case("one")),
        ("two.yaml", &case("two")),
    ]);
    let run = folder.run(&["test", "f.yaml", "one.yaml", "two.yaml", "--fail-under", "100"]);
    assert_eq!((run.code, &*run.out), (0, "2 passed, 0 failed\n2 of 2 routes covered (100.0 %)\n"));
    let run = folder.run(&["test", "f.yaml", "two.yaml"]);
    assert!(run.out.contains("1 of 2 routes covered (50.0 %)\n  not covered: f.yaml:3: GET /x\n"), "{}", run.out);
}

#[test]
fn a_response_with_a_body_is_plain_text() {
    let case = |expected: &str| {
        format!(
            "- name: ping\n  request: {{method: GET, url: api.example.com/faas/ping}}\n  expect: {{responseHeaders: {{content-type: {expected}}}}}\n"
        )
    };
    assert_eq!(test(&case("text/plain"), &[]).code, 0);
    assert_eq!(test(&case("null"), &[]).code, 1);
}

#[test]
fn a_response_to_a_request_out_of_scope_is_unchanged() {
    let case = "- name: other\n  request: {method: GET, url: other.example.com/}\n  response: {headers: {server: nginx}}\n  \
        expect: {outcome: outOfScope, responseHeaders: {server: nginx, x-none: null}}\n";
    let run = test(case, &[]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
}

#[test]
fn ci_systems_read_junit() {
    let failing = "- name: wrong\n  request: {method: GET, url: api.example.com/faas/ping}\n  expect: {status: 404}\n";
    let run = test(&(PASSING.to_owned() + failing), &["--format", "junit"]);
    assert_eq!(run.code, 1);
    assert!(
        run.out.contains("<testsuite name=\"c.yaml\" tests=\"6\" skipped=\"0\" errors=\"0\" failures=\"1\">"),
        "{}",
        run.out
    );
    assert!(run.out.contains("<failure message=\"status: expected 404, got 200\">"), "{}", run.out);
    assert!(run.err.starts_with("4 of 6 routes covered"), "{}", run.err);
    let check = Folder::new(&[("f.yaml", GOOD)]).run(&["check", "f.yaml", "--format", "junit"]);
    assert_eq!(check.code, 2);
}
