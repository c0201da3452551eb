//! Sway, and programs that weston does not support: a terminal, a virtual keyboard and a
//! clipboard.

use std::fs::File;

use interop_tests::{Program, Scenario, Transcript, runtime};

use super::desktop::Desktop;
use super::spied::Spied;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("the_example_shows_a_window", our_window),
    Scenario::new("foot_shows_a_window_through_the_proxy", foot),
    Scenario::new("keymaps_of_wtype_reach_sway_and_foot_through_the_proxy", wtype),
    Scenario::new("wl_paste_receives_from_wl_copy_through_the_proxy", clipboard),
];

fn our_window(transcript: &Transcript) {
    runtime().block_on(async {
        let sway = Desktop::sway().await;
        let mut window = Program::start(sway.example("shm_client").args(["--frames", "5"]));
        transcript.note(window.ended().await.last().expect("it says how many"));
    });
}

/// Starts a terminal whose shell waits for input and ends with the terminal.
fn terminal(spied: &Spied<'_>) -> Program {
    Program::start(spied.program("foot").args(["--config=/dev/null", "cat"]))
}

fn foot(transcript: &Transcript) {
    runtime().block_on(async {
        let sway = Desktop::sway().await;
        let mut spied = Spied::on(&sway).await;
        let foot = terminal(&spied);
        spied.sees(".create_pool(", transcript).await;
        spied.sees(".create_buffer(", transcript).await;
        drop(foot);
        spied.see_unchanged(1, transcript).await;
    });
}

fn wtype(transcript: &Transcript) {
    runtime().block_on(async {
        let sway = Desktop::sway().await;
        let mut spied = Spied::on(&sway).await;
        let foot = terminal(&spied);
        // A visible window gets the keyboard as soon as there is one.
        spied.sees(".create_buffer(", transcript).await;
        // wtype removes its keyboard when it ends, so it types until foot has noticed the
        // keyboard.
        let words = ["words", "-s", "600000", "and more"];
        let wtype = Program::start(spied.program("wtype").args(words));
        spied.sees("zwp_virtual_keyboard_v1", transcript).await;
        spied.sees(".keymap(", transcript).await;
        spied.sees("{client 1} wl_keyboard", transcript).await;
        drop((wtype, foot));
        spied.see_unchanged(2, transcript).await;
    });
}

fn clipboard(transcript: &Transcript) {
    runtime().block_on(async {
        let sway = Desktop::sway().await;
        let mut spied = Spied::on(&sway).await;
        // More bytes than a pipe holds.
        let text = "words that are copied\n".repeat(10_000);
        let file = sway.join("text");
        std::fs::write(&file, &text).expect("a file in our directory");
        let mut copy = spied.program("wl-copy");
        copy.args(["--foreground", "--type", "text/plain"]);
        let copy = Program::start(copy.stdin(File::open(&file).expect("our file")));
        spied.sees(".set_selection(", transcript).await;

        let mut paste = spied.program("wl-paste");
        let mut paste = Program::start(paste.args(["--no-newline", "--type", "text/plain"]));
        spied.sees(".receive(", transcript).await;
        spied.sees(".send(", transcript).await;
        let pasted = paste.ended().await;
        assert_eq!(pasted.len(), 10_000);
        assert!(text.lines().eq(&pasted), "what is pasted is what was copied");
        transcript.note("what is pasted is what was copied");
        drop(copy);
        spied.see_unchanged(2, transcript).await;
    });
}
