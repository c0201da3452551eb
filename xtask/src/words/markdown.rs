//! The text of a Markdown file.

use super::passage::{Kind, Passage, Prose};

/// Returns the passages of a Markdown file.
pub(super) fn passages(text: &str) -> Vec<Passage> {
    let mut prose = Prose::new(Kind::Documentation);
    for (index, line) in text.lines().enumerate() {
        prose.push(index + 1, line);
    }
    prose.into_passages()
}
