//! The examples as programs, with weston.

#[allow(
    dead_code,
    unused_imports,
    reason = "the tests of examples without weston use the rest of it"
)]
#[path = "../examples/harness.rs"]
mod harness;

use std::process::Command;

use rustix::process::Signal;

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

/// Removes what the spy and libwayland print differently: the time, the client or the queue, the names of
/// arguments, the number of a descriptor, and the description of descriptors. Older versions of libwayland
/// print @ before the number of an object, and none prints the interface of an object that is bound.
fn comparable(line: &str) -> String {
    let line = line.split_once("] ").expect("a time").1;
    let line =
        line.split_once("} ").filter(|_| line.starts_with('{')).map_or(line, |(_, line)| line);
    let line = line.split("; fd 0: ").next().unwrap_or_default().replace('@', "#");
    let (call, arguments) = line.split_once('(').expect("arguments");
    let arguments = arguments.split(", ").map(|argument| {
        let argument = match argument.split_once(": ") {
            Some((name, value)) if !name.contains('"') => value,
            _ => argument,
        };
        match argument.split_once(' ') {
            Some(("fd", _)) => "fd".to_owned(),
            Some(("new", _)) if call.ends_with(".bind") => {
                format!("new id #{}", argument.split_once('#').expect("a number").1)
            }
            _ => argument.to_owned(),
        }
    });
    format!("{call}({}", arguments.collect::<Vec<_>>().join(", "))
}

#[test]
fn lines_are_those_of_libwayland_with_names_of_arguments() {
    let mut spy = example("wayland_spy");
    run(async {
        let weston = Weston::start().await;
        let directory = weston.runtime_directory();
        spy.env("XDG_RUNTIME_DIR", directory).args(["--display", Weston::DISPLAY]);
        let mut spy = Program::start(spy.args(["--socket", "spy"]));
        spy.line();
        let mut client = Command::new("weston-simple-shm");
        client.env("XDG_RUNTIME_DIR", directory).env("WAYLAND_DISPLAY", "spy");
        let mut client = Peer::start_recorded(client.env("WAYLAND_DEBUG", "1"));
        let (mut ours, mut frames) = (Vec::new(), 0);
        while frames < 5 {
            let line = spy.line();
            frames += usize::from(line.contains(".frame("));
            ours.push(line);
        }
        client.signal(Signal::TERM);
        client.wait();
        while !ours.last().unwrap().contains("closed the connection") {
            ours.push(spy.line());
        }
        let ours: Vec<_> =
            ours.iter().filter(|line| line.contains("} ")).map(|line| comparable(line)).collect();
        let debug = client.stderr();
        let theirs = debug.lines().filter(|line| line.starts_with('['));
        let theirs: Vec<_> = theirs.map(comparable).collect();

        // libwayland prints an event when the client handles it, and handles those of the display first.
        // It may have printed requests that it had not sent before it was killed.
        let is_request = |line: &&String| line.starts_with(" -> ");
        let is_of_display = |line: &&String| line.starts_with("wl_display#1.");
        let is_other = |line: &&String| !is_request(line) && !is_of_display(line);
        let select = |lines: &[String], is_selected: &dyn Fn(&&String) -> bool| -> Vec<String> {
            lines.iter().filter(|line| is_selected(line)).cloned().collect()
        };
        for (is_selected, at_least) in
            [(&is_request as &dyn Fn(&&String) -> bool, 20), (&is_of_display, 4), (&is_other, 20)]
        {
            let (ours, theirs) = (select(&ours, is_selected), select(&theirs, is_selected));
            let common = ours.len().min(theirs.len());
            assert!(common >= at_least, "{ours:#?}\n{theirs:#?}");
            assert_eq!(ours[..common], theirs[..common]);
        }
        assert_eq!(spy.end_with(Signal::TERM), Some(0));
    });
}
