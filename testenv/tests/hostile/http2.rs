//! Frames of HTTP/2 that no client library sends. Each shape has a connection of its own, and what comes of its stream
//! is an answer, a reset of the stream, or the end of the connection; never two requests, nor one that goes astray.

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// It arrives, once, and the service answers.
    Routed,
    /// Envoy or the filter answers, and nothing arrives.
    Answered(u16),
    /// The stream is reset, or the connection ends, and nothing arrives.
    Refused,
    /// The same, but so many may have begun to arrive.
    BrokenOff(u64),
}
use Is::{Answered, BrokenOff, Refused, Routed};

type Field<'f> = (&'f [u8], &'f [u8]);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An integer of HPACK with a prefix of seven bits.
fn integer(mut value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![u8::try_from(value).unwrap_or_default()];
    }
    let mut octets = vec![127];
    value -= 127;
    while value >= 128 {
        octets.push(u8::try_from(value % 128).unwrap_or_default() | 128);
        value /= 128;
    }
    octets.push(u8::try_from(value).unwrap_or_default());
    octets
}

/// Fields as they stand, nothing indexed.
fn block(fields: &[Field<'_>]) -> Vec<u8> {
    let field =
        |(name, value): &Field<'_>| [&[0][..], &integer(name.len()), name, &integer(value.len()), value].concat();
    fields.iter().flat_map(field).collect()
}

/// A block of fields in frames of the size that every peer takes.
fn head(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(16 << 10).peekable();
    let mut frames = Vec::new();
    let mut kind = (HEADERS, flags);
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        frames.extend(frame(kind.0, kind.1 | last, stream, piece));
        kind = (CONTINUATION, 0);
    }
    frames
}

