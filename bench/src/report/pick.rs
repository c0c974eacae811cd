//! Selects and sorts the measurements that a table or a plot shows.

use std::collections::BTreeSet;

use super::wording::rank;
use crate::results::{Measurement, Quantity, Results};

/// Returns the measurements of a quantity, sorted by table, request, number of routes and variant.
pub(crate) fn of_quantity(results: &Results, quantity: Quantity) -> Vec<&Measurement> {
    let mut found: Vec<_> =
        results.measurements.iter().filter(|measurement| measurement.quantity == quantity).collect();
    found.sort_by_key(|measurement| {
        let Measurement { variant, table, request, routes, .. } = measurement;
        (table_rank(table), table, request_rank(request), request, *routes, rank(variant), variant)
    });
    found
}

fn table_rank(table: &str) -> usize {
    ["", "static", "parameters"].iter().position(|known| *known == table).unwrap_or(3)
}

fn request_rank(request: &str) -> usize {
    ["", "hit", "miss"].iter().position(|known| *known == request).unwrap_or(3)
}

/// Returns one measurement for each variant, table and request: the one whose number of routes is nearest to 1,000.
pub(crate) fn near_thousand<'r>(measurements: &[&'r Measurement]) -> Vec<&'r Measurement> {
    let mut nearest: Vec<&Measurement> = Vec::new();
    for &measurement in measurements {
        let is_same = |other: &&mut &Measurement| {
            (&other.variant, &other.table, &other.request)
                == (&measurement.variant, &measurement.table, &measurement.request)
        };
        match nearest.iter_mut().find(is_same) {
            Some(other) if distance(measurement) < distance(other) => *other = measurement,
            Some(_) => {}
            None => nearest.push(measurement),
        }
    }
    nearest
}

/// Returns the distance from 1,000 routes, as the logarithm of the factor between them.
fn distance(measurement: &Measurement) -> f64 {
    (measurement.routes.max(1) as f64 / 1000.0).ln().abs()
}

/// Returns the values without repetitions, in the order of their first occurrence.
pub(crate) fn distinct<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    distinct
}

/// Returns all numbers of routes.
pub(crate) fn sizes(measurements: &[&Measurement]) -> BTreeSet<usize> {
    measurements.iter().map(|measurement| measurement.routes).collect()
}
