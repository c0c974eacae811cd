//! Makes tables from what describes a team's services already.

pub mod ksvc;
pub mod openapi;
