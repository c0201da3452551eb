//! Two exchanges over a socket pair, with a model of their ids: each id is traded once, for its own
//! descriptor, on its own connection and direction.

use std::cell::LazyCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use anchovy::UnixStream;
use anchovy::exchange::{Exchange, ExchangeStream, FdId, ReceiveError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use crate::input::Input;
use crate::token::{Token, identity};

/// Most descriptors that wait to be sent in one direction.
const MAX_QUEUED: usize = 6;

/// Most descriptors that wait to be taken in one direction; the minimum is one set.
const MAX_UNCLAIMED: usize = 260;

thread_local! {
    static RUNTIME: LazyCell<Runtime> = const {
        LazyCell::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"))
    };
}

/// A descriptor that was sent.
struct Sent {
    id: FdId,
    token: Token,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Queued,
    /// With the bytes in the socket before this position.
    InFlight(u64),
    Arrived,
    Taken,
}

/// One end of the connection, and what it has sent.
struct End {
    stream: ExchangeStream,
    fds: Exchange,
    sent: Vec<Sent>,
    written: u64,
    /// Number of bytes that the peer has read.
    read: u64,
}

/// Reads steps from the input.
pub fn target(data: &[u8]) {
    RUNTIME.with(|runtime| runtime.block_on(run(Input::new(data))));
}

async fn run(mut input: Input<'_>) {
    let (near, far) = UnixStream::pair().expect("a socket pair");
    let mut ends = [end(near), end(far)];
    while !input.is_empty() {
        let choice = input.byte();
        let near = usize::from(choice & 1);
        let argument = usize::from(choice >> 4);
        let [first, second] = &mut ends;
        let (near, far) = if near == 0 { (first, second) } else { (second, first) };
        match choice >> 1 & 7 {
            0 | 1 => send(near),
            2 | 3 => write(near, 1 + argument).await,
            4 => read(near, far, 1 + argument).await,
            5 => receive(near, &far.fds, argument).await,
            6 => receive_foreign(near).await,
            _ => check_counts(near, far),
        }
    }
    let [first, second] = ends;
    let tokens: Vec<_> = first.sent.into_iter().chain(second.sent).map(|sent| sent.token).collect();
    drop((first.stream, first.fds, second.stream, second.fds));
    assert!(tokens.iter().all(Token::is_closed), "a descriptor leaked");
}

fn end(stream: UnixStream) -> End {
    let builder = Exchange::builder().max_queued(MAX_QUEUED).max_unclaimed(MAX_UNCLAIMED);
    let (stream, fds) = builder.build(stream).expect("an exchange");
    End { stream, fds, sent: Vec::new(), written: 0, read: 0 }
}

fn send(near: &mut End) {
    let queued = near.sent.iter().filter(|sent| sent.state == State::Queued).count();
    let (token, fd) = Token::new();
    match near.fds.send(fd) {
        Ok(id) => {
            assert!(queued < MAX_QUEUED, "the limit holds");
            assert!(near.sent.iter().all(|sent| sent.id != id), "each id is new");
            let reparsed: FdId = id.to_string().parse().expect("an id is read as it is written");
            assert_eq!(reparsed, id);
            near.sent.push(Sent { id, token, state: State::Queued });
        }
        Err(error) => {
            assert_eq!(queued, MAX_QUEUED, "{error:?}");
            drop(error);
            assert!(token.is_closed());
        }
    }
}

async fn write(near: &mut End, count: usize) {
    near.stream.write_all(&vec![b'.'; count]).await.expect("the socket has room");
    // All descriptors of the queue leave with the first byte.
    for sent in near.sent.iter_mut().filter(|sent| sent.state == State::Queued) {
        sent.state = State::InFlight(near.written);
    }
    near.written += count as u64;
}

/// Reads at the far end what the near end has written.
async fn read(near: &mut End, far: &mut End, count: usize) {
    if near.read == near.written {
        return;
    }
    let mut bytes = vec![0; count];
    let count = far.stream.read(&mut bytes).await.expect("an exchange");
    assert!(count > 0 && bytes[..count].iter().all(|byte| *byte == b'.'));
    near.read += count as u64;
    assert!(near.read <= near.written);
    for sent in &mut near.sent {
        if matches!(sent.state, State::InFlight(position) if position < near.read) {
            sent.state = State::Arrived;
        }
    }
}

/// Trades an id of the near end at the far end.
async fn receive(near: &mut End, far: &Exchange, index: usize) {
    let count = near.sent.len();
    let Some(sent) = near.sent.get_mut(index % count.max(1)) else { return };
    let received = now(far.receive(sent.id)).await;
    match (sent.state, received) {
        (State::Queued | State::InFlight(_), None) => {}
        (State::Arrived, Some(Ok(fd))) => {
            assert_eq!(identity(&fd), sent.token.identity(), "an id is traded for its descriptor");
            sent.state = State::Taken;
            drop(fd);
            assert!(sent.token.is_closed(), "no copy is left");
        }
        (State::Taken, Some(Err(ReceiveError::AlreadyTaken { .. }))) => {}
        (state, received) => panic!("{state:?} {received:?}"),
    }
    // An attempt that was dropped takes nothing.
    if sent.state != State::Taken {
        assert!(!sent.token.is_closed());
    }
}

/// Trades an own id, which is never valid.
async fn receive_foreign(near: &mut End) {
    let Some(sent) = near.sent.first() else { return };
    match now(near.fds.receive(sent.id)).await {
        Some(Err(ReceiveError::ForeignId { .. })) | None => {}
        other => panic!("an own id is foreign: {other:?}"),
    }
}

fn check_counts(near: &End, far: &End) {
    let count =
        |state: fn(&State) -> bool| near.sent.iter().filter(|sent| state(&sent.state)).count();
    assert_eq!(near.fds.queued(), count(|state| *state == State::Queued));
    assert_eq!(far.fds.unclaimed(), count(|state| *state == State::Arrived));
}

/// Polls a future once.
async fn now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
