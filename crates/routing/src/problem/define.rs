//! The macro `problems!`, and the types that describe the kinds of problems it defines.

/// How serious a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The document is bad, and what the error affects can't be served.
    Error,
    /// The document is served in full. The warning is only reported.
    Warning,
}

/// One kind of problem, as the documentation shows it.
#[derive(Debug, Clone, Copy)]
pub struct CatalogueEntry {
    /// The part of the documentation that the kind belongs to, such as `match`. The kinds of a group are neighbours.
    pub group: &'static str,
    /// The name of the variant of `ProblemKind`.
    pub name: &'static str,
    /// The stable code, such as `duplicate-route`.
    pub code: &'static str,
    /// Whether it is an error or a warning.
    pub severity: Severity,
    /// The explanation: one to three sentences of Markdown, on one line.
    pub explanation: &'static str,
    /// A document that has the problem.
    pub example: Example,
}

/// What the documentation shows of a kind of problem.
#[derive(Debug, Clone, Copy)]
pub enum Example {
    /// The value of `pluginConfig`, in YAML, with this problem. Its lines may have a common indentation.
    PluginConfig(&'static str),
    /// The bytes of a document with this problem, where YAML can't have it.
    Document(&'static str),
    /// A message. This is for a problem that only documents have that are too long to show.
    Message(fn() -> String),
}

/// Defines the kinds of problems: each with its severity, code, fields, message and example, in one place.
///
/// ```text
/// problems! {
///     "hosts" {
///         /// An element of `hosts` is not a host.
///         Error "invalid-host" Host { found: String, reason: &'static str } => {
///             message: "\"{found}\" {reason}; write a host",
///             example: "{hosts: [a b], routes: []}",
///         }
///     }
/// }
/// ```
///
/// expands to
///
/// ```text
/// #[derive(Debug, Clone, PartialEq, Eq)]
/// #[non_exhaustive]
/// pub enum ProblemKind {
///     /// An element of `hosts` is not a host.
///     ///
///     /// Its code is `invalid-host`.
///     Host { found: String, reason: &'static str },
/// }
///
/// impl ProblemKind {
///     pub fn severity(&self) -> Severity {
///         match self { Self::Host { .. } => Severity::Error }
///     }
///     pub fn code(&self) -> &'static str {
///         match self { Self::Host { .. } => "invalid-host" }
///     }
///     pub(crate) fn abridge(&mut self) {
///         match self { Self::Host { found, reason } => { found.abridge(); reason.abridge(); } }
///     }
/// }
///
/// impl fmt::Display for ProblemKind {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         match self { Self::Host { found, reason } => write!(f, "\"{found}\" {reason}; write a host") }
///     }
/// }
///
/// pub const CATALOGUE: &[CatalogueEntry] = &[CatalogueEntry {
///     group: "hosts",
///     name: "Host",
///     code: "invalid-host",
///     severity: Severity::Error,
///     explanation: "An element of `hosts` is not a host.",
///     example: Example::PluginConfig("{hosts: [a b], routes: []}"),
/// }];
/// ```
///
/// A message that needs code is `message: |f| write!(f, …)`, with references to the fields in scope. If the message
/// proposes an edit of the document, `remedy: Remedy::value(write),` after it returns that edit. In place of
/// `example`, there can be `document`, the bytes of a document, or `sample`, the values of the fields for a message:
/// `sample: { found: "a b".into(), reason: "has a space" }`.
macro_rules! problems {
    ($(
        $group:literal {
            $(
                $(#[doc = $doc:literal])+
                $severity:ident $code:literal $kind:ident $({ $($field:ident: $type:ty),* })? => {
                    message: $($text:literal)? $(|$formatter:ident| $write:expr)?,
                    $(remedy: $remedy:expr,)?
                    $(example: $example:literal,)?
                    $(document: $document:literal,)?
                    $(sample: { $($sample:tt)* },)?
                }
            )*
        }
    )*) => {
        /// The kind of a problem. `Display` writes the message: what is wrong, a semicolon, and what to write instead.
        ///
        /// The fields hold what the message quotes or lists: `found`, for example, is what the document has, `write` is
        /// what the message proposes instead, and `limit` is the most that is allowed.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "every kind has an explanation, and the fields are what the message needs")]
        pub enum ProblemKind {
            $($(
                $(#[doc = $doc])+
                #[doc = concat!("\n\nIts code is `", $code, "`.")]
                $kind $({ $($field: $type),* })?,
            )*)*
        }

        impl ProblemKind {
            /// Returns whether problems of this kind are errors or warnings.
            pub fn severity(&self) -> $crate::problem::Severity {
                match self {
                    $($( Self::$kind { .. } => $crate::problem::Severity::$severity, )*)*
                }
            }

            /// Returns the code of this kind, such as `duplicate-route`. Codes are unique, and do not change.
            pub fn code(&self) -> &'static str {
                match self {
                    $($( Self::$kind { .. } => $code, )*)*
                }
            }

            /// Returns the edit that corrects the document, where the message proposes one.
            #[allow(unused_variables, reason = "few remedies need every field")]
            pub(crate) fn remedy(&self) -> Option<$crate::problem::Remedy> {
                match self {
                    $($( Self::$kind { $($($field),*)? } => None$(.or($remedy))?, )*)*
                }
            }

            /// Cuts what the message quotes of the document.
            pub(crate) fn abridge(&mut self) {
                match self {
                    $($( Self::$kind { $($($field),*)? } => {
                        $($( $crate::problem::quote::Abridge::abridge($field); )*)?
                    } )*)*
                }
            }
        }

        impl std::fmt::Display for ProblemKind {
            #[allow(unused_variables, reason = "a message does not show what only the remedy needs")]
            fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $($( Self::$kind { $($($field),*)? } => {
                        $( write!(to, $text) )?
                        $( { let $formatter = to; $write } )?
                    } )*)*
                }
            }
        }

        /// All kinds of problems, in the order of the documentation.
        pub const CATALOGUE: &[$crate::problem::CatalogueEntry] = &[
            $($( $crate::problem::CatalogueEntry {
                group: $group,
                name: stringify!($kind),
                code: $code,
                severity: $crate::problem::Severity::$severity,
                explanation: concat!($($doc),+).trim_ascii_start(),
                example: {
                    $( $crate::problem::Example::PluginConfig($example) )?
                    $( $crate::problem::Example::Document($document) )?
                    $( $crate::problem::Example::Message(|| ProblemKind::$kind { $($sample)* }.to_string()) )?
                },
            }, )*)*
        ];
    };
}
pub(crate) use problems;
