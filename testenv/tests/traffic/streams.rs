//! Long streams: server-sent events, trailers, `Expect: 100-continue`, and WebSockets over edits.

use std::net::TcpListener;
use std::thread;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Response, Version};
use serde_json::json;
use testenv::gateway::Gateway;
use testenv::stand_in::{Report, StandIn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::client::{Client, VERSIONS};
use crate::common::protocols::next_data;
use crate::ksvc::{Ksvc, chunked, whole};
use crate::{PATIENCE, gateway, orders};

#[tokio::test]
async fn each_server_sent_event_arrives_before_the_next_is_sent() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(orders(), ksvc.address)?;
    for version in VERSIONS {
        let mut client = Client::connect(version, gateway.address()).await?;
        let request = client.request("GET", "/faas/orders/events").header("accept", "text/event-stream");
        let (mut events, body) = chunked();
        let response = Response::builder().header("content-type", "text/event-stream").body(body)?;
        let (response, arrived) = ksvc.answer(client.send(request.body(whole(""))?), response).await?;
        assert_eq!(arrived.headers()["x-forwarded-host"], "api.example.com");
        assert_eq!(response.headers()["content-type"], "text/event-stream");

        let mut body = response.into_body();
        for id in 0..5 {
            let event = format!("id: {id}\ndata: one of many\n\n");
            events.send_data(event.clone().into()).await?;
            assert_eq!(next_data(&mut body).await?, event, "{version:?}");
        }
        drop(events);
        let rest = timeout(PATIENCE, body.collect()).await.context("the response does not end with the events")??;
        assert!(rest.to_bytes().is_empty(), "{version:?}");
    }
    Ok(())
}

// ---- trailers

#[tokio::test]
async fn trailers_of_http2_pass_both_ways() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(orders(), ksvc.address)?;
    let mut client = Client::connect(Version::HTTP_2, gateway.address()).await?;

    let (mut request_sender, request_body) = chunked();
    let (mut response_sender, response_body) = chunked();
    let request = client.request("POST", "/faas/orders/1").body(request_body)?;
    let (response, arrived) = ksvc.answer(client.send(request), Response::new(response_body)).await?;
    for (sender, name) in [(&mut request_sender, "x-of-request"), (&mut response_sender, "x-of-response")] {
        sender.send_data(Bytes::from("body")).await?;
        sender.send_trailers(HeaderMap::from_iter([(name.parse()?, HeaderValue::from_static("42"))])).await?;
    }
    drop((request_sender, response_sender));
    for (body, name) in [(arrived.into_body(), "x-of-request"), (response.into_body(), "x-of-response")] {
        let body = timeout(PATIENCE, body.collect()).await.context("the body does not end")??;
        assert_eq!(body.trailers().with_context(|| format!("no trailers: {name}"))?[name], "42");
        assert_eq!(body.to_bytes(), "body");
    }
    Ok(())
}

/// Envoy itself drops them: `enable_trailers` of its HTTP/1.1 codec is off, here as in Istio.
#[tokio::test]
async fn trailers_of_http1_are_left_out_by_envoy_and_bodies_stay_whole() -> Result<()> {
    // Raw bytes on both sides, because a library drops trailers by itself if it sees no use for them.
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let gateway = gateway(orders(), listener.local_addr()?)?;
    let ksvc = thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut connection, _) = listener.accept()?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let mut arrived = Vec::new();
        let mut chunk = [0; 4096];
        while !String::from_utf8_lossy(&arrived).contains("\r\n0\r\n") {
            let read = connection.read(&mut chunk)?;
            anyhow::ensure!(read > 0, "the request broke off: {}", String::from_utf8_lossy(&arrived));
            arrived.extend_from_slice(&chunk[..read]);
        }
        let response = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-of-response\r\nconnection: close\r\n\
            \r\n4\r\nback\r\n0\r\nx-of-response: 42\r\n\r\n";
        connection.write_all(response.as_bytes())?;
        anyhow::Ok(String::from_utf8_lossy(&arrived).into_owned())
    });
    let mut client = TcpStream::connect(gateway.address()).await?;
    let request = "POST /faas/orders/1 HTTP/1.1\r\nhost: api.example.com\r\nte: trailers\r\ntrailer: x-of-request\r\n\
        connection: close\r\ntransfer-encoding: chunked\r\n\r\n4\r\nthis\r\n0\r\nx-of-request: 42\r\n\r\n";
    client.write_all(request.as_bytes()).await?;
    let mut response = String::new();
    timeout(PATIENCE, client.read_to_string(&mut response)).await.context("no response")??;
    let arrived = ksvc.join().expect("the server's thread panicked")?;
    for (text, body) in [(&arrived, "this"), (&response, "back")] {
        assert!(text.contains(&format!("\r\n\r\n4\r\n{body}\r\n0\r\n")), "{text}");
        assert!(!text.contains(": 42"), "{text}");
    }
    Ok(())
}

