//! Exchanges: descriptors beside the bytes of another protocol.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;

use anchovy::DBUS_SCM_RIGHTS;
use anchovy::exchange::{self, Exchange, ExchangeStream, FdId, ReceiveError};
use fault_tests::{Faults, Kinds, Rng, cancel, run};
use interop_tests::{Identity, identity, memfd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::streams::{check, pair};

type Stream = ExchangeStream<DBUS_SCM_RIGHTS>;

/// The descriptors that were queued, by the text of their ids.
type Sent = RefCell<HashMap<String, Identity>>;

/// Queues descriptors and writes lines of their ids. Returns the error that ended it, if one did.
async fn send_lines(
    mut rng: Rng,
    mut stream: Stream,
    handle: Exchange,
    sent: &Sent,
) -> Option<io::Error> {
    for _ in 0..rng.pick(&[1, 4, 15, 40]) {
        let mut line = Vec::new();
        for _ in 0..rng.pick(&[0, 1, 1, 2, 5, 30]) {
            let fd = memfd();
            let identity = identity(&fd);
            let id = if rng.percent(50) { handle.send(fd) } else { handle.send_borrowed(&fd) };
            let id = id.expect("room in the queue").to_string();
            line.extend_from_slice(id.as_bytes());
            line.push(b' ');
            sent.borrow_mut().insert(id, identity);
        }
        line.push(b'\n');
        if let Err(error) = write_all(&mut rng, &mut stream, &line).await {
            return Some(error);
        }
    }
    while handle.queued() > 0 {
        if let Err(error) = write_all(&mut rng, &mut stream, b"\n").await {
            return Some(error);
        }
    }
    stream.shutdown().await.err()
}

async fn write_all(rng: &mut Rng, stream: &mut Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match cancel(rng, stream.write(bytes)).await {
            Some(Ok(count)) => bytes = &bytes[count..],
            Some(Err(error)) if !Faults::is_transient(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Reads lines, and takes most of their descriptors. Returns the error that ended it, if one did.
async fn receive_lines(
    mut rng: Rng,
    mut stream: Stream,
    handle: Exchange,
    sent: &Sent,
) -> Result<(), io::Error> {
    let (mut text, mut ids): (Vec<u8>, Vec<FdId>) = (Vec::new(), Vec::new());
    let mut is_open = true;
    while is_open || !ids.is_empty() {
        let mut buf = vec![0; rng.pick(&[1, 10, 500])];
        if ids.is_empty() || (is_open && rng.percent(50)) {
            match cancel(&mut rng, stream.read(&mut buf)).await {
                Some(Ok(count)) => {
                    is_open = count > 0;
                    text.extend_from_slice(&buf[..count]);
                }
                Some(Err(error)) if !Faults::is_transient(&error) => {
                    drop(stream);
                    return take_rest(ids, &handle, sent).await.and(Err(error));
                }
                _ => {}
            }
            ids.extend(complete(&mut rng, &mut text));
            continue;
        }
        // A descriptor may arrive after its id, so the stream is read meanwhile.
        let index = rng.below(ids.len());
        let id = ids[index];
        tokio::select! {
            biased;
            taken = handle.receive(id) => {
                ids.swap_remove(index);
                check_taken(id, taken?, sent);
            }
            read = stream.read(&mut buf), if is_open => match read {
                Ok(count) => {
                    is_open = count > 0;
                    text.extend_from_slice(&buf[..count]);
                    ids.extend(complete(&mut rng, &mut text));
                }
                Err(error) if Faults::is_transient(&error) => {}
                Err(error) => {
                    drop(stream);
                    return take_rest(ids, &handle, sent).await.and(Err(error));
                }
            },
        }
    }
    Ok(())
}

/// Returns the ids of the complete words, without some that are never taken.
fn complete(rng: &mut Rng, text: &mut Vec<u8>) -> Vec<FdId> {
    let end = text.iter().rposition(u8::is_ascii_whitespace).map_or(0, |at| at + 1);
    let words: Vec<u8> = text.drain(..end).collect();
    let words = str::from_utf8(&words).expect("ids are text");
    let ids = words.split_whitespace().map(|id| id.parse().expect("an id"));
    ids.filter(|_| rng.percent(80)).collect()
}

/// Takes what had arrived before the stream failed. The rest has an error at once.
async fn take_rest(ids: Vec<FdId>, handle: &Exchange, sent: &Sent) -> io::Result<()> {
    for id in ids {
        match handle.receive(id).await {
            Ok(fd) => check_taken(id, fd, sent),
            Err(ReceiveError::Closed { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn check_taken(id: FdId, fd: std::os::fd::OwnedFd, sent: &Sent) {
    let expected = sent.borrow_mut().remove(&id.to_string());
    assert_eq!(Some(identity(fd)), expected, "the descriptor of {id}, once");
}

#[test]
fn an_exchange_returns_each_descriptor_for_its_id() {
    run(Kinds::ALL, |mut rng, faults| async move {
        let (near, far) = pair(&mut rng);
        let (near, near_fds) = exchange::new(near).expect("an exchange");
        let (far, far_fds) = exchange::new(far).expect("an exchange");
        let (ours, theirs) = (rng.fork(), rng.fork());
        let sent = Sent::default();
        let (sending, receiving) = tokio::join!(
            send_lines(ours, near, near_fds, &sent),
            receive_lines(theirs, far, far_fds, &sent),
        );
        check(&faults, sending);
        match receiving {
            // The sender was dropped before it sent the descriptors of all ids.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                assert!(faults.are_final(), "{error:?}");
            }
            receiving => check(&faults, receiving.err()),
        }
    });
}
