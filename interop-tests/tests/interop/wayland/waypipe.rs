//! Waypipe, which carries Wayland over a stream without descriptors. The stream is an
//! `AnchovyStream`, and the spy is between waypipe and a compositor.

use std::path::{Path, PathBuf};
use std::process::Command;

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use interop_tests::{Program, Scenario, Transcript, runtime};
use tokio::net::{UnixListener, UnixStream};

use super::desktop::Desktop;
use super::spied::Spied;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("wayland_info_works_through_waypipe_and_the_proxy", info),
    Scenario::new("a_window_is_shown_through_waypipe_and_the_proxy", window),
];

type Stream = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Both ends of waypipe with a stream between them, and the spy.
struct Waypipe {
    _client: Program,
    socket: PathBuf,
}

impl Waypipe {
    async fn before(spied: &Spied<'_>, desktop: &Desktop) -> Waypipe {
        let (inner, socket) = (desktop.join("waypipe"), desktop.join("stream"));
        let mut client = spied.program("waypipe");
        client.args(["--no-gpu", "--socket"]).arg(&inner).arg("client");
        let client = Program::start(&mut client);
        let listener = UnixListener::bind(&socket).expect("a path in a directory of ours");
        tokio::spawn(async move {
            loop {
                let (accepted, _) = listener.accept().await.expect("a connection");
                let mut near = Stream::new(accepted).expect("a socket");
                let far = connect(&inner).await;
                let mut far = Stream::new(far).expect("a socket");
                tokio::spawn(async move {
                    // If one side disconnects, both do.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Waypipe { _client: client, socket }
    }

    /// Returns a command for a program at the remote end.
    fn program(&self, desktop: &Desktop, words: &[&str]) -> Command {
        let mut server = desktop.program("waypipe");
        server.env_remove("WAYLAND_DISPLAY");
        server.args(["--no-gpu", "--socket"]).arg(&self.socket).args(["server", "--"]).args(words);
        server
    }
}

/// Connects repeatedly, because the listener does not report when it listens.
async fn connect(path: &Path) -> UnixStream {
    loop {
        if let Ok(stream) = UnixStream::connect(path).await {
            return stream;
        }
        interop_tests::drive_io().await;
    }
}

fn info(transcript: &Transcript) {
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        let spied = Spied::on(&weston).await;
        let waypipe = Waypipe::before(&spied, &weston).await;
        let words = &["wayland-info"];
        let said = Program::start(&mut waypipe.program(&weston, words)).ended().await;
        for needed in ["wl_compositor", "wl_shm", "xdg_wm_base"] {
            assert!(said.iter().any(|line| line.contains(needed)), "{needed}: {said:#?}");
            transcript.note(needed);
        }
        drop(waypipe);
        spied.see_unchanged(1, transcript).await;
    });
}

fn window(transcript: &Transcript) {
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        let mut spied = Spied::on(&weston).await;
        let waypipe = Waypipe::before(&spied, &weston).await;
        let example = weston.example("shm_client");
        let example = example.get_program().to_str().expect("a path of ours");
        let words = &[example, "--frames", "5"];
        let mut window = Program::start(&mut waypipe.program(&weston, words));
        spied.sees(".create_pool(", transcript).await;
        window.ended().await;
        drop(waypipe);
        spied.see_unchanged(1, transcript).await;
    });
}
