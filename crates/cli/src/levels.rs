//! What `check --allow` and `--deny` make of the messages: warnings that are silent, and warnings that are errors.

use std::fmt;

use ksvc_routing::Severity;

use crate::catalogue;
use crate::kind::MessageKind;
use crate::message::Message;

/// The word that `--deny` takes beside codes.
const WARNINGS: &str = "warnings";

/// A code of which the messages are silent.
#[derive(Debug, Clone, Copy)]
pub struct Allowed(MessageKind);

/// What is an error even where it is a warning by itself.
#[derive(Debug, Clone, Copy)]
pub enum Denied {
    Warnings,
    Code(MessageKind),
}

/// Reads the value of `--allow`.
pub fn allowed(code: &str) -> Result<Allowed, String> {
    if code == WARNINGS {
        return Err("only single codes can be allowed; name each code".to_owned());
    }
    let kind = catalogue::find(code, [])?;
    match kind.severity {
        Severity::Warning => Ok(Allowed(kind)),
        Severity::Error => {
            Err("this is an error, and only warnings can be allowed; correct what the message says".into())
        }
    }
}

/// Reads the value of `--deny`.
pub fn denied(code: &str) -> Result<Denied, String> {
    if code == WARNINGS {
        return Ok(Denied::Warnings);
    }
    catalogue::find(code, [WARNINGS]).map(Denied::Code)
}

/// Which warnings are silent, and which are errors.
#[derive(Debug, Default)]
pub struct Levels {
    allow: Vec<&'static str>,
    deny: Vec<&'static str>,
    deny_warnings: bool,
}

/// A code that is allowed and denied.
#[derive(Debug)]
pub struct Contradiction(&'static str);

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is allowed and denied; write either --allow or --deny", self.0)
    }
}

impl std::error::Error for Contradiction {}

impl Levels {
    /// An allowed code stays silent beside `--deny warnings`.
    pub fn new(allow: &[Allowed], deny: &[Denied]) -> Result<Self, Contradiction> {
        let mut levels = Self { allow: allow.iter().map(|Allowed(kind)| kind.code).collect(), ..Self::default() };
        for denied in deny {
            match denied {
                Denied::Warnings => levels.deny_warnings = true,
                Denied::Code(kind) if levels.allow.contains(&kind.code) => return Err(Contradiction(kind.code)),
                Denied::Code(kind) => levels.deny.push(kind.code),
            }
        }
        Ok(levels)
    }

    /// Takes allowed messages out, and makes errors of denied ones.
    pub fn apply(&self, messages: Vec<Message>) -> Vec<Message> {
        let level = |message: Message| match message.is_error() {
            true => Some(message),
            false if self.allow.contains(&message.code) => None,
            false if self.deny_warnings || self.deny.contains(&message.code) => {
                Some(Message { severity: Severity::Error, ..message })
            }
            false => Some(message),
        };
        messages.into_iter().filter_map(level).collect()
    }
}
