//! What is wrong with a configuration, each thing with the place that it stands at.

use std::fmt;

use super::sources::Sources;

/// Everything that is wrong, in the order in which it was found.
#[derive(Debug)]
pub(crate) struct Problems(pub(super) Vec<Problem>);

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// A file with line and column, an environment variable or a flag; empty if it is nowhere.
    pub(super) place: String,
    pub(super) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.place, self.message)
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\nerror: " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects what is wrong with the values of one section.
pub(crate) struct Findings<'a> {
    sources: &'a Sources,
    section: &'static str,
    found: &'a mut Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(sources: &'a Sources, section: &'static str, found: &'a mut Vec<Problem>) -> Self {
        Self { sources, section, found }
    }

    /// Something is wrong with an option; `key` may go deeper, as in `events.0.namespace`.
    pub(crate) fn add(&mut self, key: &str, message: impl fmt::Display) {
        let path: Vec<_> = std::iter::once(self.section).chain(key.split('.')).map(str::to_owned).collect();
        self.add_at(&path, message);
    }

    /// The same, where the keys of a table may have dots in them.
    pub(crate) fn add_at(&mut self, path: &[String], message: impl fmt::Display) {
        self.found.push(self.sources.problem(path, message));
    }

    /// A timer or limit of zero is an error.
    pub(crate) fn is_not_zero(&mut self, key: &str, is_zero: bool) {
        if is_zero {
            self.add(key, "must be greater than zero");
        }
    }
}
