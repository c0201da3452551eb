//! What the tests of all errors check.

use std::error::Error;

/// Returns the text of an error and of each of its causes.
///
/// An error can be passed to another task and kept there, and no text repeats that of its cause.
pub(crate) fn error_chain<E: Error + Send + Sync + 'static>(error: &E) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        let effect = texts.last().expect("the error that has this cause");
        assert!(!effect.contains(&text), "{effect:?} repeats its cause {text:?}");
        texts.push(text);
        cause = error.source();
    }
    texts
}
