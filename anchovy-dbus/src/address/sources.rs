//! The text of an error with those of its sources, for lists of errors, which have no single source.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources, separated by colons.
pub(super) fn with_sources(error: &dyn Error) -> impl fmt::Display {
    WithSources(error)
}

struct WithSources<'a>(&'a dyn Error);

impl fmt::Display for WithSources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}
