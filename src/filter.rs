//! One request: read its head, have it decided, carry the decision out.

use std::rc::Rc;

use ksvc_routing::{Answer, Change, Decision, Forward, Head, RouteTable};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host;
use crate::metrics::Metrics;

/// Filter state by which access logs, and other tables on the same gateway, know what was routed.
const ROUTE: &str = "ksvc_router.route";

/// What `%RESPONSE_CODE_DETAILS%` shows where the host did not do what it was asked.
const HOST_CALL_FAILED: &str = "ksvc_router_host_call_failed";

/// What a plugin serves from now on. Requests in flight keep the one that they began with.
pub struct Active {
    pub table: RouteTable,
    pub metrics: Rc<Metrics>,
}

pub struct Filter {
    /// `None` before the first configuration.
    active: Option<Rc<Active>>,
}

impl Filter {
    pub fn new(active: Option<Rc<Active>>) -> Self {
        Filter { active }
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let (Some(active), Some(map)) = (&self.active, host::request_headers()) else { return Action::Continue };
        let pairs = host::pairs(&map);
        let decision = active.table.decide(&head(&pairs), || host::property(ROUTE).is_some());
        active.metrics.count(decision.outcome());
        match &decision {
            Decision::Untouched(_) => Action::Continue,
            Decision::Forward(forward) => self::forward(forward),
            Decision::Answer(answer) => self::answer(answer),
        }
    }
}

/// Pseudo headers come first (RFC 9113, section 8.3), but nothing depends on it.
fn head<'a>(pairs: &'a [(&'a [u8], &'a [u8])]) -> Head<'a> {
    let mut head = Head { headers: pairs, ..Head::default() };
    for (name, value) in pairs.iter().filter(|(name, _)| name.first() == Some(&b':')) {
        match *name {
            b":method" => head.method = Some(value),
            b":authority" => head.authority = Some(value),
            b":path" => head.path = Some(value),
            _ => {}
        }
    }
    head
}

fn forward(forward: &Forward<'_>) -> Action {
    for change in &forward.changes {
        let done = match change {
            Change::Set(name, value) => host::replace_request_header(name, value),
            Change::Remove(name) => host::remove_request_header(name),
        };
        if !done {
            // Half a rewrite could lead anywhere.
            host::send_response(503, HOST_CALL_FAILED, [].into_iter(), b"", -1);
            return Action::Pause;
        }
    }
    host::set_property(ROUTE, forward.chosen.route.as_bytes());
    Action::Continue
}

fn answer(answer: &Answer<'_>) -> Action {
    if let Some(chosen) = &answer.chosen {
        host::set_property(ROUTE, chosen.route.as_bytes());
    }
    let headers = answer.headers.iter().map(|(name, value)| (&**name, &**value));
    let grpc_status = answer.grpc_status.map_or(-1, i32::from);
    if !host::send_response(answer.status, answer.outcome.as_str(), headers, &answer.body, grpc_status) {
        host::send_response(500, HOST_CALL_FAILED, [].into_iter(), b"", -1);
    }
    Action::Pause
}
