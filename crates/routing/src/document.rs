//! The document as the user wrote it: from JSON text to a [`config::Config`].
//!
//! `value` parses JSON, `read` turns JSON values into Rust types and reports errors, and `config` defines every key.
//! What the values mean is decided later, in `compile`.

pub mod config;
pub(crate) mod read;
pub(crate) mod value;
