//! A client of a hostile server, which has a connection to an honest server on the same thread.
//!
//! The test asks it for lines:
//!
//! | asked | said |
//! |---|---|
//! | `quiet` | the round trips with the honest server, as [`honest`](crate::honest) says them |
//! | `attempt` | the same while it asks the hostile server; then, on a line of its own, how that ended |

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use anchovy_dbus::{Address, Client, HandshakeLimits};
use anchovy_wayland::Connection;
use interop_tests::runtime;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::child::{commands, say};
use crate::honest::{Honest, TIMEOUT, summary};
use crate::servers::{SHORT_TIMEOUT, ServerKind};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Round trips of a quiet victim, and at least during an attempt.
const QUIET_ROUNDS: usize = 300;
const LEAST_ROUNDS: usize = 30;

/// The pause before each of them, in which the attempt goes on.
const PAUSE: Duration = Duration::from_micros(500);

/// The longest that an attempt may take: ten times the timeouts of the client.
const LONGEST: Duration = SHORT_TIMEOUT.saturating_mul(10);

/// Does what the test asks for.
pub(crate) fn run(kind: ServerKind, honest: &Path, hostile: &Path) {
    runtime().block_on(async {
        let mut honest = Honest::connect(kind, honest).await.expect("the honest server accepts");
        honest.round(0).await.expect("it answers");
        say("ready");
        for command in commands() {
            if command == "quiet" {
                say(rounds(&mut honest, |count| count < QUIET_ROUNDS).await);
                continue;
            }
            let path = hostile.to_owned();
            let begin = Instant::now();
            let attempt = tokio::spawn(async move {
                let outcome = match timeout(LONGEST, attempt(kind, &path)).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err("it takes too long".into()),
                };
                let ended = begin.elapsed();
                match outcome {
                    Ok(()) => format!("{ended:.1?} no error"),
                    Err(error) => format!("{ended:.1?} {}", chain(&*error)),
                }
            });
            let goes_on = |count| count < LEAST_ROUNDS || !attempt.is_finished();
            say(rounds(&mut honest, goes_on).await);
            say(attempt.await.expect("it does not panic").replace('\n', " "));
        }
    });
}

/// Makes round trips with the honest server.
async fn rounds(honest: &mut Honest, goes_on: impl Fn(usize) -> bool) -> String {
    let (mut times, mut failure) = (Vec::new(), String::new());
    while failure.is_empty() && goes_on(times.len()) {
        sleep(PAUSE).await;
        let round = Instant::now();
        match timeout(TIMEOUT, honest.round(0)).await {
            Ok(Ok(())) => times.push(round.elapsed().as_nanos()),
            Ok(Err(error)) => failure = error.to_string(),
            Err(_) => failure = format!("no answer in {TIMEOUT:?}"),
        }
    }
    summary(times, &failure)
}

/// Connects to the hostile server and asks it something.
async fn attempt(kind: ServerKind, path: &Path) -> Result<()> {
    match kind {
        ServerKind::Wayland => {
            let limits = anchovy_wayland::Limits {
                reply_timeout: Some(SHORT_TIMEOUT),
                ..anchovy_wayland::Limits::client()
            };
            let mut client = Connection::client(UnixStream::connect(path).await?, limits)?;
            client.registry().await?;
        }
        _ => {
            let limits = anchovy_dbus::Limits {
                reply_timeout: Some(SHORT_TIMEOUT),
                ..anchovy_dbus::Limits::client()
            };
            let handshake =
                HandshakeLimits { timeout: SHORT_TIMEOUT, ..HandshakeLimits::default() };
            let client = Client::new().limits(limits).handshake_limits(handshake);
            let mut connection = client.connect(Address::path(path)?).await?;
            let call = anchovy_dbus::Message::method_call("/", "Question").build()?;
            connection.call(call).await?;
        }
    }
    Ok(())
}

/// Returns the text of an error and of its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
