//! Bodies of a gibibyte up and down, and of half a gibibyte both ways at once, pass without being buffered between the
//! client and the KSVC.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Version;
use testenv::gateway::{Gateway, ROUTE_HEADER};
use testenv::http1::Request;
use testenv::stand_in::StandIn;
use tokio::sync::Semaphore;

use crate::client::Client;
use crate::ksvc::chunked;
use crate::{PATIENCE, gateway, orders};

const MIB: usize = 1024 * 1024;
const SIZE: usize = 1024 * MIB;
const SIZE_BOTH_WAYS: usize = SIZE / 2;
static CHUNK: [u8; MIB] = [b'x'; MIB];

/// How much Envoy's memory may grow: enough for some buffers of a megabyte, which is its limit for a connection, and
/// for what its allocator keeps in reserve. It is a sixteenth of one body.
const ALLOWED_GROWTH: usize = 64 * MIB;

/// Returns a figure of Envoy's memory, in bytes: `VmRSS` is the resident memory now, `VmHWM` is its peak since the start, or
/// since `clear_refs` was written.
fn memory(gateway: &Gateway, figure: &str) -> Result<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process_id()))?;
    let value =
        status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).context("no such figure")?;
    Ok(value.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

/// Checks that the peak of Envoy's memory during a transfer stays near the resident memory before it.
struct MemoryWatch {
    resident: usize,
    begin: Instant,
}

impl MemoryWatch {
    fn begin(gateway: &Gateway) -> Result<Self> {
        // One request first, so that what Envoy allocates only once is already there.
        let warm = Request::get("api.example.com", "/faas/orders/1").send(gateway.address())?;
        ensure!(warm.status == 200, "{}", warm.text());
        // The peak so far is forgotten: Envoy needs more memory while it starts.
        std::fs::write(format!("/proc/{}/clear_refs", gateway.process_id()), "5")?;
        Ok(Self { resident: memory(gateway, "VmRSS")?, begin: Instant::now() })
    }

    fn end(&self, what: &str, bytes: usize, gateway: &Gateway) -> Result<()> {
        let rate = (bytes / MIB) as f64 / self.begin.elapsed().as_secs_f64();
        let growth = memory(gateway, "VmHWM")?.saturating_sub(self.resident);
        println!("{what}: {rate:.0} MiB/s, Envoy's memory has grown by at most {} KiB", growth / 1024);
        ensure!(growth < ALLOWED_GROWTH, "{what}: Envoy's memory has grown by {} MiB", growth / MIB);
        Ok(())
    }
}

fn connect(gateway: &Gateway) -> Result<TcpStream> {
    let connection = TcpStream::connect(gateway.address())?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

/// Reads up to the end of the head. Returns the head, and the bytes of the body that came with it.
fn read_head(connection: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = connection.read(&mut chunk)?;
        ensure!(length > 0, "the head broke off: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&chunk[..length]);
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let body = read.split_off(end + 4);
            return Ok((String::from_utf8(read)?, body));
        }
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads Envoy's memory from /proc")]
fn a_gibibyte_up_and_down_passes_and_is_never_held() -> Result<()> {
    let stand_in = StandIn::start()?;
    let gateway = gateway(orders(), stand_in.address())?;
    up(&gateway)?;
    down(&gateway)?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(both_ways(&gateway))
}

fn up(gateway: &Gateway) -> Result<()> {
    let watch = MemoryWatch::begin(gateway)?;
    let mut connection = connect(gateway)?;
    let head = "POST /faas/orders/1 HTTP/1.1\r\nhost: api.example.com\r\nx-stand-in: count\r\nconnection: close\r\n";
    connection.write_all(format!("{head}content-length: {SIZE}\r\n\r\n").as_bytes())?;
    for _ in 0..SIZE / CHUNK.len() {
        connection.write_all(&CHUNK)?;
    }
    let mut response = String::new();
    connection.read_to_string(&mut response)?;
    ensure!(response.contains(&format!("\"body\":\"{SIZE}\"")), "{response}");
    ensure!(response.contains("\"authority\":\"orders.shop.example.com\""), "{response}");
    watch.end("HTTP/1.1, 1 GiB up", SIZE, gateway)
}

fn down(gateway: &Gateway) -> Result<()> {
    let watch = MemoryWatch::begin(gateway)?;
    let mut connection = connect(gateway)?;
    let head = "GET /faas/orders/1 HTTP/1.1\r\nhost: api.example.com\r\nconnection: close\r\n";
    connection.write_all(format!("{head}x-stand-in: bytes={SIZE}\r\n\r\n").as_bytes())?;
    let (head, body) = read_head(&mut connection)?;
    ensure!(head.starts_with("HTTP/1.1 200 ") && head.contains(&format!("content-length: {SIZE}\r\n")), "{head}");
    ensure!(head.contains("\r\nx-ksvc-route: orders\r\n"), "{head}");
    let mut arrived = body.len();
    let mut chunk = vec![0; MIB];
    while arrived < SIZE {
        let read = connection.read(&mut chunk)?;
        ensure!(read > 0, "the body broke off after {arrived} bytes");
        arrived += read;
    }
    ensure!(arrived == SIZE, "{arrived} bytes arrived instead of {SIZE}");
    watch.end("HTTP/1.1, 1 GiB down", SIZE, gateway)
}

/// The body comes back while it is still being sent.
async fn both_ways(gateway: &Gateway) -> Result<()> {
    let watch = MemoryWatch::begin(gateway)?;
    let mut client = Client::connect(Version::HTTP_2, gateway.address()).await?;
    let (mut chunks, body) = chunked();
    let request = client.request("POST", "/faas/orders/1").header("x-stand-in", "stream").body(body)?;
    // HTTP/2 lets the sender be ahead of the receiver by Envoy's window for a stream, which may be hundreds of
    // megabytes. Envoy would hold these bytes without any buffering by a filter, so the client limits itself to this
    // many chunks.
    let permits = Arc::new(Semaphore::new(8));
    let sending = {
        let permits = permits.clone();
        async move {
            for _ in 0..SIZE_BOTH_WAYS / CHUNK.len() {
                permits.acquire().await?.forget();
                chunks.send_data(Bytes::from_static(&CHUNK)).await?;
            }
            anyhow::Ok(())
        }
    };
    let arrived = AtomicUsize::new(0);
    let receiving = async {
        let response = client.send(request).await?;
        ensure!(response.headers()[ROUTE_HEADER] == "orders", "{response:?}");
        let mut body = response.into_body();
        let mut permitted = 0;
        while let Some(frame) = body.frame().await {
            let length = frame?.data_ref().map_or(0, Bytes::len);
            let arrived = arrived.fetch_add(length, Ordering::Relaxed) + length;
            permits.add_permits(arrived / CHUNK.len() - permitted);
            permitted = arrived / CHUNK.len();
        }
        anyhow::Ok(())
    };
    let transfer = async { tokio::try_join!(tokio::spawn(sending), async { Ok(receiving.await) }) };
    let (sent, received) = tokio::time::timeout(PATIENCE * 5, transfer)
        .await
        .with_context(|| format!("stuck after {} bytes", arrived.load(Ordering::Relaxed)))??;
    sent?;
    received?;
    ensure!(arrived.load(Ordering::Relaxed) == SIZE_BOTH_WAYS, "{arrived:?} bytes came back");
    watch.end("HTTP/2, 512 MiB up and down at once", 2 * SIZE_BOTH_WAYS, gateway)
}
