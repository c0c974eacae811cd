//! All kinds of messages in one list: those of files, of manifests, of imports, and of tables.

use ksvc_routing::CATALOGUE;

use crate::danger::Danger;
use crate::import;
use crate::kind::{MessageKind, OF_FILES};
use crate::render::OF_RENDERING;
use crate::words::nearest;

/// Returns all kinds of messages.
pub fn kinds() -> Vec<MessageKind> {
    let of_tables = CATALOGUE.iter().map(|entry| MessageKind {
        code: entry.code,
        severity: entry.severity,
        explanation: entry.explanation,
    });
    let of_commands = OF_RENDERING.iter().copied().chain(import::kinds());
    OF_FILES.iter().chain(Danger::KINDS).copied().chain(of_commands).chain(of_tables).collect()
}

/// Returns the kind with a code, or else what to say about the code. The user may also have meant one of the `words`.
pub fn find<const N: usize>(code: &str, words: [&str; N]) -> Result<MessageKind, String> {
    let kinds = kinds();
    if let Some(kind) = kinds.iter().find(|kind| kind.code == code) {
        return Ok(*kind);
    }
    Err(match nearest(code, kinds.iter().map(|kind| kind.code).chain(words)) {
        Some(near) => format!("there is no such code; did you mean `{near}`?"),
        None => "there is no such code; a code is the word in brackets at the end of a message".to_owned(),
    })
}
