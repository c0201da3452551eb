//! One connection: messages to a peer, and the replies.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use interop_tests::{Identity, Rng, identities, memfd, pipe};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, yield_now};
use tokio::time::timeout;

use crate::defect::Defect;
use crate::echo::echo;
use crate::protocol::{MOST_FDS, Protocol, Receive, Transmit};
use crate::tally::Tally;

/// Much longer than anything here takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The peer of a connection.
enum Peer {
    Task(JoinHandle<io::Result<()>>),
    Process(Child),
}

/// When a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// After every message has come back.
    Complete,
    /// After this number of messages has come back: the peer is killed, or aborted if it is a task.
    Kill(usize),
    /// After this number of messages has come back: this side is dropped.
    Drop(usize),
}

/// What the sending task has sent. It is shared, because the task may be aborted.
#[derive(Default)]
struct Sent {
    /// The descriptors of the messages that have not come back, the oldest message first.
    messages: VecDeque<Vec<Identity>>,
    /// The other ends of all descriptors.
    watches: Vec<OwnedFd>,
}

type SharedSent = Arc<Mutex<Sent>>;

/// Serves a client that cancels its handshake after a while.
pub(crate) async fn canceled<P: Protocol>(
    rng: &mut Rng,
    (listener, path): (&P::Listener, &Path),
    tally: &Tally,
) {
    tally.canceled.add(1);
    let polls = rng.below(12);
    let (ours, theirs) = (rng.percent(50), rng.percent(70));
    let accept = async { drop(up_to(polls, ours, P::accept(listener)).await) };
    let connect = async { drop(up_to(polls / 2, theirs, P::connect(path)).await) };
    tokio::join!(accept, connect);
}

/// Polls a future, and drops it after a number of turns of the runtime if `cancels`.
async fn up_to<T>(turns: usize, cancels: bool, future: impl Future<Output = T>) -> Option<T> {
    let limit = async {
        // What does not end by itself is canceled too: the other side may have gone.
        for _ in 0..if cancels { turns } else { 1000 } {
            yield_now().await;
        }
    };
    tokio::select! {
        biased;
        output = future => Some(output),
        () = limit => None,
    }
}

/// Accepts a peer, sends it messages, and checks the replies.
pub(crate) async fn exchange_messages<P: Protocol>(
    rng: &mut Rng,
    (listener, path): (&P::Listener, &Path),
    tally: &Arc<Tally>,
) -> Result<()> {
    tally.connections.add(1);
    let mut peer = Peer::start::<P>(rng.percent(25), path)?;
    let accepted = timeout(TIMEOUT, P::accept(listener)).await;
    let (read, write) = accepted.context("no client")?.context("the handshake failed")?;

    let count = rng.within(1..30);
    let end = match rng.below(4) {
        0 => End::Kill(rng.below(count)),
        1 => End::Drop(rng.below(count)),
        _ => End::Complete,
    };
    let sent = SharedSent::default();
    let sender = tokio::spawn(send(rng.fork(), write, count, Arc::clone(&sent), end));
    let received = timeout(TIMEOUT, receive(rng.fork(), read, end, &sent, tally)).await;
    let received = received.context("a message does not come back")?;
    if received.is_err() && sender.is_finished() {
        // The cause, if a message could not be sent.
        sender.await?.context("a message was not sent")?;
        return received.map(drop);
    }
    let received = received?;

    match end {
        End::Complete => drop(sender.await?.context("a message was not sent")?),
        End::Kill(_) => {
            tally.killed.add(1);
            peer.kill()?;
            // Each write either fails or has succeeded before.
            let sender = timeout(TIMEOUT, sender).await;
            drop(sender.context("a write to a killed peer waits")??);
        }
        End::Drop(_) => {
            sender.abort();
            let _ = sender.await;
        }
    }
    peer.wait(end).await?;

    let watches = std::mem::take(&mut lock(&sent).watches);
    if end == End::Complete {
        let (returned, sent) = (received, watches.len());
        ensure!(returned == sent, "{returned} of {sent} descriptors came back");
    }
    tally.sent.add(watches.len());
    tally.returned.add(received);
    tally.ended.add(watches.len() - received);
    for watch in watches {
        let closed = timeout(TIMEOUT, closed(watch)).await;
        closed.context("a descriptor is still open after its connection")??;
        tally.closed.add(1);
    }
    Ok(())
}

