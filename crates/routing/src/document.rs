//! The document as the user wrote it: the way from JSON to a [`config::Config`].

pub mod config;
pub(crate) mod read;
pub(crate) mod suggest;
pub(crate) mod value;
