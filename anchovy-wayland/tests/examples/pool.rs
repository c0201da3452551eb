//! The example `pool`.

use crate::compositor::{Compositor, Manners};
use crate::harness::*;

#[test]
fn the_pool_of_the_compositor_is_the_memory_of_the_client() {
    let mut command = example("pool");
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("wayland-0");
        let compositor = Compositor::start(&path, Manners::GOOD);
        let ended = run_to_end(command.env("XDG_RUNTIME_DIR", directory.path()));
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{}", ended.stdout);
        let seen = compositor.seen();
        let [(_, holders)] = &seen.fds[..] else { panic!("{:?}", seen.fds) };
        assert!(!holders.is_empty(), "the compositor has the file open");
        assert!(holders.iter().all(|name| name != "pool"), "it was moved: {holders:?}");
        assert_eq!(seen.pool.expect("a pool").0, "/memfd:pool (deleted)");
    });
}

#[test]
fn a_missing_display_is_a_readable_error() {
    let mut command = example("pool");
    guarded(|| {
        let directory = Directory::new();
        command.env("XDG_RUNTIME_DIR", directory.path()).env("WAYLAND_DISPLAY", "wayland-7");
        let ended = run_to_end(&mut command);
        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""));
        let path = directory.join("wayland-7");
        let expected = format!(
            "Error: cannot connect to a compositor: there is no socket {}; check that the compositor \
             is running and uses this directory\n\nCaused by:\n    No such file or directory (os error 2)\n",
            path.display()
        );
        assert_eq!(ended.stderr, expected);
    });
}

#[test]
fn it_has_at_most_40_lines() {
    let source = include_str!("../../examples/pool.rs");
    let lines = source.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 40, "{lines}");
    assert!(!source.contains("\nmod "), "it is complete without a module");
}
