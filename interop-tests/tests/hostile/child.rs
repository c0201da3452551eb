//! The lines that a child of this program exchanges with the test.

use std::fmt::Display;

use crate::process::MARK;

/// Says a line to the test.
pub(crate) fn say(line: impl Display) {
    println!("{MARK}{line}");
}

/// Returns the lines that the test sends. They end when the test does.
pub(crate) fn commands() -> impl Iterator<Item = String> {
    std::io::stdin().lines().map_while(Result::ok)
}

/// Waits for the end of the test, and keeps everything open until then.
pub(crate) fn wait_for_the_end() {
    commands().for_each(drop);
}
