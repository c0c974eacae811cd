//! `import openapi`: a table, or cases, from an OpenAPI document.

use serde_json::{Value, json};

use crate::support::{Folder, Run};

const OPTIONS: [&str; 6] = ["--domain", "example.com", "--namespace", "shop", "--service", "api"];

/// Imports a document whose paths and other keys are given, and returns the JSON output.
#[track_caller]
fn import(rest: &str, more: &[&str]) -> Value {
    run(rest, more).json()
}

fn run(rest: &str, more: &[&str]) -> Run {
    let document = format!("openapi: 3.1.0\nservers: [{{url: 'https://api.example.com/v1'}}]\n{rest}");
    run_document(&document, &[&OPTIONS[..], more].concat())
}

fn run_document(document: &str, more: &[&str]) -> Run {
    let folder = Folder::new(&[("api.yaml", document)]);
    folder.run(&[&["import", "openapi", "api.yaml", "--format", "json", "--partial"][..], more].concat())
}

/// Returns `METHODS PATH → target` of each route.
fn routes(result: &Value) -> Vec<String> {
    let routes = result["table"]["routes"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    routes
        .iter()
        .map(|route| {
            let parts = [&route["tag"], &route["service"], &route["namespace"], &route["host"]];
            let target: Vec<String> = parts.iter().map(|part| text(part)).filter(|part| !part.is_empty()).collect();
            format!("{} → {}", text(&route["match"]), target.join("."))
        })
        .collect()
}

/// Returns `LINE:COLUMN CODE` of each message.
fn codes(result: &Value) -> Vec<String> {
    let messages = result["messages"].as_array().unwrap();
    let of =
        |message: &Value| format!("{}:{} {}", message["line"], message["column"], message["code"].as_str().unwrap());
    messages.iter().map(of).collect()
}

/// The message texts, one after the other.
fn words(result: &Value) -> String {
    result["messages"].as_array().unwrap().iter().map(|message| format!("{}\n", message["message"])).collect()
}

#[test]
fn a_table_and_its_cases_work_together() {
    let document = "openapi: 3.0.3
servers: [{url: 'https://api.example.com/v1/'}]
paths:
  /orders/{id}:
    parameters: [{name: id, in: path, example: 42}]
    get: {operationId: getOrder}
    delete: {}
  /orders:
    get: {operationId: listOrders}
";
    let folder = Folder::new(&[("api.yaml", document)]);
    let import = ["import", "openapi", "api.yaml"];
    let table = folder.run(&[&import[..], &OPTIONS].concat());
    assert_eq!((table.code, &*table.err), (0, ""));
    let expected = "hosts:
- api.example.com
basePath: /v1
domain: example.com
namespace: shop
routes:
- name: listOrders
  match: GET /orders
  service: api
- match: DELETE /orders/{id}
  service: api
- name: getOrder
  match: GET /orders/{id}
  service: api
";
    assert_eq!(table.out, expected);
    let cases = folder.run(&[&import[..], &OPTIONS, &["--cases"]].concat());
    assert_eq!((cases.code, &*cases.err), (0, ""));
    assert!(cases.out.contains("url: https://api.example.com/v1/orders/42\n"), "{}", cases.out);
    let both = Folder::new(&[("table.yaml", &table.out), ("cases.yaml", &cases.out)]);
    let test = both.run(&["test", "table.yaml", "cases.yaml", "--fail-under", "100"]);
    assert_eq!(test.code, 0, "{}{}", test.out, test.err);
    assert_eq!(both.run(&["check", "table.yaml", "--deny", "warnings"]).code, 0);
}

#[test]
fn with_errors_nothing_is_printed_unless_the_rest_is_asked_for() {
    let document =
        "openapi: 3.0.3\nservers: [{url: 'https://a.example.com'}]\npaths: {/a: {get: {}}, '/b/{': {get: {}}}\n";
    let folder = Folder::new(&[("api.yaml", document)]);
    let import = [&["import", "openapi", "api.yaml"][..], &OPTIONS].concat();
    let run = folder.run(&import);
    assert_eq!((run.code, &*run.out), (1, ""));
    assert!(run.err.starts_with("api.yaml:3:24: error: a `{` of the path is not closed"), "{}", run.err);
    let partial = folder.run(&[&import[..], &["--partial"]].concat());
    assert_eq!(partial.code, 1);
    assert!(partial.out.contains("match: GET /a\n") && !partial.out.contains("/b"), "{}", partial.out);
}

#[test]
fn what_is_no_openapi_document_is_one_error() {
    for (document, place, words) in [
        ("", "1:1", "the file is empty"),
        ("[]", "1:1", "it is a list"),
        ("kind: Service", "1:1", "it has no key `openapi`"),
        ("swagger: '2.0'\npaths: {/a: {get: {}}}", "1:10", "npx swagger2openapi"),
        ("openapi: 4.0.0", "1:10", "3.0, 3.1 and 3.2 can be read"),
        ("openapi: 3.10.0", "1:10", "3.0, 3.1 and 3.2 can be read"),
    ] {
        let result = run_document(document, &OPTIONS);
        let json = result.json();
        assert_eq!((result.code, codes(&json)), (1, vec![format!("{place} not-openapi")]), "{document}");
        assert!(self::words(&json).contains(words), "{document}: {json}");
        assert_eq!(json.get("table"), None);
    }
    let broken = run_document("openapi: 3.0.3\npaths: [", &OPTIONS).json();
    assert!(codes(&broken)[0].ends_with("invalid-yaml"), "{broken}");
}

#[test]
fn a_document_without_operations_is_an_error_and_makes_no_table() {
    let disabled = "x-ksvc-disable: true\npaths: {/a: {get: {}}}\n";
    for rest in ["", "paths: {}\n", "webhooks: {a: {post: {}}}\n", disabled] {
        let result = run(rest, &[]);
        let json = result.json();
        assert_eq!((result.code, json.get("table")), (1, None), "{rest}");
        assert_eq!(codes(&json), ["1:1 no-operations"], "{rest}");
    }
    // An error of every operation leaves no table either.
    let result = run("paths: {'/b/{': {get: {}}}\n", &[]);
    assert_eq!((result.code, result.json().get("table")), (1, None));
}

/// A document can come from elsewhere.
#[test]
fn references_do_not_leave_the_folder_of_the_document() {
    let secret = format!("{}\n", "secret ".repeat(1_000));
    let with = |reference: &str| {
        format!(
            "openapi: 3.1.0\nservers: [{{url: 'https://a.example.com'}}]\npaths:\n  /a: {{$ref: '{reference}'}}\n  /b: {{get: {{}}}}\n"
        )
    };
    let folder = Folder::new(&[("secret.yaml", &secret), ("parts/a.yaml", "get: {}\n"), ("api/api.yaml", "")]);
    let root = std::path::Path::new(&folder.path("")).canonicalize().unwrap();
    std::os::unix::fs::symlink(root.join("secret.yaml"), root.join("api/link.yaml")).unwrap();
    let absolute = root.join("secret.yaml").display().to_string();
    let import = |reference: &str, more: &[&str]| {
        std::fs::write(root.join("api/api.yaml"), with(reference)).unwrap();
        folder.run(&[&["import", "openapi", "api/api.yaml"][..], &OPTIONS, more].concat())
    };
    for reference in
        ["../secret.yaml", "x/../../secret.yaml", "%2e%2e/secret.yaml", &absolute, "link.yaml", "../none.yaml"]
    {
        let run = import(reference, &[]);
        assert!(run.code == 1 && run.err.contains("not in the folder of the document"), "{reference}: {}", run.err);
        assert!(!run.err.contains("secret secret"), "{reference}: {}", run.err);
    }
    let run = import("../parts/a.yaml", &[]);
    assert!(
        run.err.contains("write `--refs-from api/../parts`") || run.err.contains("--refs-from parts`"),
        "{}",
        run.err
    );
    let run = import("../parts/a.yaml", &["--refs-from", "parts"]);
    assert_eq!((run.code, &*run.err), (0, ""));
    // Even what may be read is only quoted in short.
    let run = import("../secret.yaml", &["--refs-from", "."]);
    assert!(run.code == 1 && run.err.contains("must be an object") && run.err.len() < 1_500, "{}", run.err);
    let run = import("%00", &[]);
    assert!(run.code == 1 && run.err.contains("no control character"), "{}", run.err);
    let run = import("../parts", &["--refs-from", "."]);
    assert!(run.code == 1 && run.err.contains("this is not a file"), "{}", run.err);
    assert_eq!(import("a.yaml", &["--refs-from", "nowhere"]).code, 2);
}

#[test]
fn a_second_document_in_a_file_is_an_error() {
    let document = "openapi: 3.1.0\npaths: {/a: {get: {}}}\n---\npaths: {/b: {get: {}}}\n";
    let json = run_document(document, &OPTIONS).json();
    assert!(words(&json).contains("a second YAML document"), "{json}");
    let folder = Folder::new(&[
        ("api.yaml", "openapi: 3.1.0\nservers: [{url: 'https://a.example.com'}]\npaths: {/a: {$ref: b.yaml}}\n"),
        ("b.yaml", "get: {}\n---\npost: {}\n"),
    ]);
    let run = folder.run(&[&["import", "openapi", "api.yaml"][..], &OPTIONS].concat());
    assert!(run.code == 1 && run.err.contains("several YAML documents"), "{}", run.err);
}

#[test]
fn wrong_values_of_options_are_errors_of_the_call() {
    let folder = Folder::new(&[("api.yaml", "openapi: 3.1.0\npaths: {/a: {get: {}}}\n")]);
    for (option, value) in [
        ("--host", "bad host"),
        ("--base-path", "v1"),
        ("--domain", "ex ample"),
        ("--host-template", "{svc}"),
        ("--service", "API_1"),
        ("--namespace", "Shop"),
        ("--name", "a b"),
    ] {
        let run = folder.run(&["import", "openapi", "api.yaml", option, value]);
        let expected = format!("error: {option}: ");
        assert!(run.code == 2 && run.err.starts_with(&expected) && run.out.is_empty(), "{option}: {}", run.err);
    }
}

#[test]
fn the_name_and_the_host_template_are_those_of_the_options() {
    let more = ["--name", "shop", "--host-template", "{service}-{namespace}.{domain}"];
    let json = import("paths: {/a: {get: {}}}\n", &more);
    assert_eq!((&json["table"]["name"], &json["table"]["hostTemplate"]), (&json!("shop"), &json!(more[3])));
}

#[test]
fn values_of_the_wrong_type_are_told_once() {
    for (operation, more, expected) in [
        ("{tags: [5]}", &["--service-from", "tag"][..], "a tag must be a string, but is the number 5"),
        ("{tags: {}}", &["--service-from", "tag"], "`tags` must be a list of strings, but is an object"),
        ("{tags: ['!']}", &["--service-from", "tag"], "has no letter or digit"),
        ("{operationId: 5}", &[], "`operationId` must be a string, but is the number 5"),
        ("{parameters: {}}", &[], "`parameters` must be a list, but is an object"),
    ] {
        let json = import(&format!("paths: {{/a: {{get: {operation}}}}}\n"), more);
        assert!(words(&json).contains(expected) && codes(&json).len() == 1, "{operation}: {json}");
    }
    let repeated = import("paths: {/a: {get: {operationId: x}}, /b: {get: {operationId: x}}}\n", &[]);
    assert_eq!(codes(&repeated), ["3:43 repeated-operation-id"], "{repeated}");
    let google = "paths: {/a: {get: {x-google-backend: {address: 'ftp://x', path_translation: FOO, deadline: -1}}}}\n";
    let json = import(google, &[]);
    let words = words(&json);
    assert!(words.contains("ftp://x") && words.contains("`deadline` (the number -1"), "{json}");
    let google = "paths: {/a: {get: {x-google-backend: {address: 'http://a.shop.svc', path_translation: FOO}}}}\n";
    assert!(self::words(&import(google, &[])).contains("FOO"));
}

#[test]
fn advice_about_the_table_is_put_in_terms_of_the_import() {
    let base = import("paths: {/v1/a: {get: {}}, /b: {get: {}}}\n", &[]);
    assert!(words(&base).contains("write `--base-path /`"), "{base}");
    let empty = import("paths: {'/a//b': {get: {}}}\n", &[]);
    assert!(words(&empty).contains("`unsafePaths: allow` in the table, after the import"), "{empty}");
}

#[test]
fn references_lead_to_other_files_and_back() {
    let folder = Folder::new(&[
        (
            "api.yaml",
            "openapi: 3.1.0\nservers: [{url: 'https://a.example.com'}]\npaths:\n  /a:\n    $ref: paths/a.yaml\n  /b: {$ref: 'paths/all.yaml#/~1b~0'}\n\
             components: {parameters: {id: {name: id, in: path, example: 7}}}\n",
        ),
        ("paths/a.yaml", "get: {operationId: getA}\npost:\n  $ref: '../operations/post%20a.yaml'\n"),
        (
            "paths/all.yaml",
            "/b~: {get: {operationId: getB, parameters: [{$ref: '../api.yaml#/components/parameters/id'}]}}\n",
        ),
        ("operations/post a.yaml", "operationId: postA\n"),
    ]);
    let run = folder.run(&[&["import", "openapi", "./api.yaml", "--format", "json"][..], &OPTIONS].concat());
    let names: Vec<Value> =
        run.json()["table"]["routes"].as_array().unwrap().iter().map(|r| r["name"].clone()).collect();
    assert_eq!((run.code, names), (0, vec![json!("getA"), json!("postA"), json!("getB")]), "{}", run.out);
}

#[test]
fn references_that_lead_nowhere_are_reported_where_they_stand_even_in_other_files() {
    let folder = Folder::new(&[
        (
            "api.yaml",
            "openapi: 3.1.0\nservers: [{url: 'https://a.example.com'}]\npaths:\n  /a: {$ref: missing.yaml}\n  /b: {$ref: '#/paths/~1c'}\n  \
             /c: {$ref: '#/paths/~1b'}\n  /d: {$ref: b.yaml}\n  /e: {$ref: 'https://example.com/e.yaml'}\n  /f: {get: {}}\n",
        ),
        ("b.yaml", "get:\n  parameters:\n    - $ref: '#/parameters/x'\n"),
    ]);
    let run = folder.run(&[&["import", "openapi", "api.yaml", "--partial", "--format", "json"][..], &OPTIONS].concat());
    let json = run.json();
    let expected =
        ["4:14 openapi-reference", "5:14 openapi-reference", "8:14 openapi-reference", "3:13 openapi-reference"];
    assert_eq!((run.code, codes(&json)), (1, expected.map(str::to_owned).to_vec()), "{json:#}");
    let words = words(&json);
    for part in ["missing.yaml", "in a circle", "URLs are not fetched", "no key `parameters`"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(routes(&json), ["GET /d → api", "GET /f → api"]);
}

#[test]
fn the_document_knows_its_own_url() {
    let folder = Folder::new(&[
        (
            "api.yaml",
            "openapi: 3.2.0\n$self: https://example.com/apis/api.yaml\nservers: [{url: ./v1}]\npaths:\n  /a: {$ref: 'https://example.com/apis/a.yaml'}\n  \
             /b: {$ref: 'https://example.com/apis/api.yaml#/components/pathItems/b'}\ncomponents: {pathItems: {b: {get: {}}}}\n",
        ),
        ("a.yaml", "get: {}\n"),
    ]);
    let json = folder.run(&[&["import", "openapi", "api.yaml", "--format", "json"][..], &OPTIONS].concat()).json();
    assert_eq!(routes(&json), ["GET /a → api", "GET /b → api"], "{json:#}");
    assert_eq!((&json["table"]["hosts"], &json["table"]["basePath"]), (&json!(["example.com"]), &json!("/apis/v1")));
}

#[test]
fn servers_become_hosts_and_one_base_path() {
    let table = |servers: &str, paths: &str, more: &[&str]| {
        let result =
            run_document(&format!("openapi: 3.0.3\n{servers}\npaths: {paths}\n"), &[&OPTIONS[..], more].concat())
                .json();
        let table = &result["table"];
        (
            table["hosts"].to_string(),
            table["basePath"].as_str().unwrap_or_default().to_owned(),
            routes(&result),
            codes(&result),
        )
    };
    let a = "{/a: {get: {}}}";
    let is = |hosts: &str, base: &str, path: &str, codes: &[&str]| {
        let codes = codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>();
        (hosts.to_owned(), base.to_owned(), vec![format!("GET {path} → api")], codes)
    };
    let servers = "servers: [{url: 'https://b.example.com/v1'}, {url: 'http://a.example.com:8080/v1/'}]";
    assert_eq!(table(servers, a, &[]), is(r#"["a.example.com","b.example.com"]"#, "/v1", "/a", &[]));
    let variables = "servers: [{url: 'https://{region}.example.com:{port}/{base}', variables: {region: {default: EU}, port: {default: 443}, base: {default: v2}}}]";
    assert_eq!(table(variables, a, &[]), is(r#"["eu.example.com"]"#, "/v2", "/a", &[]));
    let differ = "servers: [{url: 'https://a.example.com/v1'}, {url: 'https://b.example.com/v2'}]";
    assert_eq!(table(differ, a, &[]), is(r#"["a.example.com"]"#, "/v1", "/a", &["2:52 openapi-server"]));
    assert_eq!(
        table(differ, a, &["--base-path", "/faas/"]),
        is(r#"["a.example.com","b.example.com"]"#, "/faas", "/a", &[])
    );
    assert_eq!(
        table(differ, a, &["--base-path", "/", "--host", "x.example.com"]),
        is(r#"["x.example.com"]"#, "", "/a", &[])
    );
    assert_eq!(
        table("servers: [{url: /v1}]", a, &["--host", "x.example.com"]),
        is(r#"["x.example.com"]"#, "/v1", "/a", &[])
    );
    let none = run_document("openapi: 3.0.3\nservers: [{url: /v1}]\npaths: {/a: {get: {}}}\n", &OPTIONS).json();
    assert_eq!((codes(&none), none.get("table")), (vec!["2:10 openapi-option".to_owned()], None));
    // The servers of a path or an operation replace those of the document.
    let own = "{/a: {servers: [{url: 'https://a.example.com/api/upload'}], get: {}}}";
    let root = "servers: [{url: 'https://a.example.com/api/v1'}]";
    assert_eq!(table(root, own, &[]).1, "/api/upload");
    let own = "{/a: {get: {servers: [{url: 'https://up.example.com/api/upload'}]}}, /b: {get: {}}}";
    let (hosts, base, routes, codes) = table(root, own, &[]);
    assert_eq!((&*hosts, &*base), (r#"["a.example.com","up.example.com"]"#, "/api"));
    assert_eq!(routes, ["GET /upload/a → api", "GET /v1/b → api"]);
    assert_eq!(codes, ["3:29 openapi-server"]);
}

#[test]
fn the_innermost_extension_names_the_service() {
    let result = import(
        "x-ksvc-service: outer
x-ksvc-namespace: shop
paths:
  /a:
    get: {}
    post: {x-ksvc-service: inner, x-ksvc-tag: canary}
  /b:
    x-ksvc-service: middle
    x-ksvc-namespace: billing
    x-ksvc-disable: true
    get: {x-ksvc-disable: false}
    put: {x-ksvc-disable: false, x-ksvc-service: inner}
    post: {}
",
        &[],
    );
    assert_eq!(
        routes(&result),
        ["GET /a → outer", "POST /a → canary.inner", "GET /b → middle.billing", "PUT /b → inner.billing"]
    );
    assert_eq!(codes(&result), [""; 0]);
}

/// OpenAPI documents are YAML 1.2, in which `y` and `no` are strings.
#[test]
fn words_that_only_kubectl_reads_as_booleans_are_strings() {
    let paths =
        "paths: {'/a/{y}': {get: {operationId: no, tags: [on], parameters: [{name: y, in: path, example: NO}]}}}\n";
    let result = import(paths, &["--cases", "--service-from", "tag"]);
    let case = &result["cases"]["cases"][0];
    assert_eq!((&case["name"], &case["request"]["url"]), (&json!("no"), &json!("https://api.example.com/v1/a/NO")));
    assert_eq!(case["expect"]["authority"], json!("on.shop.example.com"));
}

#[test]
fn a_misspelt_extension_or_one_of_the_wrong_type_is_an_error() {
    let result = import(
        "paths:
  /a:
    x-ksvc-sevice: a
    get: {x-ksvc-service: [b], x-ksvc-disable: 'yes', x-ksvc-rest: [x]}
",
        &[],
    );
    let expected = ["5:5 openapi-value", "6:27 openapi-value", "6:48 openapi-value", "6:69 openapi-value"];
    assert_eq!(codes(&result), expected, "{result:#}");
    assert!(words(&result).contains("did you mean `x-ksvc-service`?"));
}

#[test]
fn the_first_tag_can_be_the_service() {
    let paths = "paths:
  /a: {get: {tags: [Store Orders, b]}, put: {x-ksvc-service: own, tags: [c]}, post: {}}
  /b: {get: {tags: [store/orders]}}
";
    let result = import(paths, &["--service-from", "tag"]);
    assert_eq!(routes(&result), ["GET /a → store-orders", "POST /a → api", "PUT /a → own", "GET /b → store-orders"]);
    assert_eq!(codes(&result), ["5:21 same-service-tags"], "{result:#}");
}

#[test]
fn an_operation_without_a_service_is_an_error_and_all_of_them_together_one() {
    let none = ["--domain", "example.com", "--namespace", "shop"];
    let head = "openapi: 3.0.3\nservers: [{url: 'https://a.example.com'}]\n";
    let some =
        run_document(&format!("{head}paths: {{/a: {{get: {{}}}}, /b: {{get: {{x-ksvc-service: b}}}}}}\n"), &none)
            .json();
    assert_eq!((codes(&some), routes(&some)), (vec!["3:14 openapi-target".to_owned()], vec!["GET /b → b".to_owned()]));
    let all = run_document(&format!("{head}paths: {{/a: {{get: {{}}}}, /b: {{get: {{}}}}}}\n"), &none).json();
    assert_eq!(codes(&all), ["1:1 openapi-target"]);
}

#[test]
fn what_the_hosts_of_services_need_is_asked_for_once() {
    let document = "openapi: 3.0.3\nservers: [{url: 'https://a.example.com'}]\npaths: {/a: {get: {}}, /b: {get: {}}}\n";
    let result = run_document(document, &["--service", "api"]).json();
    assert_eq!(codes(&result), ["1:1 openapi-option", "1:1 openapi-option"], "{result:#}");
    assert!(words(&result).contains("--domain") && words(&result).contains("--namespace"));
}

#[test]
fn names_that_are_no_labels_are_reported_where_they_are_written() {
    let result = import("x-ksvc-service: My_Service\npaths: {/a: {get: {}}}\n", &[]);
    assert_eq!(codes(&result), ["3:17 invalid-dns-label"], "{result:#}");
}

/// Each path, the path of the table, its conditions, and the codes of the messages.
#[test]
fn paths_come_out_right_or_are_named() {
    let query = |name: &str, value: &str| json!({"query": {name: value}});
    for (path, expected, when, code) in [
        ("/a/{id}", Some("/a/{id}"), Value::Null, None),
        ("/a/", Some("/a/"), Value::Null, None),
        ("/a/{id}:cancel", Some("/a/{id}:cancel"), Value::Null, None),
        ("/compare/{base}...{head}", Some("/compare/{base}...{head}"), Value::Null, None),
        ("/a/{user-id}/{user_id}/{user id}", Some("/a/{user-id}/{user_id}/{user-id-2}"), Value::Null, None),
        ("/a/{$id}/{ü}", Some("/a/{id}/{p}"), Value::Null, None),
        ("/a/{id}/b/{id}", Some("/a/{id}/b/{id-2}"), Value::Null, Some("openapi-path-read")),
        ("/a/{x}{y}", Some("/a/{x}"), Value::Null, Some("openapi-path-read")),
        ("/a/{id}{.format}", Some("/a/{id}"), Value::Null, Some("openapi-path-read")),
        ("/a b/ü%/%2e", Some("/a%20b/ü%25/%2e"), Value::Null, Some("unreachable-path")),
        ("/a/{rest}", Some("/a/{*rest}"), Value::Null, None),
        ("/a/{proxy+}", Some("/a/{*proxy}"), Value::Null, None),
        ("/a/{+name}", Some("/a/{*name}"), Value::Null, None),
        ("/a/{name=**}", Some("/a/{*name}"), Value::Null, None),
        ("/a/{p:.*}", Some("/a/{*p}"), Value::Null, None),
        ("/a/{id:[0-9]+}", Some("/a/{id}"), Value::Null, Some("openapi-path-read")),
        ("/a{?page,size}", Some("/a"), Value::Null, Some("openapi-path-read")),
        ("/a;v=1/{;id}", Some("/a;v=1/{id}"), Value::Null, None),
        ("/a?copy", Some("/a"), query("copy", "*"), None),
        ("/a?lat={lat}", Some("/a"), query("lat", "*"), None),
        ("/a?type=b", Some("/a"), query("type", "b"), None),
        ("/a#uploads", Some("/a"), query("uploads", "*"), None),
        ("/a#Action=Copy", Some("/a"), query("Action", "Copy"), None),
        ("/a#X-Target=t.b", Some("/a"), json!({"headers": {"x-target": "t.b"}}), None),
        ("/a#get_shared_link", Some("/a"), Value::Null, Some("openapi-path-read")),
        ("/a/{+name}:cancel", None, Value::Null, Some("openapi-path")),
        ("/a/{rest}/b", None, Value::Null, Some("openapi-path")),
        ("/a/{name=projects/*}", None, Value::Null, Some("openapi-path")),
        ("/a/{id?}", None, Value::Null, Some("openapi-path")),
        ("/a/{id", None, Value::Null, Some("openapi-path")),
        ("/a/id}", None, Value::Null, Some("openapi-path")),
        ("/a/{}", None, Value::Null, Some("openapi-path")),
        ("a", None, Value::Null, Some("openapi-path")),
    ] {
        let parameters = "[{name: rest, in: path, x-ksvc-rest: true}, {name: uploads, in: query}, {name: Action, in: query}, \
            {name: x-target, in: header}]";
        let result = import(&format!("paths:\n  '{path}': {{get: {{parameters: {parameters}}}}}\n"), &["--cases"]);
        let table = import(&format!("paths:\n  '{path}': {{get: {{parameters: {parameters}}}}}\n"), &[]);
        let route = &table["table"]["routes"][0];
        let found = route["match"].as_str().map(|text| text.trim_start_matches("GET ").to_owned());
        assert_eq!(found.as_deref(), expected, "{path}: {table:#}");
        assert_eq!(route["when"], when, "{path}");
        let codes: Vec<&str> =
            table["messages"].as_array().unwrap().iter().map(|message| message["code"].as_str().unwrap()).collect();
        assert_eq!(codes, code.into_iter().collect::<Vec<_>>(), "{path}: {table:#}");
        let has_case = expected.is_some() && code != Some("unreachable-path");
        assert_eq!(
            result["cases"]["cases"].as_array().map_or(0, Vec::len),
            usize::from(has_case),
            "{path}: {result:#}"
        );
    }
}

#[test]
fn a_rest_can_be_listed_at_the_operation() {
    let result = import(
        "paths: {'/a/{path}': {parameters: [{name: path, in: path}], get: {x-ksvc-rest: [path]}, put: {}}}\n",
        &[],
    );
    assert_eq!(routes(&result), ["GET /a/{*path} → api", "PUT /a/{path} → api"]);
}

#[test]
fn operations_with_the_same_requests_are_one_route_or_an_error_that_names_both() {
    let joined =
        import("paths:\n  /a/{id}: {get: {operationId: getA}}\n  /a/{id}#copy: {get: {operationId: copyA}}\n", &[]);
    assert_eq!(joined["table"]["routes"].as_array().unwrap().len(), 1);
    assert_eq!(joined["table"]["routes"][0]["name"], json!("getA"));
    assert_eq!(codes(&joined), ["5:3 openapi-path-read", "5:18 joined-operations"], "{joined:#}");
    let differ =
        run("paths:\n  /a/{id}: {get: {x-ksvc-service: a}}\n  /a/{name}: {get: {x-ksvc-service: b}, put: {}}\n", &[]);
    let json = differ.json();
    assert_eq!((differ.code, codes(&json)), (1, vec!["5:15 same-requests".to_owned()]));
    assert_eq!(
        (&json["messages"][0]["other"]["line"], &json["messages"][0]["other"]["column"]),
        (&json!(4), &json!(13))
    );
    assert_eq!(routes(&json), ["PUT /a/{name} → api"], "neither of them is printed");
    // Different names at one place are fine.
    let fine = import("paths:\n  /a/{id}: {get: {}}\n  /a/{name}/b: {get: {}}\n", &[]);
    assert_eq!(codes(&fine), [""; 0]);
}

#[test]
fn operations_of_one_path_and_service_can_be_folded() {
    let paths = "paths: {/a: {put: {operationId: putA}, get: {}, post: {x-ksvc-service: b}, head: {}}, /b: {get: {operationId: getB}}}\n";
    let result = import(paths, &["--fold"]);
    assert_eq!(routes(&result), ["GET|HEAD|PUT /a → api", "POST /a → b", "GET /b → api"]);
    assert_eq!(result["table"]["routes"][2]["name"], json!("getB"));
    assert_eq!(result["table"]["routes"][0].get("name"), None);
}

#[test]
fn methods_of_openapi_3_2_are_routes() {
    let paths = "paths: {/a: {query: {}, additionalOperations: {PURGE: {operationId: purge}}, gett: {}}}\n";
    let document = format!("openapi: 3.2.0\nservers: [{{url: 'https://a.example.com'}}]\n{paths}");
    let result = run_document(&document, &OPTIONS).json();
    assert_eq!(routes(&result), ["PURGE /a → api", "QUERY /a → api"]);
    assert_eq!(codes(&result), ["3:9 refused-method", "3:78 openapi-key"], "{result:#}");
    assert!(words(&result).contains("did you mean `get`?"));
    let older = import(paths, &[]);
    assert!(words(&older).contains("OpenAPI 3.2"), "{older:#}");
}

#[test]
fn a_case_reaches_its_own_operation_with_the_best_value() {
    let url = |result: &Value, name: &str| {
        let cases = result["cases"]["cases"].as_array().unwrap();
        cases.iter().find(|case| case["name"] == name).unwrap()["request"]["url"].as_str().unwrap().to_owned()
    };
    let result = import(
        "paths:
  /users/me: {get: {operationId: me}}
  /users/{id}: {get: {operationId: user, parameters: [{name: id, in: path, example: me}]}}
  /a/{x}: {get: {operationId: x, parameters: [{name: x, in: path, schema: {type: string, enum: [a/b, ä b]}}]}}
  /b/{x}: {get: {operationId: uuid, parameters: [{name: x, in: path, schema: {type: string, format: uuid}}]}}
  /c/{x}: {get: {operationId: ref, parameters: [{name: x, in: path, schema: {$ref: '#/components/schemas/x'}}]}}
  /d/{x}: {get: {operationId: named, parameters: [{name: x, in: path, examples: {one: {value: [1, 2]}}}]}}
  /e/{x}: {get: {operationId: matrix, parameters: [{name: x, in: path, style: matrix, example: 5}]}}
  /f/{x}: {get: {operationId: rest, parameters: [{name: x, in: path, x-ksvc-rest: true, example: a/b}]}}
  /g?type=b: {get: {operationId: query}}
components: {schemas: {x: {allOf: [{$ref: '#/components/schemas/y'}]}, y: {default: from-y, allOf: [{$ref: '#/components/schemas/x'}]}}}
",
        &["--cases"],
    );
    assert_eq!(codes(&result), [""; 0], "{result:#}");
    assert_eq!(url(&result, "user"), "https://api.example.com/v1/users/1");
    assert_eq!(url(&result, "x"), "https://api.example.com/v1/a/%C3%A4%20b");
    assert_eq!(url(&result, "uuid"), "https://api.example.com/v1/b/123e4567-e89b-42d3-a456-426614174000");
    assert_eq!(url(&result, "ref"), "https://api.example.com/v1/c/from-y");
    assert_eq!(url(&result, "named"), "https://api.example.com/v1/d/1,2");
    assert_eq!(url(&result, "matrix"), "https://api.example.com/v1/e/;x=5");
    assert_eq!(url(&result, "rest"), "https://api.example.com/v1/f/a/b");
    assert_eq!(url(&result, "query"), "https://api.example.com/v1/g?type=b");
}

#[test]
fn extensions_of_other_gateways_are_read_as_far_as_they_say_the_same() {
    let result = import(
        "x-google-backend: {address: 'https://orders.shop.example.com', deadline: 2.5, jwt_audience: x}
x-google-api-management: {backends: {pay: {address: 'https://pay.billing.svc.cluster.local/base', pathTranslation: APPEND_PATH_TO_ADDRESS}}}
paths:
  /a/{id}:
    get: {}
    put: {x-google-backend: pay}
    post: {x-google-backend: {address: 'https://legacy.other.test:8443/run'}}
  /k:
    x-kuadrant: {pathMatchType: PathPrefix, backendRefs: [{name: k, namespace: ks}, {name: l}], rate_limit: {}}
    get: {}
    put: {x-kuadrant: {disable: true}}
  /m/{id}/{proxy+}:
    x-amazon-apigateway-any-method:
      x-amazon-apigateway-integration: {type: http_proxy, httpMethod: ANY, uri: 'http://m.shop.example.com/x/{i}/{proxy}', timeoutInMillis: 900,
        requestParameters: {integration.request.path.i: method.request.path.id, integration.request.header.h: method.request.header.h}}
  /n:
    get: {x-amazon-apigateway-integration: {type: aws_proxy, uri: 'arn:aws:apigateway:eu:lambda:path/x:lambda:y'}}
",
        &[],
    );
    assert_eq!(
        routes(&result),
        [
            "GET /a/{id} → orders",
            "POST /a/{id} → legacy.other.test:8443",
            "PUT /a/{id} → pay.billing",
            "GET /k/{**rest} → k.ks",
            "ANY /m/{id}/{*proxy} → m",
            "GET /n → api",
        ],
        "{result:#}"
    );
    let route = |index: usize, key: &str| result["table"]["routes"][index][key].as_str().unwrap_or_default().to_owned();
    assert_eq!((route(0, "timeout"), route(0, "rewritePath")), ("2500ms".to_owned(), String::new()));
    assert_eq!(route(1, "rewritePath"), "/run");
    assert_eq!(route(2, "rewritePath"), "/base/v1/a/{id}");
    assert_eq!((route(4, "rewritePath"), route(4, "timeout")), ("/x/{id}/{proxy}".to_owned(), "900ms".to_owned()));
    let words = words(&result);
    for lost in
        ["jwt_audience", "CONSTANT_ADDRESS", "rate_limit", "all `backendRefs` but the first", "header.h", "Lambda"]
    {
        assert!(words.contains(lost), "{lost}: {words}");
    }
    assert!(codes(&result).iter().any(|code| code.ends_with("foreign-host")), "{result:#}");
}

#[test]
fn a_route_for_all_methods_has_a_case_beside_routes_for_single_ones() {
    let result = import("paths: {/a: {x-amazon-apigateway-any-method: {}, post: {}, get: {}}}\n", &["--cases"]);
    let cases = result["cases"]["cases"].as_array().unwrap();
    let methods: Vec<&str> = cases.iter().map(|case| case["request"]["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["PUT", "GET", "POST"], "{result:#}");
}

#[test]
fn ten_thousand_operations_are_imported_and_pass_their_cases() {
    let paths: String =
        (0..5_000).map(|n| format!("  /a{n}/{{id}}: {{get: {{operationId: get{n}}}, put: {{}}}}\n")).collect();
    let result = run(&format!("paths:\n{paths}"), &["--cases"]);
    let json = result.json();
    assert_eq!((result.code, json["cases"]["cases"].as_array().unwrap().len()), (0, 10_000));
    assert_eq!(codes(&json), [""; 0]);
}

/// A table has a limit for routes with conditions at one path and method, and Amazon's documents go beyond it.
#[test]
fn more_conditions_than_a_table_can_have_are_dropped_if_one_service_gets_all() {
    let paths: String = (0..300)
        .map(|n| format!("  '/#Action=A{n}': {{get: {{parameters: [{{name: Action, in: query}}]}}}}\n"))
        .collect();
    let result = import(&format!("paths:\n{paths}"), &[]);
    assert_eq!(codes(&result).len(), 1, "{result:#}");
    assert_eq!(routes(&result), ["GET / → api"]);
    let (few, _) = paths.split_at(paths.match_indices('\n').nth(199).unwrap().0 + 1);
    assert_eq!(routes(&import(&format!("paths:\n{few}"), &[])).len(), 200);
}

#[test]
fn empty_segments_of_a_servers_path_are_left_out() {
    for url in ["https://api.example.com/a//é", "https://api.example.com//a/é/"] {
        let paths = "paths: {/orders: {get: {}}}";
        let document = format!("openapi: 3.1.0\nservers: [{{url: '{url}'}}]\n{paths}");
        let result = run_document(&document, &OPTIONS).json();
        assert_eq!(result["table"]["basePath"], "/a/é", "{url}");
        assert_eq!(routes(&result), ["GET /orders → api"], "{url}");
    }
}

/// A table compares decoded texts, and the first value of a name.
#[test]
fn the_query_in_a_path_is_decoded() {
    let result = import("paths: {'/files?name=a%20b+c&x=1&x=2': {get: {}}}", &[]);
    assert_eq!(result["table"]["routes"][0]["when"]["query"], json!({"name": "a b c", "x": "1"}));
    assert!(words(&result).contains("`x` has several values"), "{}", words(&result));
    let cases = import("paths: {'/files?name=a%20b+c': {get: {}}}", &["--cases"]);
    assert!(
        cases["cases"]["cases"][0]["request"]["url"].as_str().unwrap().ends_with("/files?name=a%20b%20c"),
        "{cases}"
    );
}

#[test]
fn additional_operations_are_single_methods_of_openapi_3_2() {
    let paths = "paths: {/a: {additionalOperations: {COPY: {}, ANY: {}, 'LOCK|MOVE': {}, 'X /evil': {}}}}";
    let document =
        |version: &str| format!("openapi: {version}\nservers: [{{url: 'https://api.example.com'}}]\n{paths}");
    let result = run_document(&document("3.2.0"), &OPTIONS).json();
    assert_eq!(routes(&result), ["COPY /a → api"]);
    assert_eq!(words(&result).matches("is not the name of one method").count(), 3, "{}", words(&result));
    let result = run_document(&document("3.1.0"), &OPTIONS).json();
    assert!(words(&result).contains("write `openapi: 3.2.0`"), "{}", words(&result));
}

/// Without a limit, this would take 12 to the power of 12 steps and more.
#[test]
fn a_schema_that_refers_to_itself_many_times_has_an_example() {
    let itself = ["{$ref: '#/components/schemas/S'}"; 12].join(", ");
    let rest = format!(
        "paths: {{'/a/{{id}}': {{get: {{parameters: [{{name: id, in: path, schema: {{$ref: '#/components/schemas/S'}}}}]}}}}}}\n\
         components: {{schemas: {{S: {{anyOf: [{itself}]}}}}}}"
    );
    assert_eq!(import(&rest, &["--cases"])["cases"]["cases"].as_array().unwrap().len(), 1);
}
