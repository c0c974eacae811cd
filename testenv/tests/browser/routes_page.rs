//! The page of `routes --as html`, `diff --as html` and `serve` in a real browser.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testenv::cases::{self, CaseFile};
use testenv::http1::Request;
use testenv::process::{Running, free_ports};
use testenv::{npm, program, repository};

use crate::devtools::Tab;

/// A server that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// The core of the filter is in the page, and has explained the request of the box.
const EXPLAINED: &str = "document.querySelector('#decision pre.json') !== null";

// ---- What is said about a request

#[test]
fn for_all_cases_the_page_decides_like_explain() -> Result<()> {
    let mut compared = 0;
    for path in cases::files()? {
        let file = CaseFile::read(&path)?;
        let folder = Folder::with("table.json", &file.table.to_string())?;
        let mut tab = folder.open(&["routes", "table.json", "--as", "html"])?;
        for case in &file.cases {
            let headers = case.request.headers.iter();
            let headers: Option<Vec<String>> = headers.map(|(name, value)| line(name, value)).collect();
            let method = String::from_utf8(case.request.method.clone());
            let (Some(headers), Ok(method)) = (headers, method) else { continue };
            let shown = ask(&mut tab, &method, &case.url, &headers.join("\n"))?;
            let mut explain = vec!["explain", "table.json", &method, &case.url, "--format", "json"];
            explain.extend(headers.iter().flat_map(|header| ["-H", header]));
            let explained: Value = serde_json::from_slice(&folder.run(&explain)?.stdout)?;
            assert_eq!(shown, explained, "{}: {}", path.display(), case.name);
            compared += 1;
        }
    }
    eprintln!("{compared} requests");
    ensure!(compared > 250, "only {compared} requests were compared");
    Ok(())
}

#[test]
fn the_page_asks_several_tables_in_the_order_of_the_gateway() -> Result<()> {
    let tables = "\
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: second}
spec: {pluginName: ksvc-router, priority: 1, url: file:///plugin.wasm, pluginConfig: {name: b, domain: e.com, namespace: shop,
  hosts: [a.e.com], routes: [{match: GET /b, service: b}]}}
---
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: first}
spec: {pluginName: ksvc-router, priority: 2, url: file:///plugin.wasm, pluginConfig: {name: a, domain: e.com, namespace: shop,
  hosts: [b.e.com], routes: [{match: GET /a, service: a}]}}
";
    let folder = Folder::with("tables.yaml", tables)?;
    let mut tab = folder.open(&["routes", "tables.yaml", "--as", "html"])?;
    let shown = ask(&mut tab, "GET", "https://a.e.com/b", "")?;
    let explain = ["explain", "tables.yaml", "GET", "https://a.e.com/b", "--format", "json"];
    let explained: Value = serde_json::from_slice(&folder.run(&explain)?.stdout)?;
    assert_eq!((&shown, &shown["passed"][0]["name"]), (&explained, &json!("a")));
    tab.evaluate("document.querySelector('#decision button').click()")?;
    let row = tab.text("#list [aria-selected=true]")?;
    assert!(row.contains("GET/b"), "the button must show the route that was chosen: {row}");
    Ok(())
}

#[test]
fn a_header_that_is_not_one_is_explained_and_nothing_is_lost() -> Result<()> {
    let folder = Folder::with("table.yaml", TABLE)?;
    let mut tab = folder.open(&["routes", "table.yaml", "--as", "html"])?;
    fill(&mut tab, "GET", "https://api.example.com/orders/1", "x-beta")?;
    let verdict = tab.text("#verdict")?;
    assert!(verdict.contains("x-beta: a header has a name and a value; write 'name: value'"), "{verdict}");
    let shown = ask(&mut tab, "GET", "https://api.example.com/orders/1", "x-beta: true")?;
    assert_eq!(shown["authority"], "beta.shop.example.com");
    Ok(())
}

#[test]
fn the_route_that_was_chosen_is_shown_in_the_list() -> Result<()> {
    let table = "\
domain: example.com
namespace: shop
hosts: [api.example.com]
routes:
  - {match: [GET /x, POST /x, 'PUT|PATCH /x'], service: x}
  - {match: [GET /a/orders, GET /orders], service: orders}
  - {match: GET /a/b, service: b}
";
    let folder = Folder::with("table.yaml", table)?;
    let mut tab = folder.open(&["routes", "table.yaml", "--as", "html"])?;
    assert_eq!(tab.text("#summary")?, "3 routes, no errors, 0 warnings");
    for (method, path, row) in [
        ("POST", "/x", "POST/x→"),
        ("PATCH", "/x", "PUTPATCH/x→"),
        ("GET", "/orders", "GET/orders→"),
        ("GET", "/a/orders", "GET/a/orders→"),
    ] {
        ask(&mut tab, method, &format!("https://api.example.com{path}"), "")?;
        tab.evaluate("document.querySelector('#decision button').click()")?;
        let chosen = tab.text("#list [aria-selected=true]")?;
        assert!(chosen.starts_with(row), "{method} {path}: {chosen}");
    }
    Ok(())
}

