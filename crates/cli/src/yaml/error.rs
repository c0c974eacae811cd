//! Why a text is no YAML that `kubectl` would take, and what to write instead.

use std::fmt;

use crate::source::position::Span;

/// Deeper than any configuration; bounds the recursion of everything that walks a tree.
pub(super) const MAX_DEPTH: usize = 100;

/// Values that aliases may add to a document; a few lines of nested aliases stand for billions.
pub(super) const MAX_ALIASED: usize = 1_000_000;

/// Why a text is no YAML that `kubectl` would take.
#[derive(Debug, Clone, PartialEq)]
pub struct YamlError {
    pub at: Span,
    pub what: YamlProblem,
}

#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum YamlProblem {
    /// The parser's words, and the character that it stopped at.
    Syntax {
        message: String,
        found: Option<char>,
    },
    UnknownAnchor,
    OwnAnchor,
    TooDeep,
    TooManyAliases,
    NoKey,
    NotAKey,
    NotJson {
        word: String,
    },
    Tag {
        tag: String,
        word: String,
    },
    Merge,
}

impl fmt::Display for YamlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message, found } => {
                write!(f, "this is not YAML: {message}")?;
                match found {
                    _ if message == "invalid indentation" => {
                        f.write_str("; indent what is inside [ ] and { } further than the key before it")
                    }
                    Some('{' | '}') => f.write_str("; inside [ ] and { }, write text that has braces in quotes"),
                    Some('*') => f.write_str("; `*` begins an alias, so write text that begins with it in quotes"),
                    Some('\t') => f.write_str("; indent with spaces"),
                    Some(':') => f.write_str("; write text that has a colon and a space in quotes"),
                    Some('@' | '`' | '%') => f.write_str("; write text that begins so in quotes"),
                    _ => Ok(()),
                }
            }
            Self::UnknownAnchor => f.write_str(
                "`*` begins an alias, and there is no anchor of that name; write text that begins with `*` in quotes",
            ),
            Self::OwnAnchor => f.write_str("the value contains itself; write it out"),
            Self::TooDeep => write!(f, "nested more than {MAX_DEPTH} levels deep; no configuration is"),
            Self::TooManyAliases => {
                write!(f, "aliases add more than {MAX_ALIASED} values; write out what is meant")
            }
            Self::NoKey => f.write_str("a key has no name (null); write it, in quotes if it is `null` or `~`"),
            Self::NotAKey => f.write_str("a list or an object can't be a key; write a string"),
            Self::NotJson { word } => {
                write!(f, "`{word}` is a number that JSON does not have; write it in quotes")
            }
            Self::Tag { tag, word } => write!(f, "\"{word}\" can't be read as `{tag}`; take the tag out"),
            Self::Merge => f.write_str("`<<` merges objects; write an alias of an object, or a list of them"),
        }
    }
}
