//! What can be wrong with a document: the place, the error, and what to write instead.
//!
//! Problems are data. The command line prints them with file and line, and the filter writes them to Envoy's log with
//! their place in the document.
//!
//! - `catalogue` has all kinds of problems, each with its message, code, explanation and example;
//! - `define` has the macro that the catalogue is written in;
//! - `place` says where in the document a problem is;
//! - `remedy` is the edit that a message proposes, for programs and tests;
//! - `quote` cuts what messages quote of the document.

mod catalogue;
mod define;
mod place;
mod quote;
mod remedy;

use std::fmt;

pub use catalogue::{CATALOGUE, ProblemKind};
pub use define::{CatalogueEntry, Example, Severity};
pub use place::{Place, Step};
pub use quote::ShortText;
pub(crate) use quote::quoted;
pub use remedy::{Instead, PathEdit, Remedy};

use crate::limits;

/// A problem of a document. `Display` writes its place, a colon, and the message of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The value that the problem is about.
    pub place: Place,
    /// What is wrong, with everything that the message needs.
    pub kind: ProblemKind,
    /// The edit that the message proposes. It is `None` if the message proposes none, or if its text is too long to be
    /// quoted.
    pub remedy: Option<Remedy>,
}

impl Problem {
    /// Returns whether this is an error or a warning.
    pub fn severity(&self) -> Severity {
        self.kind.severity()
    }

    /// Returns whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    /// Returns the place of the other route, if the problem is about two routes.
    pub fn other(&self) -> Option<&Place> {
        match &self.kind {
            ProblemKind::Duplicate { other, .. } | ProblemKind::Shadowed { other, .. } => Some(other),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.steps().is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        self.kind.fmt(f)
    }
}

/// Collects the problems of a document. It keeps only as many as [`limits::PROBLEMS`], but it counts all of them and
/// knows which routes have an error.
#[derive(Default)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    errors: usize,
    warnings: usize,
    /// By route: whether there is an error in it, or about it.
    broken: Vec<bool>,
}

impl Problems {
    #[cold]
    #[inline(never)]
    pub(crate) fn report(&mut self, place: Place, kind: ProblemKind) {
        let remedy = kind.remedy().filter(Remedy::is_short);
        let mut problem = Problem { place, kind, remedy };
        let reported = if problem.is_error() {
            for route in std::iter::once(&problem.place).chain(problem.other()).filter_map(Place::route) {
                self.break_route(route);
            }
            &mut self.errors
        } else {
            &mut self.warnings
        };
        *reported += 1;
        if *reported <= limits::PROBLEMS {
            problem.kind.abridge();
            self.kept.push(problem);
        }
    }

    /// Counts more errors like one that was reported.
    pub(crate) fn count(&mut self, errors: usize) {
        self.errors += errors;
    }

    /// Returns how many more errors would be kept.
    pub(crate) fn room(&self) -> usize {
        limits::PROBLEMS.saturating_sub(self.errors)
    }

    pub(crate) fn break_route(&mut self, route: usize) {
        if self.broken.len() <= route {
            self.broken.resize(route + 1, false);
        }
        if let Some(broken) = self.broken.get_mut(route) {
            *broken = true;
        }
    }

    /// Returns whether a route has an error, or is one of two routes that an error is about.
    pub(crate) fn is_broken(&self, route: usize) -> bool {
        self.broken.get(route) == Some(&true)
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Returns the problems that are kept, and how many more there are. Problems outside routes come first; the others
    /// are in the order of their routes.
    pub(crate) fn finish(mut self) -> (Vec<Problem>, usize) {
        // Errors are kept before warnings.
        let mut warnings = limits::PROBLEMS.saturating_sub(self.errors);
        self.kept.retain(|problem| {
            problem.is_error() || {
                let room = warnings > 0;
                warnings = warnings.saturating_sub(1);
                room
            }
        });
        self.kept.sort_by_key(|problem| problem.place.route().map_or(0, |index| index + 1));
        let more = (self.errors + self.warnings).saturating_sub(self.kept.len());
        (self.kept, more)
    }
}
