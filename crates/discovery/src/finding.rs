//! The errors and warnings about the annotations of Knative Services.
//!
//! An error means that something which an annotation asks for is in no table. After a warning it is, and the message says
//! what to look at.

use std::fmt;

use ksvc_routing::{ProblemKind, Severity};

use crate::service::ServiceId;

/// An error or a warning about a Knative Service or a table. `Display` writes the message of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The Knative Service; `None` if a table as a whole has the problem.
    pub service: Option<ServiceId>,
    /// The name of the table, if it is known which one is meant.
    pub table: Option<String>,
    /// The place in the object.
    pub at: At,
    /// What is wrong, with everything that the message needs.
    pub kind: FindingKind,
}

impl Finding {
    /// Returns whether this is an error or a warning.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// Returns whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

/// The place of a finding in an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum At {
    /// The object itself.
    Object,
    /// The annotation of this name.
    Annotation(String),
    /// A match in its annotation.
    Match {
        /// The number of its line, which counts from 0.
        line: usize,
        /// The match.
        text: String,
    },
}

/// Defines the kinds of findings: the enum, its codes and messages, and the list of all. The comment of a kind is its
/// explanation.
///
/// `Error "claim-conflict" Conflict { text: String } => "`{text}` …";` expands to the variant `Conflict { text: String }`,
/// to its arms in `severity`, `code` and `Display`, and to its element of `KINDS`.
macro_rules! findings {
    ($(
        $(#[doc = $doc:literal])+
        $severity:ident $code:literal $kind:ident $({ $($field:ident: $type:ty),* })? => $message:literal;
    )*) => {
        /// The kind of a finding. `Display` writes the message: what is wrong, a semicolon, and what to do.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "every kind has an explanation, and the fields are what the message needs")]
        pub enum FindingKind {
            $( $(#[doc = $doc])+ $kind $({ $($field: $type),* })?, )*
            /// The compiler of the filter has an error or a warning about a match.
            Match(Box<ProblemKind>),
        }

        impl FindingKind {
            /// Returns whether findings of this kind are errors or warnings.
            pub fn severity(&self) -> Severity {
                match self {
                    $( Self::$kind { .. } => Severity::$severity, )*
                    Self::Match(problem) => problem.severity(),
                }
            }

            /// Returns the code of this kind, such as `claim-conflict`. Codes are unique, and do not change.
            pub fn code(&self) -> &'static str {
                match self {
                    $( Self::$kind { .. } => $code, )*
                    Self::Match(problem) => problem.code(),
                }
            }
        }

        impl fmt::Display for FindingKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $( Self::$kind $({ $($field),* })? => write!(f, $message), )*
                    Self::Match(problem) => problem.fmt(f),
                }
            }
        }

        /// The code, the severity and the explanation of every kind, but for the problems of a match, which the catalogue
        /// of the routing core has.
        pub const KINDS: &[(&str, Severity, &str)] =
            &[$( ($code, Severity::$severity, concat!($($doc),+).trim_ascii_start()) ),*];
    };
}