#[test]
fn a_service_that_a_route_may_not_name_is_not_a_missing_route() -> Result<()> {
    let table = "\
domain: example.com
hosts: [api.example.com]
allowNamespaces: [team-*]
routes:
  - {match: 'GET /t/{ns}/{fn}', service: '{fn}', namespace: '{ns}'}
";
    let folder = Folder::with("table.yaml", table)?;
    let mut tab = folder.open(&["routes", "table.yaml", "--as", "html"])?;
    let shown = ask(&mut tab, "GET", "https://api.example.com/t/kube-system/x", "")?;
    assert_eq!((&shown["outcome"], shown.get("nearest")), (&json!("notFound"), None));
    let verdict = tab.text("#verdict")?;
    assert!(verdict.contains("the path names a service that this route may not forward to"), "{verdict}");
    Ok(())
}

// ---- The list

#[test]
fn the_list_is_used_with_the_keyboard_alone() -> Result<()> {
    let folder = Folder::with("table.yaml", TABLE)?;
    let mut tab = folder.open(&["routes", "table.yaml", "--as", "html"])?;
    tab.press("/")?;
    assert_eq!(tab.evaluate("document.activeElement.id")?, "search");
    tab.type_text("orders post")?;
    assert_eq!(tab.text("#found")?, "1 route of 4");
    tab.press("Escape")?;
    assert_eq!(tab.text("#found")?, "");
    tab.type_text("patch")?;
    assert_eq!(tab.text("#found")?, "0 routes of 4 Clear the filters");
    tab.press("Escape")?;
    // The service, the namespace and the list come next.
    for _ in 0..4 {
        tab.press("Tab")?;
        if tab.evaluate("document.activeElement.id")? == "list" {
            break;
        }
    }
    assert_eq!(tab.evaluate("document.activeElement.id")?, "list");
    let active = "document.getElementById(document.getElementById('list').getAttribute('aria-activedescendant'))";
    tab.press("ArrowDown")?;
    tab.press("ArrowDown")?;
    assert_eq!(tab.evaluate(&format!("{active}.getAttribute('aria-expanded')"))?, "true");
    tab.press("ArrowLeft")?;
    assert_eq!(tab.evaluate(&format!("{active}.getAttribute('aria-expanded')"))?, "false");
    tab.press("ArrowRight")?;
    tab.press("ArrowRight")?;
    let row = tab.evaluate(&format!("{active}.textContent"))?;
    assert!(row.as_str().is_some_and(|row| row.starts_with("POST/orders")), "{row}");
    let details = tab.text("#details-body")?;
    assert!(details.contains("orders-write in shop") && details.contains("table.yaml:6"), "{details}");
    tab.press("End")?;
    let row = tab.evaluate(&format!("{active}.textContent"))?;
    assert!(row.as_str().is_some_and(|row| row.starts_with("GET/orders/{id}")), "{row}");
    assert_eq!(tab.console()?, [""; 0]);
    Ok(())
}

#[test]
fn filters_show_the_routes_of_a_service_and_of_a_namespace() -> Result<()> {
    let folder = Folder::with("table.yaml", TABLE)?;
    let mut tab = folder.open(&["routes", "table.yaml", "--as", "html"])?;
    let choose = |id: &str, value: &str| {
        format!("byId('{id}').value = '{value}'; byId('{id}').dispatchEvent(new Event('input', {{bubbles: true}}))")
    };
    tab.evaluate(&choose("service", "orders-write"))?;
    assert_eq!(tab.text("#found")?, "1 route of 4");
    tab.evaluate(&choose("service", "*"))?;
    tab.evaluate(&choose("namespace", "other"))?;
    assert_eq!(tab.text("#found")?, "1 route of 4");
    assert!(tab.text("#rows")?.contains("GET/health→ health.other.example.com"));
    Ok(())
}

