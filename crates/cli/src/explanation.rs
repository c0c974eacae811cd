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
    /// Request headers that the filter sets, or removes.
    pub changes: Vec<(String, Option<String>)>,
}

/// What a table does with a request that no other table has routed.
pub fn explain(table: &RouteTable, request: &Request) -> Explanation {
    let headers = request.header_refs();
    let decision = table.decide(&request.head(&headers), || false);
    explain_decision(&decision, request)
}

pub fn explain_decision(decision: &Decision<'_>, request: &Request) -> Explanation {
    let mut explanation = Explanation { fields: Map::new(), route_index: None, changes: Vec::new() };
    explanation.set("outcome", decision.outcome().as_str());
    match decision {
        Decision::Untouched(_) => {}
        Decision::Forward(forward) => explanation.forward(forward, request),
        Decision::Answer(answer) => explanation.answer(answer),
    }
    explanation
}

impl Explanation {
    /// The object as a JSON value.
    pub fn to_json(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    fn set(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.to_owned(), value.into());
    }

    fn chosen(&mut self, chosen: &Chosen<'_>) {
        self.route_index = Some(chosen.index);
        self.set("route", chosen.route);
        self.set("match", chosen.matched);
    }

    fn params(&mut self, chosen: &Chosen<'_>) {
        let params = chosen.params().map(|(name, value)| (name.to_owned(), text(value).into()));
        let params: Map<String, Value> = params.collect();
        self.set("params", params);
    }

    fn forward(&mut self, forward: &Forward<'_>, request: &Request) {
        self.chosen(&forward.chosen);
        self.set("authority", forward.authority);
        let path = forward.path.as_deref().or(request.path.as_deref()).unwrap_or_default();
        self.set("path", text(path));
        self.params(&forward.chosen);

        let mut headers: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value) in &request.headers {
            let (name, value) = (text(name), text(value));
            match headers.iter_mut().find(|(known, _)| *known == name) {
                Some((_, values)) => values.push(value),
                None => headers.push((name, vec![value])),
            }
        }
        for change in &forward.changes {
            let (name, value) = match change {
                Change::Set(name, value) => (*name, Some(text(value))),
                Change::Remove(name) => (*name, None),
            };
            if name.starts_with(':') {
                continue;
            }
            headers.retain(|(known, _)| known != name);
            headers.extend(value.clone().map(|value| (name.to_owned(), vec![value])));
            self.changes.push((name.to_owned(), value));
        }
        let headers: Map<String, Value> = headers
            .into_iter()
            .map(|(name, mut values)| match values.len() {
                1 => (name, values.remove(0).into()),
                _ => (name, json!(values)),
            })
            .collect();
        self.set("requestHeaders", headers);
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
