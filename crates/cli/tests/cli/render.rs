//! `render`: manifests for the gateways, which `check` reads as the same tables.

use ksvc_router_cli::load::from_named;
use ksvc_router_cli::render::Platform;
use ksvc_router_cli::source::Source;
use serde_json::json;

use crate::support::{Folder, GOOD};

/// Every value of `--as`.
const PLATFORMS: [&str; 6] =
    ["wasm-plugin", "envoy-filter", "traffic-extension", "envoy-ecds", "envoy-gateway", "higress"];

const IMAGE: &str =
    "oci://registry.example.com/ksvc-router@sha256:55e2d3b3a1f0c2d4e6f8091a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e";

/// Returns the text that reaches the plugin for each table of a manifest.
fn delivered(text: &str) -> Vec<serde_json::Value> {
    let loaded = from_named(&Source::new("rendered", text));
    assert!(loaded.messages.is_empty(), "{:?}\n{text}", loaded.messages);
    loaded.configurations.iter().map(|table| serde_json::from_slice(&table.delivered()).unwrap()).collect()
}

#[test]
fn every_manifest_passes_check_and_has_the_table() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for platform in PLATFORMS {
        let run = folder.run(&["render", "f.yaml", "--as", platform, "--image", IMAGE]);
        assert_eq!(run.code, 0, "{}", run.err);
        assert_eq!(delivered(&run.out), delivered(GOOD), "{platform}");
        let check = folder.run_with_input(&["check", "-"], &run.out);
        assert_eq!(
            (check.code, &*check.out),
            (0, "<stdin>: 6 routes, 0 errors, 0 warnings\n"),
            "{platform}\n{}",
            run.out
        );
    }
}

#[test]
fn without_an_image_check_refuses_every_manifest() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for platform in PLATFORMS {
        let run = folder.run(&["render", "f.yaml", "--as", platform]);
        assert_eq!(run.code, 0, "{}", run.err);
        assert!(run.err.contains("[placeholder-module]"), "{platform}: {}", run.err);
        let check = folder.run_with_input(&["check", "-"], &run.out);
        assert_eq!(check.code, 1, "{platform}: {}", run.out);
        assert!(check.out.contains("[placeholder-digest]"), "{platform}: {}", check.out);
    }
}

/// A manifest of one platform is the input for every other one.
#[test]
fn a_manifest_of_any_platform_can_be_rendered_for_any_other() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for from in PLATFORMS {
        let first = folder.run(&["render", "f.yaml", "--as", from, "--image", IMAGE]).out;
        for to in PLATFORMS {
            let run = folder.run_with_input(&["render", "-", "--as", to], &first);
            assert_eq!(run.code, 0, "{from} to {to}: {}", run.err);
            assert_eq!(delivered(&run.out), delivered(GOOD), "{from} to {to}");
            if from == to {
                let body = |text: &str| text.split_once('\n').unwrap().1.to_owned();
                assert_eq!(body(&run.out), body(&first), "{from}");
            }
        }
    }
}

