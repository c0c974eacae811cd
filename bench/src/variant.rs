//! The variants: ways to route a request for the public host to the service that a table names. Each has its own file.

mod bare;
mod go;
mod lua;
mod matcher_tree;
mod native;
mod nginx;
mod ours;
mod proxy;
mod second_pass;

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testenv::http1;

use crate::cpu::Meter;
use crate::gateway::{Edit, Gateway, Parts};
use crate::load::{CONNECTIONS, Load, Requests};
use crate::table::{HOST, PUBLIC_API, RequestKind, Table, head};
use crate::tools::Tools;
use crate::upstream::REACHED;
use proxy::Proxy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The gateway without a table: clients call services by host.
    Bare,
    /// The same gateway with the no-op filter.
    NoOp,
    Ours,
    Lua,
    /// Envoy's routes, in the form in which istiod renders a VirtualService.
    Native,
    MatcherTree,
    /// A `ReverseProxy` of Go's standard library in front of the gateway.
    Go,
    /// nginx in front of the gateway.
    Nginx,
    /// Knative's sample: a VirtualService that sends each request through the gateway a second time, by host.
    SecondPass,
}

impl Variant {
    pub const ALL: [Self; 9] = [
        Self::Bare,
        Self::NoOp,
        Self::Ours,
        Self::Lua,
        Self::Native,
        Self::MatcherTree,
        Self::Go,
        Self::Nginx,
        Self::SecondPass,
    ];

    /// Returns the name in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::NoOp => "no-op",
            Self::Ours => "ours",
            Self::Lua => "lua",
            Self::Native => "native",
            Self::MatcherTree => "matcher",
            Self::Go => "go",
            Self::Nginx => "nginx",
            Self::SecondPass => "second-pass",
        }
    }

    /// Returns whether the variant selects a route by method and path.
    pub fn selects_routes(self) -> bool {
        !matches!(self, Self::Bare | Self::NoOp)
    }

    /// Returns the status of the response to a kind of request. `None` means that the variant does not distinguish this kind
    /// from others, or never gets such requests.
    pub fn status(self, request: RequestKind) -> Option<u16> {
        match (request, self) {
            (RequestKind::Hit, _) => Some(200),
            // A proxy in front of the gateway has its own host name, which only requests for the table use.
            (RequestKind::Miss, Self::Go | Self::Nginx) => None,
            (RequestKind::Miss, _) => Some(200),
            (RequestKind::NotFound | RequestKind::NotAllowed, Self::Bare | Self::NoOp) => None,
            (RequestKind::NotFound, _) => Some(404),
            (RequestKind::NotAllowed, Self::Ours | Self::Lua | Self::Go) => Some(405),
            (RequestKind::NotAllowed, _) => None,
        }
    }

    /// Returns whether this machine has all that the variant needs.
    pub fn is_available(self, tools: &Tools) -> bool {
        match self {
            Self::Go => tools.go_proxy.is_some(),
            Self::Nginx => tools.nginx.is_some(),
            _ => true,
        }
    }

    /// Returns why the variant is not measured with this table, or `None` if it is.
    pub fn reason_to_skip(self, table: &Table) -> Option<&'static str> {
        let many = table.routes.len() > 10_000 && table.has_parameters();
        match self {
            Self::Native | Self::SecondPass if many => Some("a request would take tens of milliseconds"),
            Self::Nginx if many => Some("a request would take milliseconds"),
            Self::Go if table.name == PUBLIC_API => {
                Some("http.ServeMux panics if two patterns match the same path and neither is more specific")
            }
            _ => None,
        }
    }

    /// Returns the requests of a load, in the form that this variant needs, or `None` if it does not support this kind.
    pub fn requests(self, table: &Table, request: RequestKind) -> Option<Requests> {
        let status = self.status(request)?;
        if self.selects_routes() || request != RequestKind::Hit {
            return Some(table.requests(request, status));
        }
        let by_host = table.sample().into_iter().map(|route| head("GET", &route.authority(), &route.example()));
        Some(Requests { heads: by_host.collect(), status })
    }

    /// Returns the variant's part of the gateway's configuration.
    fn parts(self, tools: &Tools, table: &Table, version: u64) -> Result<Parts> {
        match self {
            Self::Bare | Self::Go | Self::Nginx => Ok(bare::parts()),
            // It gets the same document, but never reads it.
            Self::NoOp => ours::parts(&tools.no_op, &table.document(), version),
            Self::Ours => ours::parts(&tools.module, &table.document(), version),
            Self::Lua => Ok(lua::parts(table)),
            Self::Native => Ok(native::parts(table)),
            Self::MatcherTree => Ok(matcher_tree::parts(table)),
            Self::SecondPass => Ok(second_pass::parts(table)),
        }
    }

    /// Starts the gateway and the variant's proxy in front of the upstream, and checks their responses.
    pub fn start(self, tools: &Tools, table: &Table, upstream: SocketAddr) -> Result<System> {
        self.try_start(tools, table, upstream)
            .with_context(|| format!("{} with {} routes, {}", self.name(), table.routes.len(), table.name))
    }

    fn try_start(self, tools: &Tools, table: &Table, upstream: SocketAddr) -> Result<System> {
        let gateway = Gateway::start(&tools.envoy, &self.parts(tools, table, 1)?, table, upstream)?;
        let proxy = match self {
            Self::Go => Some(go::start(tools.go_proxy.as_deref(), table, gateway.address())?),
            Self::Nginx => Some(nginx::start(tools.nginx.as_deref(), table, gateway.address())?),
            _ => None,
        };
        let system = System { variant: self, gateway, version: 1, proxy };
        system.check(table)?;
        Ok(system)
    }
}

