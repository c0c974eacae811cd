//! Good documents and every kind of bad document, each with the outcomes that the contract demands, written down by
//! hand. A good document is served as a whole, and a bad one as far as possible.

use serde_json::{Value, json};
use testenv::gateway::{Document as Content, PLUGIN};

use crate::random::Random;

/// The owner of one of the tables on the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The plugin's name in Envoy.
    pub(crate) plugin: &'static str,
    /// The paths that belong to the table.
    pub(crate) base_path: &'static str,
    /// The table's name in metrics.
    pub(crate) table: &'static str,
}

pub(crate) const OURS: Owner = Owner { plugin: PLUGIN, base_path: "/faas", table: "shop" };
/// The owner of another table on the same gateway.
pub(crate) const OTHER: Owner = Owner { plugin: "other", base_path: "/other", table: "other" };

/// The services that documents route to.
pub(crate) const SERVICES: [&str; 4] = ["one", "two", "three", "part"];

/// The paths, below the base path, that are requested of every table.
pub(crate) const PATHS: [&str; 4] = ["/orders/1", "/extra/1", "/broken/1", "/nothing"];

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It reached this service.
    Service(&'static str),
    /// It passed the gateway as it was sent.
    Untouched,
    /// The gateway answered with this status.
    Status(u16),
}

use Outcome::{Service, Status, Untouched};

/// The outcomes of requests for [`PATHS`].
pub(crate) type Outcomes = [Outcome; PATHS.len()];

pub(crate) const ALL_UNTOUCHED: Outcomes = [Untouched, Untouched, Untouched, Untouched];

#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// A description for error messages. Documents with the same bytes have the same label.
    pub(crate) label: String,
    pub(crate) content: Content,
    pub(crate) good: bool,
    /// The outcomes if this document is served: as a whole if it is good, and in part if it is bad.
    pub(crate) outcomes: Outcomes,
    /// The number of routes of a good document.
    pub(crate) routes: u64,
    pub(crate) name: TableName,
}

/// The name that a document gives its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableName {
    /// The name of the owner's table.
    Own,
    /// No name, so it is `default`.
    Absent,
    /// A name that can't be read, so that of the last good document is used, or else `default`.
    Unreadable,
}

/// Returns a table with these routes.
fn table(owner: Owner, routes: Value) -> Value {
    json!({"name": owner.table, "hosts": ["api.example.com"], "basePath": owner.base_path, "domain": "example.com",
        "namespace": "shop", "routes": routes})
}

/// Returns a good document that routes `/orders` to this service, and with `extra` also `/extra`.
pub(crate) fn good(owner: Owner, service: &'static str, extra: bool) -> Document {
    let mut routes = vec![json!({"match": "GET|POST /orders/{id}", "service": service})];
    let mut outcomes = [Service(service), Status(404), Status(404), Status(404)];
    if extra {
        routes.push(json!({"match": "GET /extra/{id}", "service": service}));
        outcomes[1] = Service(service);
    }
    Document {
        label: format!("good: {service}{}", if extra { " and extra" } else { "" }),
        routes: routes.len() as u64,
        content: Content::Table(table(owner, routes.into())),
        good: true,
        outcomes,
        name: TableName::Own,
    }
}

/// Returns the document of [`good`] with this many additional routes, which are never requested. It takes a while to
/// compile.
pub(crate) fn large(owner: Owner, service: &'static str, routes: usize) -> Document {
    let mut document = good(owner, service, false);
    if let Content::Table(table) = &mut document.content
        && let Some(list) = table["routes"].as_array_mut()
    {
        list.extend((0..routes).map(|n| json!({"match": format!("GET /large-{n}/{{id}}"), "service": service})));
        document.routes = list.len() as u64;
    }
    document.label = format!("{}, with {} routes", document.label, document.routes);
    document
}

fn bad(label: &str, content: Content, outcomes: Outcomes, name: TableName) -> Document {
    Document { label: format!("bad: {label}"), content, good: false, outcomes, routes: 0, name }
}

