//! Reads and compiles the routes of a document, one after the other, so that only one of them is in memory at a time.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Compiler;
use super::route::pattern_texts;
use super::settings::Defaults;
use crate::document::config::Route;
use crate::problem::Step;

impl Compiler {
    /// Reads all routes and compiles them. Without `defaults`, the routes are only read, so that values that can't be
    /// read are reported.
    pub(super) fn compile_routes(&mut self, routes: &[&RawValue], defaults: Option<&Defaults<'_>>) {
        for (index, raw) in routes.iter().enumerate() {
            let route = self.read_route(index, raw);
            let Some(defaults) = defaults else { continue };
            let is_object = route.is_some();
            let route = route.unwrap_or_default();
            for text in pattern_texts(&route) {
                self.methods.add(text.unwrap_or_default());
            }
            // Beyond the limits, the rest is only counted, for the message.
            if self.methods.are_within_limits() {
                self.compile_route(index, &route, is_object, defaults);
            }
        }
    }

    fn read_route<'a>(&mut self, index: usize, raw: &'a RawValue) -> Option<Route<'a>> {
        self.reader.within(Step::Key(Cow::Borrowed("routes")), |reader| {
            reader.within(Step::Index(index), |reader| reader.value(raw))
        })
    }
}
