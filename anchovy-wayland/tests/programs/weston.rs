//! Weston with its headless backend, in a private directory.

use std::path::Path;
use std::process::{Command, Stdio};

use interop_tests::{Directory, Program};

/// A weston that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Weston {
    // In this order: it ends before the directory goes.
    _program: Program,
    directory: Directory,
}

impl Weston {
    /// The name of its display.
    pub(crate) const DISPLAY: &str = "compositor";

    pub(crate) async fn start() -> Weston {
        let directory = Directory::new();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut command = Command::new("weston");
        command.env_clear().env("PATH", path).stdin(Stdio::null());
        for variable in ["HOME", "XDG_RUNTIME_DIR", "TMPDIR"] {
            command.env(variable, directory.path());
        }
        command.args(["--no-config", "--backend=headless-backend.so", "--use-pixman"]);
        command.args(["--width=800", "--height=600", "--idle-time=0"]);
        command.args(["--socket=compositor", "--log=/dev/stdout"]);
        let mut program = Program::start(&mut command);
        // It listens before it starts programs of its own.
        while !program.line().await.contains("launching '") {}
        Weston { _program: program, directory }
    }

    pub(crate) fn runtime_directory(&self) -> &Path {
        self.directory.path()
    }
}
