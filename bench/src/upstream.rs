//! The server of all services. A thread for each connection of the gateway answers at once and reports the authority with
//! which the request arrived. It is cheap, and it runs in this process, so no measured process includes its cost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::Result;

use crate::load::find;

/// The response header that reports the authority with which the request reached the service.
pub const REACHED: &str = "x-reached";

/// Starts the server, which listens as long as this process lives.
pub fn start() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // An error means that the gateway has closed the connection.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    Ok(address)
}

fn serve(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    let mut response = Vec::new();
    loop {
        let count = stream.read(&mut buffer[filled..])?;
        if count == 0 {
            return Ok(());
        }
        filled += count;
        // Requests have no bodies here, and a connection has one request at a time.
        let Some(end) = find(&buffer[..filled], b"\r\n\r\n") else { continue };
        let head = &buffer[..end + 2];
        let authority =
            find(head, b"\r\nhost: ").or_else(|| find(head, b"\r\nHost: ")).map_or(&b""[..], |at| &head[at + 8..]);
        let authority = &authority[..find(authority, b"\r\n").unwrap_or_default()];
        response.clear();
        response.extend(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-reached: ");
        response.extend(authority);
        response.extend(b"\r\n\r\nok\n");
        stream.write_all(&response)?;
        filled = 0;
    }
}
