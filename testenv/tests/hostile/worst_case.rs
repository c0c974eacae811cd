//! The most that a request can cost, in wasm instructions of the released module, which are the same on every machine.
//!
//! The cost of a request is bounded by the sum of two parts, one proportional to the bytes of its head and one to the
//! bytes of the table, and never by their product. So the cost grows at most linearly with the size of the request, and
//! if request and table are both twice as large, the cost doubles and does not quadruple.

use std::fmt::Write;

use module_host::{Head, Process, Root, Verdict};
use serde_json::{Value, json};

/// A kind of table and a kind of request that are expensive together, each in two sizes.
struct Shape {
    /// Why a request is expensive.
    why: &'static str,
    /// Makes a table of a size.
    table: fn(usize) -> Value,
    /// Makes a request from the size of the table and its own size.
    request: fn(usize, usize) -> Request,
    /// Two sizes of the table, in a unit of the shape's own. The second makes a document about twice as large.
    tables: [usize; 2],
    /// Two sizes of the request. The second is about as large as Envoy lets through, a head of 60 KiB.
    requests: [usize; 2],
    /// The status of the filter's response, or 0 if the request is forwarded.
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

/// Returns a route that matches the path of a GET, but not its method.
fn post(path: impl AsRef<str>) -> Value {
    json!({"match": format!("POST {}", path.as_ref()), "service": "s"})
}

/// Returns the paths of this many segments in which each segment is a literal or a parameter, in all combinations.
fn combinations(segments: usize) -> Vec<String> {
    let path = |number: usize| {
        (0..segments).fold(String::new(), |mut path, segment| {
            let _ = if number >> segment & 1 == 0 { write!(path, "/a") } else { write!(path, "/{{p{segment}}}") };
            path
        })
    };
    (0..1 << segments).map(path).collect()
}

/// Returns routes with different segments of two parameters below a path.
fn several_parameters(path: String, numbers: std::ops::Range<usize>) -> impl Iterator<Item = Value> {
    numbers.map(move |number| post(format!("{path}/{{x}}-1-x{number}{{y}}")))
}

/// Returns routes that make a table larger, and that no request of a shape reaches.
fn fillers(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|number| post(format!("/filler/{number}")))
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
        why: "every combination of literal and parameter matches, but none has the method",
        table: |n| table(combinations(n).iter().map(post).collect()),
        request: |n, r| request("GET", format!("{}{}", "/a".repeat(n), "?".repeat(r))),
        tables: [9, 10],
        requests: [30_000, 60_000],
        status: 405,
    },
    Shape {
        why: "every combination of literal and parameter is followed by a segment of 60 kB, and ends there",
        table: |n| table(combinations(n).iter().map(|path| post(format!("{path}/{{last}}"))).collect()),
        request: |n, r| request("GET", format!("{}/{}", "/a".repeat(n), "x".repeat(r))),
        tables: [9, 10],
        requests: [30_000, 60_000],
        status: 405,
    },
    Shape {
        why: "every combination of literal and parameter looks up a segment of 60 kB",
        table: |n| {
            let both = |path: &String| [post(format!("{path}/x")), post(format!("{path}/y"))];
            table(combinations(n).iter().flat_map(both).collect())
        },
        request: |n, r| request("GET", format!("{}/{}", "/a".repeat(n), "a".repeat(r))),
        tables: [9, 10],
        requests: [30_000, 60_000],
        status: 404,
    },
    Shape {
        why: "a preflight asks for the methods of a path that hundreds of methods serve",
        table: |n| {
            let mut table = table(
                (0..n)
                    .map(|number| json!({"match": format!("M{number} /{{**r}}"), "service": "s"}))
                    .chain(fillers(n))
                    .collect(),
            );
            table["cors"] = json!({"allowOrigins": ["https://app.example.com"]});
            table
        },
        request: |_, r| {
            let page = ("origin".to_owned(), "https://app.example.com".to_owned());
            let asks = ("access-control-request-method".to_owned(), "NONE".to_owned());
            Request { headers: vec![page, asks], ..request("OPTIONS", format!("/{}", "a".repeat(r))) }
        },
        tables: [300, 600],
        requests: [30_000, 60_000],
        status: 204,
    },
    Shape {
        why: "a segment with hundreds of parameters, all of them in the rewritten path",
        table: |n| {
            let parameters = (0..n).map(|number| format!("{{p{number}}}-")).collect::<String>();
            table(vec![
                json!({"match": format!("GET /{parameters}x"), "service": "s", "rewritePath": format!("/{parameters}")}),
            ])
        },
        request: |n, r| request("GET", format!("/{}x", format!("{}-", "a".repeat(r / n)).repeat(n))),
        tables: [200, 400],
        requests: [3_500, 7_000],
        status: 0,
    },
    Shape {
        why: "a path of 30,000 segments is longer than every combination of literal and parameter",
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
        why: "thousands of suffixes at one segment, none of which the request has",
        table: |n| table((0..n).map(|number| post(format!("/{{x}}-{number}"))).collect()),
        request: |_, r| request("GET", format!("/{}", "a".repeat(r))),
        tables: [1500, 3000],
        requests: [30_000, 60_000],
        status: 404,
    },
    Shape {
        why: "the maximum of segments with several parameters at one place, none of which matches",
        table: |n| table(several_parameters(String::new(), 0..64).chain(fillers(n)).collect()),
        request: |_, r| request("GET", format!("/{}", "1-".repeat(r))),
        tables: [300, 650],
        requests: [2_000, 4_000],
        status: 404,
    },
    Shape {
        why: "the maximum of segments with several parameters in a table, at four places that one request reaches",
        table: |n| {
            let places = (0..4).flat_map(|place| several_parameters(format!("/{}{{p}}", "a".repeat(place)), 0..64));
            table(places.chain(fillers(n)).collect())
        },
        request: |_, r| request("GET", format!("/aaaaaaaaa/{}", "1-".repeat(r))),
        tables: [1200, 2700],
        requests: [2_000, 4_000],
        status: 404,
    },
    Shape {
        why: "a condition on a header, a cookie and the query at every combination of literal and parameter",
        table: |n| {
            let route = |(number, path): (usize, String)| {
                let (header, cookie) = (format!("x-{number}"), format!("c{number}"));
                json!([
                    {"match": format!("GET {path}"), "service": "s", "when": {"headers": {header: "1"}}},
                    {"match": format!("GET {path}"), "service": "s", "when": {"cookies": {cookie: "1*"}}},
                    {"match": format!("GET {path}"), "service": "s", "when": {"query": {"q": number.to_string()}}},
                ])
            };
            let routes = combinations(n).into_iter().enumerate().map(route);
            table(routes.flat_map(|routes| routes.as_array().cloned().unwrap_or_default()).collect())
        },
        request: |n, r| {
            let headers = (0..80).map(|number| (format!("y-{number}"), "v".repeat(r)));
            let cookies = (0..10).map(|_| ("cookie".to_owned(), "a=b; ".repeat(r / 5)));
            let path = format!("{}?{}", "/a".repeat(n), "x=1&".repeat(r / 2));
            Request { headers: headers.chain(cookies).collect(), ..request("GET", path) }
        },
        tables: [8, 9],
        requests: [300, 600],
        status: 404,
    },
    Shape {
        why: "the maximum of routes with a query condition at one path, and a query of thousands of parameters",
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
        why: "the maximum of routes with a header condition at one path, and 90 long headers",
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
        why: "hundreds of methods at one path, none of which the request has",
        table: |n| table((0..n).map(|number| json!({"match": format!("M{number} /a"), "service": "s"})).collect()),
        request: |_, r| request("GET", format!("/a?{}", "x".repeat(r))),
        tables: [500, 1000],
        requests: [30_000, 60_000],
        status: 405,
    },
    Shape {
        why: "a pattern with the maximum of 256 parameters, all of them in the rewritten path",
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
        why: "an optional trailing slash, and every combination of literal and parameter",
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
        why: "thousands of hosts in the table, and a request host of 60 kB",
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
        why: "the maximum of origins in the table, and a request origin of 60 kB",
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
        why: "a path in which every byte is percent-encoded",
        table: |n| table((0..n).map(|number| post(format!("/{number}/{{x}}/{{y}}"))).collect()),
        request: |_, r| request("GET", format!("/{}", "%61".repeat(r))),
        tables: [1500, 3000],
        requests: [10_000, 20_000],
        status: 404,
    },
];

/// The factor by which a cost may grow beyond the growth of the sizes, because the costs do not grow evenly.
const SLACK: f64 = 1.25;

#[test]
fn the_cost_of_a_request_is_bounded_by_its_size_plus_the_tables() {
    let mut too_expensive = Vec::new();
    println!("thousands of instructions: small table and small request, large request, large table, both large");
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
            too_expensive.push(shape.why);
        }
    }
    assert!(too_expensive.is_empty(), "the cost grows like the product of table and request: {too_expensive:#?}");
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

/// Returns the instructions of a request from its beginning to its end. `status` is the expected status of the filter's
/// response, or 0 if the request is forwarded.
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
    // The first request includes the cost of work that is done only once.
    let _: u64 = once();
    once()
}
