//! Where the configuration is found: in manifests of each kind, several to a file, in folders.

use crate::support::{Folder, GOOD, check};

/// A table whose only fault is the string `FAULT` as a host.
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

/// The one message must be about the host, at this line and column.
#[track_caller]
fn expect_fault_at(text: &str, line: usize, column: usize) {
    let (code, messages) = check(text);
    assert_eq!(code, 1, "{messages:?}");
    let beginning = format!("f.yaml:{line}:{column}: error: hosts[0]: \"FAULT !\"");
    assert!(messages.len() == 1 && messages[0].starts_with(&beginning), "{beginning}: {messages:?}");
}

#[test]
fn wasm_plugin_is_read() {
    expect_fault_at(&wasm_plugin("ksvc-router", FAULTY), 7, 13);
    let (_, messages) = check(&wasm_plugin("anything", FAULTY));
    assert!(messages.len() == 2 && messages[1].starts_with("f.yaml:7:13: error: hosts[0]: "), "{messages:?}");
}

#[test]
fn traffic_extension_is_read() {
    let head = "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\nmetadata: {name: x}\nspec:\n  wasm:\n    pluginConfig:\n";
    let foot = "    pluginName: ksvc-router\n    url: file:///plugin.wasm\n    failStrategy: FAIL_RELOAD\n  \
        targetRefs: [{kind: Gateway, name: public}]\n  match: [{ports: [{number: 443}]}]\n";
    expect_fault_at(&format!("{head}{}{foot}", indented(FAULTY, 6)), 7, 15);
}

