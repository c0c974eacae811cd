//! HTTPS at the gateway. Envoy looks for the rewritten host among the routes of the server that accepted the
//! connection, so the public host and the hosts of the KSVCs must belong to the same server.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use testenv::http1::{Endpoint, Request, Response};
use testenv::istio::certificates::{Certificate, Purpose};
use testenv::istio::ingress::Setup;
use testenv::istio::{IngressGateway, objects};
use testenv::plugin;
use testenv::stand_in::Report;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use crate::common::protocols::whole;
use crate::common::{orders_table, report};
use crate::{Env, manifest, tests};

tests! {
    one_server_with_the_public_host_and_those_of_the_ksvcs_serves,
    one_server_for_every_host_serves,
    a_server_for_the_public_host_alone_finds_no_route,
    a_ksvc_with_a_gateway_of_its_own_is_not_found,
    a_redirect_to_https_names_the_public_host_where_the_plugin_is_on_the_https_port_alone,
}

const API: &str = "api.example.com";
const ORDERS: &str = "orders.shop.example.com";
const PATH: &str = "/faas/orders/1";

fn one_server_with_the_public_host_and_those_of_the_ksvcs_serves(env: &Env) -> Result<()> {
    let site = Site::start(env, "one-server")?;
    site.serve(&[site.https(&[API, "*.shop.example.com"])?])?;
    site.apply_plugin(1)?;
    site.is_routed()
}

fn one_server_for_every_host_serves(env: &Env) -> Result<()> {
    let site = Site::start(env, "wildcard")?;
    // The certificate needs no host but the public one.
    for hosts in [["*.example.com"], ["*"]] {
        site.serve(&[objects::https_server(site.port(), &hosts, &site.certificate("public", &[API])?)])?;
        site.apply_plugin(1)?;
        site.is_routed()?;
    }
    Ok(())
}

fn a_server_for_the_public_host_alone_finds_no_route(env: &Env) -> Result<()> {
    let site = Site::start(env, "two-servers")?;
    site.serve(&[site.https(&[API])?, named("ksvcs", site.https(&["*.shop.example.com"])?)])?;
    site.apply_plugin(1)?;
    site.gateway.eventually("the KSVC answers", || Ok(site.get(ORDERS)?.status == 200))?;
    site.finds_no_route()?;
    // The remedy is to put both hosts into one server.
    site.serve(&[site.https(&[API, "*.shop.example.com"])?])?;
    site.is_routed()
}

/// With `external-domain-tls` or `http-protocol: Redirected`, net-istio makes a Gateway for each KSVC and binds the
/// KSVC's VirtualService to that Gateway alone.
fn a_ksvc_with_a_gateway_of_its_own_is_not_found(env: &Env) -> Result<()> {
    let site = Site::start(env, "own-gateway")?;
    // Here it does not help to put both hosts into one server, because the VirtualService is not bound to it.
    site.serve(&[site.https(&[API, "*.shop.example.com"])?])?;
    site.apply_plugin(1)?;
    site.is_routed()?;
    let bind = |to: &str| {
        let [mut service, _] = objects::ksvc("own-gateway", ORDERS, env.stand_in.address());
        let gateways = json!([format!("own-gateway/{to}")]);
        *service.pointer_mut("/spec/http/0/match/0/gateways").context("the match of a KSVC")? = gateways.clone();
        service["spec"]["gateways"] = gateways;
        env.plane.cluster().apply(&[service])
    };
    let mut redirecting = objects::http_server(site.gateway.ports()[1]);
    redirecting["hosts"] = json!([ORDERS]);
    redirecting["tls"] = json!({"httpsRedirect": true});
    for server in [named("orders", site.https(&[ORDERS])?), redirecting] {
        let mut own = objects::gateway("own-gateway", &[server]);
        own["metadata"]["name"] = "orders".into();
        env.plane.cluster().apply(&[own])?;
        bind("orders")?;
        site.gateway.eventually("the KSVC is bound to its own Gateway", || Ok(site.get(API)?.status == 404))?;
        site.finds_no_route()?;
        // With the annotations `networking.knative.dev/disable-external-domain-tls: "true"` and
        // `networking.knative.dev/http-protocol: enabled` on the KSVC, net-istio binds it to Knative's shared Gateway
        // again.
        site.gateway.delete("gateway", "orders")?;
        bind("knative-ingress-gateway")?;
        site.is_routed()?;
    }
    Ok(())
}

fn a_redirect_to_https_names_the_public_host_where_the_plugin_is_on_the_https_port_alone(env: &Env) -> Result<()> {
    let site = Site::start(env, "redirect")?;
    let mut plain = objects::http_server(site.gateway.ports()[1]);
    plain["tls"] = json!({"httpsRedirect": true});
    site.serve(&[site.https(&[API, "*.shop.example.com"])?, plain])?;
    let redirected = || {
        let response = Request::get(API, PATH).send(site.gateway.at(site.gateway.ports()[1]))?;
        ensure!(response.status == 301, "{response:?}");
        Ok(response.header("location").unwrap_or_default().to_owned())
    };
    site.apply_plugin(1)?;
    site.is_routed()?;
    ensure!(redirected()? == format!("https://{API}{PATH}"));
    // If the plugin is on both ports, it has already rewritten the host when Envoy redirects.
    site.apply_plugin(2)?;
    site.is_routed()?;
    ensure!(redirected()? == format!("https://{ORDERS}{PATH}"));
    Ok(())
}

