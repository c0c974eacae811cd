//! HTTP/2 frames that no client library sends. Each message has its own connection. The outcome of its stream is a
//! response, a reset of the stream, or the end of the connection, but never two requests or one at a wrong service.
//!
//! Frames and HPACK are written by hand because the libraries for them refuse to write malformed ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::gateway::Guarded;

const PATIENCE: Duration = Duration::from_secs(20);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// The expected outcome of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// One request arrives and the service answers.
    Routed,
    /// Envoy or the filter answers with this status, and no request arrives.
    Answered(u16),
    /// The stream is reset or the connection ends, and no request arrives.
    Refused,
    /// The stream is reset, the connection ends, or Envoy answers 400. Up to this many requests may have begun to
    /// arrive.
    BrokenOff(u64),
}
use Expected::{Answered, BrokenOff, Refused, Routed};

type Field<'f> = (&'f [u8], &'f [u8]);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Encodes an HPACK integer with a prefix of seven bits.
fn integer(mut value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![u8::try_from(value).unwrap_or_default()];
    }
    let mut bytes = vec![127];
    value -= 127;
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).unwrap_or_default() | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap_or_default());
    bytes
}

/// Encodes fields with HPACK, literally and without indexing.
fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let field =
        |(name, value): &Field<'_>| [&[0][..], &integer(name.len()), name, &integer(value.len()), value].concat();
    fields.iter().flat_map(field).collect()
}

/// Returns the frames that carry this block of fields. Each has at most the size that every peer must accept.
fn head(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let mut chunks = block.chunks(16 << 10).peekable();
    let mut frames = Vec::new();
    let mut kind = (HEADERS, flags);
    while let Some(chunk) = chunks.next() {
        let last = if chunks.peek().is_none() { END_HEADERS } else { 0 };
        frames.extend(frame(kind.0, kind.1 | last, stream, chunk));
        kind = (CONTINUATION, 0);
    }
    frames
}

const METHOD: Field<'static> = (b":method", b"GET");
const SCHEME: Field<'static> = (b":scheme", b"http");
const PATH: Field<'static> = (b":path", b"/faas/orders/1");
const AUTHORITY: Field<'static> = (b":authority", b"api.example.com");
const USUAL: [Field<'static>; 4] = [METHOD, SCHEME, PATH, AUTHORITY];

/// Returns a whole request with exactly these fields.
fn only(fields: &[Field<'_>]) -> Vec<u8> {
    head(1, END_STREAM, &block(fields))
}

/// Returns the usual request with these additional fields.
fn with(fields: &[Field<'_>]) -> Vec<u8> {
    only(&[&USUAL, fields].concat())
}

fn path(path: &[u8]) -> Vec<u8> {
    only(&[METHOD, SCHEME, (b":path", path), AUTHORITY])
}

fn authority(authority: &[u8]) -> Vec<u8> {
    only(&[METHOD, SCHEME, PATH, (b":authority", authority)])
}

fn method(method: &[u8]) -> Vec<u8> {
    only(&[(b":method", method), SCHEME, PATH, AUTHORITY])
}

/// Returns a POST with these additional fields, followed by these frames.
fn post(fields: &[Field<'_>], then: &[u8]) -> Vec<u8> {
    let fields = [&[(&b":method"[..], &b"POST"[..]), SCHEME, PATH, AUTHORITY], fields].concat();
    [head(1, 0, &block(&fields)), then.to_vec()].concat()
}

/// The outcome of stream 1.
#[derive(Debug)]
enum Outcome {
    Status(u16),
    StreamReset,
    ConnectionEnded,
}

fn exchange(guarded: &Guarded, frames: &[u8]) -> Result<Outcome> {
    let mut connection = TcpStream::connect(guarded.gateway.address())?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // A ping at the end, so that Envoy has something to answer after it has read the frames before.
    let ping = frame(PING, 0, 0, b"the-last");
    let _ = connection.write_all(&[preface, &frame(SETTINGS, 0, 0, &[])[..], frames, &ping].concat());
    let mut status = None;
    loop {
        let mut start = [0; 9];
        if connection.read_exact(&mut start).is_err() {
            return Ok(Outcome::ConnectionEnded);
        }
        let [a, b, c, kind, flags, s0, s1, s2, s3] = start;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        if connection.read_exact(&mut payload).is_err() {
            return Ok(Outcome::ConnectionEnded);
        }
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        match (kind, stream) {
            (HEADERS, 1) => status = status.or(Some(read_status(&payload)?)),
            (RST_STREAM, 1) => return Ok(status.map_or(Outcome::StreamReset, Outcome::Status)),
            (GOAWAY, _) => return Ok(status.map_or(Outcome::ConnectionEnded, Outcome::Status)),
            (HEADERS, _) => bail!("a response on stream {stream}, which was never opened"),
            _ => {}
        }
        if let Some(status) = status.filter(|_| stream == 1 && flags & END_STREAM != 0) {
            return Ok(Outcome::Status(status));
        }
    }
}

/// Decodes `:status`, which is the first field of a response.
fn read_status(block: &[u8]) -> Result<u16> {
    // Updates of the table's size may come before it.
    let block = &block[block.iter().take_while(|byte| **byte & 0xe0 == 0x20).count()..];
    let (first, rest) = block.split_first().context("an empty block")?;
    let indexed = [200, 204, 206, 304, 400, 404, 500];
    if first & 0x80 != 0 {
        return indexed.get(usize::from(first & 0x7f) - 8).copied().context("not a status");
    }
    let (length, text) = rest.split_first().context("the block is cut off")?;
    let text = text.get(..usize::from(length & 0x7f)).context("the status is cut off")?;
    if length & 0x80 == 0 {
        return Ok(std::str::from_utf8(text)?.parse()?);
    }
    // The Huffman code of a digit: 0 to 2 have five bits, 3 to 9 have six bits and begin at 011001.
    let bits: Vec<u16> = text.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1))).collect();
    let read = |bits: &[u16]| bits.iter().fold(0, |value, bit| value << 1 | bit);
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let five = read(bits.get(at..at + 5).context("a digit is cut off")?);
        let (digit, length) = if five < 3 { (five, 5) } else { (read(&bits[at..at + 6]) - 0b011_001 + 3, 6) };
        (status, at) = (status * 10 + digit, at + length);
    }
    Ok(status)
}