/// Expects messages that begin so, each after `f.yaml:`, in this order, and no others.
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
fn envoy_filter_with_a_struct_is_told_and_read_all_the_same() {
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
fn what_the_table_decides_is_told_of_a_struct_too() {
    let table = indented(GOOD, 2);
    let text = envoy_filter(&format!("'@type': type.googleapis.com/google.protobuf.Struct\nvalue:\n{table}"));
    let folder = Folder::new(&[("f.yaml", &text)]);
    let run = folder.run(&["explain", "f.yaml", "GET", "https://api.example.com/faas/orders/42"]);
    assert!(run.code == 1 && run.out.contains("orders.shop.example.com"), "{}", run.out);
    assert!(run.err.starts_with("f.yaml:17:24: error: Envoy hands a "), "{}", run.err);
    assert!(folder.run(&["routes", "f.yaml"]).out.contains("/faas/orders/{id}"));
}

#[test]
fn ecds_document_with_a_struct_is_told() {
    let text = "resources:\n- '@type': type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig\n  name: x\n  \
        typed_config:\n    '@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n    config:\n      \
        vm_config: {}\n      configuration:\n        '@type': type.googleapis.com/google.protobuf.Struct\n        \
        value: {hosts: ['FAULT !'], routes: []}\n";
    expect(text, &["9:18: error: Envoy hands a `google.protobuf.Struct`", "10:25: error: hosts[0]: "]);
}

#[test]
fn configuration_of_no_type_and_of_other_types_is_told() {
    let value = format!("value:\n{}", indented(FAULTY, 2));
    expect(
        &envoy_filter(&value),
        &["17:15: error: Envoy takes no `configuration` without `@type`", "18:25: error: hosts[0]: "],
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
fn text_that_is_no_json_is_told_where_it_goes_wrong_and_read_all_the_same() {
    let block = |text: &str| envoy_filter(&format!("{STRING_VALUE}value: |\n{}", indented(text, 2)));
    let no_json = |at: &str| format!("{at}: error: the plugin gets this text as it is, and it is not JSON: ");
    expect(&block(FAULTY), &[&no_json("19:17"), "19:25: error: hosts[0]: "]);
    expect(
        &block("{\"name\": \"a\", \"hosts\": [\"FAULT !\"],\n \"routes\": [],\n}\n"),
        &["19:41: error: hosts[0]: ", &no_json("21:17")],
    );
    // What YAML can't read either is told once.
    expect(&block("{\"name\": \"ä\", \"hosts\": [\"a.b\", \"routes\": []}\n"), &[&no_json("19:56")]);
    expect(
        &envoy_filter(&format!("{STRING_VALUE}value: '{{\"hosts\": [\"a.b\"],}}'\n")),
        &[&no_json("18:22"), "18:22: error: `routes` is missing"],
    );
}

#[test]
fn envoy_filter_with_json_text_is_read_at_its_place() {
    let head = STRING_VALUE;
    let json = "{\"routes\": [],\n \"hosts\": [\"FAULT !\"]}\n";
    expect_fault_at(&envoy_filter(&format!("{head}value: |\n{}", indented(json, 2))), 20, 28);
    let tabs = indented("{\n\t\"routes\": [],\n\t\"hosts\": [\"FAULT !\"]\n}\n", 2);
    expect_fault_at(&envoy_filter(&format!("{head}value: |\n\n{tabs}")), 22, 28);
    // In a string of another style nothing inside can be pointed at.
    let quoted = "{\"hosts\": [\"FAULT !\"], \"routes\": []}";
    expect_fault_at(&envoy_filter(&format!("{head}value: '{quoted}'\n")), 18, 22);
}

#[test]
fn plugin_config_and_the_bare_configuration_are_read() {
    expect_fault_at(FAULTY, 1, 9);
    expect_fault_at(&format!("pluginConfig:\n{}", indented(FAULTY, 2)), 2, 11);
}

#[test]
fn every_document_and_every_item_of_a_list_is_read() {
    let text = format!("# nothing\n---\n{}---\nkind: ConfigMap\napiVersion: v1\n---\n{FAULTY}", GOOD);
    expect_fault_at(&text, 29, 9);
    let item = indented(&wasm_plugin("ksvc-router", FAULTY), 2);
    expect_fault_at(&format!("apiVersion: v1\nkind: List\nitems:\n-{}", &item[1..]), 10, 15);
}

#[test]
fn plugin_of_another_name_beside_ours_is_left_out() {
    let other = wasm_plugin("other", "anything: 1\n");
    let text = format!("{other}---\n{}", wasm_plugin("ksvc-router", FAULTY));
    expect_fault_at(&text, 19, 13);
}

#[test]
fn absent_configuration_is_an_error() {
    let plugin = |config| format!("kind: WasmPlugin\nspec:\n  pluginName: ksvc-router\n{config}");
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
fn file_without_a_configuration_is_an_error() {
    for text in
        ["", "# nothing\n", "kind: Deployment\napiVersion: apps/v1\n", "openapi: 3.1.0\npaths: {}\n", "just text\n"]
    {
        let (code, messages) = check(text);
        assert_eq!(code, 1);
        assert!(messages.len() == 1, "{text}: {messages:?}");
        assert!(
            messages[0].starts_with("f.yaml:1:1: error: no configuration of ksvc-router is in here"),
            "{messages:?}"
        );
    }
}

#[test]
fn of_a_folder_only_files_that_name_the_plugin_are_read() {
    let ours = wasm_plugin("ksvc-router", GOOD);
    let folder = Folder::new(&[
        ("manifests/a.yaml", &ours),
        ("manifests/deep/b.yml", &ours),
        ("manifests/other.yaml", &wasm_plugin("other", FAULTY)),
        ("manifests/bare.yaml", FAULTY),
        ("manifests/template.yaml", "{{ if .Values.x }}: ["),
        ("manifests/notes.txt", &ours),
    ]);
    let run = folder.run(&["check", "manifests"]);
    assert_eq!(
        (run.code, &*run.out),
        (0, "manifests/a.yaml: 6 routes, 0 errors, 0 warnings\nmanifests/deep/b.yml: 6 routes, 0 errors, 0 warnings\n")
    );
}

#[test]
fn folder_with_nothing_of_ours_is_an_error() {
    let run = Folder::new(&[("manifests/bare.yaml", FAULTY)]).run(&["check", "manifests"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("no file in here says `pluginName: ksvc-router`"), "{}", run.out);
}
