//! One request on its way through the filter, and its response.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::instance::Inner;
use crate::state::{Counts, HeaderMap, LocalResponse, Phase, StreamState};

/// A request's head as it reaches the filter.
#[derive(Debug, Default, Clone)]
pub struct Head {
    headers: HeaderMap,
    filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    end_of_stream: bool,
    serialised: Option<Vec<u8>>,
}

impl Head {
    /// Headers in this order, `:method`, `:path` and `:authority` among them.
    pub fn new(headers: &[(&str, &str)]) -> Self {
        let pairs = headers.iter();
        Self::from_bytes(pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    /// Headers of any bytes.
    pub fn from_bytes<N: Into<Vec<u8>>, V: Into<Vec<u8>>>(headers: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = headers.into_iter();
        Head {
            headers: pairs.map(|(name, value)| (name.into(), value.into())).collect(),
            filter_state: BTreeMap::new(),
            end_of_stream: true,
            serialised: None,
        }
    }

    /// These octets in place of a map in its wire form, as a host that is broken would hand them over.
    #[must_use]
    pub fn serialised_as(mut self, octets: Vec<u8>) -> Self {
        self.serialised = Some(octets);
        self
    }

    /// The wire form of proxy-wasm.
    pub fn serialised(&self) -> Vec<u8> {
        self.headers.serialise()
    }

    /// Filter state that an earlier filter of the chain has left, by its whole name (`wasm.x`).
    #[must_use]
    pub fn filter_state(mut self, name: &str, value: &str) -> Self {
        self.filter_state.insert(name.as_bytes().to_vec(), value.as_bytes().to_vec());
        self
    }

    /// A body will follow.
    #[must_use]
    pub fn with_body(mut self) -> Self {
        self.end_of_stream = false;
        self
    }
}

/// What became of a request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the next filter.
    Continue,
    /// It waits.
    Paused,
    /// The module answered it.
    Answered(LocalResponse),
}

/// One request on its way. Dropped, it ends as a stream does: done, log, delete.
pub struct Exchange {
    inner: Rc<Inner>,
    id: u32,
    /// What the module decided on the request's head.
    pub verdict: Verdict,
    costs: Vec<(&'static str, Counts)>,
    finished: Cell<bool>,
}

impl Exchange {
    /// Begins a stream of a root context, and hands its request's head to the module.
    pub(crate) fn begin(inner: &Rc<Inner>, root: u32, head: Head) -> Self {
        let count = u32::try_from(head.headers.len()).expect("fewer than 4 G headers");
        let end = u32::from(head.end_of_stream);
        let mut exchange = Self::create(inner, root, head);
        let action = exchange.call("proxy_on_request_headers", &[exchange.id, count, end]);
        let local = inner.with_stream(exchange.id, |stream| {
            stream.phase = Phase::Upstream;
            stream.local_response.clone()
        });
        exchange.verdict = match (local, action) {
            (Some(local), _) => Verdict::Answered(local),
            (None, None | Some(0)) => Verdict::Continue,
            (None, Some(_)) => Verdict::Paused,
        };
        exchange
    }

    /// Creates a stream's context and no more.
    pub(crate) fn create(inner: &Rc<Inner>, root: u32, head: Head) -> Self {
        let id = inner.next_context();
        let stream = StreamState {
            root,
            request: head.headers,
            serialised: head.serialised,
            filter_state: head.filter_state,
            ..StreamState::default()
        };
        inner.with_state(|state| state.streams.insert(id, stream));
        let mut exchange = Exchange {
            inner: Rc::clone(inner),
            id,
            verdict: Verdict::Continue,
            costs: Vec::new(),
            finished: Cell::new(false),
        };
        exchange.call("proxy_on_context_create", &[id, root]);
        exchange
    }

    /// The request's headers as they are now.
    pub fn headers(&self) -> HeaderMap {
        self.inner.with_stream(self.id, |stream| stream.request.clone())
    }

    /// One request header as text, for assertions.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().text(name)
    }

    /// The module's own answer, where it gave one.
    pub fn answer(&self) -> Option<&LocalResponse> {
        match &self.verdict {
            Verdict::Answered(response) => Some(response),
            Verdict::Continue | Verdict::Paused => None,
        }
    }

    /// Filter state by its whole name (`wasm.x`), as text.
    pub fn filter_state(&self, name: &str) -> Option<String> {
        self.inner.with_stream(self.id, |stream| {
            let value = stream.filter_state.get(name.as_bytes());
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        })
    }

    /// How often Envoy would have forgotten the route that it had chosen.
    pub fn route_cache_clears(&self) -> u32 {
        self.inner.with_stream(self.id, |stream| stream.route_cache_clears)
    }

    /// A piece of the request's body passes; whether the module let it.
    pub fn request_body(&mut self, size: u32, end_of_stream: bool) -> bool {
        let arguments = [self.id, size, u32::from(end_of_stream)];
        let action = self.call("proxy_on_request_body", &arguments);
        action.is_none_or(|action| action == 0)
    }

    /// The response's head passes, the module's own answer included; the headers after it.
    pub fn response(&mut self, headers: &[(&str, &str)], end_of_stream: bool) -> HeaderMap {
        let head = Head::new(headers);
        self.respond(if end_of_stream { head } else { head.with_body() })
    }

    /// The same, with headers of any bytes.
    pub fn respond(&mut self, head: Head) -> HeaderMap {
        let count = u32::try_from(head.headers.len()).expect("fewer than 4 G headers");
        self.inner.with_stream(self.id, |stream| {
            stream.phase = Phase::Response;
            stream.response = head.headers;
            stream.serialised = head.serialised;
        });
        self.call("proxy_on_response_headers", &[self.id, count, u32::from(head.end_of_stream)]);
        self.inner.with_stream(self.id, |stream| stream.response.clone())
    }

    /// A piece of the response's body passes; whether the module let it.
    pub fn response_body(&mut self, size: u32, end_of_stream: bool) -> bool {
        let arguments = [self.id, size, u32::from(end_of_stream)];
        let action = self.call("proxy_on_response_body", &arguments);
        action.is_none_or(|action| action == 0)
    }

    /// Ends the stream; what each callback of it cost, in their order.
    pub fn finish(mut self) -> Vec<(&'static str, Counts)> {
        self.end();
        std::mem::take(&mut self.costs)
    }

    fn end(&mut self) {
        self.finished.set(true);
        self.inner.with_stream(self.id, |stream| stream.phase = Phase::Log);
        self.call("proxy_on_done", &[self.id]);
        self.call("proxy_on_log", &[self.id]);
        self.call("proxy_on_delete", &[self.id]);
        self.inner.with_state(|state| state.streams.remove(&self.id));
    }

    fn call(&mut self, callback: &'static str, arguments: &[u32]) -> Option<u32> {
        let call = self.inner.call(callback, self.id, arguments);
        if call.ran {
            self.costs.push((callback, call.counts));
        }
        call.result
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.finished.get() && !std::thread::panicking() {
            self.end();
        }
    }
}
