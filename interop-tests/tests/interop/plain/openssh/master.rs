//! A real master with a real server, without a port and without files of a user.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use interop_tests::{Directory, Program, run_to_end};

/// The user and the group of the server if this process is root. The server of root would need a
/// user of its own and a directory in `/run`.
const NOBODY: u32 = 65534;

/// An `ssh -M` whose server is an `sshd -i` at the other end of a pipe.
#[derive(Debug)]
pub(super) struct Master {
    // The order matters: the master ends before its directory is removed.
    _program: Program,
    directory: Directory,
}

impl Master {
    /// Starts a master, and waits until it listens.
    pub(super) async fn start() -> Master {
        let root = rustix::process::geteuid().is_root();
        let (user, group, directory) = if root {
            (NOBODY, NOBODY, Directory::of_another(NOBODY, NOBODY))
        } else {
            let group = rustix::process::getegid().as_raw();
            (rustix::process::geteuid().as_raw(), group, Directory::new())
        };
        for name in ["host", "key"] {
            let path = directory.join(name);
            let mut generate = Command::new("ssh-keygen");
            generate.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&path);
            let ended = run_to_end(&mut generate);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            chown(&path, Some(user), Some(group)).expect("it is ours");
        }
        // The entry of the user decides the shell and the home directory. That of the machine may
        // have no shell.
        let place = directory.path().display();
        let entry = format!("peer:x:{user}:{group}::{place}:/bin/sh\n");
        fs::write(directory.join("passwd"), entry).expect("a file in our directory");
        fs::write(directory.join("group"), format!("peer:x:{group}:\n")).expect("another file");

        let drop_root = if root {
            format!("setpriv --reuid {user} --regid {group} --clear-groups ")
        } else {
            String::new()
        };
        // sshd insists on its absolute path.
        let server = format!(
            "{drop_root}env LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD={place}/passwd \
             NSS_WRAPPER_GROUP={place}/group \"$(command -v sshd)\" -i -e -f /dev/null \
             -h {place}/host -o AuthorizedKeysFile={place}/key.pub -o StrictModes=no \
             -o LogLevel=ERROR"
        );
        let mut command = ssh();
        command.args(["-M", "-N", "-l", "peer"]);
        command.arg("-S").arg(directory.join("socket")).arg("-i").arg(directory.join("key"));
        for option in ["IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=no"] {
            command.args(["-o", option]);
        }
        for option in ["UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null"] {
            command.args(["-o", option]);
        }
        // It runs this command when it listens.
        command.args(["-o", "PermitLocalCommand=yes", "-o", "LocalCommand=echo listening"]);
        command.args(["-o", &format!("ProxyCommand={server}"), "peer"]);
        let mut program = Program::start(&mut command);
        assert_eq!(program.line().await, "listening");
        Master { _program: program, directory }
    }

    /// Returns the path of its socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }
}

/// Returns a command for ssh without the configuration of the user and of the machine.
fn ssh() -> Command {
    let mut command = Command::new("ssh");
    command.args(["-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]);
    command.stdin(Stdio::null());
    command
}

/// Returns a command for an ssh that asks the master at this socket to run a command.
pub(super) fn client(socket: &Path, remote: &str) -> Command {
    let mut command = ssh();
    command.args(["-o", "ControlMaster=no", "-S"]).arg(socket).args(["peer", remote]);
    command
}
