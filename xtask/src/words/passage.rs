//! A piece of text of a source file, with the lines that it comes from.

/// The kind of a passage, which determines its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A doc comment, or prose in a Markdown file.
    Documentation,
    /// A comment that is not documentation.
    Comment,
    /// A line of code in documentation.
    Example,
    /// A string literal.
    Message,
    /// The name of a test.
    TestName,
    /// Another identifier; the text is `fn name` if it is the definition of a function.
    Identifier,
}

/// Text of one kind. Blanks are single, and a paragraph ends with a newline.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passage {
    pub(super) kind: Kind,
    pub(super) text: String,
    /// For each line of the file, its number and where its text begins.
    lines: Vec<(usize, usize)>,
}

impl Passage {
    /// Creates a passage from a single line of the file.
    pub(super) fn new(kind: Kind, line: usize, text: &str) -> Passage {
        let mut passage = Passage::empty(kind);
        passage.push(line, text);
        passage
    }

    pub(super) fn empty(kind: Kind) -> Passage {
        Passage { kind, text: String::new(), lines: Vec::new() }
    }

    /// Appends a line of the file. An empty one ends the paragraph.
    pub(super) fn push(&mut self, line: usize, text: &str) {
        if text.trim().is_empty() {
            self.text.push('\n');
            return;
        }
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push(' ');
        }
        self.lines.push((line, self.text.len()));
        self.text += &text.split_whitespace().collect::<Vec<_>>().join(" ");
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the line of the file that has the byte at `offset`.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        let after = self.lines.partition_point(|(_, start)| *start <= offset);
        self.lines.get(after.saturating_sub(1)).map_or(1, |(line, _)| *line)
    }
}

/// Collects documentation line by line: prose into passages, and each line of code on its own.
#[derive(Debug)]
pub(super) struct Prose {
    passages: Vec<Passage>,
    current: Passage,
    in_code: bool,
}

impl Prose {
    pub(super) fn new(kind: Kind) -> Prose {
        Prose { passages: Vec::new(), current: Passage::empty(kind), in_code: false }
    }

    pub(super) fn push(&mut self, line: usize, text: &str) {
        if text.trim_start().starts_with("```") {
            self.in_code = !self.in_code;
            self.current.push(line, "");
        } else if self.in_code {
            self.passages.push(Passage::new(Kind::Example, line, text));
        } else {
            self.current.push(line, text);
        }
    }

    /// Returns the passages, without text in backticks and targets of links.
    pub(super) fn into_passages(mut self) -> Vec<Passage> {
        if !self.current.is_empty() {
            self.current.text = without_code(&self.current.text);
            self.passages.push(self.current);
        }
        self.passages
    }
}

/// Replaces text in backticks and targets of links by as many backticks, so that offsets stay.
fn without_code(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut end_of_code = None;
    let mut before = None;
    for (at, character) in text.char_indices() {
        if end_of_code.is_none() {
            let paragraph = text[at..].find('\n').map_or(text.len(), |length| at + length);
            let end = |mark| text[at + 1..paragraph].find(mark).map(|length| at + 1 + length);
            end_of_code = match character {
                '`' => end('`'),
                '(' if before == Some(']') => end(')'),
                _ => None,
            };
        }
        match end_of_code {
            Some(end) => {
                result.extend(std::iter::repeat_n('`', character.len_utf8()));
                end_of_code = (at < end).then_some(end);
            }
            None => result.push(character),
        }
        before = Some(character);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_belongs_to_the_line_that_it_came_from() {
        let mut passage = Passage::new(Kind::Comment, 7, "  two   words ");
        passage.push(8, "and more");
        assert_eq!(passage.text, "two words and more");
        assert_eq!([0, 8, 10, 17].map(|offset| passage.line_of(offset)), [7, 7, 8, 8]);
    }

    #[test]
    fn code_and_targets_of_links_are_masked() {
        assert_eq!(without_code("a `b c` [d](e f) (g)"), "a ````` [d]````` (g)");
        assert_eq!(without_code("not `closed\nand `é`"), "not `closed\nand ````");
    }
}
