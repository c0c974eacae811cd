//! A reverse proxy of Go's standard library in front of the gateway, built from `bench/go-proxy`.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testenv::process::{Running, free_ports};

use super::proxy::{Proxy, folder};
use crate::table::{BASE, Route, Table};

pub(super) fn start(program: Option<&Path>, table: &Table, gateway: SocketAddr) -> Result<Proxy> {
    let program = program.context("the Go proxy is not available")?;
    let (guard, folder) = folder()?;
    let [port] = free_ports()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let route = |route: &Route| -> Value {
        json!({"pattern": format!("{} {BASE}{}", route.method, route.path), "authority": route.authority()})
    };
    let routes: Vec<_> = table.routes.iter().map(route).collect();
    let config = json!({"listen": address.to_string(), "gateway": gateway.to_string(), "routes": routes});
    fs::write(folder.join("config.json"), config.to_string())?;
    let mut command = Command::new(program);
    command.arg(folder.join("config.json"));
    let process = Running::start("the Go proxy", &mut command, &folder.join("log"), None)?;
    Proxy::ready(process, address, guard)
}
