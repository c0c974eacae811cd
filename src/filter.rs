//! One request: read its head, have it decided, carry the decision out.

use std::cell::OnceCell;
use std::rc::Rc;

use ksvc_routing::{Answer, Change, Decision, Forward, Head, Headers, ResponsePlan, RouteTable};

use crate::host::{self, Map};
use crate::metrics::Metrics;

/// Filter state by which access logs, and other tables on the same gateway, know what was routed.
const ROUTE: &str = "ksvc_router.route";

/// What `%RESPONSE_CODE_DETAILS%` shows where the host did not do what it was asked.
const HOST_CALL_FAILED: &str = "ksvc_router_host_call_failed";

/// What the host is to do with the request next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Continue = 0,
    Pause = 1,
}

/// What a plugin serves from now on. Requests in flight keep the one that they began with.
pub struct Active {
    pub table: RouteTable,
    pub metrics: Rc<Metrics>,
}

/// The request's head has come. What it leaves for its response, if anything.
pub fn request(active: &Rc<Active>) -> (Action, Option<Planned>) {
    let Some(map) = host::headers(Map::Request) else { return (Action::Continue, None) };
    let headers = Serialized { map: &map, list: OnceCell::new() };
    let mut decision = active.table.decide(&Head::read(&headers), || host::property(ROUTE).is_some());
    active.metrics.count(decision.outcome());
    match &mut decision {
        Decision::Untouched(_) => (Action::Continue, None),
        Decision::Forward(forward) => match self::forward(forward) {
            Action::Continue => {
                let plan = forward.response.take();
                (Action::Continue, plan.map(|plan| Planned { active: active.clone(), plan }))
            }
            Action::Pause => (Action::Pause, None),
        },
        Decision::Answer(answer) => (self::answer(answer), None),
    }
}

/// A request's headers, as the host has handed them over.
struct Serialized<'m> {
    map: &'m [u8],
    list: OnceCell<Vec<(&'m [u8], &'m [u8])>>,
}

impl Headers for Serialized<'_> {
    #[inline(always)]
    fn each(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        host::pairs(self.map)
    }

    fn list(&self) -> &[(&[u8], &[u8])] {
        self.list.get_or_init(|| host::list_of_pairs(self.map))
    }
}

/// What is to become of a response, by the table that its request began with.
pub struct Planned {
    active: Rc<Active>,
    plan: Box<ResponsePlan>,
}

impl Planned {
    /// The response's head has come.
    pub fn carry_out(self) {
        let Some(map) = host::headers(Map::Response) else { return };
        for change in self.active.table.respond(&self.plan, &host::list_of_pairs(&map)) {
            // A response that can't be changed goes on as it is: it is too late for another one.
            carry_out(Map::Response, &change);
        }
    }
}

fn forward(forward: &Forward<'_>) -> Action {
    let done = host::replace_header(Map::Request, ":authority", forward.authority)
        && host::replace_header(Map::Request, "x-forwarded-host", forward.forwarded_host)
        && forward.changes.iter().all(|change| carry_out(Map::Request, change));
    if !done {
        // Half a rewrite could lead anywhere.
        host::send_response(503, HOST_CALL_FAILED, [].into_iter(), b"", -1);
        return Action::Pause;
    }
    host::set_property(ROUTE, forward.chosen.route_bytes());
    Action::Continue
}

fn carry_out(map: Map, change: &Change<'_>) -> bool {
    match change {
        Change::Set(name, value) => host::replace_header(map, name, value),
        Change::Add(name, value) => host::add_header(map, name, value),
        Change::Remove(name) => host::remove_header(map, name),
    }
}

#[inline(never)]
fn answer(answer: &Answer<'_>) -> Action {
    if let Some(chosen) = &answer.chosen {
        host::set_property(ROUTE, chosen.route_bytes());
    }
    let headers = answer.headers.iter().map(|(name, value)| (&**name, &**value));
    let grpc_status = answer.grpc_status.map_or(-1, i32::from);
    if !host::send_response(answer.status, answer.outcome.as_str(), headers, &answer.body, grpc_status) {
        host::send_response(500, HOST_CALL_FAILED, [].into_iter(), b"", -1);
    }
    Action::Pause
}
