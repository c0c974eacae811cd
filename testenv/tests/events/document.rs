//! Good documents and every kind of bad one, each with what it serves, written down by hand from the contract: a good one
//! as a whole, a bad one as far as it can be served.

use serde_json::{Value, json};
use testenv::gateway::{Document as Sent, PLUGIN};

use crate::random::Random;

/// Whose table it is: the plugin's name in Envoy, the paths that are its own, and its name in metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) plugin: &'static str,
    pub(crate) base_path: &'static str,
    pub(crate) table: &'static str,
}

pub(crate) const OURS: Owner = Owner { plugin: PLUGIN, base_path: "/faas", table: "shop" };
/// Another table on the same gateway.
pub(crate) const BESIDE: Owner = Owner { plugin: "beside", base_path: "/beside", table: "beside" };

/// The services that documents route to.
pub(crate) const SERVICES: [&str; 4] = ["one", "two", "three", "part"];

/// What is asked of every table, below its base path.
pub(crate) const PATHS: [&str; 4] = ["/orders/1", "/extra/1", "/broken/1", "/nothing"];

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It arrived at this service.
    Service(&'static str),
    /// It arrived as it was sent.
    Untouched,
    /// The gateway answered with this status.
    Status(u16),
}

use Answer::{Service, Status, Untouched};

/// The answers to [`PATHS`].
pub(crate) type Serves = [Answer; PATHS.len()];

pub(crate) const NOTHING: Serves = [Untouched, Untouched, Untouched, Untouched];

#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// What it is, in the report of a failure; the same for the same octets.
    pub(crate) is: String,
    pub(crate) sent: Sent,
    pub(crate) good: bool,
    /// As a whole if it is good, and in part if it is bad.
    pub(crate) serves: Serves,
    /// How many routes a good one has.
    pub(crate) routes: u64,
    pub(crate) name: Name,
}

/// The name of a document's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// The owner's.
    Own,
    /// There is none, so it is `default`.
    Absent,
    /// It can't be read, so it is that of the last good document, or else `default`.
    Unreadable,
}

/// A table of these routes.
fn table(owner: Owner, routes: Value) -> Value {
    json!({"name": owner.table, "hosts": ["api.example.com"], "basePath": owner.base_path, "domain": "example.com",
        "namespace": "shop", "routes": routes})
}

/// `/orders` to this service, and perhaps `/extra` as well.
pub(crate) fn good(owner: Owner, service: &'static str, extra: bool) -> Document {
    let mut routes = vec![json!({"match": "GET|POST /orders/{id}", "service": service})];
    let mut serves = [Service(service), Status(404), Status(404), Status(404)];
    if extra {
        routes.push(json!({"match": "GET /extra/{id}", "service": service}));
        serves[1] = Service(service);
    }
    Document {
        is: format!("good: {service}{}", if extra { " and extra" } else { "" }),
        routes: routes.len() as u64,
        sent: Sent::Table(table(owner, routes.into())),
        good: true,
        serves,
        name: Name::Own,
    }
}

/// [`good`] with so many routes more, which nobody asks for: it takes a while to be compiled.
pub(crate) fn large(owner: Owner, service: &'static str, routes: usize) -> Document {
    let mut document = good(owner, service, false);
    if let Sent::Table(table) = &mut document.sent
        && let Some(list) = table["routes"].as_array_mut()
    {
        list.extend((0..routes).map(|n| json!({"match": format!("GET /large-{n}/{{id}}"), "service": service})));
        document.routes = list.len() as u64;
    }
    document.is = format!("{}, of {} routes", document.is, document.routes);
    document
}

fn bad(is: &str, sent: Sent, serves: Serves, name: Name) -> Document {
    Document { is: format!("bad: {is}"), sent, good: false, serves, routes: 0, name }
}

