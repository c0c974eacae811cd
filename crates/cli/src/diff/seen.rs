//! What a client and a service see of a request: the decision of the tables of a gateway, with everything in it that
//! makes a difference to them.

use ksvc_routing::{Answer, Change, Decision, Forward, Outcome, RouteTable, Untouched};

use ksvc_explanation::request::Request;

/// A route of a gateway: the index of its table in the order in which the gateway asks them, and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId {
    pub table: usize,
    pub route: usize,
}

/// Names and values.
type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// What the tables do with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The chosen route. It is not seen outside the gateway, but in logs.
    pub route: Option<RouteId>,
    /// The name of the route, for logs.
    pub name: String,
    pub matched: String,
    /// The outcome in the word that `explain` has for it.
    pub outcome: &'static str,
    /// The authority, or an empty text.
    pub authority: Vec<u8>,
    pub path: Vec<u8>,
    /// The headers of the forwarded request, sorted by name.
    request_headers: Headers,
    /// The headers that the client gets if the service answers with some sample headers, sorted by name.
    response_headers: Vec<Headers>,
    pub status: u16,
    pub answer_headers: Headers,
    body: Vec<u8>,
    grpc_status: Option<u8>,
}

/// The header by which Envoy takes the time limit of a route.
const TIMEOUT: &[u8] = b"x-envoy-upstream-rq-timeout-ms";

impl Seen {
    /// Returns what the tables of a gateway do with a request. `response_names` are the names of headers that a service
    /// may send.
    pub fn new(tables: &[&RouteTable], request: &Request, response_names: &[String]) -> Self {
        let headers = request.header_refs();
        let mut outcome = Outcome::OutOfScope;
        for (index, table) in tables.iter().enumerate() {
            match table.decide(&request.head(&headers), || false) {
                Decision::Untouched(Untouched::OutOfScope) => {}
                Decision::Untouched(Untouched::PassThrough) => outcome = Outcome::PassThrough,
                Decision::Forward(forward) => return Self::forwarded(table, index, &forward, request, response_names),
                Decision::Answer(answer) => return Self::answered(index, &answer),
            }
        }
        Self::untouched(outcome)
    }

    fn untouched(outcome: Outcome) -> Self {
        Self {
            route: None,
            name: String::new(),
            matched: String::new(),
            outcome: outcome.as_str(),
            authority: Vec::new(),
            path: Vec::new(),
            request_headers: Vec::new(),
            response_headers: Vec::new(),
            status: 0,
            answer_headers: Vec::new(),
            body: Vec::new(),
            grpc_status: None,
        }
    }

    fn forwarded(
        table: &RouteTable,
        index: usize,
        forward: &Forward<'_>,
        request: &Request,
        response_names: &[String],
    ) -> Self {
        let mut headers = request.headers.clone();
        apply(forward.all_changes(), &mut headers);
        headers.retain(|(name, _)| !name.starts_with(b":"));
        headers.sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut response_headers = Vec::new();
        if let Some(plan) = &forward.response {
            let public = request.authority.as_deref().unwrap_or_default();
            let at = |host: &[u8]| [b"https://", host, b"/x1?x2"].concat();
            for location in [b"/x1?x2".to_vec(), at(&forward.authority), at(public)] {
                let mut sent: Headers = vec![(b"location".to_vec(), location), (b"vary".to_vec(), b"x-sent".to_vec())];
                let names = response_names.iter().map(|name| name.as_bytes().to_vec());
                sent.extend(names.filter(|name| name != b"location").map(|name| (name, b"sent".to_vec())));
                sent.extend([
                    (b"access-control-allow-origin".to_vec(), b"sent".to_vec()),
                    (b"access-control-expose-headers".to_vec(), b"sent".to_vec()),
                ]);
                let borrowed: Vec<(&[u8], &[u8])> = sent.iter().map(|(name, value)| (&name[..], &value[..])).collect();
                let changes = table.respond(plan, &borrowed);
                let mut received = sent.clone();
                apply(changes, &mut received);
                // A plan that changes nothing is no plan.
                if received != sent {
                    received.sort_by(|(a, _), (b, _)| a.cmp(b));
                    response_headers.push(received);
                }
            }
        }
        Self {
            route: Some(RouteId { table: index, route: forward.chosen.index() }),
            name: forward.chosen.route().to_owned(),
            matched: forward.chosen.matched().to_owned(),
            authority: forward.authority.to_vec(),
            path: forward.path().or(request.path.as_deref()).unwrap_or_default().to_vec(),
            request_headers: headers,
            response_headers,
            ..Self::untouched(Outcome::Route)
        }
    }

