//! The worst that a request can cost, in wasm instructions of the shipped module, which are the same on every machine.
//!
//! The bound: a request costs at most so much an octet of its head, and so much an octet of the table, and never the
//! product of both. So for a given table no request is more than linear in its size, and with both twice as large it is
//! twice as dear and not four times.

use std::fmt::Write;

use module_host::{Head, Process, Root, Verdict};
use serde_json::{Value, json};

/// What a table and a request are made for, each in a size.
struct Shape {
    /// How it comes that a request costs that much.
    why: &'static str,
    table: fn(usize) -> Value,
    request: fn(usize, usize) -> Request,
    /// A table's size, as the shape counts it, and one that makes a document about twice as large.
    tables: [usize; 2],
    /// The same for a request; the larger is about what Envoy lets through, 60 KiB of head.
    requests: [usize; 2],
    status: u32,
}

struct Request {
    method: &'static str,
    authority: String,
    path: String,
    headers: Vec<(String, String)>,
}

fn request(method: &'static str, path: String) -> Request {
    Request { method, authority: "api.example.com".to_owned(), path, headers: Vec::new() }
}

impl Request {
    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.authority.len() + self.path.len() + headers
    }
}

fn table(routes: Vec<Value>) -> Value {
    json!({"hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop", "routes": routes})
}

/// A route that a GET finds and can't use.
fn post(path: impl AsRef<str>) -> Value {
    json!({"match": format!("POST {}", path.as_ref()), "service": "s"})
}

/// Every combination of a literal and a parameter over so many segments.
fn combinations(segments: usize) -> Vec<String> {
    let path = |number: usize| {
        (0..segments).fold(String::new(), |mut path, segment| {
            let _ = if number >> segment & 1 == 0 { write!(path, "/a") } else { write!(path, "/{{p{segment}}}") };
            path
        })
    };
    (0..1 << segments).map(path).collect()
}

const SHAPES: &[Shape] = &[
    Shape {
        why: "a path of thousands of segments follows a pattern to its end",
        table: |n| table(vec![post("/a".repeat(n))]),
        request: |_, r| request("GET", "/a".repeat(r)),
        tables: [128, 256],
        requests: [15_000, 30_000],
        status: 404,
    },
    Shape {
        why: "every combination of literal and parameter matches, none has the method",
        table: |n| table(combinations(n).iter().map(post).collect()),
        request: |n, r| request("GET", format!("{}{}", "/a".repeat(n), "?".repeat(r))),
        tables: [9, 10],
        requests: [30_000, 60_000],
        status: 405,
    },
    Shape {
        why: "every combination of literal and parameter goes on to a segment of 60 kB, and ends there",
        table: |n| table(combinations(n).iter().map(|path| post(format!("{path}/{{last}}"))).collect()),
        request: |n, r| request("GET", format!("{}/{}", "/a".repeat(n), "x".repeat(r))),
        tables: [9, 10],
        requests: [30_000, 60_000],
        status: 405,
    },
    Shape {
        why: "every combination of literal and parameter looks a segment of 60 kB up whose hash is made to be 0",
        table: |n| {
            let both = |path: &String| [post(format!("{path}/x")), post(format!("{path}/y"))];
            table(combinations(n).iter().flat_map(both).collect())
        },
        request: |n, r| {
            // Found by trying: the hash has no seed.
            let end = if r < 30_000 { "8UhiYGnfY0wQ=ob" } else { "rUJXQTE6Ap)o;::" };
            request("GET", format!("{}/{}{end}", "/a".repeat(n), "a".repeat(r - end.len())))
        },
        tables: [9, 10],
        requests: [29_999, 59_999],
        status: 404,
    },
    Shape {
        why: "every combination of literal and parameter is left behind by a path of 30,000 segments",
        table: |n| table(combinations(n).iter().map(post).collect()),
        request: |n, r| request("GET", format!("{}{}", "/a".repeat(n), "/a".repeat(r))),
        tables: [9, 10],
        requests: [15_000, 30_000],
        status: 404,
    },
    Shape {
        why: "a `{*name}` at every depth",
        table: |n| table((0..n).map(|depth| post(format!("{}/{{*rest}}", "/a".repeat(depth)))).collect()),
        request: |_, r| request("GET", "/a".repeat(r)),
        tables: [140, 200],
        requests: [15_000, 30_000],
        status: 405,
    },
    Shape {
        why: "a prefix of every length at one segment",
        table: |n| table((1..=n).map(|length| post(format!("/{}{{x}}", "a".repeat(length)))).collect()),
        request: |_, r| request("GET", format!("/{}", "a".repeat(r))),
        tables: [210, 300],
        requests: [30_000, 60_000],
        status: 405,
    },
    Shape {
        why: "thousands of suffixes at one segment, none of which is there",
        table: |n| table((0..n).map(|number| post(format!("/{{x}}-{number}"))).collect()),
        request: |_, r| request("GET", format!("/{}", "a".repeat(r))),
        tables: [1500, 3000],
        requests: [30_000, 60_000],
        status: 404,
    },
    Shape {
        why: "the most routes with conditions at one path, each on the query, and a query of thousands of parameters",
        table: |n| {
            let route =
                |number| json!({"match": "GET /a", "service": "s", "when": {"query": {format!("q{number}"): "1"}}});
            table((0..n).map(route).collect())
        },
        request: |_, r| request("GET", format!("/a?{}", "x=1&".repeat(r))),
        tables: [128, 256],
        requests: [7_500, 15_000],
        status: 404,
    },
    Shape {
        why: "the most routes with conditions at one path, each on a header, and a head of 100 long ones",
        table: |n| {
            let route =
                |number| json!({"match": "GET /a", "service": "s", "when": {"headers": {format!("x-{number}"): "1"}}});
            table((0..n).map(route).collect())
        },
        request: |_, r| {
            let headers = (0..90).map(|number| (format!("y-{number}"), "v".repeat(r))).collect();
            Request { headers, ..request("GET", "/a".to_owned()) }
        },
        tables: [128, 256],
        requests: [300, 600],
        status: 404,
    },
    Shape {
        why: "hundreds of methods at one path, none of which is the request's",
        table: |n| table((0..n).map(|number| json!({"match": format!("M{number} /a"), "service": "s"})).collect()),
        request: |_, r| request("GET", format!("/a?{}", "x".repeat(r))),
        tables: [500, 1000],
        requests: [30_000, 60_000],
        status: 405,
    },
    Shape {
        why: "a pattern of 256 parameters, the most that there may be, all of them in the rewritten path",
        table: |n| {
            let path = (0..n).fold(String::new(), |path, number| format!("{path}/{{p{number}}}"));
            table(vec![json!({"match": format!("GET {path}"), "service": "s", "rewritePath": path})])
        },
        request: |n, r| request("GET", format!("/{}", "a".repeat(r / n)).repeat(n)),
        tables: [128, 256],
        requests: [30_000, 60_000],
        status: 0,
    },
    Shape {
        why: "a trailing slash that may be there or not, and every combination",
        table: |n| {
            let mut table = table(combinations(n).iter().map(|path| post(format!("{path}/{{last}}"))).collect());
            table["trailingSlash"] = "ignore".into();
            table
        },
        request: |n, r| request("GET", format!("{}/{}/", "/a".repeat(n), "x".repeat(r))),
        tables: [9, 10],
        requests: [30_000, 60_000],
        status: 405,
    },
    Shape {
        why: "thousands of hosts, and a host of 60 kB",
        table: |n| {
            let mut table = table(vec![post("/a")]);
            table["hosts"] = (0..n).map(|number| format!("*.h{number}.example.com")).collect();
            table
        },
        request: |_, r| Request {
            authority: format!("{}h0.example.com", "a.".repeat(r)),
            ..request("GET", "/a".to_owned())
        },
        tables: [1500, 3000],
        requests: [15_000, 30_000],
        status: 405,
    },
    Shape {
        why: "the most origins, and one of 60 kB",
        table: |n| {
            let mut table = table(vec![post("/a")]);
            let origins: Vec<_> = (0..n).map(|number| format!("https://*.o{number}.example.com")).collect();
            table["cors"] = json!({"allowOrigins": origins});
            table
        },
        request: |_, r| {
            let headers = vec![("origin".to_owned(), format!("https://{}.example.com", "a".repeat(r)))];
            Request { headers, ..request("GET", "/a".to_owned()) }
        },
        tables: [500, 1000],
        requests: [30_000, 60_000],
        status: 405,
    },
    Shape {
        why: "a path of which every octet is encoded",
        table: |n| table((0..n).map(|number| post(format!("/{number}/{{x}}/{{y}}"))).collect()),
        request: |_, r| request("GET", format!("/{}", "%61".repeat(r))),
        tables: [1500, 3000],
        requests: [10_000, 20_000],
        status: 404,
    },
];

