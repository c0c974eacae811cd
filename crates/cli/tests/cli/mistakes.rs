//! Mistakes in YAML: each is reported where it is, and what the message says to write can be read.

use crate::support::check;

const TABLE: &str = "hosts: [api.example.com]\ndomain: ex.com\nnamespace: shop\nroutes:\n";

/// Follows a message: writes the line as it says.
fn followed(text: &str, message: &str) -> String {
    let message = message.rsplit_once(" [").unwrap().0;
    let line: usize = message.split(':').nth(1).unwrap().parse().unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let old = lines[line - 1].clone();
    let (indentation, content) = old.split_at(old.len() - old.trim_start().len());
    let proposed = || message.split("; write `").nth(1).unwrap().strip_suffix('`').unwrap();
    lines[line - 1] = if message.contains("those beside it with") {
        let spaces = message.rsplit(' ').next().unwrap().parse().unwrap();
        format!("{}{content}", " ".repeat(spaces))
    } else if message.contains("indent with spaces") || message.contains("plain spaces") {
        let shown = old.replace(['\t', '\u{a0}'], "  ");
        format!("    {}", shown.trim_start())
    } else if content.starts_with("- ") && !proposed().starts_with("- ") {
        format!("{indentation}- {}", proposed())
    } else {
        format!("{indentation}{}", proposed())
    };
    lines.join("\n") + "\n"
}

