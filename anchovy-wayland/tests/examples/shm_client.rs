//! The example `shm_client`.

use std::process::Command;

use rustix::fs::SealFlags;

use crate::compositor::{Compositor, Manners, Seen, Then};
use crate::harness::*;

/// Has it run on such a compositor.
fn on(manners: Manners, arguments: &[&str]) -> (Ended, Seen) {
    let mut command = example("shm_client");
    let mut outcome = None;
    guarded(|| outcome = Some(run_on(manners, command.args(arguments))));
    outcome.expect("it ran")
}

fn run_on(manners: Manners, command: &mut Command) -> (Ended, Seen) {
    let directory = Directory::new();
    let path = directory.join("wayland-0");
    let compositor = Compositor::start(&path, manners);
    let mut ended = run_to_end(command.arg("--display").arg(&path));
    ended.stdout = ended.stdout.replace(&path.display().to_string(), "PATH");
    (ended, compositor.seen())
}

fn after(frames: usize, then: Then) -> Manners {
    Manners { after: Some((frames, then)), ..Manners::GOOD }
}

#[test]
fn it_shows_the_requested_number_of_frames() {
    let (ended, seen) = on(Manners::GOOD, &["--frames", "3"]);
    let stdout = "connected to PATH\n\
        a window of 256 x 256 pixels, 262144 bytes a frame\n\
        3 frames were shown, the maximum\n";
    let stdout = stdout.to_owned();
    assert_eq!(ended, Ended { code: Some(0), stdout, stderr: String::new() });

    // The file is the client's own, in memory, and does not become shorter.
    let [(_, holders)] = &seen.fds[..] else { panic!("{:?}", seen.fds) };
    assert!(holders.iter().any(|name| name == "shm_client"), "{holders:?}");
    let (name, seals) = seen.pool.unwrap();
    assert_eq!(name, "/memfd:shm_client (deleted)");
    assert_eq!(seals, SealFlags::SHRINK | SealFlags::SEAL);

    assert_eq!(seen.frames.len(), 3);
    for (number, frame) in seen.frames.iter().enumerate() {
        assert_eq!(frame.len(), 256 * 256);
        for (place, pixel) in frame.iter().enumerate() {
            let (x, y) = (place % 256, place / 256);
            let is_light = (x + y + 256 - number) % 64 < 32;
            let expected = if is_light { 0x00ff_b347 } else { 0x0033_4d7a };
            assert_eq!(*pixel, expected, "frame {number}, {x}, {y}");
        }
    }
    assert_eq!((seen.acknowledged, seen.pongs), (vec![17], vec![4711]));
}

#[test]
fn it_ends_when_its_window_is_closed() {
    let (ended, seen) = on(after(4, Then::Close), &[]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    assert!(
        ended.stdout.ends_with("3 frames were shown until the window was closed\n"),
        "{ended:?}"
    );
    assert_eq!(seen.frames.len(), 4);
    // The last requests are the destructors of the window, in the opposite order of its creation, and
    // `wl_display.sync`.
    let last = &seen.bytes[seen.bytes.len() - 36..];
    let words: Vec<_> = last.chunks(4).map(|word| word[0]).collect();
    assert_eq!(words[..8], [12, 0, 11, 0, 10, 0, 1, 0], "{last:?}");
}

#[test]
fn it_ends_when_its_time_is_over() {
    let (ended, _) = on(after(2, Then::Wait), &["--seconds", "1"]);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    assert!(ended.stdout.ends_with("1 frames were shown within the maximum time\n"), "{ended:?}");
}

#[test]
fn a_display_error_is_reported() {
    for (then, part) in [
        (Then::Refuse, "Error: the compositor reported error 7 of wl_surface#10: too colourful\n"),
        (Then::Leave, "Error: the compositor is gone\n"),
        (
            Then::Rave,
            "Error: received a malformed message; drop the connection\n\n\
             Caused by:\n    message with opcode 0 of object 1: an argument requires 4 bytes",
        ),
    ] {
        let (ended, _) = on(after(2, then), &[]);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.starts_with(part), "{ended:?}");
    }
    let little = Manners { globals: &[("wl_compositor", 4), ("wl_shm", 1)], ..Manners::GOOD };
    let (ended, _) = on(little, &[]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.stderr,
        "Error: the compositor has no global with the interface xdg_wm_base\n"
    );
}

#[test]
fn invalid_arguments_are_reported() {
    for (arguments, code, part) in [
        (&["--help"][..], 0, "Usage: shm_client"),
        (&[], 1, "XDG_RUNTIME_DIR"),
        (&["--loud"], 2, "unexpected argument '--loud'"),
        (&["--display"], 2, "a value is required for '--display <NAME>'"),
        (&["--frames"], 2, "a value is required for '--frames <N>'"),
        (&["--frames", "0"], 2, "invalid value '0' for '--frames <N>'"),
        (&["--seconds", "-1"], 2, "unexpected argument '-1'"),
        (&["--display", "/nonexistent/wayland-0"], 1, "/nonexistent/wayland-0"),
    ] {
        assert_output("shm_client", arguments, code, part);
    }
}
