//! Connecting by name, and its errors.

use std::error::Error;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use anchovy::PathError;
use anchovy_wayland::{ConnectError, Connected, Connector, Listener, Origin};
use interop_tests::{Directory, FullTable, now, run, without_privileges};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

fn connector(path: impl AsRef<Path>) -> Connector {
    Connector::new().without_environment().display(path.as_ref())
}

/// Returns the error of connecting to this path, which names the path and has as source, but not in its
/// text, the error of the system.
async fn refused(path: &Path) -> ConnectError {
    let error = connector(path).connect().await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains(path.to_str().unwrap()), "{said}");
    let cause = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert!(!said.contains(&cause.to_string()), "{said}");
    error
}

#[test]
fn a_client_connects_by_path_and_by_name() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("a b");
        let listener = Listener::bind(&path).unwrap();
        let by_name = Connector::new().without_environment().runtime_directory(directory.path());

        for connector in [connector(&path), by_name.display("a b")] {
            let Connected { mut stream, origin } = connector.connect().await.unwrap();
            assert_eq!(origin, Origin::Path(path.clone()));
            stream.writable().await.unwrap();
            stream.try_write(b"!").unwrap();
            let (mut accepted, _) = listener.accept().await.unwrap();
            accepted.readable().await.unwrap();
            assert_eq!(accepted.try_read(&mut [0; 2]).unwrap(), 1);
        }
    });
}

#[test]
fn the_default_display_is_wayland_0() {
    run(async {
        let directory = Directory::new();
        let _listener = Listener::bind(directory.join("wayland-0")).unwrap();
        let connector = Connector::new().without_environment().runtime_directory(directory.path());
        let connected = connector.connect().await.unwrap();
        assert_eq!(connected.origin, Origin::Path(directory.join("wayland-0")));
    });
}

