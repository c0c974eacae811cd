//! Where the configuration is found: in each kind of manifest, in files with several documents, in folders.

use crate::support::{Folder, GOOD, check};

/// A table with one error: the host `FAULT !`.
const FAULTY: &str = "hosts: ['FAULT !']\nroutes: []\n";

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect()
}

fn wasm_plugin(plugin_name: &str, config: &str) -> String {
    format!(
        "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: x}}\nspec:\n  \
         pluginName: {plugin_name}\n  pluginConfig:\n{}  url: file:///plugin.wasm\n  failStrategy: FAIL_RELOAD\n  \
         selector: {{matchLabels: {{istio: ingressgateway}}}}\n  match: [{{ports: [{{number: 8443}}]}}]\n",
        indented(config, 4)
    )
}

fn envoy_filter(configuration: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{name: x}}\nspec:\n  configPatches:\n  \
         - applyTo: HTTP_FILTER\n    patch:\n      operation: INSERT_BEFORE\n      value:\n        name: ksvc-router\n        \
         typed_config:\n          '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n          \
         config:\n            root_id: ksvc-router\n            vm_config: {{runtime: envoy.wasm.runtime.v8}}\n            \
         configuration:\n{}            failure_policy: FAIL_RELOAD\n    match: {{listener: {{portNumber: 8443, \
         filterChain: {{filter: {{subFilter: {{name: envoy.filters.http.cors}}}}}}}}}}\n  \
         workloadSelector: {{labels: {{istio: ingressgateway}}}}\n",
        indented(configuration, 14)
    )
}

/// Asserts that the only message is about the host, at this line and column.
#[track_caller]
fn expect_error_at(text: &str, line: usize, column: usize) {
    let (code, messages) = check(text);
    assert_eq!(code, 1, "{messages:?}");
    let beginning = format!("f.yaml:{line}:{column}: error: hosts[0]: \"FAULT !\"");
    assert!(messages.len() == 1 && messages[0].starts_with(&beginning), "{beginning}: {messages:?}");
}

#[test]
fn a_wasm_plugin_is_read() {
    expect_error_at(&wasm_plugin("ksvc-router", FAULTY), 7, 13);
    let (_, messages) = check(&wasm_plugin("anything", FAULTY));
    assert!(messages.len() == 2 && messages[1].starts_with("f.yaml:7:13: error: hosts[0]: "), "{messages:?}");
}

#[test]
fn a_traffic_extension_is_read() {
    let head = "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {name: x}\nspec:\n  wasm:\n    pluginConfig:\n";
    let foot = "    pluginName: ksvc-router\n    url: file:///plugin.wasm\n    failStrategy: FAIL_RELOAD\n  \
        targetRefs: [{kind: Gateway, name: public}]\n  match: [{ports: [{number: 443}]}]\n";
    expect_error_at(&format!("{head}{}{foot}", indented(FAULTY, 6)), 7, 15);
}

/// Asserts that the messages begin with these texts after `f.yaml:`, in this order, and that there are no others.
#[track_caller]
fn expect(text: &str, beginnings: &[&str]) {
    let (code, messages) = check(text);
    let fits = |(message, beginning): (&String, &&str)| message.strip_prefix("f.yaml:").unwrap().starts_with(beginning);
    assert!(
        messages.len() == beginnings.len() && messages.iter().zip(beginnings).all(fits),
        "expected {beginnings:#?}, got {messages:#?}"
    );
    assert_eq!(code, 1);
}

const STRING_VALUE: &str = "'@type': type.googleapis.com/google.protobuf.StringValue\n";

#[test]
fn an_envoy_filter_with_a_struct_is_reported_and_its_table_is_read() {
    let configuration = format!("'@type': type.googleapis.com/google.protobuf.Struct\nvalue:\n{}", indented(FAULTY, 2));
    let text = envoy_filter(&configuration);
    expect(
        &text,
        &["17:24: error: Envoy hands a `google.protobuf.Struct` to the plugin in", "19:25: error: hosts[0]: "],
    );
    let run = Folder::new(&[("f.yaml", &text)]).run(&["check", "f.yaml"]);
    assert!(run.out.contains("; write `type.googleapis.com/google.protobuf.StringValue`, and below `value: |`"));
}

