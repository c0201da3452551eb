//! A check of the sources of errors, for tests.

use std::error::Error;

/// Returns the text of an error and of each of its sources, and checks that no text repeats that of its
/// source.
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
