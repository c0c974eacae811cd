//! Requests that no honest client sends and no codec should pass on. The module never traps, and answers 400 if they
//! are in scope.

use module_host::{Exchange, Head, Process, Root, Verdict};
use serde_json::{Value, json};

use crate::random::Random;
use crate::{Doing, PLUGIN, api, configured, shop, shop_with};

/// The limit for one callback, however hostile the request: about a tenth of a second in Envoy.
const MOST_INSTRUCTIONS: u64 = 50_000_000;

/// Returns tables that examine requests in different ways.
fn tables() -> Vec<Value> {
    vec![
        shop(),
        shop_with(&json!({"hosts": ["*"]})),
        shop_with(&json!({"unsafePaths": "allow", "trailingSlash": "ignore", "stripBasePath": true})),
        shop_with(&json!({"basePath": null, "onNoMatch": "passThrough", "denyDirect": true})),
        shop_with(&json!({"stripInternalHeaders": false})),
        shop_with(&json!({
            "unsafePaths": "allow",
            "stripBasePath": true,
            "rewriteLocation": true,
            "cors": {"allowOrigins": ["https://*.example.com"], "allowMethods": ["*"], "allowHeaders": ["*"]},
            "requestHeaders": {"set": {"x-id": "{id}", "x-route": "{:route}"}, "add": {"x-rest": "{rest}"}},
            "responseHeaders": {"set": {"x-id": "{id}"}, "add": {"x-rest": "{rest}"}, "remove": ["server"]},
        })),
    ]
}

fn roots() -> Vec<(Process, Root)> {
    tables().iter().map(configured).collect()
}

const ANY: [(&[u8], &[u8]); 4] =
    [(b":authority", b"api.example.com"), (b":path", b"/faas/orders/1"), (b":method", b"GET"), (b":scheme", b"https")];

/// Returns a plain request with another value for one header, or without that header.
fn with(name: &[u8], value: Option<&[u8]>) -> Head {
    let usual = ANY.into_iter().filter(|(n, _)| *n != name);
    let changed = value.map(|value| (name, value));
    Head::from_bytes(usual.chain(changed))
}

/// Sends a request and a response to it.
fn goes_through(root: &Root, head: Head) -> Exchange {
    let mut exchange = root.send(head);
    assert!(exchange.verdict != Verdict::Paused, "the request waits");
    let location = "http://orders.shop.example.com/orders/\u{e9}";
    exchange.response(&[(":status", "200"), ("content-type", "text/plain"), ("location", location)], false);
    exchange
}

fn status(exchange: &Exchange) -> u32 {
    exchange.answer().map_or(0, |answer| answer.status)
}

#[test]
fn request_in_scope_without_a_method_is_answered_400() {
    let (_process, root) = configured(&shop());
    let exchange = goes_through(&root, with(b":method", None));
    assert_eq!(status(&exchange), 400);
    for method in [&b""[..], b"\xff", b"G\xe9T", b"GET /", b"GET\t"] {
        let exchange = goes_through(&root, with(b":method", Some(method)));
        let status = status(&exchange);
        assert!([400, 405].contains(&status), "{}: {status}", method.escape_ascii());
    }
}

#[test]
fn request_without_a_path_is_out_of_scope() {
    for (_process, root) in roots() {
        let exchange = goes_through(&root, with(b":path", None));
        assert_eq!((&exchange.verdict, exchange.route_cache_clears()), (&Verdict::Continue, 0));
    }
}

#[test]
fn request_without_an_authority_is_out_of_scope() {
    let (_process, root) = configured(&shop());
    for authority in [None, Some(&b""[..]), Some(b":443"), Some(b"."), Some(b"\xff\xfe"), Some(b"api.example.com\xff")]
    {
        let exchange = goes_through(&root, with(b":authority", authority));
        assert_eq!((&exchange.verdict, exchange.route_cache_clears()), (&Verdict::Continue, 0));
    }
}