#[test]
fn explain_and_routes_work_on_a_struct_too() {
    let table = indented(GOOD, 2);
    let text = envoy_filter(&format!("'@type': type.googleapis.com/google.protobuf.Struct\nvalue:\n{table}"));
    let folder = Folder::new(&[("f.yaml", &text)]);
    let run = folder.run(&["explain", "f.yaml", "GET", "https://api.example.com/faas/orders/42"]);
    assert!(run.code == 1 && run.out.contains("orders.shop.example.com"), "{}", run.out);
    assert!(run.err.starts_with("f.yaml:17:24: error: Envoy hands a "), "{}", run.err);
    assert!(folder.run(&["routes", "f.yaml"]).out.contains("/faas/orders/{id}"));
}

#[test]
fn an_ecds_document_with_a_struct_is_reported() {
    let text = "resources:\n- '@type': type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig\n  name: x\n  \
        typed_config:\n    '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n    config:\n      \
        vm_config: {}\n      configuration:\n        '@type': type.googleapis.com/google.protobuf.Struct\n        \
        value: {hosts: ['FAULT !'], routes: []}\n";
    expect(text, &["9:18: error: Envoy hands a `google.protobuf.Struct`", "10:25: error: hosts[0]: "]);
}

#[test]
fn a_configuration_of_another_type_or_none_is_reported() {
    let value = format!("value:\n{}", indented(FAULTY, 2));
    expect(
        &envoy_filter(&value),
        &["17:15: error: Envoy does not accept `configuration` without `@type`", "18:25: error: hosts[0]: "],
    );
    expect(
        &envoy_filter(&format!("{STRING_VALUE}{value}")),
        &["19:17: error: a StringValue holds text", "19:25: error: hosts[0]: "],
    );
    expect(
        &envoy_filter("'@type': type.googleapis.com/google.protobuf.BytesValue\nvalue: eyJob3N0cyI6W119\n"),
        &["17:24: error: a BytesValue holds base64"],
    );
}

#[test]
fn text_that_is_not_json_is_reported_at_its_position_and_its_table_is_read() {
    let block = |text: &str| envoy_filter(&format!("{STRING_VALUE}value: |\n{}", indented(text, 2)));
    let not_json = |at: &str| format!("{at}: error: the plugin gets this text as it is, and it is not JSON: ");
    expect(&block(FAULTY), &[&not_json("19:17"), "19:25: error: hosts[0]: "]);
    expect(
        &block("{\"name\": \"a\", \"hosts\": [\"FAULT !\"],\n \"routes\": [],\n}\n"),
        &["19:41: error: hosts[0]: ", &not_json("21:17")],
    );
    // Text that is not YAML either is reported once.
    expect(&block("{\"name\": \"ä\", \"hosts\": [\"a.b\", \"routes\": []}\n"), &[&not_json("19:56")]);
    expect(
        &envoy_filter(&format!("{STRING_VALUE}value: '{{\"hosts\": [\"a.b\"],}}'\n")),
        &[&not_json("18:22"), "18:22: error: `routes` is missing"],
    );
}

#[test]
fn errors_in_the_json_text_of_an_envoy_filter_have_their_position() {
    let head = STRING_VALUE;
    let json = "{\"routes\": [],\n \"hosts\": [\"FAULT !\"]}\n";
    expect_error_at(&envoy_filter(&format!("{head}value: |\n{}", indented(json, 2))), 20, 28);
    let tabs = indented("{\n\t\"routes\": [],\n\t\"hosts\": [\"FAULT !\"]\n}\n", 2);
    expect_error_at(&envoy_filter(&format!("{head}value: |\n\n{tabs}")), 22, 28);
    // Positions inside a string of another style are unknown.
    let quoted = "{\"hosts\": [\"FAULT !\"], \"routes\": []}";
    expect_error_at(&envoy_filter(&format!("{head}value: '{quoted}'\n")), 18, 22);
}

