//! Real compositors without a screen, in private directories.

use std::collections::HashMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use interop_tests::{Directory, Program, example_path};

/// The user and the group `nobody`, which exist on every Debian system.
const NOBODY: u32 = 65534;

/// A compositor that runs until this is dropped, and the user of its programs.
#[derive(Debug)]
pub(crate) struct Desktop {
    socket: PathBuf,
    // The order matters: the compositor ends before its directory is removed.
    compositor: Program,
    directory: Directory,
    user: Option<u32>,
}

impl Desktop {
    /// Starts weston, which every user can run.
    pub(crate) async fn weston() -> Desktop {
        let directory = Directory::new();
        let mut command = bare("weston", directory.path(), None);
        // The log shows when it is ready.
        command.args(["--no-config", "--backend=headless-backend.so", "--use-pixman"]);
        command.args(["--width=800", "--height=600", "--idle-time=0"]);
        command.args(["--socket=compositor", "--log=/dev/stdout"]);
        let mut compositor = Program::start(&mut command);
        // It listens before it starts its own programs.
        loop {
            let line = compositor.line().await;
            println!("weston: {line}");
            if line.contains("launching '") {
                break;
            }
        }
        Desktop::ready(directory.join("compositor"), compositor, directory, None)
    }

    /// Starts sway, which root cannot run. If this process is root, sway and its programs run as
    /// nobody.
    pub(crate) async fn sway() -> Desktop {
        let user = rustix::process::getuid().is_root().then_some(NOBODY);
        let directory = match user {
            Some(user) => Directory::of_another(user, user),
            None => Directory::new(),
        };
        let configuration = directory.join("configuration");
        // It starts programs when it listens.
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
        Desktop { socket, compositor, directory, user }
    }

    /// Returns the path of the socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns the number of bytes that the compositor has mapped of each file, by inode.
    pub(crate) fn maps(&self) -> HashMap<u64, usize> {
        let path = format!("/proc/{}/maps", self.compositor.id());
        let maps = std::fs::read_to_string(path).expect("a process of this user");
        let mut mapped = HashMap::new();
        for line in maps.lines() {
            // "start-end permissions offset device inode path"
            let words: Vec<_> = line.split_whitespace().collect();
            let address = |word: &str| usize::from_str_radix(word, 16).expect("an address");
            let (start, end) = words[0].split_once('-').expect("a range");
            let inode = words[4].parse().expect("a number");
            *mapped.entry(inode).or_default() += address(end) - address(start);
        }
        mapped
    }

    /// Returns a path in the directory of the session.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Returns a command for a program of this session, with its user.
    pub(crate) fn program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = bare(program, self.directory.path(), self.user);
        command.env("WAYLAND_DISPLAY", &self.socket);
        command
    }

    /// Returns a command for an example, which xtask has built.
    pub(crate) fn example(&self, name: &str) -> Command {
        // Another user may not be able to read the target directory.
        let copy = self.join(name);
        if !copy.exists() {
            std::fs::copy(example_path(name), &copy).expect("it is built");
        }
        self.program(copy)
    }

    /// Lets the user of the session connect to a socket in its directory.
    pub(crate) fn let_in(&self, socket: &Path) {
        std::fs::set_permissions(socket, Permissions::from_mode(0o777)).expect("it is ours");
    }
}

/// Returns a command without the session, the displays and the home directory of the current user.
fn bare(program: impl AsRef<Path>, directory: &Path, user: Option<u32>) -> Command {
    let mut command = Command::new(program.as_ref());
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("LANG", "C.UTF-8").env("SHELL", "/bin/cat");
    for variable in ["HOME", "XDG_RUNTIME_DIR", "TMPDIR"] {
        command.env(variable, directory);
    }
    if let Some(user) = user {
        // If this process is root, this also drops all other groups.
        command.uid(user).gid(user);
    }
    command.current_dir(directory).stdin(Stdio::null());
    command
}