// ---- a gateway with certificates

struct Site<'a> {
    env: &'a Env,
    gateway: IngressGateway,
}

impl<'a> Site<'a> {
    fn start(env: &'a Env, namespace: &str) -> Result<Self> {
        Ok(Self { env, gateway: Setup::new(namespace).start(&env.plane)? })
    }

    /// Returns the port for HTTPS.
    fn port(&self) -> u16 {
        self.gateway.ports()[0]
    }

    fn certificate(&self, name: &str, hosts: &[&str]) -> Result<Certificate> {
        self.env.plane.authority().sign(&format!("{}-{name}", self.gateway.namespace()), Purpose::Server(hosts))
    }

    fn https(&self, hosts: &[&str]) -> Result<Value> {
        let name = hosts.concat().replace(['.', '*'], "-");
        Ok(objects::https_server(self.port(), hosts, &self.certificate(&name, hosts)?))
    }

    /// Applies a Gateway with these servers and a KSVC. As with Knative, only KSVCs have routes: the public host has
    /// none.
    fn serve(&self, servers: &[Value]) -> Result<()> {
        self.gateway.serve(servers, &[ORDERS], self.env.stand_in.address())?;
        self.gateway.delete("virtualservice", "catch-all")
    }

    /// Applies the plugin to this many of the gateway's ports.
    fn apply_plugin(&self, ports: usize) -> Result<()> {
        let (namespace, ports) = (self.gateway.namespace(), &self.gateway.ports()[..ports]);
        let plugin = objects::wasm_plugin(manifest()?, namespace, &plugin()?, ports, Some(&orders_table("orders")))?;
        self.gateway.apply_plugin(&plugin).map(drop)
    }

    fn get(&self, host: &str) -> Result<Response> {
        let tls = Some(self.env.plane.authority().client()?);
        Request::get(host, PATH).send(Endpoint { address: self.gateway.at(self.port()), tls })
    }

    /// Sends the same request over HTTP/2. Returns the status and the body.
    fn get_by_http2(&self, host: &'static str) -> Result<(u16, Vec<u8>)> {
        let mut client = rustls::ClientConfig::clone(&*self.env.plane.authority().client()?);
        client.alpn_protocols = vec![b"h2".to_vec()];
        let address = self.gateway.at(self.port());
        Runtime::new()?.block_on(async {
            let stream = TcpStream::connect(address).await?;
            let stream = TlsConnector::from(Arc::new(client)).connect(ServerName::try_from(host)?, stream).await?;
            ensure!(stream.get_ref().1.alpn_protocol() == Some(b"h2"), "the gateway does not offer HTTP/2");
            let stream = TokioIo::new(stream);
            let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            let request = hyper::Request::get(format!("https://{host}{PATH}")).body(whole(""))?;
            let response = client.send_request(request).await?;
            let status = response.status().as_u16();
            Ok((status, response.into_body().collect().await?.to_bytes().to_vec()))
        })
    }

    fn is_routed(&self) -> Result<()> {
        let routed = |report: &Report| {
            ensure!(report.authority == ORDERS && report.header("x-forwarded-host") == Some(API), "{report:?}");
            anyhow::Ok(())
        };
        self.gateway
            .eventually("the route serves", || Ok(self.get(API).is_ok_and(|response| response.status == 200)))?;
        routed(&report(&self.get(API)?)?)?;
        let (status, body) = self.get_by_http2(API)?;
        ensure!(status == 200, "status {status} over HTTP/2: {}", String::from_utf8_lossy(&body));
        routed(&serde_json::from_slice(&body)?)
    }

    /// Checks that Envoy answers 404 because it finds no route. The access log distinguishes this from the filter's
    /// 404.
    fn finds_no_route(&self) -> Result<()> {
        let line = format!("status=404 flags=NR details=route_not_found authority={ORDERS} route=GET /orders/{{id}}");
        let count = || self.gateway.log().matches(&line).count();
        let before = count();
        let response = self.get(API)?;
        ensure!(response.status == 404 && response.header("content-type").is_none(), "{response:?}");
        ensure!(self.get_by_http2(API)?.0 == 404);
        // The log is written once a second.
        self.gateway.eventually("the access log has both requests", || Ok(count() >= before + 2)).context(line.clone())
    }
}

/// Gives a server another name, because two servers on one port need different names.
fn named(name: &str, mut server: Value) -> Value {
    server["port"]["name"] = format!("https-{name}").into();
    server
}