#[test]
fn a_plugin_config_and_a_bare_configuration_are_read() {
    expect_error_at(FAULTY, 1, 9);
    expect_error_at(&format!("pluginConfig:\n{}", indented(FAULTY, 2)), 2, 11);
}

#[test]
fn every_document_and_every_item_of_a_list_is_read() {
    let text = format!("# nothing\n---\n{}---\nkind: ConfigMap\napiVersion: v1\n---\n{FAULTY}", GOOD);
    expect_error_at(&text, 29, 9);
    let item = indented(&wasm_plugin("ksvc-router", FAULTY), 2);
    expect_error_at(&format!("apiVersion: v1\nkind: List\nitems:\n-{}", &item[1..]), 10, 15);
}

#[test]
fn keys_and_types_of_a_wasm_plugin_are_those_of_istio() {
    let match_ports = "match: [{ports: [{number: 8443}]}]";
    let good = wasm_plugin("ksvc-router", "hosts: [a.example.com]\nroutes: []\n");
    assert_eq!(check(&good), (0, vec![]));
    for (from, to, beginning) in [
        (
            "failStrategy",
            "failstrategy",
            "10:3: error: spec.failstrategy: unknown key `failstrategy`; did you mean `failStrategy`?",
        ),
        (
            match_ports,
            "match: [{port: [{number: 8443}]}]",
            "12:12: error: spec.match[0].port: unknown key `port`; did you mean `ports`?",
        ),
        (match_ports, "match: {ports: [{number: 8443}]}", "12:10: error: spec.match: expected a list, found an object"),
        (
            "number: 8443",
            "number: \"8443\"",
            "12:29: error: spec.match[0].ports[0].number: expected a whole number from 1 to 65535, found the string \"8443\"; write it without quotes",
        ),
        (
            "number: 8443",
            "number: 70000",
            "12:29: error: spec.match[0].ports[0].number: expected a whole number from 1 to 65535",
        ),
        (
            "{number: 8443}",
            "{}",
            "12:20: error: spec.match[0].ports[0]: `number` is missing; write the number of the port",
        ),
        (
            "istio: ingressgateway",
            "istio: true",
            "11:35: error: spec.selector.matchLabels.istio: expected a string, found the boolean true; write it in quotes",
        ),
        (
            "matchLabels",
            "labels",
            "11:14: error: spec.selector.labels: unknown key `labels`; the keys here are `matchLabels`",
        ),
        (
            "{matchLabels: {istio: ingressgateway}}",
            "ingressgateway",
            "11:13: error: spec.selector: expected an object, found the string",
        ),
        (
            match_ports,
            "match: [{ports: [{number: 8443}]}]\n  priority: high",
            "13:13: error: spec.priority: expected a whole number",
        ),
        (
            match_ports,
            "match: [{ports: [{number: 8443}]}]\n  phase: AUTH",
            "13:10: error: spec.phase: \"AUTH\" is not a choice here; did you mean `AUTHN`?",
        ),
        (
            match_ports,
            "match: [{ports: [{number: 8443}]}]\n  imagePullPolicy: Never",
            "13:20: error: spec.imagePullPolicy: \"Never\" is not a choice here; the choices are",
        ),
        (
            match_ports,
            "match: [{ports: [{number: 8443}]}]\n  vmConfig: {env: [{value: x}]}",
            "13:20: error: spec.vmConfig.env[0]: `name` is missing",
        ),
        (
            match_ports,
            "match: [{ports: [{number: 8443}]}]\n  matchLabels: {}",
            "13:3: error: spec.matchLabels: unknown key `matchLabels`; write it below `spec.selector`",
        ),
        ("  url: file:///plugin.wasm\n", "", "5:3: error: spec: `url` is missing; write where the module is: `oci://`"),
        (
            "extensions.istio.io/v1alpha1",
            "extensions.istio.io/v1",
            "1:13: error: apiVersion: the string \"extensions.istio.io/v1\" is no version of a WasmPlugin; write `extensions.istio.io/v1alpha1`",
        ),
        (
            "apiVersion: extensions.istio.io/v1alpha1\n",
            "",
            "1:1: error: `apiVersion` is missing; write the version of the kind",
        ),
        ("metadata", "meta", "3:1: error: meta: unknown key `meta`; the keys here are"),
    ] {
        let (_, found) = check(&good.replacen(from, to, 1));
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("f.yaml:{beginning}")),
            "{to}: expected {beginning}, got {found:#?}"
        );
    }
}

