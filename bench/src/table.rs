//! One logical table of routes, of any size, which every variant renders in its own form, and the requests that use it.

use serde_json::{Value, json};

use crate::load::Requests;

/// The public host of all tables.
pub const HOST: &str = "api.example.com";
/// The prefix of all paths that belong to the table.
pub const BASE: &str = "/faas";
/// The prefix of paths on the public host that do not belong to the table.
pub const OTHER: &str = "/next";
/// The namespace of the services.
pub const NAMESPACE: &str = "shop";
/// The domain of the services.
pub const DOMAIN: &str = "example.com";

/// The largest number of services. A smaller table has one service per ten routes.
const SERVICES: usize = 1_000;
/// The largest number of different requests in a load.
const REQUESTS: usize = 1_000;

/// The form of the paths of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Only literal segments.
    Static,
    /// One captured segment in each path.
    Parameters,
}

impl Shape {
    pub const ALL: [Self; 2] = [Self::Static, Self::Parameters];

    /// Returns the name in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Parameters => "parameters",
        }
    }
}

/// The name of [`Table::public_api`] in the results.
pub const PUBLIC_API: &str = "public API";

#[derive(Debug, Clone)]
pub struct Table {
    /// The name in the results.
    pub name: String,
    pub routes: Vec<Route>,
    /// The number of services.
    services: usize,
}

/// One operation: a method, a path below [`BASE`] that may have `{parameters}`, and the service that implements it.
#[derive(Debug, Clone)]
pub struct Route {
    pub method: String,
    pub path: String,
    pub service: String,
}

impl Route {
    /// Returns the authority of the service.
    pub fn authority(&self) -> String {
        format!("{}.{NAMESPACE}.{DOMAIN}", self.service)
    }

    /// Returns a path, with the base, that the route matches.
    pub fn example(&self) -> String {
        let segments = self.path.split('/').map(|segment| if segment.starts_with('{') { "4711" } else { segment });
        format!("{BASE}{}", segments.collect::<Vec<_>>().join("/"))
    }
}

impl Table {
    pub fn new(shape: Shape, routes: usize) -> Self {
        Self::generation(shape, routes, 0)
    }

    /// Returns a table with the same routes and services in each generation. From one generation to the next, each route
    /// moves to another service.
    pub fn generation(shape: Shape, routes: usize, generation: usize) -> Self {
        let services = number_of_services(routes);
        let parameter = if shape == Shape::Parameters { "/{id}" } else { "" };
        let route = |number| Route {
            method: "GET".to_owned(),
            path: format!("/v1/shops-{}/items-{}{parameter}/details", number / 100, number % 100),
            service: service_name((number + generation) % services),
        };
        Self { name: shape.name().to_owned(), routes: (0..routes).map(route).collect(), services }
    }

    /// Returns GitHub's REST API, which is known to be large.
    pub fn public_api() -> Self {
        let lines = include_str!("../tables/github.txt").lines().filter(|line| !line.starts_with('#'));
        let lines: Vec<_> = lines.filter_map(|line| line.split_once(' ')).collect();
        let services = number_of_services(lines.len());
        let route = |(number, (method, path)): (usize, &(&str, &str))| Route {
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            service: service_name(number % services),
        };
        Self { name: PUBLIC_API.to_owned(), routes: lines.iter().enumerate().map(route).collect(), services }
    }

    pub fn has_parameters(&self) -> bool {
        self.routes.iter().any(|route| route.path.contains('{'))
    }

    /// Returns the document for this filter's `pluginConfig`.
    pub fn document(&self) -> Value {
        let routes = self.routes.iter();
        let routes =
            routes.map(|route| json!({"match": format!("{} {}", route.method, route.path), "service": route.service}));
        json!({"hosts": [HOST], "basePath": BASE, "domain": DOMAIN, "namespace": NAMESPACE, "routes": routes.collect::<Vec<_>>()})
    }

    /// Returns the authorities of all services.
    pub fn authorities(&self) -> Vec<String> {
        (0..self.services).map(|number| format!("{}.{NAMESPACE}.{DOMAIN}", service_name(number))).collect()
    }

    /// Returns routes from all parts of the table, in another order than the table's.
    pub fn sample(&self) -> Vec<&Route> {
        let count = self.routes.len().min(REQUESTS);
        let step = self.routes.len() / count;
        // 389 is prime, so each route is visited once, unless the number of routes is a multiple of 389.
        let stride = if count.is_multiple_of(389) { 1 } else { 389 };
        (0..count).map(|number| &self.routes[(number * stride % count) * step]).collect()
    }

    /// Returns requests of a kind for routes from all parts of the table, with the status that they must get.
    pub fn requests(&self, request: RequestKind, status: u16) -> Requests {
        let head = |route: &&Route| head(request.method(route), HOST, &request.path(route));
        Requests { heads: self.sample().iter().map(head).collect(), status }
    }
}

/// Returns the number of services for a number of routes: at least two, so that the router has a choice.
fn number_of_services(routes: usize) -> usize {
    (routes / 10).clamp(2, SERVICES)
}

fn service_name(number: usize) -> String {
    format!("items{number}")
}

/// The relation of a request to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// A route matches the request.
    Hit,
    /// The path is not below the table's base, so the request passes unchanged.
    Miss,
    /// The path is below the base, but no route has it.
    NotFound,
    /// Some route has the path, but none has it with this method.
    NotAllowed,
}

impl RequestKind {
    pub const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::NotFound, Self::NotAllowed];

    /// Returns the name in the results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::NotFound => "404",
            Self::NotAllowed => "405",
        }
    }

    pub fn method(self, route: &Route) -> &str {
        if self == Self::NotAllowed { "PROPFIND" } else { &route.method }
    }

    /// Returns the path of a request of this kind that is derived from a route.
    pub fn path(self, route: &Route) -> String {
        let path = route.example();
        match self {
            Self::Hit | Self::NotAllowed => path,
            Self::Miss => path.replacen(BASE, OTHER, 1),
            Self::NotFound => format!("{}/no/such/path/here", path.trim_end_matches('/')),
        }
    }
}

/// Returns the bytes of a request with the headers that every client sends.
pub fn head(method: &str, host: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: bench/1\r\naccept: */*\r\n\r\n").into_bytes()
}