findings! {
    /// An annotation begins with `ksvc-router/`, but there is none of this name.
    Error "unknown-annotation" UnknownAnnotation { found: String } =>
        "there is no annotation `{found}`; the annotations are `ksvc-router/match` and `ksvc-router/table`";
    /// An annotation of a KSVC looks like one of this project, and is none.
    Warning "similar-annotation" SimilarAnnotation { found: String } =>
        "the annotation `{found}` has no effect; the annotations are `ksvc-router/match` and `ksvc-router/table`";
    /// An annotation of this project is in the template of a KSVC, where it has no effect.
    Warning "annotation-in-template" InTemplate { found: String } =>
        "`{found}` is in `spec.template.metadata.annotations`, where it has no effect; write it into `metadata.annotations` of the KSVC";
    /// A KSVC has the annotation `ksvc-router/match` without a match in it.
    Warning "no-match-in-annotation" NoMatch =>
        "the annotation has no match; write one match a line, such as `GET /orders/{{id}}`, or remove the annotation";
    /// A KSVC names its table, but claims nothing in it.
    Warning "table-without-match" TableWithoutMatch =>
        "without `ksvc-router/match`, this annotation has no effect; write the matches, or remove it";
    /// A KSVC names a table that does not exist.
    Error "unknown-table" UnknownTable { found: String, tables: String } =>
        "there is no table `{found}`; the tables are {tables}. Correct `ksvc-router/table`, or add the table to the table file";
    /// A KSVC claims a path that its namespace may not claim.
    Error "claim-not-owned" NotOwned { namespace: String, may: String } =>
        "the namespace `{namespace}` may not claim this path; it may claim {may}. Claim such a path, or let the namespace claim this one in the table file";
    /// Two KSVCs claim the same methods and path. The older KSVC keeps them.
    Error "claim-conflict" Conflict { methods: String, winner: ServiceId, winner_text: String } =>
        "the KSVC {winner} has claimed `{winner_text}`, which can't be told apart from this ({methods}), and it is older; claim another path or method, or remove the claim there";
    /// A KSVC claims a part of the requests that an older KSVC of another namespace, or a route in the table file, gets: a
    /// method of a path that is claimed with `ANY`, or the path with a final slash that does not count.
    Error "claim-of-taken-requests" Covered { owner: String, winner_text: String } =>
        "{owner} has `{winner_text}`, which gets these requests already; claim another path or method, or remove the match there";
    /// A KSVC has two matches that can't be told apart. The first one is kept.
    Error "repeated-claim" RepeatedClaim { methods: String, winner_text: String } =>
        "this KSVC has claimed `{winner_text}` already, which can't be told apart from this ({methods}); remove one of the two";
    /// A KSVC claims what a route in the table file serves already.
    Error "claim-of-fixed-route" FixedRoute { methods: String, winner_text: String } =>
        "the table file has a route for `{winner_text}`, which can't be told apart from this ({methods}); claim another path or method, or remove that route";
    /// A KSVC is reachable inside the cluster alone, so the gateway has no route to which its requests could go.
    Error "cluster-local-ksvc" ClusterLocal { remedy: String } =>
        "the KSVC is cluster-local, so the gateway has no route for it, and its matches are left out; {remedy}";
    /// The URL in the status of a KSVC names a host that is not the KSVC's own, or that the gateway has no route for.
    Error "foreign-url" ForeignUrl { host: String, reason: String } =>
        "the URL in the status has the host `{host}`, {reason}, so the matches of the KSVC are left out; Knative writes the URL, so see who has changed it, or correct the domain in the ConfigMap `config-domain`";
    /// No KSVC of a table has the host that the domain and the host template of the table make.
    Warning "domain-does-not-fit" DomainDoesNotFit { service: ServiceId, found: String, made: String } =>
        "no KSVC has the host that `domain` and `hostTemplate` make: the URL of {service} has `{found}`, and the table makes `{made}`. The routes have `host` instead; write `domain` and `hostTemplate` as they are in the ConfigMaps `config-domain` and `config-network`";
    /// A KSVC is not ready. Its routes are in the table: they are served by its last good revision, or answer 404 until it
    /// is ready.
    Warning "ksvc-not-ready" NotReady { status: String, why: String, describe: String } =>
        "the KSVC is not ready ({status}{why}); its routes are in the table, and `{describe}` says what it waits for";
    /// A KSVC has no URL yet. Its host is made by the domain and the host template of the table.
    Warning "ksvc-without-url" NoUrl { host: String } =>
        "the KSVC has no URL yet, so the table takes `{host}` for its host; run the import again when it is ready";
    /// A KSVC has no URL, and the table has no domain to make one.
    Error "ksvc-without-host" NoHost =>
        "the KSVC has no URL yet, so its host is not known, and its matches are left out; wait until it is ready, or write `domain` in the table";
    /// A KSVC waits for its deletion, so its matches are left out.
    Warning "ksvc-in-deletion" InDeletion =>
        "the KSVC is being deleted, so its matches are left out; if it stays, see its `metadata.finalizers`";
    /// The input has two different objects for the same KSVC, so neither is used.
    Error "repeated-ksvc" Repeated =>
        "there are two different objects for this KSVC, so neither is used; leave one of them out";
    /// The creation time of a KSVC can't be read, so the KSVC counts as the youngest.
    Warning "invalid-creation-time" CreationTime { found: String } =>
        "`creationTimestamp` is {found:?}, and not a time such as 2026-11-27T09:00:00Z, so every other KSVC counts as older; keep it as the API server writes it";
    /// The table is full: with the matches of this KSVC, it would be beyond a limit of the filter. Older KSVCs keep theirs.
    Error "table-full" TableFull { problem: String } =>
        "with the matches of this KSVC, the filter would refuse the table, so they are left out: {problem}";
    /// The filter would refuse the table that the claims make.
    Error "table-refused" TableRefused { problem: String } =>
        "the filter would refuse the table: {problem}";
}
