//! The names of variants and units, and the format of numbers, for both tables and plots.

use crate::results::{Machine, Quantity, Spread};

pub(crate) const OURS: &str = "ours";
pub(crate) const NO_OP: &str = "no-op";
/// The end of the names of variants that are measured with one copy instead of twenty.
pub(crate) const ONE_COPY: &str = ", one copy";

/// The known variants with their labels, in the order in which tables list them.
const VARIANTS: [(&str, &str); 13] = [
    (OURS, "ksvc-router"),
    (NO_OP, "no-op filter"),
    ("ours, one copy", "ksvc-router, one copy"),
    ("no-op, one copy", "no-op filter, one copy"),
    ("bare", "Envoy alone, by host"),
    ("lua", "Lua, hash table"),
    ("lua, one copy", "Lua, hash table, one copy"),
    ("matcher", "Envoy's matcher tree"),
    ("native", "Envoy's routes (VirtualService)"),
    ("second-pass", "VirtualService, second pass"),
    ("nginx", "nginx in front, map by regex"),
    ("go", "Go ReverseProxy in front"),
    ("route selection", "Envoy selects the route again"),
];

/// Returns the label of a variant. The label of an unknown variant is its name.
pub(crate) fn label(variant: &str) -> &str {
    VARIANTS.iter().find(|(id, _)| *id == variant).map_or(variant, |(_, label)| label)
}

/// Returns the position of a variant in lists. Unknown variants come last.
pub(crate) fn rank(variant: &str) -> usize {
    VARIANTS.iter().position(|(id, _)| *id == variant).unwrap_or(VARIANTS.len())
}

/// The unit in which a quantity is shown.
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    /// The size of the unit, in the unit of the results.
    pub(crate) size: f64,
}

/// The results hold latencies in µs; the tables show them in ms.
pub(crate) const MICROSECONDS_IN_A_MILLISECOND: f64 = 1e3;

pub(crate) const fn unit(quantity: Quantity) -> Unit {
    match quantity {
        Quantity::FilterCpu | Quantity::StepCpu => Unit { name: "ns", size: 1.0 },
        Quantity::GatewayCpu | Quantity::ChainCpu => Unit { name: "µs", size: 1e3 },
        Quantity::LoadCpu | Quantity::LoadMainCpu | Quantity::LoadTime => Unit { name: "ms", size: 1e6 },
        Quantity::Memory => Unit { name: "MB", size: 1e6 },
    }
}

/// Converts a spread to a unit.
pub(crate) fn scaled(spread: Spread, unit: &Unit) -> Spread {
    Spread {
        least: spread.least / unit.size,
        median: spread.median / unit.size,
        most: spread.most / unit.size,
        rounds: spread.rounds,
    }
}

/// Formats a spread with the digits that the median needs: `1.23 (1.18 to 1.31)`.
pub(crate) fn spread(spread: Spread) -> String {
    let decimals = decimals(spread.median);
    let [median, least, most] = [spread.median, spread.least, spread.most].map(|value| fixed(value, decimals));
    format!("{median} ({least} to {most})")
}

/// Formats a number with three significant digits, or with all digits before the decimal point if there are more.
pub(crate) fn number(value: f64) -> String {
    fixed(value, decimals(value))
}

fn decimals(value: f64) -> usize {
    match value.abs() {
        0.0 => 0,
        value => (2.0 - value.log10().floor()).clamp(0.0, 6.0) as usize,
    }
}

/// Formats a number with this many decimals: `1,234.50`.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let is_negative = value < 0.0 && digits.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    let sign = if is_negative { "−" } else { "" };
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

/// Formats a number as `1,234`.
pub(crate) fn count(value: u64) -> String {
    fixed(value as f64, 0)
}

/// Formats a number of routes: `1 route`, `1,000 routes`.
pub(crate) fn routes(routes: usize) -> String {
    format!("{} route{}", count(routes as u64), if routes == 1 { "" } else { "s" })
}

/// Describes a machine: `AMD EPYC, 2 cores, Envoy 1.40.0`.
pub(crate) fn machine(machine: &Machine) -> String {
    let cores = format!("{} core{}", machine.cores, if machine.cores == 1 { "" } else { "s" });
    let envoy =
        machine.versions.iter().find(|(name, _)| name == "Envoy").map(|(name, version)| format!("{name} {version}"));
    [machine.processor.clone(), cores].into_iter().chain(envoy).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.01234, "0.0123"),
            (1.0, "1.00"),
            (-9.876, "−9.88"),
            (31.26, "31.3"),
            (656.4, "656"),
            (1234.6, "1,235"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(fixed(-0.001, 1), "0.0");
    }

    #[test]
    fn a_spread_has_the_digits_of_its_median() {
        let shown = spread(Spread { least: 9.5, median: 10.25, most: 1011.0, rounds: 3 });
        assert_eq!(shown, "10.2 (9.5 to 1,011.0)");
    }

    #[test]
    fn an_unknown_variant_keeps_its_name_and_comes_last() {
        assert_eq!((label("ours"), label("other")), ("ksvc-router", "other"));
        assert!(rank("other") > rank("route selection"));
    }
}
