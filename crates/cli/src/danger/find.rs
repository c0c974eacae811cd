//! Looks for dangers in every table, alone and beside every other table.

use super::Danger;
use super::placed::Placed;
use crate::configuration::Configuration;
use crate::manifest::gateway::Gateway;
use crate::message::Message;

/// Returns all dangers around the given tables, in the order of the tables.
pub fn dangers(configurations: &[&Configuration], gateways: &[Gateway]) -> Vec<(Danger, Message)> {
    let mut found = Vec::new();
    let placed: Vec<Placed> = configurations.iter().filter_map(|configuration| Placed::new(configuration)).collect();
    for (index, table) in placed.iter().enumerate() {
        table.check_alone(gateways, &mut found);
        // Two files may hold the same object, as overlays do; in the cluster it exists once.
        let others = placed[..index].iter().filter(|other| other.identity != table.identity);
        for other in others.filter(|other| other.workloads.may_meet(&table.workloads)) {
            table.check_beside(other, &mut found);
        }
    }
    found
}