#[test]
fn a_page_of_10_000_routes_draws_only_the_rows_in_sight() -> Result<()> {
    let folder = Folder::with("table.yaml", &large_table())?;
    let mut tab = folder.open(&["routes", "table.yaml", "--as", "html"])?;
    type_into(&mut tab, "search", "item-24 area-19")?;
    assert_eq!(tab.text("#found")?, "20 routes of 10,000");
    ensure!(
        number(&tab.evaluate("document.querySelectorAll('.row').length")?)? < 100.0,
        "all rows are in the document"
    );
    type_into(&mut tab, "search", "")?;
    tab.evaluate("byId('list').focus()")?;
    tab.press("End")?;
    ensure!(
        number(&tab.evaluate("document.querySelectorAll('.row').length")?)? < 100.0,
        "all rows are in the document"
    );
    let last = "byId('rows').lastElementChild.getBoundingClientRect().bottom <= byId('list').getBoundingClientRect().bottom + 1";
    assert_eq!(tab.evaluate(last)?, true);
    for (width, height) in [(1400, 900), (768, 1024), (320, 640)] {
        tab.show(width, height, false)?;
        let wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")?;
        ensure!(number(&wide)? <= 0.0, "the page is {wide} pixels wider than a window of {width}");
    }
    Ok(())
}

#[test]
fn nothing_of_a_row_is_cut_at_its_top_or_bottom() -> Result<()> {
    let deep: String = (0..40).map(|level| format!("/level-{level}")).collect();
    let mut table = TABLE.replace("service: orders-write", "servce: orders-write");
    table += "  - {match: 'GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS /many', service: many}\n";
    for level in (0..40).step_by(2) {
        let path: String = deep.split_inclusive('/').take(level + 2).collect();
        table += &format!("  - {{match: 'GET {path}x', service: deep}}\n");
    }
    let folder = Folder::with("table.yaml", &table)?;
    let mut tab = folder.open(&["routes", "table.yaml", "--as", "html"])?;
    let cut = "[...document.querySelectorAll('.row')].filter(row => [...row.querySelectorAll('*')].some(part => {
        const [inner, outer] = [part, row].map(one => one.getBoundingClientRect());
        return inner.height > 0 && (inner.top < outer.top - 1 || inner.bottom > outer.bottom + 1 || inner.left > outer.right);
    })).map(row => row.textContent)";
    for width in [1400, 768, 360] {
        tab.show(width, 900, false)?;
        tab.evaluate("byId('list').focus()")?;
        for key in ["Home", "End"] {
            tab.press(key)?;
            assert_eq!(tab.evaluate(cut)?, json!([]), "a window of {width} pixels, {key}");
        }
    }
    Ok(())
}

/// Prints the figures of docs/command-line.md.
#[test]
#[ignore = "measures"]
fn sizes_and_times_of_pages() -> Result<()> {
    let folder = Folder::with("wasm-plugin.yaml", &fs::read_to_string(repository().join("wasm-plugin.yaml"))?)?;
    let document = npm::OCTOKIT.file("generated/api.github.com.json")?;
    let document = document.to_str().context("a path")?;
    let of_shop = ["--domain", "example.com", "--namespace", "shop", "--service", "api", "--host", "api.example.com"];
    let github = folder.run(&[&["import", "openapi", document][..], &of_shop].concat())?.stdout;
    folder.write("github.yaml", &String::from_utf8(github)?)?;
    folder.write("large.yaml", &large_table())?;
    for (file, search, url) in [
        ("wasm-plugin.yaml", "orders", "https://api.example.com/faas/orders/42"),
        ("github.yaml", "repos get", "https://api.example.com/repos/a/b/pulls/3"),
        ("large.yaml", "area-19 item-24", "https://api.example.com/area-19/team-3/item-7/1"),
    ] {
        let html = folder.run(&["routes", file, "--as", "html"])?.stdout;
        let (mut paints, mut cores, mut searches, mut asks) = (vec![], vec![], vec![], vec![]);
        for _ in 0..5 {
            let mut tab = Tab::open_html(&html)?;
            let paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0";
            tab.await_true(&format!("({paint}) > 0"))?;
            paints.push(number(&tab.evaluate(paint)?)?);
            tab.await_true(EXPLAINED)?;
            cores.push(number(&tab.evaluate("performance.getEntriesByName('explained')[0].startTime")?)?);
            // One key after another, each with the time until the page is laid out again.
            for (id, text, times) in [("search", search, &mut searches), ("url", url, &mut asks)] {
                for end in 1..=text.len() {
                    times.push(type_into(&mut tab, id, &text[..end])?);
                }
            }
        }
        eprintln!("{file}: {} bytes", html.len());
        for (what, mut times) in
            [("first view", paints), ("box", cores), ("key in the search", searches), ("key in the box", asks)]
        {
            times.sort_by(f64::total_cmp);
            let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
            eprintln!("  {what}: median {median:.0} ms, most {most:.0} ms, of {}", times.len());
        }
    }
    Ok(())
}

