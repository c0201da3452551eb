//! The lines that a child of this program exchanges with the test.

use std::fmt::Display;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::process::MARK;

/// Says a line to the test.
pub(crate) fn say(line: impl Display) {
    println!("{MARK}{line}");
}

/// Returns the lines that the test sends. They end when the test does.
pub(crate) fn commands() -> impl Iterator<Item = String> {
    std::io::stdin().lines().map_while(Result::ok)
}

/// Returns whether the test has sent a line, which is not taken.
pub(crate) fn told_to_stop() -> bool {
    let stdin = std::io::stdin();
    let mut input = [PollFd::new(&stdin, PollFlags::IN)];
    poll(&mut input, Some(&Timespec::default())) != Ok(0)
}

/// Waits for the end of the test, and keeps everything open until then.
pub(crate) fn wait_for_the_end() {
    commands().for_each(drop);
}
