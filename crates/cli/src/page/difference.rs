//! What the page of a difference shows: the requests that two versions of the tables treat differently.

use super::{Page, for_core};
use crate::diff::report::Report;
use crate::message::Message;
use crate::tables::Tables;

/// Returns the page. `messages` are the errors of the old version.
pub fn page(title: &str, report: &Report<'_>, messages: &[Message], old: &Tables, new: &Tables) -> Page {
    let mut data = report.to_json(messages);
    data["page"] = "difference".into();
    data["title"] = title.into();
    data["words"] = report.summary().into();
    data["warning"] = report.not_compared().into();
    Page { data, gateways: vec![for_core(old), for_core(new)] }
}
