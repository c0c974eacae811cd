//! HTTP/1.1 messages that are malformed, or that two parsers could understand in two ways.
//!
//! After each message that leaves its connection open, a normal request is sent on the same connection. It must get its
//! own response, as the last one, and the services must have got exactly the expected requests. This proves that no
//! request was smuggled.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testenv::stand_in::Report;

use crate::gateway::{Guarded, ORDERS};

const PATIENCE: Duration = Duration::from_secs(20);

const LAST: &[u8] = b"GET /faas/orders/last HTTP/1.1\r\nhost: api.example.com\r\nconnection: close\r\n\r\n";

/// The expected outcome of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// This many requests reach the right service and are answered.
    Routed(usize),
    /// One request reaches the service and is answered. Then Envoy closes the connection.
    RoutedAndClosed,
    /// The request may have begun to arrive at the service but never ends. Envoy itself answers and closes the
    /// connection.
    BrokenOff(u16),
    /// Envoy itself answers and closes the connection.
    Closed(u16),
    /// Envoy itself answers and keeps the connection open.
    Envoy(u16),
    /// The filter answers, and the connection stays open.
    Filter(u16),
    /// The filter answers, and Envoy closes the connection.
    FilterAndClosed(u16),
}
use Expected::{BrokenOff, Closed, Envoy, Filter, FilterAndClosed, Routed, RoutedAndClosed};

struct Response {
    status: u16,
    by_filter: bool,
    body: Vec<u8>,
}

/// Sends these bytes and returns all responses that arrive until the gateway closes the connection.
fn exchange(guarded: &Guarded, bytes: &[u8]) -> Result<Vec<Response>> {
    let mut connection = TcpStream::connect(guarded.gateway.address())?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let mut received = Vec::new();
    // An error is normal here: if the gateway closes early, it does not read everything.
    let _ = connection.write_all(bytes);
    let ended = connection.read_to_end(&mut received);
    ensure!(ended.is_ok() || !received.is_empty(), "no response, and the connection ended with {ended:?}");
    let mut rest = &received[..];
    let mut responses = Vec::new();
    while !rest.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut fields);
        let parsed = head.parse(rest).with_context(|| format!("not a response: {}", rest.escape_ascii()))?;
        ensure!(parsed.is_complete(), "the response broke off: {}", rest.escape_ascii());
        let field = |name: &str| head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        let length = match field("content-length") {
            Some(length) => std::str::from_utf8(length.value)?.parse()?,
            None => 0,
        };
        let (_, body) = rest.split_at(parsed.unwrap());
        responses.push(Response {
            status: head.code.unwrap_or_default(),
            by_filter: field("content-type").is_some_and(|field| field.value == b"application/problem+json"),
            body: body.get(..length).context("the body broke off")?.to_vec(),
        });
        rest = &body[length..];
    }
    Ok(responses)
}

/// Sends one message and checks its outcome.
fn check_one(guarded: &Guarded, bytes: &[u8], expected: Expected) -> Result<()> {
    let closes = matches!(expected, RoutedAndClosed | BrokenOff(_) | Closed(_) | FilterAndClosed(_));
    let before = guarded.arrived();
    let mut responses = exchange(guarded, &[bytes, LAST].concat())?;
    let statuses = responses.iter().map(|response| response.status).collect::<Vec<_>>();
    let arrived = guarded.arrived() - before;
    if !closes {
        let last = responses.pop().with_context(|| format!("statuses {statuses:?}"))?;
        let report = serde_json::from_slice::<Report>(&last.body).with_context(|| format!("statuses {statuses:?}"))?;
        ensure!(report.path == "/faas/orders/last" && report.body.is_empty(), "the next request became {report:?}");
    }
    let expected_responses = match expected {
        Routed(requests) => vec![(200, false); requests],
        RoutedAndClosed => vec![(200, false)],
        BrokenOff(status) | Closed(status) | Envoy(status) => vec![(status, false)],
        Filter(status) | FilterAndClosed(status) => vec![(status, true)],
    };
    let found: Vec<_> = responses.iter().map(|response| (response.status, response.by_filter)).collect();
    ensure!(found == expected_responses, "{found:?} (status, by the filter); {arrived} requests arrived");
    let normal = u64::from(!closes);
    let expected_arrivals = match expected {
        Routed(requests) => requests as u64..=requests as u64,
        RoutedAndClosed => 1..=1,
        BrokenOff(_) => 0..=1,
        _ => 0..=0,
    };
    ensure!(expected_arrivals.contains(&(arrived - normal)), "{arrived} requests arrived");
    if let Routed(_) | RoutedAndClosed = expected {
        for response in &responses {
            let report: Report = serde_json::from_slice(&response.body)?;
            ensure!(report.authority == ORDERS && report.path.starts_with("/faas/orders/"), "{report:?}");
            let forwarded: Vec<_> = report.headers.iter().filter(|(name, _)| name == "x-forwarded-host").collect();
            ensure!(forwarded.len() == 1 && forwarded[0].1.to_lowercase().contains("api.example.com"), "{report:?}");
            let revisions = report.headers.iter().filter(|(name, _)| name == "knative-serving-revision");
            ensure!(revisions.map(|(_, value)| value).collect::<Vec<_>>() == ["orders-00001"], "{report:?}");
            let is_internal =
                |(name, value): &(String, String)| name == "k-original-host" || value.starts_with("kube-probe/");
            ensure!(!report.headers.iter().any(is_internal), "{report:?}");
        }
    }
    guarded.check_still_serves()
}

