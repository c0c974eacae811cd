//! `check`: every problem has its line and column.

use crate::support::{Folder, GOOD, check};

/// Asserts that `check` reports messages that begin with these texts, in this order, and no others.
#[track_caller]
fn expect(text: &str, beginnings: &[&str]) {
    let (code, messages) = check(text);
    let fits = messages.len() == beginnings.len()
        && messages.iter().zip(beginnings).all(|(message, beginning)| message.starts_with(beginning));
    assert!(fits, "expected {beginnings:#?}, got {messages:#?}");
    assert_eq!(code, i32::from(messages.iter().any(|message| message.contains(": error: "))));
}

fn table(routes: &str) -> String {
    format!("hosts: [api.example.com]\ndomain: example.com\nnamespace: shop\nroutes:\n{routes}")
}

#[test]
fn a_good_table_passes_with_a_summary() {
    let run = Folder::new(&[("f.yaml", GOOD)]).run(&["check", "f.yaml"]);
    assert_eq!((run.code, &*run.out, &*run.err), (0, "f.yaml: 6 routes, 0 errors, 0 warnings\n", ""));
}

#[test]
fn a_message_shows_the_line_and_points_at_the_value() {
    let run = Folder::new(&[("f.yaml", "hosts: [api.example.com]\nroutes: []\nonNoMatch: maybe\n")])
        .run(&["check", "f.yaml"]);
    assert_eq!(
        run.out,
        "f.yaml:3:12: error: onNoMatch: \"maybe\" is not a choice here; write `notFound` or `passThrough` [invalid-choice]\n\
         \x20 |\n\
         3 | onNoMatch: maybe\n\
         \x20 |            ^^^^^\n\
         f.yaml: 0 routes, 1 error, 0 warnings\n"
    );
}

#[test]
fn the_position_of_an_unknown_key_is_that_of_the_key() {
    expect(&table("  - match: GET /a\n    service: a\n    serivce: b\n"), &["f.yaml:7:5: error: routes[0].serivce: "]);
}

#[test]
fn the_position_of_a_missing_key_is_that_of_its_object() {
    expect("hosts: [a.example.com]\n", &["f.yaml:1:1: error: `routes` is missing"]);
    expect(&table("  - service: a\n"), &["f.yaml:5:5: error: routes[0]: `match` is missing"]);
}

#[test]
fn the_position_of_a_missing_value_is_that_of_its_key() {
    expect("hosts: [a.example.com]\nroutes: []\nbasePath:\n", &["f.yaml:3:1: error: basePath: has no value"]);
}

#[test]
fn the_position_of_a_list_element_is_that_of_the_element() {
    expect("hosts: [a.example.com, 'b c']\nroutes: []\n", &["f.yaml:1:24: error: hosts[1]: "]);
    expect("hosts:\n- a.example.com\n- b_/c\nroutes: []\n", &["f.yaml:3:3: error: hosts[1]: "]);
}

#[test]
fn the_position_of_a_part_of_a_match_is_inside_its_string() {
    expect(
        &table("  - match: [GET /ok, 'GET /a/{b}{c}/d']\n    service: a\n"),
        &["f.yaml:5:30: error: routes[0].match[1]: "],
    );
    expect(
        &table("  - match: GET /a/{b}\n    service: a\n    rewritePath: \"/v2/{c}\"\n"),
        &["f.yaml:7:23: error: routes[0].rewritePath: "],
    );
}

#[test]
fn a_key_written_twice_has_the_position_of_the_second_and_names_the_first() {
    let text = "hosts: [a.example.com]\nroutes: []\nhosts: [b.example.com]\nhosts: [c.example.com]\n";
    expect(text, &["f.yaml:3:1: error: hosts: the key `hosts` is written twice", "f.yaml:4:1: error: hosts: "]);
    let run = Folder::new(&[("f.yaml", text)]).run(&["check", "f.yaml"]);
    assert!(run.out.contains("f.yaml:1:1: note: hosts is here"), "{}", run.out);
}

#[test]
fn an_unknown_key_written_twice_is_reported_twice() {
    expect(
        "hosts: [a.example.com]\nroutes: []\nx: 1\nx: 2\n",
        &["f.yaml:3:1: error: x: unknown key", "f.yaml:4:1: error: x: unknown key"],
    );
}