// ---- Expect: 100-continue

const EXPECTING: &str =
    "HTTP/1.1\r\nhost: api.example.com\r\ncontent-length: 5\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[tokio::test]
async fn a_client_that_expects_leave_gets_it_before_it_sends_the_body() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(orders(), ksvc.address)?;
    let mut client = TcpStream::connect(gateway.address()).await?;
    client.write_all(format!("PUT /faas/orders/1 {EXPECTING}").as_bytes()).await?;
    let mut interim = [0; CONTINUE.len()];
    timeout(PATIENCE, client.read_exact(&mut interim)).await.context("no 100 Continue")??;
    assert_eq!(String::from_utf8_lossy(&interim), CONTINUE);

    client.write_all(b"hello").await?;
    let mut call = ksvc.call().await?;
    assert_eq!(call.request.headers().get("expect"), None, "Envoy itself answers the expectation");
    assert_eq!(next_data(call.request.body_mut()).await?, "hello");
    call.answer(Response::new(whole("done")))?;
    let mut response = String::new();
    timeout(PATIENCE, client.read_to_string(&mut response)).await.context("no response")??;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("done"), "{response}");
    Ok(())
}

#[tokio::test]
async fn a_client_that_expects_leave_is_refused_without_its_body() -> Result<()> {
    let ksvc = Ksvc::start().await?;
    let mut table = orders();
    table["routes"] = json!([{"match": "GET /orders/{id}", "service": "orders"}]);
    let gateway = gateway(table, ksvc.address)?;
    for (path, status) in [("/faas/nothing", 404), ("/faas/orders/1", 405), ("/faas//", 400)] {
        let mut client = TcpStream::connect(gateway.address()).await?;
        client.write_all(format!("PUT {path} {EXPECTING}").as_bytes()).await?;
        let mut response = String::new();
        timeout(PATIENCE, client.read_to_string(&mut response)).await.context("no response")??;
        // Envoy may send 100 Continue as soon as it has the head, before any filter sees the request.
        let response = response.strip_prefix(CONTINUE).unwrap_or(&response);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {response}");
        assert!(response.contains("content-type: application/problem+json"), "{path}: {response}");
    }
    Ok(())
}

// ---- WebSocket

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_lives_on_over_edits_of_the_table() -> Result<()> {
    let stand_in = StandIn::start()?;
    let mut gateway = gateway(orders(), stand_in.address())?;
    let edit = |gateway: &mut Gateway, document| tokio::task::block_in_place(|| gateway.edit(document));
    let stream = TcpStream::connect(gateway.address()).await?;
    let request = "ws://api.example.com/faas/orders/live".into_client_request()?;
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await?;
    let report: Report = serde_json::from_str(socket.next().await.context("the report")??.to_text()?)?;
    assert_eq!(report.authority, "orders.shop.example.com");

    let mut elsewhere = orders();
    elsewhere["routes"][0]["service"] = "orders-write".into();
    let mut without = orders();
    without["routes"] = json!([]);
    let bad = json!({"hosts": ["api.example.com"], "rutes": []});
    for (number, document) in [elsewhere, bad, without].into_iter().enumerate() {
        edit(&mut gateway, document)?;
        let message = Message::text(format!("after edit {number}"));
        socket.send(message.clone()).await?;
        let echo = timeout(PATIENCE, socket.next()).await.context("no echo")?;
        assert_eq!(echo.context("the socket was closed")??, message);
    }
    socket.close(None).await?;
    // The last edit is live: the route that the socket was opened by is gone.
    let gone = testenv::http1::Request::get("api.example.com", "/faas/orders/live").send(gateway.address())?;
    assert_eq!(gone.status, 404);
    Ok(())
}