/// Returns the `typed_config` of the Lua filter. For proxy-wasm filters, see [`crate::ecds::wasm`].
pub fn lua(table: &Table) -> Value {
    lua::typed_config(table)
}

/// A running variant.
pub struct System {
    pub variant: Variant,
    pub gateway: Gateway,
    /// The version of the table that the gateway has.
    version: u64,
    proxy: Option<Proxy>,
}

impl System {
    /// Returns the address to which clients send requests.
    pub fn address(&self) -> SocketAddr {
        self.proxy.as_ref().map_or(self.gateway.address(), Proxy::address)
    }

    /// Renders the edit to another table of the same services, so that applying it takes no further work.
    pub fn prepare(&mut self, tools: &Tools, table: &Table) -> Result<Edit> {
        self.version += 1;
        let parts = self.variant.parts(tools, table, self.version)?;
        Ok(self.gateway.prepare(&parts, table, self.version))
    }

    /// Returns a meter of the gateway's process alone.
    pub fn gateway_meter(&self) -> Meter {
        Meter::processes([self.gateway.id()])
    }

    /// Returns a meter of every process between the client and the service.
    pub fn meter(&self) -> Meter {
        let proxy = self.proxy.as_ref().map(Proxy::id);
        Meter::processes([self.gateway.id()].into_iter().chain(proxy))
    }

    /// Opens a load of this kind of requests, or returns `None` if the variant does not support it.
    pub fn load(&self, table: &Table, request: RequestKind) -> Result<Option<Load>> {
        let requests = self.variant.requests(table, request);
        requests.map(|requests| Load::open(self.address(), CONNECTIONS, requests)).transpose()
    }

    /// Sends a few requests of every kind. Each response must have the expected status and come from the right service.
    fn check(&self, table: &Table) -> Result<()> {
        for request in RequestKind::ALL {
            let Some(status) = self.variant.status(request) else { continue };
            for route in table.sample().into_iter().take(30) {
                let by_host = !self.variant.selects_routes() && request == RequestKind::Hit;
                let host = if by_host { route.authority() } else { HOST.to_owned() };
                let (method, path) = (request.method(route), request.path(route));
                let response = http1::Request::new(method, &host, &path).send(self.address())?;
                let expected = match request {
                    RequestKind::Hit => Some(route.authority()),
                    RequestKind::Miss => Some(HOST.to_owned()),
                    RequestKind::NotFound | RequestKind::NotAllowed => None,
                };
                ensure!(
                    response.status == status && response.header(REACHED) == expected.as_deref(),
                    "{method} {host}{path}: status {} from {:?}, expected {status} from {expected:?}\n{}",
                    response.status,
                    response.header(REACHED),
                    self.gateway.log_tail()
                );
            }
        }
        Ok(())
    }
}
