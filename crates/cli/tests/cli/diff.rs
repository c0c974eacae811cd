//! `diff`: the requests that two versions of the tables treat differently.

use crate::support::{Folder, GOOD, Run};

/// [`GOOD`] with a route added, one removed, one moved and one changed.
fn edited() -> String {
    let edited = GOOD
        .replace("service: orders\n", "service: orders-v2\n")
        .replace("/v2/{rest}", "/v3/{rest}")
        .replace("  - match: GET /ping\n    respond: {status: 200, body: pong}\n", "");
    edited + "  - match: DELETE /payments/{id}\n    service: refunds\n"
}

fn diff(old: &str, new: &str, args: &[&str]) -> Run {
    let folder = Folder::new(&[("old.yaml", old), ("new.yaml", new)]);
    folder.run(&[&["diff", "old.yaml", "new.yaml"], args].concat())
}

/// A table of some routes, without the braces around them.
fn table(routes: &str) -> String {
    format!("{{hosts: [a.example.com], domain: example.com, namespace: shop, routes: [{routes}]}}")
}

#[test]
fn each_route_has_an_example_and_both_decisions() {
    let run = diff(GOOD, &edited(), &[]);
    assert_eq!((run.code, &*run.err), (0, ""));
    for part in [
        "added    DELETE /payments/{id}  (new.yaml:21:5)\n  request  DELETE https://api.example.com/faas/payments/x3\n",
        "removed  GET /ping  (old.yaml:21:5)\n  request  GET https://api.example.com/faas/ping\n  before   200 (respond) \
         by GET /ping\n  after    404 (notFound)\n",
        "moved    GET /orders/{id}  (new.yaml:7:5)\n  request  GET https://api.example.com/faas/orders/x3\n  before   \
         orders.shop.example.com\n  after    orders-v2.shop.example.com\n",
        "  before   payments.billing.example.com path /v2/x3\n  after    payments.billing.example.com path /v3/x3\n",
    ] {
        assert!(run.out.contains(part), "{part}\n{}", run.out);
    }
    let summary = "1 route added, 1 removed, 1 moved, 1 changed, other answers where no route is found\n";
    assert!(run.out.ends_with(summary), "{}", run.out);
}

#[test]
fn exit_code_says_whether_there_is_a_difference() {
    assert_eq!(diff(GOOD, &edited(), &["--exit-code"]).code, 1);
    let broken = diff(GOOD, "hosts: [", &["--exit-code"]);
    assert_eq!((broken.code, broken.err.contains("error: ")), (2, true), "{}", broken.err);
    let same = diff(GOOD, GOOD, &["--exit-code"]);
    assert_eq!((same.code, &*same.out), (0, "no request is treated differently\n"));
}

