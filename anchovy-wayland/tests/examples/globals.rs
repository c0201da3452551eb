//! The example `globals`.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use crate::compositor::{Compositor, Manners};
use crate::harness::*;

#[test]
fn it_lists_the_globals_of_a_compositor() {
    let mut command = example("globals");
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("wayland-0");
        let compositor = Compositor::start(&path, Manners { clients: 3, ..Manners::GOOD });
        let expected = "   1  wl_compositor                                 version 4\n   \
            2  wl_shm                                        version 1\n   \
            3  xdg_wm_base                                   version 3\n";
        // By itself, by a name, and by a path.
        command.env("XDG_RUNTIME_DIR", directory.path());
        let by_itself = run_to_end(&mut command);
        let by_name = run_to_end(command.env("WAYLAND_DISPLAY", "nowhere").arg("wayland-0"));
        let mut command = example("globals");
        let by_path = run_to_end(command.arg(path));
        for ended in [by_itself, by_name, by_path] {
            let stdout = expected.to_owned();
            assert_eq!(ended, Ended { code: Some(0), stdout, stderr: String::new() });
        }
        compositor.end();
    });
}

#[test]
fn invalid_compositors_are_reported() {
    let global = |interface: &str| {
        let event = anchovy_wayland::Message::builder(id(2), 0).uint(1).string(interface).uint(1);
        bytes_of(&event.build().unwrap())
    };
    let done = bytes_of(&anchovy_wayland::Message::builder(id(3), 0).uint(0).build().unwrap());
    let error = anchovy_wayland::DisplayError::new(id(1), 2, "not today").message();
    for (answer, code, part) in [
        (Vec::new(), 1, "closed the connection before it replied"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), 1, "received a malformed message"),
        (global("wl_shm")[..12].to_vec(), 1, "after 12 bytes of a message"),
        (bytes_of(&error), 1, "error 2 of wl_display#1: not today"),
        // An interface cannot break its line.
        ([global("a\n\u{1b}[2Jb"), done].concat(), 0, "a\\n\\u{1b}[2Jb"),
    ] {
        let mut command = example("globals");
        guarded(|| {
            let directory = Directory::new();
            let path = directory.join("wayland-0");
            let listener = UnixListener::bind(&path).unwrap();
            let compositor = std::thread::spawn(move || {
                let (mut client, _) = listener.accept().unwrap();
                client.read_exact(&mut [0; 24]).unwrap();
                client.write_all(&answer).unwrap();
            });
            let ended = run_to_end(command.arg(&path));
            compositor.join().unwrap();
            let said = ended.stdout + &ended.stderr;
            assert_eq!(ended.code, Some(code), "{said}");
            assert!(said.contains(part), "{said}");
            if code == 0 {
                assert_eq!(said.lines().count(), 1, "{said}");
            } else {
                let origin =
                    format!("Error: cannot get the globals of {}\n\nCaused by:\n", path.display());
                assert!(said.starts_with(&origin), "{said}");
            }
        });
    }
}

#[test]
fn a_silent_compositor_times_out() {
    let mut command = example("globals");
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("wayland-0");
        let _listener = UnixListener::bind(&path).unwrap();
        let ended = run_to_end(command.args(["--timeout", "0.1"]).arg(&path));
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.stderr.contains("the compositor did not reply within 100ms"),
            "{}",
            ended.stderr
        );
    });
}

#[test]
fn invalid_arguments_are_reported() {
    for (arguments, code, part) in [
        (&["--help"][..], 0, "Usage: globals"),
        (&[], 1, "XDG_RUNTIME_DIR"),
        (&["--loud"], 2, "unexpected argument '--loud'"),
        (&["/a", "/b"], 2, "unexpected argument '/b'"),
        (&["--timeout"], 2, "a value is required for '--timeout <SECONDS>'"),
        (&["--timeout", "soon"], 2, "invalid value 'soon' for '--timeout <SECONDS>'"),
        (&["--timeout=-1"], 2, "invalid value '-1' for '--timeout <SECONDS>'"),
        (&["/nonexistent/wayland-0"], 1, "/nonexistent/wayland-0"),
    ] {
        assert_output("globals", arguments, code, part);
    }
}