#[test]
fn empty_header_map_is_out_of_scope() {
    for (_process, root) in roots() {
        let exchange = goes_through(&root, Head::default());
        assert_eq!((&exchange.verdict, exchange.headers().len()), (&Verdict::Continue, 0));
    }
}

#[test]
fn unreadable_path_in_scope_is_answered_400() {
    let (_process, root) = configured(&shop());
    for path in [
        &b"/faas/\xff"[..],
        b"/faas/orders/\xc3\xa9",
        b"/faas/orders/\xf0\x9f",
        b"/faas/orders/\x01",
        b"/faas/orders/a b",
        b"/faas/orders/%",
        b"/faas/orders/%f",
        b"/faas/orders/%00",
        b"/faas/orders/\x7f",
        b"/faas/..",
        b"/faas//",
    ] {
        let exchange = goes_through(&root, with(b":path", Some(path)));
        assert_eq!(status(&exchange), 400, "{}", path.escape_ascii());
    }
}

#[test]
fn other_headers_may_hold_any_bytes() {
    let (_process, root) = configured(&shop());
    for name in [
        &b"x-beta"[..],
        b"user-agent",
        b"x-forwarded-host",
        b"k-original-host",
        b"x-envoy-original-path",
        b"content-type",
        b"\xff\xfe",
    ] {
        let exchange = goes_through(&root, with(name, Some(b"\xff\x80\xc3")));
        assert_eq!(
            exchange.header(":authority").as_deref(),
            Some("orders.shop.example.com"),
            "{}",
            name.escape_ascii()
        );
        assert_eq!(exchange.header("x-forwarded-host").as_deref(), Some("api.example.com"));
    }
}

#[test]
fn responses_never_echo_the_request() {
    let (_process, root) = configured(&shop_with(&json!({"denyDirect": true})));
    let secrets = [
        with(b":path", Some(b"/faas/s3cret")),
        with(b":path", Some(b"/faas/s3cret//")),
        with(b":path", Some(b"/faas/orders/s3cret%zz")),
        with(b":method", Some(b"S3CRET")),
        with(b"x-secret", Some(b"s3cret")),
    ];
    for head in secrets {
        let exchange = goes_through(&root, head);
        if let Some(answer) = exchange.answer() {
            let body = String::from_utf8(answer.body.clone()).expect("a problem is UTF-8").to_lowercase();
            assert!(!body.contains("s3cret"), "{body}");
            assert!(!format!("{:?}", answer.headers).to_lowercase().contains("s3cret"), "{:?}", answer.headers);
        }
    }
}

#[test]
fn long_requests_are_cheap_enough() {
    let segments =
        |count: usize, segment: &str| format!("/faas/payments{}", format!("/{segment}").repeat(count)).into_bytes();
    let paths = [
        ("10,000 segments", segments(10_000, "a")),
        ("10,000 parameters", segments(10_000, "%61")),
        ("10,000 empty segments", segments(10_000, "")),
        ("10,000 dot segments", segments(10_000, "..")),
        ("a long query", [b"/faas/orders/1?".as_slice(), &[b'a'; 100_000]].concat()),
        ("many question marks", [b"/faas/orders/1".as_slice(), &[b'?'; 100_000]].concat()),
        ("a long segment", [b"/faas/orders/".as_slice(), &[b'%'; 100_000]].concat()),
        ("slashes", vec![b'/'; 100_000]),
    ];
    for (_process, root) in roots() {
        for (name, path) in &paths {
            let mut exchange = root.send(with(b":path", Some(path)));
            exchange.response(&[(":status", "200")], true);
            for (callback, counts) in exchange.finish() {
                assert!(
                    counts.instructions < MOST_INSTRUCTIONS,
                    "{name}, {callback}: {} instructions",
                    counts.instructions
                );
            }
        }
    }
}

