//! A proxy in front of the gateway. It runs until the value is dropped.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;
use testenv::process::Running;

/// Long enough for a proxy to start on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Proxy {
    process: Running,
    address: SocketAddr,
    _folder: TempDir,
}

impl Proxy {
    /// Waits until the proxy accepts connections.
    pub(super) fn ready(process: Running, address: SocketAddr, folder: TempDir) -> Result<Self> {
        process.await_ready(PATIENCE, || Ok(TcpStream::connect(address).is_ok()))?;
        Ok(Self { process, address, _folder: folder })
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Creates a temporary folder, which is deleted when it is dropped, and returns it with its path.
pub(super) fn folder() -> Result<(TempDir, PathBuf)> {
    let folder = tempfile::Builder::new().prefix("ksvc-router-bench-").tempdir()?;
    let path = folder.path().to_owned();
    Ok((folder, path))
}
