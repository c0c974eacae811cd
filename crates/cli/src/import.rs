//! Makes tables from what describes a team's services already.

pub mod ksvc;
pub mod openapi;

use crate::kind::MessageKind;

/// Returns the kinds of messages of all imports.
pub fn kinds() -> Vec<MessageKind> {
    openapi::kinds::OF_OPENAPI.iter().copied().chain(ksvc::kinds()).collect()
}