#[test]
fn a_manifest_keeps_its_settings_and_options_win() {
    let plugin = format!(
        "apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {{name: shop, namespace: edge}}
spec:
  selector: {{matchLabels: {{app: gateway}}}}
  match: [{{ports: [{{number: 9443}}, {{number: 9444}}]}}]
  priority: 7
  phase: STATS
  pluginName: ksvc-router
  url: {IMAGE}
  imagePullPolicy: Always
  imagePullSecret: registry
  failStrategy: FAIL_OPEN
  pluginConfig: {{hosts: [a.b], routes: [{{match: GET /a, host: c.d}}]}}
"
    );
    let folder = Folder::new(&[("f.yaml", &plugin)]);
    let run = folder.run(&["render", "f.yaml", "--as", "traffic-extension", "--format", "json"]);
    assert_eq!((run.code, &*run.err), (0, ""));
    assert_eq!(
        run.json(),
        json!({
            "apiVersion": "extensions.istio.io/v1alpha1",
            "kind": "TrafficExtension",
            "metadata": {"name": "shop", "namespace": "edge"},
            "spec": {
                "selector": {"matchLabels": {"app": "gateway"}},
                "phase": "STATS",
                "priority": 7,
                "match": [{"ports": [{"number": 9443}, {"number": 9444}]}],
                "wasm": {
                    "pluginName": "ksvc-router",
                    "url": IMAGE,
                    "imagePullPolicy": "Always",
                    "imagePullSecret": "registry",
                    "failStrategy": "FAIL_OPEN",
                    "pluginConfig": {"hosts": ["a.b"], "routes": [{"match": "GET /a", "host": "c.d"}]},
                },
            },
        })
    );
    let other = IMAGE.replace("registry", "mirror");
    let options = ["--image", &other, "--name", "b", "--namespace", "c", "--gateway", "public", "--port", "443"];
    let run = folder.run(&[&["render", "f.yaml", "--as", "wasm-plugin", "--format", "json"][..], &options].concat());
    let object = run.json();
    assert_eq!(object["metadata"], json!({"name": "b", "namespace": "c"}));
    assert_eq!(object["spec"]["url"], other);
    assert_eq!(object["spec"]["match"], json!([{"ports": [{"number": 443}]}]));
    assert_eq!(object["spec"]["targetRefs"][0]["name"], "public");
    assert_eq!(object["spec"]["selector"], json!(null), "`selector` beside `targetRefs` is refused by the API server");
}

#[test]
fn what_a_platform_lacks_is_said_with_its_place() {
    let plugin = format!(
        "kind: WasmPlugin
spec:
  match: [{{ports: [{{number: 8443}}]}}]
  phase: AUTHN
  pluginName: ksvc-router
  url: {IMAGE}
  failStrategy: FAIL_RELOAD
  pluginConfig: {{hosts: [a.b], routes: [{{match: GET /a, host: c.d}}]}}
  unheardOf: 1
"
    );
    let folder = Folder::new(&[("f.yaml", &plugin)]);
    let run = folder.run(&["render", "f.yaml", "--as", "envoy-gateway", "--gateway", "a", "--namespace", "b"]);
    for expected in [
        "f.yaml:3:10: warning: an EnvoyExtensionPolicy has no place for ports",
        "f.yaml:4:10: warning: an EnvoyExtensionPolicy has no place for the phase `AUTHN`",
        "f.yaml:7:17: warning: an EnvoyExtensionPolicy has no place for `FAIL_RELOAD`",
        "f.yaml:9:3: warning: `spec.unheardOf` is not carried over",
    ] {
        assert!(run.err.contains(expected), "{expected}\n{}", run.err);
    }
    assert_eq!(run.err.matches("warning: ").count(), 4, "{}", run.err);
}

#[test]
fn several_tables_become_several_objects_with_names_of_their_own() {
    let tables =
        format!("{GOOD}---\n{}---\n{}", GOOD.replace("/faas", "/b"), GOOD.replace("/faas", "/c") + "name: c\n");
    let folder = Folder::new(&[("f.yaml", &tables)]);
    let run = folder.run(&["render", "f.yaml", "--as", "wasm-plugin", "--image", IMAGE, "--format", "json"]);
    let list = run.json();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].clone()).collect();
    assert_eq!(
        (list["kind"].as_str(), names),
        (Some("List"), vec![json!("ksvc-router"), json!("ksvc-router-2"), json!("ksvc-router-c")])
    );
    for platform in PLATFORMS {
        let run = folder.run(&["render", "f.yaml", "--as", platform, "--image", IMAGE]);
        assert_eq!(delivered(&run.out), delivered(&tables), "{platform}");
        assert_eq!(run.out, folder.run(&["render", "f.yaml", "--as", platform, "--image", IMAGE]).out);
    }
}

