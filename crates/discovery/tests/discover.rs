//! The rules by which services get their matches, each with small objects, and properties of random ones.

use std::collections::BTreeMap;

use fastrand::Rng;
use ksvc_discovery::{
    At, Discovery, Finding, FindingKind, Grant, KINDS, KnativeService, Namespaces, OwnedPath, TableDefinition, discover,
};
use ksvc_routing::{Head, Severity, compile};
use serde_json::{Value, json};

/// A service that is ready. The time of its creation is a second of a minute.
fn service(id: &str, second: u32, matches: &str) -> KnativeService {
    let (namespace, name) = id.split_once('/').unwrap();
    let object = json!({
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": format!("2026-11-27T09:00:{second:02}Z"),
            "annotations": {"ksvc-router/match": matches},
        },
        "status": {
            "url": format!("http://{name}.{namespace}.example.com"),
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    serde_json::from_value(object).unwrap()
}

fn table(name: &str) -> TableDefinition {
    let settings = json!({"name": name, "hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com"});
    TableDefinition {
        name: name.to_owned(),
        settings: settings.as_object().unwrap().clone(),
        routes: vec![],
        grants: vec![Grant::everything()],
    }
}

fn grant(namespaces: &str, paths: &[&str]) -> Grant {
    let paths = paths.iter().map(|path| OwnedPath::read(path).unwrap()).collect();
    Grant { namespaces: Namespaces::read(namespaces).unwrap(), paths }
}

/// Returns the matches in the first table, each with the name of its route.
fn routed(discovery: &Discovery) -> Vec<String> {
    let routes = discovery.tables[0].claimed.iter();
    routes.flat_map(|route| route.matches.iter().map(|one| format!("{} {}", route.service, one.text))).collect()
}

/// Returns the findings: service, match and code.
fn found(discovery: &Discovery) -> Vec<String> {
    let line = |finding: &Finding| {
        let service = finding.service.as_ref().map(ToString::to_string).unwrap_or_default();
        let place = match &finding.at {
            At::Match { line, text } => format!(" {line} `{text}`"),
            At::Annotation(name) => format!(" {name}"),
            _ => String::new(),
        };
        format!("{service}{place}: {}", finding.kind.code())
    };
    discovery.findings.iter().map(line).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn each_line_of_the_annotation_is_a_match() {
    let services = [service("shop/orders", 0, "\n  GET /orders/{id}  \n\nPOST /orders\r\n\n")];
    let discovery = discover(&services, &[table("default")]);
    assert_eq!(found(&discovery), NONE);
    assert_eq!(routed(&discovery), ["shop/orders GET /orders/{id}", "shop/orders POST /orders"]);
}

#[test]
fn the_oldest_gets_what_several_claim() {
    let services = [
        service("b/young", 9, "GET /a/{y}\nGET /b"),
        service("z/old", 1, "GET /a/{x}"),
        service("a/same-age", 1, "GET /c"),
        service("b/same-age", 1, "GET /c"),
    ];
    let discovery = discover(&services, &[table("default")]);
    assert_eq!(routed(&discovery), ["a/same-age GET /c", "b/young GET /b", "z/old GET /a/{x}"]);
    assert_eq!(found(&discovery), ["b/same-age 0 `GET /c`: claim-conflict", "b/young 0 `GET /a/{y}`: claim-conflict"]);
    let text = discovery.findings[1].to_string();
    assert!(text.contains("z/old") && text.contains("`GET /a/{x}`") && text.contains("both for GET"), "{text}");
}

/// A service that has lost a match takes nothing from a third one.
#[test]
fn a_match_that_is_left_out_claims_nothing() {
    let services = [service("a/a", 1, "GET /a"), service("a/b", 2, "GET|POST /a"), service("a/c", 3, "POST /a")];
    let discovery = discover(&services, &[table("default")]);
    assert_eq!(routed(&discovery), ["a/a GET /a", "a/c POST /a"]);
    assert_eq!(found(&discovery), ["a/b 0 `GET|POST /a`: claim-conflict"]);
}

#[test]
fn matches_that_can_be_told_apart_are_no_conflict() {
    let matches =
        ["ANY /a", "GET /a", "HEAD /a", "GET /{x}", "GET /{**x}", "GET /{*x}", "GET /a/", "GET /a-{x}", "GET /A"];
    let services: Vec<_> = (0..).zip(matches).map(|(n, text)| service(&format!("a/s{n}"), n, text)).collect();
    let discovery = discover(&services, &[table("default")]);
    assert_eq!((found(&discovery).len(), routed(&discovery).len()), (0, matches.len()));
}

#[test]
fn a_service_can_not_claim_the_same_twice() {
    let services = [service("a/a", 1, "GET /a/{x}\nGET|POST /%61/{y}")];
    let discovery = discover(&services, &[table("default")]);
    assert_eq!(found(&discovery), ["a/a 1 `GET|POST /%61/{y}`: repeated-claim"]);
    assert_eq!(routed(&discovery), ["a/a GET /a/{x}"]);
}

#[test]
fn routes_of_the_definition_come_before_claims() {
    let mut table = table("default");
    table.routes = vec![
        json!({"match": "GET /ping", "respond": {"status": 200}}),
        json!({"match": ["GET /a"], "when": {"headers": {"x": "1"}}, "host": "a.example.com"}),
    ];
    let discovery = discover(&[service("a/a", 1, "GET /ping\nGET /a")], &[table]);
    assert_eq!(found(&discovery), ["a/a 0 `GET /ping`: claim-of-fixed-route"]);
    assert_eq!(routed(&discovery), ["a/a GET /a"]);
    let names: Vec<Value> = discovery.tables[0].to_configuration()["routes"].as_array().unwrap().clone();
    assert_eq!(names.len(), 3);
    assert_eq!(names[2]["name"], "a/a");
}

#[test]
fn a_namespace_claims_only_what_it_owns() {
    let mut table = table("default");
    table.grants =
        vec![grant("shop", &["/orders"]), grant("team-*", &["/teams/{namespace}"]), grant("*", &["/public"])];
    let services = [
        service("shop/a", 1, "GET /orders/{id}\nGET /\nGET /public/x"),
        service("team-b/b", 2, "GET /teams/team-b\nGET /teams/team-a"),
        service("other/c", 3, "GET /orders"),
    ];
    let discovery = discover(&services, &[table]);
    assert_eq!(routed(&discovery), ["shop/a GET /orders/{id}", "shop/a GET /public/x", "team-b/b GET /teams/team-b"]);
    assert_eq!(
        found(&discovery),
        [
            "other/c 0 `GET /orders`: claim-not-owned",
            "shop/a 1 `GET /`: claim-not-owned",
            "team-b/b 1 `GET /teams/team-a`: claim-not-owned",
        ]
    );
    assert!(discovery.findings[1].to_string().contains("`/orders`, `/public`"));
    assert!(discovery.findings[2].to_string().contains("`/teams/team-b`"));
}

/// Patterns that reach beyond `/orders`, each in a way of its own.
#[test]
fn no_pattern_reaches_beyond_what_a_namespace_owns() {
    for settings in [
        json!({}),
        json!({"trailingSlash": "ignore"}),
        json!({"unsafePaths": "allow"}),
        json!({"stripBasePath": true}),
        json!({"basePath": "/"}),
    ] {
        let mut table = table("default");
        table.settings.extend(settings.as_object().unwrap().clone());
        if table.settings["basePath"] == "/" {
            table.settings.remove("basePath");
        }
        table.grants = vec![grant("shop", &["/orders"]), grant("billing", &["/refunds"])];
        for path in [
            "/",
            "/{a}",
            "/{**rest}",
            "/{*rest}",
            "/{a}/{b}",
            "/{a}/{**rest}",
            "/orders{x}",
            "/{x}orders",
            "/order{x}",
            "/Orders",
            "//orders",
            "/./orders",
            "/%2forders",
            "/orders%2fx",
            "/orders%00",
            "/orders;x",
            "/faas/orders",
            "/refunds",
            "/%72efunds",
        ] {
            for method in ["GET", "ANY"] {
                let claim = format!("{method} {path}");
                let discovery = discover(&[service("shop/a", 1, &claim)], &[table.clone()]);
                assert_eq!(routed(&discovery), NONE, "{settings} {claim}");
                assert!(discovery.findings.iter().any(Finding::is_error), "{settings} {claim}");
            }
        }
        for path in ["/orders", "/orders/", "/%6frders", "/%6Frders/{id}", "/orders/{**rest}", "/orders/{a}-{b}"] {
            let claim = format!("ANY {path}");
            let discovery = discover(&[service("shop/a", 1, &claim)], &[table.clone()]);
            assert_eq!(routed(&discovery), [format!("shop/a {claim}")], "{settings} {claim}");
        }
        // The path of a request is normalized before it is matched, so this route must get nothing outside `/orders`.
        let discovery = discover(&[service("shop/a", 1, "ANY /orders/../refunds")], &[table.clone()]);
        let compiled = compile(discovery.tables[0].to_configuration().to_string().as_bytes());
        for path in ["/faas/refunds", "/refunds"] {
            let headers: Vec<(&[u8], &[u8])> =
                vec![(b":method", b"GET"), (b":authority", b"api.example.com"), (b":path", path.as_bytes())];
            let target = format!("{:?}", compiled.table.decide(&Head::read(&headers), || false));
            assert!(!target.contains("a.shop.example.com"), "{settings} {path}: {target}");
        }
    }
}

/// In a file, a namespace can have any name.
#[test]
fn the_name_of_a_namespace_can_not_become_a_pattern() {
    let mut table = table("default");
    table.grants = vec![grant("*", &["/teams/{namespace}"])];
    for namespace in ["{x}", "{**rest}", "..", "a/../b", "Team", ""] {
        let mut service = service("a/a", 1, "GET /teams/other/x\nGET /teams\nGET /x");
        service.metadata.namespace = namespace.to_owned();
        assert_eq!(routed(&discover(&[service], &[table.clone()])), NONE, "{namespace}");
    }
}

#[test]
fn a_url_can_not_name_the_host_of_another() {
    let with_url = |id: &str, second, url: &str| {
        let mut evil = service(id, second, "GET /evil");
        evil.status.url = Some(url.to_owned());
        evil
    };
    let mut bare = service("billing/new", 5, "");
    bare.status = Default::default();
    let victims = [service("billing/pay", 5, "GET /pay"), with_url("billing/own", 5, "http://own.example.org"), bare];
    let mut without_domain = table("default");
    without_domain.settings.remove("domain");
    for (url, domain) in [
        ("http://pay.billing.example.com", true),
        ("http://PAY.billing.example.com/", true),
        ("http://new.billing.example.com", true),
        ("http://api.example.com", true),
        ("http://grafana.monitoring.svc.cluster.local:3000", true),
        ("http://grafana.monitoring.svc", true),
        ("http://grafana.monitoring.svc.cluster.example", true),
        ("http://a.b:99", true),
        ("http://10.0.0.1", true),
        ("http://[::1]", true),
        ("http://pay.billing.example.com", false),
        ("http://own.example.org", false),
    ] {
        let table = if domain { table("default") } else { without_domain.clone() };
        let mut services = victims.to_vec();
        services.push(with_url("team-a/evil", 9, url));
        let discovery = discover(&services, &[table]);
        assert!(!routed(&discovery).join(" ").contains("team-a/evil"), "{url} {domain}");
        let codes = found(&discovery);
        assert!(codes.contains(&"team-a/evil: foreign-url".to_owned()), "{url} {domain}: {codes:?}");
        assert!(routed(&discovery).contains(&"billing/pay GET /pay".to_owned()), "{url} {domain}");
    }
    // What the table makes belongs to its service, even if an older one has named it.
    let discovery = discover(
        &[victims[0].clone(), with_url("team-a/evil", 1, "http://pay.billing.example.com")],
        &[table("default")],
    );
    assert_eq!(routed(&discovery), ["billing/pay GET /pay"]);
}

#[test]
fn a_domain_that_fits_no_service_is_a_warning() {
    let mut table = table("default");
    table.settings.insert("domain".into(), "example.net".into());
    let services = [service("shop/a", 1, "GET /a"), service("shop/b", 2, "GET /b")];
    let discovery = discover(&services, &[table.clone()]);
    assert_eq!(found(&discovery), [": domain-does-not-fit"]);
    let text = discovery.findings[0].to_string();
    assert!(text.contains("shop/a has `a.shop.example.com`") && text.contains("`a.shop.example.net`"), "{text}");
    let mut fits = service("shop/c", 3, "GET /c");
    fits.status.url = Some("http://c.shop.example.net".to_owned());
    assert_eq!(found(&discover(&[services[0].clone(), fits], &[table])), NONE);
}

#[test]
fn a_younger_service_takes_no_part_of_what_another_namespace_has() {
    let mut ignoring = table("default");
    ignoring.settings.insert("trailingSlash".into(), "ignore".into());
    for (table, old, young, is_taken) in [
        (table("default"), "ANY /a", "GET /a", true),
        (table("default"), "GET /a", "ANY /a", false),
        (table("default"), "GET /a", "GET /a/", false),
        (ignoring.clone(), "GET /a", "GET /a/", true),
        (ignoring.clone(), "GET /a/", "GET /a", true),
        (ignoring.clone(), "ANY /a", "GET /a/", true),
        (ignoring.clone(), "GET /{x}", "GET /{y}/", true),
        (ignoring, "GET /a", "POST /a/", false),
    ] {
        let discovery =
            discover(&[service("z/old", 1, old), service("a/young", 2, young)], std::slice::from_ref(&table));
        let expected = if is_taken { vec![format!("a/young 0 `{young}`: claim-of-taken-requests")] } else { vec![] };
        assert_eq!(found(&discovery), expected, "{old} {young}");
        // One namespace may tell its own requests apart.
        let discovery =
            discover(&[service("z/old", 1, old), service("z/young", 2, young)], std::slice::from_ref(&table));
        assert_eq!(found(&discovery), NONE, "{old} {young}");
        let fixed = TableDefinition { routes: vec![json!({"match": old, "respond": {"status": 200}})], ..table };
        assert_eq!(found(&discover(&[service("a/young", 2, young)], &[fixed])), expected, "{old} {young}");
    }
}

/// One namespace can't take the table away from the others.
#[test]
fn the_youngest_are_left_out_of_a_full_table() {
    let long = "x".repeat(7_000);
    let many = |from: u32| -> String { (0..900).map(|n| format!("GET /{from}/{n}/{long}\n")).collect() };
    let mut services: Vec<_> = (0..4).map(|n| service(&format!("a/s{n}"), 10 + n, &many(n))).collect();
    services.push(service("z/old", 1, "GET /old"));
    let discovery = discover(&services, &[table("default")]);
    assert_eq!(found(&discovery), ["a/s2: table-full", "a/s3: table-full"]);
    assert!(routed(&discovery).contains(&"z/old GET /old".to_owned()));
}

#[test]
fn an_invalid_match_is_left_out_and_the_others_stay() {
    let services = [service("a/a", 1, "GET /a\nGET b\nGET\nGET /{x"), service("a/b", 2, "GET /:id")];
    let discovery = discover(&services, &[table("default")]);
    assert_eq!(routed(&discovery), ["a/a GET /a", "a/b GET /:id"]);
    let errors: Vec<_> = discovery.findings.iter().map(|finding| (finding.is_error(), finding.at.clone())).collect();
    let at = |line, text: &str| At::Match { line, text: text.to_owned() };
    assert_eq!(
        errors,
        [(true, at(1, "GET b")), (true, at(2, "GET")), (true, at(3, "GET /{x")), (false, at(0, "GET /:id")),]
    );
}

#[test]
fn the_host_is_written_as_a_service_if_the_table_makes_it() {
    let mut other = service("shop/other", 1, "GET /other");
    other.status.url = Some("https://Other.Example.org/".to_owned());
    let mut new = service("shop/new", 1, "GET /new");
    new.status = Default::default();
    let services = [service("shop/a", 1, "GET /a"), other, new];
    let mut without_domain = table("default");
    without_domain.settings.remove("domain");

    let discovery = discover(&services, &[table("default")]);
    assert_eq!(
        discovery.tables[0].to_configuration()["routes"],
        json!([
            {"name": "shop/a", "match": "GET /a", "service": "a", "namespace": "shop"},
            {"name": "shop/new", "match": "GET /new", "service": "new", "namespace": "shop"},
            {"name": "shop/other", "match": "GET /other", "host": "other.example.org"},
        ])
    );
    assert_eq!(found(&discovery), ["shop/new: ksvc-without-url"]);

    let discovery = discover(&services, &[without_domain]);
    assert_eq!(discovery.tables[0].to_configuration()["routes"][0]["host"], "a.shop.example.com");
    assert_eq!(found(&discovery), ["shop/new: ksvc-without-host"]);
}

#[test]
fn services_that_are_not_ready_stay_and_cluster_local_ones_are_left_out() {
    let with_ready = |id: &str, status: &str| {
        let mut service = service(id, 1, &format!("GET /{id}"));
        service.status.conditions[0].status = status.to_owned();
        service.status.conditions[0].message = Some("it\nwaits".to_owned());
        service
    };
    let mut labelled = service("a/labelled", 1, "GET /labelled");
    labelled.metadata.labels.insert("networking.knative.dev/visibility".into(), "cluster-local".into());
    let mut inside = service("a/inside", 1, "GET /inside");
    inside.status.url = Some("http://inside.a.svc.cluster.local".to_owned());
    let mut deleted = service("a/deleted", 0, "GET /claimed");
    deleted.metadata.deletion_timestamp = Some("2026-11-27T10:00:00Z".to_owned());
    let services = [
        with_ready("a/false", "False"),
        with_ready("a/unknown", "Unknown"),
        labelled,
        inside,
        deleted,
        service("a/next", 2, "GET /claimed"),
    ];
    let discovery = discover(&services, &[table("default")]);
    assert_eq!(routed(&discovery), ["a/false GET /a/false", "a/next GET /claimed", "a/unknown GET /a/unknown"]);
    assert_eq!(
        found(&discovery),
        [
            "a/deleted: ksvc-in-deletion",
            "a/false: ksvc-not-ready",
            "a/inside: cluster-local-ksvc",
            "a/labelled: cluster-local-ksvc",
            "a/unknown: ksvc-not-ready",
        ]
    );
    assert!(discovery.findings[1].to_string().contains("Ready is False: it waits"));
}

#[test]
fn annotations_without_effect_are_told() {
    let with = |id: &str, annotations: Value| {
        let mut service = service(id, 1, "");
        service.metadata.annotations = serde_json::from_value(annotations).unwrap();
        service
    };
    let services = [
        with("a/empty", json!({"ksvc-router/match": " \n"})),
        with("a/misspelt", json!({"ksvc-router/mach": "GET /a"})),
        with("a/table", json!({"ksvc-router/table": "default"})),
        with("a/unknown", json!({"ksvc-router/table": "other", "ksvc-router/match": "GET /a"})),
        with("a/none", json!({"example.com/match": "GET /a"})),
        with("a/similar", json!({"ksvc-router.io/match": "GET /a"})),
        {
            let mut service = with("a/template", json!({}));
            service.spec.template.metadata.annotations.insert("ksvc-router/match".into(), "GET /a".into());
            service
        },
    ];
    let discovery = discover(&services, &[table("default")]);
    assert_eq!(
        found(&discovery),
        [
            "a/empty ksvc-router/match: no-match-in-annotation",
            "a/misspelt ksvc-router/mach: unknown-annotation",
            "a/similar ksvc-router.io/match: similar-annotation",
            "a/table ksvc-router/table: table-without-match",
            "a/template ksvc-router/match: annotation-in-template",
            "a/unknown ksvc-router/table: unknown-table",
        ]
    );
}

#[test]
fn each_table_has_its_own_claims() {
    let mut internal = service("a/b", 2, "GET /a");
    internal.metadata.annotations.insert("ksvc-router/table".into(), "internal".into());
    let discovery = discover(&[service("a/a", 1, "GET /a"), internal], &[table("default"), table("internal")]);
    assert_eq!(found(&discovery), NONE);
    let names: Vec<_> = discovery.tables.iter().map(|table| (&*table.name, &*table.claimed[0].service.name)).collect();
    assert_eq!(names, [("default", "a"), ("internal", "b")]);
}

#[test]
fn different_objects_of_one_service_are_not_used() {
    let services = [service("a/a", 1, "GET /a"), service("a/a", 1, "GET /b"), service("a/b", 1, "GET /a")];
    let discovery = discover(&services, &[table("default")]);
    assert_eq!((found(&discovery), routed(&discovery)), (vec!["a/a: repeated-ksvc".into()], vec!["a/b GET /a".into()]));
    let same = [service("a/a", 1, "GET /a"), service("a/a", 1, "GET /a")];
    assert_eq!(found(&discover(&same, &[table("default")])), NONE);
}

#[test]
fn a_service_without_a_readable_time_is_the_youngest() {
    let mut odd = service("a/a", 1, "GET /a");
    odd.metadata.creation_timestamp = Some("1999".to_owned());
    let mut none = service("a/b", 1, "GET /b");
    none.metadata.creation_timestamp = None;
    let discovery = discover(&[odd, none, service("b/b", 59, "GET /a\nGET /b")], &[table("default")]);
    assert_eq!(routed(&discovery), ["b/b GET /a", "b/b GET /b"]);
    assert_eq!(
        found(&discovery),
        ["a/a: invalid-creation-time", "a/a 0 `GET /a`: claim-conflict", "a/b 0 `GET /b`: claim-conflict"]
    );
}

/// A host that DNS does not allow, and a limit of the filter: the table is made without them.
#[test]
fn what_the_filter_refuses_is_left_out() {
    let mut odd = service("a/odd", 1, "GET /odd");
    odd.status.url = Some("http://a b.example.com".to_owned());
    let mixed: String = (0..70).map(|n| format!("GET /{{a}}-{n}-{{b}}\n")).collect();
    let discovery = discover(&[odd, service("a/mixed", 2, &mixed), service("b/b", 3, "GET /b")], &[table("default")]);
    let configuration = discovery.tables[0].to_configuration();
    assert!(compile(configuration.to_string().as_bytes()).is_good());
    assert!(routed(&discovery).contains(&"b/b GET /b".to_owned()));
    assert!(!configuration.to_string().contains("a b.example"));
    assert!(discovery.findings.iter().any(|finding| finding.is_error()
        && matches!(&finding.service, Some(service) if service.name == "odd")
        && !matches!(finding.kind, FindingKind::NotReady { .. })));
    assert!(
        discovery.findings.iter().any(|finding| matches!(&finding.service, Some(service) if service.name == "mixed"))
    );
}

#[test]
fn a_table_that_the_filter_refuses_as_a_whole_is_not_made() {
    let mut table = table("default");
    table.settings.insert("basePath".into(), "faas".into());
    let discovery = discover(&[service("a/a", 1, "GET /a")], &[table]);
    assert!(discovery.tables.is_empty());
    assert_eq!(found(&discovery), [": table-refused"]);
}

#[test]
fn codes_are_unique() {
    let mut codes: Vec<&str> = KINDS.iter().map(|(code, ..)| *code).collect();
    codes.extend(ksvc_routing::CATALOGUE.iter().map(|entry| entry.code));
    let count = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), count);
    let (code, severity, _) = KINDS[0];
    let kind = FindingKind::UnknownAnnotation { found: String::new() };
    assert_eq!((code, severity), (kind.code(), Severity::Error));
}

// ---- properties

fn random_match(random: &mut Rng) -> String {
    const METHODS: [&str; 7] = ["GET", "GET", "POST", "ANY", "GET|POST", "PUT|GET", "FETCH|GET"];
    const SEGMENTS: [&str; 13] =
        ["/a", "/b", "/{x}", "/{y}", "/{x}-{y}", "/v{x}", "/", "/%61", "/{*rest}", "/{**rest}", "/{x", "/:id", "/A"];
    let path: String = (0..random.usize(1..4)).map(|_| SEGMENTS[random.usize(..SEGMENTS.len())]).collect();
    format!("{} {path}", METHODS[random.usize(..METHODS.len())])
}

fn random_service(random: &mut Rng) -> KnativeService {
    let matches: Vec<String> = (0..random.usize(0..4)).map(|_| random_match(random)).collect();
    let id = format!("n{}/s{}", random.u8(..3), random.u8(..12));
    let mut service = service(&id, random.u32(..4), &matches.join("\n"));
    match random.u8(..12) {
        0 => service.status.url = None,
        1 => service.status.url = Some("http://a.b.svc.cluster.local".to_owned()),
        2 => service.status.url = Some("http://other.example.org".to_owned()),
        3 => service.status.conditions.clear(),
        4 => service.metadata.creation_timestamp = None,
        _ => {}
    }
    if random.u8(..4) == 0 {
        let table = ["default", "other", "missing"][random.usize(..3)];
        service.metadata.annotations.insert("ksvc-router/table".into(), table.into());
    }
    service
}

/// The result does not depend on the order of the objects, the filter accepts each table, nothing has two owners, and what
/// can't be told apart by the key is what the compiler reports as a duplicate.
#[test]
fn random_services_make_good_tables_in_any_order() {
    let mut random = Rng::with_seed(7);
    let (mut conflicts, mut routes) = (0, 0);
    for round in 0..1_500 {
        let mut services: Vec<KnativeService> = (0..random.usize(1..14)).map(|_| random_service(&mut random)).collect();
        let mut tables = [table("default"), table("other")];
        if random.bool() {
            tables[0].grants = vec![grant("n0", &["/a"]), grant("n*", &["/{x}/a", "/b"])];
            let fixed = ["GET /a", "GET /b/{x}"][random.usize(..2)];
            tables[0].routes = vec![json!({"match": fixed, "respond": {"status": 200}})];
        }
        let discovery = discover(&services, &tables);
        random.shuffle(&mut services);
        let again = discover(&services, &tables);
        assert_eq!(discovery.tables, again.tables, "round {round}");
        assert_eq!(discovery.findings, again.findings, "round {round}");
        assert_eq!(discovery.tables.len(), 2);
        for table in &discovery.tables {
            let compiled = compile(table.to_configuration().to_string().as_bytes());
            assert!(compiled.is_good(), "round {round}: {:?}", compiled.problems);
            let mut owners = BTreeMap::new();
            for route in &table.claimed {
                routes += 1;
                for claim in &route.matches {
                    for method in &claim.key.methods {
                        let before = owners.insert((method, &claim.key.path), &route.service);
                        assert_eq!(before, None, "round {round}: {claim:?}");
                    }
                }
            }
        }
        // With the match in the table after all, the compiler reports a duplicate.
        for finding in &discovery.findings {
            let is_conflict = matches!(
                finding.kind,
                FindingKind::Conflict { .. } | FindingKind::RepeatedClaim { .. } | FindingKind::FixedRoute { .. }
            );
            let (At::Match { text, .. }, true) = (&finding.at, is_conflict) else { continue };
            conflicts += 1;
            let table = discovery.tables.iter().find(|table| Some(&table.name) == finding.table.as_ref()).unwrap();
            let mut document = table.to_configuration();
            document["routes"].as_array_mut().unwrap().push(json!({"match": text, "host": "x.example.com"}));
            let problems = compile(document.to_string().as_bytes()).problems;
            assert!(problems.iter().any(|problem| problem.kind.code() == "duplicate-route"), "round {round}: {text}");
        }
    }
    assert!(conflicts > 150 && routes > 2_000, "{conflicts} conflicts, {routes} routes");
}
