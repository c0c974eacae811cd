//! The routes of a document, read and compiled one by one: none of them outlives its turn.

use serde_json::value::RawValue;

use super::Compiler;
use super::route::pattern_texts;
use super::settings::Defaults;
use crate::document::config::Route;
use crate::problem::Step;

impl Compiler {
    /// Reads the routes and compiles them. Without defaults it only reports what can't be read.
    pub(super) fn routes(&mut self, routes: &[&RawValue], defaults: Option<&Defaults<'_>>) {
        self.reader.enter("routes");
        for (index, raw) in routes.iter().enumerate() {
            let route = self.reader.at(Step::Index(index), |reader| reader.value::<Route<'_>>(raw));
            if let Some(defaults) = defaults {
                self.take(index, route.as_ref(), defaults);
            }
        }
        self.reader.leave();
    }

    fn take(&mut self, index: usize, route: Option<&Route<'_>>, defaults: &Defaults<'_>) {
        for text in route.into_iter().flat_map(pattern_texts) {
            self.methods.count(text.unwrap_or_default());
        }
        // Beyond the limits they are only counted.
        if self.methods.are_within_limits() {
            self.route(index, route, defaults);
        }
    }
}
