//! One request on its way through the filter, and its response.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::instance::Instance;
use crate::state::{Counts, HeaderMap, LocalResponse, Phase, StreamState};

/// The head of a request or of a response, as it reaches the filter.
#[derive(Debug, Default, Clone)]
pub struct Head {
    headers: HeaderMap,
    filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    end_of_stream: bool,
    raw_map: Option<Vec<u8>>,
}

impl Head {
    /// A head with these headers in this order, pseudo headers (`:path`) included.
    pub fn new(headers: &[(&str, &str)]) -> Self {
        let pairs = headers.iter();
        Self::from_bytes(pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    /// A head with names and values of any bytes.
    pub fn from_bytes<N: Into<Vec<u8>>, V: Into<Vec<u8>>>(headers: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = headers.into_iter();
        Head {
            headers: pairs.map(|(name, value)| (name.into(), value.into())).collect(),
            filter_state: BTreeMap::new(),
            end_of_stream: true,
            raw_map: None,
        }
    }

    /// Gives the module these bytes when it asks for the map of headers. No proxy does this.
    #[must_use]
    pub fn raw_map(mut self, bytes: Vec<u8>) -> Self {
        self.raw_map = Some(bytes);
        self
    }

    /// Returns the headers in the form in which proxy-wasm passes them.
    pub fn serialized(&self) -> Vec<u8> {
        self.headers.serialize()
    }

    /// Adds filter state that an earlier filter of the chain has set, by its full name (`wasm.x`).
    #[must_use]
    pub fn filter_state(mut self, name: &str, value: &str) -> Self {
        self.filter_state.insert(name.as_bytes().to_vec(), value.as_bytes().to_vec());
        self
    }

    /// Declares that a body follows.
    #[must_use]
    pub fn with_body(mut self) -> Self {
        self.end_of_stream = false;
        self
    }
}

/// What the module did with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The request goes on to the next filter.
    Continue,
    /// The request waits.
    Paused,
    /// The module sent a response.
    Answered(LocalResponse),
}

/// One request and its response. When it is dropped, it ends as a stream does: done, log, delete.
pub struct Exchange {
    instance: Rc<Instance>,
    id: u32,
    /// What the module did with the request.
    pub verdict: Verdict,
    costs: Vec<(&'static str, Counts)>,
    finished: Cell<bool>,
}

impl Exchange {
    /// Begins a stream of a root context and passes the request's headers to the module.
    pub(crate) fn begin(instance: &Rc<Instance>, root: u32, head: Head) -> Self {
        let count = u32::try_from(head.headers.len()).expect("fewer than 2^32 headers");
        let end = u32::from(head.end_of_stream);
        let mut exchange = Self::create(instance, root, head);
        let action = exchange.call("proxy_on_request_headers", &[exchange.id, count, end]);
        let local = instance.with_stream(exchange.id, |stream| {
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

    /// Creates the context of a stream, without a request yet.
    pub(crate) fn create(instance: &Rc<Instance>, root: u32, head: Head) -> Self {
        let id = instance.next_context();
        let stream = StreamState {
            root,
            request: head.headers,
            raw_map: head.raw_map,
            filter_state: head.filter_state,
            ..StreamState::default()
        };
        instance.with_state(|state| state.streams.insert(id, stream));
        let mut exchange = Exchange {
            instance: Rc::clone(instance),
            id,
            verdict: Verdict::Continue,
            costs: Vec::new(),
            finished: Cell::new(false),
        };
        exchange.call("proxy_on_context_create", &[id, root]);
        exchange
    }

    /// Returns the request's headers as they are now.
    pub fn headers(&self) -> HeaderMap {
        self.instance.with_stream(self.id, |stream| stream.request.clone())
    }

    /// Returns a request header as text, for assertions.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().text(name)
    }

    /// Returns the response that the module sent itself, if it did.
    pub fn answer(&self) -> Option<&LocalResponse> {
        match &self.verdict {
            Verdict::Answered(response) => Some(response),
            Verdict::Continue | Verdict::Paused => None,
        }
    }

    /// Returns filter state by its full name (`wasm.x`), as text.
    pub fn filter_state(&self, name: &str) -> Option<String> {
        self.instance.with_stream(self.id, |stream| {
            let value = stream.filter_state.get(name.as_bytes());
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        })
    }

    /// Returns how often Envoy would have cleared the route that it had chosen.
    pub fn route_cache_clears(&self) -> u32 {
        self.instance.with_stream(self.id, |stream| stream.route_cache_clears)
    }

    /// Passes a part of the request's body. Returns whether it goes on.
    pub fn request_body(&mut self, size: u32, end_of_stream: bool) -> bool {
        let arguments = [self.id, size, u32::from(end_of_stream)];
        let action = self.call("proxy_on_request_body", &arguments);
        action.is_none_or(|action| action == 0)
    }

    /// Passes the response's headers, also for a response of the module's own. Returns the headers as they are then.
    pub fn response(&mut self, headers: &[(&str, &str)], end_of_stream: bool) -> HeaderMap {
        let head = Head::new(headers);
        self.respond(if end_of_stream { head } else { head.with_body() })
    }

    /// Does the same with names and values of any bytes.
    pub fn respond(&mut self, head: Head) -> HeaderMap {
        let count = u32::try_from(head.headers.len()).expect("fewer than 2^32 headers");
        self.instance.with_stream(self.id, |stream| {
            stream.phase = Phase::Response;
            stream.response = head.headers;
            stream.raw_map = head.raw_map;
        });
        self.call("proxy_on_response_headers", &[self.id, count, u32::from(head.end_of_stream)]);
        self.instance.with_stream(self.id, |stream| stream.response.clone())
    }

    /// Passes a part of the response's body. Returns whether it goes on.
    pub fn response_body(&mut self, size: u32, end_of_stream: bool) -> bool {
        let arguments = [self.id, size, u32::from(end_of_stream)];
        let action = self.call("proxy_on_response_body", &arguments);
        action.is_none_or(|action| action == 0)
    }

    /// Ends the stream. Returns what each of its callbacks cost, in their order.
    pub fn finish(mut self) -> Vec<(&'static str, Counts)> {
        self.end();
        std::mem::take(&mut self.costs)
    }

    fn end(&mut self) {
        self.finished.set(true);
        self.instance.with_stream(self.id, |stream| stream.phase = Phase::Log);
        self.call("proxy_on_done", &[self.id]);
        self.call("proxy_on_log", &[self.id]);
        self.call("proxy_on_delete", &[self.id]);
        self.instance.with_state(|state| state.streams.remove(&self.id));
    }

    fn call(&mut self, callback: &'static str, arguments: &[u32]) -> Option<u32> {
        let call = self.instance.call(callback, self.id, arguments);
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