/// Every output of `import` begins with its table, at the first character of the file.
#[test]
fn options_that_a_platform_lacks_are_named_for_a_table_at_the_beginning() {
    let folder = Folder::new(&[("f.yaml", GOOD.trim_start())]);
    for (platform, options, expected) in [
        ("higress", &["--port", "9000", "--selector", "a=b"][..], &["`--port`", "`--selector`"][..]),
        ("higress", &["--gateway", "public"], &["`--gateway`"]),
        ("envoy-ecds", &["--port", "9000", "--gateway", "a"], &["`--port`", "`--gateway`"]),
        ("envoy-gateway", &["--port", "9000", "--selector", "a=b"], &["`--port`", "`--selector`"]),
    ] {
        let args = [&["render", "f.yaml", "--as", platform, "--image", IMAGE][..], options].concat();
        let run = folder.run(&args);
        for option in expected {
            let words = format!("has no place for {option}, so it is left out");
            assert!(run.err.contains(&words), "{args:?}: {words}\n{}", run.err);
        }
        // The defaults of the same settings are no wish of the user.
        let run = folder.run(&args[..6]);
        assert!(!run.err.contains("labels") && !run.err.contains("place for ports"), "{}", run.err);
    }
}

/// What a platform has no place for can't be in its manifest, so the other platform's default stands for it.
#[test]
fn defaults_stand_for_what_the_file_s_own_platform_has_no_place_for() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    let json = |from: &str, args: &[&str]| {
        let input = folder.run(&["render", "f.yaml", "--as", from, "--image", IMAGE]).out;
        folder.run_with_input(&[&["render", "-", "--format", "json", "--as"], args].concat(), input).json()
    };
    for to in ["wasm-plugin", "traffic-extension", "envoy-filter"] {
        let bare = folder.run(&["render", "f.yaml", "--as", to, "--image", IMAGE, "--format", "json"]).json();
        assert_eq!(json("higress", &[to]), bare, "{to}");
        let object = json("higress", &[to, "--port", "9000", "--namespace", "a", "--selector", "a=b"]);
        assert_eq!(object["metadata"]["namespace"], "a");
        assert!(object.to_string().contains("9000") && !object.to_string().contains("8443"), "{object}");
    }
    let plugin = json("envoy-gateway", &["wasm-plugin"]);
    assert_eq!(plugin["spec"]["match"], json!([{"ports": [{"number": 443}]}]));
    assert_eq!(plugin["spec"]["selector"], json!(null));
    assert_eq!(plugin["spec"]["failStrategy"], "FAIL_RELOAD");
    let plugin = json("envoy-gateway", &["wasm-plugin", "--selector", "a=b"]);
    assert_eq!(plugin["spec"]["match"], json!([{"ports": [{"number": 8443}]}]));
    // What the user can have meant is kept.
    let open =
        folder.run(&["render", "f.yaml", "--as", "higress", "--image", IMAGE]).out.replace("FAIL_CLOSE", "FAIL_OPEN");
    let run = folder.run_with_input(&["render", "-", "--format", "json", "--as", "wasm-plugin"], open);
    assert_eq!(run.json()["spec"]["failStrategy"], "FAIL_OPEN");
}

#[test]
fn the_name_of_a_listener_is_not_lost_in_silence() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    let policy = folder.run(&["render", "f.yaml", "--as", "envoy-gateway", "--image", IMAGE, "--gateway", "a"]).out;
    let policy = policy.replace("    name: a\n", "    name: a\n    sectionName: https\n");
    assert!(policy.contains("sectionName"), "{policy}");
    let run = folder.run_with_input(&["render", "-", "--as", "wasm-plugin"], &policy);
    assert!(run.err.contains("has no place for `sectionName`"), "{}", run.err);
    for args in
        [&["render", "-", "--as", "wasm-plugin", "--port", "443"][..], &["render", "-", "--as", "envoy-gateway"]]
    {
        let run = folder.run_with_input(args, &policy);
        assert!(!run.err.contains("sectionName"), "{args:?}: {}", run.err);
    }
}

