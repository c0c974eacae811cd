//! The kinds of messages: each has a stable code, which ends every message and which `check --allow` and `--deny` take.
//!
//! The kinds of problems in a table are in the catalogue of the routing core, the dangers in a manifest in `danger`, and
//! all others are here. `catalogue` has them all in one list.

use ksvc_routing::Severity;

/// A kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageKind {
    /// The stable code, such as `duplicate-route`.
    pub code: &'static str,
    pub severity: Severity,
    /// The explanation: a few sentences of Markdown, on one line.
    pub explanation: &'static str,
}

/// Defines kinds as constants, and the list of all of them. The comment of a kind is its explanation.
macro_rules! kinds {
    (
        $(#[doc = $about:literal])+ $list:ident:
        $($(#[doc = $doc:literal])+ $severity:ident $code:literal $name:ident;)*
    ) => {
        $(
            $(#[doc = $doc])+
            pub const $name: $crate::kind::MessageKind = $crate::kind::MessageKind {
                code: $code,
                severity: ksvc_routing::Severity::$severity,
                explanation: concat!($($doc),+).trim_ascii_start(),
            };
        )*

        $(#[doc = $about])+
        pub const $list: &[$crate::kind::MessageKind] = &[$($name),*];
    };
}

pub(crate) use kinds;

kinds! {
    /// The kinds that concern files, the form of manifests, and cases.
    OF_FILES:
    /// The file is not UTF-8 text.
    Error "not-utf8" NOT_UTF8;
    /// `kubectl` would not read the file as YAML or JSON.
    Error "invalid-yaml" INVALID_YAML;
    /// None of the files has a route table, so nothing would be checked.
    Error "no-table" NO_TABLE;
    /// The table is there, but it would not reach the filter as it is written.
    Error "undelivered-table" UNDELIVERED_TABLE;
    /// The manifest has a key that Istio does not know, so the API server refuses the object or drops the key.
    Error "unknown-manifest-key" UNKNOWN_MANIFEST_KEY;
    /// A value of the manifest has a type, or is a word, that Istio does not accept there.
    Error "invalid-manifest-value" INVALID_MANIFEST_VALUE;
    /// The manifest lacks a key that Istio requires.
    Error "missing-manifest-key" MISSING_MANIFEST_KEY;
    /// The `apiVersion` is none that the kind has.
    Error "unknown-api-version" UNKNOWN_API_VERSION;
    /// A word such as `on` or `y` without quotes is a boolean in YAML, also as a key.
    Warning "boolean-key" BOOLEAN_KEY;
    /// There are more errors and warnings than are shown.
    Error "more-problems" MORE_PROBLEMS;
    /// A test case can't be read.
    Error "invalid-case" INVALID_CASE;
    /// A test case has failed.
    Error "failed-case" FAILED_CASE;
}