// ---- Errors, and texts that are not what they seem

#[test]
fn a_table_with_errors_shows_them_at_their_routes() -> Result<()> {
    let table = TABLE.replace("service: orders-write", "servce: orders-write");
    let folder = Folder::with("table.yaml", &table)?;
    let output = folder.run(&["routes", "table.yaml", "--as", "html"])?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("table.yaml:6:"));
    let mut tab = Tab::open_html(&output.stdout)?;
    tab.await_true(EXPLAINED)?;
    let broken = tab
        .evaluate("[...document.querySelectorAll('.row.route')].filter(row => row.querySelector('.problem')).length")?;
    assert_eq!(broken, 1);
    let problems = tab.text("#problem-list")?;
    assert!(problems.contains("unknown key `servce`; did you mean `service`?"), "{problems}");
    tab.evaluate("document.querySelector('#problem-list button').click()")?;
    let details = tab.text("#details-body")?;
    assert!(details.contains("POST") && details.contains("unknown key `servce`"), "{details}");
    assert_eq!(ask(&mut tab, "POST", "https://api.example.com/orders", "")?["outcome"], "brokenRoute");
    Ok(())
}

#[test]
fn an_error_is_shown_at_its_table_even_if_the_value_is_written_elsewhere() -> Result<()> {
    let plugin = |name: &str, annotation: &str, routes: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: {name}, annotations: {{x: {annotation}}}}}\n\
             spec: {{pluginName: ksvc-router, url: file:///plugin.wasm, pluginConfig: {{name: {name}, domain: e.com, namespace: shop, \
             hosts: [{name}.e.com], routes: [{routes}]}}}}\n"
        )
    };
    let one = plugin("one", "a", "{match: GET /a, service: a}, {match: GET /b, service: b}");
    let two = plugin("two", "&service bad_service", "{match: GET /c, service: c}, {match: GET /d, service: *service}");
    let folder = Folder::with("tables.yaml", &format!("{one}---\n{two}"))?;
    let mut tab = folder.open(&["routes", "tables.yaml", "--as", "html"])?;
    let marked = "[...document.querySelectorAll('.row.route')].filter(row => row.querySelector('.problem.error')).map(row => row.querySelector('.path').textContent)";
    assert_eq!(tab.evaluate(marked)?, json!(["/d"]));
    Ok(())
}

#[test]
fn a_new_version_with_errors_is_shown_and_not_compared() -> Result<()> {
    let folder = Folder::with("old.yaml", TABLE)?;
    folder.write("new.yaml", &TABLE.replace("service: orders-write", "servce: orders-write"))?;
    let output = folder.run(&["diff", "old.yaml", "new.yaml", "--as", "html"])?;
    assert_eq!(output.status.code(), Some(1));
    let mut tab = Tab::open_html(&output.stdout)?;
    tab.await_true(EXPLAINED)?;
    assert_eq!(tab.text("#summary")?, "nothing is compared, because the new version has errors");
    assert!(tab.text("#problem-list")?.contains("unknown key `servce`"));
    fill(&mut tab, "POST", "https://api.example.com/orders", "")?;
    let verdict = tab.text("#verdict")?;
    assert!(verdict.contains("Before: route") && verdict.contains("After: brokenRoute"), "{verdict}");
    Ok(())
}

#[test]
fn a_file_that_is_no_table_gives_no_page() -> Result<()> {
    let folder = Folder::with("values.yaml", "replicas: 2\n")?;
    for arguments in [&["routes", "values.yaml", "--as", "html"][..], &["serve", "values.yaml", "--port", "0"]] {
        let output = folder.run(arguments)?;
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("this file has no configuration of ksvc-router"));
    }
    let json = folder.run(&["routes", "values.yaml", "--as", "html", "--format", "json"])?;
    assert_eq!((json.status.code(), json.stdout.len()), (Some(2), 0));
    Ok(())
}

