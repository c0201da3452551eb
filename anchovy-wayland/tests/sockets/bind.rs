//! Listening on one name: the files that are created, replaced, kept and removed.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anchovy::PathError;
use anchovy_wayland::{ListenError, Listener, LocationError};
use interop_tests::{Directory, FullTable, guarded, now, run, runtime, without_privileges};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::names;

#[test]
fn dropping_a_listener_removes_its_socket_and_its_lock_file() {
    run(async {
        let directory = Directory::new();
        let builder = Listener::builder().runtime_directory(directory.path());
        for name in ["wayland-7", "a.b"] {
            let listener = builder.bind(name).unwrap();
            assert_eq!(names(&directory), [name.to_owned(), format!("{name}.lock")]);
            let path = directory.join(name);
            assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
            assert_eq!(listener.path(), Some(&*path));
            assert_eq!(listener.name(), Some(Path::new(name)));

            let _client = UnixStream::connect(&path).unwrap();
            assert!(listener.accept().await.is_ok());
            drop(listener);
            assert!(names(&directory).is_empty());
        }
    });
}

#[test]
fn an_absolute_path_is_the_name() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("display");
        let builder = Listener::builder().runtime_directory("/nonexistent");
        let listener = builder.bind(&path).unwrap();
        assert_eq!((listener.path(), listener.name()), (Some(&*path), Some(&*path)));
    });
}

#[test]
fn no_child_inherits_the_socket() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("x")).unwrap();
        let flags = rustix::io::fcntl_getfd(&listener).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    });
}

#[test]
fn the_backlog_is_that_of_libwayland() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        let _listener = Listener::bind(&path).unwrap();
        let mut waiting = Vec::new();
        let full = loop {
            match tokio::net::UnixStream::connect(&path).await {
                Ok(client) => waiting.push(client),
                Err(error) => break error,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        // The kernel refuses once there are more than were asked for.
        assert_eq!(waiting.len(), 128 + 1);
    });
}

#[test]
fn binding_a_name_twice_fails() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        let first = Listener::bind(&path).unwrap();
        let error = Listener::bind(&path).unwrap_err();
        let lock = directory.join("x.lock");
        assert!(matches!(&error, ListenError::Locked { path } if *path == lock), "{error:?}");
        assert!(error.to_string().contains(lock.to_str().unwrap()), "{error}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::AddrInUse);

        let _client = UnixStream::connect(&path).unwrap();
        assert!(first.accept().await.is_ok(), "the first has lost nothing");
        drop(first);
        assert!(Listener::bind(&path).is_ok());
    });
}

#[test]
fn a_lock_without_a_socket_prevents_binding() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        let _first = Listener::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(Listener::bind(&path), Err(ListenError::Locked { .. })));
        assert!(!path.exists());
    });
}

#[test]
fn the_socket_of_a_compositor_that_ended_is_replaced() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        for mode in [0o755, 0o200, 0o020] {
            drop(UnixListener::bind(&path).unwrap());
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let listener = Listener::bind(&path).unwrap();
            let _client = UnixStream::connect(&path).unwrap();
            assert!(listener.accept().await.is_ok());
        }
    });
}

#[test]
fn a_write_protected_socket_is_not_replaced_as_in_libwayland() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        drop(UnixListener::bind(&path).unwrap());
        fs::set_permissions(&path, Permissions::from_mode(0o555)).unwrap();
        let error = Listener::bind(&path).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(matches!(error, ListenError::WriteProtected { .. }), "{error:?}");
        assert_eq!(names(&directory), ["x"]);
    });
}

#[test]
fn a_live_socket_without_a_lock_is_not_replaced() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        let living = UnixListener::bind(&path).unwrap();
        living.set_nonblocking(true).unwrap();

        let error = Listener::bind(&path).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(
            matches!(error, ListenError::Socket(anchovy::ListenError::InUse { .. })),
            "{error:?}"
        );
        let nobody = living.accept().unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(names(&directory), ["x"]);
    });
}

#[test]
fn a_bound_socket_that_does_not_listen_is_not_replaced() {
    run(async {
        let directory = Directory::new();
        let early = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        let address = SocketAddrUnix::new(directory.join("early")).unwrap();
        rustix::net::bind(&early, &address).unwrap();
        let _logger = UnixDatagram::bind(directory.join("logger")).unwrap();
        for name in ["early", "logger"] {
            let error = Listener::bind(directory.join(name)).unwrap_err();
            assert!(
                matches!(error, ListenError::Socket(anchovy::ListenError::InUse { .. })),
                "{error:?}"
            );
        }
        assert_eq!(names(&directory), ["early", "logger"]);
    });
}

#[test]
fn a_file_that_is_not_a_socket_is_kept_and_reported() {
    run(async {
        let directory = Directory::new();
        fs::write(directory.join("file"), "precious").unwrap();
        fs::create_dir(directory.join("directory")).unwrap();
        drop(UnixListener::bind(directory.join("stale")).unwrap());
        symlink(directory.join("stale"), directory.join("link")).unwrap();

        for (name, kind) in
            [("file", "a file"), ("directory", "a directory"), ("link", "a symbolic link")]
        {
            let error = Listener::bind(directory.join(name)).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(kind) && said.contains(name), "{said}");
            assert!(
                matches!(error, ListenError::Socket(anchovy::ListenError::NotASocket { .. })),
                "{error:?}"
            );
        }
        assert_eq!(names(&directory), ["directory", "file", "link", "stale"]);
        assert_eq!(fs::read(directory.join("file")).unwrap(), b"precious");
    });
}

