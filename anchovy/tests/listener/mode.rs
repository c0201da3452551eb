//! The option `mode`: the mode is exact before clients connect, and never wider.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anchovy::ListenError;

use crate::harness::*;

fn mode_of(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn the_mode_is_exact_regardless_of_the_umask() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        for mask in [0, 0o022, 0o077, 0o777] {
            let _umask = Umask::new(mask);
            for mode in [0, 0o600, 0o606, 0o660, 0o666, 0o777] {
                let listener = builder().mode(mode).bind(&path).unwrap();
                assert_eq!(mode_of(&path), mode, "umask {mask:o}");
                drop(listener);
            }
        }
    });
}

#[test]
fn without_a_mode_the_umask_applies() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        for (mask, mode) in [(0o022, 0o755), (0o077, 0o700)] {
            let _umask = Umask::new(mask);
            let _listener = Listener::bind(&path).unwrap();
            assert_eq!(mode_of(&path), mode);
        }
    });
}

#[test]
fn a_replaced_socket_has_the_new_mode() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        leave_stale(&path);
        let _listener = builder().replace_stale(true).mode(0o640).bind(&path).unwrap();
        assert_eq!(mode_of(&path), 0o640);
    });
}

#[test]
fn bits_other_than_permissions_are_refused() {
    run(async {
        let directory = Directory::new();
        for mode in [0o1000, 0o4755, 0o10600] {
            let error = builder().mode(mode).bind(directory.join("socket")).unwrap_err();
            assert!(matches!(error, ListenError::InvalidMode { mode: found } if found == mode));
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        }
        assert!(names(&directory).is_empty());
    });
}
