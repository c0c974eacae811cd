//! The place of a value in a document.

use std::borrow::Cow;
use std::fmt;

use super::quote::{Abridge, quoted};

/// One step from a value of the document to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A key of an object. If the user chose the key and it is long, this is the part that messages quote.
    Key(Cow<'static, str>),
    /// The position of an element in a list, counted from 0.
    Index(usize),
}

impl Step {
    /// Returns the step to a key that the user chose. A long key is cut.
    pub(crate) fn named(key: &str) -> Self {
        Step::Key(Cow::Owned(quoted(key).into_owned()))
    }
}

/// The place of a value in the document: the steps from the document itself to the value. `Display` writes it as
/// `routes[3].match[1]`, and the document itself as nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place(Vec<Step>);

impl Place {
    /// Returns the steps from the document to the value. They are empty for the document itself.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(crate) fn new(steps: &[Step]) -> Self {
        Place(steps.to_vec())
    }

    /// Returns the index of the route that contains this place, if a route does.
    pub fn route(&self) -> Option<usize> {
        match self.steps() {
            [Step::Key(key), Step::Index(index), ..] if key == "routes" => Some(*index),
            _ => None,
        }
    }

    pub(crate) fn key(&self, key: &'static str) -> Self {
        self.with(Step::Key(Cow::Borrowed(key)))
    }

    pub(crate) fn named(&self, key: &str) -> Self {
        self.with(Step::named(key))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Place(steps)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if !is_plain(key) => write!(f, "[{key:?}]")?,
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// The keys in a place are cut when the place is made.
impl Abridge for Place {}
