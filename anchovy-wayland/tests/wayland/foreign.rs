//! A foreign peer, and what becomes of what it sends.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream as StdUnixStream;

use anchovy_wayland::{Connection, DisplayError, Limits, ReceiveError};

use crate::harness::*;

/// Our connection with default limits, and a foreign peer.
pub(crate) async fn meet() -> (Connection<Counts>, Foreign) {
    meet_with(Limits::default()).await
}

pub(crate) async fn meet_with(limits: Limits) -> (Connection<Counts>, Foreign) {
    let (near, far) = StdUnixStream::pair().expect("a pair");
    let near = connection(near, limits);
    // It is known to be writable then.
    drive_io().await;
    (near, Foreign::new(far))
}

/// Receives until it fails; says what came before.
pub(crate) async fn until_error(
    connection: &mut Connection<Counts>,
) -> (Vec<RawMessage>, ReceiveError) {
    let mut before = Vec::new();
    loop {
        match connection.receive().await {
            Ok(Some(message)) => before.push(raw(&message)),
            Ok(None) => panic!("the stream ended, without an error, after {before:?}"),
            Err(error) => return (before, error),
        }
    }
}

/// What is sent arrives as these messages, in order, and the connection takes more.
pub(crate) async fn gives(send: impl FnOnce(&Foreign) -> Vec<RawMessage>) {
    let (mut near, foreign) = meet().await;
    let expected = send(&foreign);
    for message in expected {
        assert_eq!(take(&mut near).await, message);
    }
    assert_eq!(foreign.open(), 0, "what is dropped with its message is closed");
    let after = holder_bytes(99, 1);
    let fds = foreign.send(&after, 1);
    assert_eq!(take(&mut near).await, raw_message(&after, &fds));
}

/// What `violate` does ends the connection with exactly this error, whose text names the rule.
pub(crate) async fn ends(expected: &str, rule: &str, violate: impl FnOnce(&Foreign)) {
    ends_behind(&[], expected, rule, violate).await;
}

/// The same, behind these messages: all is closed that had arrived, nothing more is received,
/// nobody else notices, and a client can be told.
pub(crate) async fn ends_behind(
    before: &[RawMessage],
    expected: &str,
    rule: &str,
    violate: impl FnOnce(&Foreign),
) {
    let (mut near, foreign) = meet().await;
    let mut witness = pair();
    goes_on(&mut witness).await;
    violate(&foreign);
    let (came, error) = until_error(&mut near).await;
    assert_eq!(came, before);
    assert_eq!(format!("{error:?}"), expected);
    let text = with_causes(&error);
    assert!(text.contains(rule), "{text:?} names the rule {rule:?}");
    assert_eq!(foreign.open(), 0, "all that had arrived is closed");
    for _ in 0..2 {
        assert!(near.receive().await.expect("one error is enough").is_none());
    }
    goes_on(&mut witness).await;
    display_error_arrives(near, foreign, &error).await;
}

/// What is to be told of this error reaches a client of ours with its type, and then the end.
async fn display_error_arrives(
    mut near: Connection<Counts>,
    foreign: Foreign,
    error: &ReceiveError,
) {
    let Some(words) = DisplayError::from_receive_error(error) else { return };
    near.send(words.message()).await.expect("the other way is open");
    drop(near);
    let mut client = connection(foreign.socket, Limits::default());
    let event = client.receive().await.expect("no error").expect("the error event");
    assert_eq!(DisplayError::read(&event).expect("it is well formed"), Some(words));
    // The kernel tells, behind them, that what we had not read is lost.
    match client.receive().await {
        Ok(end) => assert!(end.is_none(), "they are the last"),
        Err(ReceiveError::Io(error)) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
}