#[test]
fn other_words_are_no_difference_but_another_name_is_told() {
    let old = table(r#"{match: ["GET /a/{x}", "POST|PUT /b"], service: one}, {match: "ANY /{**r}", service: two}"#);
    let new = table(
        r#"{match: "ANY /{**rest}", service: two, namespace: shop}, {match: PUT /b, service: one}, {match: POST /b, service: one},
        {match: "GET /a/{id}", service: one}"#,
    );
    let run = diff(&old, &new, &["--exit-code"]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("renamed  GET /a/{x} is GET /a/{id} in logs\n"), "{}", run.out);
    assert!(run.out.ends_with("\nno request is treated differently\n"), "{}", run.out);
}

#[test]
fn a_route_that_now_comes_first_moves_requests_of_another_one() {
    let old = table(r#"{match: "GET /{owner}/{repo}", service: repos}"#);
    let new =
        table(r#"{match: "GET /{owner}/{repo}", service: repos}, {match: "GET /assets/{*file}", service: files}"#);
    let json = diff(&old, &new, &["--format", "json"]).json();
    let taken = json["entries"].as_array().unwrap().iter().find(|entry| !entry["old"].is_null()).unwrap();
    assert_eq!(taken["kind"], "added");
    assert_eq!(taken["example"]["url"], "https://a.example.com/assets/x2");
    assert_eq!(taken["before"]["authority"], "repos.shop.example.com");
    assert_eq!(taken["after"]["authority"], "files.shop.example.com");
    assert_eq!(json["summary"]["added"], 1, "{json:#}");
}

#[test]
fn settings_of_the_table_move_requests() {
    let routes = r#"{match: "GET /a/{x}", service: one}"#;
    let with = |setting: &str| table(routes).replace("domain:", &format!("{setting}, domain:"));
    for (setting, url, field) in [
        ("trailingSlash: ignore", "https://a.example.com/a/x2/", "outcome"),
        ("onNoMatch: passThrough", "https://a.example.com/", "outcome"),
        ("basePath: /v1", "https://a.example.com/v1/a/x3", "outcome"),
        ("requestHeaders: {remove: [x-secret]}", "https://a.example.com/a/x2", "requestHeaders"),
        ("responseHeaders: {remove: [server]}", "https://a.example.com/a/x2", "responseHeaders"),
        ("stripInternalHeaders: false", "https://a.example.com/a/x2", "requestHeaders"),
        ("rewriteLocation: true", "https://a.example.com/a/x2", "responseHeaders"),
        ("unsafePaths: allowEncodedSlash", "https://a.example.com/x1%2Fx2", "outcome"),
        ("denyDirect: true", "https://one.shop.example.com/", "outcome"),
        ("cors: {allowOrigins: [\"https://*.example.org\"]}", "https://a.example.com/a/x2", "responseHeaders"),
    ] {
        let json = diff(&table(routes), &with(setting), &["--format", "json"]).json();
        let entries = json["entries"].as_array().unwrap();
        let is_it = |entry: &&serde_json::Value| {
            entry["example"]["url"] == url && entry["differences"].as_array().unwrap().contains(&field.into())
        };
        assert!(entries.iter().any(|entry| is_it(&entry)), "{setting}\n{json:#}");
    }
}

#[test]
fn conditions_hosts_and_captured_namespaces_are_compared() {
    let both = |old: &str, new: &str| diff(old, new, &["--format", "json"]).json();
    let when = |value: &str| {
        table(&format!(
            r#"{{match: GET /a, service: one, when: {{headers: {{x-beta: "{value}"}}}}}}, {{match: GET /a, service: two}}"#
        ))
    };
    let json = both(&when("1"), &when("1*"));
    assert_eq!(json["entries"].as_array().unwrap().len(), 1, "{json:#}");
    assert!(json["entries"][0]["example"]["headers"]["x-beta"].as_str().unwrap().starts_with('1'), "{json:#}");

    let hosts = |hosts: &str| table("{match: GET /a, service: one}").replace("[a.example.com]", hosts);
    let json = both(&hosts("[a.example.com]"), &hosts(r#"["*.example.com"]"#));
    assert!(json["entries"][0]["example"]["url"].as_str().unwrap().starts_with("https://x1.example.com/"), "{json:#}");

    let captured = |namespaces: &str| {
        table(r#"{match: "GET /{ns}/{svc}", service: "{svc}", namespace: "{ns}"}"#)
            .replace("domain:", &format!("allowNamespaces: {namespaces}, domain:"))
    };
    let json = both(&captured("[shop]"), &captured("[shop, team-a]"));
    assert_eq!(json["entries"][0]["example"]["url"], "https://a.example.com/team-a/x2", "{json:#}");
}

/// The hosts that are tried are none that the tables name for themselves.
#[test]
fn hosts_that_no_exact_name_covers_are_tried() {
    for (old, new, host) in [
        ("'*.example.net'", "'*.example.net', '*'", "other host"),
        ("'*.example.com', x1.example.com, x1.y1.example.com", "x1.example.com, x1.y1.example.com", "host below"),
        ("'*.example.com', '*.y1.example.com'", "'*.y1.example.com'", "two labels below"),
    ] {
        let table = |hosts: &str| format!("hosts: [{hosts}]\nroutes: [{{match: GET /a, host: b.example.org}}]\n");
        let run = diff(&table(old), &table(new), &["--exit-code"]);
        assert_eq!(run.code, 1, "{host}: {}", run.out);
    }
}

#[test]
fn a_route_for_more_methods_is_the_same_route() {
    let kinds = |old: &str, new: &str| -> Vec<String> {
        let json = diff(&table(old), &table(new), &["--format", "json"]).json();
        let entries = json["entries"].as_array().unwrap().iter().filter(|entry| entry["kind"] != "unrouted");
        entries.map(|entry| entry["kind"].as_str().unwrap().to_owned()).collect()
    };
    let (get, more) = ("{match: GET /a, service: one}", r#"{match: "GET|POST /a", service: one}"#);
    let any = "{match: ANY /a, service: one}";
    assert_eq!(kinds(get, any), ["more"]);
    assert_eq!(kinds(any, get), ["fewer"]);
    assert_eq!(kinds(get, more), ["more"]);
    let run = diff(&table(get), &table(more), &[]);
    assert!(run.out.starts_with("more     GET|POST /a  ("), "{}", run.out);
    assert!(run.out.contains("1 route with more requests"), "{}", run.out);
    // Another route at the same path with a method of its own is none of them.
    assert_eq!(kinds(get, "{match: GET /a, service: one}, {match: POST /a, service: two}"), ["added"]);
}

#[test]
fn examples_are_requests_that_reach_the_filter_and_explain_agrees() {
    let base = table("{match: GET /a, service: one}").replace("domain:", "basePath: /faas, domain:");
    for (old, new) in [
        ("", &*base),
        (&*base, &*base.replace("/faas", "/v1/x")),
        (&*base, &*base.replace("hosts", "unsafePaths: allow, hosts")),
    ] {
        let folder = Folder::new(&[("old.yaml", old), ("new.yaml", new)]);
        let json = folder.run(&["diff", "old.yaml", "new.yaml", "--format", "json"]).json();
        let entries = json["entries"].as_array().unwrap();
        assert!(!entries.is_empty());
        for entry in entries.iter().filter(|entry| entry["example"]["headers"] == serde_json::json!({})) {
            let (method, url) =
                (entry["example"]["method"].as_str().unwrap(), entry["example"]["url"].as_str().unwrap());
            assert!(url.starts_with("https://a.example.com/"), "{url}");
            let explained = folder.run(&["explain", "new.yaml", method, url, "--format", "json"]).json();
            assert_eq!(explained["outcome"], entry["after"]["outcome"], "{method} {url}");
        }
    }
}

#[test]
fn the_same_change_of_many_routes_is_one_entry_in_text() {
    let routes = |all: std::ops::Range<usize>| -> String {
        all.map(|n| format!(r#"{{match: "GET /r{n}", service: s{n}}}, "#)).collect()
    };
    // One setting that changes the responses of all routes.
    let old = table(&routes(0..300));
    let new = old.replace("domain:", "responseHeaders: {set: {x-served-by: gateway}}, domain:");
    let run = diff(&old, &new, &[]);
    assert_eq!(run.out.matches("  request  ").count(), 1, "{}", run.out);
    assert!(run.out.contains("\n  and the same for 299 other routes: GET /r1, "), "{}", run.out);
    assert!(run.out.ends_with("\n300 routes changed\n"), "{}", run.out);
    // The text is bounded.
    let many = |service: &str| {
        table(&(0..400).map(|n| format!(r#"{{match: "GET /r{n}", service: {service}}}, "#)).collect::<String>())
    };
    let run = diff(&many("one"), &many("two"), &[]);
    assert!(run.out.len() < 60_000 && run.out.contains(" more; `--format json` prints all\n"), "{}", run.out.len());
}

#[test]
fn what_the_gateway_leaves_untouched_has_the_word_of_explain() {
    let old = table("{match: GET /a, service: one}");
    let new = old.replace("domain:", "onNoMatch: passThrough, domain:");
    let json = diff(&old, &new, &["--format", "json"]).json();
    assert_eq!(json["entries"][0]["after"]["outcome"], "passThrough", "{json:#}");
    let run = diff(&old, &new, &[]);
    assert!(run.out.contains("  after    left untouched (passThrough)\n"), "{}", run.out);
}

#[test]
fn github_gets_a_notice_at_the_line_of_the_route() {
    let run = diff(GOOD, &edited(), &["--format", "github"]);
    let moved = "::notice file=new.yaml,line=7,col=5,title=route moved%3A GET /orders/{id}::GET \
                 https://api.example.com/faas/orders/x3: before orders.shop.example.com, after orders-v2.shop.example.com\n";
    assert!(run.out.contains(moved), "{}", run.out);
    assert!(run.out.contains("::notice file=old.yaml,line=21,col=5,title=route removed%3A GET /ping::"), "{}", run.out);
}

#[test]
fn hostile_names_stay_in_their_cell_and_line() {
    let hostile = r#""</code> | <img src=x> [a](b) `c` @all ![](x)\n::error::x""#;
    let old = table(&format!("{{name: {hostile}, match: GET /a, service: one}}"));
    let new = old.replace("service: one", "service: two");
    let run = diff(&old, &new, &["--format", "markdown"]);
    assert_eq!(run.code, 1, "a name can't have a line break: {}", run.out);
    let (old, new) = (old.replace(r"\n", " "), new.replace(r"\n", " "));
    let run = diff(&old, &new, &["--format", "markdown"]);
    let row = run.out.lines().find(|line| line.starts_with("| moved")).unwrap_or_else(|| panic!("{}", run.out));
    assert_eq!(row.matches('|').count(), 6, "{row}");
    let cell = row.split(" | ").nth(1).unwrap();
    let name = cell.strip_prefix("<code>").and_then(|cell| cell.strip_suffix("</code>")).unwrap();
    for mark in ["<", "`", "@", "[a]"] {
        assert!(!name.contains(mark), "{mark}: {row}");
    }
    // What can't end the code is readable as it is.
    assert!(row.contains(" | `GET https://a.example.com/a` | `one.shop.example.com` | "), "{row}");
    let github = diff(&old, &new, &["--format", "github"]).out;
    assert!(github.lines().all(|line| line.starts_with("::notice ") || line == "1 route moved"), "{github}");
}

#[test]
fn many_rows_of_markdown_are_folded() {
    let routes = |service: &str| {
        table(&(0..30).map(|n| format!("{{match: GET /r{n}, service: {service}}}")).collect::<Vec<_>>().join(", "))
    };
    let run = diff(&routes("one"), &routes("two"), &["--format", "markdown"]);
    assert!(
        run.out.starts_with("### Routes: 30 routes moved\n\n<details>\n<summary>30 rows</summary>\n"),
        "{}",
        run.out
    );
    assert_eq!(run.out.matches("\n| moved |").count(), 30);
    assert!(run.out.ends_with("\n</details>\n"), "{}", run.out);
}

#[test]
fn a_broken_new_table_is_not_compared_and_a_broken_old_one_is() {
    let broken = GOOD.replace("service: payments", "service: Payments!");
    let run = diff(GOOD, &broken, &[]);
    assert_eq!((run.code, &*run.out), (1, ""));
    assert!(run.err.contains("error: routes[3].service: "), "{}", run.err);
    let json = diff(GOOD, &broken, &["--format", "json"]);
    assert_eq!((json.code, json.json()["messages"][0]["file"].as_str()), (1, Some("new.yaml")));

    let run = diff(&broken, GOOD, &[]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.err.contains("error: routes[3].service: ") && run.err.contains("OLD has these errors"), "{}", run.err);
    assert!(run.out.contains("  before   503 (brokenRoute)\n  after    payments.billing.example.com\n"), "{}", run.out);

    let run = diff("hosts: [", GOOD, &[]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("6 routes added"), "{}", run.out);
}

#[test]
fn one_side_may_be_standard_input_and_both_may_be_folders() {
    let folder = Folder::new(&[("before/a.yaml", GOOD), ("after/a.yaml", &edited()), ("after/b.txt", "no table")]);
    let run = folder.run(&["diff", "before", "after"]);
    assert!(run.out.contains("(after/a.yaml:7:5)"), "{}", run.out);
    let run = folder.run_with_input(&["diff", "-", "after/a.yaml"], GOOD);
    assert!(run.out.contains("(<stdin>:21:5)"), "{}", run.out);
    let run = folder.run(&["diff", "-", "-"]);
    assert_eq!((run.code, run.err.contains("only one of OLD and NEW can be `-`")), (2, true), "{}", run.err);
    assert_eq!(folder.run(&["diff", "missing.yaml", "after"]).code, 2);
    assert_eq!(folder.run(&["diff", "before", "after", "--format", "junit"]).code, 2);
}

#[test]
fn several_tables_are_compared_as_the_gateway_asks_them() {
    let plugin = |name: &str, priority: u32, routes: &str| {
        format!(
            "kind: WasmPlugin\nspec:\n  pluginName: ksvc-router\n  priority: {priority}\n  pluginConfig: {{name: {name}, \
             hosts: [a.b], onNoMatch: passThrough, routes: [{routes}]}}\n---\n"
        )
    };
    let first = plugin("first", 2, r#"{match: GET /a, host: one.c}"#);
    let second = |priority| plugin("second", priority, r#"{match: "GET /{x}", host: two.c}"#);
    // A request that falls through the first table is taken by the second one, in whatever order the files have them.
    let run = diff(&(first.clone() + &second(1)), &(second(1) + &first), &["--exit-code"]);
    assert_eq!((run.code, &*run.out), (0, "no request is treated differently\n"));
    let run = diff(&(first.clone() + &second(1)), &(first + &second(3)), &["--exit-code"]);
    assert_eq!(run.code, 1);
    assert!(
        run.out.contains("GET https://a.b/a\n  before   one.c by GET /a\n  after    two.c by GET /{x}\n"),
        "{}",
        run.out
    );
}