#[test]
fn no_text_of_a_table_becomes_html_or_a_script() -> Result<()> {
    let hostile = [
        "</script><script>window.attacked = 1</script>",
        "<img src=x onerror='window.attacked = 1'>",
        "\"><svg onload=window.attacked=1>",
        "<!-- <script>",
        "javascript:window.attacked=1",
        "{{data}}{{script}}",
        "\u{2028}\u{202e}`${window.attacked = 1}`",
    ];
    let table = |target: &str, has_errors: bool| {
        let routes = hostile.iter().enumerate().map(|(index, text)| {
            let path = text.replace(['{', '}', '?', '#', '\\', ' ', '\u{2028}', '\u{202e}'], "_");
            let mut route = json!({
                "name": text,
                "match": format!("GET /{index}/{path}"),
                "host": target,
                "when": {"headers": {"x-a": text.replace(['\u{2028}', '\u{202e}'], "_")}},
            });
            if has_errors {
                route[*text] = json!(text);
            }
            route
        });
        let mut table = json!({"hosts": ["api.example.com"], "routes": routes.collect::<Vec<_>>()});
        if has_errors {
            table["hosts"] = json!(["api.example.com", hostile[1]]);
            table[hostile[0]] = json!(hostile[1]);
        }
        table.to_string()
    };
    let cases = json!({"cases": [{
        "name": hostile[0],
        "request": {"method": "GET", "url": format!("https://api.example.com/{}", hostile[1]), "headers": {"x-a": hostile[0]}},
        "expect": {"authority": hostile[1]},
    }]});
    let name = "<img src=x onerror=window.attacked=1>.json";
    let folder = Folder::with(name, &table("a.example.com", true))?;
    folder.write("cases.json", &cases.to_string())?;
    folder.write("<b>old.json", &table("a.example.com", false))?;
    folder.write("new.json", &table("b.example.com", false))?;
    for arguments in [
        &["routes", name, "--as", "html", "--cases", "cases.json"][..],
        &["diff", "<b>old.json", "new.json", "--as", "html"],
    ] {
        let output = folder.run(arguments)?;
        ensure!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut tab = Tab::open_html(&output.stdout)?;
        tab.await_true("byId('verdict').textContent.includes('loaded') === false")?;
        tab.evaluate("byId('list').focus()")?;
        for _ in 0..12 {
            tab.press("ArrowDown")?;
        }
        tab.evaluate(
            "document.querySelectorAll('#case-list button, #details-body button').forEach(button => button.click())",
        )?;
        assert_eq!(tab.evaluate("'attacked' in window")?, false);
        assert_eq!(tab.evaluate("document.querySelectorAll('img, svg, iframe, a').length")?, 0);
        assert_eq!(tab.evaluate("document.querySelectorAll('script:not([type])').length")?, 2);
        tab.evaluate("byId('list').focus()")?;
        tab.press("Home")?;
        let is_shown = format!("{}.some(text => byId('side').textContent.includes(text))", json!(hostile));
        assert_eq!(tab.evaluate(&is_shown)?, true, "the text itself is shown");
        // They would change the order in which the text around them is shown. The JSON is there to be copied.
        let texts = "[...document.querySelectorAll('body :not(script, style, textarea, pre)')].flatMap(element =>
            [element.title ?? '', ...[...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data)])";
        let unprintable = tab.evaluate(&format!("{texts}.filter(text => /[\\u2028\\u202e]/.test(text))"))?;
        assert_eq!(unprintable, json!([]), "{arguments:?}");
        let written = tab.evaluate(&format!("{texts}.some(text => text.includes('\\\\u{{202e}}'))"))?;
        assert_eq!(written, true, "{arguments:?}");
        assert_eq!(tab.console()?, [""; 0], "the policy of the page had something to refuse");
    }
    Ok(())
}

#[test]
fn the_page_asks_nothing_of_the_network() -> Result<()> {
    let folder = Folder::with("table.yaml", TABLE)?;
    let mut tab = folder.open(&["routes", "table.yaml", "--as", "html"])?;
    assert_eq!(tab.evaluate("performance.getEntriesByType('resource').length")?, 0);
    let fetched = tab.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', error => String(error))")?;
    assert!(fetched.as_str().is_some_and(|error| error.contains("Failed to fetch")), "{fetched}");
    let console = tab.console()?;
    assert!(console.iter().any(|line| line.contains("Content Security Policy")), "{console:?}");
    Ok(())
}

// ---- Accessibility

