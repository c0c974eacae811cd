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
         selector: {{istio: {app}}}\n  servers:\n  - port: {{number: 80}}\n    hosts: ['*']\n    tls: {{httpsRedirect: {redirect}}}\n  \
         - port: {{number: 443, protocol: HTTPS}}\n    hosts: ['*']\n"
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
        // The labels select other proxies.
        assert!(!check(&(plugin + &gateway(true, "other"))).1.join("").contains("`public` has"));
    }
    expect(&(plugin("a", &[]) + &gateway(true, "ingressgateway")), &[]);
}

#[test]
fn the_gateway_may_be_in_another_file() {
    let folder =
        Folder::new(&[("a.yaml", &plugin("a", &[("8443", "8080")])), ("g.yaml", &gateway(true, "ingressgateway"))]);
    let run = folder.run(&["check", "a.yaml", "g.yaml"]);
    assert_eq!(run.code, 0);
    assert!(run.out.contains("\ng.yaml:10:26: note: `httpsRedirect` is here\n"), "{}", run.out);
    assert!(run.out.ends_with("\na.yaml: 0 routes, 0 errors, 1 warning\n"), "{}", run.out);
    let alone = folder.run(&["check", "g.yaml"]);
    assert_eq!(alone.code, 1);
    assert!(alone.out.contains("there is no route table here"), "{}", alone.out);
}

/// Returns a Gateway with these servers: the port, the protocol, and the hosts.
fn servers(name: &str, servers: &[(u16, &str, &str)]) -> String {
    let servers: String = servers
        .iter()
        .map(|(port, protocol, hosts)| {
            format!("  - {{port: {{number: {port}, protocol: {protocol}}}, hosts: [{hosts}]}}\n")
        })
        .collect();
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\nspec:\n  \
         selector: {{istio: ingressgateway}}\n  servers:\n{servers}"
    )
}

const ROUTE: (&str, &str) =
    ("routes: []", "routes: [{match: GET /x, service: orders}], domain: example.com, namespace: shop");

#[test]
fn public_host_and_target_must_be_on_one_https_server() {
    const SPLIT: &[&str] = &["does not lead to orders.shop.example.com, so routed requests get 404"];
    for (gateways, words) in [
        (&[(443, "HTTPS", "api.example.com"), (443, "HTTPS", "'*.shop.example.com'")][..], SPLIT),
        (&[(443, "HTTPS", "api.example.com")], SPLIT),
        // Envoy takes the more specific server, although the other one has both hosts.
        (&[(443, "HTTPS", "'*'"), (443, "HTTPS", "api.example.com")], SPLIT),
        (&[(443, "HTTPS", "'*'"), (8443, "HTTPS", "api.example.com")], &[]),
        (&[(443, "HTTPS", "shop/api.example.com, './*.shop.example.com'")], &[]),
        (&[(443, "HTTPS", "'*.example.com'")], &[]),
        (&[(443, "HTTPS", "'*'")], &[]),
        // The other server is one of plain HTTP, or of another port.
        (&[(443, "HTTPS", "'*.example.com'"), (80, "HTTP", "'*'")], &[]),
        (&[(443, "HTTP", "api.example.com"), (443, "HTTP", "'*.shop.example.com'")], &[]),
        (&[(443, "HTTPS", "api.example.com, '*.shop.example.com'"), (8443, "HTTPS", "api.example.com")], &[]),
    ] {
        expect(&(plugin("a", &[ROUTE]) + &servers("public", gateways)), words);
    }
    // A target that is captured from the request is not known.
    let redirect = ("routes: []", "routes: [{match: GET /x, redirect: {to: /y}}]");
    expect(&(plugin("a", &[redirect]) + &servers("public", &[(443, "HTTPS", "api.example.com")])), &[]);
}

