//! Reads pages, counters and gauges from Envoy's admin interface.

use std::net::SocketAddr;

use anyhow::{Result, ensure};

use crate::http1::{Request, query_value};

/// Returns the body of a page.
pub fn get(admin: SocketAddr, path: &str) -> Result<String> {
    let response = Request::get("admin", path).send(admin)?;
    ensure!(response.status == 200, "admin {path}: {} {}", response.status, response.text());
    Ok(response.text())
}

/// Returns every counter and gauge whose name matches the regular expression.
pub fn stats(admin: SocketAddr, regex: &str) -> Result<Vec<(String, u64)>> {
    let listed = get(admin, &format!("/stats?usedonly&filter={}", query_value(regex)))?;
    let stats = listed.lines().filter_map(|line| line.split_once(": "));
    Ok(stats.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
}
