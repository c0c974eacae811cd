//! The arguments of `render`.

use std::path::PathBuf;

use clap::Args;

use super::{Labels, labels};
use crate::render::{Module, Options, Platform};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ksvc-router render table.yaml --as wasm-plugin --image oci://registry.example.com/ksvc-router@sha256:DIGEST
  ksvc-router render wasm-plugin.yaml --as traffic-extension
  ksvc-router render wasm-plugin.yaml --as envoy-gateway --gateway public --namespace gateways
  ksvc-router import openapi api.yaml --domain example.com --namespace shop --service api | ksvc-router render - --as wasm-plugin > wasm-plugin.yaml")]
pub struct Render {
    /// The file with the route table, or with several, which become several objects. A folder stands for its YAML and
    /// JSON files.
    pub file: PathBuf,
    /// The kind of manifest.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    pub platform: Platform,
    /// The module: `oci://HOST/NAME@sha256:DIGEST`, `https://HOST/PATH@sha256:DIGEST` or `file:///PATH`. Default: that of
    /// FILE, or else a placeholder that `check` refuses.
    #[arg(long, value_name = "URL@DIGEST", value_parser = Module::parse)]
    image: Option<Module>,
    /// The name of the object. Default: that of FILE, or else `ksvc-router`.
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: Option<String>,
    /// The namespace of the object. Default: that of FILE, or else the one in which the platform is usually installed.
    #[arg(short, long, value_name = "NAME", value_parser = name)]
    namespace: Option<String>,
    /// The labels of the gateway's pods. Default: those of FILE, or else `istio=ingressgateway`.
    #[arg(long, value_name = "KEY=VALUE,…", value_parser = labels, conflicts_with = "gateway")]
    selector: Option<Labels>,
    /// The name of the Gateway of the Gateway API to which the filter is attached.
    #[arg(long, value_name = "NAME", value_parser = name)]
    gateway: Option<String>,
    /// A port on which the filter runs, as the gateway's pods listen on it, or several with commas. The option can be
    /// repeated. Default: those of
    /// FILE, or else 8443, and 443 with `--gateway`.
    #[arg(long = "port", value_name = "PORT,…", value_delimiter = ',', value_parser = port)]
    ports: Vec<u16>,
}

impl Render {
    /// Returns the ports, each once.
    fn distinct_ports(&self) -> Vec<u16> {
        let mut ports = Vec::new();
        for port in &self.ports {
            if !ports.contains(port) {
                ports.push(*port);
            }
        }
        ports
    }

    /// Returns what replaces the settings of the file.
    pub fn options(&self) -> Options {
        Options {
            module: self.image.clone(),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            selector: self.selector.clone().map(|labels| labels.0),
            gateway: self.gateway.clone(),
            ports: self.distinct_ports(),
        }
    }
}

/// Reads a port.
fn port(text: &str) -> Result<u16, String> {
    let port = text.trim().parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| "write a number from 1 to 65535, and commas between several ports".to_owned())
}

/// Reads the name of a Kubernetes object.
fn name(text: &str) -> Result<String, String> {
    let is_edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let is_name = bytes.iter().all(|b| is_edge(b) || matches!(b, b'-' | b'.'))
        && bytes.first().is_some_and(is_edge)
        && bytes.last().is_some_and(is_edge)
        && bytes.len() <= 253;
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("write lower-case letters, digits, `-` and `.`, with a letter or digit at both ends".to_owned())
    }
}
