//! A gibibyte, up, down, and half of each at once: nothing between client and KSVC holds a body.

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
use crate::ksvc::piecewise;
use crate::{PATIENCE, gateway, orders};

const MIB: usize = 1024 * 1024;
const SIZE: usize = 1024 * MIB;
const SIZE_AT_ONCE: usize = SIZE / 2;
static PIECE: [u8; MIB] = [b'x'; MIB];

/// What Envoy's memory may grow by: some buffers of a megabyte (its limit for a connection), and what its allocator
/// keeps at hand; a sixteenth of one body.
const ROOM: usize = 64 * MIB;

/// A figure of Envoy's memory, in octets: `VmRSS` is what is resident now, `VmHWM` the peak of that so far.
fn memory(gateway: &Gateway, figure: &str) -> Result<usize> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.process_id()))?;
    let value =
        status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).context("no such figure")?;
    Ok(value.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

/// The peak over a transfer must stay near what was resident before it.
struct Watch {
    resident: usize,
    begin: Instant,
}

impl Watch {
    fn begin(gateway: &Gateway) -> Result<Self> {
        // One request first, so that what Envoy makes once is there.
        let warm = Request::get("api.example.com", "/faas/orders/1").send(gateway.address())?;
        ensure!(warm.status == 200, "{}", warm.text());
        Ok(Self { resident: memory(gateway, "VmRSS")?, begin: Instant::now() })
    }

    fn end(&self, what: &str, octets: usize, gateway: &Gateway) -> Result<()> {
        let rate = (octets / MIB) as f64 / self.begin.elapsed().as_secs_f64();
        let grown = memory(gateway, "VmHWM")?.saturating_sub(self.resident);
        println!("{what}: {rate:.0} MiB/s, Envoy's memory at most {} KiB above what it was", grown / 1024);
        ensure!(grown < ROOM, "{what}: Envoy has grown by {} MiB", grown / MIB);
        Ok(())
    }
}

fn connect(gateway: &Gateway) -> Result<TcpStream> {
    let connection = TcpStream::connect(gateway.address())?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

/// Reads up to the end of the head; what is behind it already is the body's.
fn read_head(connection: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let length = connection.read(&mut piece)?;
        ensure!(length > 0, "half a head: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&piece[..length]);
        if let Some(end) = read.windows(4).position(|octets| octets == b"\r\n\r\n") {
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
    let watch = Watch::begin(gateway)?;
    let mut connection = connect(gateway)?;
    let head = "POST /faas/orders/1 HTTP/1.1\r\nhost: api.example.com\r\nx-stand-in: count\r\nconnection: close\r\n";
    connection.write_all(format!("{head}content-length: {SIZE}\r\n\r\n").as_bytes())?;
    for _ in 0..SIZE / PIECE.len() {
        connection.write_all(&PIECE)?;
    }
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    ensure!(answer.contains(&format!("\"body\":\"{SIZE}\"")), "{answer}");
    ensure!(answer.contains("\"authority\":\"orders.shop.example.com\""), "{answer}");
    watch.end("HTTP/1.1, 1 GiB up", SIZE, gateway)
}

fn down(gateway: &Gateway) -> Result<()> {
    let watch = Watch::begin(gateway)?;
    let mut connection = connect(gateway)?;
    let head = "GET /faas/orders/1 HTTP/1.1\r\nhost: api.example.com\r\nconnection: close\r\n";
    connection.write_all(format!("{head}x-stand-in: octets={SIZE}\r\n\r\n").as_bytes())?;
    let (head, body) = read_head(&mut connection)?;
    ensure!(head.starts_with("HTTP/1.1 200 ") && head.contains(&format!("content-length: {SIZE}\r\n")), "{head}");
    ensure!(head.contains("\r\nx-testenv-route: orders\r\n"), "{head}");
    let mut arrived = body.len();
    let mut piece = vec![0; MIB];
    while arrived < SIZE {
        let read = connection.read(&mut piece)?;
        ensure!(read > 0, "the body broke off after {arrived} octets");
        arrived += read;
    }
    ensure!(arrived == SIZE, "{arrived} octets");
    watch.end("HTTP/1.1, 1 GiB down", SIZE, gateway)
}

/// What goes up comes back down while it is still going up.
async fn both_ways(gateway: &Gateway) -> Result<()> {
    let watch = Watch::begin(gateway)?;
    let mut client = Client::connect(Version::HTTP_2, gateway.address()).await?;
    let (mut pieces, body) = piecewise();
    let request = client.request("POST", "/faas/orders/1").header("x-stand-in", "stream").body(body)?;
    // HTTP/2 lets a sender be ahead by Envoy's window for a stream, which may be hundreds of megabytes. That is no
    // buffering by a filter, so the client never is ahead by more than this.
    let ahead = Arc::new(Semaphore::new(8));
    let sending = {
        let ahead = ahead.clone();
        async move {
            for _ in 0..SIZE_AT_ONCE / PIECE.len() {
                ahead.acquire().await?.forget();
                pieces.send_data(Bytes::from_static(&PIECE)).await?;
            }
            anyhow::Ok(())
        }
    };
    let arrived = AtomicUsize::new(0);
    let receiving = async {
        let answer = client.send(request).await?;
        ensure!(answer.headers()[ROUTE_HEADER] == "orders", "{answer:?}");
        let mut answer = answer.into_body();
        let mut given = 0;
        while let Some(frame) = answer.frame().await {
            let octets = frame?.data_ref().map_or(0, Bytes::len);
            let arrived = arrived.fetch_add(octets, Ordering::Relaxed) + octets;
            ahead.add_permits(arrived / PIECE.len() - given);
            given = arrived / PIECE.len();
        }
        anyhow::Ok(())
    };
    let transfer = async { tokio::try_join!(tokio::spawn(sending), async { Ok(receiving.await) }) };
    let (sent, received) = tokio::time::timeout(PATIENCE * 5, transfer)
        .await
        .with_context(|| format!("stuck after {} octets", arrived.load(Ordering::Relaxed)))??;
    sent?;
    received?;
    ensure!(arrived.load(Ordering::Relaxed) == SIZE_AT_ONCE, "{arrived:?} octets came back");
    watch.end("HTTP/2, 512 MiB up and down at once", 2 * SIZE_AT_ONCE, gateway)
}
