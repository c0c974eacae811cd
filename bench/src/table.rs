//! One logical table, of any size, that every variant renders in its own form; and the requests that try it.

use serde_json::{Value, json};

use crate::load::Requests;

/// The public host of all tables.
pub const HOST: &str = "api.example.com";
/// What all paths of the public host begin with that are the table's.
pub const BASE: &str = "/faas";
/// What paths begin with that are not.
pub const OTHER: &str = "/next";
/// The namespace and domain of the services.
pub const NAMESPACE: &str = "shop";
pub const DOMAIN: &str = "example.com";

/// How many services there are at most: a hundred functions of ten operations each, and so on.
const SERVICES: usize = 1_000;
/// How many different requests a load has at most.
const REQUESTS: usize = 1_000;

/// What its paths are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Literals alone.
    Static,
    /// One captured segment each.
    Parameters,
}

impl Shape {
    pub const ALL: [Self; 2] = [Self::Static, Self::Parameters];

    /// As results name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Parameters => "parameters",
        }
    }
}

/// What results call [`Table::public_api`].
pub const PUBLIC_API: &str = "public API";

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    /// As results name it.
    pub name: String,
    pub routes: Vec<Route>,
    /// How many services there are.
    services: usize,
}

/// One operation: a method, a path below [`BASE`] with `{names}` in it, and the service that it is for.
#[derive(Debug, Clone)]
pub struct Route {
    pub method: String,
    pub path: String,
    pub service: String,
}

impl Route {
    /// Of the service.
    pub fn authority(&self) -> String {
        format!("{}.{NAMESPACE}.{DOMAIN}", self.service)
    }

    /// A path, with the base, that it matches.
    pub fn example(&self) -> String {
        let segments = self.path.split('/').map(|segment| if segment.starts_with('{') { "4711" } else { segment });
        format!("{BASE}{}", segments.collect::<Vec<_>>().join("/"))
    }
}

impl Table {
    pub fn new(shape: Shape, routes: usize) -> Self {
        Self::generation(shape, routes, 0)
    }

    /// The same table, but that each route leads to another of the same services than in the last generation.
    pub fn generation(shape: Shape, routes: usize, generation: usize) -> Self {
        let services = services(routes);
        let parameter = if shape == Shape::Parameters { "/{id}" } else { "" };
        let route = |number| Route {
            method: "GET".to_owned(),
            path: format!("/v1/shops-{}/items-{}{parameter}/details", number / 100, number % 100),
            service: service((number + generation) % services),
        };
        Self { name: shape.name().to_owned(), routes: (0..routes).map(route).collect(), services }
    }

    /// GitHub's REST API, one of those that are known to be large.
    pub fn public_api() -> Self {
        let lines = include_str!("../tables/github.txt").lines().filter(|line| !line.starts_with('#'));
        let lines: Vec<_> = lines.filter_map(|line| line.split_once(' ')).collect();
        let services = services(lines.len());
        let route = |(number, (method, path)): (usize, &(&str, &str))| Route {
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            service: service(number % services),
        };
        Self { name: PUBLIC_API.to_owned(), routes: lines.iter().enumerate().map(route).collect(), services }
    }

    pub fn has_parameters(&self) -> bool {
        self.routes.iter().any(|route| route.path.contains('{'))
    }

    /// As `pluginConfig` has it.
    pub fn document(&self) -> Value {
        let routes = self.routes.iter();
        let routes =
            routes.map(|route| json!({"match": format!("{} {}", route.method, route.path), "service": route.service}));
        json!({"hosts": [HOST], "basePath": BASE, "domain": DOMAIN, "namespace": NAMESPACE, "routes": routes.collect::<Vec<_>>()})
    }

    /// The authorities of all services.
    pub fn authorities(&self) -> Vec<String> {
        (0..self.services).map(|number| format!("{}.{NAMESPACE}.{DOMAIN}", service(number))).collect()
    }

    /// Routes from all over the table, in an order that is not the table's.
    pub fn sample(&self) -> Vec<&Route> {
        let count = self.routes.len().min(REQUESTS);
        let step = self.routes.len() / count;
        // 389 is prime: all of them, each once, unless there are so many.
        let stride = if count.is_multiple_of(389) { 1 } else { 389 };
        (0..count).map(|number| &self.routes[(number * stride % count) * step]).collect()
    }

    /// Such requests, for routes from all over the table, and the status that is to answer them.
    pub fn requests(&self, request: Request, status: u16) -> Requests {
        let head = |route: &&Route| head(request.method(route), HOST, &request.path(route));
        Requests { heads: self.sample().iter().map(head).collect(), status }
    }
}

/// How many there are for so many routes: at least two, so that there is a choice.
fn services(routes: usize) -> usize {
    (routes / 10).clamp(2, SERVICES)
}

fn service(number: usize) -> String {
    format!("items{number}")
}

/// What a request is to a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A route matches it.
    Hit,
    /// Not below the table's base: it passes as it came.
    Miss,
    /// Below the base, where there is no such path.
    NotFound,
    /// A path that there is, with another method.
    NotAllowed,
}

impl Request {
    pub const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::NotFound, Self::NotAllowed];

    /// As results name it.
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

    /// What it asks for, where it is made of this route.
    pub fn path(self, route: &Route) -> String {
        let path = route.example();
        match self {
            Self::Hit | Self::NotAllowed => path,
            Self::Miss => path.replacen(BASE, OTHER, 1),
            Self::NotFound => format!("{}/no/such/path/here", path.trim_end_matches('/')),
        }
    }
}

/// A request's head, with what a client sends at the least.
pub fn head(method: &str, host: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: bench/1\r\naccept: */*\r\n\r\n").into_bytes()
}