#[test]
fn without_spec_there_is_one_error() {
    let text =
        wasm_plugin("ksvc-router", "hosts: [a.example.com]\nroutes: []\n").replace("spec:\n", "").replace("\n  ", "\n");
    let (_, messages) = check(&text);
    assert!(messages.len() == 1 && messages[0].contains("`spec` is missing"), "{messages:#?}");
}

/// Asserts that a manifest has this one error.
#[track_caller]
fn expect_one(text: &str, beginning: &str) {
    let (code, messages) = check(text);
    assert!(
        code == 1 && messages.len() == 1 && messages[0].starts_with(&format!("f.yaml:{beginning}")),
        "{text}expected {beginning}, got {messages:#?}"
    );
}

#[test]
fn one_mistake_in_the_form_is_one_error() {
    let good = wasm_plugin("ksvc-router", "hosts: [a.example.com]\nroutes: []\n");
    // The table under a wrong key, or beside `spec`.
    expect_one(
        &good.replace("pluginConfig", "config"),
        "6:3: error: unknown key `config`; did you mean `pluginConfig`?",
    );
    let table = "  pluginConfig:\n    hosts: [a.example.com]\n    routes: []\n";
    let beside = good.replace(table, "") + &table.replace("\n  ", "\n")[2..];
    expect_one(&beside, "10:1: error: unknown key `pluginConfig`; write it below `spec`");
    expect_one(
        &good.replace("kind: WasmPlugin", "kind: WasmPlugins"),
        "2:7: error: kind: the string \"WasmPlugins\" is no kind",
    );
    expect_one(&good.replace("kind: WasmPlugin\n", ""), "1:1: error: `kind` is missing");
    expect_one(
        &good.replace(" file:///plugin.wasm", ""),
        "9:3: error: spec: `url` has no value; write where the module is",
    );
    let extension = "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {name: x}\nspec:\n  \
        pluginName: ksvc-router\n  url: file:///x\n  pluginConfig: {hosts: [a.b], routes: []}\n";
    expect_one(
        extension,
        "5:3: error: spec.pluginName: unknown keys `pluginName`, `url`, `pluginConfig`; write them below `spec.wasm`",
    );
}

#[test]
fn the_form_of_a_manifest_fails_only_check() {
    let text =
        wasm_plugin("ksvc-router", GOOD).replace("file:///plugin.wasm", "s3://x").replace("failStrategy", "fail");
    let folder = Folder::new(&[("f.yaml", &text)]);
    assert_eq!(folder.run(&["check", "f.yaml"]).code, 1);
    assert_eq!(folder.run(&["routes", "f.yaml"]).code, 0);
    assert_eq!(folder.run(&["explain", "f.yaml", "GET", "https://api.example.com/faas/ping"]).code, 0);
}

#[test]
fn a_plugin_of_another_name_beside_ours_is_ignored() {
    let other = wasm_plugin("other", "anything: 1\n");
    let text = format!("{other}---\n{}", wasm_plugin("ksvc-router", FAULTY));
    expect_error_at(&text, 19, 13);
}

#[test]
fn a_missing_configuration_is_an_error() {
    let plugin = |config| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nspec:\n  pluginName: ksvc-router\n  url: r.example.com/x\n{config}"
        )
    };
    let empty = ["", "  pluginConfig:\n", "  pluginConfig: null\n"].map(plugin);
    let empty_text =
        ["", "value:\n", "value: ''\n", "value: |\n"].map(|value| envoy_filter(&format!("{STRING_VALUE}{value}")));
    for text in empty.into_iter().chain(empty_text) {
        let (code, messages) = check(&text);
        let errors: Vec<_> = messages.iter().filter(|message| message.contains(": error: ")).collect();
        assert_eq!(code, 1);
        assert!(errors.len() == 1 && errors[0].contains("the configuration is empty"), "{messages:?}");
    }
}

