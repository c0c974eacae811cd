//! The fuzz targets: each has a function that gets the bytes that libFuzzer makes. `cargo xtask fuzz` runs them.
//!
//! Decisions are compared with those of the slow, obvious matcher in the tests of the routing crate. No internals are
//! used: a document goes in and a decision comes out. An input of text consists of lines, so that a seed can be written
//! by hand and a failing input can be read.

#[path = "../../crates/routing/tests/common/broken.rs"]
mod broken;
#[path = "../../crates/routing/tests/common/mod.rs"]
mod common;
#[path = "../../crates/routing/tests/common/slow.rs"]
mod slow;

mod configuration;
mod decide;
mod hosts;
mod input;
mod paths;
mod templates;

pub use configuration::configuration;
pub use decide::decide;
pub use hosts::hosts;
pub use paths::paths;
pub use templates::templates;