#[test]
fn duplicate_routes_name_each_other_with_file_and_line() {
    let text = table("  - match: GET /a/{x}\n    service: a\n  - match: GET /a/{y}\n    service: b\n");
    let run = Folder::new(&[("f.yaml", &text)]).run(&["check", "f.yaml"]);
    assert_eq!(run.code, 1);
    assert!(run.out.starts_with("f.yaml:7:12: error: routes[1].match: is a duplicate of routes[0].match"));
    assert!(run.out.contains("\nf.yaml:5:12: note: routes[0].match is here\n"), "{}", run.out);
}

#[test]
fn warnings_do_not_fail() {
    let text = "hosts: [API.example.com]\nroutes: []\n";
    expect(text, &["f.yaml:1:9: warning: hosts[0]: "]);
    let run = Folder::new(&[("f.yaml", text)]).run(&["check", "f.yaml"]);
    assert!(run.out.ends_with("f.yaml: 0 routes, 0 errors, 1 warning\n"));
}

#[test]
fn yaml_booleans_are_those_of_kubectl() {
    expect(
        &table("  - {match: GET /a, service: yes}\n"),
        &["f.yaml:5:30: error: routes[0].service: expected a string, found the boolean true"],
    );
    expect(&table("  - {match: GET /a, service: 'yes'}\n"), &[]);
    expect("hosts: [a.example.com]\nroutes: []\ndenyDirect: Off\nstripInternalHeaders: y\n", &[]);
}

#[test]
fn a_key_that_is_a_boolean_is_reported() {
    expect(
        &table("  - match: GET /a\n    service: a\n    when: {query: {y: '1'}}\n"),
        &["f.yaml:7:20: warning: `y` without quotes is a boolean, so the key is `true`; write \"y\""],
    );
}

#[test]
fn the_position_of_an_aliased_value_is_where_the_value_is_written() {
    expect(&table("  - &a {match: GET /a, service: a}\n  - {<<: *a, match: GET /b}\n"), &[]);
    expect(
        &table("  - &a {match: GET /a, service: a, tag: 1}\n  - {<<: *a, match: GET /b}\n"),
        &["f.yaml:5:41: error: routes[0].tag: ", "f.yaml:5:41: error: routes[1].tag: "],
    );
}

#[test]
fn yaml_errors_have_their_position_and_a_remedy() {
    for (text, beginning, remedy) in [
        ("hosts: [*.example.com]\n", "f.yaml:1:8: error: YAML reads this value", "write `hosts: [\"*.example.com\"]`"),
        ("a: [GET /b/{c}]\n", "f.yaml:1:4: error: YAML reads this value", "write `a: [\"GET /b/{c}\"]`"),
        ("hosts:\n\t- a\n", "f.yaml:2:1: error: this line is indented with a tab", "indent with spaces"),
        ("a: b: c\n", "f.yaml:1:4: error: YAML reads this value", "write `a: \"b: c\"`"),
        ("hosts: [a\n", "f.yaml:2:1: error: this is not YAML", "close the list"),
        ("~: 1\n", "f.yaml:1:1: error: a key has no name", ""),
        ("[a]: 1\n", "f.yaml:1:1: error: a list or an object can't be a key", ""),
        ("a: .inf\n", "f.yaml:1:4: error: `.inf` is a number that JSON does not have", "in quotes"),
        ("a: &a [*a]\n", "f.yaml:1:8: error: the value contains itself", ""),
        ("<<: 1\n", "f.yaml:1:5: error: `<<` merges objects", ""),
    ] {
        let (code, messages) = check(text);
        assert_eq!(code, 1);
        assert!(messages.len() == 1 && messages[0].starts_with(beginning), "{text}: {messages:?}");
        assert!(messages[0].contains(remedy), "{text}: {messages:?}");
    }
}

#[test]
fn documents_that_are_too_deep_or_that_explode_are_refused() {
    let (_, messages) = check(&format!("hosts: {}", "[".repeat(100_000)));
    assert!(messages[0].contains("nested more than 100 levels deep"), "{messages:?}");
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        bomb += &format!("a{level}: &a{level} [*a{below}, *a{below}]\n");
    }
    let (_, messages) = check(&bomb);
    assert!(messages[0].contains("aliases add more than 1000000 values"), "{messages:?}");
}

#[test]
fn json_is_read_too() {
    let text = "{\n\t\"hosts\": [\"api.example.com\"],\n\t\"routes\": [\n\t\t{\"match\": \"GET \\/\\ud83d\\ude00\", \"servise\": 1, \"respond\": {\"status\": 200}}\n\t]\n}\n";
    let run = Folder::new(&[("f.json", text)]).run(&["check", "f.json"]);
    assert!(run.out.starts_with("f.json:4:"), "{}", run.out);
    assert!(run.out.contains("error: routes[0].servise: unknown key"), "{}", run.out);
    assert!(run.out.ends_with("f.json: 1 route, 1 error, 0 warnings\n"), "{}", run.out);
}