/// Sends one message and checks its outcome.
fn check_one(guarded: &Guarded, frames: &[u8], expected: Expected) -> Result<()> {
    let before = guarded.arrived();
    let outcome = exchange(guarded, frames)?;
    guarded.check_still_serves()?;
    // One of the arrived requests is the normal one of the check.
    let arrived = guarded.arrived() - before - 1;
    let (as_expected, most) = match (expected, &outcome) {
        (Routed, Outcome::Status(200)) => (arrived == 1, 1),
        (Answered(expected), Outcome::Status(status)) => (expected == *status, 0),
        (Refused, Outcome::StreamReset | Outcome::ConnectionEnded) => (true, 0),
        (BrokenOff(most), Outcome::StreamReset | Outcome::ConnectionEnded | Outcome::Status(400)) => (true, most),
        _ => (false, 1),
    };
    ensure!(as_expected && arrived <= most, "{outcome:?}, and {arrived} requests arrived");
    Ok(())
}

/// Sends each message and checks its outcome. The error names all messages with another outcome than expected.
fn check(messages: Vec<(&str, Vec<u8>, Expected)>) -> Result<()> {
    let guarded = Guarded::start()?;
    let mut failures = Vec::new();
    for (name, frames, expected) in messages {
        if let Err(error) = check_one(&guarded, &frames, expected) {
            failures.push(format!("{name}: not {expected:?}: {error:#}"));
        }
    }
    ensure!(failures.is_empty(), "\n{}", failures.join("\n"));
    Ok(())
}

