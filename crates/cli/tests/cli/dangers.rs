//! `check`: dangers in a manifest around a good table. docs/command-line.md has an example of every kind of danger;
//! these tests are for the rules between them.

use ksvc_router_cli::danger::Danger;

use crate::support::{Folder, check};

/// A digest of a release.
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Returns a manifest without a danger, after the given replacements.
fn plugin(name: &str, changes: &[(&str, &str)]) -> String {
    let mut text = format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: {name}, namespace: istio-system}}\n\
         spec:\n  selector: {{matchLabels: {{istio: ingressgateway}}}}\n  pluginName: ksvc-router\n  \
         match: [{{ports: [{{number: 8443}}]}}]\n  url: oci://r.example.com/x@sha256:{DIGEST}\n  failStrategy: FAIL_RELOAD\n  \
         pluginConfig: {{name: {name}, hosts: [api.example.com], basePath: /{name}, routes: []}}\n"
    );
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

fn with_url(url: &str) -> String {
    plugin("a", &[(&format!("oci://r.example.com/x@sha256:{DIGEST}"), url)])
}

/// Asserts that `check` reports messages with these words, in this order, and no others.
#[track_caller]
fn expect(text: &str, words: &[&str]) {
    let (code, messages) = check(text);
    let fits =
        messages.len() == words.len() && messages.iter().zip(words).all(|(message, words)| message.contains(words));
    assert!(fits, "expected {words:#?}, got {messages:#?}");
    assert_eq!(code, i32::from(messages.iter().any(|message| message.contains(": error: "))));
}

#[test]
fn every_danger_says_what_to_do_instead() {
    for danger in Danger::examples() {
        let message = danger.to_string();
        let (_, remedy) = message.rsplit_once("; ").unwrap_or_else(|| panic!("{}: {message}", danger.kind().code));
        let verb = remedy.split(' ').next().unwrap();
        assert!(
            ["write", "remove", "keep", "add", "apply", "divide"].contains(&verb),
            "{}: {remedy}",
            danger.kind().code
        );
    }
}

#[test]
fn recommended_settings_are_silent() {
    expect(&plugin("a", &[]), &[]);
}

#[test]
fn an_image_without_a_digest_or_a_checksum_is_reported() {
    for (url, words) in [
        ("oci://r.example.com:5000/x:1@sha256:DIGEST", &[][..]),
        ("r.example.com:5000/x@sha256:DIGEST", &[]),
        ("file:///opt/plugin.wasm", &[]),
        ("oci://r.example.com:5000/x", &["f.yaml:8:8: warning: an image without a tag"]),
        ("r.example.com/x:latest", &["`oci://r.example.com/x@sha256:…`"]),
        ("oci://r.example.com/x:1.2", &["`oci://r.example.com/x:1.2@sha256:…`"]),
        ("https://r.example.com/x.wasm", &["without a checksum"]),
    ] {
        expect(&with_url(&url.replace("DIGEST", DIGEST)), words);
    }
    expect(&with_url(&format!("oci://r.example.com/x:1\n  sha256: {DIGEST}")), &[]);
}

#[test]
fn the_url_and_the_digest_must_be_valid() {
    let zeros = "0".repeat(64);
    for (url, words) in [
        ("r.example.com/x@sha256:0000", "the digest has only zeros"),
        ("oci://r.example.com/x:1@sha256:ZEROS", "the digest has only zeros"),
        ("https://r.example.com/x.wasm\n  sha256: \"ZEROS\"", "write the output of `sha256sum plugin.wasm`"),
        ("oci://r.example.com/x@sha256:4e1f", "\"sha256:4e1f\" is not a SHA-256 digest"),
        ("oci://r.example.com/x@sha256:GDIGEST", "is not a SHA-256 digest"),
        ("oci://r.example.com/x@md5:DIGEST", "is not a SHA-256 digest"),
        ("oci://r.example.com/x@DIGEST", "is not a SHA-256 digest"),
        ("oci://r.example.com/x\n  sha256: abc", "\"abc\" is not a SHA-256 digest"),
        ("s3://modules/x.wasm", "has a scheme that Istio does not know"),
        ("oci:/r.example.com/x", "lacks a slash after its scheme"),
        ("file:/opt/x.wasm", "lacks a slash after its scheme"),
        ("file://opt/x.wasm", "is not the path of a file"),
        ("oci://", "says nothing of the module"),
        ("\"oci://r.example.com/a b\"", "has a space"),
        ("oci://r.example.com/Router:1", "has capital letters"),
    ] {
        let text =
            with_url(&url.replace("ZEROS", &zeros).replace("GDIGEST", &"g".repeat(64)).replace("DIGEST", DIGEST));
        let (code, messages) = check(&text);
        let errors: Vec<&String> = messages.iter().filter(|message| message.contains(": error: ")).collect();
        assert!(code == 1 && errors.len() == 1 && errors[0].contains(words), "{url}: {messages:#?}");
    }
}

