//! Two connections of anchovy-dbus that communicate through a bus.

use anchovy_dbus::{Addresses, Client, Connection, Message};
use interop_tests::{Transcript, runtime};

use super::drive::ask;
use super::*;

/// The name of the service.
pub(crate) const SERVICE: &str = "org.example.Service";

/// Lets one connection call another through a bus, which `start` starts in its own directory.
///
/// The caller connects twice: with a pipelined and with a stepwise handshake.
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
            // A bus does not disconnect the service when the caller disconnects, so the caller
            // ends the work.
            let quiet = Transcript::default();
            tokio::select! {
                _ = calling => {}
                _ = serve(&mut service, &quiet) => panic!("the bus has hung up"),
            }
        }
        drop(bus);
    });
}

/// Connects to a bus, and calls `Hello`.
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

/// Connects to a bus, and requests the name of the service.
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
