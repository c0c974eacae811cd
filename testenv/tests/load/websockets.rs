//! WebSockets that stay open keep the VMs in which they began. This test measures what that costs and checks that the
//! VMs end with the WebSockets.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use testenv::gateway::Gateway;
use testenv::stand_in::StandIn;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::generations::Generations;
use crate::memory::{self, Memory, vms};
use crate::table::{parse_authority, path, table};
use crate::{WORKERS, full, gateway};

type Socket = WebSocketStream<TcpStream>;

/// How many WebSockets are opened before each edit: enough that each worker has some. Then there are as many edits with
/// all of them open, and then they are closed.
const PER_EDIT: usize = 10;

#[tokio::test]
async fn websockets_keep_only_the_vms_in_which_they_began() -> Result<()> {
    let (routes, edits) = if full() { (10_000, 30) } else { (1_000, 4) };
    let stand_in = StandIn::start()?;
    let mut gateway = gateway(table(routes, 0), stand_in.address())?;
    let live = Arc::new(Generations::new(0));
    let at_first = vms(&gateway)?;
    println!("WebSockets over edits of {routes} routes; memory in MB:\nopen edits   {}", memory::COLUMNS);
    println!("{:<4} {:<7} {}", 0, 0, Memory::of(&gateway)?);
    let mut sockets = Vec::new();
    let mut max_vms = at_first;
    for edit in 1..=2 * edits {
        if edit <= edits {
            for _ in 0..PER_EDIT {
                sockets.push(open(&gateway, routes, edit - 1).await?);
            }
            // One VM for each worker, and the one that those are clones of.
            max_vms = at_first + edit * u64::from(WORKERS + 1);
        }
        live.edit(&mut gateway, edit, table(routes, edit))?;
        let memory = Memory::once_settled(&gateway, max_vms)?;
        if edit % (edits / 4).max(1) == 0 {
            println!("{:<4} {edit:<7} {memory}", sockets.len());
        }
        ensure!(memory.vms <= max_vms, "there are {} VMs, expected at most {max_vms}", memory.vms);
    }
    for (number, socket) in sockets.iter_mut().enumerate() {
        let message = Message::text(number.to_string());
        socket.send(message.clone()).await?;
        ensure!(socket.next().await.context("an echo")?? == message);
    }
    drop(sockets);
    let closed = Memory::once_settled(&gateway, at_first)?;
    println!("{:<4} {:<7} {closed}", 0, 2 * edits);
    ensure!(closed.vms == at_first, "{} VMs are left, and at first there were {at_first}", closed.vms);
    Ok(())
}

/// Opens a WebSocket that this generation of the table routes.
async fn open(gateway: &Gateway, routes: usize, generation: u64) -> Result<Socket> {
    let stream = TcpStream::connect(gateway.address()).await?;
    let path = path(routes - 1, generation);
    let (mut socket, _) = client_async(format!("ws://api.example.com{path}").into_client_request()?, stream).await?;
    let report: serde_json::Value = serde_json::from_str(socket.next().await.context("the report")??.to_text()?)?;
    let authority = report["authority"].as_str().unwrap_or_default();
    ensure!(
        parse_authority(authority) == Some((routes - 1, generation)),
        "generation {generation} routed to {authority}"
    );
    Ok(socket)
}