/// A text after the first lines of [`TABLE`], the position of the only message, and a part of it.
type Mistake = (&'static str, &'static str, &'static str);

/// What the message says to write makes each of these texts a good table.
const FOLLOWED: &[Mistake] = &[
    ("  - match: GET /a\n\tservice: a\n", "6:1", "indented with a tab"),
    ("  - match: GET /a\n  \tservice: a\n", "6:3", "indented with a tab"),
    ("  -match: GET /a\n    service: a\n", "5:3", "after the `-`; write `- match: GET /a`"),
    ("  - match:GET /a\n    service: a\n", "5:10", "after the `:`; write `match: GET /a`"),
    ("  - match:\u{a0}GET /a\n    service: a\n", "5:10", "after the `:`; write `match: GET /a`"),
    ("  - match: GET /a\n    service:a\n", "6:12", "after the `:`; write `service: a`"),
    ("  - match: GET /a\n    service:a\n    tag: x\n", "6:12", "after the `:`; write `service: a`"),
    ("  - match GET /a\n    service: a\n", "5:5", "there is no `:` after `match`; write `match: GET /a`"),
    (
        "  - match: GET /a\n    service: a\n    cors: {allowOrigins: ['https://a.b']\n  - {match: GET /b, service: b}\n",
        "7:11",
        "the `}` that closes this bracket is missing; write `cors: {allowOrigins: ['https://a.b']}`",
    ),
    (
        "  - {match: GET /a, service: a, cors: {allowOrigins: ['https://a.b'\n  - {match: GET /b, service: b}\n",
        "5:5",
        "the `]}}` that closes this bracket is missing",
    ),
    ("  - match: GET /a\n   service: a\n", "6:1", "begins with 3 spaces, and those beside it with 4"),
    ("  - match: GET /a\n     service: a\n", "6:1", "begins with 5 spaces, and those beside it with 4"),
    ("  - match: GET /a\n  service: a\n", "6:1", "begins with 2 spaces, and those beside it with 4"),
    (
        "  - match: GET /a\n    service: a\n - {match: GET /b, service: b}\n",
        "7:1",
        "with 1 space, and those beside it with 2",
    ),
    (
        "  - match: GET /a\n    service: a\n   - {match: GET /b, service: b}\n",
        "7:1",
        "with 3 spaces, and those beside it with 2",
    ),
    ("- match: GET /a\n service: a\n", "6:1", "begins with 1 space, and those beside it with 2"),
    (
        "- match: GET /a\n  service: a\n  when:\n    headers:\n      x: a\n     z: b\n",
        "10:1",
        "with 5 spaces, and those beside it with 6",
    ),
    ("  - match: GET /a\n\u{a0}\u{a0}service: a\n", "6:1", "U+00A0"),
    ("  - match: [GET /orders/{id}]\n    service: a\n", "5:12", "write `match: [\"GET /orders/{id}\"]`"),
    ("  - match: [GET /a/{id}, POST /x]\n    service: a\n", "5:12", "write `match: [\"GET /a/{id}\", POST /x]`"),
    ("  - match: [POST /x, GET /a/{id}]\n    service: a\n", "5:12", "write `match: [POST /x, \"GET /a/{id}\"]`"),
    ("  - {match: GET /orders/{id}, service: a}\n", "5:5", "write `{match: \"GET /orders/{id}\", service: a}`"),
    ("  - match: GET /a: b\n    service: a\n", "5:12", "write `match: \"GET /a: b\"`"),
    ("  - match: \"GET\" /a\n    service: a\n", "5:12", "write `match: \"GET /a\"`"),
    ("  - match: GET /a\n    when: {headers: {accept: */*}}\n    service: a\n", "6:11", "{accept: \"*/*\"}"),
    ("  - match: GET /a\n    service: a\n    name: @orders\n", "7:11", "write `name: \"@orders\"`"),
    ("  - match: GET /a\n    service: a\n    name: %orders\n", "7:11", "write `name: \"%orders\"`"),
    ("  - match: GET /a\n    service: a\n    name: `a`\n", "7:11", "write `name: \"`a`\"`"),
    ("  - match: GET /a/{id}\n    service: a\n    requestHeaders: {set: {x: {id}/b}}\n", "7:21", "{x: \"{id}/b\"}"),
];

/// The message explains these.
const EXPLAINED: &[Mistake] = &[
    ("<<<<<<< HEAD\n  - match: GET /a\n=======\n  - match: GET /b\n>>>>>>> x\n", "5:1", "a mark of a merge conflict"),
    ("  - match: GET /a\n    service: a\n<<<<<<< HEAD\n    tag: x\n=======\n>>>>>>> x\n", "7:1", "delete the lines"),
    ("  - match: {{ .Values.match }}\n    service: a\n", "5:12", "what Helm makes of it"),
    ("{{- range .Values.routes }}\n  - match: GET /a\n{{- end }}\n", "5:1", "what Helm makes of it"),
    ("  - match: {{ include \"x\" . }}\n    service: a\n", "5:12", "what Helm makes of it"),
    ("  - match: GET /a\n    service: {{ $name }}\n", "6:14", "what Helm makes of it"),
    ("  - match: \"GET /a\n    service: a\n", "5:12", "this quote is not closed"),
    ("  - match: [GET /a\n    service: a\n", "6:12", "write text"),
];

#[test]
fn each_mistake_is_reported_where_it_is() {
    for (text, position, part) in FOLLOWED.iter().chain(EXPLAINED) {
        let (code, messages) = check(&format!("{TABLE}{text}"));
        assert_eq!(code, 1, "{text}");
        let [message] = &messages[..] else { panic!("{text}: {messages:?}") };
        assert!(message.starts_with(&format!("f.yaml:{position}: error: ")), "{text}: {message}");
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn what_a_message_about_yaml_says_to_write_is_accepted() {
    for (text, ..) in FOLLOWED {
        let text = format!("{TABLE}{text}");
        let (_, messages) = check(&text);
        let text = followed(&text, &messages[0]);
        assert_eq!(check(&text), (0, vec![]), "{text}");
    }
}

/// What looks like an open bracket or a missing colon is none, and writing it as if it were one would lose something.
#[test]
fn only_what_makes_the_text_readable_is_proposed() {
    for (text, instead) in [
        ("  [\n{match: GET /a, service: a},\n{match: GET /b, service: b}\n]\n", "indent lines inside [ ] and { }"),
        (
            "  - match: GET /a\n    service: a\n    cors: {allowOrigins: ['https://a.b'],\n    allowMethods: [GET]}\n",
            "",
        ),
        ("  - {match: GET /it's, service: a}\n  - {match: GET /b, service: b, name: x: y}\n", ""),
        (
            "  - match: GET /a\n    service: a\n    respond:\n      body: |\n        match everything\n     status: 200\n",
            "",
        ),
        ("  - {match: GET /a, service: 'a}\n  - {match: GET /b, service: b}\n", ""),
    ] {
        let (code, messages) = check(&format!("{TABLE}{text}"));
        assert_eq!((code, messages.len()), (1, 1), "{text}: {messages:?}");
        let is_proposed = ["closes this bracket", "there is no `:`"].iter().any(|words| messages[0].contains(words));
        assert!(!is_proposed && messages[0].contains(instead), "{text}: {messages:?}");
    }
    for (text, words) in [
        ("{\"hosts\": [a.b], \"routes\": [\n{\"match\": GET /a, \"service\": a: b}]}\n", "2:"),
        ("{\"hosts\": [\"a.b\"],}\n---\nx: y: z\n", "3:"),
        ("{\"hosts\": [\"a.b\"], \"routes\": []\n", "the text ends before its last bracket is closed"),
    ] {
        let (code, messages) = check(text);
        assert!(code == 1 && messages[0].contains(words), "{text}: {messages:?}");
    }
}

#[test]
fn good_yaml_in_unusual_layouts_has_no_mistakes() {
    for text in [
        "-   match: GET /a\n    service: a\n",
        "  -\n    match: GET /a\n    service: a\n",
        "    - match:\n      - GET /a\n      - GET /b\n      service: a\n",
        "  - match: >-\n      GET\n      /a\n    service: a\n",
        "  # a comment\n  - match: GET /a # another\n    # and one more\n    service: a\n",
        "  - {match: GET /a,\n    service: a}\n",
        "  - match: 'GET /a'\n    respond: {status: 200, body: \"x: y\"}\n",
        "  - match: GET /a\n    respond:\n      status: 200\n      body: |\n        <<<<<<< HEAD\n          {{ .Values.x }}\n        \tx\n",
    ] {
        let (code, messages) = check(&format!("{TABLE}{text}"));
        assert_eq!((code, &messages[..]), (0, &[][..]), "{text}");
    }
}
