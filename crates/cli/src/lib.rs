//! What the command `ksvc-router` is made of, for the tests and tools of this repository too.
//!
//! The way of a file: `source` (text) → `yaml` (tree with positions) → `manifest` (where the configuration is)
//! → `configuration` (compiled, problems as `message`s at line and column) → `check`, which adds what is a `danger`
//! in the manifests around the tables. `cases` reads the tables of
//! requests and expectations, `explanation` says what becomes of a request, and the two are compared.

pub mod admission;
pub mod cases;
pub mod check;
pub mod configuration;
pub mod danger;
pub mod explanation;
pub mod load;
pub mod manifest;
pub mod message;
pub mod request;
pub mod source;
pub mod yaml;
