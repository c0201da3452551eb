//! The text of an error and its sources.

use std::error::Error;

/// Returns the texts of an error and of its sources, separated by colons.
pub(crate) fn report(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
