//! Looks for dangers in all tables, one by one and two by two.

use super::Danger;
use super::placed::Placed;
use crate::configuration::Configuration;
use crate::manifest::gateway::Gateway;
use crate::message::Message;

/// Everything dangerous around the given tables, in the order of the tables.
pub fn dangers(configurations: &[&Configuration], gateways: &[Gateway]) -> Vec<(Danger, Message)> {
    let mut messages = Vec::new();
    let placed: Vec<Placed> = configurations.iter().filter_map(|configuration| Placed::new(configuration)).collect();
    for (index, table) in placed.iter().enumerate() {
        table.tell_alone(gateways, &mut messages);
        // Two files may hold one object, as overlays do: it is there once.
        let others = placed[..index].iter().filter(|other| other.identity != table.identity);
        for other in others.filter(|other| other.workloads.may_meet(&table.workloads)) {
            table.tell_beside(other, &mut messages);
        }
    }
    messages
}
