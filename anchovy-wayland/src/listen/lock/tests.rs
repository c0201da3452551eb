use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;

use interop_tests::{Directory, guarded};
use rustix::fs::CWD;

use super::*;

#[test]
fn the_lock_has_the_whole_name_of_the_socket() {
    for (socket, lock) in [("/run/a", "/run/a.lock"), ("/run/a.b", "/run/a.b.lock")] {
        assert_eq!(path_of(Path::new(socket)), Path::new(lock));
    }
}

#[test]
fn a_lock_is_exclusive_until_it_is_dropped() {
    guarded(|| {
        let directory = Directory::new();
        let socket = directory.join("wayland-0");
        let lock = Lock::acquire(&socket).unwrap();
        let mode = path_of(&socket).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o117, 0, "only owner and group have access: {mode:o}");
        assert_eq!(mode & 0o600, 0o600, "{mode:o}");

        let error = Lock::acquire(&socket).unwrap_err();
        assert!(matches!(&error, ListenError::Locked { path } if *path == path_of(&socket)));
        drop(lock);
        assert!(!path_of(&socket).exists());
        drop(Lock::acquire(&socket).unwrap());
    });
}

#[test]
fn no_child_inherits_a_lock() {
    guarded(|| {
        let directory = Directory::new();
        let lock = Lock::acquire(&directory.join("x")).unwrap();
        let flags = rustix::io::fcntl_getfd(&lock.fd).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    });
}

#[test]
fn an_existing_lock_file_is_locked() {
    guarded(|| {
        let directory = Directory::new();
        let socket = directory.join("x");
        fs::write(path_of(&socket), "left").unwrap();
        let before = path_of(&socket).metadata().unwrap().ino();
        let _lock = Lock::acquire(&socket).unwrap();
        assert_eq!(path_of(&socket).metadata().unwrap().ino(), before);
    });
}

#[test]
fn a_lock_file_that_is_removed_before_it_is_locked_is_created_again() {
    guarded(|| {
        let directory = Directory::new();
        let socket = directory.join("x");
        let times = Cell::new(0);
        let lock = Lock::acquire_by(&socket, |fd| {
            times.set(times.get() + 1);
            if times.get() == 1 {
                fs::remove_file(path_of(&socket)).unwrap();
            }
            try_lock(fd)
        });
        let lock = lock.unwrap();
        assert_eq!(times.get(), 2);
        let named = path_of(&socket).metadata().unwrap();
        let locked = File::from(lock.fd.try_clone().unwrap()).metadata().unwrap();
        assert_eq!((locked.dev(), locked.ino()), (named.dev(), named.ino()));
        assert!(matches!(Lock::acquire(&socket), Err(ListenError::Locked { .. })));
    });
}

#[test]
fn a_lock_file_that_is_replaced_before_it_is_locked_is_locked_by_others() {
    guarded(|| {
        let directory = Directory::new();
        let socket = directory.join("x");
        let mut successor = None;
        let lock = Lock::acquire_by(&socket, |fd| {
            if successor.is_none() {
                fs::remove_file(path_of(&socket)).unwrap();
                successor = Some(Lock::acquire(&socket).unwrap());
            }
            try_lock(fd)
        });
        assert!(matches!(lock, Err(ListenError::Locked { .. })), "{lock:?}");
        assert!(path_of(&socket).exists());
    });
}

#[test]
fn the_lock_file_of_a_successor_stays() {
    guarded(|| {
        let directory = Directory::new();
        let socket = directory.join("x");
        let lock = Lock::acquire(&socket).unwrap();
        // The old file still exists, so the new one cannot get its inode number.
        fs::write(directory.join("new"), "").unwrap();
        fs::rename(directory.join("new"), path_of(&socket)).unwrap();
        drop(lock);
        assert!(path_of(&socket).exists());
    });
}

#[test]
fn a_kept_lock_stays_locked_while_its_descriptor_is_open() {
    guarded(|| {
        let directory = Directory::new();
        let socket = directory.join("x");
        let fd = Lock::acquire(&socket).unwrap().keep();
        assert!(matches!(Lock::acquire(&socket), Err(ListenError::Locked { .. })));
        drop(fd);
        assert!(path_of(&socket).exists());
        assert!(Lock::acquire(&socket).is_ok());
    });
}

