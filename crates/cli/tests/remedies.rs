//! Whatever a message says to write is accepted, and means what was meant.
//!
//! A problem carries the edit that its message proposes ([`Remedy`]). For each of many mistakes, these tests make each
//! proposed edit, compile the document again, and compare the problems: the one that was corrected is gone, and no other
//! has come. Then all edits are made, and the result is compared with what was meant.

use std::collections::BTreeMap;

use ksvc_router_cli::yaml::{self, Origin};
use ksvc_routing::{CATALOGUE, Decision, Example, Head, Problem, Remedy, Step, compile};
use serde_json::{Value, json};

/// Returns the problems of a document.
fn problems(document: &Value) -> Vec<Problem> {
    compile(document.to_string().as_bytes()).problems
}

/// Returns the place and the code of a problem: what stays the same while other parts of a document are edited.
fn identity(problem: &Problem) -> (String, &'static str) {
    (problem.place.to_string(), problem.kind.code())
}

/// Parses YAML.
fn from_yaml(text: &str) -> Value {
    yaml::parse(text, Origin::File).unwrap_or_else(|error| panic!("{text}: {error:?}"))[0].to_value()
}

/// Returns the value at a step.
fn inside<'v>(value: &'v mut Value, step: &Step) -> &'v mut Value {
    match step {
        Step::Key(key) => value.get_mut(&**key).unwrap_or_else(|| panic!("no key {key}")),
        Step::Index(index) => &mut value[*index],
    }
}

/// Makes the edit that a problem proposes.
fn edited(document: &Value, problem: &Problem) -> Value {
    let mut document = document.clone();
    let remedy = problem.remedy.as_ref().unwrap();
    let (last, before) = problem.place.steps().split_last().unwrap();
    let holder = before.iter().fold(&mut document, inside);
    match remedy {
        Remedy::Value(write) => *inside(holder, last) = json!(write),
        Remedy::Part { found, write } => {
            let value = inside(holder, last);
            let text = value.as_str().unwrap();
            assert!(text.contains(found.as_str()), "{found:?} is not in {text:?}");
            // A word is replaced where it stands alone, as `OST` in `PPOST|OST`.
            let ends = |text: &str, at: usize| text[..at].ends_with(char::is_alphanumeric);
            let alone = text.match_indices(found.as_str()).map(|(at, _)| at).find(|at| {
                let after = &text[at + found.len()..];
                !ends(text, *at) && !after.starts_with(char::is_alphanumeric)
            });
            let at = alone.or(text.find(found.as_str())).unwrap();
            *value = json!(format!("{}{write}{}", &text[..at], &text[at + found.len()..]));
        }
        Remedy::End { found, write } => {
            let value = inside(holder, last);
            let text = value.as_str().unwrap();
            let before =
                text.strip_suffix(found.as_str()).unwrap_or_else(|| panic!("{text:?} does not end with {found:?}"));
            *value = json!(format!("{before}{write}"));
        }
        Remedy::Key(write) => {
            let Step::Key(key) = last else { panic!("{last:?} is not a key") };
            let value = holder.as_object_mut().unwrap().remove(&**key).unwrap();
            let previous = holder.as_object_mut().unwrap().insert(write.clone(), value);
            assert_eq!(previous, None, "{write} is there already");
        }
        Remedy::TakeOut => match last {
            Step::Key(key) => drop(holder.as_object_mut().unwrap().remove(&**key).unwrap()),
            Step::Index(index) => drop(holder.as_array_mut().unwrap().remove(*index)),
        },
        Remedy::Entry { take_out, write } => {
            let object = holder.as_object_mut().unwrap();
            for key in take_out {
                object.remove(key).unwrap_or_else(|| panic!("no key {key}"));
            }
            for (key, value) in from_yaml(write).as_object().unwrap() {
                assert_eq!(object.insert(key.clone(), value.clone()), None, "{key} is there already");
            }
        }
        other => panic!("a new kind of remedy: {other:?}"),
    }
    document
}

/// Makes each edit alone, and checks that it removes its problem and brings no other. Returns every failure.
fn failures(document: &Value) -> Vec<String> {
    let before = problems(document);
    let mut failures = Vec::new();
    for problem in before.iter().filter(|problem| problem.remedy.is_some()) {
        let after = edited(document, problem);
        let mut left: Vec<_> = before.iter().map(identity).collect();
        left.remove(left.iter().position(|one| *one == identity(problem)).unwrap());
        for other in problems(&after) {
            match left.iter().position(|one| *one == identity(&other)) {
                Some(known) => _ = left.remove(known),
                // A warning about the path as a whole, which only a path that can be read has.
                None if other.kind.code() == "unreachable-path" => {}
                None => failures.push(format!("{document}\n  {problem}\n  {:?}\n  {other}", problem.remedy)),
            }
        }
        // What a message says to write is what the remedy writes.
        if let Some(Remedy::Value(write) | Remedy::Key(write) | Remedy::Entry { write, .. }) = &problem.remedy {
            assert!(problem.to_string().contains(write.as_str()), "{problem} does not say {write:?}");
        }
    }
    failures
}

/// Makes all proposed edits, one after the other.
fn corrected(document: &Value) -> Value {
    let mut document = document.clone();
    for _ in 0..20 {
        match problems(&document).iter().find(|problem| problem.remedy.is_some()) {
            Some(problem) => document = edited(&document, problem),
            None => return document,
        }
    }
    panic!("the remedies never end: {document}");
}

/// Returns a good document with other values for some keys. `null` removes a key.
fn table(keys: Value) -> Value {
    let mut document = json!({
        "hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop",
        "routes": [{ "match": "GET /a/{id}", "service": "orders" }],
    });
    change(&mut document, keys);
    document
}

/// Returns a document with one route, with other values for some keys.
fn route(keys: Value) -> Value {
    let mut route = json!({ "match": "GET /a/{id}", "service": "orders" });
    change(&mut route, keys);
    table(json!({ "routes": [route] }))
}

fn change(object: &mut Value, keys: Value) {
    for (key, value) in keys.as_object().unwrap() {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(key)),
            value => object[key] = value.clone(),
        }
    }
}

/// Returns whether a request is routed to the first route.
fn is_routed(document: &Value, request: &str) -> bool {
    let (method, path) = request.split_once(' ').unwrap();
    let headers = [(":method", method), (":authority", "api.example.com"), (":path", path)];
    let headers: Vec<(&[u8], &[u8])> =
        headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let table = compile(document.to_string().as_bytes()).table;
    match table.decide(&Head::read(&headers), || false) {
        Decision::Forward(forward) => forward.chosen.index() == 0,
        _ => false,
    }
}