#[test]
fn the_port_must_be_that_of_the_pod() {
    for (port, words) in [
        ("443", &["Istio compares this number with the port that the gateway's pod listens on"][..]),
        ("80", &["for the Service's port 80 that is 8080"]),
        ("8080", &["f.yaml:7:29: warning: 8080 is the port of plain HTTP"]),
        ("9443", &[]),
    ] {
        expect(&plugin("a", &[("8443", port)]), words);
    }
    expect(&plugin("a", &[("  match: [{ports: [{number: 8443}]}]\n", "")]), &["runs on every port"]);
    expect(&plugin("a", &[("ports: [{number: 8443}]", "mode: CLIENT")]), &["runs on every port"]);
    expect(&plugin("a", &[("{ports:", "{mode: SERVER, ports:")]), &["never runs there"]);
}

#[test]
fn with_the_gateway_api_the_port_is_that_of_the_gateway() {
    let targets = ("selector: {matchLabels: {istio: ingressgateway}}", "targetRefs: [{kind: Gateway, name: public}]");
    expect(&plugin("a", &[targets, ("8443", "443")]), &[]);
    expect(&plugin("a", &[targets, ("8443", "80")]), &["80 is the port of plain HTTP"]);
}

fn gateway(redirect: bool, app: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: public}}\nspec:\n  \
         selector: {{istio: {app}}}\n  servers:\n  - port: {{number: 80}}\n    tls: {{httpsRedirect: {redirect}}}\n"
    )
}

#[test]
fn with_a_gateway_in_the_file_only_a_real_redirect_is_reported() {
    for change in [("8443", "8080"), ("ports: [{number: 8443}]", "mode: CLIENT")] {
        let plugin = plugin("a", &[change]);
        expect(
            &(plugin.clone() + &gateway(true, "ingressgateway")),
            &["port 8080 too, where the Gateway `public` has"],
        );
        expect(&(plugin.clone() + &gateway(false, "ingressgateway")), &[]);
        assert_eq!(check(&(plugin + &gateway(true, "other"))).1.len(), 1);
    }
    expect(&(plugin("a", &[]) + &gateway(true, "ingressgateway")), &[]);
}

#[test]
fn the_gateway_may_be_in_another_file() {
    let folder =
        Folder::new(&[("a.yaml", &plugin("a", &[("8443", "8080")])), ("g.yaml", &gateway(true, "ingressgateway"))]);
    let run = folder.run(&["check", "a.yaml", "g.yaml"]);
    assert_eq!(run.code, 0);
    assert!(run.out.contains("\ng.yaml:9:26: note: `httpsRedirect` is here\n"), "{}", run.out);
    assert!(run.out.ends_with("\na.yaml: 0 routes, 0 errors, 1 warning\n"), "{}", run.out);
    let alone = folder.run(&["check", "g.yaml"]);
    assert_eq!(alone.code, 1);
    assert!(alone.out.contains("there is no route table here"), "{}", alone.out);
}

#[test]
fn tables_overlap_if_they_share_a_host_a_path_and_a_gateway() {
    let base = |path: &'static str| ("basePath: /b", path);
    for (changes, overlap) in [
        (&[][..], false),
        (&[base("basePath: /a")], true),
        (&[base("basePath: /a/v2")], true),
        (&[base("basePath: /ab")], false),
        (&[base("denyDirect: false")], true),
        (&[base("basePath: /a"), ("api.example.com", "'*.example.com'")], true),
        (&[base("basePath: /a, onNoMatch: passThrough"), ("api.example.com", "'*'")], true),
        (&[base("basePath: /a"), ("api.example.com", "'*.api.example.com'")], false),
        (&[base("basePath: /a"), ("istio: ingressgateway", "istio: other")], false),
        (&[base("basePath: /a"), ("8443", "9443")], false),
    ] {
        let text = plugin("a", &[]) + "---\n" + &plugin("b", changes);
        expect(
            &text,
            if overlap { &["another table that may run in the same gateway serves api.example.com"] } else { &[] },
        );
    }
}

#[test]
fn an_overlap_names_both_files() {
    let other = plugin("b", &[("basePath: /b", "basePath: /a")]);
    let run = Folder::new(&[("a.yaml", &plugin("a", &[])), ("b.yaml", &other)]).run(&["check", "a.yaml", "b.yaml"]);
    assert_eq!(run.code, 0);
    assert!(run.out.starts_with("b.yaml:10:34: warning: another table"), "{}", run.out);
    assert!(run.out.contains("\na.yaml:10:34: note: the other table is here\n"), "{}", run.out);
}

#[test]
fn the_same_object_in_two_files_does_not_overlap_with_itself() {
    let text = plugin("a", &[]);
    expect(&(text.clone() + "---\n" + &text), &[]);
}

#[test]
fn the_size_is_that_of_the_object_as_json() {
    let routes = |count: usize| {
        let routes: String =
            (0..count).map(|index| format!("{{match: GET /{index:060}, host: a.example.com}}, ")).collect();
        ("routes: []", format!("routes: [{routes}]"))
    };
    for (count, words) in [(2_000, &[][..]), (4_000, &["--server-side"]), (20_000, &["error: the object has"])] {
        let (from, to) = routes(count);
        expect(&plugin("a", &[(from, &to)]), words);
    }
}