#[test]
fn a_missing_display_is_reported_as_not_found() {
    run(async {
        let directory = Directory::new();
        fs::write(directory.join("file"), "").unwrap();
        for name in ["none", "none/none", "file/none"] {
            let error = refused(&directory.join(name)).await;
            assert!(
                matches!(error, ConnectError::Socket(anchovy::ConnectError::NotFound { .. })),
                "{error:?}"
            );
            assert!(error.to_string().contains("check that the compositor is running"), "{error}");
        }
        let error = refused(&directory.join("none")).await;
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn a_compositor_that_has_ended_is_reported_as_refused() {
    run(async {
        let directory = Directory::new();
        drop(UnixListener::bind(directory.join("stale")).unwrap());
        symlink(directory.join("stale"), directory.join("link")).unwrap();
        for name in ["stale", "link"] {
            let error = refused(&directory.join(name)).await;
            assert!(
                matches!(error, ConnectError::Socket(anchovy::ConnectError::Refused { .. })),
                "{error:?}"
            );
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionRefused);
        }
    });
}

#[test]
fn a_file_that_is_not_a_socket_is_reported_also_for_a_link() {
    run(async {
        let directory = Directory::new();
        fs::write(directory.join("file"), "").unwrap();
        fs::create_dir(directory.join("directory")).unwrap();
        symlink(directory.join("file"), directory.join("link")).unwrap();
        for name in ["file", "directory", "link"] {
            let error = refused(&directory.join(name)).await;
            assert!(
                matches!(error, ConnectError::Socket(anchovy::ConnectError::NotASocket { .. })),
                "{error:?}"
            );
        }
    });
}

#[test]
fn a_link_to_a_display_is_followed() {
    run(async {
        let directory = Directory::new();
        let _listener = Listener::bind(directory.join("wayland-0")).unwrap();
        symlink(directory.join("wayland-0"), directory.join("link")).unwrap();
        assert!(connector(directory.join("link")).connect().await.is_ok());
    });
}

#[test]
fn a_socket_of_another_type_is_reported() {
    run(async {
        let directory = Directory::new();
        let _logger = UnixDatagram::bind(directory.join("log")).unwrap();
        let error = refused(&directory.join("log")).await;
        assert!(
            matches!(error, ConnectError::Socket(anchovy::ConnectError::NotAStream { .. })),
            "{error:?}"
        );
    });
}

#[test]
fn a_display_without_write_permission_is_reported() {
    without_privileges(async {
        let directory = Directory::new();
        let _listener = Listener::bind(directory.join("closed")).unwrap();
        fs::set_permissions(directory.join("closed"), Permissions::from_mode(0o555)).unwrap();
        let error = refused(&directory.join("closed")).await;
        assert!(
            matches!(error, ConnectError::Socket(anchovy::ConnectError::PermissionDenied { .. })),
            "{error:?}"
        );
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
    });
}

#[test]
fn a_full_descriptor_table_is_reported() {
    run(async {
        let directory = Directory::new();
        let _listener = Listener::bind(directory.join("display")).unwrap();
        let mut table = FullTable::with_room_for(0);
        let error = refused(&directory.join("display")).await;
        assert!(
            matches!(error, ConnectError::Socket(anchovy::ConnectError::Io { .. })),
            "{error:?}"
        );
        table.make_room_for(1);
        assert!(connector(directory.join("display")).connect().await.is_ok());
    });
}

/// A compositor with room for exactly one connection that it has not accepted.
fn narrow(path: &Path) -> OwnedFd {
    let listener = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&listener, &SocketAddrUnix::new(path).unwrap()).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    listener
}

#[test]
fn a_connect_waits_while_the_backlog_is_full() {
    run(async {
        let directory = Directory::new();
        let listener = narrow(&directory.join("busy"));
        let connector = connector(directory.join("busy"));
        let _first = connector.connect().await.unwrap();

        let mut second = Box::pin(connector.connect());
        assert!(now(second.as_mut()).await.is_none());
        let _accepted = rustix::net::accept(&listener).unwrap();
        assert!(second.await.is_ok());
    });
}

#[test]
fn a_dropped_connect_leaves_no_connection_in_the_backlog() {
    run(async {
        let directory = Directory::new();
        let listener = narrow(&directory.join("busy"));
        let connector = connector(directory.join("busy"));
        let _first = connector.connect().await.unwrap();
        assert!(now(connector.connect()).await.is_none());

        let _accepted = rustix::net::accept(&listener).unwrap();
        rustix::io::ioctl_fionbio(&listener, true).unwrap();
        assert_eq!(rustix::net::accept(&listener).unwrap_err(), rustix::io::Errno::AGAIN);
    });
}

/// Returns the error of connecting to this name in this directory, or to this absolute path.
async fn path_error(name: &Path, directory: &str) -> (PathError, String) {
    let connector = connector(name).runtime_directory(directory);
    let error = connector.connect().await.unwrap_err();
    let text = error.to_string();
    let ConnectError::Socket(anchovy::ConnectError::Path(error)) = error else {
        panic!("{error:?}")
    };
    (error, text)
}

#[test]
fn a_path_of_the_maximum_length_is_used_and_a_longer_one_rejected() {
    run(async {
        const LONGEST: usize = 107;
        let directory = "/run";
        let name = "a".repeat(LONGEST - "/run/".len());
        let error = connector(&name).runtime_directory(directory).connect().await.unwrap_err();
        let ConnectError::Socket(anchovy::ConnectError::NotFound { path, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(path.as_os_str().len(), LONGEST);

        let absolute = format!("/{}", "a".repeat(LONGEST));
        for (name, path) in
            [(format!("{name}b"), format!("/run/{name}b")), (absolute.clone(), absolute)]
        {
            let (error, text) = path_error(Path::new(&name), directory).await;
            for part in [path.as_str(), &(LONGEST + 1).to_string(), &LONGEST.to_string()] {
                assert!(text.contains(part), "{text}");
            }
            match error {
                PathError::TooLong { length, limit, .. } => {
                    assert_eq!((length, limit), (LONGEST + 1, LONGEST));
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_path_with_a_nul_is_reported() {
    run(async {
        let (error, _) = path_error(Path::new("a\0b"), "/run/me").await;
        assert!(matches!(error, PathError::NulInPath { .. }), "{error:?}");
    });
}
