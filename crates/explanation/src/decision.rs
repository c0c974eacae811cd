//! The decision about a request as a JSON object, which `explain --format json` prints and `test` compares with.

use ksvc_routing::{Answer, Change, Chosen, Decision, Forward, Outcome, RouteTable};
use serde_json::{Map, Value, json};

use crate::request::Request;

/// The decision about a request.
#[derive(Debug)]
pub struct Explanation {
    /// `outcome`, and those of the other fields that apply.
    pub fields: Map<String, Value>,
    /// The index of the chosen route in `routes`.
    pub route_index: Option<usize>,
    /// The changes to headers, such as `set x-a: b`, each with `request` or `response`.
    pub changes: Vec<(&'static str, String)>,
    /// Whether the table changes responses; otherwise `responseHeaders` is not shown.
    changes_responses: bool,
}

/// Names and values in order.
type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// Explains what a table decides about a request that no other table has routed before.
pub fn explain(table: &RouteTable, request: &Request) -> Explanation {
    explain_with_response(table, request, &[])
}

/// Explains a request like `explain`, for a service that answers with the given headers.
pub fn explain_with_response(table: &RouteTable, request: &Request, response: &[(Vec<u8>, Vec<u8>)]) -> Explanation {
    let headers = request.header_refs();
    let decision = table.decide(&request.head(&headers), || false);
    explain_decision(table, &decision, request, response)
}

/// Explains a decision of the table about a request, for a service that answers with the given headers.
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
        Decision::Untouched(_) if response.is_empty() => {}
        Decision::Untouched(_) => explanation.set("responseHeaders", by_name(response)),
        Decision::Forward(forward) => explanation.forward(table, forward, request, response),
        Decision::Answer(answer) => explanation.answer(answer, request),
    }
    explanation
}

/// Applies changes to headers as Envoy does, and returns each change as text.
fn apply<'c>(changes: impl IntoIterator<Item = Change<'c>>, headers: &mut Headers) -> Vec<String> {
    let mut applied = Vec::new();
    for change in changes {
        if !matches!(change, Change::Add(..)) {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case(change.name().as_bytes()));
        }
        if let Change::Set(name, value) | Change::Add(name, value) = &change {
            headers.push((name.as_bytes().to_vec(), value.to_vec()));
        }
        applied.push(match &change {
            Change::Set(name, value) => format!("set {name}: {}", text(value)),
            Change::Add(name, value) => format!("add {name}: {}", text(value)),
            Change::Remove(name) => format!("remove {name}"),
        });
    }
    applied
}

/// Returns headers as an object. The value of a repeated header is a list.
pub fn by_name(headers: &[(Vec<u8>, Vec<u8>)]) -> Map<String, Value> {
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
    /// Returns the JSON object.
    pub fn to_json(&self) -> Value {
        let mut fields = self.fields.clone();
        let is_response = fields["outcome"] == "respond" && fields["responseHeaders"] != json!({});
        if !self.changes_responses && !is_response {
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
        self.set("authority", text(&forward.authority));
        let path = forward.path().or(request.path.as_deref()).unwrap_or_default();
        self.set("path", text(path));
        self.params(&forward.chosen);

        let mut headers = request.headers.clone();
        let applied = apply(forward.all_changes(), &mut headers);
        headers.retain(|(name, _)| !name.starts_with(b":"));
        let pseudo = |change: &String| change.starts_with("set :");
        self.changes.extend(applied.into_iter().filter(|change| !pseudo(change)).map(|change| ("request", change)));
        self.set("requestHeaders", by_name(&headers));

        let mut headers = response.to_vec();
        if let Some(plan) = &forward.response {
            let sent: Vec<(&[u8], &[u8])> = response.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            let applied = apply(table.respond(plan, &sent), &mut headers);
            self.changes.extend(applied.into_iter().map(|change| ("response", change)));
        }
        self.set("responseHeaders", by_name(&headers));
    }

    fn answer(&mut self, answer: &Answer<'_>, request: &Request) {
        if let Some(chosen) = &answer.chosen {
            self.chosen(chosen);
            // The parameters of a broken route are not shown, because they mean nothing.
            if answer.outcome != Outcome::BrokenRoute {
                self.params(chosen);
            }
        }
        self.set("status", answer.status);
        let mut headers: Headers =
            answer.headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).collect();
        set_content_type(&mut headers, answer, request);
        self.set("responseHeaders", by_name(&headers));
        for field in ["allow", "location"] {
            if let Some((_, value)) = answer.headers.iter().find(|(name, _)| name == field) {
                self.set(field, text(value));
            }
        }
    }
}

/// Sets `content-type` as Envoy does in every response that a filter makes.
fn set_content_type(headers: &mut Headers, answer: &Answer<'_>, request: &Request) {
    let is_content_type = |name: &[u8]| name.eq_ignore_ascii_case(b"content-type");
    let is_grpc = request.head(&request.header_refs()).is_grpc();
    if is_grpc || answer.body.is_empty() {
        headers.retain(|(name, _)| !is_content_type(name));
    }
    if is_grpc {
        headers.push((b"content-type".to_vec(), b"application/grpc".to_vec()));
    } else if !answer.body.is_empty() && !headers.iter().any(|(name, _)| is_content_type(name)) {
        headers.push((b"content-type".to_vec(), b"text/plain".to_vec()));
    }
}

/// Returns bytes as text. JSON can't hold bytes that are not UTF-8, so they become U+FFFD.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
