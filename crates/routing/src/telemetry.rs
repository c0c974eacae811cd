//! What operators see of the filter: the names of its metrics, and the log line of a configuration.
//!
//! The plugin defines and logs them. They are listed here so that tests can hold the documentation against them.

use crate::decide::decision::Outcome;
use crate::rollout::ServedFrom;

/// Defines an enum of metrics with their names, and lists them.
///
/// `metrics! { pub enum Gauge { Routes = "routes" } }` expands to the enum, to `Gauge::ALL`, an array of all variants in
/// their order, and to `Gauge::name`, which returns `"routes"` for `Gauge::Routes`.
macro_rules! metrics {
    (
        $(#[$about:meta])*
        $vis:vis enum $kind:ident {
            $( $(#[$doc:meta])* $variant:ident = $name:literal, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $kind {
            $( $(#[$doc])* $variant, )*
        }

        impl $kind {
            /// All variants, in their order: the one at index `variant as usize` is `variant`.
            $vis const ALL: &'static [$kind] = &[$($kind::$variant),*];

            /// Returns the name of the metric without its prefix, such as `routed`.
            $vis fn name(self) -> &'static str {
                match self {
                    $( $kind::$variant => $name, )*
                }
            }
        }
    };
}

metrics! {
    /// A counter of one table.
    pub enum Counter {
        /// Requests forwarded to a `service` or a `host`.
        Routed = "routed",
        /// Requests answered 404 because no route matches.
        NotFound = "not_found",
        /// Requests answered 405 because no route of the path serves the method.
        MethodNotAllowed = "method_not_allowed",
        /// Requests answered 400 because their path is unsafe.
        UnsafePath = "unsafe_path",
        /// Preflights answered in the gateway.
        Preflight = "preflight",
        /// Requests answered 404 because of `denyDirect`.
        DeniedDirect = "denied_direct",
        /// Redirects and fixed answers.
        Answered = "answered",
        /// Requests answered 503 because of an error in the configuration.
        BrokenRoute = "broken_route",
        /// Good configurations. Each counts once in a process.
        ConfigAccepted = "config_accepted",
        /// Configurations with errors. Each counts once in a process.
        ConfigRejected = "config_rejected",
    }
}

metrics! {
    /// A gauge of one table.
    pub enum Gauge {
        /// The number of routes that are served. Broken ones do not count.
        Routes = "routes",
        /// 1 if the newest configuration has errors, else 0.
        ConfigDegraded = "config_degraded",
        /// A part of the hash of the configuration that is served, by which gateway pods are compared.
        ConfigHash = "config_hash",
    }
}

impl Counter {
    /// Returns the counter of a request with this outcome; `None` for requests that are left alone.
    pub fn of(outcome: Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Route => Counter::Routed,
            Outcome::Redirect | Outcome::Respond | Outcome::Options => Counter::Answered,
            Outcome::Preflight => Counter::Preflight,
            Outcome::NotFound => Counter::NotFound,
            Outcome::MethodNotAllowed => Counter::MethodNotAllowed,
            Outcome::UnsafePath => Counter::UnsafePath,
            Outcome::DeniedDirect => Counter::DeniedDirect,
            Outcome::BrokenRoute => Counter::BrokenRoute,
            Outcome::PassThrough | Outcome::OutOfScope => return None,
        })
    }
}

impl ServedFrom {
    /// All variants.
    pub const ALL: [ServedFrom; 3] = [ServedFrom::New, ServedFrom::LastGood, ServedFrom::InPart];

    /// Returns what the log says about a configuration that is rolled out with this result.
    pub fn message(self) -> &'static str {
        match self {
            ServedFrom::New => "configuration accepted",
            ServedFrom::LastGood => "configuration has errors; the last good one goes on serving",
            ServedFrom::InPart => {
                "configuration has errors and there is no good one before it; serving what can be served"
            }
        }
    }
}