/// Sends messages with descriptors. Returns the half, unless the stream has to be complete.
async fn send<W: Transmit>(
    mut rng: Rng,
    mut write: W,
    count: usize,
    sent: SharedSent,
    end: End,
) -> io::Result<Option<W>> {
    for number in 0..count {
        let (watches, fds): (Vec<_>, Vec<_>) = (0..rng.below(MOST_FDS + 1)).map(|_| pipe()).unzip();
        {
            let mut sent = lock(&sent);
            sent.messages.push_back(identities(&fds));
            sent.watches.extend(watches);
        }
        write.send((number as u32, fds)).await?;
        if rng.percent(30) {
            yield_now().await;
        }
    }
    if end == End::Complete {
        write.close().await?;
        return Ok(None);
    }
    Ok(Some(write))
}

/// Receives the messages that come back, and cancels some receives. Returns their number of descriptors.
async fn receive(
    mut rng: Rng,
    mut read: impl Receive,
    end: End,
    sent: &SharedSent,
    tally: &Tally,
) -> Result<usize> {
    let last = match end {
        End::Complete => usize::MAX,
        End::Kill(last) | End::Drop(last) => last,
    };
    let mut returned = 0;
    for number in 0..last {
        let message = loop {
            let turns = rng.below(3);
            if let Some(message) = up_to(turns, rng.percent(30), read.receive()).await {
                break message;
            }
            tally.canceled.add(1);
        };
        let Some((got, fds)) = message.context("a message did not come back")? else {
            ensure!(lock(sent).messages.is_empty(), "the stream ended before message {number}");
            return Ok(returned);
        };
        ensure!(got as usize == number, "message {got} came back instead of {number}");
        let expected = lock(sent).messages.pop_front().context("a message that was not sent")?;
        let found = identities(&fds);
        let (count, wanted) = (found.len(), expected.len());
        ensure!(count == wanted, "message {got} came back with {count} of {wanted} descriptors");
        ensure!(found == expected, "message {got} came back with other descriptors");
        returned += count;
        tally.messages.add(1);
        if Defect::LeakedDescriptor.occurs() {
            std::mem::forget(memfd());
        }
        if Defect::LeakedBuffer.occurs() {
            std::mem::forget(vec![0_u8; 64 << 10]);
        }
    }
    Ok(returned)
}

/// Waits until every copy of the writing end of a pipe is closed.
async fn closed(watch: OwnedFd) -> Result<()> {
    let count = Receiver::from_owned_fd(watch)?.read(&mut [0; 1]).await?;
    ensure!(count == 0, "a pipe has a byte that nobody wrote");
    Ok(())
}

fn lock(sent: &SharedSent) -> MutexGuard<'_, Sent> {
    sent.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Peer {
    fn start<P: Protocol>(is_process: bool, path: &Path) -> Result<Peer> {
        if !is_process {
            let path = path.to_owned();
            return Ok(Peer::Task(tokio::spawn(async move { echo::<P>(&path).await })));
        }
        let mut command = Command::new("/proc/self/exe");
        command.args(["echo", P::NAME]).arg(path).kill_on_drop(true).stdin(Stdio::null());
        Ok(Peer::Process(command.spawn().context("the peer does not start")?))
    }

    fn kill(&mut self) -> Result<()> {
        match self {
            Peer::Task(task) => task.abort(),
            Peer::Process(child) => child.start_kill()?,
        }
        Ok(())
    }

    /// Waits until the peer has ended, which must succeed if the connection was complete.
    async fn wait(self, end: End) -> Result<()> {
        let outcome = match self {
            Peer::Task(task) => match timeout(TIMEOUT, task).await.context("the peer goes on")? {
                Ok(outcome) => outcome.context("the peer failed"),
                Err(error) if error.is_cancelled() => Err(error.into()),
                Err(error) => return Err(error).context("the peer panicked"),
            },
            Peer::Process(mut child) => {
                let ended = timeout(TIMEOUT, child.wait()).await;
                let status = ended.context("the peer goes on")??;
                match status.success() {
                    true => Ok(()),
                    false => Err(anyhow!("the peer ended with {status}")),
                }
            }
        };
        if end == End::Complete { outcome } else { Ok(()) }
    }
}
