//! The service, with anchovy-dbus.

use std::io::ErrorKind;

use anchovy_dbus::{Connection, Flags, Message, MessageType, ReceiveError};
use interop_tests::{Transcript, memfds};

use super::*;

/// The identities of the descriptors in the served calls.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// Received descriptors, in the order of the calls.
    pub(crate) came: Vec<Identity>,
    /// Descriptors that the service gave of its own.
    pub(crate) given: Vec<Identity>,
}

/// Answers the peer until it disconnects.
pub(crate) async fn serve(us: &mut Connection, transcript: &Transcript) -> Served {
    let mut served = Served::default();
    loop {
        let mut call = match us.receive().await {
            Ok(Some(call)) => call,
            Ok(None) => break,
            // A peer that closes its socket without reading everything resets the connection.
            Err(ReceiveError::Io(error)) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the other end has sent something bad: {error}"),
        };
        see_close_on_exec(call.fds());
        if call.header().message_type() != MessageType::MethodCall {
            continue; // A bus tells us about our name.
        }
        transcript.note(format!("we < {}", line(&call)));
        served.came.extend(identities_of(&call));
        if call.header().flags().contains(Flags::NO_REPLY_EXPECTED) {
            continue;
        }
        let fds = call.take_fds();
        let header = call.header();
        let answer = Message::method_return(&call).byte_order(header.byte_order());
        let answer = match (header.interface(), header.member()) {
            (Some(INTERFACE), Some("Echo")) => {
                answer.body(header.signature(), call.body().clone()).fds(fds)
            }
            (Some(INTERFACE), Some("Take")) => answer,
            (Some(INTERFACE), Some("Give")) => {
                let fds = memfds(GIVEN);
                served.given.extend(identities(&fds));
                answer.body("ah", indices(GIVEN)).fds(fds)
            }
            // The service also acts as a bus here.
            (Some(BUS), Some("Hello")) => answer.destination(":1.7").body("s", text(":1.7")),
            (Some(BUS), _) => answer,
            _ => Message::error(&call, "org.freedesktop.DBus.Error.UnknownMethod"),
        };
        let answer = answer.build().expect("a good answer");
        transcript.note(format!("we > {}", line(&answer)));
        us.send(answer).await.expect("it is sent");
    }
    served
}
