//! The socket in `WAYLAND_SOCKET`, in processes that have inherited one.
//!
//! A test starts a second process of itself through a script that leaves descriptors open, and checks
//! the output of that process.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use anchovy_wayland::{
    ConnectError, Connector, InheritedError, Listener, Origin, without_inherited_socket,
};
use interop_tests::{Directory, FullTable, Peer, guarded, runtime};

/// The variable with the name of the test that the second process executes.
const SUBJECT: &str = "ANCHOVY_INHERITED_SUBJECT";

/// The variable with a display that the second process could connect to instead.
const OTHER: &str = "ANCHOVY_INHERITED_OTHER";

/// The number of the descriptor that the script leaves open. A test does not open so many itself.
const NUMBER: i32 = 77;

/// The start of a script that executes the test. It leaves the descriptor `left` open under the number.
const BEGIN: &str = "
import os, socket, sys
path = os.environ['ANCHOVY_INHERITED_OTHER']
left = None
value = '77'
";
const END: &str = "
if left is not None:
    os.dup2(left.fileno(), 77)
if value is not None:
    os.environ['WAYLAND_SOCKET'] = value
os.environ['XDG_RUNTIME_DIR'], os.environ['WAYLAND_DISPLAY'] = os.path.split(path)
os.execv(sys.argv[1], sys.argv[1:])
";

/// Returns whether this is the second process of this test.
fn is_subject(test: &str) -> bool {
    std::env::var(SUBJECT).is_ok_and(|subject| subject == test)
}

/// Starts the second process of this test.
fn start(test: &str, path: &Path, script: &str) -> Peer {
    let script = [BEGIN, script, END].concat();
    let mut command = Command::new("python3");
    command
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(SUBJECT, test)
        .env(OTHER, path)
        .stdin(Stdio::piped());
    Peer::start_recorded(&mut command)
}

/// Returns the output of the second process of this test, which could also connect to a display.
fn outcome_of(test: &str, script: &str) -> String {
    let mut said = String::new();
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("display");
        let _display = UnixListener::bind(&path).unwrap();
        let mut peer = start(test, &path, script);
        assert!(peer.wait().success(), "{}", peer.stderr());
        said = peer.stdout();
    });
    said
}

/// Returns the kernel's name of the file under the number.
fn under_the_number() -> Option<String> {
    let link = fs::read_link(format!("/proc/self/fd/{NUMBER}")).ok()?;
    Some(link.to_str().unwrap().to_owned())
}

#[test]
fn an_inherited_socket_is_taken_once_and_is_not_inherited_again() {
    let test = "inherited::an_inherited_socket_is_taken_once_and_is_not_inherited_again";
    if is_subject(test) {
        runtime().block_on(take_and_look());
        return;
    }
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("display");
        let display = UnixListener::bind(&path).unwrap();
        let script = "left = socket.socket(socket.AF_UNIX); left.connect(path)";
        let mut peer = start(test, &path, script);
        let (mut client, _) = display.accept().unwrap();

        let mut said = [0; 5];
        client.read_exact(&mut said).unwrap();
        assert_eq!(said, *b"hello");
        // The second process is still running, and waits for the end of its input.
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "no process has the socket open");
        let written = client.write(b"x");
        assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        assert!(peer.wait().success(), "{}", peer.stderr());
        display.set_nonblocking(true).unwrap();
        assert!(display.accept().is_err(), "no client has connected by name");
    });
}

async fn take_and_look() {
    let before = under_the_number().unwrap();
    let mut connected = Connector::new().display("/nonexistent").connect().await.unwrap();
    assert_eq!(connected.origin, Origin::Inherited);
    let flags = rustix::io::fcntl_getfd(&connected.stream).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));

    let second = Connector::new().connect().await.unwrap_err();
    assert!(matches!(second, ConnectError::Inherited(InheritedError::AlreadyTaken)), "{second:?}");
    let after = under_the_number().expect("the number is still open");
    assert!(after.starts_with("socket:") && after != before, "{after}");

    let mut command = Command::new("sh");
    command.args(["-c", "ls -l /proc/self/fd; echo socket=$WAYLAND_SOCKET"]);
    let said = without_inherited_socket(&mut command).output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("socket=\n"), "{said}");
    assert!(!said.contains("77 ->") && !said.contains(&before), "{said}");

    connected.stream.writable().await.unwrap();
    assert_eq!(connected.stream.try_write(b"hello").unwrap(), 5);
    drop(connected);
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(under_the_number().as_deref(), Some(&*after));
}

/// Returns the error of the second process, which must not change the descriptor.
fn refused(test: &str, scripts: &[&str]) -> Vec<String> {
    if is_subject(test) {
        runtime().block_on(async {
            let look = || {
                let flags = fs::read_to_string(format!("/proc/self/fdinfo/{NUMBER}")).ok();
                (under_the_number(), flags)
            };
            let before = look();
            let error = Connector::new().connect().await.unwrap_err();
            assert_eq!(look(), before);
            println!("refused: {error:?}");
        });
        return Vec::new();
    }
    let line = |said: String| {
        let line = said.lines().find_map(|line| Some(line.split_once("refused: ")?.1.to_owned()));
        line.unwrap_or(said)
    };
    scripts.iter().map(|script| line(outcome_of(test, script))).collect()
}