#[test]
fn a_long_line_is_cut_around_the_caret() {
    let text = format!("{{\"hosts\":[{}\"bad host\"],\"routes\":[]}}", "\"a.example.com\",".repeat(100));
    let run = Folder::new(&[("f.json", &text)]).run(&["check", "f.json"]);
    let lines: Vec<&str> = run.out.lines().collect();
    let shown = lines[2].chars().count();
    assert!(shown < 150, "{}", lines[2]);
    let caret = lines[3].find('^').unwrap();
    assert_eq!(lines[2].chars().skip(caret).take(10).collect::<String>(), "\"bad host\"");
}

/// Terminals show the two characters of the host in two columns each. Control characters are shown as others, because
/// they could change what the terminal shows.
#[test]
fn carets_are_below_wide_characters_and_control_characters_are_replaced() {
    let run = Folder::new(&[("f.yaml", "hosts: [\"日本\"] #\t\u{9b}2J\nroutes: []\n")]).run(&["check", "f.yaml"]);
    assert!(run.out.contains("\n1 | hosts: [\"日本\"] #     2J\n  |         ^^^^^^\n"), "{}", run.out);
}

#[test]
fn standard_input_is_checked_like_a_file() {
    let run = Folder::new(&[]).run_with_input(&["check", "-"], "hosts: []\nroutes: []\n");
    assert_eq!(run.code, 1);
    assert!(run.out.starts_with("<stdin>:1:8: error: hosts: the list is empty"), "{}", run.out);
}

#[test]
fn all_problems_of_all_files_are_reported() {
    let folder = Folder::new(&[("a.yaml", "hosts: []\nroutes: []\n"), ("b.yaml", GOOD), ("c.yaml", "hosts: [\n")]);
    let run = folder.run(&["check", "a.yaml", "b.yaml", "c.yaml"]);
    assert_eq!(run.code, 1);
    for part in ["a.yaml:1:8: error: ", "c.yaml:2:1: error: ", "\nb.yaml: 6 routes, 0 errors, 0 warnings\n"] {
        assert!(run.out.contains(part), "{}", run.out);
    }
}

#[test]
fn the_json_format_has_the_same_messages_as_objects() {
    let text = table("  - match: GET /a\n    service: a\n  - match: GET /a\n    service: b\n");
    let run = Folder::new(&[("f.yaml", &text)]).run(&["check", "f.yaml", "--format", "json"]);
    assert_eq!(run.code, 1);
    let message = &run.json()[0];
    assert_eq!(message["file"], "f.yaml");
    assert_eq!((message["line"].as_u64(), message["column"].as_u64()), (Some(7), Some(12)));
    assert_eq!(message["place"], "routes[1].match");
    assert_eq!(message["severity"], "error");
    assert_eq!(
        message["other"],
        serde_json::json!({"file": "f.yaml", "line": 5, "column": 12, "place": "routes[0].match"})
    );

    let run = Folder::new(&[("f.yaml", GOOD)]).run(&["check", "f.yaml", "--format", "json"]);
    assert_eq!((run.code, run.json()), (0, serde_json::json!([])));
}

#[test]
fn errors_of_the_command_line_exit_with_2() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for args in [&["check"][..], &["check", "missing.yaml"], &["chekc", "f.yaml"], &["explain", "f.yaml", "GET"]] {
        let run = folder.run(args);
        assert_eq!((run.code, &*run.out), (2, ""), "{args:?}");
        assert!(!run.err.is_empty());
    }
}

#[test]
fn text_that_is_not_utf8_is_an_error_with_its_position() {
    let run = Folder::new(&[]).run_with_input(&["check", "-"], b"hosts: []\nroutes: [\xff]\n");
    assert_eq!(run.code, 1);
    assert!(run.out.starts_with("<stdin>:2:10: error: this is not UTF-8"), "{}", run.out);
}

#[test]
fn a_byte_order_mark_and_windows_line_endings_do_not_shift_columns() {
    expect("\u{feff}hosts: ['a b']\r\nroutes: []\r\nx: 1\r\n", &["f.yaml:1:9: error: ", "f.yaml:3:1: error: "]);
}

#[test]
fn output_that_does_not_go_to_a_terminal_has_no_colour() {
    let run = Folder::new(&[("f.yaml", "hosts: []\nroutes: []\n")]).run(&["check", "f.yaml"]);
    assert!(!run.out.contains('\x1b'));
}