    fn answered(index: usize, answer: &Answer<'_>) -> Self {
        let headers = answer.headers.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec()));
        let mut answer_headers: Headers = headers.collect();
        answer_headers.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self {
            route: answer.chosen.as_ref().map(|chosen| RouteId { table: index, route: chosen.index() }),
            name: answer.chosen.as_ref().map(|chosen| chosen.route().to_owned()).unwrap_or_default(),
            matched: answer.chosen.as_ref().map(|chosen| chosen.matched().to_owned()).unwrap_or_default(),
            status: answer.status,
            answer_headers,
            body: answer.body.to_vec(),
            grpc_status: answer.grpc_status,
            ..Self::untouched(answer.outcome)
        }
    }

    /// Returns in what two decisions differ, for a client or a service. The order is that of importance.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let timeout = |seen: &Self| seen.request_headers.iter().find(|(name, _)| name == TIMEOUT).cloned();
        let others = |seen: &Self| -> Headers {
            seen.request_headers.iter().filter(|(name, _)| name != TIMEOUT).cloned().collect()
        };
        let location = |seen: &Self| seen.header("location").map(<[u8]>::to_vec);
        let rest = |seen: &Self| -> Headers {
            seen.answer_headers.iter().filter(|(name, _)| name != b"location").cloned().collect()
        };
        [
            ("outcome", !self.has_same_outcome(other)),
            ("authority", self.authority != other.authority),
            ("location", location(self) != location(other)),
            ("status", self.status != other.status || self.grpc_status != other.grpc_status),
            ("path", self.path != other.path),
            ("timeout", timeout(self) != timeout(other)),
            ("requestHeaders", others(self) != others(other)),
            ("responseHeaders", self.response_headers != other.response_headers || rest(self) != rest(other)),
            ("body", self.body != other.body),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }

    /// Returns whether nobody outside the gateway sees a difference.
    pub fn is_same(&self, other: &Self) -> bool {
        let Self { authority, path, request_headers, response_headers, status, .. } = self;
        self.has_same_outcome(other)
            && *authority == other.authority
            && *path == other.path
            && *request_headers == other.request_headers
            && *response_headers == other.response_headers
            && *status == other.status
            && self.answer_headers == other.answer_headers
            && self.body == other.body
            && self.grpc_status == other.grpc_status
    }

    /// Returns whether no table changes the request.
    pub fn is_untouched(&self) -> bool {
        self.outcome == Outcome::OutOfScope.as_str() || self.outcome == Outcome::PassThrough.as_str()
    }

    /// Returns whether the outcomes are the same, or are two of which nobody outside the gateway sees the difference.
    fn has_same_outcome(&self, other: &Self) -> bool {
        self.outcome == other.outcome || (self.is_untouched() && other.is_untouched())
    }

    /// Returns a header of the answer.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.answer_headers.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, value)| &value[..])
    }

    /// Returns a header of the forwarded request, such as the time limit.
    pub fn timeout(&self) -> Option<&[u8]> {
        self.request_headers.iter().find(|(name, _)| name == TIMEOUT).map(|(_, value)| &value[..])
    }

    /// Returns all headers of the forwarded request.
    pub fn request_headers(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.request_headers
    }

    /// Returns the headers of the response to the client, if the service sends some sample headers.
    pub fn sample_response(&self) -> &[(Vec<u8>, Vec<u8>)] {
        self.response_headers.first().map_or(&[], |headers| headers)
    }
}

/// Applies changes to headers as Envoy does.
fn apply<'c>(changes: impl IntoIterator<Item = Change<'c>>, headers: &mut Headers) {
    for change in changes {
        if !matches!(change, Change::Add(..)) {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case(change.name().as_bytes()));
        }
        if let Change::Set(name, value) | Change::Add(name, value) = &change {
            headers.push((name.as_bytes().to_vec(), value.to_vec()));
        }
    }
}
