//! Compositors of other people, without a screen, in private directories.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use interop_tests::{Directory, Program, example_path};

/// The user and the group `nobody`, which every Debian has.
const NOBODY: u32 = 65534;

/// A compositor that runs until this is dropped, and whom its programs run as.
#[derive(Debug)]
pub(crate) struct Desktop {
    socket: PathBuf,
    // In this order: it ends before the directory goes.
    _compositor: Program,
    directory: Directory,
    user: Option<u32>,
}

impl Desktop {
    /// Weston, which anybody may run.
    pub(crate) async fn weston() -> Desktop {
        let directory = Directory::new();
        let mut command = bare("weston", directory.path(), None);
        // The log is what tells when it is ready.
        command.args(["--no-config", "--backend=headless-backend.so", "--use-pixman"]);
        command.args(["--width=800", "--height=600", "--idle-time=0"]);
        command.args(["--socket=compositor", "--log=/dev/stdout"]);
        let mut compositor = Program::start(&mut command);
        // It listens before it starts programs of its own.
        loop {
            let line = compositor.line().await;
            println!("weston: {line}");
            if line.contains("launching '") {
                break;
            }
        }
        Desktop::ready(directory.join("compositor"), compositor, directory, None)
    }

    /// Sway, which root may not run: it and its programs run as nobody then.
    pub(crate) async fn sway() -> Desktop {
        let user = rustix::process::getuid().is_root().then_some(NOBODY);
        let directory = match user {
            Some(user) => Directory::of_another(user, user),
            None => Directory::new(),
        };
        let configuration = directory.join("configuration");
        // It starts programs once it listens.
        let words = "xwayland disable\noutput * resolution 800x600\nexec echo $WAYLAND_DISPLAY\n";
        std::fs::write(&configuration, words).expect("a file in our directory");
        let mut command = bare("sway", directory.path(), user);
        command.env("WLR_BACKENDS", "headless").env("WLR_RENDERER", "pixman");
        command.env("WLR_LIBINPUT_NO_DEVICES", "1").arg("--config").arg(configuration);
        let mut compositor = Program::start(&mut command);
        let name = compositor.line().await;
        Desktop::ready(directory.join(name), compositor, directory, user)
    }

    fn ready(
        socket: PathBuf,
        compositor: Program,
        directory: Directory,
        user: Option<u32>,
    ) -> Desktop {
        drop(UnixStream::connect(&socket).expect("it listens"));
        Desktop { socket, _compositor: compositor, directory, user }
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// A path in the directory of the session.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A program of this session, as its user.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = bare(program, self.directory.path(), self.user);
        command.env("WAYLAND_DISPLAY", &self.socket);
        command
    }

    /// An example of ours, which xtask has built beside this program.
    pub(crate) fn example(&self, name: &str) -> Command {
        // Where it was built, another user may not look.
        let copy = self.join(name);
        if !copy.exists() {
            std::fs::copy(example_path(name), &copy).expect("it is built");
        }
        self.program(copy)
    }

    /// Lets the user of the session connect to a socket of ours in its directory.
    pub(crate) fn let_in(&self, socket: &Path) {
        std::fs::set_permissions(socket, Permissions::from_mode(0o777)).expect("it is ours");
    }
}

/// A command that knows nothing of the session, the displays and the home of who runs the tests.
fn bare(program: impl AsRef<Path>, directory: &Path, user: Option<u32>) -> Command {
    let mut command = Command::new(program.as_ref());
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("LANG", "C.UTF-8").env("SHELL", "/bin/cat");
    for variable in ["HOME", "XDG_RUNTIME_DIR", "TMPDIR"] {
        command.env(variable, directory);
    }
    if let Some(user) = user {
        // From root, this gives up all other groups too.
        command.uid(user).gid(user);
    }
    command.current_dir(directory).stdin(Stdio::null());
    command
}
