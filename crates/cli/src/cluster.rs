//! What a cluster says about an installation: whether it can work (`doctor`), and which table each gateway pod serves
//! (`status`).
//!
//! `connect` finds the API server and `read` reads objects, by GET and LIST alone: nothing in the cluster is changed.
//! `image` asks a registry for the image of the module. All that follows is pure: `doctor` judges the `objects` that were
//! read, and `status` compares the metrics of the pods with a table.

pub mod connect;
pub mod doctor;
pub mod finding;
pub mod image;
pub mod metrics;
pub mod objects;
pub mod plugins;
pub mod read;
pub mod status;
