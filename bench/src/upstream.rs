//! Every service: a thread for each connection of the gateway's, which answers at once and tells the authority by which
//! it was reached. Cheap, and in this process, so that it is in nobody's figures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::Result;

use crate::load::find;

/// The response header that tells the authority that reached the service.
pub const REACHED: &str = "x-reached";

/// Listens for as long as this process lives.
pub fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The gateway has ended, or is done with the connection.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut read = vec![0; 64 * 1024];
    let mut filled = 0;
    let mut answer = Vec::new();
    loop {
        let count = stream.read(&mut read[filled..])?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        // Requests have no bodies here, and a connection has one request at a time.
        let Some(end) = find(&read[..filled], b"\r\n\r\n") else { continue };
        let head = &read[..end + 2];
        let authority =
            find(head, b"\r\nhost: ").or_else(|| find(head, b"\r\nHost: ")).map_or(&b""[..], |at| &head[at + 8..]);
        let authority = &authority[..find(authority, b"\r\n").unwrap_or_default()];
        answer.clear();
        answer.extend(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-reached: ");
        answer.extend(authority);
        answer.extend(b"\r\n\r\nok\n");
        stream.write_all(&answer)?;
        filled = 0;
    }
}
