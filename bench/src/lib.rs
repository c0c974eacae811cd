//! What the filter costs beside what else would do its work, measured in real Envoy: `cargo xtask bench`.

mod plot;
pub mod report;
pub mod results;
