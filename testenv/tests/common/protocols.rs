//! Rules for HTTP/2, WebSocket, gRPC and streaming through a gateway, checked with real clients.
//!
//! They are shared by the tests with Envoy alone, those under Istio and those under Knative. The table must have the
//! routes of `wasm-plugin.yaml`, or of [`grpc_table`] for gRPC. [`At`] says on which host and to which namespaces.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::channel::Channel;
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use testenv::stand_in::Report;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Where the requests are sent, and where the table sends them.
pub(crate) struct At {
    pub(crate) gateway: SocketAddr,
    /// The public host.
    pub(crate) host: String,
    /// The namespace of all KSVCs but `payments`.
    pub(crate) namespace: String,
    /// The namespace of `payments`.
    pub(crate) of_payments: String,
}

impl From<SocketAddr> for At {
    /// Returns the host and the namespaces of `wasm-plugin.yaml`.
    fn from(gateway: SocketAddr) -> Self {
        let [host, namespace, of_payments] = ["api.example.com", "shop", "billing"].map(str::to_owned);
        Self { gateway, host, namespace, of_payments }
    }
}

/// Returns a table with one gRPC service.
pub(crate) fn grpc_table() -> Value {
    json!({"hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop",
        "routes": [{"match": "POST /echo.Echo/{method}", "service": "echo"}]})
}

pub(crate) async fn http2_requests_of_one_connection_reach_their_ksvcs(at: impl Into<At>) -> Result<()> {
    let at = at.into();
    let client = http2(at.gateway).await?;
    let calls = (0..20).map(|id| {
        let (method, target) = if id % 2 == 0 { ("GET", "orders") } else { ("PUT", "orders-write") };
        let (mut client, At { host, namespace, .. }) = (client.clone(), &at);
        async move {
            let request = hyper::Request::builder()
                .method(method)
                .uri(format!("http://{host}/faas/orders/{id}?n={id}"))
                .header("x-own", "kept")
                .body(whole("hello"))?;
            let response = client.send_request(request).await?;
            assert_eq!(response.status(), 200);
            let report: Report = serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?;
            assert_eq!(report.authority, format!("{target}.{namespace}.example.com"));
            assert_eq!(report.path, format!("/faas/orders/{id}?n={id}"));
            assert_eq!(report.header("x-forwarded-host"), Some(host.as_str()));
            assert_eq!(report.header("x-own"), Some("kept"));
            assert_eq!(report.body, "hello");
            anyhow::Ok(())
        }
    });
    futures_util::future::try_join_all(calls).await?;
    Ok(())
}

pub(crate) async fn websockets_pass_through_a_rewritten_authority(at: impl Into<At>) -> Result<()> {
    let at = at.into();
    let stream = TcpStream::connect(at.gateway).await?;
    let mut request = format!("ws://{}/faas/payments/live", at.host).into_client_request()?;
    request.headers_mut().insert("k-original-host", "evil.example.net".parse()?);
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await?;

    let report: Report = serde_json::from_str(socket.next().await.context("the report")??.to_text()?)?;
    assert_eq!(report.authority, format!("payments.{}.example.com", at.of_payments));
    assert_eq!(report.path, "/v2/live");
    assert_eq!(report.header("x-forwarded-host"), Some(at.host.as_str()));
    assert_eq!(report.header("k-original-host"), None);
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await?;
        assert_eq!(socket.next().await.context("an echo")??, Message::text(text));
    }
    socket.close(None).await?;
    Ok(())
}

/// Returns a gRPC message in its frame.
fn grpc_frame(message: &str) -> Bytes {
    let length = u32::try_from(message.len()).unwrap_or_default().to_be_bytes();
    [&[0][..], &length, message.as_bytes()].concat().into()
}

fn grpc_request<B>(at: &At, path: &str, body: B) -> Result<hyper::Request<B>> {
    Ok(hyper::Request::post(format!("http://{}{path}", at.host))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body)?)
}

pub(crate) async fn unary_grpc_passes_through_a_rewritten_authority(at: impl Into<At>) -> Result<()> {
    let at = at.into();
    let mut client = http2(at.gateway).await?;
    let response = client.send_request(grpc_request(&at, "/echo.Echo/Say", whole(grpc_frame("hello")))?).await?;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-arrived-authority"], format!("echo.{}.example.com", at.namespace));
    assert_eq!(response.headers()["x-arrived-path"], "/echo.Echo/Say");
    let body = response.into_body().collect().await?;
    assert_eq!(body.trailers().context("trailers")?["grpc-status"], "0");
    assert_eq!(body.to_bytes(), grpc_frame("hello"));
    Ok(())
}

pub(crate) async fn messages_of_streaming_grpc_pass_one_by_one(at: impl Into<At>) -> Result<()> {
    let at = at.into();
    let mut client = http2(at.gateway).await?;
    let (mut messages, body) = Channel::<Bytes, hyper::Error>::new(1);
    messages.send_data(grpc_frame("first")).await?;
    let request = grpc_request(&at, "/echo.Echo/Chat", body.boxed())?;
    let mut replies = client.send_request(request).await?.into_body();
    // Each reply arrives before the next message is sent, so nothing on the way waits for the whole body.
    assert_eq!(next_data(&mut replies).await?, grpc_frame("first"));
    messages.send_data(grpc_frame("second")).await?;
    assert_eq!(next_data(&mut replies).await?, grpc_frame("second"));
    drop(messages);
    let trailers = replies.collect().await?.trailers().cloned().context("trailers")?;
    assert_eq!(trailers["grpc-status"], "0");
    Ok(())
}

pub(crate) async fn a_grpc_call_without_a_route_gets_a_grpc_status(at: impl Into<At>) -> Result<()> {
    let at = at.into();
    let mut client = http2(at.gateway).await?;
    let response = client.send_request(grpc_request(&at, "/other.Service/Call", whole(grpc_frame("x")))?).await?;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["grpc-status"], "12", "UNIMPLEMENTED, to which gRPC clients map HTTP's 404");
    Ok(())
}

pub(crate) async fn bodies_are_streamed_and_not_buffered(at: impl Into<At>) -> Result<()> {
    let at = at.into();
    let mut client = http2(at.gateway).await?;
    let (mut chunks, body) = Channel::<Bytes, hyper::Error>::new(1);
    chunks.send_data(Bytes::from("one")).await?;
    let request = hyper::Request::post(format!("http://{}/faas/orders", at.host)).header("x-stand-in", "stream");
    let response = client.send_request(request.body(body.boxed())?).await?;
    let mut response = response.into_body();
    assert_eq!(next_data(&mut response).await?, "one");
    chunks.send_data(Bytes::from("two")).await?;
    assert_eq!(next_data(&mut response).await?, "two");
    Ok(())
}

// ---- clients

pub(crate) type ClientBody = http_body_util::combinators::BoxBody<Bytes, hyper::Error>;
pub(crate) type Client = SendRequest<ClientBody>;

/// Returns a body that is sent at once.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> ClientBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// Opens an HTTP/2 connection without TLS, with prior knowledge.
pub(crate) async fn http2(to: SocketAddr) -> Result<Client> {
    let stream = TokioIo::new(TcpStream::connect(to).await?);
    let (client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Returns the next data of a body. It is an error if the body has ended, or if nothing comes for a minute.
pub(crate) async fn next_data<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Result<Bytes>
where
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let frame = tokio::time::timeout(Duration::from_secs(60), body.frame()).await.context("no data")?;
    frame.context("the body has ended")??.into_data().ok().context("trailers instead of data")
}
