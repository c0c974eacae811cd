//! gRPC, in addition to the rules in `common/protocols.rs`: streams in one direction, and the gRPC status of each of
//! the filter's own responses.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Response, Version};
use serde_json::json;

use crate::client::Client;
use crate::common::protocols::next_data;
use crate::gateway;
use crate::ksvc::{Body, Ksvc, chunked, whole};

/// Returns a gRPC message in its frame.
fn message(text: &str) -> Bytes {
    let length = u32::try_from(text.len()).unwrap_or_default().to_be_bytes();
    [&[0][..], &length, text.as_bytes()].concat().into()
}

fn call(client: &Client, path: &str, body: Body) -> Result<hyper::Request<Body>> {
    let request = client.request("POST", path).header("content-type", "application/grpc+proto");
    Ok(request.header("te", "trailers").header("grpc-timeout", "1H").body(body)?)
}

fn grpc_response(body: Body) -> Result<Response<Body>> {
    Ok(Response::builder().header("content-type", "application/grpc+proto").body(body)?)
}

fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static(code))])
}

fn table() -> serde_json::Value {
    json!({"hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop", "routes": [
        {"match": "POST /echo.Echo/{method}", "service": "orders"},
        {"match": "PUT /put.Put/Call", "service": "orders"},
        {"match": "POST /moved.Moved/Call", "redirect": {"to": "https://api.example.com/echo.Echo/Call"}},
        {"match": "POST /fixed.Fixed/Call", "respond": {"status": 200, "body": "pong"}},
    ]})
}

#[tokio::test]
async fn each_message_to_a_client_stream_arrives_before_the_next_is_sent() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(table(), ksvc.address)?;
    let mut client = Client::connect(Version::HTTP_2, gateway.address()).await?;
    let (mut messages, body) = chunked();
    let request = call(&client, "/echo.Echo/Collect", body)?;
    let sending = tokio::spawn(async move { client.send(request).await });

    let mut call = ksvc.call().await?;
    assert_eq!(call.request.uri().authority().context("an authority")?, "orders.shop.example.com");
    assert_eq!(call.request.headers()["grpc-timeout"], "1H");
    for text in ["one", "two", "three"] {
        messages.send_data(message(text)).await?;
        assert_eq!(next_data(call.request.body_mut()).await?, message(text));
    }
    drop(messages);
    assert!(call.request.body_mut().collect().await?.to_bytes().is_empty());
    let (mut replies, body) = chunked();
    call.answer(grpc_response(body)?)?;
    replies.send_data(message("3 messages")).await?;
    replies.send_trailers(status("0")).await?;
    drop(replies);
    let body = sending.await??.into_body().collect().await?;
    assert_eq!(body.trailers().context("trailers")?["grpc-status"], "0");
    assert_eq!(body.to_bytes(), message("3 messages"));
    Ok(())
}

#[tokio::test]
async fn each_message_of_a_server_stream_arrives_before_the_next_is_sent() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(table(), ksvc.address)?;
    let mut client = Client::connect(Version::HTTP_2, gateway.address()).await?;
    let request = call(&client, "/echo.Echo/List", whole(message("all")))?;
    let (mut messages, body) = chunked();
    let (response, _) = ksvc.answer(client.send(request), grpc_response(body)?).await?;
    let mut received = response.into_body();
    for text in ["one", "two", "three"] {
        messages.send_data(message(text)).await?;
        assert_eq!(next_data(&mut received).await?, message(text));
    }
    messages.send_trailers(status("8")).await?;
    drop(messages);
    // The status is the function's own, and not 0.
    assert_eq!(received.collect().await?.trailers().context("trailers")?["grpc-status"], "8");
    Ok(())
}

#[tokio::test]
async fn each_answer_of_the_filters_own_is_a_grpc_status() -> Result<()> {
    let mut table = table();
    table["routes"].as_array_mut().context("routes")?.push(
        // This route has an error, so the gateway answers 503 to its requests: it has no earlier table.
        json!({"match": "POST /broken.Broken/Call", "service": "orders", "rewritePath": "/{unknown}"}),
    );
    let ksvc = Ksvc::start().await?;
    let gateway = gateway(table, ksvc.address)?;
    let mut client = Client::connect(Version::HTTP_2, gateway.address()).await?;
    // docs/configuration.md lists them.
    let cases = [
        ("/other.Other/Call", "12", "No route matches the path of this request."),
        ("/put.Put/Call", "12", "No route of this path serves the method; see the Allow header."),
        ("/echo.Echo//Call", "13", "The request has "),
        ("/broken.Broken/Call", "14", "The route of this request has an error in its configuration."),
        ("/moved.Moved/Call", "2", ""),
        ("/fixed.Fixed/Call", "2", "pong"),
    ];
    for (path, code, text) in cases {
        let request = call(&client, path, whole(message("x")))?;
        let response = client.send(request).await?;
        let headers = response.headers().clone();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(headers["content-type"], "application/grpc", "{path}");
        assert_eq!(headers["grpc-status"], code, "{path}: {headers:?}");
        let grpc_message = headers.get("grpc-message").map_or("", |value| value.to_str().unwrap_or("not text"));
        // Only the beginning is compared, because the rest may name what was found.
        let as_expected = grpc_message.starts_with(text) && grpc_message.is_empty() == text.is_empty();
        assert!(as_expected, "{path}: {grpc_message}");
        assert!(response.into_body().collect().await?.to_bytes().is_empty(), "{path}: the response has a body");
    }
    // For Envoy, gRPC-Web is plain HTTP.
    let request = client.request("POST", "/other.Other/Call").header("content-type", "application/grpc-web+proto");
    let response = client.send(request.body(whole("x"))?).await?;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    Ok(())
}
