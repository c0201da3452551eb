//! Plain streams: the peer of an `AnchovyStream` uses only system calls.

pub(crate) mod anyio;
pub(crate) mod c;
pub(crate) mod crun;
mod guarantees;
pub(crate) mod openssh;
pub(crate) mod python;
pub(crate) mod qemu;
pub(crate) mod zlink;

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use interop_tests::{Program, Transcript, identities, memfds};

type Stream = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Sends messages with these numbers of descriptors in turn to a peer that returns each of them.
async fn exchange(stream: &mut Stream, counts: &[usize], transcript: &Transcript) {
    for count in counts {
        let fds = memfds(*count);
        let expected = identities(&fds);
        let sent = stream.send_with_fds(b"there", &fds).await.expect("it is sent");
        assert_eq!(sent, 5);
        transcript.note(format!("we > there, {count} descriptors"));
        let mut answer = [0; 64];
        let received = stream.recv(&mut answer).await.expect("an answer");
        let text = String::from_utf8_lossy(&answer[..received.bytes]).into_owned();
        transcript.note(format!("we < {text}, {} descriptors", received.fds));
        let back: Vec<_> = stream.read_queue_mut().drain(..).collect();
        crate::dbus::see_close_on_exec(&back);
        assert_eq!(identities(back), expected);
    }
}

/// Disconnects, and waits for the end of the peer.
async fn hang_up(stream: Stream, mut other: Program) -> Vec<String> {
    drop(stream);
    other.ended().await
}
