//! The option `replace_stale`: which files are removed, and which never are.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{hint, thread};

use anchovy::ListenError;
use rustix::fs::{FlockOperation, flock};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use rustix::process::geteuid;

use crate::harness::*;

fn replace(path: &Path) -> Result<Listener, ListenError> {
    builder().replace_stale(true).bind(path)
}

#[test]
fn a_stale_socket_is_replaced_and_no_other_file_is_left() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        leave_stale(&path);
        let listener = replace(&path).unwrap();
        assert_eq!(names(&directory), ["socket"]);
        let _client = client(&path);
        assert!(listener.accept().await.is_ok());
    });
}

#[test]
fn without_replace_stale_a_stale_socket_stays_and_the_error_names_the_option() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        leave_stale(&path);
        let error = Listener::bind(&path).unwrap_err();
        assert!(matches!(&error, ListenError::Stale { path: found } if *found == path));
        assert!(error.to_string().contains("set replace_stale"), "{error}");
        assert_eq!(names(&directory), ["socket"]);
    });
}

#[test]
fn without_replace_stale_a_file_or_a_link_to_a_stale_socket_is_in_use() {
    run(async {
        let directory = Directory::new();
        leave_stale(&directory.join("stale"));
        fs::write(directory.join("file"), "precious").unwrap();
        symlink(directory.join("stale"), directory.join("link")).unwrap();
        for name in ["file", "link"] {
            let error = Listener::bind(directory.join(name)).unwrap_err();
            assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
        }
        assert_eq!(names(&directory), ["file", "link", "stale"]);
    });
}

#[test]
fn a_path_without_a_socket_is_bound() {
    run(async {
        let directory = Directory::new();
        drop(replace(&directory.join("socket")).unwrap());
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn a_live_socket_stays_and_its_server_does_not_notice() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let live = UnixListener::bind(&path).unwrap();
        live.set_nonblocking(true).unwrap();
        let error = replace(&path).unwrap_err();
        assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
        assert_eq!(live.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(UnixStream::connect(&path).is_ok());
    });
}

#[test]
fn a_socket_that_does_not_listen_yet_and_a_datagram_socket_stay() {
    run(async {
        let directory = Directory::new();
        let early = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        let address = SocketAddrUnix::new(directory.join("early")).unwrap();
        rustix::net::bind(&early, &address).unwrap();
        let _datagrams = UnixDatagram::bind(directory.join("datagrams")).unwrap();
        for name in ["early", "datagrams"] {
            let error = replace(&directory.join(name)).unwrap_err();
            assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
        }
        assert_eq!(names(&directory), ["datagrams", "early"]);
    });
}

#[test]
fn a_file_a_directory_and_a_symbolic_link_stay_and_are_named() {
    run(async {
        let directory = Directory::new();
        fs::write(directory.join("file"), "precious").unwrap();
        fs::create_dir(directory.join("directory")).unwrap();
        leave_stale(&directory.join("stale"));
        symlink(directory.join("stale"), directory.join("link")).unwrap();
        symlink(directory.join("nowhere"), directory.join("dangling")).unwrap();
        let kinds = [
            ("file", "a file"),
            ("directory", "a directory"),
            ("link", "a symbolic link"),
            ("dangling", "a symbolic link"),
        ];
        for (name, kind) in kinds {
            let error = replace(&directory.join(name)).unwrap_err();
            assert!(error.to_string().contains(kind), "{error}");
            let ListenError::NotASocket { path, found } = error else { panic!("{error:?}") };
            assert_eq!((path, found), (directory.join(name), kind));
        }
        assert_eq!(names(&directory), ["dangling", "directory", "file", "link", "stale"]);
        assert_eq!(fs::read(directory.join("file")).unwrap(), b"precious");
    });
}

#[test]
fn another_users_socket_in_a_sticky_directory_stays_even_for_root() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can give a socket to another user");
        return;
    }
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        leave_stale(&path);
        chown(&path, Some(65534), None).unwrap();
        let sticky = Permissions::from_mode(0o1777);
        fs::set_permissions(directory.path(), sticky).unwrap();
        let error = replace(&path).unwrap_err();
        assert!(matches!(error, ListenError::OtherOwner { uid: 65534, .. }), "{error:?}");
        assert_eq!(names(&directory), ["socket"]);

        // In a directory that only this user can write to, the sticky bit is not set.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        drop(replace(&path).unwrap());
        // The sticky bit does not protect a socket of this user.
        leave_stale(&path);
        fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
        drop(replace(&path).unwrap());
    });
}

#[test]
fn binding_waits_for_a_lock_on_the_directory() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        leave_stale(&path);
        let holder = fs::File::open(directory.path()).unwrap();
        flock(&holder, FlockOperation::LockExclusive).unwrap();

        let error = replace(&path).unwrap_err();
        let ListenError::DirectoryLocked { directory: locked } = error else { panic!("{error:?}") };
        assert_eq!(locked, directory.path());
        assert_eq!(names(&directory), ["socket"]);

        // No lock is taken if there is nothing to replace.
        drop(replace(&directory.join("other")).unwrap());
        flock(&holder, FlockOperation::Unlock).unwrap();
        drop(replace(&path).unwrap());
    });
}

#[test]
fn a_file_renamed_over_the_stale_socket_during_bind_is_never_lost() {
    const ROUNDS: u64 = 1000;
    run(async {
        let directory = Directory::new();
        let (path, file) = (directory.join("socket"), directory.join("file"));
        let (begun, renamed) = (AtomicU64::new(0), AtomicU64::new(0));
        // No assertion here, because the other thread waits for the next round.
        let (mut refused, mut wrong) = (0, Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    while begun.load(Ordering::Acquire) < round {
                        hint::spin_loop();
                    }
                    // A bind takes about a tenth of this time.
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_nanos(round * 7919 % 200_000) {}
                    fs::rename(&file, &path).unwrap();
                    renamed.store(round, Ordering::Release);
                }
            });
            for round in 1..=ROUNDS {
                leave_stale(&path);
                fs::write(&file, round.to_string()).unwrap();
                begun.store(round, Ordering::Release);
                let outcome = replace(&path);
                while renamed.load(Ordering::Acquire) < round {
                    thread::yield_now();
                }
                match outcome {
                    Ok(listener) => drop(listener),
                    Err(ListenError::InUse { .. } | ListenError::NotASocket { .. }) => refused += 1,
                    Err(error) => wrong.push(format!("{error:?}")),
                }
                match fs::read_to_string(&path) {
                    Ok(found) if found == round.to_string() => {}
                    other => wrong.push(format!("round {round}: {other:?}")),
                }
                let _ = fs::remove_file(&path);
            }
        });
        assert_eq!(wrong, [""; 0]);
        assert!(names(&directory).is_empty());
        eprintln!("{refused} of {ROUNDS} binds were refused");
    });
}