/// An element of `match`: as it is written, the code of its message, as it is after all remedies (`None` if there is none),
/// and a request that was meant.
type Element = (&'static str, &'static str, Option<&'static str>, &'static str);

const ELEMENTS: &[Element] = &[
    // Methods.
    ("* /x", "match-form", Some("ANY /x"), "PUT /x"),
    ("ALL /x", "match-form", Some("ANY /x"), "PUT /x"),
    ("all /x", "match-form", Some("ANY /x"), "PUT /x"),
    ("any /x", "match-form", Some("ANY /x"), "PUT /x"),
    ("Any /x", "match-form", Some("ANY /x"), "PUT /x"),
    ("GET|* /x", "match-form", Some("ANY /x"), "PUT /x"),
    ("GET|all /x", "match-form", Some("ANY /x"), "PUT /x"),
    ("get /x", "method-case", Some("GET /x"), "GET /x"),
    ("Post /x", "method-case", Some("POST /x"), "POST /x"),
    ("GET|put /x", "method-case", Some("GET|PUT /x"), "PUT /x"),
    ("GTE /x", "refused-method", Some("GET /x"), "GET /x"),
    ("PSOT /x", "refused-method", Some("POST /x"), "POST /x"),
    ("DELET /x", "refused-method", Some("DELETE /x"), "DELETE /x"),
    ("PATHC /x", "refused-method", Some("PATCH /x"), "PATCH /x"),
    ("propfind /x", "refused-method", Some("PROPFIND /x"), "PROPFIND /x"),
    ("BREW /x", "refused-method", Some("BREW /x"), "BREW /x"),
    ("LIST /x", "refused-method", Some("LIST /x"), "LIST /x"),
    ("M-SEARCH /x", "refused-method", Some("M-SEARCH /x"), "M-SEARCH /x"),
    ("QUERY /x", "refused-method", Some("QUERY /x"), "QUERY /x"),
    ("GET, POST /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("GET,POST /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("GET POST /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("GET | POST /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("GET |POST /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("GET or POST /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("GET/POST /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("GET||POST /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("GET| /b", "match-form", Some("GET /b"), "GET /b"),
    ("[GET, POST] /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("get, post /b", "match-form", Some("GET|POST /b"), "POST /b"),
    ("GET, * /b", "match-form", Some("ANY /b"), "PUT /b"),
    ("match:GET /b", "match-form", Some("GET /b"), "GET /b"),
    ("match: GET /b", "match-form", Some("GET /b"), "GET /b"),
    ("GET: /b", "match-form", Some("GET /b"), "GET /b"),
    ("GET/b", "match-form", Some("GET /b"), "GET /b"),
    ("GET:/b", "match-form", Some("GET /b"), "GET /b"),
    ("GET  /b", "several-spaces", Some("GET /b"), "GET /b"),
    (" GET /b", "match-form", Some("GET /b"), "GET /b"),
    ("GET\t/b", "control-character", Some("GET /b"), "GET /b"),
    ("GET /b\n", "control-character", Some("GET /b"), "GET /b"),
    ("GET /b ", "final-space", Some("GET /b"), "GET /b"),
    ("/b", "no-method", Some("ANY /b"), "PUT /b"),
    (" /b", "no-method", Some("ANY /b"), "PUT /b"),
    ("GET", "no-path", None, ""),
    ("GET b", "path-without-slash", Some("GET /b"), "GET /b"),
    ("GET orders/{id}", "path-without-slash", Some("GET /orders/{id}"), "GET /orders/7"),
    // Parameters.
    ("GET /users/:id", "foreign-syntax", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /users/:id/posts/:post", "foreign-syntax", Some("GET /users/{id}/posts/{post}"), "GET /users/7/posts/8"),
    ("GET /users/:id.json", "foreign-syntax", Some("GET /users/{id}.json"), "GET /users/7.json"),
    ("GET /flights/:from-:to", "foreign-syntax", Some("GET /flights/{from}-{to}"), "GET /flights/a-b"),
    ("GET /users/:id(\\d+)", "foreign-syntax", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /users/:id?", "foreign-syntax", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /files/(.+)", "literal-regular-expression", Some("GET /files/{*rest}"), "GET /files/a/b"),
    ("GET /files/(.+)/x", "literal-regular-expression", Some("GET /files/{file}/x"), "GET /files/a/x"),
    ("GET /x HTTP/1.1", "match-form", Some("GET /x"), "GET /x"),
    ("PathPrefix(`/orders`)", "match-form", Some("ANY /orders/{**rest}"), "PUT /orders"),
    ("Path(`/orders`)", "match-form", Some("ANY /orders"), "PUT /orders"),
    ("Method(`GET`) && PathPrefix(`/orders/`)", "match-form", Some("GET /orders/{**rest}"), "GET /orders/7"),
    ("Host(`a.example.com`) && Path(`/orders/{id:[0-9]+}`)", "match-form", None, ""),
    ("GET /files/:path*", "foreign-syntax", Some("GET /files/{**path}"), "GET /files/a/b"),
    ("GET /files/:path+", "foreign-syntax", Some("GET /files/{*path}"), "GET /files/a/b"),
    ("GET /users/<id>", "foreign-syntax", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /users/<int:id>", "foreign-syntax", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /files/<path:name>", "foreign-syntax", Some("GET /files/{*name}"), "GET /files/a/b"),
    ("GET /files/<name>.json", "foreign-syntax", Some("GET /files/{name}.json"), "GET /files/a.json"),
    ("GET /users/[id]", "foreign-syntax", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /docs/[...slug]", "foreign-syntax", Some("GET /docs/{*slug}"), "GET /docs/a/b"),
    ("GET /docs/[[...slug]]", "foreign-syntax", Some("GET /docs/{**slug}"), "GET /docs"),
    ("GET /files/*", "literal-star", Some("GET /files/{*rest}"), "GET /files/a/b"),
    ("GET /files/**", "literal-star", Some("GET /files/{**rest}"), "GET /files"),
    ("GET /*", "literal-star", Some("GET /{*rest}"), "GET /a"),
    ("GET /files/.*", "literal-star", Some("GET /files/{*rest}"), "GET /files/a/b"),
    ("GET /files/(.*)", "literal-star", Some("GET /files/{*rest}"), "GET /files/a/b"),
    ("GET /files/*path", "literal-star", Some("GET /files/{*path}"), "GET /files/a/b"),
    ("GET /files*", "literal-star", Some("GET /files/{**rest}"), "GET /files/a"),
    ("GET /users/*/posts", "literal-star", Some("GET /users/{user}/posts"), "GET /users/7/posts"),
    ("GET /users/*/posts/*/x", "literal-star", Some("GET /users/{user}/posts/{post}/x"), "GET /users/7/posts/8/x"),
    ("GET /*/*/x", "literal-star", Some("GET /{name}/{name2}/x"), "GET /a/b/x"),
    ("GET /users/{user}/*/x", "literal-star", Some("GET /users/{user}/{name}/x"), "GET /users/7/8/x"),
    (
        "GET /users/{user}/users/*/x",
        "literal-star",
        Some("GET /users/{user}/users/{user2}/x"),
        "GET /users/7/users/8/x",
    ),
    ("GET /files/*.json", "literal-star", Some("GET /files/{file}.json"), "GET /files/a.json"),
    ("GET /users/{id:[0-9]+}", "limited-parameter", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /users/{id:\\d+}", "limited-parameter", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /users/{id:[0-9]{3}}", "limited-parameter", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /users/{id:(a|b)}/x", "limited-parameter", Some("GET /users/{id}/x"), "GET /users/a/x"),
    ("GET /users/{id:[0-9]+}.json", "limited-parameter", Some("GET /users/{id}.json"), "GET /users/7.json"),
    ("GET /users/{[0-9]+}", "limited-parameter", Some("GET /users/{user}"), "GET /users/7"),
    ("GET /users/{id:int}", "invalid-parameter", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /users/{id:min(1)}", "invalid-parameter", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /users/{id?}", "invalid-parameter", Some("GET /users/{id}"), "GET /users/7"),
    ("GET /users/{order id}", "invalid-parameter", Some("GET /users/{order_id}"), "GET /users/7"),
    ("GET /users/{user.id}", "invalid-parameter", Some("GET /users/{user_id}"), "GET /users/7"),
    ("GET /users/{}", "invalid-parameter", Some("GET /users/{user}"), "GET /users/7"),
    ("GET /files/{p:.*}", "invalid-parameter", Some("GET /files/{**p}"), "GET /files/a/b"),
    ("GET /files/{p:.+}", "invalid-parameter", Some("GET /files/{*p}"), "GET /files/a/b"),
    ("GET /files/{p:path}", "invalid-parameter", Some("GET /files/{**p}"), "GET /files/a/b"),
    ("GET /files/{name=**}", "invalid-parameter", Some("GET /files/{**name}"), "GET /files/a/b"),
    ("GET /files/{**}", "invalid-parameter", Some("GET /files/{**rest}"), "GET /files/a/b"),
    ("GET /files/{*}", "invalid-parameter", Some("GET /files/{*rest}"), "GET /files/a/b"),
    ("GET /files/{proxy+}", "invalid-parameter", Some("GET /files/{*proxy}"), "GET /files/a/b"),
    ("GET /files/{+name}", "invalid-parameter", Some("GET /files/{*name}"), "GET /files/a/b"),
    ("GET /files/{path...}", "invalid-parameter", Some("GET /files/{**path}"), "GET /files/a/b"),
    ("GET /files/{path*}", "invalid-parameter", Some("GET /files/{**path}"), "GET /files/a/b"),
    ("GET /files/{*path:.*}", "invalid-parameter", Some("GET /files/{**path}"), "GET /files/a/b"),
    ("GET /files{?q,r}", "invalid-parameter", None, ""),
    ("GET /{name+}/policy", "rest-not-last", None, ""),
    ("GET /{p:.*}/end", "rest-not-last", None, ""),
    ("GET /{name=**}/end", "rest-not-last", None, ""),
    ("GET /{path...}/end", "rest-not-last", None, ""),
    ("GET /{**rest}/end", "rest-not-last", None, ""),
    ("GET /{*rest}/end", "rest-not-last", None, ""),
    (
        "GET /v1/{name=projects/*/locations/*}",
        "spanning-parameter",
        Some("GET /v1/projects/{project}/locations/{location}"),
        "GET /v1/projects/a/locations/b",
    ),
    (
        "POST /v1/{name=projects/*/locations/*}:cancel",
        "spanning-parameter",
        Some("POST /v1/projects/{project}/locations/{location}:cancel"),
        "POST /v1/projects/a/locations/b:cancel",
    ),
    (
        "GET /v1/{parent=projects/*}/jobs",
        "spanning-parameter",
        Some("GET /v1/projects/{project}/jobs"),
        "GET /v1/projects/a/jobs",
    ),
    (
        "GET /v1/{name=operations/**}",
        "spanning-parameter",
        Some("GET /v1/operations/{**operation}"),
        "GET /v1/operations/a/b",
    ),
    ("GET /v1/{name=operations/**}/x", "rest-not-last", None, ""),
    ("GET /v1/{name=*}", "invalid-parameter", Some("GET /v1/{name}"), "GET /v1/a"),
    ("GET /{a/b}", "invalid-parameter", None, ""),
    ("GET /orders/{id", "unclosed-brace", None, ""),
    ("GET /orders/id}", "unopened-brace", None, ""),
    ("GET /files/v{*rest}", "rest-beside-text", None, ""),
    // Regular expressions.
    ("GET ^/orders$", "regular-expression", Some("GET /orders"), "GET /orders"),
    ("GET ^/orders/([0-9]+)$", "regular-expression", Some("GET /orders/{order}"), "GET /orders/7"),
    ("GET ^/api/.*", "regular-expression", Some("GET /api/{*rest}"), "GET /api/a"),
    ("GET ^/orders/(?P<id>\\d+)$", "regular-expression", Some("GET /orders/{order}"), "GET /orders/7"),
    ("GET /orders/[0-9]+", "literal-regular-expression", Some("GET /orders/{order}"), "GET /orders/7"),
    (
        "GET /orders/([0-9]+)/items",
        "literal-regular-expression",
        Some("GET /orders/{order}/items"),
        "GET /orders/7/items",
    ),
    ("GET /(a|b)/x", "literal-regular-expression", Some("GET /{name}/x"), "GET /a/x"),
    ("GET /orders/\\d+", "literal-regular-expression", Some("GET /orders/{order}"), "GET /orders/7"),
    ("GET /orders/(?:a)", "literal-regular-expression", Some("GET /orders/{order}"), "GET /orders/a"),
    ("GET /orders/v[0-9]+", "literal-regular-expression", Some("GET /orders/v{order}"), "GET /orders/v7"),
    ("GET /orders/[a-z]+", "literal-regular-expression", Some("GET /orders/{order}"), "GET /orders/x"),
    ("GET /orders/a.*b", "literal-regular-expression", Some("GET /orders/a{order}"), "GET /orders/axb"),
    ("GET /orders$", "literal-regular-expression", Some("GET /orders"), "GET /orders"),
    ("GET /index\\.html", "literal-regular-expression", Some("GET /index.html"), "GET /index.html"),
    // Other parts of a URL.
    ("GET /docs#top", "fragment-in-path", Some("GET /docs"), "GET /docs"),
    ("GET /search?q=x", "query-in-path", Some("GET /search"), "GET /search"),
    ("GET /search?q={q}", "query-in-path", Some("GET /search"), "GET /search"),
    ("GET /100%", "percent-in-path", Some("GET /100%25"), "GET /100%25"),
    ("GET /a%zz/b", "percent-in-path", Some("GET /a%25zz/b"), "GET /a%25zz/b"),
    ("GET https://api.example.com/x", "url-as-path", Some("GET /x"), "GET /x"),
    ("GET http://localhost:8080/x/{id}", "url-as-path", Some("GET /x/{id}"), "GET /x/7"),
    ("GET https://api.example.com", "url-as-path", Some("GET /"), "GET /"),
    ("GET api.example.com/x", "url-as-path", Some("GET /x"), "GET /x"),
    // Invisible characters.
    ("GET\u{a0}/x", "invisible-character", Some("GET /x"), "GET /x"),
    ("GET \u{200b}/x", "invisible-character", Some("GET /x"), "GET /x"),
    ("\u{feff}GET /x", "invisible-character", Some("GET /x"), "GET /x"),
    ("GET\u{2009}/x", "invisible-character", Some("GET /x"), "GET /x"),
    ("GET /x\u{a0}", "invisible-literal", Some("GET /x"), "GET /x"),
    ("GET /x\u{200b}", "invisible-literal", Some("GET /x"), "GET /x"),
    ("GET /or\u{ad}ders", "invisible-literal", Some("GET /orders"), "GET /orders"),
    ("GET /x\u{200e}/y", "invisible-literal", Some("GET /x/y"), "GET /x/y"),
    ("GET /x\u{2028}", "invisible-literal", Some("GET /x"), "GET /x"),
    ("GET /{{ .Values.path }}", "unfilled-template", None, ""),
    ("{{ .Values.method }} /x", "unfilled-template", None, ""),
    // Several mistakes.
    ("get /users/:id/*", "method-case", Some("GET /users/{id}/{*rest}"), "GET /users/7/a"),
    ("GET, POST /users/:id", "match-form", Some("GET|POST /users/{id}"), "POST /users/7"),
    ("* /users/{id:[0-9]+}/{p:.*}", "match-form", Some("ANY /users/{id}/{**p}"), "PUT /users/7/a"),
    ("GET https://api.example.com/users/:id", "url-as-path", Some("GET /users/{id}"), "GET /users/7"),
];

#[test]
fn every_remedy_for_an_element_is_accepted_and_means_what_was_meant() {
    let mut wrong = Vec::new();
    for (text, code, expected, request) in ELEMENTS {
        let document = route(json!({ "match": text }));
        let found = problems(&document);
        if found.first().map(|problem| problem.kind.code()) != Some(code) {
            wrong.push(format!(
                "{text:?} has no {code}: {:?}",
                found.iter().map(Problem::to_string).collect::<Vec<_>>()
            ));
            continue;
        }
        wrong.extend(failures(&document));
        // One mistake has one message.
        if found.len() > 1 && text.matches([':', '*', '<', ',']).count() < 2 {
            wrong.push(format!("{text:?} has {:?}", found.iter().map(Problem::to_string).collect::<Vec<_>>()));
        }
        let Some(expected) = expected else { continue };
        let corrected = corrected(&document);
        let element = &corrected["routes"][0]["match"];
        if element != expected {
            wrong.push(format!("{text:?} becomes {element} and not {expected:?}"));
        } else if !is_routed(&corrected, request) {
            wrong.push(format!("{text:?} becomes {element}, which does not serve {request}"));
        }
        // In a list, the same is true.
        wrong.extend(failures(&route(json!({ "match": ["GET /other/{id}", text] }))));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Paths of public APIs. None of them is a mistake.
#[test]
fn paths_of_public_apis_have_no_warnings() {
    let paths = [
        "/repos/{owner}/{repo}/compare/{basehead}",
        "/repos/{owner}/{repo}/compare/{base}...{head}",
        "/v1/{id}:cancel",
        "/v1/documents:batchGet",
        "/users/{user-id}/photo/$value",
        "/users/$count",
        "/users/{user-id}/messages/$count",
        "/$metadata",
        "/$batch",
        "/users/{id}/microsoft.graph.reminderView(StartDateTime='{a}',EndDateTime='{b}')",
        "/sites/{site-id}/getByPath(path='{path}')",
        "/sites/{site-id}/getByPath(path='{path}')/lists",
        "/workbook/worksheets/{id}/range(address='{address}')",
        "/applications(appId='{appId}')",
        "/groups/{group-id}/events/{event-id}/instances/microsoft.graph.delta()",
        "/drives/{drive-id}/root:/{path}:/content",
        "/me/drive/special/{name}",
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/virtualMachines/{vmName}",
        "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}",
        "/Entities(PartitionKey='{partitionKey}',RowKey='{rowKey}')",
        "/2015-03-31/functions/{FunctionName}/invocations",
        "/api/v4/projects/{id}/repository/files/{file_path}",
        "/@{user}/~{name}",
        "/a;v=1/b,c/d=e",
        "/calendar/{year}-{month}-{day}.ics",
        "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
        "/v2/{name}/manifests/{reference}",
        "/-/metrics",
        "/_search",
        "/a+b/c",
        "/C++/docs",
        "/%E2%82%AC/caf\u{e9}",
    ];
    for path in paths {
        let found = problems(&route(json!({ "match": format!("GET {path}") })));
        let found: Vec<String> = found.iter().map(Problem::to_string).collect();
        assert!(found.is_empty(), "{path}: {found:?}");
    }
}

/// Keys of a route: as written, and the route after all remedies. Keys that stay are not shown.
#[test]
fn keys_of_other_routers_become_one_entry() {
    let orders = |keys: Value| {
        json!({ "match": "GET /a/{id}", "service": "orders" })
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .chain(keys.as_object().unwrap().clone())
            .collect::<Value>()
    };
    let cases = [
        (
            json!({ "match": null, "path": "/orders", "methods": ["GET"] }),
            json!({ "match": "GET /orders", "service": "orders" }),
        ),
        (
            json!({ "match": null, "path": "/orders", "method": "get" }),
            json!({ "match": "GET /orders", "service": "orders" }),
        ),
        (
            json!({ "match": null, "path": "/orders/:id", "methods": ["GET", "put"] }),
            json!({ "match": "GET|PUT /orders/{id}", "service": "orders" }),
        ),
        (json!({ "match": null, "path": "/orders" }), json!({ "match": "ANY /orders", "service": "orders" })),
        (
            json!({ "match": null, "paths": ["/a", "/b/{id}"], "method": "GET" }),
            json!({ "match": ["GET /a", "GET /b/{id}"], "service": "orders" }),
        ),
        (
            json!({ "match": null, "prefix": "/orders" }),
            json!({ "match": "ANY /orders/{**rest}", "service": "orders" }),
        ),
        (json!({ "match": null, "pathPrefix": "/" }), json!({ "match": "ANY /{**rest}", "service": "orders" })),
        (
            json!({ "match": null, "uri": { "prefix": "/orders/" } }),
            json!({ "match": "ANY /orders/{**rest}", "service": "orders" }),
        ),
        (
            json!({ "match": null, "uri": { "exact": "/orders" } }),
            json!({ "match": "ANY /orders", "service": "orders" }),
        ),
        (
            json!({ "match": null, "path": { "type": "PathPrefix", "value": "/orders" }, "method": "GET" }),
            json!({ "match": "GET /orders/{**rest}", "service": "orders" }),
        ),
        (
            json!({ "match": { "method": "GET", "path": "/orders" } }),
            json!({ "match": "GET /orders", "service": "orders" }),
        ),
        (
            json!({ "match": [{ "uri": { "prefix": "/orders" } }] }),
            json!({ "match": ["ANY /orders/{**rest}"], "service": "orders" }),
        ),
        (json!({ "match": "GET", "path": "/orders" }), json!({ "match": "GET /orders", "service": "orders" })),
        (
            json!({ "match": "/orders", "methods": ["GET", "POST"] }),
            json!({ "match": "GET|POST /orders", "service": "orders" }),
        ),
        (json!({ "path": "/a/{id}" }), orders(json!({}))),
        (json!({ "service": null, "backend": "orders" }), orders(json!({}))),
        (json!({ "service": null, "upstream": "http://orders" }), orders(json!({}))),
        (json!({ "service": null, "backend": "orders:8080" }), orders(json!({}))),
        (
            json!({ "service": null, "destination": "https://orders.example.org/" }),
            json!({ "match": "GET /a/{id}", "host": "orders.example.org" }),
        ),
        (json!({ "service": null, "servce": "orders" }), orders(json!({}))),
        (json!({ "weight": 90 }), orders(json!({}))),
        (
            json!({ "retries": 3 }),
            orders(
                json!({ "requestHeaders": { "set": { "x-envoy-retry-on": "connect-failure,refused-stream", "x-envoy-max-retries": "3" } } }),
            ),
        ),
        (
            json!({ "retries": { "attempts": 5, "perTryTimeout": "2s" } }),
            orders(
                json!({ "requestHeaders": { "set": { "x-envoy-retry-on": "connect-failure,refused-stream", "x-envoy-max-retries": "5" } } }),
            ),
        ),
        (json!({ "stripPrefix": "/a" }), orders(json!({ "rewritePath": "/{id}" }))),
        (
            json!({ "match": "ANY /a/b/{*rest}", "stripPrefix": true }),
            json!({ "match": "ANY /a/b/{*rest}", "service": "orders", "rewritePath": "/{rest}" }),
        ),
        (
            json!({ "match": "ANY /a/b/{*rest}", "strip_path": "/a" }),
            json!({ "match": "ANY /a/b/{*rest}", "service": "orders", "rewritePath": "/b/{rest}" }),
        ),
        (json!({ "match": "GET /x", "stripPrefix": true }), json!({ "match": "GET /x", "service": "orders" })),
        (json!({ "rewrite": "/v2" }), orders(json!({ "rewritePath": "/v2" }))),
        (json!({ "rewrite": "/v2/$1" }), orders(json!({ "rewritePath": "/v2/{id}" }))),
        (json!({ "rewritepath": "/v2" }), orders(json!({ "rewritePath": "/v2" }))),
        (
            json!({ "service": null, "location": "/new/{id}" }),
            json!({ "match": "GET /a/{id}", "redirect": { "to": "/new/{id}" } }),
        ),
        (
            json!({ "service": null, "redirectTo": "https://x.example.com/" }),
            json!({ "match": "GET /a/{id}", "redirect": { "to": "https://x.example.com/" } }),
        ),
        (
            json!({ "service": null, "status": 404, "body": "gone" }),
            json!({ "match": "GET /a/{id}", "respond": { "status": 404, "body": "gone" } }),
        ),
        (
            json!({ "service": null, "directResponse": { "status": 204 } }),
            json!({ "match": "GET /a/{id}", "respond": { "status": 204 } }),
        ),
        (json!({ "queryParams": { "v": "2" } }), orders(json!({ "when": { "query": { "v": "2" } } }))),
        (json!({ "addHeaders": { "x-a": "b" } }), orders(json!({ "requestHeaders": { "set": { "x-a": "b" } } }))),
        (json!({ "timeoutSeconds": 30 }), orders(json!({ "timeout": "30s" }))),
        (json!({ "requestTimeout": "500ms" }), orders(json!({ "timeout": "500ms" }))),
        (json!({ "timeoutMs": 500 }), orders(json!({ "timeout": "500ms" }))),
        (json!({ "timeoutSeconds": true }), Value::Null),
        (json!({ "service": null, "backend": [{ "name": "orders", "port": 80 }] }), Value::Null),
        (json!({ "headers": { "x": "1" } }), Value::Null),
        (json!({ "match": null, "path": { "regex": "/a.*" } }), Value::Null),
        (json!({ "auth": "jwt" }), orders(json!({}))),
        (json!({ "priority": 10 }), orders(json!({}))),
        (json!({ "description": "the orders" }), orders(json!({}))),
        (json!({ "websocket": true }), orders(json!({}))),
        (json!({ "port": 8080 }), orders(json!({}))),
        (json!({ "revision": "orders-00001" }), orders(json!({}))),
        (json!({ "mirror": "x" }), orders(json!({}))),
        (json!({ "rateLimit": 5 }), orders(json!({}))),
        (
            json!({ "service": null, "redirect": { "url": "/b" } }),
            json!({ "match": "GET /a/{id}", "redirect": { "to": "/b" } }),
        ),
        (
            json!({ "service": null, "redirect": { "to": "/b", "code": 301 } }),
            json!({ "match": "GET /a/{id}", "redirect": { "to": "/b", "status": 301 } }),
        ),
        (
            json!({ "service": null, "respond": { "code": 200 } }),
            json!({ "match": "GET /a/{id}", "respond": { "status": 200 } }),
        ),
        (json!({ "when": { "header": { "x": "1" } } }), orders(json!({ "when": { "headers": { "x": "1" } } }))),
        (json!({ "requestHeaders": { "delete": ["x"] } }), orders(json!({ "requestHeaders": { "remove": ["x"] } }))),
        (
            json!({ "requestHeaders": { "set": { "x-a": { "id": null } } } }),
            orders(json!({ "requestHeaders": { "set": { "x-a": "{id}" } } })),
        ),
        (json!({ "mat\u{200b}ch": "GET /a/{id}", "match": null }), orders(json!({}))),
        (
            json!({ "host": "a.example.com", "service": null, "tag": "x" }),
            json!({ "match": "GET /a/{id}", "host": "a.example.com" }),
        ),
    ];
    let mut wrong = Vec::new();
    for (keys, expected) in cases {
        let document = route(keys.clone());
        let found = problems(&document);
        if found.iter().filter(|problem| problem.is_error()).count() != 1 && keys["match"].is_null() {
            wrong.push(format!("{keys} has {:?}", found.iter().map(Problem::to_string).collect::<Vec<_>>()));
        }
        wrong.extend(failures(&document));
        let corrected = corrected(&document);
        if corrected["routes"][0] != expected && !expected.is_null() {
            wrong.push(format!("{keys} becomes {} and not {expected}", corrected["routes"][0]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn keys_of_other_tables_become_one_entry() {
    let cases = [
        (json!({ "domain": null, "domian": "example.com" }), table(json!({}))),
        (json!({ "namespace": null, "namspace": "shop" }), table(json!({}))),
        (json!({ "hosts": null, "host": "api.example.com" }), table(json!({}))),
        (json!({ "hosts": null, "hostnames": ["api.example.com"] }), table(json!({}))),
        (json!({ "hosts": null, "hosst": ["api.example.com"] }), table(json!({}))),
        (json!({ "prefix": "/faas/" }), table(json!({ "basePath": "/faas" }))),
        (json!({ "baseUrl": "https://api.example.com/faas" }), table(json!({ "basePath": "/faas" }))),
        (
            json!({ "basepath": "/faas", "stripBasePath": true }),
            table(json!({ "basePath": "/faas", "stripBasePath": true })),
        ),
        (
            json!({ "basePath": "/faas", "stripPrefix": true }),
            table(json!({ "basePath": "/faas", "stripBasePath": true })),
        ),
        (json!({ "ignoreTrailingSlash": true }), table(json!({ "trailingSlash": "ignore" }))),
        (json!({ "strictSlash": true }), table(json!({ "trailingSlash": "strict" }))),
        (json!({ "timeout": "5s" }), Value::Null),
        (json!({ "defaultBackend": "web" }), table(json!({}))),
        (json!({ "apiVersion": "v1" }), table(json!({}))),
        (json!({ "caseSensitive": true }), table(json!({}))),
        (json!({ "description": "x" }), table(json!({}))),
        (
            json!({ "cors": { "origins": ["https://a.example.com"] } }),
            table(json!({ "cors": { "allowOrigins": ["https://a.example.com"] } })),
        ),
        (
            json!({ "cors": { "allowedOrigins": ["https://a.example.com"] } }),
            table(json!({ "cors": { "allowOrigins": ["https://a.example.com"] } })),
        ),
        (
            json!({ "cors": { "allowOrigins": ["https://a.example.com"], "allowMethods": ["ANY"] } }),
            table(json!({ "cors": { "allowOrigins": ["https://a.example.com"], "allowMethods": ["*"] } })),
        ),
        (
            json!({ "cors": { "allowOrigins": ["https://a.example.com"], "allowMethods": ["ALL"] } }),
            table(json!({ "cors": { "allowOrigins": ["https://a.example.com"], "allowMethods": ["*"] } })),
        ),
        (
            json!({ "cors": { "allowOrigins": ["https://a.example.com"], "allowMethods": ["PSOT"] } }),
            table(json!({ "cors": { "allowOrigins": ["https://a.example.com"], "allowMethods": ["POST"] } })),
        ),
        (json!({ "domain": "example.com\u{a0}" }), table(json!({}))),
        (json!({ "domain": "exam\u{200b}ple.com" }), table(json!({}))),
        (json!({ "namespace": "\u{feff}shop" }), table(json!({}))),
        (json!({ "basePath": "/faas\u{200b}" }), table(json!({ "basePath": "/faas" }))),
        (
            json!({ "requestHeaders": { "set": { "x-a": "b\u{a0}c" } } }),
            table(json!({ "requestHeaders": { "set": { "x-a": "b c" } } })),
        ),
        (json!({ "stripBasePath": true }), table(json!({}))),
        (json!({ "domain": "{{ .Values.domain }}" }), Value::Null),
        (json!({ "namespace": "${NAMESPACE}" }), Value::Null),
        (json!({ "domain": "EXAMPLE.com" }), table(json!({}))),
    ];
    let mut wrong = Vec::new();
    for (keys, expected) in cases {
        let document = table(keys.clone());
        let found = problems(&document);
        if found.len() != 1 {
            wrong.push(format!("{keys} has {:?}", found.iter().map(Problem::to_string).collect::<Vec<_>>()));
        }
        wrong.extend(failures(&document));
        let corrected = corrected(&document);
        if corrected != expected && !expected.is_null() {
            wrong.push(format!("{keys} becomes {corrected} and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_key_that_is_wrong_once_gives_one_error_in_a_table_of_many_routes() {
    for (key, misspelt) in [
        ("domain", "domian"),
        ("namespace", "namepsace"),
        ("hosts", "hsots"),
        ("routes", "rotues"),
        ("basePath", "basPath"),
        ("hostTemplate", "hostTemplat"),
        ("unsafePaths", "unsafePath"),
        ("onNoMatch", "onNomatches"),
    ] {
        let routes: Vec<Value> =
            (0..30).map(|n| json!({ "match": format!("GET /r{n}//{{id}}"), "service": format!("s{n}") })).collect();
        let mut document = table(json!({
            "routes": routes, "basePath": "/faas", "stripBasePath": true, "unsafePaths": "allow",
            "hostTemplate": "{service}-{namespace}.{domain}", "onNoMatch": "passThrough", "hosts": ["*"],
        }));
        assert_eq!(problems(&document), []);
        let value = document.as_object_mut().unwrap().remove(key).unwrap();
        document[misspelt] = value;
        let found: Vec<String> = problems(&document).iter().map(Problem::to_string).collect();
        assert_eq!(found, [format!("{misspelt}: unknown key `{misspelt}`; did you mean `{key}`?")]);
        assert_eq!(failures(&document), Vec::<String>::new());
    }
    let mut captured = table(json!({ "routes": [] }));
    captured["allowNamespace"] = json!(["*"]);
    captured["routes"] =
        (0..30).map(|n| json!({ "match": format!("ANY /r{n}/{{ns}}"), "service": "s", "namespace": "{ns}" })).collect();
    assert_eq!(problems(&captured).len(), 1);
    for (key, misspelt) in [("match", "mathc"), ("service", "servcie"), ("namespace", "namspace")] {
        let mut document = route(json!({ "namespace": "billing" }));
        document.as_object_mut().unwrap().remove("namespace");
        let route = document["routes"][0].as_object_mut().unwrap();
        let value = route.remove(key).unwrap();
        route.insert(misspelt.to_owned(), value);
        let found: Vec<String> = problems(&document).iter().map(Problem::to_string).collect();
        assert_eq!(found, [format!("routes[0].{misspelt}: unknown key `{misspelt}`; did you mean `{key}`?")]);
    }
}

#[test]
fn remedies_for_hosts_and_origins_hold() {
    let hosts = [
        ("https://api.example.com", Some("api.example.com")),
        ("https://api.example.com:8443/x?y#z", Some("api.example.com")),
        ("http://user@api.example.com/", Some("api.example.com")),
        ("api.example.com/faas", Some("api.example.com")),
        ("api.example.com:443", Some("api.example.com")),
        ("api.example.com.", Some("api.example.com")),
        ("api.example.com.:443", Some("api.example.com")),
        ("API.example.com", Some("api.example.com")),
        ("https://API.example.com", Some("api.example.com")),
        ("*example.com", Some("*.example.com")),
        (".example.com", Some("*.example.com")),
        ("*.example.com:443", Some("*.example.com")),
        ("*.example.com.", Some("*.example.com")),
        ("https://*.example.com", Some("*.example.com")),
        ("*.", None),
        ("*.*.example.com", None),
        ("api.*.com", None),
        ("http://*", None),
        ("b\u{fc}cher.example", Some("xn--bcher-kva.example")),
        ("*.b\u{fc}cher.example", Some("*.xn--bcher-kva.example")),
        ("B\u{dc}CHER.example", Some("xn--bcher-kva.example")),
        ("https://\u{4f8b}\u{3048}.example/", Some("xn--r8jz45g.example")),
        ("stra\u{df}e.example", None),
        ("a..b", None),
        ("", None),
        ("[::1", None),
        ("[::1]:443", Some("[::1]")),
        ("*.[::1]", Some("[::1]")),
        ("api.example.com\u{a0}", Some("api.example.com")),
        ("api.\u{200b}example.com", Some("api.example.com")),
        ("{{ .Values.host }}", None),
        ("$HOST", None),
    ];
    let origins = [
        ("https://app.example.com.", Some("https://app.example.com")),
        ("https://app.example.com/", Some("https://app.example.com")),
        ("https://app.example.com/login?x", Some("https://app.example.com")),
        ("app.example.com", Some("https://app.example.com")),
        ("//app.example.com", Some("https://app.example.com")),
        ("app.example.com/", Some("https://app.example.com")),
        ("*.example.com", Some("https://*.example.com")),
        ("https://*example.com", Some("https://*.example.com")),
        ("https://user@app.example.com", Some("https://app.example.com")),
        ("https://b\u{fc}cher.example", Some("https://xn--bcher-kva.example")),
        ("https://app.example.com:8443/", Some("https://app.example.com:8443")),
        ("http://*", None),
        ("https://*:443", None),
        ("https://a.example.com, https://b.example.com", None),
        ("https://a.example.com https://b.example.com", None),
        ("null", None),
        ("https://", None),
        ("https://a.*.example.com", None),
        ("https://app.example.com:*", None),
        ("https://app.example.com\u{a0}", Some("https://app.example.com")),
        ("1x://app.example.com", None),
    ];
    let targets = [
        ("https://orders.example.com/", Some("orders.example.com")),
        ("https://orders.example.com:8443/x", Some("orders.example.com:8443")),
        ("orders.example.com.", Some("orders.example.com")),
        ("Orders.example.com", Some("orders.example.com")),
        ("orders.example.com:99999", None),
        ("*.example.com", None),
        ("b\u{fc}cher.example", Some("xn--bcher-kva.example")),
    ];
    let rewrites = [
        ("/v2/$1", Some("/v2/{id}")),
        ("/v2/\\1", Some("/v2/{id}")),
        ("/v2/${1}", Some("/v2/{id}")),
        ("/v2/${id}", Some("/v2/{id}")),
        ("/v2/%{id}", Some("/v2/{id}")),
        ("/v2/:id", Some("/v2/{id}")),
        ("/v2/$id", Some("/v2/{id}")),
        ("/v2/*", Some("/v2/{id}")),
        ("/v2/$2", None),
        ("/v2/${name}", None),
        ("/v2/:name", None),
        ("v2", Some("/v2")),
        ("/v2/{*id}", Some("/v2/{id}")),
        ("/v2/{{ .Values.x }}", None),
        ("/v2/\u{a0}x", Some("/v2/ x")),
    ];
    let mut wrong = Vec::new();
    let mut check = |document: Value, pointer: &str, expected: Option<&str>| {
        let found = problems(&document);
        if found.len() != 1 {
            wrong.push(format!("{document} has {:?}", found.iter().map(Problem::to_string).collect::<Vec<_>>()));
        }
        wrong.extend(failures(&document));
        let corrected = corrected(&document);
        let is_changed = corrected != document;
        if is_changed != expected.is_some()
            || expected.is_some_and(|expected| corrected.pointer(pointer) != Some(&json!(expected)))
        {
            wrong.push(format!("{document}\n becomes {corrected}, and not {expected:?}"));
        }
    };
    for (host, expected) in hosts {
        check(table(json!({ "hosts": [host] })), "/hosts/0", expected);
    }
    for (origin, expected) in origins {
        check(table(json!({ "cors": { "allowOrigins": [origin] } })), "/cors/allowOrigins/0", expected);
    }
    for (host, expected) in targets {
        check(route(json!({ "service": null, "host": host })), "/routes/0/host", expected);
    }
    for (path, expected) in rewrites {
        check(route(json!({ "rewritePath": path })), "/routes/0/rewritePath", expected);
    }
    // Names such as these are literal: real APIs have them.
    for path in ["/v2/{id}/$count", "/v2/$value", "/v2/a:b", "/v2/100%25"] {
        assert_eq!(problems(&route(json!({ "rewritePath": path }))), [], "{path}");
    }
    check(
        table(json!({ "basePath": "/faas", "routes": [{ "match": "GET /faas/x", "service": "s" }] })),
        "/routes/0/match",
        Some("GET /x"),
    );
    check(
        table(json!({ "basePath": "/faas", "routes": [{ "match": "GET /faas", "service": "s" }] })),
        "/routes/0/match",
        Some("GET /"),
    );
    assert_eq!(
        problems(&table(json!({ "basePath": "/faas", "routes": [{ "match": "GET /faast", "service": "s" }] }))),
        []
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the documents of the catalogue.
fn catalogue() -> impl Iterator<Item = (&'static str, Value)> {
    CATALOGUE.iter().filter_map(|entry| match entry.example {
        Example::PluginConfig("") => None,
        Example::PluginConfig(text) => Some((entry.code, from_yaml(text))),
        Example::Document(text) => serde_json::from_str(text).ok().map(|document| (entry.code, document)),
        Example::Message(_) => None,
    })
}

#[test]
fn remedies_of_the_catalogues_examples_hold() {
    let mut proposing = BTreeMap::new();
    for (code, document) in catalogue().filter(|(_, document)| document.is_object()) {
        let failures = failures(&document);
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        let found = problems(&document);
        proposing.insert(code, found.iter().any(|problem| problem.remedy.is_some()));
    }
    println!(
        "{} kinds propose an edit, of {} with an example",
        proposing.values().filter(|proposes| **proposes).count(),
        proposing.len()
    );
}

/// Texts of `match` that are changed at random have remedies that hold. Each run makes the same ones, so that a change fails
/// here by itself alone; `REMEDIES_SEED=… cargo test -p ksvc-router-cli --test remedies` makes others.
#[test]
fn remedies_for_random_mistakes_hold() {
    let seed = std::env::var("REMEDIES_SEED").map_or(20_261_126, |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let parts = [
        "GET",
        "POST",
        "get",
        "ANY",
        "*",
        "|",
        ",",
        " ",
        "/",
        "/orders",
        "/{id}",
        "/:id",
        "/*",
        "{",
        "}",
        "{*rest}",
        "{**rest}",
        "{id:[0-9]+}",
        "^",
        "$",
        "?",
        "#",
        "%",
        "%zz",
        "(",
        ")",
        "[0-9]+",
        "\\d",
        ".*",
        "\u{a0}",
        "\u{200b}",
        "https://",
        "api.example.com",
        "<id>",
        "[id]",
        ":",
        "=",
        "+",
        "-",
        ".",
        "a",
        "é",
        "{{",
        "}}",
        "..",
        "//",
        "{p:path}",
        "{name=a/*/b/*}",
        "{+x}",
        "{x...}",
        "match:",
        "\t",
    ];
    let (mut tried, mut wrong) = (0, Vec::new());
    for _ in 0..5_000 {
        let mut text =
            String::from(["GET /orders/{id}", "GET|POST /a", "ANY /{*rest}", "GET /v{a}.json/b"][random.usize(..4)]);
        for _ in 0..random.usize(1..4) {
            let positions: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            let (a, b) = (positions[random.usize(..positions.len())], positions[random.usize(..positions.len())]);
            let (from, to) = if random.bool() { (a, a) } else { (a.min(b), a.max(b).min(a.min(b) + 3)) };
            let to = (to..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap();
            text.replace_range(from..to, parts[random.usize(..parts.len())]);
        }
        let document = route(json!({ "match": text }));
        // With several mistakes in one text, the correction of one can change what is said about another, and some
        // messages are only about paths that can be read.
        let is_hidden = |other: &Problem| matches!(other.kind.code(), "repeated-parameter" | "unreachable-path");
        let before = problems(&document);
        let most = if before.len() == 1 { 0 } else { before.len() };
        for problem in before.iter().filter(|problem| problem.remedy.is_some()) {
            let after = problems(&edited(&document, problem));
            let shown = after.iter().filter(|other| !is_hidden(other)).count();
            if shown > most || after.contains(problem) {
                wrong.push(format!("{document}\n  {problem}\n  {:?}", problem.remedy));
            }
        }
        corrected(&document);
        tried += usize::from(!before.is_empty());
    }
    assert!(wrong.is_empty(), "REMEDIES_SEED={seed}\n{}", wrong.join("\n"));
    assert!(tried > 2_000, "{tried}");
}

/// The table of the reference says what `check` says.
#[test]
fn spellings_in_the_reference_become_what_it_says() {
    let page = include_str!("../../../docs/configuration.md");
    let table = page.split("\nIn `match`:\n").nth(1).unwrap();
    let mut rows = 0;
    for row in table.trim_start().lines().skip(2).take_while(|line| line.starts_with('|')) {
        let row = row.replace("\\|", "\u{1}");
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect();
        let (elsewhere, here) = (cells[1].trim_matches('`'), cells[2].trim_matches('`'));
        let document = route(json!({ "match": elsewhere }));
        assert!(!problems(&document).is_empty(), "{elsewhere}");
        assert_eq!(corrected(&document)["routes"][0]["match"], here, "{elsewhere}");
        rows += 1;
    }
    assert!(rows > 15, "{rows}");
}