/// Returns a request with these additional header lines.
fn with(lines: &[u8]) -> Vec<u8> {
    [b"GET /faas/orders/1 HTTP/1.1\r\nhost: api.example.com\r\n", lines, b"\r\n"].concat()
}

/// Returns a request with these additional header lines and this body.
fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /faas/orders/1 HTTP/1.1\r\nhost: api.example.com\r\n{lines}\r\n{body}").into_bytes()
}

/// Returns a request with this request line.
fn line(line: &[u8]) -> Vec<u8> {
    [line, b"\r\nhost: api.example.com\r\n\r\n"].concat()
}

/// Returns a request with these lines in place of its host header.
fn hosts(lines: &[u8]) -> Vec<u8> {
    [b"GET /faas/orders/1 HTTP/1.1\r\n", lines, b"\r\n"].concat()
}

/// Sends each message and checks its outcome. The error names all messages with another outcome than expected.
fn check(messages: Vec<(&str, Vec<u8>, Expected)>) -> Result<()> {
    let guarded = Guarded::start()?;
    let mut failures = Vec::new();
    for (name, bytes, expected) in messages {
        if let Err(error) = check_one(&guarded, &bytes, expected) {
            failures.push(format!("{name}: not {expected:?}: {error:#}"));
        }
    }
    ensure!(failures.is_empty(), "\n{}", failures.join("\n"));
    Ok(())
}

