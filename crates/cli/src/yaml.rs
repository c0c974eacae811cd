//! A YAML or JSON text as a tree in which every key and value knows its line and column.
//!
//! It is read as `kubectl` reads it: scalars by `scalar`, aliases and merge keys put in their place, keys made
//! strings. One thing is kept that `kubectl` drops: keys written twice, for the routing core reports them.

mod error;
mod node;
mod parse;
mod scalar;

pub use error::{YamlError, YamlProblem};
pub use node::{Entry, Key, Node, Style, Value};
pub use parse::{Origin, parse};
