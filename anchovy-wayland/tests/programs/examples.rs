//! The examples as programs, with weston.

#[allow(
    dead_code,
    unused_imports,
    reason = "the tests of examples without weston use the rest of it"
)]
#[path = "../examples/harness.rs"]
mod harness;

use crate::weston::Weston;
use harness::*;

#[test]
fn it_prints_the_globals_of_weston_and_creates_a_pool() {
    let mut command = example("pool");
    run(async {
        let weston = Weston::start().await;
        command.env("XDG_RUNTIME_DIR", weston.runtime_directory());
        command.env("WAYLAND_DISPLAY", Weston::DISPLAY);
        let ended = run_to_end(&mut command);
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{}", ended.stdout);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        let [globals @ .., last] = &lines[..] else { panic!("{}", ended.stdout) };
        for needed in ["wl_compositor 4", "wl_shm 1", "xdg_wm_base 3"] {
            assert!(globals.contains(&needed), "{needed}: {}", ended.stdout);
        }
        assert_eq!(*last, "created wl_shm_pool#5 with wl_shm version 1");
    });
}