#[test]
fn the_services_are_bound_to_knatives_gateway() {
    let both = "api.example.com, '*.shop.example.com'";
    let own = servers("public", &[(443, "HTTPS", both)]);
    let knative =
        |servers_of: &[(u16, &str, &str)]| servers("knative-ingress-gateway, namespace: knative-serving", servers_of);
    let split = &["write both hosts in the `hosts` of one server, of the Gateway to which Knative binds"][..];
    expect(&(plugin("a", &[ROUTE]) + &own + &knative(&[(443, "HTTPS", "'*.shop.example.com'")])), split);
    expect(&(plugin("a", &[ROUTE]) + &knative(&[(443, "HTTPS", both)])), &[]);
    // Nobody knows whether Knative's HTTPS is elsewhere.
    expect(&(plugin("a", &[ROUTE]) + &own + &knative(&[(80, "HTTP", "'*'")])), &[]);
}

#[test]
fn the_gateways_have_the_host_the_port_and_the_selector() {
    let all = (443, "HTTPS", "'*.example.com'");
    expect(
        &(plugin("a", &[]) + &servers("public", &[(443, "HTTPS", "'*.other.com'")])),
        &["f.yaml:10:35: warning: no Gateway here has a server for api.example.com"],
    );
    expect(&(plugin("a", &[("api.example.com", "'*.com'")]) + &servers("public", &[all])), &[]);
    expect(
        &(plugin("a", &[("8443", "9443")]) + &servers("public", &[all])),
        &[
            "f.yaml:7:29: warning: no Gateway here has a server on port 9443, so the filter would not run there; write a port on \
           which the gateway's pod listens: 8443",
        ],
    );
    expect(
        &(plugin("a", &[("istio: ingressgateway", "istio: ingress")]) + &servers("public", &[all])),
        &["f.yaml:5:13: warning: none of the Gateways here runs on proxies with these labels"],
    );
    // Labels that may both be those of one proxy.
    expect(&(plugin("a", &[("istio: ingressgateway", "app: ingress")]) + &servers("public", &[all])), &[]);
    // Without a Gateway nothing is known.
    expect(&plugin("a", &[ROUTE]), &[]);
    let targets = ("selector: {matchLabels: {istio: ingressgateway}}", "targetRefs: [{kind: Gateway, name: public}]");
    expect(&(plugin("a", &[targets]) + &servers("public", &[(443, "HTTPS", "x.example.com")])), &[]);
}

/// Returns a Gateway of the Gateway API with these keys in its `spec`, and these listeners: the port, the protocol, and the
/// host.
fn listeners(more: &str, listeners: &[(u16, &str, &str)]) -> String {
    let listeners: String = listeners
        .iter()
        .map(|(port, protocol, host)| format!("  - {{port: {port}, protocol: {protocol}, hostname: {host}}}\n"))
        .collect();
    format!(
        "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: public, namespace: istio-system}}\n\
         spec:\n  {more}\n  listeners:\n{listeners}"
    )
}

#[test]
fn public_host_and_target_must_be_on_one_https_listener() {
    const SPLIT: &[&str] = &["write one HTTPS listener without `hostname`, or with one that covers both hosts"];
    const CLASS: &str = "gatewayClassName: istio";
    let targets = ("selector: {matchLabels: {istio: ingressgateway}}", "targetRefs: [{kind: Gateway, name: public}]");
    let attached = plugin("a", &[ROUTE, targets, ("8443", "443")]);
    for (gateway, words) in [
        (&[(443, "HTTPS", "api.example.com"), (443, "HTTPS", "'*.shop.example.com'")][..], SPLIT),
        (&[(443, "HTTPS", "''"), (443, "HTTPS", "api.example.com")], SPLIT),
        (&[(443, "HTTPS", "''")], &[]),
        (&[(443, "HTTPS", "'*.example.com'")], &[]),
        (&[(443, "HTTPS", "'*.example.net'")], &["write a listener without `hostname`"]),
        (&[(8080, "HTTP", "''")], &["no Gateway here has a server on port 443"]),
        (&[(9443, "HTTPS", "''")], &["write a port on which the gateway's pod listens: 9443"]),
    ] {
        expect(&(attached.clone() + &listeners(CLASS, gateway)), words);
    }
    // Another controller serves the Gateways of another class.
    let all = &[(443, "HTTPS", "'*.example.net'")][..];
    expect(&(attached.clone() + &listeners("gatewayClassName: nginx", all)), &[]);
    // The pods are not those that Istio deploys.
    let addressed = "gatewayClassName: istio\n  addresses: [{type: Hostname, value: gateway.istio-system.svc}]";
    let good = &[(443, "HTTPS", "''")][..];
    expect(&(attached + &listeners(addressed, good)), &["write `selector` with the labels of these pods"]);
    expect(&(plugin("a", &[ROUTE]) + &listeners(addressed, good)), &[]);
    expect(&(plugin("a", &[ROUTE]) + &listeners(addressed, &[(443, "HTTPS", "api.example.com")])), SPLIT);
    // A selector that does not select the pods which Istio deploys for the Gateway.
    expect(&(plugin("a", &[ROUTE]) + &listeners(CLASS, &[(443, "HTTPS", "api.example.com")])), &[]);
    let by_label = ("istio: ingressgateway", "gateway.networking.k8s.io/gateway-name: public");
    let selected = plugin("a", &[ROUTE, by_label, ("8443", "443")]);
    expect(&(selected.clone() + &listeners(CLASS, good)), &[]);
    expect(&(selected + &listeners(CLASS, &[(443, "HTTPS", "api.example.com")])), SPLIT);
}