/// The advice of a message leads to a manifest that `check` accepts.
#[test]
fn a_module_is_named_in_a_form_for_which_the_manifest_has_a_place() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    let web = "https://example.com/plugin.wasm";
    let digest = "5e".repeat(32);
    for platform in PLATFORMS {
        let err = folder.run(&["render", "f.yaml", "--as", platform]).err;
        let is_envoys = matches!(platform, "envoy-filter" | "envoy-ecds");
        assert_eq!(
            err.contains("--image file:///PATH` or `--image https://HOST/PATH@sha256:DIGEST`"),
            is_envoys,
            "{err}"
        );
        assert_eq!(err.contains("--image oci://HOST/NAME@sha256:DIGEST`"), !is_envoys, "{err}");
        if !is_envoys {
            continue;
        }
        // Envoy refuses a download without a digest.
        let run = folder.run(&["render", "f.yaml", "--as", platform, "--image", web]);
        assert!(run.err.contains("has no digest, which Envoy requires"), "{}", run.err);
        assert!(run.out.contains(&"0".repeat(64)), "{}", run.out);
        assert_eq!(folder.run_with_input(&["check", "-"], &run.out).code, 1);
        let run = folder.run(&["render", "f.yaml", "--as", platform, "--image", &format!("{web}@sha256:{digest}")]);
        assert!(!run.err.contains("[placeholder-module]") && run.out.contains(&digest), "{}", run.err);
        // An option replaces the digest of the same file too.
        let other = "6f".repeat(32);
        let args = ["render", "-", "--as", platform, "--image", &format!("{web}@sha256:{other}")];
        let again = folder.run_with_input(&args, &run.out).out;
        assert!(again.contains(&other) && !again.contains(&digest), "{again}");
    }
}

#[test]
fn ports_may_be_written_with_commas_and_count_once() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    let render = |ports: &[&str]| {
        folder.run(
            &[&["render", "f.yaml", "--as", "wasm-plugin", "--image", IMAGE, "--format", "json"][..], ports].concat(),
        )
    };
    let plugin = render(&["--port", "8443,443", "--port", "8443"]).json();
    assert_eq!(plugin["spec"]["match"], json!([{"ports": [{"number": 8443}, {"number": 443}]}]));
    for (options, expected) in [
        (["--port", "0"], "write a number from 1 to 65535"),
        (["--port", "8443;443"], "write a number from 1 to 65535, and commas between several ports"),
        (["--name", ""], "write lower-case letters"),
        (["--gateway", "A"], "write lower-case letters"),
    ] {
        let run = render(&options);
        assert_eq!(run.code, 2);
        assert!(run.err.contains(expected), "{options:?}: {}", run.err);
    }
}

/// The name of the file is in a comment, which it must not end.
#[cfg(unix)]
#[test]
fn the_name_of_the_file_stays_in_the_comment() {
    let name = "x\nkind: Evil\n#\u{2028}a: b\r.yaml";
    let folder = Folder::new(&[(name, GOOD)]);
    for platform in PLATFORMS {
        let args = ["--as", platform, "--image", IMAGE];
        let run = folder.run(&[&["render", name][..], &args].concat());
        let (comment, body) = run.out.split_once('\n').unwrap();
        assert!(
            comment
                .ends_with(" from x\\nkind: Evil\\n#\\u{2028}a: b\\r.yaml. Edit the table there, and render it again.")
        );
        let input = folder.run_with_input(&[&["render", "-"][..], &args].concat(), GOOD).out;
        assert_eq!(input, format!("# Made by `ksvc-router render --as {platform}`.\n{body}"));
    }
}

#[test]
fn a_table_with_errors_is_refused_whole() {
    let folder = Folder::new(&[("f.yaml", &format!("{GOOD}---\n{}", GOOD.replace("hosts:", "hots:")))]);
    let run = folder.run(&["render", "f.yaml", "--as", "wasm-plugin"]);
    assert_eq!((run.code, &*run.out), (1, ""));
    assert!(run.err.contains("unknown key `hots`"), "{}", run.err);
    let run = folder.run(&["render", "f.yaml", "--as", "wasm-plugin", "--image", "oci://a/b@sha256:12"]);
    assert_eq!((run.code, &*run.out), (2, ""));
    assert!(run.err.contains("write 64 hexadecimal digits"), "{}", run.err);
}

