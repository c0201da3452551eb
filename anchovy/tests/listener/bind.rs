//! Binding and dropping a listener.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use anchovy::{ListenError, PathError};
use rustix::io::FdFlags;
use tokio::io::AsyncReadExt;

use crate::harness::*;

#[test]
fn a_client_connects_and_passes_descriptors() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
        assert_eq!(listener.path(), Some(&*path));
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));

        let mut near = Stream::connect(&path).await.unwrap();
        let (mut far, address) = listener.accept().await.unwrap();
        assert!(address.is_unnamed());
        assert_eq!(far.peer_cred().unwrap().pid(), Some(std::process::id() as i32));
        let fds = memfds(3);
        near.send_with_fds(b"here", &fds).await.unwrap();
        far.read_exact(&mut [0; 4]).await.unwrap();
        assert_eq!(identities(far.read_queue()), identities(&fds));
    });
}

#[test]
fn no_child_inherits_the_socket_or_an_accepted_stream() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("socket")).unwrap();
        let _client = client(&directory.join("socket"));
        let (stream, _) = listener.accept().await.unwrap();
        for fd in [listener.as_fd(), stream.as_fd()] {
            assert!(rustix::io::fcntl_getfd(fd).unwrap().contains(FdFlags::CLOEXEC));
        }
    });
}

#[test]
fn binding_a_path_twice_fails_and_the_first_listener_stays() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        for builder in [builder(), builder().replace_stale(true), builder().mode(0o600)] {
            let error = builder.bind(&path).unwrap_err();
            assert!(matches!(&error, ListenError::InUse { path: found } if *found == path));
        }
        let _client = client(&path);
        assert!(listener.accept().await.is_ok());
        assert!(now(listener.accept()).await.is_none(), "no attempt connected");
        assert_eq!(names(&directory), ["socket"]);
    });
}

#[test]
fn dropping_the_listener_removes_its_file_and_keeps_streams_open() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("socket")).unwrap();
        let mut client = Stream::connect(directory.join("socket")).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        assert!(names(&directory).is_empty());
        client.send_with_fds(b"on", &memfds(1)).await.unwrap();
        assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 1);
    });
}

#[test]
fn without_unlink_on_drop_the_file_stays() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = builder().unlink_on_drop(false).bind(&path).unwrap();
        assert_eq!(listener.path(), Some(&*path));
        drop(listener);
        assert_eq!(names(&directory), ["socket"]);
    });
}

#[test]
fn the_file_of_another_server_at_the_same_path_stays() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        // Created while the old one exists, so that it has a different inode number.
        let _successor = std::os::unix::net::UnixListener::bind(directory.join("new")).unwrap();
        fs::rename(directory.join("new"), &path).unwrap();
        drop(listener);
        assert_eq!(names(&directory), ["socket"]);
        let _client = client(&path);
    });
}

#[test]
fn closing_after_the_file_was_removed_is_no_error() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("socket")).unwrap();
        fs::remove_file(directory.join("socket")).unwrap();
        listener.close().unwrap();
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn a_socket_at_a_relative_path_is_removed() {
    run(async {
        let directory = Directory::new();
        let up = std::env::current_dir().unwrap().iter().skip(1).map(|_| "..").collect::<PathBuf>();
        let relative = up.join(directory.join("s").strip_prefix("/").unwrap());
        let listener = builder().replace_stale(true).bind(&relative).unwrap();
        assert!(listener.path().unwrap().is_absolute());
        drop(listener);
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn accepted_streams_have_the_limits_of_the_builder() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let builder = builder().read_fd_limit(4).read_queue_limit(9).write_fd_limit(2);
        let listener = builder.bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.read_fd_limit(), 4);
        assert_eq!(stream.read_queue_limit(), 9);
        assert_eq!(stream.write_fd_limit(), 2);
        client.send_with_fds(b"five", &memfds(5)).await.unwrap();
        assert!(stream.recv(&mut [0; 8]).await.is_err());
    });
}

#[test]
fn an_out_of_range_limit_is_refused_before_binding() {
    run(async {
        let directory = Directory::new();
        let refused = builder().read_fd_limit(254).bind(directory.join("socket"));
        assert!(matches!(refused, Err(ListenError::Limit(_))), "{refused:?}");
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn the_backlog_limits_the_number_of_waiting_clients() {
    run(async {
        let directory = Directory::new();
        for backlog in [0, 3] {
            let path = directory.join("socket");
            let listener = builder().backlog(backlog).bind(&path).unwrap();
            let mut waiting = Vec::new();
            let full = loop {
                match tokio::net::UnixStream::connect(&path).await {
                    Ok(client) => waiting.push(client),
                    Err(error) => break error,
                }
            };
            assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
            // The kernel refuses a connection when there are more than `backlog`.
            assert_eq!(waiting.len(), backlog as usize + 1);
            drop(listener);
        }
    });
}

#[test]
fn connecting_waits_while_the_backlog_is_full() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = builder().backlog(0).bind(&path).unwrap();
        let _first = client(&path);
        let mut second = Box::pin(Stream::connect(&path));
        assert!(now(second.as_mut()).await.is_none(), "it waits");
        listener.accept().await.unwrap();
        second.await.unwrap();
    });
}

#[test]
fn invalid_socket_paths_are_refused() {
    run(async {
        let directory = Directory::new();
        let room = 107 - directory.path().as_os_str().len() - 1;
        drop(Listener::bind(directory.join("a".repeat(room))).unwrap());
        let error = Listener::bind(directory.join("a".repeat(room + 1))).unwrap_err();
        let ListenError::Path(PathError::TooLong { length: 108, limit: 107, .. }) = error else {
            panic!("{error:?}");
        };
        let error = Listener::bind("").unwrap_err();
        assert!(matches!(error, ListenError::Path(PathError::Empty)), "{error:?}");
        let error = Listener::bind("/run/a\0b").unwrap_err();
        assert!(matches!(error, ListenError::Path(PathError::NulInPath { .. })), "{error:?}");
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn a_missing_directory_is_a_system_error() {
    run(async {
        let directory = Directory::new();
        for builder in [builder(), builder().replace_stale(true), builder().mode(0o600)] {
            let error = builder.bind(directory.join("gone/socket")).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            assert!(error.to_string().contains("gone/socket"), "{error}");
        }
    });
}

#[test]
fn binding_with_a_full_table_leaves_no_file_behind() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        leave_stale(&path);
        let mut table = FullTable::with_room_for(0);
        let builder = builder().replace_stale(true);
        // The call opens three descriptors: the socket, the lock, and the check of the stale
        // socket.
        for room in 0..3 {
            let error = builder.bind(&path).unwrap_err();
            assert!(matches!(error, ListenError::Io { .. }), "{room}: {error:?}");
            table.make_room_for(1);
        }
        let listener = builder.bind(&path).unwrap();
        drop(table);
        assert_eq!(names(&directory), ["socket"]);
        drop(listener);
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn binding_without_timers_panics_and_leaves_no_file_behind() {
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("socket");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let bind = || runtime.block_on(async { Listener::bind(&path).map(drop) });
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(bind)).unwrap_err();
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap();
        assert!(text.contains("timers"), "{text}");
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn debug_of_a_listener_has_its_path() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let debug = format!("{listener:?}");
        assert!(debug.starts_with("AnchovyListener { fd: "), "{debug}");
        assert!(debug.contains(&format!("path: Some({path:?})")), "{debug}");
    });
}
