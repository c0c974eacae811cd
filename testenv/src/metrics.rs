//! The text in which Prometheus reads metrics.

/// Returns the samples of a page: the name of each metric with its labels, and its value.
pub fn samples(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '))
}