#[test]
fn a_value_that_is_not_a_number_is_an_error_without_a_fallback() {
    let test = "inherited::a_value_that_is_not_a_number_is_an_error_without_a_fallback";
    for said in refused(test, &["value = ''", "value = '5x'"]) {
        assert!(said.starts_with("Inherited(NotANumber"), "{said}");
    }
}

#[test]
fn negative_numbers_and_standard_streams_are_rejected() {
    let test = "inherited::negative_numbers_and_standard_streams_are_rejected";
    // Standard input is a socket there, so that only its number is wrong.
    let input = "value = '0'; a, b = socket.socketpair(); os.dup2(a.fileno(), 0)";
    for (said, expected) in refused(test, &["value = '-1'", input, "pass"]).iter().zip([
        "Negative { fd: -1 }",
        "StandardStream { fd: 0 }",
        "NotOpen { fd: 77 }",
    ]) {
        assert_eq!(*said, format!("Inherited({expected})"));
    }
}

#[test]
fn a_descriptor_other_than_a_connected_unix_stream_is_rejected() {
    let test = "inherited::a_descriptor_other_than_a_connected_unix_stream_is_rejected";
    let scripts = [
        ("left = open('/dev/null')", "NotASocket"),
        ("left, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)", "NotAUnixStream"),
        ("left, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)", "NotAUnixStream"),
        ("left = socket.socket(socket.AF_INET)", "NotAUnixStream"),
        ("left = socket.socket(socket.AF_UNIX)", "NotConnected"),
        (
            "left = socket.socket(socket.AF_UNIX); left.bind(path + '2'); left.listen(1)",
            "NotConnected",
        ),
    ];
    for (said, (script, expected)) in
        refused(test, &scripts.map(|(script, _)| script)).iter().zip(scripts)
    {
        assert_eq!(*said, format!("Inherited({expected} {{ fd: 77 }})"), "{script}");
    }
}

#[test]
fn a_descriptor_that_this_process_opened_is_rejected_and_kept() {
    let test = "inherited::a_descriptor_that_this_process_opened_is_rejected_and_kept";
    if is_subject(test) {
        runtime().block_on(async {
            // Of the sockets that this process opens one has the number.
            let mut pairs = Vec::new();
            while under_the_number().is_none() {
                pairs.push(std::os::unix::net::UnixStream::pair().unwrap());
            }
            let error = Connector::new().connect().await.unwrap_err();
            assert!(
                matches!(
                    error,
                    ConnectError::Inherited(InheritedError::CloseOnExec { fd: NUMBER })
                ),
                "{error:?}"
            );
            for (mut one, mut other) in pairs {
                one.write_all(b"x").unwrap();
                other.read_exact(&mut [0]).unwrap();
            }
        });
        return;
    }
    outcome_of(test, "pass");
}

#[test]
fn a_rejected_inherited_socket_can_be_taken_later() {
    let test = "inherited::a_rejected_inherited_socket_can_be_taken_later";
    if is_subject(test) {
        runtime().block_on(async {
            // Room for the one that takes the place, and none for the connection.
            for room in [0, 1] {
                let table = FullTable::with_room_for(room);
                let error = Connector::new().connect().await.unwrap_err();
                drop(table);
                let ConnectError::Inherited(InheritedError::Io { fd: NUMBER, error }) = error
                else {
                    panic!("{error:?}")
                };
                assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()));
            }
            assert!(Connector::new().connect().await.is_ok());
        });
        return;
    }
    outcome_of(test, "left, b = socket.socketpair()");
}

#[test]
fn an_unused_inherited_socket_stays_open() {
    let test = "inherited::an_unused_inherited_socket_stays_open";
    if is_subject(test) {
        runtime().block_on(async {
            let before = under_the_number().unwrap();
            let named = Connector::new().without_inherited().connect().await.unwrap();
            let path = std::env::var_os(OTHER).unwrap();
            assert_eq!(named.origin, Origin::Path(path.into()));
            assert!(Connector::new().without_environment().connect().await.is_err());
            assert_eq!(under_the_number(), Some(before));
        });
        return;
    }
    outcome_of(test, "left, b = socket.socketpair()");
}

#[test]
fn without_an_inherited_socket_the_environment_names_the_display() {
    let test = "inherited::without_an_inherited_socket_the_environment_names_the_display";
    if is_subject(test) {
        runtime().block_on(async {
            let connected = Connector::new().connect().await.unwrap();
            let path = std::env::var_os(OTHER).unwrap();
            assert_eq!(connected.origin, Origin::Path(path.into()));
            let listener = Listener::bind("another").unwrap();
            let directory = std::env::var_os("XDG_RUNTIME_DIR").unwrap();
            assert_eq!(listener.path(), Some(&*Path::new(&directory).join("another")));
            assert_eq!(Listener::bind_free().unwrap().name(), Some(Path::new("wayland-0")));
        });
        return;
    }
    outcome_of(test, "value = None");
}
