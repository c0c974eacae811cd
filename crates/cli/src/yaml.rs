//! Reads a YAML or JSON text into a tree in which every key and every value knows its line and column.
//!
//! Own code on top of `saphyr-parser`'s events, because no crate gives a tree that has columns, keeps keys written
//! twice (the routing core reports them; `kubectl` drops them) and reads scalars and merge keys as `kubectl` does.

mod error;
mod mistake;
mod node;
mod parse;
mod scalar;
mod write;

pub use error::{YamlError, YamlProblem};
pub use node::{Entry, Key, Node, Style, Value};
pub use parse::{Origin, Words, parse, parse_words};
pub use write::write;
