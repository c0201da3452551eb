//! Clients that are connected through the spies, which are programs of their own, and directly.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use interop_tests::Directory;
use tokio::net::{UnixListener, UnixStream};

use crate::baseline::{Baseline, proxy};
use crate::row::Row;
use crate::work::{run, together};
use crate::{dbus, wayland};

pub(crate) const DBUS: &str = "D-Bus: call to dbus-daemon through dbus_spy";
pub(crate) const WAYLAND: &str = "Wayland: roundtrip through wayland_spy";

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new(DBUS, "ns per call")
            .peer("direct", || dbus::calls_to_daemon(dbus::address()))
            .baseline(|| dbus::calls_to_daemon(&format!("unix:path={}", dbus_relay())))
            .ours("dbus_spy", || dbus::calls_to_daemon(&format!("unix:path={}", sockets().dbus))),
        Row::new(WAYLAND, "ns from sync to done")
            .peer("direct", || roundtrips(&sockets().compositor))
            .baseline(|| roundtrips(wayland_relay()))
            .ours("wayland_spy", || roundtrips(&sockets().wayland)),
    ]
}

/// The paths of the sockets.
struct Sockets {
    directory: Directory,
    dbus: String,
    compositor: String,
    wayland: String,
}

/// Returns the sockets in a directory that exists until this process ends.
fn sockets() -> &'static Sockets {
    static SOCKETS: OnceLock<Sockets> = OnceLock::new();
    SOCKETS.get_or_init(|| {
        let directory = Directory::new();
        let path = |name| directory.join(name).to_str().expect("a path in ASCII").to_owned();
        let (dbus, compositor, wayland) = (path("dbus"), path("compositor"), path("wayland"));
        Sockets { directory, dbus, compositor, wayland }
    })
}

/// Returns the path of a relay to the daemon.
fn dbus_relay() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let (_, path) = dbus::address().split_once("path=").expect("a path");
        relay("dbus-relay", path.split(',').next().unwrap_or(path).to_owned())
    })
}

/// Returns the path of a relay to the compositor.
fn wayland_relay() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| relay("wayland-relay", sockets().compositor.clone()))
}

/// Starts a thread that copies bytes and descriptors between clients and the server at `target`, and returns
/// the path at which it listens. It ends with this process.
fn relay(name: &str, target: String) -> String {
    let path = sockets().directory.join(name).to_str().expect("a path in ASCII").to_owned();
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a free path");
    listener.set_nonblocking(true).expect("a socket");
    std::thread::spawn(move || {
        run(async {
            let listener = UnixListener::from_std(listener).expect("a socket");
            loop {
                let (near, _) = listener.accept().await.expect("a client");
                let far = UnixStream::connect(&target).await.expect("the server listens");
                proxy(Baseline::new(near), Baseline::new(far));
            }
        })
    });
    path
}

/// A spy. It runs a command that ends when its standard input is closed.
struct Spy {
    child: Child,
    input: Option<ChildStdin>,
}

/// The spies that benchmarks need. They end when this is dropped, and the directory is removed.
pub(crate) struct Spies {
    spies: Vec<Spy>,
}

/// Builds and starts the spies that these benchmarks need.
pub(crate) fn start(rows: &[Row]) -> Spies {
    let needs = |name: &str| rows.iter().any(|row| row.work == name);
    let mut spies = Vec::new();
    if needs(DBUS) {
        let listen = format!("unix:path={}", sockets().dbus);
        let arguments = [dbus::address(), "--listen", listen.as_str()];
        spies.push(Spy::start("anchovy-dbus", "dbus_spy", &arguments));
    }
    if needs(WAYLAND) {
        // The spy connects once to learn whether there is a compositor.
        let _compositor = std::os::unix::net::UnixListener::bind(&sockets().compositor);
        let Sockets { compositor, wayland, .. } = sockets();
        let arguments = ["--display", compositor.as_str(), "--socket", wayland.as_str()];
        spies.push(Spy::start("anchovy-wayland", "wayland_spy", &arguments));
    }
    Spies { spies }
}

impl Spy {
    fn start(package: &str, example: &str, arguments: &[&str]) -> Spy {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut child = Command::new(cargo)
            .args(["run", "--quiet", "--release", "--package", package, "--example", example])
            .arg("--manifest-path")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
            .arg("--")
            .args(arguments)
            // It listens when it starts the command.
            .args(["--", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The messages.
            .stderr(Stdio::null())
            .spawn()
            .expect("cargo");
        let input = child.stdin.take();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        output.read_line(&mut line).expect("text");
        assert_eq!(line, "ready\n", "{example} did not start");
        Spy { child, input }
    }
}

impl Drop for Spies {
    fn drop(&mut self) {
        for spy in &mut self.spies {
            drop(spy.input.take());
            spy.child.wait().expect("a child");
        }
        if !self.spies.is_empty() {
            // The directory belongs to a static, which is not dropped.
            let _ = std::fs::remove_dir_all(sockets().directory.path());
        }
    }
}

/// Measures roundtrips of a client that connects to `path`, directly or through the spy.
fn roundtrips(path: &str) -> Duration {
    run(async {
        let _ = std::fs::remove_file(&sockets().compositor);
        let listener = UnixListener::bind(&sockets().compositor).expect("a free path");
        let client = UnixStream::connect(path).await.expect("it listens");
        let (compositor, _) = listener.accept().await.expect("a client");
        let client = wayland::client_roundtrips(client);
        together(wayland::answer(compositor), client).await
    })
}
