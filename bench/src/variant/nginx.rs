//! nginx in front of the gateway, with a `map` from method and path to the service's host. A path without parameters is
//! looked up in a hash table. A path with parameters is a regular expression; nginx tries these one after another.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use testenv::process::{Running, free_ports};

use super::native;
use super::proxy::{Proxy, folder};
use crate::table::{BASE, HOST, Table};

pub(super) fn start(program: Option<&Path>, table: &Table, gateway: SocketAddr) -> Result<Proxy> {
    let program = program.context("nginx is not available")?;
    let (guard, folder) = folder()?;
    let [port] = free_ports()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let config = config(table, address, gateway, &folder.to_string_lossy());
    fs::write(folder.join("nginx.conf"), config)?;
    let mut command = Command::new(program);
    command.arg("-p").arg(&folder).arg("-e").arg(folder.join("error.log")).arg("-c").arg(folder.join("nginx.conf"));
    let process = Running::start("nginx", &mut command, &folder.join("log"), None)?;
    Proxy::ready(process, address, guard)
}

fn config(table: &Table, address: SocketAddr, gateway: SocketAddr, folder: &str) -> String {
    let mut map = String::new();
    for route in &table.routes {
        let _ = match native::regex(route) {
            Some(regex) => writeln!(map, "    \"~^{} {regex}$\" {};", route.method, route.authority()),
            None => writeln!(map, "    \"{} {BASE}{}\" {};", route.method, route.path, route.authority()),
        };
    }
    let buckets = (table.routes.len() * 2).max(1024).next_power_of_two();
    format!(
        r#"daemon off;
worker_processes 1;
pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  map_hash_max_size {buckets};
  map_hash_bucket_size 256;
  map "$request_method $uri" $authority {{
{map}    default "";
  }}
  upstream gateway {{
    server {gateway};
    keepalive 64;
    keepalive_requests 1000000000;
    keepalive_timeout 3600s;
  }}
  server {{
    listen {address};
    server_name {HOST};
    location / {{
      if ($authority = "") {{ return 404; }}
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $authority;
      proxy_set_header X-Forwarded-Host $host;
    }}
  }}
}}
"#
    )
}