#[test]
fn thousands_of_headers_are_cheap_enough() {
    let names =
        [&b"x-many"[..], b"x-forwarded-host", b"k-original-host", b":path", b"x-envoy-original-path", b"user-agent"];
    for (_process, root) in roots() {
        for name in names {
            let many = (0..5000).map(|_| (name, &b"kube-probe/1"[..]));
            let exchange = root.send(Head::from_bytes(ANY.into_iter().chain(many)));
            let name = name.escape_ascii();
            for (callback, counts) in exchange.finish() {
                assert!(
                    counts.instructions < MOST_INSTRUCTIONS,
                    "{name}, {callback}: {} instructions",
                    counts.instructions
                );
            }
        }
    }
}

#[test]
fn repeated_internal_headers_are_all_removed() {
    let (_process, root) = configured(&shop());
    let names = [
        "k-original-host",
        "k-network-probe",
        "k-network-hash",
        "k-proxy-request",
        "k-passthrough-lb",
        "k-kubelet-probe",
        "knative-serving-tag",
        "knative-serving-default-route",
        "knative-serving-revision",
        "knative-serving-namespace",
    ];
    let twice = names.iter().chain(&names).map(|name| (name.as_bytes(), &b"x"[..]));
    let forwarded = [(&b"x-forwarded-host"[..], &b"evil"[..]), (b"X-Forwarded-Host", b"evil")];
    let exchange = goes_through(&root, Head::from_bytes(ANY.into_iter().chain(twice).chain(forwarded)));
    for name in names {
        assert_eq!(exchange.headers().count(name), 0, "{name}");
    }
    assert_eq!(exchange.headers().count("x-forwarded-host"), 1);
    assert_eq!(exchange.header("x-forwarded-host").as_deref(), Some("api.example.com"));
}

#[test]
fn user_agent_of_probes_is_removed_at_any_position() {
    let (_process, root) = configured(&shop());
    let agents = [(&b"user-agent"[..], &b"curl"[..]), (b"user-agent", b"kube-probe/1.36")];
    let exchange = goes_through(&root, Head::from_bytes(ANY.into_iter().chain(agents)));
    let agents: Vec<_> = exchange.headers().pairs().iter().filter(|(name, _)| name == b"user-agent").cloned().collect();
    assert!(agents.iter().all(|(_, value)| !value.starts_with(b"kube-probe/")), "{agents:?}");
}

#[test]
fn grpc_clients_get_a_grpc_status() {
    let (_process, root) = configured(&shop());
    let headers = [
        (":authority", "api.example.com"),
        (":path", "/faas/shop.Orders/Get"),
        (":method", "POST"),
        ("content-type", "application/grpc+proto"),
    ];
    let exchange = goes_through(&root, Head::new(&headers));
    let answer = exchange.answer().expect("answered");
    // 12 is `unimplemented`. For -1, Envoy derives the same from 404.
    assert!([12, -1].contains(&answer.grpc_status), "{answer:?}");
    // Envoy uses the body as the message of the gRPC status.
    assert!(!answer.body.starts_with(b"{"), "{answer:?}");
}

/// The time between a plugin's creation and its first configuration.
#[test]
fn request_before_any_document_passes_untouched() {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    let exchange = goes_through(&root, with(b":method", Some(b"GET")));
    assert_eq!((&exchange.verdict, exchange.route_cache_clears()), (&Verdict::Continue, 0));
}

#[test]
fn request_in_flight_survives_an_edit() {
    let (_process, root) = configured(&shop());
    let mut routed = api(&root, "GET", "/faas/orders/1");
    let mut answered = api(&root, "GET", "/faas/nothing");
    assert!(root.configure(shop_with(&json!({"routes": []})).to_string()));
    assert!(root.configure("{"));
    routed.response(&[(":status", "200")], true);
    answered.response(&[(":status", "404")], true);
    assert_eq!(routed.header(":authority").as_deref(), Some(crate::ORDERS));
    assert_eq!(crate::target(&root, "/faas/orders/1"), "404");
}

