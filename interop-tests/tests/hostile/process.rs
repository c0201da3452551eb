//! Processes of this program under other users, and the lines that they exchange with the test.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};

use interop_tests::{BlockingProgram, own_uid};

/// The variable that makes this program a child of itself. Its lines are the words of a role.
pub(crate) const ROLE: &str = "ANCHOVY_HOSTILE_ROLE";

/// Has glibc return freed memory to the system: it otherwise keeps up to twice the largest block that
/// was freed, at most 64 MB, for the next one (mallopt(3)). The figures are to show what is not freed.
const TRIM_THRESHOLD: (&str, &str) = ("MALLOC_TRIM_THRESHOLD_", "131072");

/// The start of a line that is meant for the test: the test harness prints others.
pub(crate) const MARK: &str = "hostile: ";

/// A child of the test. It is killed when this is dropped, and ends when its input does.
#[derive(Debug)]
#[must_use = "the process is killed when this is dropped"]
pub(crate) struct Process {
    input: ChildStdin,
    program: BlockingProgram,
}

impl Process {
    /// Starts this program with a role under the uid and gid of a user of this test process ([`own_uid`]),
    /// who has no privileges.
    pub(crate) fn start(user: u32, role: &[&str]) -> Process {
        // By this name it can be executed even if the user may not enter the directory that it is in.
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["--exact", "roles::a_child_of_this_program_plays_its_role"])
            .args(["--nocapture", "--quiet", "--test-threads", "1"])
            .env(ROLE, role.join("\n"))
            .env(TRIM_THRESHOLD.0, TRIM_THRESHOLD.1)
            .uid(own_uid(user))
            .gid(own_uid(user))
            .current_dir("/")
            .stdin(Stdio::piped());
        let mut program = BlockingProgram::start(&mut command);
        let input = program.peer.take_stdin().expect("the pipe that was asked for");
        Process { input, program }
    }

    /// Returns the process id.
    pub(crate) fn id(&self) -> u32 {
        self.program.peer.id()
    }

    /// Has the process run as soon as it is ready, whatever else its processor has to do (`SCHED_FIFO`,
    /// sched(7)). Without the permission for that, nothing changes.
    pub(crate) fn run_first(&self) {
        let id = self.id().to_string();
        let mut chrt = Command::new("chrt");
        chrt.args(["--all-tasks", "--fifo", "--pid", "1", &id]).stderr(Stdio::null());
        let _ = chrt.status();
    }

    /// Sends the process a line.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the process reads its input");
    }

    /// Waits for the next line that the process says.
    ///
    /// # Panics
    ///
    /// If it ends before that.
    pub(crate) fn answer(&mut self) -> String {
        let line = self.program.line_with(MARK);
        line.split_once(MARK).expect("the mark is in the line").1.to_owned()
    }

    /// Sends the process a line and waits for the next one that it says.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.answer()
    }
}
