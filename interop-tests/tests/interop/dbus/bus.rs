//! A bus between two of us, whichever bus it is.

use anchovy_dbus::{Addresses, Client, Connection, Message};
use interop_tests::{Transcript, runtime};

use super::drive::ask;
use super::*;

/// The name of our service.
pub(crate) const SERVICE: &str = "org.example.Service";

/// Has one of us call the other through a bus, which `start` starts in a directory of its own.
///
/// Whoever calls has logged in at once, and then again step by step.
pub(crate) fn cross<B>(
    start: impl AsyncFnOnce() -> (B, Addresses),
    work: Work,
    transcript: &Transcript,
) {
    runtime().block_on(async {
        let (bus, addresses) = start().await;
        for client in [Client::new(), Client::new().stepwise()] {
            let mut service = serving(&addresses, transcript).await;
            let mut caller = joined(&client, &addresses, transcript).await;
            let calling = async {
                let given = drive(&mut caller, Some(SERVICE), work, transcript).await;
                drop(caller);
                given
            };
            // A bus hangs up on nobody because somebody else has gone, so the caller decides.
            let quiet = Transcript::default();
            tokio::select! {
                _ = calling => {}
                _ = serve(&mut service, &quiet) => panic!("the bus has hung up"),
            }
        }
        drop(bus);
    });
}

/// A connection of ours that has said hello.
pub(crate) async fn joined(
    client: &Client,
    bus: &Addresses,
    transcript: &Transcript,
) -> Connection {
    let mut us = client.connect(bus).await.expect("the bus takes us");
    assert!(us.unix_fds(), "the bus agrees to descriptors");
    let name = ask(&mut us, of_bus("Hello"), transcript).await;
    assert!(text_of(&name).starts_with(':'), "a unique name");
    us
}

/// A connection of ours that has our service's name.
pub(crate) async fn serving(bus: &Addresses, transcript: &Transcript) -> Connection {
    let mut us = joined(&Client::new(), bus, transcript).await;
    let mut body = text(SERVICE);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend_from_slice(&0_u32.to_ne_bytes());
    let answer = ask(&mut us, of_bus("RequestName").body("su", body), transcript).await;
    assert_eq!(answer.body()[..], 1_u32.to_ne_bytes(), "nobody else has it");
    us
}

fn of_bus(member: &str) -> anchovy_dbus::MessageBuilder<'_> {
    Message::method_call("/org/freedesktop/DBus", member).interface(BUS).destination(BUS)
}