#[test]
fn with_deny_direct_a_service_is_no_host() {
    let table = |host: &str, rest: &str| {
        format!(
            "{{hosts: [a.b], domain: example.com, namespace: shop, routes: [{{match: GET /, host: {host}}}]{rest}}}"
        )
    };
    for (host, words) in [
        (
            "orders.shop.example.com",
            &["routes[0].host: orders.shop.example.com is the host of a Knative Service, and with \
           `denyDirect` not all of Knative's probes of it pass; write `service: orders` in place of `host`"][..],
        ),
        ("x.billing.example.com", &["write `service: x` and `namespace: billing` in place of `host`"]),
        ("legacy.example.com", &[]),
        ("a.b.c.example.com", &[]),
        ("orders.shop.example.org", &[]),
    ] {
        expect(&table(host, ", denyDirect: true"), words);
        expect(&table(host, ""), &[]);
    }
    let dashes = ", denyDirect: true, hostTemplate: '{service}.{namespace}.fn.{domain}'";
    expect(&table("orders.shop.fn.example.com", dashes), &["write `service: orders` in place of"]);
    expect(&table("orders.shop.example.com", dashes), &[]);
}

#[test]
fn a_domain_mapping_of_a_public_host_needs_routes_for_its_probes() {
    let mapping =
        "---\napiVersion: serving.knative.dev/v1beta1\nkind: DomainMapping\nmetadata: {name: api.example.com}\n";
    let words = &["hosts[0]: api.example.com is the name of a DomainMapping too"][..];
    let table = |rest: &str| format!("{{hosts: [api.example.com], {rest}}}\n{mapping}");
    expect(&table("routes: []"), words);
    expect(&table("routes: [{match: GET /, host: c.d}]"), words);
    expect(&table("routes: [{match: 'ANY /{*rest}', host: c.d}, {match: GET /, host: c.d}]"), &[]);
    expect(&table("routes: [], onNoMatch: passThrough"), &[]);
    expect(&table("routes: [], basePath: /faas"), &[]);
    expect(&table("routes: []").replace("[api.example.com]", "['*.example.com']"), &[]);
}

#[test]
fn tables_of_a_defined_order_overlap_without_a_warning_if_the_first_is_narrower() {
    let priority = |number| ("failStrategy", format!("priority: {number}\n  failStrategy"));
    let pair = |first: u8, second: u8, changes: &[(&str, &str)]| {
        let (a, b) = (priority(first), priority(second));
        let nested = [("basePath: /b", "basePath: /a/v2"), (b.0, &*b.1)];
        plugin("a", &[(a.0, &*a.1)]) + "---\n" + &plugin("b", &[&nested, changes].concat())
    };
    let overlap = &["give the table with the longer `basePath` the higher `priority`"][..];
    expect(&pair(1, 2, &[]), &[]);
    expect(&pair(1, 1, &[]), overlap);
    expect(&pair(2, 1, &[]), overlap);
    expect(&pair(2, 1, &[("failStrategy", "phase: STATS\n  failStrategy")]), &[]);
    expect(&pair(2, 1, &[]).replacen("routes: []", "onNoMatch: passThrough, routes: []", 1), &[]);
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