#[test]
fn every_pseudo_header_must_come_once_and_first() -> Result<()> {
    let usual_but = |name: &[u8]| only(&USUAL.into_iter().filter(|(known, _)| *known != name).collect::<Vec<_>>());
    check(vec![
        ("a normal request", with(&[]), Routed),
        ("no fields at all", head(1, END_STREAM, &block(&[(b"x", b"y")])), Refused),
        ("no method", usual_but(b":method"), Refused),
        ("no scheme", usual_but(b":scheme"), Refused),
        ("no path", usual_but(b":path"), Refused),
        ("no authority", usual_but(b":authority"), Refused),
        ("a host in place of the authority", only(&[METHOD, SCHEME, PATH, (b"host", b"api.example.com")]), Routed),
        ("a host that differs from the authority", with(&[(b"host", b"evil.example.net")]), Routed),
        ("two hosts", with(&[(b"host", b"a"), (b"host", b"b")]), Refused),
        ("two paths", with(&[(b":path", b"/x")]), Refused),
        ("two authorities", with(&[AUTHORITY]), Refused),
        ("two methods", with(&[METHOD]), Refused),
        ("a pseudo-header after a header", only(&[METHOD, SCHEME, PATH, (b"x", b"y"), AUTHORITY]), Refused),
        ("an unknown pseudo-header", only(&[METHOD, SCHEME, PATH, AUTHORITY, (b":frob", b"x")]), Refused),
        ("a pseudo-header of responses", only(&[METHOD, SCHEME, PATH, AUTHORITY, (b":status", b"200")]), Refused),
        ("an unknown scheme", only(&[METHOD, (b":scheme", b"frob"), PATH, AUTHORITY]), Routed),
        ("CONNECT with a path", method(b"CONNECT"), Refused),
        ("CONNECT", only(&[(b":method", b"CONNECT"), AUTHORITY]), Answered(404)),
        (
            "an extended CONNECT",
            only(&[(b":method", b"CONNECT"), (b":protocol", b"websocket"), SCHEME, PATH, AUTHORITY]),
            Refused,
        ),
    ])
}

#[test]
fn bytes_that_would_split_an_http1_message_are_refused() -> Result<()> {
    const SPLIT: &[u8] = b" HTTP/1.1\r\nhost: payments.billing.example.com\r\n\r\nGET /faas/orders/smuggled";
    check(vec![
        ("a path with a whole request in it", path(&[b"/faas/orders/1", SPLIT].concat()), Refused),
        ("a space in the path", path(b"/faas/orders/1 2"), Refused),
        ("a line feed in the path", path(b"/faas/orders/\n1"), Refused),
        ("a NUL in the path", path(b"/faas/orders/\x001"), Refused),
        // Routed because `normalize_path` percent-encodes the byte.
        ("a path that is not UTF-8", path(b"/faas/orders/\xff"), Routed),
        ("an empty path", path(b""), Refused),
        ("no slash", path(b"faas/orders/1"), Refused),
        ("an absolute form", path(b"http://evil.example.net/faas/orders/1"), Refused),
        ("an asterisk", path(b"*"), Refused),
        ("a fragment", path(b"/faas/orders/1#x"), Answered(400)),
        ("an encoded slash", path(b"/faas/orders/%2F"), Answered(400)),
        ("10,000 segments", path(&[b"/faas/orders", "/a".repeat(10_000).as_bytes()].concat()), Routed),
        ("a method with a whole request in it", method(&[b"GET /faas/orders/1", SPLIT].concat()), Refused),
        ("a method with a space", method(b"GET /x"), Refused),
        ("a method that is not UTF-8", method(b"G\xc9T"), Refused),
        ("an empty method", method(b""), Refused),
        ("an authority with a line feed", authority(b"api.example.com\r\nx: y"), Refused),
        ("an authority with a slash", authority(b"api.example.com/x"), Refused),
        ("an authority with a user", authority(b"u@api.example.com"), Refused),
        ("an authority that is not UTF-8", authority(b"api.example.com\xff"), Refused),
        ("an empty authority", authority(b""), Refused),
        ("a line feed in a value", with(&[(b"x", b"a\r\ny: b")]), Refused),
        ("a NUL in a value", with(&[(b"x", b"a\x00b")]), Refused),
        ("a value that is not UTF-8", with(&[(b"x", b"\xff\xe9")]), Routed),
        ("a line feed in a name", with(&[(b"x\r\ny", b"a")]), Refused),
        ("a colon in a name", with(&[(b"x: y", b"a")]), Refused),
        ("an empty name", with(&[(b"", b"a")]), Refused),
        ("a name in upper case", with(&[(b"X-A", b"a")]), Refused),
        ("a name that is not UTF-8", with(&[(b"x-\xff", b"a")]), Refused),
        ("a connection header", with(&[(b"connection", b"close")]), Refused),
        ("a transfer encoding", with(&[(b"transfer-encoding", b"chunked")]), Refused),
        ("an upgrade", with(&[(b"upgrade", b"h2c")]), Refused),
        ("te that asks for more than trailers", with(&[(b"te", b"gzip")]), Refused),
    ])
}