#[test]
fn the_engine_for_accessibility_finds_nothing() -> Result<()> {
    let folder = Folder::with("table.yaml", TABLE)?;
    folder.write("broken.yaml", &TABLE.replace("service: orders-write", "servce: orders-write"))?;
    folder.write("new.yaml", &TABLE.replace("service: orders-write", "service: orders-v2"))?;
    folder.write("cases.yaml", CASES)?;
    let axe = fs::read_to_string(npm::AXE.file("axe.min.js")?)?;
    for arguments in [
        &["routes", "table.yaml", "--as", "html", "--cases", "cases.yaml"][..],
        &["routes", "broken.yaml", "new.yaml", "--as", "html"],
        &["diff", "table.yaml", "new.yaml", "--as", "html"],
    ] {
        let mut tab = folder.open(arguments)?;
        tab.evaluate(&format!("{axe}; true"))?;
        for (width, dark) in [(1400, false), (1400, true), (360, false), (360, true)] {
            tab.show(width, 900, dark)?;
            tab.evaluate("byId('list').focus()")?;
            for _ in 0..3 {
                tab.press("ArrowDown")?;
            }
            let found = tab.evaluate(
                "axe.run().then(found => found.violations.map(one => [one.id, one.nodes.map(node => node.html)]))",
            )?;
            assert_eq!(found, json!([]), "{arguments:?}, width {width}, dark {dark}");
            let checked = tab.evaluate("axe.run().then(found => found.passes.length)")?;
            ensure!(checked.as_u64() > Some(20), "only {checked} rules applied");
        }
    }
    Ok(())
}

// ---- The difference of two tables

#[test]
fn the_page_of_a_difference_decides_like_explain_on_both_sides() -> Result<()> {
    let folder = Folder::with("old.yaml", TABLE)?;
    folder.write(
        "new.yaml",
        &TABLE.replace("service: orders-write", "service: orders-v2").replace("/health", "/healthy"),
    )?;
    let mut tab = folder.open(&["diff", "old.yaml", "new.yaml", "--as", "html"])?;
    let printed: Value =
        serde_json::from_slice(&folder.run(&["diff", "old.yaml", "new.yaml", "--format", "json"])?.stdout)?;
    let entries = printed["entries"].as_array().context("entries")?;
    ensure!(entries.len() >= 3, "{printed:#}");
    assert_eq!(tab.evaluate("document.querySelectorAll('.row').length")?, entries.len());
    tab.evaluate("byId('list').focus()")?;
    for entry in entries {
        tab.press("ArrowDown")?;
        tab.evaluate("document.querySelector('#details-body button').click(); byId('list').focus()")?;
        let (method, url) = (&entry["example"]["method"], &entry["example"]["url"]);
        for (index, file) in ["old.yaml", "new.yaml"].into_iter().enumerate() {
            let shown = tab.text(&format!(".result:nth-child({}) pre.json", index + 1))?;
            let (method, url) = (method.as_str().context("a method")?, url.as_str().context("a URL")?);
            let explained = folder.run(&["explain", file, method, url, "--format", "json"])?.stdout;
            let (shown, explained): (Value, Value) =
                (serde_json::from_str(&shown)?, serde_json::from_slice(&explained)?);
            assert_eq!(shown, explained, "{file}: {method} {url}");
        }
    }
    Ok(())
}

// ---- Pictures

/// Writes the pictures of docs/command-line.md.
#[test]
#[ignore = "writes into docs/page"]
fn pictures_for_the_documentation() -> Result<()> {
    let docs = repository().join("docs/page");
    fs::create_dir_all(&docs)?;
    // With a digest as it is after the image has been pushed.
    let table = fs::read_to_string(repository().join("wasm-plugin.yaml"))?.replace("0000", "1f2e");
    let folder = Folder::with("wasm-plugin.yaml", &table)?;
    folder.write("cases.yaml", &fs::read_to_string(repository().join("testenv/cases/sample.yaml"))?)?;
    folder.write(
        "new.yaml",
        &table.replace("service: orders\n", "service: orders-v2\n").replace("GET /ping", "GET /health"),
    )?;
    let pictures = [
        ("routes.png", &["routes", "wasm-plugin.yaml", "--as", "html", "--cases", "cases.yaml"][..], 5),
        ("difference.png", &["diff", "wasm-plugin.yaml", "new.yaml", "--as", "html"], 3),
    ];
    for (name, arguments, row) in pictures {
        let mut tab = folder.open(arguments)?;
        tab.show(1440, 860, false)?;
        tab.evaluate("byId('list').focus()")?;
        for _ in 0..row {
            tab.press("ArrowDown")?;
        }
        tab.evaluate(
            "(document.querySelector('#details-body button')?.click(), document.activeElement.blur(), scrollTo(0, 0))",
        )?;
        tab.picture(&docs.join(name))?;
    }
    Ok(())
}

// ---- `serve`