#[test]
fn a_malformed_request_line_is_never_routed() -> Result<()> {
    check(vec![
        ("a normal request", line(b"GET /faas/orders/1 HTTP/1.1"), Routed(1)),
        ("a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(), Closed(400)),
        ("every byte from 0 to 255", (0..=255).collect(), Closed(400)),
        ("no version", b"GET /faas/orders/1\r\n\r\n".to_vec(), Closed(426)),
        ("HTTP/0.9 with a host", line(b"GET /faas/orders/1 HTTP/0.9"), Closed(426)),
        ("HTTP/1.0", line(b"GET /faas/orders/1 HTTP/1.0"), Closed(426)),
        ("HTTP/3.0", line(b"GET /faas/orders/1 HTTP/3.0"), Closed(426)),
        ("two spaces", line(b"GET  /faas/orders/1 HTTP/1.1"), Routed(1)),
        ("a tab", line(b"GET\t/faas/orders/1 HTTP/1.1"), Routed(1)),
        ("a space in the path", line(b"GET /faas/orders/1 2 HTTP/1.1"), Closed(400)),
        ("no path", line(b"GET  HTTP/1.1"), Closed(400)),
        ("no method", line(b" /faas/orders/1 HTTP/1.1"), Closed(400)),
        ("an unknown method", line(b"FROB /faas/orders/1 HTTP/1.1"), Closed(400)),
        ("a method in lower case", line(b"get /faas/orders/1 HTTP/1.1"), Closed(400)),
        ("a method that is not UTF-8", line(b"G\xc9T /faas/orders/1 HTTP/1.1"), Closed(400)),
        ("an empty line before it", line(b"\r\nGET /faas/orders/1 HTTP/1.1"), Routed(1)),
        ("a carriage return in the path", line(b"GET /faas/orders/\r1 HTTP/1.1"), Closed(400)),
    ])
}

#[test]
fn every_form_of_request_target_means_one_host_and_one_path() -> Result<()> {
    check(vec![
        ("absolute form, same host", line(b"GET http://api.example.com/faas/orders/1 HTTP/1.1"), Routed(1)),
        (
            "absolute form, another host in the header",
            b"GET http://api.example.com/faas/orders/1 HTTP/1.1\r\nhost: evil.example.net\r\n\r\n".to_vec(),
            Routed(1),
        ),
        (
            "absolute form, another host in both",
            line(b"GET http://evil.example.net/faas/orders/1 HTTP/1.1"),
            Envoy(404),
        ),
        ("absolute form, with a user", line(b"GET http://u@api.example.com/faas/orders/1 HTTP/1.1"), Routed(1)),
        ("absolute form, no path", line(b"GET http://api.example.com HTTP/1.1"), Envoy(404)),
        ("absolute form, another scheme", line(b"GET ftp://api.example.com/faas/orders/1 HTTP/1.1"), Closed(400)),
        ("absolute form, dots", line(b"GET http://api.example.com/faas/orders/../../x HTTP/1.1"), Envoy(404)),
        ("authority form", line(b"CONNECT api.example.com:443 HTTP/1.1"), Closed(404)),
        ("authority form, another method", line(b"GET api.example.com:443 HTTP/1.1"), Closed(400)),
        ("asterisk form", line(b"OPTIONS * HTTP/1.1"), Envoy(404)),
        ("asterisk form, another method", line(b"GET * HTTP/1.1"), Closed(400)),
        ("no slash", line(b"GET faas/orders/1 HTTP/1.1"), Closed(400)),
        ("two slashes and a host", line(b"GET //api.example.com/faas/orders/1 HTTP/1.1"), Envoy(404)),
        ("a fragment", line(b"GET /faas/orders/1#x HTTP/1.1"), Closed(400)),
        ("not UTF-8", line(b"GET /faas/orders/\xff\xfe HTTP/1.1"), Closed(400)),
        ("UTF-8", line("GET /faas/orders/\u{e9} HTTP/1.1".as_bytes()), Closed(400)),
        ("a NUL", line(b"GET /faas/orders/\x00 HTTP/1.1"), Closed(400)),
        ("an encoded NUL", line(b"GET /faas/orders/%00 HTTP/1.1"), Closed(400)),
        ("an encoded slash", line(b"GET /faas/orders/%2f%2e%2e HTTP/1.1"), FilterAndClosed(400)),
        ("a backslash", line(b"GET /faas/orders\\..\\x HTTP/1.1"), Filter(404)),
        ("dots that leave the scope", line(b"GET /faas/orders/../../x HTTP/1.1"), Envoy(404)),
        ("an incomplete escape", line(b"GET /faas/orders/% HTTP/1.1"), FilterAndClosed(400)),
        ("not UTF-8 in the query", line(b"GET /faas/orders/1?\xff HTTP/1.1"), Closed(400)),
        ("10,000 segments", line(format!("GET /faas/orders{} HTTP/1.1", "/a".repeat(10_000)).as_bytes()), Routed(1)),
        (
            "10,000 empty segments",
            line(format!("GET /faas/orders{} HTTP/1.1", "/".repeat(10_000)).as_bytes()),
            FilterAndClosed(400),
        ),
        ("10,000 dots", line(format!("GET /faas/orders{} HTTP/1.1", "/..".repeat(10_000)).as_bytes()), Envoy(404)),
        ("59 KiB", line(format!("GET /faas/orders/{} HTTP/1.1", "a".repeat(59 << 10)).as_bytes()), Routed(1)),
        ("61 KiB", line(format!("GET /faas/orders/{} HTTP/1.1", "a".repeat(61 << 10)).as_bytes()), Closed(431)),
    ])
}

#[test]
fn only_a_single_valid_host_is_routed() -> Result<()> {
    check(vec![
        ("none", hosts(b""), Closed(400)),
        ("an empty one", hosts(b"host:\r\n"), Envoy(404)),
        ("twice the same", hosts(b"host: api.example.com\r\nhost: api.example.com\r\n"), Envoy(404)),
        ("two", hosts(b"host: api.example.com\r\nhost: evil.example.net\r\n"), Envoy(404)),
        ("two, in the other order", hosts(b"host: evil.example.net\r\nhost: api.example.com\r\n"), Envoy(404)),
        ("a list", hosts(b"host: api.example.com, evil.example.net\r\n"), Closed(400)),
        ("a port", hosts(b"host: api.example.com:8080\r\n"), Routed(1)),
        ("an invalid port", hosts(b"host: api.example.com:x\r\n"), Routed(1)),
        ("upper case", hosts(b"host: API.example.COM\r\n"), Routed(1)),
        ("a trailing dot", hosts(b"host: api.example.com.\r\n"), Routed(1)),
        ("a user", hosts(b"host: u@api.example.com\r\n"), Envoy(404)),
        ("a path", hosts(b"host: api.example.com/x\r\n"), Closed(400)),
        ("not UTF-8", hosts(b"host: api.example.com\xff\r\n"), Closed(400)),
        ("a NUL", hosts(b"host: api.example.com\x00\r\n"), Closed(400)),
        ("a pseudo-header", hosts(b"host: api.example.com\r\n:authority: evil.example.net\r\n"), Closed(400)),
        ("a pseudo-header with the path", hosts(b"host: api.example.com\r\n:path: /x\r\n"), Closed(400)),
        ("20,000 labels", hosts(format!("host: {}example.com\r\n", "a.".repeat(20_000)).as_bytes()), Envoy(404)),
    ])
}

#[test]
fn no_bytes_in_headers_split_or_misroute_a_request() -> Result<()> {
    let many = |count: usize| (0..count).map(|n| format!("x-{n}: y\r\n")).collect::<String>();
    check(vec![
        ("not UTF-8 in a value", with(b"x-a: \xff\xfe\xe9\r\n"), Routed(1)),
        ("not UTF-8 in a name", with(b"x-\xff: a\r\n"), Closed(400)),
        (
            "not UTF-8 in headers that the filter reads",
            with(b"origin: \xff\r\nuser-agent: \xff\r\ncontent-type: \xff\r\n"),
            Routed(1),
        ),
        ("a NUL in a value", with(b"x-a: a\x00b\r\n"), Closed(400)),
        ("a carriage return in a value", with(b"x-a: a\rx-b: b\r\n"), Routed(1)),
        ("a space before the colon", with(b"x-a : b\r\n"), Closed(400)),
        ("a space in a name", with(b"x a: b\r\n"), Closed(400)),
        ("no colon", with(b"x-a\r\n"), Closed(400)),
        ("no name", with(b": a\r\n"), Closed(400)),
        ("a folded line", with(b"x-a: a\r\n b\r\n"), Routed(1)),
        (
            "lines that end in a line feed alone",
            b"GET /faas/orders/1 HTTP/1.1\nhost: api.example.com\n\n".to_vec(),
            Routed(1),
        ),
        (
            "x-forwarded-host, repeated",
            with(b"x-forwarded-host: evil.example.net\r\nX-Forwarded-Host: b\r\n"),
            Routed(1),
        ),
        (
            "Knative's own headers, repeated",
            with(b"knative-serving-revision: a\r\nKnative-Serving-Revision: b\r\nK-Original-Host: c\r\n"),
            Routed(1),
        ),
        ("the kubelet's user agent", with(b"USER-AGENT: kube-probe/1\r\n"), Routed(1)),
        (
            "a connection header that names the filter's headers",
            with(b"connection: x-forwarded-host, knative-serving-revision\r\n"),
            Closed(400),
        ),
        ("90 headers", with(many(88).as_bytes()), Routed(1)),
        ("101 headers", with(many(101).as_bytes()), Closed(431)),
        ("59 KiB in one header", with(format!("x-a: {}\r\n", "a".repeat(59 << 10)).as_bytes()), Routed(1)),
        ("61 KiB in one header", with(format!("x-a: {}\r\n", "a".repeat(61 << 10)).as_bytes()), Closed(431)),
        (
            "an upgrade to HTTP/2",
            with(b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"),
            Routed(1),
        ),
        ("an upgrade to an unknown protocol", with(b"connection: upgrade\r\nupgrade: frob\r\n"), RoutedAndClosed),
    ])
}

#[test]
fn one_request_never_becomes_two() -> Result<()> {
    const INNER: &str = "GET /faas/orders/smuggled HTTP/1.1\r\nhost: payments.billing.example.com\r\n\r\n";
    let length = INNER.len();
    let chunked = "transfer-encoding: chunked\r\n";
    let inner_chunk = format!("{length:x}\r\n{INNER}\r\n0\r\n\r\n");
    let nothing =
        format!("POST /faas/nothing HTTP/1.1\r\nhost: api.example.com\r\ncontent-length: {length}\r\n\r\n{INNER}");
    let outside = format!("POST /x HTTP/1.1\r\nhost: api.example.com\r\ncontent-length: {length}\r\n\r\n{INNER}");
    check(vec![
        ("a request as a body", post(&format!("content-length: {length}\r\n"), INNER), Routed(1)),
        ("a request as a chunk", post(chunked, &inner_chunk), Routed(1)),
        (
            "a request as the body of a GET",
            with(b"content-length: 5\r\n").into_iter().chain(*b"GET /").collect(),
            Routed(1),
        ),
        ("two requests in sequence", [with(b""), with(b"")].concat(), Routed(2)),
        ("a request as the body of one that the filter answers", nothing.into_bytes(), FilterAndClosed(404)),
        ("a request as the body of one that Envoy answers", outside.into_bytes(), Closed(404)),
        (
            "a request after one that is refused",
            [line(b"GET /faas/orders/%2f HTTP/1.1"), with(b"")].concat(),
            FilterAndClosed(400),
        ),
        ("length and chunks", post(&format!("content-length: 5\r\n{chunked}"), "0\r\n\r\n"), Closed(400)),
        ("chunks and length", post(&format!("{chunked}content-length: 5\r\n"), "0\r\n\r\n"), Closed(400)),
        ("two lengths", post("content-length: 5\r\ncontent-length: 6\r\n", "hello"), Closed(400)),
        ("one length twice", post("content-length: 5\r\ncontent-length: 5\r\n", "hello"), Closed(400)),
        ("a list of lengths", post("content-length: 5, 5\r\n", "hello"), Closed(400)),
        ("a negative length", post("content-length: -5\r\n", "hello"), Closed(400)),
        ("a length with a sign", post("content-length: +5\r\n", "hello"), Closed(400)),
        ("a length in hexadecimal", post("content-length: 0x5\r\n", "hello"), Closed(400)),
        ("an empty length", post("content-length:\r\n", "hello"), Closed(400)),
        ("a length beyond 2^64", post("content-length: 18446744073709551621\r\n", "hello"), Closed(400)),
        ("a space in the name of the length", post("content-length : 5\r\n", "hello"), Closed(400)),
        ("chunks twice", post("transfer-encoding: chunked, chunked\r\n", "0\r\n\r\n"), Closed(501)),
        ("chunks in two headers", post(&format!("{chunked}{chunked}"), "0\r\n\r\n"), Closed(501)),
        ("chunks within something else", post("transfer-encoding: gzip, chunked\r\n", "0\r\n\r\n"), Closed(501)),
        ("something else within chunks", post("transfer-encoding: chunked, identity\r\n", "0\r\n\r\n"), Closed(501)),
        ("an unknown encoding", post("transfer-encoding: xchunked\r\n", "0\r\n\r\n"), Closed(501)),
        ("chunks after a vertical tab", post("transfer-encoding: \x0bchunked\r\n", "0\r\n\r\n"), Closed(400)),
        ("chunks in upper case", post("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"), Routed(1)),
        ("a chunk with a negative size", post(chunked, "-1\r\n\r\n0\r\n\r\n"), BrokenOff(400)),
        ("a chunk with a size beyond 2^64", post(chunked, "10000000000000000\r\n\r\n0\r\n\r\n"), BrokenOff(400)),
        ("a chunk with a size that begins with 0x", post(chunked, "0x5\r\nhello\r\n0\r\n\r\n"), BrokenOff(400)),
        ("a chunk that is longer than its size", post(chunked, "2\r\nhello\r\n0\r\n\r\n"), Routed(1)),
        ("a chunk extension with a line feed", post(chunked, "5;a\nb\r\nhello\r\n0\r\n\r\n"), BrokenOff(400)),
        (
            "trailers that name a host",
            post(chunked, "0\r\nhost: evil.example.net\r\ncontent-length: 5\r\n\r\n"),
            Routed(1),
        ),
    ])
}
