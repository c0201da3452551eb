//! A foreign peer, and checks of the result of its messages.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream as StdUnixStream;

use anchovy_wayland::{Connection, DisplayError, Limits, ReceiveError};

use crate::harness::*;

/// Creates a connection with default limits and a foreign peer.
pub(crate) async fn foreign_peer() -> (Connection<Counts>, Foreign) {
    foreign_peer_with(Limits::default()).await
}

pub(crate) async fn foreign_peer_with(limits: Limits) -> (Connection<Counts>, Foreign) {
    let (near, far) = StdUnixStream::pair().expect("a pair");
    let near = connection(near, limits);
    // So that the runtime knows that the socket is writable.
    drive_io().await;
    (near, Foreign::new(far))
}

/// Receives until an error. Returns the messages before it.
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

/// Checks that the sent bytes are received as these messages, and that the connection stays usable.
pub(crate) async fn gives(send: impl FnOnce(&Foreign) -> Vec<RawMessage>) {
    let (mut near, foreign) = foreign_peer().await;
    let expected = send(&foreign);
    for message in expected {
        assert_eq!(take(&mut near).await, message);
    }
    assert_eq!(foreign.open(), 0, "what is dropped with its message is closed");
    let after = holder_bytes(99, 1);
    let fds = foreign.send(&after, 1);
    assert_eq!(take(&mut near).await, raw_message(&after, &fds));
}

/// Checks that `violate` ends receiving with exactly this error, whose text contains `rule`.
pub(crate) async fn ends(expected: &str, rule: &str, violate: impl FnOnce(&Foreign)) {
    ends_after(&[], expected, rule, violate).await;
}

/// Checks the same after the messages in `before`. Also checks that all descriptors are closed, that
/// nothing more is received, that another connection is not affected, and that a client can receive the
/// error.
pub(crate) async fn ends_after(
    before: &[RawMessage],
    expected: &str,
    rule: &str,
    violate: impl FnOnce(&Foreign),
) {
    let (mut near, foreign) = foreign_peer().await;
    let mut witness = pair();
    goes_on(&mut witness).await;
    violate(&foreign);
    let (received, error) = until_error(&mut near).await;
    assert_eq!(received, before);
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

/// Checks that a client receives the display error of this error, and then the end of the stream.
async fn display_error_arrives(
    mut near: Connection<Counts>,
    foreign: Foreign,
    error: &ReceiveError,
) {
    let Some(reported) = DisplayError::from_receive_error(error) else { return };
    near.send(reported.message()).await.expect("the other direction is open");
    drop(near);
    let mut client = connection(foreign.socket, Limits::default());
    let event = client.receive().await.expect("no error").expect("the error event");
    assert_eq!(DisplayError::read(&event).expect("it is well formed"), Some(reported));
    // After it, the kernel may report that unread bytes were lost.
    match client.receive().await {
        Ok(end) => assert!(end.is_none(), "nothing follows the error"),
        Err(ReceiveError::Io(error)) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
}