#[test]
fn serve_shows_each_save_and_keeps_what_was_typed() -> Result<()> {
    let folder = Folder::with("table.yaml", TABLE)?;
    folder.write("cases.yaml", CASES)?;
    // On the default port, which a browser must accept.
    let arguments = ["table.yaml", "--cases", "cases.yaml"];
    let (server, url) = folder.serve(&arguments)?;
    let mut tab = Tab::open(&url)?;
    tab.await_true(EXPLAINED)?;
    ask(&mut tab, "POST", "https://api.example.com/orders", "x-a: b")?;
    let shows =
        |selector: &str, text: &str| format!("document.querySelector('{selector}')?.textContent.includes('{text}')");
    folder.write("table.yaml", &TABLE.replace("service: orders-write", "service: orders-v2"))?;
    tab.await_true(&shows("#verdict", "orders-v2.shop.example.com"))?;
    assert_eq!(tab.evaluate("byId('headers').value")?, "x-a: b");
    // A bad file of cases does not hide the routes.
    folder.write("cases.yaml", "cases: 1\n")?;
    tab.await_true(&shows("#problem-list", "cases.yaml:1:8"))?;
    tab.await_true(&shows("#verdict", "orders-v2.shop.example.com"))?;
    folder.write("cases.yaml", CASES)?;
    folder.write("table.yaml", "routes: [")?;
    tab.await_true(&shows("#problem-list", "[invalid-yaml]"))?;
    fs::remove_file(folder.0.path().join("table.yaml"))?;
    tab.await_true(&shows("#problem-list", "table.yaml: No such file"))?;
    // While only routes with errors are shown, the last error is corrected.
    folder.write("table.yaml", &TABLE.replace("service: orders-write", "servce: orders-write"))?;
    tab.await_true(&shows("#problem-list", "servce"))?;
    tab.evaluate("byId('with-problems').click()")?;
    assert_eq!(tab.text("#found")?, "1 route of 4");
    folder.write("table.yaml", TABLE)?;
    tab.await_true(&shows("#verdict", "orders-write.shop.example.com"))?;
    assert_eq!(tab.text("#found")?, "");
    assert_eq!(tab.evaluate("byId('url').value")?, "https://api.example.com/orders");
    // The page says that the server has ended, and shows what has changed after it has started again.
    drop(server);
    tab.await_true("!document.getElementById('connection').hidden")?;
    folder.write("table.yaml", &TABLE.replace("service: orders-write", "service: orders-v3"))?;
    let port = url.rsplit(':').next().context("a port")?;
    let (_server, _) = folder.serve(&[&arguments[..], &["--port", port]].concat())?;
    tab.await_true(&shows("#verdict", "orders-v3.shop.example.com"))?;
    tab.await_true("document.getElementById('connection').hidden")?;
    Ok(())
}