const METHOD: Field<'static> = (b":method", b"GET");
const SCHEME: Field<'static> = (b":scheme", b"http");
const PATH: Field<'static> = (b":path", b"/faas/orders/1");
const AUTHORITY: Field<'static> = (b":authority", b"api.example.com");
const USUAL: [Field<'static>; 4] = [METHOD, SCHEME, PATH, AUTHORITY];

/// A whole request of these fields alone.
fn only(fields: &[Field<'_>]) -> Vec<u8> {
    head(1, END_STREAM, &block(fields))
}

/// The usual request and these fields.
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

/// A POST with these fields, and then these frames.
fn post(fields: &[Field<'_>], then: &[u8]) -> Vec<u8> {
    let fields = [&[(&b":method"[..], &b"POST"[..]), SCHEME, PATH, AUTHORITY], fields].concat();
    [head(1, 0, &block(&fields)), then.to_vec()].concat()
}

/// What comes of stream 1.
#[derive(Debug)]
enum Came {
    Status(u16),
    Reset,
    Gone,
}

fn exchange(guarded: &Guarded, frames: &[u8]) -> Result<Came> {
    let mut connection = TcpStream::connect(guarded.gateway.address())?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // A ping behind all: its answer tells that the frames before it were read.
    let ping = frame(PING, 0, 0, b"the-last");
    let _ = connection.write_all(&[preface, &frame(SETTINGS, 0, 0, &[])[..], frames, &ping].concat());
    let mut status = None;
    loop {
        let mut start = [0; 9];
        if connection.read_exact(&mut start).is_err() {
            return Ok(Came::Gone);
        }
        let [a, b, c, kind, flags, s0, s1, s2, s3] = start;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        if connection.read_exact(&mut payload).is_err() {
            return Ok(Came::Gone);
        }
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        match (kind, stream) {
            (HEADERS, 1) => status = status.or(Some(read_status(&payload)?)),
            (RST_STREAM, 1) => return Ok(status.map_or(Came::Reset, Came::Status)),
            (GOAWAY, _) => return Ok(status.map_or(Came::Gone, Came::Status)),
            (HEADERS, _) => bail!("an answer on stream {stream}, which nobody has begun"),
            _ => {}
        }
        if let Some(status) = status.filter(|_| stream == 1 && flags & END_STREAM != 0) {
            return Ok(Came::Status(status));
        }
    }
}

/// `:status`, which comes first.
fn read_status(block: &[u8]) -> Result<u16> {
    // Changes of the table's size may stand before it.
    let block = &block[block.iter().take_while(|octet| **octet & 0xe0 == 0x20).count()..];
    let (first, rest) = block.split_first().context("an empty block")?;
    let indexed = [200, 204, 206, 304, 400, 404, 500];
    if first & 0x80 != 0 {
        return indexed.get(usize::from(first & 0x7f) - 8).copied().context("not a status");
    }
    let (length, text) = rest.split_first().context("half a block")?;
    let text = text.get(..usize::from(length & 0x7f)).context("half a status")?;
    if length & 0x80 == 0 {
        return Ok(std::str::from_utf8(text)?.parse()?);
    }
    // Huffman's code: 0 to 2 have five bits, 3 to 9 have six, from 011001 on.
    let bits: Vec<u16> =
        text.iter().flat_map(|octet| (0..8).rev().map(move |bit| u16::from(octet >> bit & 1))).collect();
    let read = |bits: &[u16]| bits.iter().fold(0, |value, bit| value << 1 | bit);
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let five = read(bits.get(at..at + 5).context("half a digit")?);
        let (digit, length) = if five < 3 { (five, 5) } else { (read(&bits[at..at + 6]) - 0b011_001 + 3, 6) };
        (status, at) = (status * 10 + digit, at + length);
    }
    Ok(status)
}

fn holds(guarded: &Guarded, frames: &[u8], is: Is) -> Result<()> {
    let before = guarded.arrived();
    let came = exchange(guarded, frames)?;
    guarded.goes_on()?;
    let arrived = guarded.arrived() - before - 1;
    let (right, most) = match (is, &came) {
        (Routed, Came::Status(200)) => (arrived == 1, 1),
        (Answered(expected), Came::Status(status)) => (expected == *status, 0),
        (Refused, Came::Reset | Came::Gone) => (true, 0),
        (BrokenOff(most), Came::Reset | Came::Gone | Came::Status(400)) => (true, most),
        _ => (false, 1),
    };
    ensure!(right && arrived <= most, "{came:?}, and {arrived} arrived");
    Ok(())
}

fn hold(shapes: Vec<(&str, Vec<u8>, Is)>) -> Result<()> {
    let guarded = Guarded::start()?;
    let mut wrong = Vec::new();
    for (name, frames, is) in shapes {
        if let Err(error) = holds(&guarded, &frames, is) {
            wrong.push(format!("{name}: not {is:?}: {error:#}"));
        }
    }
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn pseudo_headers_are_all_there_once_and_first() -> Result<()> {
    let usual_but = |name: &[u8]| only(&USUAL.into_iter().filter(|(held, _)| *held != name).collect::<Vec<_>>());
    hold(vec![
        ("an honest one", with(&[]), Routed),
        ("no fields at all", head(1, END_STREAM, &block(&[(b"x", b"y")])), Refused),
        ("no method", usual_but(b":method"), Refused),
        ("no scheme", usual_but(b":scheme"), Refused),
        ("no path", usual_but(b":path"), Refused),
        ("no authority", usual_but(b":authority"), Refused),
        ("a host in place of the authority", only(&[METHOD, SCHEME, PATH, (b"host", b"api.example.com")]), Routed),
        ("a host that says something else", with(&[(b"host", b"evil.example.net")]), Routed),
        ("two hosts", with(&[(b"host", b"a"), (b"host", b"b")]), Refused),
        ("two paths", with(&[(b":path", b"/x")]), Refused),
        ("two authorities", with(&[AUTHORITY]), Refused),
        ("two methods", with(&[METHOD]), Refused),
        ("a pseudo-header behind a header", only(&[METHOD, SCHEME, PATH, (b"x", b"y"), AUTHORITY]), Refused),
        ("a pseudo-header that nobody knows", only(&[METHOD, SCHEME, PATH, AUTHORITY, (b":frob", b"x")]), Refused),
        ("a pseudo-header of answers", only(&[METHOD, SCHEME, PATH, AUTHORITY, (b":status", b"200")]), Refused),
        ("a scheme that nobody knows", only(&[METHOD, (b":scheme", b"frob"), PATH, AUTHORITY]), Routed),
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
fn octets_that_would_split_a_message_of_http1_are_refused() -> Result<()> {
    const SPLIT: &[u8] = b" HTTP/1.1\r\nhost: payments.billing.example.com\r\n\r\nGET /faas/orders/smuggled";
    hold(vec![
        ("a path with a whole request in it", path(&[b"/faas/orders/1", SPLIT].concat()), Refused),
        ("a space in the path", path(b"/faas/orders/1 2"), Refused),
        ("a line feed in the path", path(b"/faas/orders/\n1"), Refused),
        ("a NUL in the path", path(b"/faas/orders/\x001"), Refused),
        // By `normalize_path`, which encodes it.
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
fn frames_out_of_order_break_their_own_connection_alone() -> Result<()> {
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
    hold(vec![
        ("a body", post(&[], &frame(DATA, END_STREAM, 1, b"hello")), Routed),
        (
            "a body of the length that is said",
            post(&[(b"content-length", b"5")], &frame(DATA, END_STREAM, 1, b"hello")),
            Routed,
        ),
        (
            "a body that is longer than it says",
            post(&[(b"content-length", b"2")], &frame(DATA, END_STREAM, 1, b"hello")),
            BrokenOff(1),
        ),
        (
            "a body that is shorter than it says",
            post(&[(b"content-length", b"9")], &frame(DATA, END_STREAM, 1, b"hello")),
            BrokenOff(1),
        ),
        (
            "two lengths",
            post(&[(b"content-length", b"5"), (b"content-length", b"6")], &frame(DATA, END_STREAM, 1, b"hello")),
            BrokenOff(1),
        ),
        ("a length that is none", post(&[(b"content-length", b"x")], &frame(DATA, END_STREAM, 1, b"hello")), Refused),
        ("trailers", post(&[], &trailers(&[(b"x", b"y")])), Routed),
        ("trailers with a path", post(&[], &trailers(&[(b":path", b"/x")])), BrokenOff(1)),
        ("59 KiB in one header", with(&[(b"x", &large)]), Routed),
        ("61 KiB in one header", with(&[(b"x", &larger)]), Refused),
        ("80 headers", with(&many(80)), Routed),
        ("120 headers", with(&many(120)), Refused),
        ("a head of 20,000 empty frames", continuations, Refused),
        ("200 requests, each reset at once", resets, BrokenOff(200)),
        ("a head on stream 0", head(0, END_STREAM, &block(&USUAL)), Refused),
        ("a head on a stream of the server's", head(2, END_STREAM, &block(&USUAL)), Refused),
        ("a body without a head", frame(DATA, END_STREAM, 1, b"hello"), Refused),
        ("a second head amid the first", [frame(HEADERS, END_STREAM, 1, &block(&USUAL)), with(&[])].concat(), Refused),
        (
            "a body amid a head",
            [frame(HEADERS, 0, 1, &block(&USUAL)), frame(DATA, END_STREAM, 1, b"x")].concat(),
            Refused,
        ),
        ("more padding than frame", frame(HEADERS, PADDED | END_HEADERS | END_STREAM, 1, &[255, 0]), Refused),
        ("a block that is no HPACK", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 40]), Refused),
        ("a window beyond 2^31", [frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), with(&[])].concat(), Refused),
        ("a frame longer than agreed", frame(DATA, 0, 1, &vec![0; 17 << 10]), Refused),
        ("a frame of a kind that nobody knows", [frame(0xbe, 0, 0, b"?"), with(&[])].concat(), Routed),
    ])
}
