//! The option `mode`: the mode is exact before clients connect, and never wider.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anchovy::ListenError;
use rustix::fs::Mode;
use rustix::process::umask;

use crate::harness::*;

/// Sets the umask of this process until it is dropped. Tests run one at a time.
struct Umask(Mode);

impl Umask {
    fn new(mask: u32) -> Umask {
        Umask(umask(Mode::from_raw_mode(mask)))
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        umask(self.0);
    }
}

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

#[test]
fn the_mode_is_set_before_bind_and_completed_before_listen() {
    let name = "mode::the_mode_is_set_before_bind_and_completed_before_listen";
    let calls = traced(name, &["-e", "trace=getppid,fchmod,bind,chmod,listen"], async {
        let directory = Directory::new();
        let _umask = Umask::new(0o077);
        mark();
        let listener = builder().mode(0o666).bind(directory.join("socket")).unwrap();
        mark();
        drop(listener);
    });
    let Some(calls) = calls else { return };
    let calls: Vec<_> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
    assert_eq!(calls, ["fchmod", "bind", "chmod", "listen"]);
}

/// Checks a path repeatedly, writes a byte for each new socket, and finally writes all permission
/// bits that it has seen.
const WATCHER: &str = "\
import os, select, sys
path, seen, bits = sys.argv[1], None, 0
while not select.select([0], [], [], 0)[0]:
    for _ in range(200):
        try: found = os.lstat(path)
        except FileNotFoundError: continue
        bits |= found.st_mode & 0o7777
        if found.st_ctime_ns != seen:
            seen = found.st_ctime_ns
            os.write(1, b'.')
os.write(1, b'%o' % bits)
";

#[test]
fn another_process_never_sees_a_wider_mode() {
    const SIGHTINGS: usize = 200;
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let _umask = Umask::new(0);
        let mut command = Command::new("python3");
        command.args(["-c", WATCHER]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut watcher = Peer::start(&mut command);
        let mut output = watcher.take_stdout().unwrap();
        rustix::io::ioctl_fionbio(&output, true).unwrap();

        let mut sightings = 0;
        while sightings < SIGHTINGS {
            drop(builder().mode(0o600).bind(&path).unwrap());
            sightings += output.read(&mut [0; 64]).unwrap_or(0);
        }
        drop(watcher.take_stdin());
        rustix::io::ioctl_fionbio(&output, false).unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.trim_start_matches('.'), "600");
        assert!(watcher.wait().success());
    });
}
