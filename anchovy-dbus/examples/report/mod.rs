//! What an error says, with what caused it.

use std::error::Error;

/// The text of an error and those of its sources, separated by colons.
pub(crate) fn report(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
