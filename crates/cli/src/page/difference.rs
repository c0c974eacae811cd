//! What the page of a difference shows: the requests that two versions of the tables treat differently.

use serde_json::{Value, json};

use super::{Page, for_core};
use crate::diff::report::Report;
use crate::example;
use crate::message::{Message, as_json};
use crate::tables::Tables;

/// Returns the page. `messages` are the errors of the old version.
pub fn page(title: &str, report: &Report<'_>, messages: &[Message], old: &Tables, new: &Tables) -> Page {
    let mut data = report.to_json(messages);
    data["words"] = report.summary().into();
    data["warning"] = report.not_compared().into();
    data["messagesOf"] = "old".into();
    whole(title, data, old, new)
}

/// Returns the page if the new version has these errors, so that nothing is compared. Requests are explained with both versions.
pub fn not_compared(title: &str, errors: &[Message], old: &Tables, new: &Tables) -> Page {
    let data = json!({
        "entries": [],
        "renamed": [],
        "words": "nothing is compared, because the new version has errors",
        "messages": as_json(errors),
        "messagesOf": "new",
    });
    whole(title, data, old, new)
}

/// Returns a request for the first route.
fn first_request(tables: &Tables) -> Option<Value> {
    let lines = tables.as_slice().first()?.compiled.table.routes();
    let example = example::of(tables, 0, lines.first()?)?;
    Some(json!({"method": example.method, "url": example.url()}))
}

fn whole(title: &str, mut data: Value, old: &Tables, new: &Tables) -> Page {
    data["page"] = "difference".into();
    data["title"] = title.into();
    // A request to begin with.
    data["example"] = [new, old].into_iter().find_map(first_request).into();
    Page { data, gateways: vec![for_core(old), for_core(new)] }
}
