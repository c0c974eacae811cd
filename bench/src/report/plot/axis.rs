//! Axes: where a value lies between the ends of one, and at which values it has ticks.

use crate::report::wording::{count, fixed};
use crate::results::Spread;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    Linear,
    Logarithmic,
    /// Of percentiles: 90, 99 and 99.9 are as far from one another.
    Nines,
}

#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) scale: Scale,
    from: f64,
    to: f64,
    /// Values and what they are called, from the least on.
    pub(super) ticks: Vec<(f64, String)>,
}

/// A linear axis begins at 0; what differs by more than this needs a logarithmic one.
const MOST_OF_LINEAR: f64 = 12.0;

impl Axis {
    /// Of numbers of routes, with a tick at each.
    pub(super) fn routes(sizes: impl IntoIterator<Item = usize>) -> Self {
        let ticks: Vec<(f64, String)> =
            sizes.into_iter().map(|size| (size.max(1) as f64, count(size as u64))).collect();
        let from = ticks.first().map_or(1.0, |(value, _)| *value);
        let to = ticks.last().map_or(1.0, |(value, _)| *value);
        // A single size stands in the middle.
        let (from, to) = if from < to { (from, to) } else { (from / 2.0, to * 2.0) };
        Self { scale: Scale::Logarithmic, from, to, ticks }
    }

    /// From the least percentile on.
    pub(super) fn percentiles() -> Self {
        let ticks = [0.0, 50.0, 90.0, 99.0, 99.9, 99.99].map(|percentile| (percentile, format!("{percentile}")));
        Self { scale: Scale::Nines, from: 0.0, to: 99.99, ticks: ticks.into() }
    }

    /// Of measured values, with room for their spreads.
    pub(super) fn values(spreads: &[Spread]) -> Self {
        let medians = || spreads.iter().map(|spread| spread.median).filter(|median| *median > 0.0);
        let most = spreads.iter().map(|spread| spread.most).fold(0.0, f64::max);
        let least_median = medians().fold(f64::INFINITY, f64::min);
        if !least_median.is_finite() || most / least_median <= MOST_OF_LINEAR {
            let most = if most > 0.0 { most } else { 1.0 };
            let step = step(most);
            let mut axis = Self::from_zero(most);
            axis.to = (most / step - 1e-9).ceil() * step;
            axis.ticks = linear_ticks(axis.to, step);
            return axis;
        }
        // The low end of a spread may be cut off: noise around 0 would take the whole axis.
        let lows = spreads.iter().map(|spread| spread.least).filter(|low| *low > least_median / 3.0);
        Self::logarithmic(lows.fold(least_median, f64::min), most)
    }

    /// From 0 to a value, which need not have a tick.
    pub(super) fn from_zero(most: f64) -> Self {
        let most = if most > 0.0 { most } else { 1.0 };
        Self { scale: Scale::Linear, from: 0.0, to: most, ticks: linear_ticks(most, step(most)) }
    }

    fn logarithmic(least: f64, most: f64) -> Self {
        let first = least.log10().floor() as i32;
        let last = most.log10().ceil() as i32;
        let steps: &[f64] = if f64::from(last) - least.log10() > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let marks = |steps: &[f64]| -> Vec<(f64, i32)> {
            let of_decade =
                |decade: i32| steps.iter().map(move |step| (step * 10f64.powi(decade), decade)).collect::<Vec<_>>();
            (first..=last).flat_map(of_decade).collect()
        };
        // The ends lie at 1, 2 or 5, even if only decades have ticks.
        let ends = marks(&[1.0, 2.0, 5.0]);
        let from =
            ends.iter().map(|(value, _)| *value).filter(|value| *value <= least * (1.0 + 1e-9)).fold(0.0, f64::max);
        let above = ends.iter().map(|(value, _)| *value).filter(|value| *value >= most * (1.0 - 1e-9));
        let to = above.fold(f64::INFINITY, f64::min);
        let is_within = |(value, _): &(f64, i32)| *value >= from * (1.0 - 1e-9) && *value <= to * (1.0 + 1e-9);
        let called = |(value, decade): (f64, i32)| (value, fixed(value, usize::try_from(-decade).unwrap_or(0)));
        let ticks = marks(steps).into_iter().filter(is_within).map(called).collect();
        Self { scale: Scale::Logarithmic, from, to, ticks }
    }

    /// 0 at the beginning and 1 at the end; what lies outside is brought to its end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let [from, to, value] = [self.from, self.to, value].map(|value| match self.scale {
            Scale::Linear => value,
            Scale::Logarithmic => value.max(f64::MIN_POSITIVE).ln(),
            Scale::Nines => -(1.0 - value.clamp(0.0, 99.9999) / 100.0).log10(),
        });
        ((value - from) / (to - from)).clamp(0.0, 1.0)
    }

    pub(super) fn holds(&self, value: f64) -> bool {
        value >= self.from * (1.0 - 1e-9) && value <= self.to * (1.0 + 1e-9)
    }
}

/// 1, 2 or 5 times a power of ten, four to eight times in a value.
fn step(most: f64) -> f64 {
    let power = 10f64.powf((most / 4.0).log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|step| step * power);
    steps.into_iter().find(|step| most / step >= 4.0 - 1e-9).unwrap_or(power)
}

fn linear_ticks(to: f64, step: f64) -> Vec<(f64, String)> {
    let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
    let number = (to / step + 1e-9).floor() as usize;
    (0..=number).map(|index| index as f64 * step).map(|value| (value, fixed(value, decimals))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(value: f64) -> Spread {
        Spread { least: value, median: value, most: value, rounds: 1 }
    }

    fn ticks(values: &[f64]) -> Vec<String> {
        let spreads: Vec<Spread> = values.iter().copied().map(spread).collect();
        Axis::values(&spreads).ticks.into_iter().map(|(_, tick)| tick).collect()
    }

    #[test]
    fn values_of_one_size_are_told_from_zero_and_others_by_their_size() {
        for (values, expected) in [
            (&[3.0, 31.0][..], &["0", "5", "10", "15", "20", "25", "30", "35"][..]),
            (&[0.3, 0.9], &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            (&[30.0, 1900.0], &["20", "50", "100", "200", "500", "1,000", "2,000"]),
            (&[0.02, 50.0], &["0.1", "1", "10"]),
            (&[0.0], &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            (&[-1.0, 0.0, 100.0], &["0", "20", "40", "60", "80", "100"]),
            (&[], &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ] {
            assert_eq!(ticks(values), expected, "{values:?}");
        }
    }

    #[test]
    fn noise_around_zero_is_cut_off() {
        let noise = Spread { least: 1e-9, median: 1.0, most: 2.0, rounds: 3 };
        let axis = Axis::values(&[noise, spread(1000.0)]);
        assert_eq!(axis.ticks.first().map(|(value, _)| *value), Some(1.0));
        assert_eq!(axis.place(noise.least), 0.0);
    }

    #[test]
    fn a_single_size_stands_in_the_middle() {
        assert!((Axis::routes([1000]).place(1000.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn every_nine_is_as_far_from_the_next() {
        let axis = Axis::percentiles();
        let places = [90.0, 99.0, 99.9, 99.99].map(|percentile| axis.place(percentile));
        for (place, expected) in places.into_iter().zip([0.25, 0.5, 0.75, 1.0]) {
            assert!((place - expected).abs() < 1e-6, "{place}");
        }
    }
}