/// Every kind.
pub(crate) fn bad_ones(owner: Owner) -> Vec<Document> {
    let orders = || json!({"match": "GET|POST /orders/{id}", "service": "part"});
    let with = |change: fn(&mut Value)| {
        let mut table = table(owner, json!([orders(), {"match": "GET /extra/{id}", "host": "part.shop.example.com"}]));
        change(&mut table);
        Sent::Table(table)
    };
    let routes = |routes: Value| Sent::Table(table(owner, routes));
    let text = |text: &str| Sent::Text(text.to_owned());
    let both = [Service("part"), Service("part"), Status(404), Status(404)];
    let broken = [Service("part"), Status(404), Status(503), Status(404)];
    let mut cut = table(owner, json!([orders()])).to_string();
    cut.truncate(cut.len() / 2);
    let mut latin1 = table(owner, json!([orders()])).to_string().into_bytes();
    if let Some(octet) = latin1.iter_mut().find(|octet| **octet == b'o') {
        *octet = 0xf6;
    }
    vec![
        bad("absent", Sent::Absent, NOTHING, Name::Unreadable),
        // Other than absent, but the same octets.
        bad("absent", text(""), NOTHING, Name::Unreadable),
        bad("null", text("null"), NOTHING, Name::Unreadable),
        bad("a list", text("[]"), NOTHING, Name::Unreadable),
        bad("an empty object", text("{}"), NOTHING, Name::Absent),
        bad("YAML", text("hosts: [api.example.com]\nroutes: []\n"), NOTHING, Name::Unreadable),
        bad("cut in the middle", Sent::Text(cut), NOTHING, Name::Unreadable),
        bad("not UTF-8", Sent::Octets(latin1), NOTHING, Name::Unreadable),
        bad("every octet", Sent::Octets((0..=255).collect()), NOTHING, Name::Unreadable),
        bad(
            "1 MB of garbage",
            Sent::Octets((0..1_000_000_u32).map(|n| (n.wrapping_mul(n) >> 5) as u8).collect()),
            NOTHING,
            Name::Unreadable,
        ),
        bad("deep lists", Sent::Text("[".repeat(100_000)), NOTHING, Name::Unreadable),
        bad("unreadable hosts", with(|table| table["hosts"] = 5.into()), NOTHING, Name::Own),
        bad("an unreadable base path", with(|table| table["basePath"] = json!(["/faas"])), NOTHING, Name::Own),
        bad("an unreadable name", with(|table| table["name"] = json!({"a": 1})), both, Name::Unreadable),
        bad(
            "an unknown key",
            // Who knows on which routes it bears.
            with(|table| table["surprise"] = json!([])),
            [Status(503), Status(503), Status(404), Status(404)],
            Name::Own,
        ),
        bad(
            "a misspelt key",
            // It counts as the key that it resembles: who knows what routes are in it.
            with(|table| table["rutes"] = json!([])),
            [Service("part"), Service("part"), Status(503), Status(503)],
            Name::Own,
        ),
        bad(
            "an unreadable domain",
            with(|table| table["domain"] = 5.into()),
            // What has a `host` does not need it.
            [Status(503), Service("part"), Status(404), Status(404)],
            Name::Own,
        ),
        bad(
            "a broken rewrite",
            routes(json!([orders(), {"match": "GET /broken/{id}", "service": "part", "rewritePath": "/{unknown}"}])),
            broken.clone(),
            Name::Own,
        ),
        bad(
            "an unreadable match",
            routes(json!([orders(), {"match": "GET /broken/{", "service": "part"}])),
            broken.clone(),
            Name::Own,
        ),
        bad(
            "two targets",
            routes(json!([orders(), {"match": "GET /broken/{id}", "service": "part", "host": "one.shop.example.com"}])),
            broken.clone(),
            Name::Own,
        ),
        bad(
            "duplicates",
            routes(json!([
                orders(),
                {"match": "GET /broken/{id}", "service": "part"},
                {"match": "GET /broken/{number}", "service": "one"},
            ])),
            broken,
            Name::Own,
        ),
    ]
}

/// Good or bad, one time in two.
pub(crate) fn any(owner: Owner, random: &mut Random) -> Document {
    if random.below(2) == 0 { any_good(owner, random) } else { any_bad(owner, random) }
}

pub(crate) fn any_good(owner: Owner, random: &mut Random) -> Document {
    let service = *random.pick(&SERVICES[..3]);
    if random.below(5) == 0 {
        return large(owner, service, 2_000);
    }
    good(owner, service, random.below(2) == 0)
}

pub(crate) fn any_bad(owner: Owner, random: &mut Random) -> Document {
    random.pick(&bad_ones(owner)).clone()
}
