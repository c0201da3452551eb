//! Listening on the first free name.

use std::fs;

use std::path::Path;

use anchovy_wayland::{ListenError, Listener, ListenerBuilder};
use interop_tests::{Directory, FullTable, run};

use crate::names;

fn builder(directory: &Directory) -> ListenerBuilder {
    Listener::builder().runtime_directory(directory.path())
}

#[test]
fn free_names_are_taken_in_order() {
    run(async {
        let directory = Directory::new();
        let builder = builder(&directory);
        let [first, second, third] = [(); 3].map(|()| builder.bind_free().unwrap());
        for (listener, name) in
            [(&first, "wayland-0"), (&second, "wayland-1"), (&third, "wayland-2")]
        {
            assert_eq!(listener.name(), Some(Path::new(name)));
            assert_eq!(listener.path(), Some(&*directory.join(name)));
        }
        drop(second);
        assert_eq!(builder.bind_free().unwrap().name(), Some(Path::new("wayland-1")));
    });
}

#[test]
fn a_first_number_skips_lower_names() {
    run(async {
        let directory = Directory::new();
        let builder = builder(&directory);
        let one = builder.clone().first_number(1).bind_free().unwrap();
        assert_eq!(one.name(), Some(Path::new("wayland-1")));
        assert_eq!(builder.bind_free().unwrap().name(), Some(Path::new("wayland-0")));
    });
}

#[test]
fn a_name_of_another_file_is_skipped() {
    run(async {
        let directory = Directory::new();
        fs::write(directory.join("wayland-0"), "precious").unwrap();
        let listener = builder(&directory).bind_free().unwrap();
        assert_eq!(listener.name(), Some(Path::new("wayland-1")));
        drop(listener);
        assert_eq!(names(&directory), ["wayland-0"]);
    });
}

#[test]
fn binding_fails_after_wayland_32() {
    run(async {
        let directory = Directory::new();
        for number in 0..32 {
            fs::write(directory.join(format!("wayland-{number}")), "").unwrap();
        }
        let last = builder(&directory).bind_free().unwrap();
        assert_eq!(last.name(), Some(Path::new("wayland-32")));

        let error = builder(&directory).bind_free().unwrap_err();
        let said = error.to_string();
        for part in [directory.path().to_str().unwrap(), "wayland-0 to wayland-32", "is a file"] {
            assert!(said.contains(part), "{said}");
        }
        let ListenError::NoFreeName { first: 0, last: 32, reason: Some(reason), .. } = error else {
            panic!("{error:?}")
        };
        assert!(
            matches!(*reason, ListenError::Socket(anchovy::ListenError::NotASocket { .. })),
            "{reason:?}"
        );
    });
}

#[test]
fn a_first_number_above_32_fails() {
    run(async {
        let directory = Directory::new();
        let error = builder(&directory).first_number(33).bind_free().unwrap_err();
        assert!(matches!(error, ListenError::NoFreeName { reason: None, .. }), "{error:?}");
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn an_error_of_every_name_is_returned_immediately() {
    run(async {
        let directory = Directory::new();
        let table = FullTable::with_room_for(0);
        let error = builder(&directory).bind_free().unwrap_err();
        drop(table);
        let ListenError::Lock { path, .. } = error else { panic!("{error:?}") };
        assert_eq!(path, directory.join("wayland-0.lock"));
    });
}

#[test]
fn a_rejected_lock_file_is_skipped() {
    run(async {
        let directory = Directory::new();
        fs::write(directory.join("precious"), "precious").unwrap();
        fs::hard_link(directory.join("precious"), directory.join("wayland-0.lock")).unwrap();
        let listener = builder(&directory).bind_free().unwrap();
        assert_eq!(listener.name(), Some(Path::new("wayland-1")));
        drop(listener);
        assert_eq!(names(&directory), ["precious", "wayland-0.lock"]);
    });
}
