//! WebSockets that stay open for long keep the VMs on which they began: what that costs, and that it ends with them.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use testenv::gateway::Gateway;
use testenv::stand_in::StandIn;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::live::Live;
use crate::memory::{self, Memory, vms};
use crate::table::{path, table, told};
use crate::{WORKERS, full, gateway};

type Socket = WebSocketStream<TcpStream>;

/// Ten more before each edit, so that there are some on each worker; then as many edits with all of them open; then
/// they are closed.
const EACH: usize = 10;

#[tokio::test]
async fn websockets_keep_their_vms_and_no_others() -> Result<()> {
    let (routes, edits) = if full() { (10_000, 30) } else { (1_000, 4) };
    let stand_in = StandIn::start()?;
    let mut gateway = gateway(table(routes, 0), stand_in.address())?;
    let live = Arc::new(Live::new(0));
    let at_first = vms(&gateway)?;
    println!("WebSockets over edits of {routes} routes, in MB:\nopen edits   {}", memory::COLUMNS);
    println!("{:<4} {:<7} {}", 0, 0, Memory::of(&gateway)?);
    let mut sockets = Vec::new();
    let mut held = at_first;
    for edit in 1..=2 * edits {
        if edit <= edits {
            for _ in 0..EACH {
                sockets.push(open(&gateway, routes, edit - 1).await?);
            }
            // One for each worker, and the one of which those are clones.
            held = at_first + edit * u64::from(WORKERS + 1);
        }
        live.edit(&mut gateway, edit, table(routes, edit))?;
        let memory = Memory::once_settled(&gateway, held)?;
        if edit % (edits / 4).max(1) == 0 {
            println!("{:<4} {edit:<7} {memory}", sockets.len());
        }
        ensure!(memory.vms <= held, "{} VMs where {held} are enough", memory.vms);
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        let message = Message::text(number.to_string());
        socket.send(message.clone()).await?;
        ensure!(socket.next().await.context("an echo")?? == message);
    }
    drop(sockets);
    let closed = Memory::once_settled(&gateway, at_first)?;
    println!("{:<4} {:<7} {closed}", 0, 2 * edits);
    ensure!(closed.vms == at_first, "{} VMs are left, and there were {at_first}", closed.vms);
    Ok(())
}

/// Opens one, which this generation of the table routes.
async fn open(gateway: &Gateway, routes: usize, generation: u64) -> Result<Socket> {
    let stream = TcpStream::connect(gateway.address()).await?;
    let path = path(routes - 1, generation);
    let (mut socket, _) = client_async(format!("ws://api.example.com{path}").into_client_request()?, stream).await?;
    let report: serde_json::Value = serde_json::from_str(socket.next().await.context("the report")??.to_text()?)?;
    let authority = report["authority"].as_str().unwrap_or_default();
    ensure!(told(authority) == Some((routes - 1, generation)), "generation {generation} led to {authority}");
    Ok(socket)
}
