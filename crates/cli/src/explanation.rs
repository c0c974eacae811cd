//! What becomes of a request, as the object that `explain --format json` prints and `test` compares with.

use ksvc_routing::{Answer, Change, Chosen, Decision, Forward, Outcome, RouteTable};
use serde_json::{Map, Value, json};

use crate::request::Request;

/// Every outcome there is, as `outcome` names it.
pub const OUTCOMES: [&str; 11] = [
    "route",
    "redirect",
    "respond",
    "preflight",
    "notFound",
    "methodNotAllowed",
    "unsafePath",
    "deniedDirect",
    "brokenRoute",
    "passThrough",
    "outOfScope",
];

#[derive(Debug)]
pub struct Explanation {
    /// `outcome`, and of the other fields those that apply.
    pub fields: Map<String, Value>,
    /// The chosen route's place in the document: `routes[index]`.
    pub route_index: Option<usize>,
    /// What is done to the request's headers, and to the response's: `set x-a: b`.
    pub changes: Vec<(&'static str, String)>,
    /// Whether the table does something to responses; where it does not, they are not worth a line.
    changes_responses: bool,
}

/// Names and values in their order.
type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// What a table does with a request that no other table has routed.
pub fn explain(table: &RouteTable, request: &Request) -> Explanation {
    explain_with_response(table, request, &[])
}

/// As `explain`, where the service would answer with these headers.
pub fn explain_with_response(table: &RouteTable, request: &Request, response: &[(Vec<u8>, Vec<u8>)]) -> Explanation {
    let headers = request.header_refs();
    let decision = table.decide(&request.head(&headers), || false);
    explain_decision(table, &decision, request, response)
}

pub fn explain_decision(
    table: &RouteTable,
    decision: &Decision<'_>,
    request: &Request,
    response: &[(Vec<u8>, Vec<u8>)],
) -> Explanation {
    let mut explanation = Explanation {
        fields: Map::new(),
        route_index: None,
        changes: Vec::new(),
        changes_responses: table.changes_responses(),
    };
    explanation.set("outcome", decision.outcome().as_str());
    match decision {
        Decision::Untouched(_) => {}
        Decision::Forward(forward) => explanation.forward(table, forward, request, response),
        Decision::Answer(answer) => explanation.answer(answer),
    }
    explanation
}

/// Carries changes out as Envoy does, and tells them.
fn carry_out<'c>(changes: impl IntoIterator<Item = Change<'c>>, headers: &mut Headers) -> Vec<String> {
    let mut told = Vec::new();
    for change in changes {
        if !matches!(change, Change::Add(..)) {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case(change.name().as_bytes()));
        }
        if let Change::Set(name, value) | Change::Add(name, value) = &change {
            headers.push((name.as_bytes().to_vec(), value.to_vec()));
        }
        told.push(match &change {
            Change::Set(name, value) => format!("set {name}: {}", text(value)),
            Change::Add(name, value) => format!("add {name}: {}", text(value)),
            Change::Remove(name) => format!("remove {name}"),
        });
    }
    told
}

/// Headers as an object; one that comes several times has a list for its value.
fn by_name(headers: &[(Vec<u8>, Vec<u8>)]) -> Map<String, Value> {
    let mut values: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in headers {
        let (name, value) = (text(name), text(value));
        match values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => values.push((name, vec![value])),
        }
    }
    let single_or_list = |(name, mut values): (String, Vec<String>)| match values.len() {
        1 => (name, values.remove(0).into()),
        _ => (name, json!(values)),
    };
    values.into_iter().map(single_or_list).collect()
}

impl Explanation {
    /// The object as a JSON value.
    pub fn to_json(&self) -> Value {
        let mut fields = self.fields.clone();
        if !self.changes_responses {
            fields.remove("responseHeaders");
        }
        Value::Object(fields)
    }

    fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.to_owned(), value.into());
    }

    fn chosen(&mut self, chosen: &Chosen<'_>) {
        self.route_index = Some(chosen.index());
        self.set("route", chosen.route());
        self.set("match", chosen.matched());
    }

    fn params(&mut self, chosen: &Chosen<'_>) {
        let params = chosen.params().map(|(name, value)| (name.to_owned(), text(value).into()));
        let params: Map<String, Value> = params.collect();
        self.set("params", params);
    }

    fn forward(
        &mut self,
        table: &RouteTable,
        forward: &Forward<'_>,
        request: &Request,
        response: &[(Vec<u8>, Vec<u8>)],
    ) {
        self.chosen(&forward.chosen);
        self.set("authority", text(forward.authority));
        let path = forward.path().or(request.path.as_deref()).unwrap_or_default();
        self.set("path", text(path));
        self.params(&forward.chosen);

        let mut headers = request.headers.clone();
        let told = carry_out(forward.all_changes(), &mut headers);
        headers.retain(|(name, _)| !name.starts_with(b":"));
        let pseudo = |change: &String| change.starts_with("set :");
        self.changes.extend(told.into_iter().filter(|change| !pseudo(change)).map(|change| ("request", change)));
        self.set("requestHeaders", by_name(&headers));

        let mut headers = response.to_vec();
        if let Some(plan) = &forward.response {
            let sent: Vec<(&[u8], &[u8])> = response.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            let told = carry_out(table.respond(plan, &sent), &mut headers);
            self.changes.extend(told.into_iter().map(|change| ("response", change)));
        }
        self.set("responseHeaders", by_name(&headers));
    }

    fn answer(&mut self, answer: &Answer<'_>) {
        if let Some(chosen) = &answer.chosen {
            self.chosen(chosen);
            // What a broken route captures means nothing.
            if answer.outcome != Outcome::BrokenRoute {
                self.params(chosen);
            }
        }
        self.set("status", answer.status);
        let headers: Headers =
            answer.headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
        self.set("responseHeaders", by_name(&headers));
        for field in ["allow", "location"] {
            if let Some((_, value)) = answer.headers.iter().find(|(name, _)| name == field) {
                self.set(field, text(value));
            }
        }
    }
}

/// Octets that are no UTF-8 can't be in JSON; they become U+FFFD.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}
