//! One request and its response. The filter reads the request's headers, lets the table decide, and carries the
//! decision out.

use std::cell::OnceCell;
use std::rc::Rc;

use ksvc_routing::{Answer, Change, Chosen, Decision, Forward, Head, Headers, ResponsePlan, RouteTable};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType, Status};

use crate::host::{self, HeaderMap};
use crate::metrics::Metrics;

/// The filter state that holds the name of the chosen route. Access logs print it, and other tables on the same gateway
/// read it to see that a request has been routed already.
const ROUTE: &str = "ksvc_router.route";

/// The text of `%RESPONSE_CODE_DETAILS%` for a request that is answered because a call to Envoy failed.
const HOST_CALL_FAILED: &str = "ksvc_router_host_call_failed";

/// What a plugin serves after a document.
pub struct Active {
    pub table: RouteTable,
    pub metrics: Rc<Metrics>,
}

/// The context of one request.
pub struct Filter {
    /// What the plugin served when the request began, because an edit must not affect requests in flight. `None` if the
    /// plugin had no document yet.
    active: Option<Rc<Active>>,
    /// The plan for the response, which the request sets. Most responses need none.
    response: Option<Box<ResponsePlan>>,
}

impl Filter {
    pub fn new(active: Option<Rc<Active>>) -> Self {
        Filter { active, response: None }
    }
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(active) = &self.active else { return Action::Continue };
        let Some(map) = host::headers(MapType::HttpRequestHeaders) else { return Action::Continue };
        let headers = RequestHeaders { map: &map, list: OnceCell::new() };
        let mut decision = active.table.decide(&Head::read(&headers), is_routed);
        active.metrics.count(decision.outcome());
        match &mut decision {
            Decision::Untouched(_) => Action::Continue,
            Decision::Forward(forward) => match self::forward(forward) {
                Ok(()) => {
                    self.response = forward.response.take();
                    Action::Continue
                }
                // A request that is changed only in part could reach any service.
                Err(_) => fail(503),
            },
            Decision::Answer(answer) => self::answer(answer),
        }
    }

    /// Envoy also calls this for its own responses and for those of this filter, which have no plan.
    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let Some(active) = &self.active
            && let Some(plan) = self.response.take()
            && let Some(map) = host::headers(MapType::HttpResponseHeaders)
        {
            for change in active.table.respond(&plan, &map.list()) {
                // It is too late for another response. One that can't be changed goes on as it is.
                let _ = apply(MapType::HttpResponseHeaders, &change);
            }
        }
        Action::Continue
    }
}

/// The request's headers, in the form in which Envoy returned them.
struct RequestHeaders<'m> {
    map: &'m HeaderMap,
    /// The same as a list, which few requests need.
    list: OnceCell<Vec<(&'m [u8], &'m [u8])>>,
}

impl Headers for RequestHeaders<'_> {
    #[inline(always)]
    fn each(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.map.pairs()
    }

    fn list(&self) -> &[(&[u8], &[u8])] {
        self.list.get_or_init(|| self.map.list())
    }
}

/// Returns whether an earlier table on the same gateway has routed this request.
fn is_routed() -> bool {
    matches!(hostcalls::get_property(vec![ROUTE]), Ok(Some(_)))
}

fn set_route(chosen: &Chosen<'_>) {
    // A request without this entry is still handled as it should be.
    let _ = hostcalls::set_property(vec![ROUTE], Some(chosen.route_bytes()));
}

/// Changes the request's headers. Because `:authority` changes, Envoy chooses the route again.
fn forward(forward: &Forward<'_>) -> Result<(), Status> {
    let map = MapType::HttpRequestHeaders;
    hostcalls::set_map_value_bytes(map, ":authority", Some(&forward.authority))?;
    hostcalls::set_map_value_bytes(map, "x-forwarded-host", Some(forward.forwarded_host))?;
    forward.changes.iter().try_for_each(|change| apply(map, change))?;
    set_route(&forward.chosen);
    Ok(())
}

fn apply(map: MapType, change: &Change<'_>) -> Result<(), Status> {
    match change {
        Change::Set(name, value) => hostcalls::set_map_value_bytes(map, name, Some(value)),
        Change::Add(name, value) => hostcalls::add_map_value_bytes(map, name, value),
        Change::Remove(name) => hostcalls::remove_map_value(map, name),
    }
}

#[inline(never)]
fn answer(answer: &Answer<'_>) -> Action {
    if let Some(chosen) = &answer.chosen {
        set_route(chosen);
    }
    let headers: Vec<_> = answer.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let grpc_status = answer.grpc_status.map_or(-1, i32::from);
    if host::send_response(answer.status, answer.outcome.as_str(), &headers, &answer.body, grpc_status) {
        Action::Pause
    } else {
        fail(500)
    }
}

/// Answers the request with an empty response.
#[cold]
fn fail(status: u16) -> Action {
    host::send_response(status, HOST_CALL_FAILED, &[], b"", -1);
    Action::Pause
}
