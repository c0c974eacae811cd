//! Pairs the routes of two gateways that are the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Side;
use super::seen::RouteId;

/// The routes that only one of the gateways has. Two routes are the same if they have a method, a path and conditions in
/// common, where `ANY` has every method in common, or else the same name.
pub(super) struct Pairs {
    added: BTreeSet<RouteId>,
    removed: BTreeSet<RouteId>,
}

impl Pairs {
    pub(super) fn new(old: &[Side<'_>], new: &[Side<'_>]) -> Self {
        let (mut removed, mut added) = (all(old), all(new));
        // First those with equal methods, then those of which one has `ANY`.
        for with_method in [true, false] {
            let mut by_requests: HashMap<String, Vec<(bool, RouteId)>> = HashMap::new();
            for RequestKey { key, is_any, route } in requests(old, with_method) {
                by_requests.entry(key).or_default().push((is_any, route));
            }
            let mut shared: BTreeMap<(RouteId, RouteId), usize> = BTreeMap::new();
            for RequestKey { key, is_any, route } in requests(new, with_method) {
                for (_, former) in by_requests
                    .get(&key)
                    .into_iter()
                    .flatten()
                    .filter(|(former_is_any, _)| with_method || is_any || *former_is_any)
                {
                    *shared.entry((*former, route)).or_default() += 1;
                }
            }
            let mut shared: Vec<_> = shared.into_iter().map(|(pair, count)| (std::cmp::Reverse(count), pair)).collect();
            shared.sort();
            for (_, (former, route)) in shared {
                if removed.contains(&former) && added.contains(&route) {
                    removed.remove(&former);
                    added.remove(&route);
                }
            }
        }
        let names = |sides: &[Side<'_>], id: &RouteId| sides[id.table].route_names.get(id.route).cloned();
        let mut by_name: HashMap<Option<String>, Vec<RouteId>> = HashMap::new();
        for route in removed.iter().rev() {
            by_name.entry(names(old, route)).or_default().push(*route);
        }
        for route in added.clone() {
            if let Some(former) = by_name.get_mut(&names(new, &route)).and_then(Vec::pop) {
                removed.remove(&former);
                added.remove(&route);
            }
        }
        Self { added, removed }
    }

    /// Returns whether a route of the new gateway was not in the old one.
    pub(super) fn is_added(&self, route: RouteId) -> bool {
        self.added.contains(&route)
    }

    /// Returns whether a route of the old gateway is not in the new one.
    pub(super) fn is_removed(&self, route: RouteId) -> bool {
        self.removed.contains(&route)
    }
}

fn all(sides: &[Side<'_>]) -> BTreeSet<RouteId> {
    requests(sides, true).map(|request| request.route).collect()
}

/// A path and conditions as a text, with the method or without, and their route.
struct RequestKey {
    key: String,
    is_any: bool,
    route: RouteId,
}

fn requests<'s>(sides: &'s [Side<'_>], with_method: bool) -> impl Iterator<Item = RequestKey> + 's {
    sides.iter().enumerate().flat_map(move |(table, side)| {
        side.outline.paths.iter().flat_map(move |path| {
            path.candidates.iter().map(move |candidate| {
                let method = with_method.then_some(&candidate.method);
                let base = &side.outline.base;
                RequestKey {
                    key: format!("{base:?} {:?} {method:?} {:?}", path.segments, candidate.conditions),
                    is_any: candidate.method.is_none(),
                    route: RouteId { table, route: candidate.route },
                }
            })
        })
    })
}