#[test]
fn frames_out_of_order_break_no_other_connection() -> Result<()> {
    let large = vec![b'a'; 59 << 10];
    let larger = vec![b'a'; 61 << 10];
    let names: Vec<String> = (0..120).map(|n| format!("x-{n}")).collect();
    let many = |count: usize| names[..count].iter().map(|name| (name.as_bytes(), &b"y"[..])).collect::<Vec<_>>();
    let resets: Vec<u8> = (0..200_u32)
        .flat_map(|n| {
            [head(2 * n + 1, END_STREAM, &block(&USUAL)), frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()
        })
        .collect();
    let trailers = |fields: &[Field<'_>]| [frame(DATA, 0, 1, b"hello"), head(1, END_STREAM, &block(fields))].concat();
    let continuations: Vec<u8> = (0..20_000).fold(frame(HEADERS, END_STREAM, 1, &block(&USUAL)), |frames, _| {
        [frames, frame(CONTINUATION, 0, 1, &[])].concat()
    });
    check(vec![
        ("a body", post(&[], &frame(DATA, END_STREAM, 1, b"hello")), Routed),
        (
            "a body with the announced length",
            post(&[(b"content-length", b"5")], &frame(DATA, END_STREAM, 1, b"hello")),
            Routed,
        ),
        (
            "a body longer than announced",
            post(&[(b"content-length", b"2")], &frame(DATA, END_STREAM, 1, b"hello")),
            BrokenOff(1),
        ),
        (
            "a body shorter than announced",
            post(&[(b"content-length", b"9")], &frame(DATA, END_STREAM, 1, b"hello")),
            BrokenOff(1),
        ),
        (
            "two lengths",
            post(&[(b"content-length", b"5"), (b"content-length", b"6")], &frame(DATA, END_STREAM, 1, b"hello")),
            BrokenOff(1),
        ),
        (
            "a length that is not a number",
            post(&[(b"content-length", b"x")], &frame(DATA, END_STREAM, 1, b"hello")),
            Refused,
        ),
        ("trailers", post(&[], &trailers(&[(b"x", b"y")])), Routed),
        ("trailers with a path", post(&[], &trailers(&[(b":path", b"/x")])), BrokenOff(1)),
        ("59 KiB in one header", with(&[(b"x", &large)]), Routed),
        ("61 KiB in one header", with(&[(b"x", &larger)]), Refused),
        ("80 headers", with(&many(80)), Routed),
        ("120 headers", with(&many(120)), Refused),
        ("a head of 20,000 empty frames", continuations, Refused),
        ("200 requests, each reset at once", resets, BrokenOff(200)),
        ("a head on stream 0", head(0, END_STREAM, &block(&USUAL)), Refused),
        ("a head on a stream number of the server", head(2, END_STREAM, &block(&USUAL)), Refused),
        ("a body without a head", frame(DATA, END_STREAM, 1, b"hello"), Refused),
        (
            "a second head within the first",
            [frame(HEADERS, END_STREAM, 1, &block(&USUAL)), with(&[])].concat(),
            Refused,
        ),
        (
            "a body within a head",
            [frame(HEADERS, 0, 1, &block(&USUAL)), frame(DATA, END_STREAM, 1, b"x")].concat(),
            Refused,
        ),
        ("more padding than frame", frame(HEADERS, PADDED | END_HEADERS | END_STREAM, 1, &[255, 0]), Refused),
        ("a block that is not HPACK", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 40]), Refused),
        ("a window beyond 2^31", [frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), with(&[])].concat(), Refused),
        ("a frame longer than agreed", frame(DATA, 0, 1, &vec![0; 17 << 10]), Refused),
        ("a frame of an unknown type", [frame(0xbe, 0, 0, b"?"), with(&[])].concat(), Routed),
    ])
}
