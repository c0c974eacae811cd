//! Dangers of a table by itself, with or without a manifest, and of the DomainMappings among the files.

use std::sync::Arc;

use ksvc_routing::Decision;

use super::Danger;
use crate::configuration::Configuration;
use crate::manifest::domain_mapping::DomainMapping;
use crate::message::{Message, Other};
use crate::yaml::{Node, Value};
use ksvc_explanation::request::Request;

/// Returns the dangers of a table.
pub(super) fn check(configuration: &Configuration, mappings: &[DomainMapping], found: &mut Vec<(Danger, Message)>) {
    let Some(node) = &configuration.node else { return };
    let report = |at, place: String, danger: Danger| {
        let message = Message::new(danger.kind(), &configuration.source, at, danger.to_string());
        (danger, Message { place, ..message })
    };
    if node.get("denyDirect").is_some_and(|value| matches!(value.value, Value::Bool(true))) {
        for (index, route) in configuration.routes().iter().enumerate() {
            let Some((host, at)) = route.get("host").and_then(|host| Some((host.text()?, host.span))) else { continue };
            if let Some((service, namespace)) = service_of(host, node) {
                let namespace = namespace.filter(|namespace| node.text_at("namespace") != Some(namespace));
                let danger = Danger::DirectHost { host: host.to_owned(), service, namespace };
                found.push(report(at, format!("routes[{index}].host"), danger));
            }
        }
    }
    for (index, host) in node.list("hosts").iter().enumerate() {
        let Some(name) = host.text().map(str::to_lowercase) else { continue };
        let Some(mapping) = mappings.iter().find(|mapping| mapping.host == name) else { continue };
        if !is_left_to_knative(configuration, &name) {
            let place = format!("hosts[{index}]");
            let (danger, message) = report(host.span, place, Danger::MappedHost { host: name });
            let (source, at) = (Arc::clone(&mapping.source), mapping.at.start);
            let other = Other { source, at, place: "the DomainMapping".to_owned() };
            found.push((danger, Message { other: Some(other), ..message }));
        }
    }
}

/// Returns the service and the namespace of a host, if it is that of a Knative Service in the table's domain. The
/// namespace is absent if the host template does not have it.
fn service_of(host: &str, table: &Node) -> Option<(String, Option<String>)> {
    let template = table.text_at("hostTemplate").unwrap_or("{service}.{namespace}.{domain}");
    let template = template.replace("{domain}", table.text_at("domain")?);
    let (labels, parts): (Vec<&str>, Vec<&str>) = (host.split('.').collect(), template.split('.').collect());
    let (mut service, mut namespace) = (None, None);
    for (label, part) in labels.iter().zip(&parts) {
        match *part {
            "{service}" => service = Some((*label).to_owned()),
            "{namespace}" => namespace = Some((*label).to_owned()),
            literal if literal.eq_ignore_ascii_case(label) => {}
            _ => return None,
        }
    }
    (labels.len() == parts.len()).then_some((service?, namespace))
}

/// Returns whether Knative's probes to a host are forwarded, or left as they are.
fn is_left_to_knative(configuration: &Configuration, host: &str) -> bool {
    let table = configuration.compile().0.table;
    // net-istio asks for `/healthz`, net-gateway-api for `/`.
    ["/", "/healthz"].into_iter().all(|path| {
        let mut request = Request::new("GET", format!("http://{host}{path}").as_bytes());
        request.headers.push((b"k-network-probe".to_vec(), b"probe".to_vec()));
        let headers = request.header_refs();
        !matches!(table.decide(&request.head(&headers), || false), Decision::Answer(_))
    })
}
