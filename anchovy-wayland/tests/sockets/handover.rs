//! Passing a listener to another process with its socket and its lock.

use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};

use anchovy_wayland::{ListenError, Listener, ListenerParts};
use interop_tests::{Directory, run};

use crate::names;

#[test]
fn a_listener_from_parts_keeps_its_name_and_waiting_clients() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        let parts = Listener::bind(&path).unwrap().into_parts().unwrap();
        assert_eq!(names(&directory), ["x", "x.lock"]);
        let _client = UnixStream::connect(&path).unwrap();
        assert!(matches!(Listener::bind(&path), Err(ListenError::Locked { .. })));

        let listener = Listener::from_parts(parts).unwrap();
        assert_eq!((listener.name(), listener.path()), (Some(&*path), Some(&*path)));
        assert!(listener.accept().await.is_ok());
        assert!(matches!(Listener::bind(&path), Err(ListenError::Locked { .. })));
        drop(listener);
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn the_files_of_dropped_parts_are_replaced_by_the_next_listener() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("x");
        drop(Listener::bind(&path).unwrap().into_parts().unwrap());
        assert_eq!(names(&directory), ["x", "x.lock"]);
        assert!(Listener::bind(&path).is_ok());
    });
}

#[test]
fn the_parts_of_an_adopted_socket_have_no_file() {
    run(async {
        let directory = Directory::new();
        let bound = UnixListener::bind(directory.join("x")).unwrap();
        let parts = Listener::from_std(bound).unwrap().into_parts().unwrap();
        assert!(parts.file.is_none());
        drop(Listener::from_parts(parts).unwrap());
        assert_eq!(names(&directory), ["x"]);
    });
}

#[test]
fn parts_with_the_socket_of_another_path_are_rejected() {
    run(async {
        let directory = Directory::new();
        let mut one = Listener::bind(directory.join("one")).unwrap().into_parts().unwrap();
        let mut two = Listener::bind(directory.join("two")).unwrap().into_parts().unwrap();
        std::mem::swap(&mut one.file, &mut two.file);
        let error = Listener::from_parts(one).unwrap_err();
        assert!(
            matches!(&error, ListenError::NotHandedOver { path } if *path == directory.join("two")),
            "{error:?}"
        );
        assert_eq!(names(&directory), ["one", "one.lock", "two", "two.lock"]);
    });
}

#[test]
fn parts_with_the_lock_of_another_file_are_rejected() {
    run(async {
        let directory = Directory::new();
        let parts = Listener::bind(directory.join("x")).unwrap().into_parts().unwrap();
        fs::write(directory.join("new"), "").unwrap();
        fs::rename(directory.join("new"), directory.join("x.lock")).unwrap();
        let error = Listener::from_parts(parts).unwrap_err();
        assert!(matches!(error, ListenError::NotHandedOver { .. }), "{error:?}");
        assert_eq!(names(&directory), ["x", "x.lock"]);
    });
}

#[test]
fn a_lock_held_by_another_process_is_reported() {
    run(async {
        let directory = Directory::new();
        let ListenerParts { socket, file } =
            Listener::bind(directory.join("x")).unwrap().into_parts().unwrap();
        let (path, _lock) = file.unwrap();
        let other = File::open(directory.join("x.lock")).unwrap();
        let parts = ListenerParts { socket, file: Some((path, other.into())) };
        let error = Listener::from_parts(parts).unwrap_err();
        assert!(matches!(error, ListenError::Locked { .. }), "{error:?}");
        assert_eq!(names(&directory), ["x", "x.lock"]);
    });
}
