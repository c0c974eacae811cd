//! Clients that disconnect and KSVCs that break off: the other side sees it, the access log shows it, and the next
//! request is served as usual.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Response, StatusCode, Version};
use testenv::gateway::Gateway;
use tokio::time::timeout;

use crate::client::{Client, VERSIONS};
use crate::common::protocols::next_data;
use crate::ksvc::{Ksvc, chunked, whole};
use crate::who_answered::documented;
use crate::{PATIENCE, access_log, gateway, orders};

/// Checks that the next request is served as usual and that the log contains no error.
async fn next_request_is_served(ksvc: &mut Ksvc, gateway: &Gateway, version: Version) -> Result<()> {
    let mut client = Client::connect(version, gateway.address()).await?;
    let request = client.request("GET", "/faas/orders/next").body(whole(""))?;
    let (response, _) = ksvc.answer(client.send(request), Response::new(whole("served"))).await?;
    assert_eq!(response.into_body().collect().await?.to_bytes(), "served");
    let log = gateway.log();
    let error = log.lines().find(|line| line.contains("[error]") || line.contains("[critical]"));
    assert_eq!(error, None);
    Ok(())
}

#[tokio::test]
async fn a_client_that_goes_away_amid_its_body_harms_nobody() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(orders(), ksvc.address)?;
    for (number, (version, line)) in VERSIONS.into_iter().zip(DISCONNECTED_DURING_REQUEST).enumerate() {
        let mut client = Client::connect(version, gateway.address()).await?;
        let (mut chunks, body) = chunked();
        let request = client.request("POST", "/faas/orders/1").body(body)?;
        let sending = tokio::spawn(async move { client.send(request).await });
        let mut call = ksvc.call().await?;
        chunks.send_data(Bytes::from("half")).await?;
        assert_eq!(next_data(call.request.body_mut()).await?, "half");
        // Ending the task closes the connection.
        sending.abort();
        let rest =
            timeout(PATIENCE, call.request.body_mut().frame()).await.context("the KSVC does not see the break")?;
        assert!(rest.is_none_or(|frame| frame.is_err()), "{version:?}");
        assert_eq!(access_log(&gateway, 2 * number + 1).await?[2 * number], line);
        next_request_is_served(&mut ksvc, &gateway, version).await?;
        access_log(&gateway, 2 * number + 2).await?;
    }
    documented(&DISCONNECTED_DURING_REQUEST)
}

#[tokio::test]
async fn a_client_that_goes_away_amid_the_answer_harms_nobody() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(orders(), ksvc.address)?;
    for (number, (version, line)) in VERSIONS.into_iter().zip(DISCONNECTED_DURING_RESPONSE).enumerate() {
        let mut client = Client::connect(version, gateway.address()).await?;
        let request = client.request("GET", "/faas/orders/1").body(whole(""))?;
        let (mut chunks, body) = chunked();
        let (response, _) = ksvc.answer(client.send(request), Response::new(body)).await?;
        chunks.send_data(Bytes::from("half")).await?;
        assert_eq!(next_data(&mut response.into_body()).await?, "half");
        drop(client);
        // Sending fails as soon as the KSVC's server sees that the client is gone.
        let sending = async { while chunks.send_data(Bytes::from("more")).await.is_ok() {} };
        timeout(PATIENCE, sending).await.context("the KSVC does not see the break")?;
        assert_eq!(access_log(&gateway, 2 * number + 1).await?[2 * number], line);
        next_request_is_served(&mut ksvc, &gateway, version).await?;
        access_log(&gateway, 2 * number + 2).await?;
    }
    documented(&DISCONNECTED_DURING_RESPONSE)
}

#[tokio::test]
async fn a_ksvc_that_breaks_off_amid_its_answer_breaks_that_answer_alone() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(orders(), ksvc.address)?;
    for (number, (version, line)) in VERSIONS.into_iter().zip(BROKEN_OFF_DURING_RESPONSE).enumerate() {
        let mut client = Client::connect(version, gateway.address()).await?;
        let request = client.request("GET", "/faas/orders/1").body(whole(""))?;
        let (mut chunks, body) = chunked();
        let (response, _) = ksvc.answer(client.send(request), Response::new(body)).await?;
        let mut response = response.into_body();
        chunks.send_data(Bytes::from("half")).await?;
        assert_eq!(next_data(&mut response).await?, "half");
        chunks.abort(std::io::Error::other("broken off on purpose"));
        let rest = timeout(PATIENCE, response.frame()).await.context("the client does not see the break")?;
        // Envoy 1.36 resets an HTTP/2 stream with NO_ERROR, which looks like a normal end to this client. 1.39 does
        // not.
        let may_look_complete = version == Version::HTTP_2 && rest.is_none();
        assert!(may_look_complete || rest.is_some_and(|frame| frame.is_err()), "{version:?}: the client sees no error");
        assert_eq!(access_log(&gateway, 2 * number + 1).await?[2 * number], line);
        next_request_is_served(&mut ksvc, &gateway, version).await?;
        access_log(&gateway, 2 * number + 2).await?;
    }
    documented(&BROKEN_OFF_DURING_RESPONSE)
}

#[tokio::test]
async fn a_ksvc_that_breaks_off_before_its_answer_is_a_503_of_envoys_own() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(orders(), ksvc.address)?;
    for (number, (version, line)) in VERSIONS.into_iter().zip(BROKEN_OFF_BEFORE_RESPONSE).enumerate() {
        let mut client = Client::connect(version, gateway.address()).await?;
        let request = client.request("POST", "/faas/orders/1").body(whole("hello"))?;
        let (response, ()) = tokio::try_join!(client.send(request), async { ksvc.call().await.map(drop) })?;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{version:?}");
        assert_eq!(response.headers()["content-type"], "text/plain", "{version:?}: the response is not Envoy's");
        assert!(!ksvc.has_more(), "{version:?}: the request was sent again");
        assert_eq!(access_log(&gateway, 2 * number + 1).await?[2 * number], line);
        next_request_is_served(&mut ksvc, &gateway, version).await?;
        access_log(&gateway, 2 * number + 2).await?;
    }
    documented(&BROKEN_OFF_BEFORE_RESPONSE)
}

// The lines of the access log, for HTTP/1.1, where the connection ends, and for HTTP/2, where the stream ends.
const DISCONNECTED_DURING_REQUEST: [&str; 2] =
    ["0 DC downstream_remote_disconnect orders", "0 DR http2.remote_reset orders"];
const DISCONNECTED_DURING_RESPONSE: [&str; 2] =
    ["200 DC downstream_remote_disconnect orders", "200 DR http2.remote_reset orders"];
const BROKEN_OFF_DURING_RESPONSE: [&str; 2] = [
    // The last chunk of the chunked body is missing.
    "200 UPE upstream_reset_after_response_started{protocol_error} orders",
    "200 UR upstream_reset_after_response_started{remote_reset} orders",
];
const BROKEN_OFF_BEFORE_RESPONSE: [&str; 2] = [
    "503 UC upstream_reset_before_response_started{connection_termination} orders",
    "503 UR upstream_reset_before_response_started{remote_reset} orders",
];
/// All lines of the access log that the tests of this file produce, which are those over HTTP/1.1 and HTTP/2.
pub(crate) const LINES: [[&str; 2]; 4] =
    [DISCONNECTED_DURING_REQUEST, DISCONNECTED_DURING_RESPONSE, BROKEN_OFF_DURING_RESPONSE, BROKEN_OFF_BEFORE_RESPONSE];