#[test]
fn an_invalid_socket_path_is_reported_and_creates_no_file() {
    run(async {
        let directory = Directory::new();
        let room = 107 - directory.path().as_os_str().len() - 1;
        drop(Listener::bind(directory.join("a".repeat(room))).unwrap());
        let error = Listener::bind(directory.join("a".repeat(room + 1))).unwrap_err();
        assert!(
            matches!(
                error,
                ListenError::Socket(anchovy::ListenError::Path(PathError::TooLong {
                    length: 108,
                    limit: 107,
                    ..
                }))
            ),
            "{error:?}"
        );
        let error = Listener::bind(directory.join("a\0b")).unwrap_err();
        let path = ListenError::Socket(anchovy::ListenError::Path(PathError::NulInPath {
            path: directory.join("a\0b"),
        }));
        assert_eq!(format!("{error:?}"), format!("{path:?}"));
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn an_invalid_runtime_directory_is_reported() {
    run(async {
        let error = Listener::builder().runtime_directory("").bind("x").unwrap_err();
        let location = LocationError::EmptyRuntimeDirectory;
        assert!(error.to_string().contains(&location.to_string()), "{error}");
        let error = Listener::builder().runtime_directory("relative").bind_free().unwrap_err();
        assert!(
            matches!(error, ListenError::Location(LocationError::RelativeRuntimeDirectory { .. })),
            "{error:?}"
        );
    });
}

#[test]
fn a_missing_directory_is_reported() {
    run(async {
        let directory = Directory::new();
        let builder = Listener::builder().runtime_directory(directory.join("gone"));
        for error in [builder.bind("x").unwrap_err(), builder.bind_free().unwrap_err()] {
            let said = error.to_string();
            assert!(said.contains(directory.join("gone").to_str().unwrap()), "{said}");
            assert!(said.contains("check that its directory exists"), "{said}");
            assert!(matches!(error, ListenError::Lock { .. }), "{error:?}");
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
        }
    });
}

#[test]
fn a_directory_without_write_permission_is_reported() {
    without_privileges(async {
        let directory = Directory::new();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o500)).unwrap();
        let error = Listener::bind(directory.join("x")).unwrap_err();
        let free = Listener::builder().runtime_directory(directory.path()).bind_free().unwrap_err();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();

        assert!(error.to_string().contains("x.lock"), "{error}");
        assert!(error.to_string().contains("check the write permission"), "{error}");
        assert!(matches!(error, ListenError::Lock { .. }), "{error:?}");
        assert!(free.to_string().contains("check the write permission"), "{free}");
        assert_eq!(io::Error::from(free).kind(), io::ErrorKind::PermissionDenied);
    });
}

#[test]
fn a_full_descriptor_table_leaves_no_files() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        let mut table = FullTable::with_room_for(0);
        let error = Listener::bind(&path).unwrap_err();
        assert!(matches!(error, ListenError::Lock { .. }), "{error:?}");
        // One for the lock.
        table.make_room_for(1);
        let error = Listener::bind(&path).unwrap_err();
        assert!(matches!(error, ListenError::Socket(anchovy::ListenError::Io { .. })), "{error:?}");
        table.make_room_for(1);
        drop(Listener::bind(&path).unwrap());
        drop(table);
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn binding_without_timers_panics_and_leaves_no_files() {
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("x");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let panicked =
            std::panic::catch_unwind(|| runtime.block_on(async { Listener::bind(path) }));
        assert!(panicked.is_err());
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn dropping_a_listener_keeps_the_files_of_its_successor() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        let listener = Listener::bind(&path).unwrap();
        // Made while the old one exists, so that it cannot have the same inode number.
        let _successor = UnixListener::bind(directory.join("new")).unwrap();
        fs::rename(directory.join("new"), &path).unwrap();
        drop(listener);
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(names(&directory), ["x"]);
    });
}

#[test]
fn dropping_a_listener_ignores_removed_files() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("x")).unwrap();
        fs::remove_file(directory.join("x")).unwrap();
        fs::remove_file(directory.join("x.lock")).unwrap();
        drop(listener);
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn concurrent_binds_of_one_name_never_overlap() {
    guarded(|| {
        let directory = Arc::new(Directory::new());
        let one = |directory: Arc<Directory>| {
            let path = directory.join("x");
            runtime().block_on(async {
                let mut had = 0;
                while had < 200 {
                    match Listener::bind(&path) {
                        Ok(listener) => {
                            had += 1;
                            assert!(directory.join("x.lock").exists());
                            let _client = UnixStream::connect(&path).expect("it is ours");
                            assert!(listener.accept().await.is_ok(), "it is ours");
                        }
                        Err(ListenError::Locked { .. }) => thread::yield_now(),
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        };
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let directory = Arc::clone(&directory);
                thread::spawn(move || one(directory))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn an_adopted_socket_accepts_and_its_file_is_not_removed() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        let bound = UnixListener::bind(&path).unwrap();
        rustix::io::fcntl_setfd(&bound, rustix::io::FdFlags::empty()).unwrap();

        let listener = Listener::from_std(bound).unwrap();
        assert_eq!((listener.name(), listener.path()), (None, None));
        let flags = rustix::io::fcntl_getfd(&listener).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "no child inherits it");
        assert!(now(listener.accept()).await.is_none(), "it does not block");
        let _client = UnixStream::connect(&path).unwrap();
        assert!(listener.accept().await.is_ok());
        drop(listener);
        assert_eq!(names(&directory), ["x"]);
    });
}
