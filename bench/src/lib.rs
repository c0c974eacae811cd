//! Benchmarks of the filter and of its alternatives in real Envoy. `cargo xtask bench` runs them.

pub mod chain;
pub mod compare;
pub mod cpu;
pub mod ecds;
pub mod envoy;
pub mod gateway;
pub mod group;
pub mod load;
pub mod machine;
pub mod paced;
pub mod report;
pub mod reset;
pub mod results;
pub mod rounds;
pub mod run;
pub mod table;
pub mod tools;
pub mod upstream;
pub mod variant;
