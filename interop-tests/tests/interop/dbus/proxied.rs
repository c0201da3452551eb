//! A real client and a real bus with the example `dbus_spy` between them, and a tap on each side
//! of the spy.

use std::process::Command;

use interop_tests::{DbusDaemon, Program, Said, Tap, Tapped, Transcript, example_path, runtime};

use super::bus::{SERVICE, serving};
use super::script::bare;
use super::*;

/// The works that most clients support.
pub(crate) const ALL: &[Work] = &[Work::Call, Work::Descriptors, Work::Sixteen, Work::Large];

/// Runs works of a script through the spy, and compares the incoming with the outgoing traffic.
pub(crate) fn proxied(client: Script, works: &[Work], transcript: &Transcript) {
    for &work in works {
        transcript.note(format!("# {}", work.word()));
        compare(transcript, async |bus| {
            let mut client = Program::start(&mut client.on_bus(&bus, SERVICE, work));
            client.ended().await;
        });
    }
}

/// Runs `talk` with a service, through a tap, the spy, another tap and a bus, and compares the
/// traffic.
pub(crate) fn compare(transcript: &Transcript, talk: impl AsyncFnOnce(Addresses)) {
    runtime().block_on(async {
        let directory = Directory::new();
        let bus = DbusDaemon::start();
        let addresses = bus.address().parse().expect("an address");
        let quiet = Transcript::default();
        let mut service = serving(&addresses, &quiet).await;

        let inner = Tap::start(&directory.join("inner"), bus.path().to_owned());
        let mut spy = example("dbus_spy");
        spy.arg(address_in(&directory, "inner").to_string());
        spy.args(["--listen", &address_in(&directory, "spy").to_string()]);
        let mut spy = Program::start(&mut spy);
        spy.line().await;
        let outer = Tap::start(&directory.join("outer"), directory.join("spy"));

        tokio::select! {
            () = talk(address_in(&directory, "outer")) => {}
            _ = serve(&mut service, &quiet) => panic!("the bus has hung up"),
        }
        // The end of a connection is forwarded too.
        while !spy.line().await.ends_with("is gone") {}

        let (came, went) = (outer.conversations(), inner.conversations());
        assert_eq!((came.len(), went.len()), (1, 1), "conversations");
        see_the_same(&came[0], &went[0]);
        for line in lines(&came[0].client, '>').chain(lines(&came[0].server, '<')) {
            transcript.note(line);
        }
    });
}

/// Compares byte for byte, and descriptor for descriptor.
fn see_the_same(came: &Tapped, went: &Tapped) {
    for (who, came, went) in
        [("client", &came.client, &went.client), ("bus", &came.server, &went.server)]
    {
        assert_eq!(came.messages.len(), went.messages.len(), "messages of the {who}");
        for (number, (came, went)) in came.messages.iter().zip(&went.messages).enumerate() {
            assert!(came.0 == went.0, "bytes of message {number} of the {who}");
            assert_eq!(came.1, went.1, "descriptors of message {number} of the {who}");
        }
    }
}

/// Returns the traffic of one end as lines of a transcript.
fn lines(said: &Said, direction: char) -> impl Iterator<Item = String> {
    let handshake = said.lines.iter().cloned();
    let messages = said.messages.iter().map(|(bytes, fds)| {
        // The descriptors were forwarded, so others take their place.
        let fds_in_their_place = interop_tests::memfds(fds.len());
        let message = Message::from_bytes(bytes.clone().into(), fds_in_their_place);
        line(&message.expect("a good message, with as many as it declares"))
    });
    handshake.chain(messages).map(move |line| format!("{direction} {line}"))
}

/// Returns a command for an example, which xtask has built.
pub(crate) fn example(name: &str) -> Command {
    bare(&example_path(name).to_string_lossy())
}