#[test]
fn a_file_without_a_configuration_is_an_error() {
    for text in
        ["", "# nothing\n", "kind: Deployment\napiVersion: apps/v1\n", "openapi: 3.1.0\npaths: {}\n", "just text\n"]
    {
        let (code, messages) = check(text);
        assert_eq!(code, 1);
        assert!(messages.len() == 1, "{text}: {messages:?}");
        assert!(
            messages[0].starts_with("f.yaml:1:1: error: this file has no configuration of ksvc-router"),
            "{messages:?}"
        );
    }
}

#[test]
fn files_without_a_table_are_skipped_and_counted_in_folders_and_when_named() {
    let ours = wasm_plugin("ksvc-router", GOOD);
    let files = [
        ("manifests/a.yaml", &*ours),
        ("manifests/deep/b.yml", &ours),
        ("manifests/other.yaml", &wasm_plugin("other", "hosts: [a.example.com]\n")),
        ("manifests/deployment.yaml", "kind: Deployment\napiVersion: apps/v1\n"),
        ("manifests/template.yaml", "{{ if .Values.x }}: [\n  hosts: {{ .Values.hosts }}\n"),
        ("manifests/values.json", "{\"replicas\": 1}"),
        ("manifests/notes.txt", &ours),
    ];
    let folder = Folder::new(&files);
    let summaries = "manifests/a.yaml: 6 routes, 0 errors, 0 warnings\nmanifests/deep/b.yml: 6 routes, 0 errors, 0 warnings\n\
        4 files without a table skipped\n";
    let run = folder.run(&["check", "manifests"]);
    assert_eq!((run.code, &*run.out), (0, summaries));
    let mut args = vec!["check"];
    args.extend(files.iter().map(|(name, _)| *name).filter(|name| !name.ends_with(".txt")));
    let run = folder.run(&args);
    assert_eq!((run.code, &*run.out), (0, summaries));
}

/// Each of these is meant as a table of this filter, although nothing says so well.
#[test]
fn a_broken_table_without_a_name_is_not_skipped() {
    let nameless = |config: &str| wasm_plugin("x", config).replace("  pluginName: x\n", "");
    for (text, words) in [
        (FAULTY.to_owned(), "\"FAULT !\""),
        ("routes: GET /a\n".to_owned(), "routes: expected a list"),
        (nameless("rotues: [{match: GET /a, host: a.b}]\n"), "unknown key `rotues`; did you mean `routes`?"),
        (nameless("- match: GET /a\n  host: a.b\n"), "expected an object with `hosts` and `routes`, found a list"),
        (nameless("x").replace("pluginConfig:\n    x\n", "pluginConfig: \"hosts: [a.b]\"\n"), "found the string"),
        (nameless(GOOD).replace("pluginConfig", "pluginconfig"), "did you mean `pluginConfig`?"),
        ("pluginConfig: [\n".to_owned(), "this is not YAML"),
        ("  pluginConfig: {a: b: c}\n".to_owned(), "YAML reads this value differently without quotes"),
        ("hosts: [a.b\nroutes: []\n".to_owned(), "the `]` that closes this bracket is missing; write `hosts: [a.b]`"),
        ("{\n  \"hosts\": [\"a.b\"\n  \"routes\": []\n}\n".to_owned(), "this is not JSON: expected `,` or `]`"),
        ("# for ksvc-router\na: [\n".to_owned(), "this is not YAML"),
    ] {
        let run = Folder::new(&[("m/f.yaml", &text), ("m/ok.yaml", GOOD)]).run(&["check", "m"]);
        assert_eq!(run.code, 1, "{text}{}", run.out);
        assert!(run.out.starts_with("m/f.yaml:") && run.out.contains(words), "{text}{}", run.out);
    }
}