/// Returns one bad document of every kind.
pub(crate) fn all_bad(owner: Owner) -> Vec<Document> {
    let orders = || json!({"match": "GET|POST /orders/{id}", "service": "part"});
    let with = |change: fn(&mut Value)| {
        let mut table = table(owner, json!([orders(), {"match": "GET /extra/{id}", "host": "part.shop.example.com"}]));
        change(&mut table);
        Content::Table(table)
    };
    let routes = |routes: Value| Content::Table(table(owner, routes));
    let text = |text: &str| Content::Text(text.to_owned());
    let both_served = [Service("part"), Service("part"), Status(404), Status(404)];
    let one_broken = [Service("part"), Status(404), Status(503), Status(404)];
    let mut truncated = table(owner, json!([orders()])).to_string();
    truncated.truncate(truncated.len() / 2);
    let mut latin1 = table(owner, json!([orders()])).to_string().into_bytes();
    if let Some(byte) = latin1.iter_mut().find(|byte| **byte == b'o') {
        *byte = 0xf6;
    }
    vec![
        bad("absent", Content::Absent, ALL_UNTOUCHED, TableName::Unreadable),
        // Not the same configuration as an absent one, but the plugin receives the same bytes.
        bad("absent", text(""), ALL_UNTOUCHED, TableName::Unreadable),
        bad("null", text("null"), ALL_UNTOUCHED, TableName::Unreadable),
        bad("a list", text("[]"), ALL_UNTOUCHED, TableName::Unreadable),
        bad("an empty object", text("{}"), ALL_UNTOUCHED, TableName::Absent),
        bad("YAML", text("hosts: [api.example.com]\nroutes: []\n"), ALL_UNTOUCHED, TableName::Unreadable),
        bad("truncated in the middle", Content::Text(truncated), ALL_UNTOUCHED, TableName::Unreadable),
        bad("not UTF-8", Content::Bytes(latin1), ALL_UNTOUCHED, TableName::Unreadable),
        bad("every byte", Content::Bytes((0..=255).collect()), ALL_UNTOUCHED, TableName::Unreadable),
        bad(
            "1 MB of garbage",
            Content::Bytes((0..1_000_000_u32).map(|n| (n.wrapping_mul(n) >> 5) as u8).collect()),
            ALL_UNTOUCHED,
            TableName::Unreadable,
        ),
        bad("deep lists", Content::Text("[".repeat(100_000)), ALL_UNTOUCHED, TableName::Unreadable),
        bad("unreadable hosts", with(|table| table["hosts"] = 5.into()), ALL_UNTOUCHED, TableName::Own),
        bad(
            "an unreadable base path",
            with(|table| table["basePath"] = json!(["/faas"])),
            ALL_UNTOUCHED,
            TableName::Own,
        ),
        bad("an unreadable name", with(|table| table["name"] = json!({"a": 1})), both_served, TableName::Unreadable),
        bad(
            "an unknown key",
            // The key may be meant for any of the routes.
            with(|table| table["surprise"] = json!([])),
            [Status(503), Status(503), Status(404), Status(404)],
            TableName::Own,
        ),
        bad(
            "a misspelt key",
            // It counts as the key that it resembles, and its routes are not known.
            with(|table| table["rutes"] = json!([])),
            [Service("part"), Service("part"), Status(503), Status(503)],
            TableName::Own,
        ),
        bad(
            "an unreadable domain",
            with(|table| table["domain"] = 5.into()),
            // A route with a `host` does not need the domain.
            [Status(503), Service("part"), Status(404), Status(404)],
            TableName::Own,
        ),
        bad(
            "a broken rewrite",
            routes(json!([orders(), {"match": "GET /broken/{id}", "service": "part", "rewritePath": "/{unknown}"}])),
            one_broken.clone(),
            TableName::Own,
        ),
        bad(
            "an unreadable match",
            routes(json!([orders(), {"match": "GET /broken/{", "service": "part"}])),
            one_broken.clone(),
            TableName::Own,
        ),
        bad(
            "two targets",
            routes(json!([orders(), {"match": "GET /broken/{id}", "service": "part", "host": "one.shop.example.com"}])),
            one_broken.clone(),
            TableName::Own,
        ),
        bad(
            "duplicates",
            routes(json!([
                orders(),
                {"match": "GET /broken/{id}", "service": "part"},
                {"match": "GET /broken/{number}", "service": "one"},
            ])),
            one_broken,
            TableName::Own,
        ),
    ]
}

/// Returns a random document, which is good half of the time.
pub(crate) fn random(owner: Owner, random: &mut Random) -> Document {
    if random.below(2) == 0 { random_good(owner, random) } else { random_bad(owner, random) }
}

pub(crate) fn random_good(owner: Owner, random: &mut Random) -> Document {
    let service = *random.pick(&SERVICES[..3]);
    if random.below(5) == 0 {
        return large(owner, service, 2_000);
    }
    good(owner, service, random.below(2) == 0)
}

pub(crate) fn random_bad(owner: Owner, random: &mut Random) -> Document {
    random.pick(&all_bad(owner)).clone()
}
