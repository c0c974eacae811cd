//! The fuzz targets: what each does with the octets that libFuzzer makes. `cargo xtask fuzz` runs them.
//!
//! The oracle is the slow, obvious matcher of the routing crate's own tests, and no internals are reached: a document
//! goes in, a decision comes out. Where an input is text, it is text in the corpus too: fields on lines of their
//! own, so that a seed can be written by hand and a finding read.

#[path = "../../crates/routing/tests/common/broken.rs"]
mod broken;
#[path = "../../crates/routing/tests/common/mod.rs"]
mod common;
#[path = "../../crates/routing/tests/common/slow.rs"]
mod slow;

mod configuration;
mod decide;
mod hosts;
mod octets;
mod paths;
mod templates;

pub use configuration::configuration;
pub use decide::decide;
pub use hosts::hosts;
pub use paths::paths;
pub use templates::templates;
