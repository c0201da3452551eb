//! The honest client: a process of another user that measures its round trips.
//!
//! It may use our crates. The test asks it for lines:
//!
//! | asked | said |
//! |---|---|
//! | `connect` | the nanoseconds until it is connected and has its first answer, or `failed` and why |
//! | `rounds COUNT FDS PAUSE` | rounds made; nanoseconds of the median, the 99th percentile and the slowest; why it ended early |

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use anchovy_dbus::{Address, Client};
use anchovy_wayland::{Connection, Limits, NoFds, ObjectId};
use interop_tests::{memfd, runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::child::{commands, say};
use crate::servers::{OBJECT_WITH_FDS, ServerKind};
use crate::serving::GIVE_FDS;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The longest that a single answer may take; after that, there is none.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);

/// The longest that the rounds of one command may take together.
const ALL_ROUNDS: Duration = Duration::from_millis(1500);

/// Does what the test asks for.
pub(crate) fn run(kind: ServerKind, path: &Path) {
    runtime().block_on(async {
        let mut connected = None;
        say("ready");
        for command in commands() {
            match command.split(' ').collect::<Vec<_>>()[..] {
                ["connect"] => {
                    connected = None;
                    match connect(kind, path).await {
                        Ok((honest, time)) => {
                            connected = Some(honest);
                            say(time.as_nanos());
                        }
                        Err(error) => say(format_args!("failed {error}")),
                    }
                }
                ["rounds", count, fds, pause] => {
                    let honest = connected.as_mut().expect("a connection");
                    let number = |word: &str| word.parse().expect("a number");
                    let pause = Duration::from_micros(number(pause) as u64);
                    rounds(honest, number(count), number(fds), pause).await;
                }
                _ => panic!("there is no command {command:?}"),
            }
        }
    });
}

async fn connect(kind: ServerKind, path: &Path) -> Result<(Honest, Duration)> {
    let begin = Instant::now();
    let connecting = async {
        let mut honest = Honest::connect(kind, path).await?;
        honest.round(0).await?;
        Ok((honest, begin.elapsed()))
    };
    match timeout(TIMEOUT, connecting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer in {TIMEOUT:?}").into()),
    }
}

async fn rounds(honest: &mut Honest, count: usize, fds: usize, pause: Duration) {
    let (begin, mut times) = (Instant::now(), Vec::with_capacity(count));
    let mut failure = String::new();
    while times.len() < count && begin.elapsed() < ALL_ROUNDS {
        if !pause.is_zero() {
            // This client does nothing else, and tokio's timer has a coarser unit.
            std::thread::sleep(pause);
        }
        let round = Instant::now();
        match timeout(TIMEOUT, honest.round(fds)).await {
            Ok(Ok(())) => times.push(round.elapsed().as_nanos()),
            Ok(Err(error)) => failure = error.to_string(),
            Err(_) => failure = format!("no answer in {TIMEOUT:?}"),
        }
        if !failure.is_empty() {
            break;
        }
    }
    say(summary(times, &failure));
}

/// Returns what a client says of its round trips: their times in nanoseconds, and why they ended early.
pub(crate) fn summary(mut times: Vec<u128>, failure: &str) -> String {
    times.sort_unstable();
    let part = |percent| times.get(times.len() * percent / 100).copied().unwrap_or(0);
    let (median, slow, slowest) = (part(50), part(99), times.last().copied().unwrap_or(0));
    format!("{} {median} {slow} {slowest} {failure}", times.len())
}

/// A connection to an honest server.
pub(crate) enum Honest {
    Dbus(anchovy_dbus::Connection),
    Wayland(Connection<NoFds>),
    Bare(UnixStream),
}

impl Honest {
    pub(crate) async fn connect(kind: ServerKind, path: &Path) -> Result<Honest> {
        match kind {
            ServerKind::Bare => Ok(Honest::Bare(UnixStream::connect(path).await?)),
            ServerKind::Wayland | ServerKind::WaylandWithShortTimeouts => {
                let socket = UnixStream::connect(path).await?;
                Ok(Honest::Wayland(Connection::without_fds(socket, Limits::default())?))
            }
            _ => {
                let address = Address::path(path)?;
                Ok(Honest::Dbus(Client::new().connect(address).await?))
            }
        }
    }

    /// One question and one answer: of D-Bus, with so many descriptors in the answer; of Wayland, in
    /// the question.
    pub(crate) async fn round(&mut self, fds: usize) -> Result<()> {
        match self {
            Honest::Dbus(connection) => {
                let member = format!("{GIVE_FDS}{fds}");
                let call = anchovy_dbus::Message::method_call("/", &member).build()?;
                let serial = connection.send(call).await?;
                let reply =
                    connection.receive().await?.ok_or("the server closed the connection")?;
                if reply.header().reply_serial() != Some(serial) || reply.fds().len() != fds {
                    return Err("another reply than expected".into());
                }
            }
            Honest::Wayland(connection) => {
                let object = if fds > 0 { OBJECT_WITH_FDS } else { ObjectId::DISPLAY };
                let mut request = anchovy_wayland::Message::builder(object, 0);
                for _ in 0..fds {
                    request = request.fd(memfd());
                }
                connection.send(request.build()?).await?;
                let event =
                    connection.receive().await?.ok_or("the server closed the connection")?;
                if event.object() != object {
                    return Err("another event than expected".into());
                }
            }
            Honest::Bare(socket) => {
                socket.write_all(b"question").await?;
                socket.read_exact(&mut [0; 8]).await?;
            }
        }
        Ok(())
    }
}
