//! What passes through the gateway besides plain HTTP/1.1, told by real clients.

use anyhow::Result;
use testenv::istio::objects;
use tokio::runtime::Runtime;

use crate::common::{protocols, sample_table};
use crate::{Env, tests, wasm_plugin};

tests! { http2_and_websockets_pass, grpc_passes }

fn http2_and_websockets_pass(env: &Env) -> Result<()> {
    let hosts = ["orders.shop.example.com", "orders-write.shop.example.com", "payments.billing.example.com"];
    let gateway = env.gateway("protocols", &hosts)?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &sample_table()?)?)?;
    Runtime::new()?.block_on(async {
        protocols::http2_requests_of_one_connection_reach_their_ksvcs(gateway.address()).await?;
        protocols::websockets_pass_through_a_rewritten_authority(gateway.address()).await?;
        protocols::bodies_stream_through_unbuffered(gateway.address()).await
    })
}

fn grpc_passes(env: &Env) -> Result<()> {
    let gateway = env.gateway("grpc", &["echo.shop.example.com"])?;
    let [_, service] = objects::ksvc("grpc", "echo.shop.example.com", env.stand_in.address());
    env.plane.cluster().apply(&[objects::h2c(service)])?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &protocols::grpc_table())?)?;
    Runtime::new()?.block_on(async {
        protocols::unary_grpc_passes_through_a_rewritten_authority(gateway.address()).await?;
        protocols::streaming_grpc_is_not_held_up(gateway.address()).await?;
        protocols::a_grpc_call_without_a_route_gets_a_grpc_status(gateway.address()).await
    })
}
