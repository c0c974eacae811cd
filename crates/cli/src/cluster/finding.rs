//! What `doctor` finds: one line for each check, good or bad.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::words::count;

/// What a finding means for the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    /// The check could not be made.
    Skipped,
    Warning,
    Error,
}

impl Level {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// The code of the check, or of the message that `check` has about a file or an object.
    pub code: &'static str,
    /// What was checked: an object of the cluster, or a place in a file.
    pub about: String,
    /// What was found; for errors and warnings also what to do.
    pub text: String,
}

impl Finding {
    fn to_json(&self) -> Value {
        json!({"level": self.level.word(), "code": self.code, "about": self.about, "message": self.text})
    }
}

/// Returns the findings as lines, and a summary.
pub fn as_text(findings: &[Finding]) -> String {
    let mut out = String::new();
    for Finding { level, code, about, text } in findings {
        // Writing to a string can't fail.
        let _ = writeln!(out, "{}: {}: {} [{code}]", level.word(), one_line(about), one_line(text));
    }
    let of = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) = (count(of(Level::Error), "error"), count(of(Level::Warning), "warning"));
    let _ = write!(out, "{errors}, {warnings}, {} ok", of(Level::Ok));
    match of(Level::Skipped) {
        0 => out.push('\n'),
        skipped => {
            let _ = writeln!(out, ", {skipped} skipped");
        }
    }
    out
}

/// Returns a text on one line: control characters and line separators become spaces, and several spaces one.
pub(super) fn one_line(text: &str) -> String {
    let is_break = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    text.split(is_break).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Returns the findings as a JSON list.
pub fn as_json(findings: &[Finding]) -> Value {
    findings.iter().map(Finding::to_json).collect()
}

/// The codes of the checks that `doctor` makes itself, in their order, each with what it checks.
pub const CHECKS: &[(&str, &str)] = &[
    ("plugins", "There is a table to examine, in the files or in the cluster, and the cluster has its kind."),
    ("gateway-pods", "`selector` or `targetRefs` selects pods that run."),
    ("plugin-namespace", "The plugin is in Istio's root namespace, or in that of the gateway's pods."),
    ("pod-ports", "The pods listen on the ports in `match`."),
    (
        "knative-gateway",
        "The Gateway to which Knative binds its services is served by these pods, and has the public hosts on these ports.",
    ),
    ("image", "The registry has the image, and the digest is not that of an image index."),
    ("module-expiry", "`WASM_MODULE_EXPIRY` keeps a fetched module in the gateway."),
    ("module-file", "The file of a `file://` URL is in a volume of the pods."),
    ("filter-chain", "Other plugins and EnvoyFilters on the same pods have a defined order."),
    (
        "services",
        "The Knative Services of the table exist, are public and ready, and have the hosts that the table writes.",
    ),
    ("knative-settings", "Knative's settings fit the table: domain, template, TLS and redirects."),
    ("admission-policy", "The admission policy is installed, and Kubernetes is 1.33 or later."),
    ("not-readable", "Objects that the user may not read, or that the API server did not return."),
];
