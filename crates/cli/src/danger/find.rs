//! Looks for dangers in every table, alone and beside every other table.

use super::placed::Placed;
use super::{Danger, single, table};
use crate::configuration::Configuration;
use crate::manifest::domain_mapping::DomainMapping;
use crate::manifest::gateway::Gateway;
use crate::message::Message;

/// What other objects of the files say about the gateway.
#[derive(Debug, Default)]
pub struct Surroundings {
    pub gateways: Vec<Gateway>,
    pub domain_mappings: Vec<DomainMapping>,
    /// Istio's root namespace, if it is known. A manifest in another one selects proxies of its own namespace alone.
    pub root_namespace: Option<String>,
}

/// Returns the messages about all dangers around the given tables, in the order of the tables.
pub fn dangers(configurations: &[&Configuration], around: &Surroundings) -> Vec<Message> {
    let mut found: Vec<(Danger, Message)> = Vec::new();
    for configuration in configurations {
        table::check(configuration, &around.domain_mappings, &mut found);
        if let Some((at, danger)) = configuration.envoy_plugin.as_ref().and_then(single::envoy_module_danger) {
            let message = Message::new(danger.kind(), &configuration.source, at, danger.to_string());
            found.push((danger, message));
        }
    }
    let placed: Vec<Placed> = configurations.iter().filter_map(|configuration| Placed::new(configuration)).collect();
    for (index, table) in placed.iter().enumerate() {
        table.check_alone(&around.gateways, &mut found);
        if !table.manifest.kind.is_of_istio() {
            continue;
        }
        table.check_gateways(&around.gateways, &mut found);
        // Two files may hold the same object, as overlays do; in the cluster it exists once.
        let others = placed[..index].iter().filter(|other| other.manifest.kind.is_of_istio());
        let others = others.filter(|other| other.identity != table.identity);
        let root = around.root_namespace.as_deref();
        for other in others.filter(|other| other.workloads.may_meet(&table.workloads, root)) {
            table.check_beside(other, &mut found);
        }
    }
    found.into_iter().map(|(_, message)| message).collect()
}
