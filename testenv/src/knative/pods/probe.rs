//! Readiness probes and the requests of hooks.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::time::timeout;

use crate::http1::Request;

/// Returns how often in a row the readiness probe of a container must fail before the container is no longer ready. One
/// late answer of a busy machine is not enough.
pub(super) fn failure_threshold(container: &Container) -> i32 {
    const DEFAULT: i32 = 3;
    container.readiness_probe.as_ref().and_then(|probe| probe.failure_threshold).unwrap_or(DEFAULT)
}

/// Returns whether the readiness probe of a running container succeeds, if it has one.
pub(super) async fn succeeds(container: &Container, address: Ipv4Addr) -> bool {
    let Some(Probe { http_get: action, tcp_socket, timeout_seconds, .. }) = &container.readiness_probe else {
        return true;
    };
    let patience = Duration::from_secs(u64::try_from(timeout_seconds.unwrap_or(1)).unwrap_or(1));
    if let Some(action) = action {
        return http_get(action, container, address, patience).await.is_ok_and(|status| (200..400).contains(&status));
    }
    let Some(socket) = tcp_socket else { return true };
    connects(SocketAddr::from((address, port(&socket.port, container))), patience).await
}

async fn connects(to: SocketAddr, patience: Duration) -> bool {
    timeout(patience, tokio::net::TcpStream::connect(to)).await.is_ok_and(|connected| connected.is_ok())
}

/// Sends the request of a probe or a hook and returns the status of its response. With HTTPS, a connection counts as
/// 200.
pub(super) async fn http_get(action: &HTTPGetAction, of: &Container, at: Ipv4Addr, patience: Duration) -> Result<u16> {
    let to = SocketAddr::from((at, port(&action.port, of)));
    if action.scheme.as_deref() == Some("HTTPS") {
        return Ok(if connects(to, patience).await { 200 } else { 503 });
    }
    // Knative's parts know a probe of a kubelet by this user agent.
    let path = action.path.as_deref().unwrap_or("/");
    let mut request = Request::get(to.to_string(), path).header("user-agent", "kube-probe/1.36");
    for header in action.http_headers.iter().flatten() {
        request = request.header(&header.name, &header.value);
    }
    let response = tokio::task::spawn_blocking(move || request.send_within(patience, to));
    Ok(response.await??.status)
}

fn port(port: &IntOrString, of: &Container) -> u16 {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let named = of.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name));
            named.map_or(0, |port| port.container_port)
        }
    };
    u16::try_from(number).unwrap_or_default()
}
