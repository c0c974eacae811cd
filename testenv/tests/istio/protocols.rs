//! HTTP/2, WebSocket, gRPC and streaming through Istio's gateway, checked with real clients.

use anyhow::Result;
use testenv::istio::objects;
use tokio::runtime::Runtime;

use crate::common::{protocols, sample_table};
use crate::{Env, tests, wasm_plugin};

tests! { http2_websockets_and_streams_pass, grpc_passes }

fn http2_websockets_and_streams_pass(env: &Env) -> Result<()> {
    let hosts = ["orders.shop.example.com", "orders-write.shop.example.com", "payments.billing.example.com"];
    let gateway = env.gateway("protocols", &hosts)?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &sample_table()?)?)?;
    Runtime::new()?.block_on(async {
        protocols::http2_requests_of_one_connection_reach_their_ksvcs(gateway.address()).await?;
        protocols::websockets_pass_through_a_rewritten_authority(gateway.address()).await?;
        protocols::bodies_are_streamed_and_not_buffered(gateway.address()).await
    })
}

fn grpc_passes(env: &Env) -> Result<()> {
    let gateway = env.gateway("grpc", &["echo.shop.example.com"])?;
    let [_, service] = objects::ksvc("grpc", "echo.shop.example.com", env.stand_in.address());
    env.plane.cluster().apply(&[objects::h2c(service)])?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &protocols::grpc_table())?)?;
    Runtime::new()?.block_on(async {
        protocols::unary_grpc_passes_through_a_rewritten_authority(gateway.address()).await?;
        protocols::messages_of_streaming_grpc_pass_one_by_one(gateway.address()).await?;
        protocols::a_grpc_call_without_a_route_gets_a_grpc_status(gateway.address()).await
    })
}