/// How far a cost may lie above what a bound of both sizes allows: what grows is not all of the cost.
const SLACK: f64 = 1.25;

#[test]
fn a_request_costs_no_more_than_its_size_and_the_tables_added() {
    let mut too_dear = Vec::new();
    println!("instructions, in thousands: small table and small request, large request, large table, both large");
    for shape in SHAPES {
        let [small, large] = shape.tables.map(|size| (size, (shape.table)(size).to_string()));
        let [[a, b], [c, d]] = [&small, &large].map(|(size, document)| {
            let (_process, root) = configured(document);
            shape.requests.map(|request| cost(&root, &(shape.request)(*size, request), shape.status))
        });
        let sizes = |table: &(usize, String), request: usize| (shape.request)(table.0, request).size();
        let growth = ratio(large.1.len(), small.1.len())
            .max(ratio(sizes(&large, shape.requests[1]), sizes(&small, shape.requests[0])));
        let thousands = [a, b, c, d].map(|cost| cost / 1000);
        println!("{thousands:>7?} {:.2} times for {growth:.2} times the size: {}", d as f64 / a as f64, shape.why);
        if d as f64 > a as f64 * growth * SLACK {
            too_dear.push(shape.why);
        }
    }
    assert!(too_dear.is_empty(), "the product of table and request: {too_dear:#?}");
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn ratio(large: usize, small: usize) -> f64 {
    large as f64 / small as f64
}

fn configured(document: &str) -> (Process, Root) {
    let process = Process::new();
    let root = process.vm(&[]).root("worst-case");
    assert!(root.configure(document));
    let rejected = process.metrics().iter().any(|(name, value)| name.ends_with("config_rejected") && *value > 0);
    assert!(!rejected, "{:?}", process.logs());
    (process, root)
}

/// Instructions of a request from its beginning to its end; `status` is that of the filter's answer, 0 for none.
fn cost(root: &Root, request: &Request, status: u32) -> u64 {
    let once = || {
        let usual = [(":authority", &*request.authority), (":path", &request.path), (":method", request.method)];
        let sent = request.headers.iter().map(|(name, value)| (&**name, &**value));
        let exchange = root.send(Head::new(&usual.into_iter().chain(sent).collect::<Vec<_>>()));
        let answered = match &exchange.verdict {
            Verdict::Answered(answer) => answer.status,
            _ => 0,
        };
        assert_eq!(answered, status, "{} {:.80}", request.method, request.path);
        exchange.finish().iter().map(|(_, counts)| counts.instructions).sum()
    };
    // The first pays for what is made once.
    let _: u64 = once();
    once()
}