#[test]
fn serve_answers_this_machine_alone_and_prints_the_errors_that_the_page_shows() -> Result<()> {
    let folder = Folder::with("table.yaml", &TABLE.replace("service: orders-write", "servce: orders-write"))?;
    let (server, url) = folder.serve(&["table.yaml", "--port", "0"])?;
    let address: SocketAddr = url.strip_prefix("http://").context("an address")?.parse()?;
    let own = address.to_string();
    for (method, host, path, status) in [
        ("GET", &own[..], "/", 200),
        ("GET", "localhost:80", "/", 200),
        ("GET", "evil.example.com", "/", 421),
        ("GET", "127.0.0.1.example.com", "/versions", 421),
        ("POST", &own, "/", 405),
        ("GET", &own, "/other", 404),
    ] {
        let response = Request::new(method, host, path).send(address)?;
        assert_eq!(response.status, status, "{method} {host} {path}");
        for (header, value) in [
            ("cache-control", "no-store"),
            ("content-security-policy", "frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(response.header(header), Some(value), "{method} {host} {path}");
        }
    }
    let prints = |text: &str| server.await_ready(PATIENCE, || Ok(server.log().contains(text))).context(text.to_owned());
    prints("unknown key `servce`")?;
    folder.write("table.yaml", TABLE)?;
    prints("table.yaml has changed: 0 errors")?;
    fs::remove_file(folder.0.path().join("table.yaml"))?;
    prints("error: table.yaml: No such file or directory\n")
}

#[test]
fn serve_goes_on_when_the_reader_of_its_output_has_ended() -> Result<()> {
    let folder = Folder::with("table.yaml", TABLE)?;
    let [port] = free_ports()?;
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    let mut command = Command::new(program()?);
    command.args(["serve", "table.yaml", "--port", &port.to_string()]).current_dir(folder.0.path());
    let output = File::from(OwnedFd::from(writer));
    let server = Running::start("serve", &mut command, &folder.0.path().join("serve.log"), Some(output))?;
    let page = || Request::get("localhost", "/").send(SocketAddr::from(([127, 0, 0, 1], port)));
    server.await_ready(PATIENCE, || Ok(page().is_ok()))?;
    folder.write("table.yaml", &TABLE.replace("service: orders-write", "service: orders-v2"))?;
    server.await_ready(PATIENCE, || Ok(page()?.text().contains("orders-v2")))
}

#[test]
fn serve_refuses_a_port_that_browsers_refuse() -> Result<()> {
    let folder = Folder::with("table.yaml", TABLE)?;
    let output = folder.run(&["serve", "table.yaml", "--port", "6000"])?;
    assert_eq!(output.status.code(), Some(2));
    let error =
        "error: --port 6000 can't be used, because browsers refuse it; name another port, or leave --port out\n";
    assert_eq!(String::from_utf8(output.stderr)?, error);
    Ok(())
}

const TABLE: &str = "\
domain: example.com
namespace: shop
hosts: [api.example.com]
routes:
  - {match: 'GET /orders/{id}', when: {headers: {x-beta: 'true'}}, service: beta}
  - {match: POST /orders, service: orders-write}
  - {match: 'GET /orders/{id}', service: orders}
  - {match: GET /health, service: health, namespace: other}
";

const CASES: &str = "\
cases:
  - name: an order is created
    request: {method: POST, url: https://api.example.com/orders}
    expect: {outcome: route}
  - name: this case fails
    request: {method: GET, url: https://api.example.com/nothing}
    expect: {outcome: route}
";

/// A folder with files, in which the command line runs.
struct Folder(TempDir);

impl Folder {
    fn with(name: &str, text: &str) -> Result<Self> {
        let folder = Self(tempfile::tempdir()?);
        folder.write(name, text)?;
        Ok(folder)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.0.path().join(name), text)?)
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(Command::new(program()?).args(arguments).current_dir(self.0.path()).output()?)
    }

    /// Starts `ksvc-router serve`, and returns the URL of the page.
    fn serve(&self, arguments: &[&str]) -> Result<(Running, String)> {
        let log = self.0.path().join("serve.log");
        let mut command = Command::new(program()?);
        command.arg("serve").args(arguments).current_dir(self.0.path());
        let server = Running::start("serve", &mut command, &log, None)?;
        let mut url = None;
        server.await_ready(PATIENCE, || {
            url = server.log().split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
            Ok(url.is_some())
        })?;
        let url = url.context("a URL")?.trim_end_matches('.').to_owned();
        Ok((server, url))
    }

    /// Opens the page that the command line prints, and waits until it explains requests.
    fn open(&self, arguments: &[&str]) -> Result<Tab> {
        let output = self.run(arguments)?;
        let mut tab =
            Tab::open_html(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        tab.await_true(EXPLAINED)?;
        Ok(tab)
    }
}

/// Types a request into the box.
fn fill(tab: &mut Tab, method: &str, url: &str, headers: &str) -> Result<()> {
    let fields = json!({"method": method, "url": url, "headers": headers});
    tab.evaluate(&format!(
        "Object.entries({fields}).forEach(([id, text]) => {{ byId(id).value = text; }}); \
         byId('ask').dispatchEvent(new Event('input'))"
    ))?;
    Ok(())
}

/// Types a request into the box, and returns the decision that the page shows as JSON.
fn ask(tab: &mut Tab, method: &str, url: &str, headers: &str) -> Result<Value> {
    fill(tab, method, url, headers)?;
    let shown = tab.text("#decision pre.json").with_context(|| format!("{method} {url}"))?;
    Ok(serde_json::from_str(&shown)?)
}

/// Writes a text into a field as if it were typed, and returns the milliseconds until the page is laid out again.
fn type_into(tab: &mut Tab, id: &str, text: &str) -> Result<f64> {
    let milliseconds = tab.evaluate(&format!(
        "(() => {{ const field = byId('{id}'); field.value = {}; const begun = performance.now(); \
         field.dispatchEvent(new Event('input', {{bubbles: true}})); document.body.offsetHeight; \
         return performance.now() - begun; }})()",
        json!(text)
    ))?;
    number(&milliseconds)
}

fn number(value: &Value) -> Result<f64> {
    value.as_f64().with_context(|| format!("no number: {value}"))
}

/// Returns a table of 10,000 routes.
fn large_table() -> String {
    let mut table = String::from("domain: example.com\nnamespace: shop\nhosts: [api.example.com]\nroutes:\n");
    for index in 0..10_000 {
        let (area, team, item) = (index % 20, index / 20 % 20, index / 400);
        table += &format!("  - {{match: \"GET /area-{area}/team-{team}/item-{item}/{{id}}\", service: s{area}}}\n");
    }
    table
}

/// Returns a header as a line, if it is text.
fn line(name: &[u8], value: &[u8]) -> Option<String> {
    Some(format!("{}: {}", std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
}