#[test]
fn a_directory_or_link_as_lock_file_is_reported_and_kept() {
    guarded(|| {
        let directory = Directory::new();
        fs::create_dir(directory.join("directory.lock")).unwrap();
        symlink(directory.join("elsewhere"), directory.join("link.lock")).unwrap();
        for name in ["directory", "link"] {
            let error = Lock::acquire(&directory.join(name)).unwrap_err();
            let path = directory.join(format!("{name}.lock"));
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert!(matches!(error, ListenError::Lock { .. }), "{error:?}");
            assert!(fs::symlink_metadata(path).is_ok());
        }
        assert!(!directory.join("elsewhere").exists());
    });
}

/// Checks that the lock is refused for this reason, and that the file stays unchanged and unlocked.
#[track_caller]
fn is_refused(socket: &Path, expected: LockRefusal) {
    let path = path_of(socket);
    let before = fs::symlink_metadata(&path).unwrap();
    let error = Lock::acquire(socket).unwrap_err();
    let ListenError::LockRefused { path: refused, reason } = &error else { panic!("{error:?}") };
    assert_eq!((refused, *reason), (&path, expected));
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");

    let after = fs::symlink_metadata(&path).unwrap();
    assert_eq!((before.dev(), before.ino()), (after.dev(), after.ino()));
    if after.is_file() {
        try_lock(&File::open(&path).unwrap().into()).unwrap();
    }
}

#[test]
fn a_fifo_is_rejected_without_waiting_for_a_reader() {
    guarded(|| {
        let directory = Directory::new();
        let socket = directory.join("x");
        rustix::fs::mknodat(CWD, path_of(&socket), FileType::Fifo, MODE, 0).unwrap();
        is_refused(&socket, LockRefusal::NotAFile { found: "a FIFO" });
    });
}

#[test]
fn a_socket_is_refused() {
    guarded(|| {
        let directory = Directory::new();
        let socket = directory.join("x");
        let _listener = UnixListener::bind(path_of(&socket)).unwrap();
        is_refused(&socket, LockRefusal::NotAFile { found: "a socket" });
    });
}

#[test]
fn a_device_is_refused() {
    guarded(|| {
        let directory = Directory::new();
        for (kind, major, name) in [
            (FileType::CharacterDevice, 1, "a character device"),
            (FileType::BlockDevice, 7, "a block device"),
        ] {
            let socket = directory.join(format!("{kind:?}"));
            let device = rustix::fs::makedev(major, 3);
            if rustix::fs::mknodat(CWD, path_of(&socket), kind, MODE, device).is_err() {
                eprintln!("skipped: only root can create a device");
                return;
            }
            is_refused(&socket, LockRefusal::NotAFile { found: name });
        }
    });
}

#[test]
fn a_lock_file_is_opened_without_waiting() {
    guarded(|| {
        let directory = Directory::new();
        let lock = Lock::acquire(&directory.join("x")).unwrap();
        let flags = rustix::fs::fcntl_getfl(&lock.fd).unwrap();
        assert!(flags.contains(OFlags::NONBLOCK), "{flags:?}");
    });
}

#[test]
fn a_special_file_is_rejected_after_it_was_opened() {
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("fifo");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, MODE, 0).unwrap();
        // As if it had replaced a file after the first check.
        let fd = open(&path).unwrap();
        let error = check(&path, &rustix::fs::fstat(&fd).unwrap()).unwrap_err();
        let expected = LockRefusal::NotAFile { found: "a FIFO" };
        let ListenError::LockRefused { reason, .. } = error else { panic!("{error:?}") };
        assert_eq!(reason, expected);
    });
}

#[test]
fn a_lock_file_with_two_hard_links_is_rejected() {
    guarded(|| {
        let directory = Directory::new();
        let socket = directory.join("x");
        fs::write(directory.join("precious"), "precious").unwrap();
        fs::hard_link(directory.join("precious"), path_of(&socket)).unwrap();
        is_refused(&socket, LockRefusal::HardLinked { links: 2 });
        assert_eq!(fs::read(path_of(&socket)).unwrap(), b"precious");
    });
}

#[test]
fn the_lock_file_of_another_user_is_rejected_even_by_root() {
    guarded(|| {
        if !geteuid().is_root() {
            eprintln!("skipped: only root can give a file to another user");
            return;
        }
        let directory = Directory::new();
        let socket = directory.join("x");
        fs::write(path_of(&socket), "").unwrap();
        chown(path_of(&socket), Some(65534), None).unwrap();
        is_refused(&socket, LockRefusal::OtherOwner { uid: 65534 });
    });
}
