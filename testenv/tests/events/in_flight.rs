//! A request that is in flight while events happen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// A request whose body is not complete and whose response has begun.
pub(crate) struct InFlight {
    connection: TcpStream,
    received: Vec<u8>,
}

impl InFlight {
    /// Sends half of a request and waits for the beginning of the response. The path must lead to the stand-in.
    pub(crate) fn begin(to: SocketAddr, path: &str) -> Result<Self> {
        let mut connection = TcpStream::connect(to)?;
        connection.set_read_timeout(Some(Duration::from_secs(60)))?;
        let head = format!("POST {path} HTTP/1.1\r\nhost: api.example.com\r\nx-stand-in: stream\r\n");
        connection.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n6\r\nbefore\r\n").as_bytes())?;
        let mut request = Self { connection, received: Vec::new() };
        request.read_until("before")?;
        Ok(request)
    }

    /// Sends the rest of the request and checks that the rest of the response arrives.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.connection.write_all(b"5\r\nafter\r\n0\r\n\r\n")?;
        self.read_until("after")?;
        self.read_until("0\r\n\r\n")
    }

    fn read_until(&mut self, expected: &str) -> Result<()> {
        let mut chunk = [0; 4096];
        while !self.received.windows(expected.len()).any(|window| window == expected.as_bytes()) {
            let read = self.connection.read(&mut chunk);
            let read = read.with_context(|| format!("a request in flight got nothing after {:?}", self.text()))?;
            ensure!(read > 0, "a request in flight was cut off after {:?}", self.text());
            self.received.extend(&chunk[..read]);
        }
        Ok(())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.received).into_owned()
    }
}