/// Other filters and programs have lists and objects too.
#[test]
fn the_configuration_of_another_filter_is_skipped() {
    let nameless = |config: &str| wasm_plugin("x", config).replace("  pluginName: x\n", "");
    for text in [
        nameless("basic_auth_rules: [{prefix: /x, request_methods: [GET], credentials: ['a:b']}]\n"),
        nameless("rules: [{match: x}]\nports: [80]\nroles: [admin]\n"),
        nameless("directives_map: {default: [Include @demo-conf]}\n"),
        nameless("name: x\nnamespace: y\ndomain: z\nbasePath: /x\ncors: {}\n"),
        nameless("host: a.b\n"),
        wasm_plugin("oidc", "hosts: [a.b]\nclient: x\n"),
        "swagger: '2.0'\nhost: a.b\nbasePath: /v1\npaths: {}\n".to_owned(),
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nspec: {hosts: [a.b], http: []}\n".to_owned(),
        "- hosts: all\n  tasks: []\n".to_owned(),
        "ingress:\n  hosts: {{ .Values.hosts }}\n".to_owned(),
        "    pluginConfig: {{ toYaml .Values.config }}\n  pluginName: other\n".to_owned(),
    ] {
        let run = Folder::new(&[("m/f.yaml", &text), ("m/ok.yaml", GOOD)]).run(&["check", "m"]);
        assert_eq!(
            (run.code, &*run.out),
            (0, "m/ok.yaml: 6 routes, 0 errors, 0 warnings\n1 file without a table skipped\n"),
            "{text}"
        );
    }
}

#[test]
fn nothing_to_check_is_an_error() {
    let folder = Folder::new(&[("m/a.yaml", "a: 1\n"), ("m/b.yaml", "kind: Deployment\napiVersion: apps/v1\n")]);
    for args in [&["check", "m"][..], &["check", "m/a.yaml", "m/b.yaml"]] {
        let run = folder.run(args);
        assert_eq!(run.code, 1);
        assert!(run.out.contains("no file here has a table of ksvc-router (skipped files: 2)"), "{}", run.out);
    }
    let explained = folder.run(&["explain", "m", "GET", "https://a.b/"]);
    assert_eq!((explained.code, explained.err.matches("error").count()), (1, 1), "{}", explained.err);
    let run = Folder::new(&[("m/readme.txt", "")]).run(&["check", "m"]);
    let expected = "m:1:1: error: there is no file here that ends in .yaml, .yml or .json [no-table]\n";
    assert!(run.code == 1 && run.out.starts_with(expected), "{}", run.out);
    // A file that can't be read may have been the table.
    let folder = Folder::new(&[("m/a.yaml", "a: 1\n"), ("m/b.yaml", "a: [\n")]);
    assert!(folder.run(&["check", "m"]).out.starts_with("m/b.yaml:2:1: error: this is not YAML"));
}

#[test]
fn a_misspelt_plugin_config_is_one_error_at_its_own_line_and_its_table_is_read() {
    for key in ["pluginconfig", "plugin_config", "PluginConfig", "pluginCofnig"] {
        let text = wasm_plugin("ksvc-router", FAULTY).replace("pluginConfig", key);
        let (_, messages) = check(&text);
        let misspelt = format!("f.yaml:6:3: error: unknown key `{key}`; did you mean `pluginConfig`?");
        assert!(
            messages.len() == 2 && messages[0].starts_with(&misspelt) && messages[1].contains("hosts[0]"),
            "{messages:#?}"
        );
    }
}

/// The shipped files have placeholders for digests, and no other error.
#[test]
fn the_shipped_manifests_have_only_placeholders() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    for (file, expected) in [("wasm-plugin.yaml", 1), ("envoyfilter/remote.yaml", 1), ("envoyfilter/local.yaml", 0)] {
        let run = Folder::new(&[]).run(&["check", &format!("{root}{file}"), "--format", "json"]);
        let codes: Vec<String> =
            run.json().as_array().unwrap().iter().map(|message| message["code"].as_str().unwrap().to_owned()).collect();
        assert_eq!(codes, vec!["placeholder-digest"; expected], "{file}");
    }
}
