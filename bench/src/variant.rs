//! The ways in which a request for the public host comes to the service that a table names, one file each.

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
use crate::table::{HOST, PUBLIC_API, Request, Table, head};
use crate::tools::Tools;
use crate::upstream::REACHED;
use proxy::Proxy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variant {
    /// The gateway without a table: services are called by host.
    Bare,
    /// The same with the filter that does nothing.
    NoOp,
    Ours,
    Lua,
    /// Routes as istiod makes them of a VirtualService.
    Native,
    MatcherTree,
    /// A ReverseProxy of Go's standard library in front of the gateway.
    Go,
    /// nginx in front of the gateway.
    Nginx,
    /// Knative's sample: a VirtualService that sends a request through the gateway once more, by host.
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

    /// As results name it.
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

    /// Whether it looks for the route of a request at all.
    pub fn routes(self) -> bool {
        !matches!(self, Self::Bare | Self::NoOp)
    }

    /// The status that answers such a request; `None` where the variant tells it from no other, or never sees it.
    pub fn status(self, request: Request) -> Option<u16> {
        match (request, self) {
            (Request::Hit, _) => Some(200),
            // What is in front of the gateway has a name of its own there, and only the table's requests.
            (Request::Miss, Self::Go | Self::Nginx) => None,
            (Request::Miss, _) => Some(200),
            (Request::NotFound | Request::NotAllowed, Self::Bare | Self::NoOp) => None,
            (Request::NotFound, _) => Some(404),
            (Request::NotAllowed, Self::Ours | Self::Lua | Self::Go) => Some(405),
            (Request::NotAllowed, _) => None,
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

    /// Why it is not tried with that table.
    pub fn refuses(self, table: &Table) -> Option<&'static str> {
        let many = table.routes.len() > 10_000 && table.has_parameters();
        match self {
            Self::Native | Self::SecondPass if many => Some("a request would take tens of milliseconds"),
            Self::Nginx if many => Some("a request would take milliseconds"),
            Self::Go if table.name == PUBLIC_API => {
                Some("http.ServeMux panics at two patterns that match one path and of which neither is more specific")
            }
            _ => None,
        }
    }

    /// The requests of a load that are such ones to this variant.
    pub fn requests(self, table: &Table, request: Request) -> Option<Requests> {
        let status = self.status(request)?;
        if self.routes() || request != Request::Hit {
            return Some(table.requests(request, status));
        }
        let by_host = table.sample().into_iter().map(|route| head("GET", &route.authority(), &route.example()));
        Some(Requests { heads: by_host.collect(), status })
    }

    fn parts(self, tools: &Tools, table: &Table, version: u64) -> Result<Parts> {
        match self {
            Self::Bare | Self::Go | Self::Nginx => Ok(bare::parts()),
            // It has the same document, and never looks at it.
            Self::NoOp => ours::parts(&tools.no_op, &table.document(), version),
            Self::Ours => ours::parts(&tools.module, &table.document(), version),
            Self::Lua => Ok(lua::parts(table)),
            Self::Native => Ok(native::parts(table)),
            Self::MatcherTree => Ok(matcher_tree::parts(table)),
            Self::SecondPass => Ok(second_pass::parts(table)),
        }
    }

    /// Starts all of it in front of the upstream.
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

/// The `typed_config` of the Lua filter, that of proxy-wasm being [`crate::ecds::wasm`].
pub fn lua(table: &Table) -> Value {
    lua::typed_config(table)
}

/// A variant that runs.
pub struct System {
    pub variant: Variant,
    pub gateway: Gateway,
    /// The version of the table that the gateway has.
    version: u64,
    proxy: Option<Proxy>,
}

impl System {
    /// Where requests are sent.
    pub fn address(&self) -> SocketAddr {
        self.proxy.as_ref().map_or(self.gateway.address(), Proxy::address)
    }

    /// Renders the edit to another table of the same services, so that handing it over takes no further work.
    pub fn prepare(&mut self, tools: &Tools, table: &Table) -> Result<Edit> {
        self.version += 1;
        let parts = self.variant.parts(tools, table, self.version)?;
        Ok(self.gateway.prepare(&parts, table, self.version))
    }

    /// Of the gateway's process alone.
    pub fn gateway_meter(&self) -> Meter {
        Meter::processes([self.gateway.id()])
    }

    /// Of every process between the client and the service.
    pub fn meter(&self) -> Meter {
        let proxy = self.proxy.as_ref().map(Proxy::id);
        Meter::processes([self.gateway.id()].into_iter().chain(proxy))
    }

    pub fn load(&self, table: &Table, request: Request) -> Result<Option<Load>> {
        let requests = self.variant.requests(table, request);
        requests.map(|requests| Load::open(self.address(), CONNECTIONS, requests)).transpose()
    }

    /// Sends it a few requests of every kind: each must have its status and reach the service that it is for.
    fn check(&self, table: &Table) -> Result<()> {
        for request in Request::ALL {
            let Some(status) = self.variant.status(request) else { continue };
            for route in table.sample().into_iter().take(30) {
                let by_host = !self.variant.routes() && request == Request::Hit;
                let host = if by_host { route.authority() } else { HOST.to_owned() };
                let (method, path) = (request.method(route), request.path(route));
                let response = http1::Request::new(method, &host, &path).send(self.address())?;
                let expected = match request {
                    Request::Hit => Some(route.authority()),
                    Request::Miss => Some(HOST.to_owned()),
                    Request::NotFound | Request::NotAllowed => None,
                };
                ensure!(
                    response.status == status && response.header(REACHED) == expected.as_deref(),
                    "{method} {host}{path} was answered {} and reached {:?}; {status} and {expected:?} were to be\n{}",
                    response.status,
                    response.header(REACHED),
                    self.gateway.log_tail()
                );
            }
        }
        Ok(())
    }
}
