//! Why `kubectl` would not accept a text as YAML, and what to write instead.

use std::fmt;

use crate::source::position::Span;

/// The deepest nesting that is read. No configuration is as deep; it bounds the recursion of every function that walks
/// a tree.
pub(super) const MAX_DEPTH: usize = 100;

/// How many values aliases may add to a document: a few lines of nested aliases can stand for billions.
pub(super) const MAX_ALIASED: usize = 1_000_000;

/// An error in a YAML text.
#[derive(Debug, Clone, PartialEq)]
pub struct YamlError {
    pub at: Span,
    pub what: YamlProblem,
}

/// The kinds of errors in a YAML text. `Display` says what is wrong and what to write instead.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum YamlProblem {
    /// The parser's message, and the character at which the parser stopped.
    Syntax {
        message: String,
        found: Option<char>,
    },
    UnknownAnchor,
    /// An alias inside the value that it stands for.
    OwnAnchor,
    TooDeep,
    TooManyAliases,
    NullKey,
    /// A key that is a list or an object.
    CompositeKey,
    /// A number that JSON can't represent, such as `.inf`.
    NotJson {
        word: String,
    },
    /// A scalar that can't be read as the type that its tag names.
    Tag {
        tag: String,
        word: String,
    },
    /// `<<` with a value that is not an object.
    Merge,
    /// Marks of a version control system.
    Conflict,
    /// An expression of Helm.
    Unfilled,
    /// A tab in the indentation.
    Tab,
    /// A dash or a colon without the space after it.
    NoSpace {
        after: char,
        write: String,
    },
    /// A key of a table or a route without the colon after it.
    NoColon {
        key: String,
        write: String,
    },
    /// A list or an object in brackets that is not closed. `write` is the line with the brackets that close it.
    OpenBracket {
        close: String,
        write: String,
    },
    /// A mistake in a text that is JSON by its beginning.
    Json {
        message: String,
    },
    /// A value that has to be in quotes. `write` is the entry or the element with quotes.
    Unquoted {
        write: String,
    },
    /// A line that is indented with another number of spaces than the lines beside it.
    Indentation {
        found: usize,
        expected: usize,
    },
    /// A quote that is not closed.
    OpenQuote,
    /// A key that begins with a character that looks like a space.
    InvisibleIndentation {
        character: char,
    },
}

impl fmt::Display for YamlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message, found } => {
                write!(f, "this is not YAML: {message}")?;
                match found {
                    _ if message == "invalid indentation" => {
                        f.write_str("; indent lines inside [ ] and { } more than the key before them")
                    }
                    _ if message.contains("while parsing a flow sequence") => f.write_str("; close the list with `]`"),
                    _ if message.contains("while parsing a flow mapping") => f.write_str("; close the object with `}`"),
                    Some('{' | '}') => f.write_str("; inside [ ] and { }, write text that has braces in quotes"),
                    Some('*') => f.write_str("; `*` begins an alias, so write text that begins with it in quotes"),
                    Some('\t') => f.write_str("; indent with spaces"),
                    Some(':') => f.write_str("; write text that has a colon and a space in quotes"),
                    Some('@' | '`' | '%') => f.write_str("; write text that begins with this character in quotes"),
                    _ => Ok(()),
                }
            }
            Self::UnknownAnchor => f.write_str(
                "`*` begins an alias, and there is no anchor of that name; write text that begins with `*` in quotes",
            ),
            Self::OwnAnchor => f.write_str("the value contains itself; write it out"),
            Self::TooDeep => write!(f, "nested more than {MAX_DEPTH} levels deep; no configuration needs that many"),
            Self::TooManyAliases => {
                write!(f, "aliases add more than {MAX_ALIASED} values; write the values out instead")
            }
            Self::NullKey => f.write_str("a key has no name (null); write a name, in quotes if it is `null` or `~`"),
            Self::CompositeKey => f.write_str("a list or an object can't be a key; write a string"),
            Self::NotJson { word } => {
                write!(f, "`{word}` is a number that JSON does not have; write it in quotes")
            }
            Self::Tag { tag, word } => write!(f, "\"{word}\" can't be read as `{tag}`; remove the tag"),
            Self::Conflict => f.write_str(
                "this is a mark of a merge conflict; keep one of the two versions, and delete the lines that begin with \
                 `<<<<<<<`, `=======` and `>>>>>>>`",
            ),
            Self::Unfilled => f.write_str(
                "this is a template that is not filled in; check what Helm makes of it: `helm template … | ksvc-router check -`",
            ),
            Self::Tab => f.write_str("this line is indented with a tab, which YAML does not allow; indent with spaces"),
            Self::NoSpace { after, write } => write!(f, "there is no plain space after the `{after}`; write `{write}`"),
            Self::NoColon { key, write } => write!(f, "there is no `:` after `{key}`; write `{write}`"),
            Self::OpenBracket { close, write } => {
                write!(f, "the `{close}` that closes this bracket is missing; write `{write}`")
            }
            Self::Json { message } => write!(f, "this is not JSON: {message}"),
            Self::Unquoted { write } => write!(f, "YAML reads this value differently without quotes; write `{write}`"),
            Self::Indentation { found, expected } => write!(
                f,
                "this line begins with {found} {}, and those beside it with {expected}; write {expected}",
                if *found == 1 { "space" } else { "spaces" }
            ),
            Self::OpenQuote => f.write_str("this quote is not closed; write another `\"` at the end of the value"),
            Self::InvisibleIndentation { character } => write!(
                f,
                "this line begins with U+{:04X}, which looks like a space and is none; indent with plain spaces",
                u32::from(*character)
            ),
            Self::Merge => f.write_str("`<<` merges objects; write an alias of an object, or a list of such aliases"),
        }
    }
}