#[test]
fn bodies_pass_untouched() {
    let (_process, root) = configured(&shop());
    let mut exchange = root.send(with(b":method", Some(b"POST")).with_body());
    assert!(exchange.request_body(1000, false));
    assert!(exchange.request_body(0, true));
    exchange.response(&[(":status", "200")], false);
    assert!(exchange.response_body(1000, false));
    assert!(exchange.response_body(0, true));
}

#[test]
fn responses_without_headers_pass() {
    for (table, (_process, root)) in tables().iter().zip(roots()) {
        let mut exchange = api(&root, "GET", "/faas/orders/1");
        let changes = table.get("responseHeaders").is_some();
        assert_eq!(exchange.response(&[], true).is_empty(), !changes);
    }
}

#[test]
fn random_requests_never_trap() {
    const REQUESTS: usize = 30_000;
    let mut random = Random::new("MODULE_SEED");
    let roots = roots();
    let names: [&[u8]; 20] = [
        b":authority",
        b":path",
        b":method",
        b":scheme",
        b"host",
        b"origin",
        b"user-agent",
        b"x-beta",
        b"content-type",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-prefix",
        b"forwarded",
        b"cookie",
        b"k-network-probe",
        b"access-control-request-method",
        b"access-control-request-headers",
        b"upgrade",
        b"",
        b"\xff",
    ];
    // Envoy's codecs pass no header with NUL, CR or LF. Percent-encoded, they pass.
    let words: [&[u8]; 31] = [
        b"api.example.com",
        b"orders.shop.example.com",
        b":443",
        b".",
        b"/",
        b"/faas",
        b"/orders",
        b"/payments",
        b"/files",
        b"x.json",
        b"*",
        b"?",
        b"%",
        b"%2F",
        b"%2e",
        b"%zz",
        b"..",
        b";",
        b"\\",
        b"%00",
        b"%0d%0aset-cookie:%20a",
        b"/old",
        b"\xff",
        b"\xc3\xa9",
        b"GET",
        b"OPTIONS",
        b"https://app.example.com",
        b"application/grpc",
        b"true",
        b"/healthz",
        b"/.well-known/acme-challenge/",
    ];
    for n in 0..REQUESTS {
        let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        for (name, value) in ANY {
            if random.below(8) > 0 {
                headers.push((name.to_vec(), value.to_vec()));
            }
        }
        for _ in 0..random.below(4) {
            let mut value = Vec::new();
            for _ in 0..random.below(6) {
                value.extend(*random.pick(&words));
            }
            headers.push((random.pick(&names).to_vec(), value));
        }
        if random.below(2) == 0 && !headers.is_empty() {
            let at = random.below(headers.len());
            let (_, value) = &mut headers[at];
            for _ in 0..random.below(5) {
                value.extend(*random.pick(&words));
            }
        }
        let (_, root) = random.pick(&roots);
        let seed = random.seed();
        let _doing = Doing(|| {
            let line =
                |(name, value): &(Vec<u8>, Vec<u8>)| format!("{}: {}", name.escape_ascii(), value.escape_ascii());
            let lines: Vec<_> = headers.iter().map(line).collect();
            format!(
                "request {n} of MODULE_SEED={seed}:
{}",
                lines.join(
                    "
"
                )
            )
        });
        goes_through(root, Head::from_bytes(headers.iter().cloned()));
    }
}

#[test]
fn vm_serves_on_after_hostile_requests() {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    assert!(root.configure(shop().to_string()));
    let before = root.vm().memory();
    for _ in 0..20 {
        goes_through(&root, with(b":path", Some(&[b"/faas/payments".as_slice(), &b"/a".repeat(20_000)].concat())));
    }
    assert_eq!(crate::target(&root, "/faas/orders/1"), crate::ORDERS);
    assert!(root.vm().memory() <= before + (4 << 20), "a long request leaves memory behind");
}
