//! Weston and its clients.

use interop_tests::{Program, Scenario, Transcript, runtime};

use super::copied::CopiedDesktop;
use super::desktop::Desktop;
use super::framed_client::makes_pools_of_weston;
use super::spied::Spied;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("the_example_lists_the_globals", our_globals),
    Scenario::new("the_example_shows_a_window", our_window),
    Scenario::new("wayland_info_prints_the_same_through_the_proxy", info),
    Scenario::new("simple_shm_shows_a_window_through_the_proxy", |transcript| {
        shows_a_window(&["weston-simple-shm"], transcript);
    }),
    Scenario::new("flower_shows_a_window_through_the_proxy", |transcript| {
        shows_a_window(&["weston-flower"], transcript);
    }),
    // Its shell waits for input that does not come, and ends with the terminal.
    Scenario::new("terminal_shows_a_window_through_the_proxy", |transcript| {
        shows_a_window(&["weston-terminal", "--shell=/bin/cat"], transcript);
    }),
    Scenario::new("the_example_shows_a_window_through_the_proxy", our_window_through_us),
    Scenario::new("wayland_info_prints_the_same_through_a_copy", info_through_a_copy),
    Scenario::new("simple_shm_shows_a_window_through_a_copy", window_through_a_copy),
    Scenario::new("pools_of_a_framed_client_arrive_with_their_files", makes_pools_of_weston),
];

fn our_globals(transcript: &Transcript) {
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        let said = Program::start(&mut weston.example("globals")).ended().await;
        let info = Program::start(&mut weston.program("wayland-info")).ended().await;
        // Both print the interface of every global.
        let theirs =
            info.iter().filter_map(|line| line.strip_prefix("interface: '")?.split('\'').next());
        let theirs: Vec<_> = theirs.collect();
        assert_eq!(said.len(), theirs.len(), "{said:#?} {theirs:#?}");
        for (line, interface) in said.iter().zip(&theirs) {
            assert!(line.contains(interface), "{line}: {interface}");
        }
        transcript.note("our example and wayland-info list the same globals");
        for needed in ["wl_compositor", "wl_shm", "xdg_wm_base"] {
            assert!(theirs.contains(&needed), "{needed}");
            transcript.note(needed);
        }
    });
}

const OUR_WINDOW: &[&str] = &["--frames", "5"];

fn our_window(transcript: &Transcript) {
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        let mut window = Program::start(weston.example("shm_client").args(OUR_WINDOW));
        transcript.note(window.ended().await.last().expect("it says how many"));
    });
}

fn our_window_through_us(transcript: &Transcript) {
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        let mut spied = Spied::on(&weston).await;
        let mut window = weston.example("shm_client");
        window.env("WAYLAND_DISPLAY", spied.socket()).args(OUR_WINDOW);
        let mut window = Program::start(&mut window);
        spied.sees(".create_pool(", transcript).await;
        window.ended().await;
        spied.see_unchanged(1, transcript).await;
    });
}

fn info(transcript: &Transcript) {
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        let direct = Program::start(&mut weston.program("wayland-info")).ended().await;
        let spied = Spied::on(&weston).await;
        let through = Program::start(&mut spied.program("wayland-info")).ended().await;
        assert!(!direct.is_empty(), "it prints something");
        assert_eq!(direct, through);
        transcript.note("wayland-info prints the same");
        spied.see_unchanged(1, transcript).await;
    });
}

/// Runs a program that shows a window until it is killed.
fn shows_a_window(words: &[&str], transcript: &Transcript) {
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        let mut spied = Spied::on(&weston).await;
        let client = Program::start(spied.program(words[0]).args(&words[1..]));
        // The pool of the window. Programs also create pools for pointers.
        spied.sees("memfd \"weston-shared\"", transcript).await;
        spied.sees(".create_buffer(", transcript).await;
        drop(client);
        spied.see_unchanged(1, transcript).await;
    });
}

fn info_through_a_copy(transcript: &Transcript) {
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        let direct = Program::start(&mut weston.program("wayland-info")).ended().await;
        let copied = CopiedDesktop::on(&weston);
        let through = Program::start(&mut copied.program("wayland-info")).ended().await;
        assert!(!direct.is_empty(), "it prints something");
        assert_eq!(direct, through);
        transcript.note("wayland-info prints the same");
        copied.see_unchanged(transcript).await;
    });
}

/// Runs a client of libwayland until its window was shown, which libwayland reports itself.
fn window_through_a_copy(transcript: &Transcript) {
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        let copied = CopiedDesktop::on(&weston);
        let mut client = copied.program("sh");
        client.args(["-c", "exec weston-simple-shm 2>&1"]).env("WAYLAND_DEBUG", "client");
        let mut client = Program::start(&mut client);
        for step in [".create_pool(", ".frame(", ".done("] {
            while !client.line().await.contains(step) {}
            transcript.note(format!("seen: {step}"));
        }
        drop(client);
        copied.see_unchanged(transcript).await;
    });
}
