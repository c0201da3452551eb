//! Other programs that lock a display: flock(1), a process with the system calls of libwayland, and
//! libwayland itself.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use anchovy_wayland::{ConnectError, Connector, ListenError, Listener};
use interop_tests::{Directory, Peer, guarded, run, runtime};

use crate::names;

/// The calls of `wl_display_add_socket` (wayland-server.c), and then nothing more.
const CALLS: &str = "
import fcntl, os, signal, socket, stat, sys
def add(path):
    lock = os.open(path + '.lock', os.O_CREAT | os.O_CLOEXEC | os.O_RDWR, 0o660)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 'refused'
    try:
        if os.lstat(path).st_mode & (stat.S_IWUSR | stat.S_IWGRP):
            os.unlink(path)
    except FileNotFoundError:
        pass
    global s
    s = socket.socket(socket.AF_UNIX)
    s.bind(path)
    s.listen(128)
    return 'added'
";

/// The same, by libwayland itself.
const LIBWAYLAND: &str = "
import ctypes, os, signal, sys
server = ctypes.CDLL('libwayland-server.so.0')
server.wl_display_create.restype = ctypes.c_void_p
server.wl_display_add_socket.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
server.wl_display_add_socket_auto.argtypes = [ctypes.c_void_p]
server.wl_display_add_socket_auto.restype = ctypes.c_char_p
server.wl_display_destroy.argtypes = [ctypes.c_void_p]
display = server.wl_display_create()
def add(path):
    os.environ['XDG_RUNTIME_DIR'], name = os.path.split(path)
    added = server.wl_display_add_socket(display, name.encode())
    return 'added' if added == 0 else 'refused'
";

/// Adds a display, prints the result, and runs until it is killed or its input ends.
fn add(how: &str, path: &Path) -> (Peer, String) {
    let script = format!("{how}\nprint(add(sys.argv[1]), flush=True)\nsys.stdin.read()");
    let mut command = Command::new("python3");
    command.args(["-c", &script]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut peer = Peer::start(&mut command);
    let mut said = String::new();
    BufReader::new(peer.take_stdout().unwrap()).read_line(&mut said).unwrap();
    (peer, said.trim_end().to_owned())
}

/// A name that has a dot, since the lock has the whole name.
const NAME: &str = "wayland.7";

#[test]
fn a_display_of_a_foreign_compositor_is_not_taken() {
    for how in [CALLS, LIBWAYLAND] {
        run(async {
            let directory = Directory::new();
            let path = directory.join(NAME);
            let (_peer, said) = add(how, &path);
            assert_eq!(said, "added");
            assert!(matches!(Listener::bind(&path), Err(ListenError::Locked { .. })));
            assert_eq!(names(&directory), ["wayland.7", "wayland.7.lock"]);
            assert!(Connector::new().without_environment().display(path).connect().await.is_ok());
        });
    }
}

#[test]
fn a_foreign_compositor_does_not_take_our_display() {
    for how in [CALLS, LIBWAYLAND] {
        run(async {
            let directory = Directory::new();
            let path = directory.join(NAME);
            let listener = Listener::bind(&path).unwrap();
            let (_peer, said) = add(how, &path);
            assert_eq!(said, "refused");
            let _client = UnixStream::connect(&path).unwrap();
            assert!(listener.accept().await.is_ok());
        });
    }
}

#[test]
fn the_files_of_a_killed_compositor_are_replaced() {
    for how in [CALLS, LIBWAYLAND] {
        run(async {
            let directory = Directory::new();
            let path = directory.join(NAME);
            let (peer, said) = add(how, &path);
            assert_eq!(said, "added");
            let lock = directory.join("wayland.7.lock").metadata().unwrap().ino();
            drop(peer);
            assert_eq!(names(&directory), ["wayland.7", "wayland.7.lock"]);
            let connector = Connector::new().without_environment().display(&path);
            let error = connector.connect().await.unwrap_err();
            assert!(
                matches!(error, ConnectError::Socket(anchovy::ConnectError::Refused { .. })),
                "{error:?}"
            );

            let listener = Listener::bind(&path).unwrap();
            assert_eq!(directory.join("wayland.7.lock").metadata().unwrap().ino(), lock);
            let _client = UnixStream::connect(&path).unwrap();
            assert!(listener.accept().await.is_ok());
        });
    }
}

#[test]
fn our_files_are_replaced_after_we_are_killed() {
    for how in [CALLS, LIBWAYLAND] {
        guarded(|| {
            let directory = Directory::new();
            let path = directory.join(NAME);
            // A killed process leaves both files, and no process has them open.
            drop(runtime().block_on(async { Listener::bind(&path).unwrap().into_parts() }));
            assert_eq!(names(&directory), ["wayland.7", "wayland.7.lock"]);
            let (_peer, said) = add(how, &path);
            assert_eq!(said, "added");
        });
    }
}

#[test]
fn removed_files_do_not_affect_the_next_compositor() {
    for how in [CALLS, LIBWAYLAND] {
        guarded(|| {
            let directory = Directory::new();
            let path = directory.join(NAME);
            runtime().block_on(async { drop(Listener::bind(&path).unwrap()) });
            assert!(names(&directory).is_empty());
            let (_peer, said) = add(how, &path);
            assert_eq!(said, "added");
        });
    }
}

#[test]
fn libwayland_and_this_crate_take_consecutive_names() {
    run(async {
        let directory = Directory::new();
        let builder = Listener::builder().runtime_directory(directory.path());
        let auto = "
def add(path):
    os.environ['XDG_RUNTIME_DIR'] = path
    return server.wl_display_add_socket_auto(display).decode()";
        let theirs = || add(&[LIBWAYLAND, auto].concat(), directory.path());

        let first = builder.bind_free().unwrap();
        assert_eq!(first.name(), Some(Path::new("wayland-0")));
        let (_peer, said) = theirs();
        assert_eq!(said, "wayland-1");
        let third = builder.bind_free().unwrap();
        assert_eq!(third.name(), Some(Path::new("wayland-2")));
        drop(first);
        let (_peer, said) = theirs();
        assert_eq!(said, "wayland-0");
    });
}

#[test]
fn the_lock_excludes_the_flock_program_and_vice_versa() {
    run(async {
        let directory = Directory::new();
        let (path, lock) = (directory.join("x"), directory.join("x.lock"));
        let mut command = Command::new("flock");
        // `exec`, so that the lock goes with the process that is waited for.
        command.arg("--no-fork").arg(&lock).args(["sh", "-c", "echo locked; exec cat"]);
        let mut holder = Peer::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut said = String::new();
        BufReader::new(holder.take_stdout().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "locked\n");
        assert!(matches!(Listener::bind(&path), Err(ListenError::Locked { .. })));
        holder.wait();

        let listener = Listener::bind(&path).unwrap();
        let attempt = || {
            let mut command = Command::new("flock");
            Peer::start(command.arg("--nonblock").arg(&lock).arg("true")).wait().code()
        };
        assert_eq!(attempt(), Some(1));
        drop(listener);
        assert_eq!(attempt(), Some(0));
    });
}