/// Texts that YAML could read in another way survive in the literal block of Envoy's configuration.
#[test]
fn unusual_texts_arrive_as_they_are() {
    let body = "a\\u0085\\u2028\\ufeff\\n\\ttab é 🎉 # : | %";
    let table = format!(
        "{{\"hosts\": [\"a.b\"], \"routes\": [{{\"match\": \"GET /a\", \"respond\": {{\"status\": 200, \"body\": \"{body}\"}}}}]}}"
    );
    let folder = Folder::new(&[("f.json", &table)]);
    for platform in PLATFORMS {
        let run = folder.run(&["render", "f.json", "--as", platform, "--image", IMAGE]);
        assert_eq!(delivered(&run.out), delivered(&table), "{platform}\n{}", run.out);
    }
}

/// The tables of the cases, which use every key of the language.
#[test]
fn the_tables_of_all_cases_come_through_every_platform() {
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testenv/cases");
    let mut tables = 0;
    for file in std::fs::read_dir(cases).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let loaded = from_named(&Source::new("cases", &*text));
        if loaded.configurations.is_empty()
            || loaded
                .configurations
                .iter()
                .any(|table| table.compile().0.problems.iter().any(ksvc_routing::Problem::is_error))
        {
            continue;
        }
        for platform in Platform::ALL {
            let rendered =
                ksvc_router_cli::render::render(&loaded.configurations, platform, &Default::default()).unwrap();
            let yaml = rendered.to_yaml(platform, &["f".to_owned()]).unwrap();
            let read = from_named(&Source::new("rendered", &*yaml)).configurations;
            assert_eq!(read.len(), loaded.configurations.len(), "{}", path.display());
            for (read, given) in read.iter().zip(&loaded.configurations) {
                let json = |table: &ksvc_router_cli::configuration::Configuration| -> serde_json::Value {
                    serde_json::from_slice(&table.delivered()).unwrap()
                };
                assert_eq!(json(read), json(given), "{}: {}", path.display(), platform.word());
                tables += 1;
            }
        }
    }
    assert!(tables > 60, "only {tables} tables were rendered");
}

/// The CRD of Higress is published in no package that the tests could take, so its keys are listed here (2.1,
/// helm/core/crds/customresourcedefinitions.gen.yaml).
#[test]
fn the_plugin_of_higress_has_only_the_keys_and_words_of_its_definition() {
    let keys = [
        "defaultConfig",
        "failStrategy",
        "imagePullPolicy",
        "imagePullSecret",
        "phase",
        "pluginName",
        "priority",
        "sha256",
        "url",
        "verificationKey",
        "vmConfig",
    ];
    for (strategy, expected) in
        [("FAIL_RELOAD", "FAIL_CLOSE"), ("FAIL_CLOSE", "FAIL_CLOSE"), ("FAIL_OPEN", "FAIL_OPEN")]
    {
        let plugin = format!(
            "kind: TrafficExtension
metadata: {{name: shop}}
spec:
  selector: {{matchLabels: {{a: b}}}}
  phase: UNSPECIFIED
  priority: 7
  match: [{{ports: [{{number: 443}}]}}]
  wasm:
    pluginName: ksvc-router
    url: https://example.com/plugin.wasm
    sha256: {}
    imagePullPolicy: Always
    imagePullSecret: a
    verificationKey: b
    vmConfig: {{env: [{{name: A, value: b}}]}}
    failStrategy: {strategy}
    pluginConfig: {{hosts: [a.b], routes: [{{match: GET /a, host: c.d}}]}}
",
            "5e".repeat(32)
        );
        let run = Folder::new(&[("f.yaml", &plugin)]).run(&["render", "f.yaml", "--as", "higress", "--format", "json"]);
        let object = run.json();
        let mut found: Vec<&str> = object["spec"].as_object().unwrap().keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, keys);
        assert_eq!(
            (&object["spec"]["failStrategy"], &object["spec"]["phase"]),
            (&json!(expected), &json!("UNSPECIFIED_PHASE"))
        );
        assert_eq!(object["metadata"]["namespace"], "higress-system");
    }
}
