//! A real client and a real bus with a proxy between them, and a tap on each side of the proxy.

use std::process::Command;

use anchovy::DBUS_SCM_RIGHTS;

use interop_tests::{DbusDaemon, Program, Said, Tap, Tapped, Transcript, example_path, runtime};

use super::bus::{SERVICE, serving};
use super::script::bare;
use super::*;
use crate::copied::Copying;

/// The proxy between a client and a bus.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Proxy {
    /// The example `dbus_spy`, which reads messages.
    Spy,
    /// `anchovy::copy_bidirectional`, which reads bytes.
    Copy,
}

impl Proxy {
    /// Returns the works to do on one connection, so that this proxy leaves descriptors with their
    /// message.
    ///
    /// A copy sends descriptors with the first byte of the read that brought them, and that read may
    /// begin with an earlier message. So no message may be under way before one with descriptors.
    /// The bus sends `NameAcquired` after its reply to `Hello`, and a client that has the reply to
    /// another call has received that signal too.
    pub(crate) fn works(self, work: Work) -> Vec<Work> {
        match self {
            Proxy::Spy => vec![work],
            Proxy::Copy => vec![Work::Call, work],
        }
    }
}

/// The works that most clients support.
pub(crate) const ALL: &[Work] = &[Work::Call, Work::Descriptors, Work::Sixteen, Work::Large];

/// Runs works of a script through a proxy, and compares the incoming with the outgoing traffic.
pub(crate) fn proxied(proxy: Proxy, client: Script, works: &[Work], transcript: &Transcript) {
    for &work in works {
        transcript.note(format!("# {}", work.word()));
        compare(proxy, transcript, async |bus| {
            let mut client = Program::start(&mut client.on_bus(&bus, SERVICE, &proxy.works(work)));
            client.ended().await;
        });
    }
}

/// Runs `talk` with a service, through a tap, the proxy, another tap and a bus, and compares the
/// traffic.
pub(crate) fn compare(proxy: Proxy, transcript: &Transcript, talk: impl AsyncFnOnce(Addresses)) {
    runtime().block_on(async {
        let directory = Directory::new();
        let bus = DbusDaemon::start();
        let addresses = bus.address().parse().expect("an address");
        let quiet = Transcript::default();
        let mut service = serving(&addresses, &quiet).await;

        let inner = Tap::start(&directory.join("inner"), bus.path().to_owned());
        let proxy = Running::start(proxy, &directory).await;
        let outer = Tap::start(&directory.join("outer"), directory.join("proxy"));

        tokio::select! {
            () = talk(address_in(&directory, "outer")) => {}
            _ = serve(&mut service, &quiet) => panic!("the bus has hung up"),
        }
        // The end of a connection is forwarded too.
        let fds = proxy.ended().await;

        let (came, went) = (outer.conversations(), inner.conversations());
        assert_eq!((came.len(), went.len()), (1, 1), "conversations");
        see_the_same(&came[0], &went[0]);
        if let Some(fds) = fds {
            assert_eq!(fds, fds_of(&came[0]), "descriptors that the copy counted");
        }
        for line in lines(&came[0].client, '>').chain(lines(&came[0].server, '<')) {
            transcript.note(line);
        }
    });
}

/// Runs `talk` with a service, through `anchovy::copy_bidirectional` and a bus. Nothing else is
/// between them, so reads end where the peers' own messages to the kernel end.
pub(crate) fn copied(talk: impl AsyncFnOnce(Addresses)) {
    runtime().block_on(async {
        let directory = Directory::new();
        let bus = DbusDaemon::start();
        let addresses = bus.address().parse().expect("an address");
        let quiet = Transcript::default();
        let mut service = serving(&addresses, &quiet).await;
        let copying =
            Copying::start::<DBUS_SCM_RIGHTS>(&directory.join("proxy"), bus.path().to_owned());
        tokio::select! {
            () = talk(address_in(&directory, "proxy")) => {}
            _ = serve(&mut service, &quiet) => panic!("the bus has hung up"),
        }
        let (there, back) = copying.ended().await;
        assert!(there.bytes > 0 && back.bytes > 0, "{there:?} {back:?}");
    });
}

/// A proxy that listens on `proxy` in a directory, and connects to `inner`.
enum Running {
    Spy(Program),
    Copy(Copying),
}

impl Running {
    async fn start(proxy: Proxy, directory: &Directory) -> Running {
        match proxy {
            Proxy::Spy => {
                let mut spy = example("dbus_spy");
                spy.arg(address_in(directory, "inner").to_string());
                spy.args(["--listen", &address_in(directory, "proxy").to_string()]);
                let mut spy = Program::start(&mut spy);
                spy.line().await;
                Running::Spy(spy)
            }
            Proxy::Copy => {
                let (listen, server) = (directory.join("proxy"), directory.join("inner"));
                Running::Copy(Copying::start::<DBUS_SCM_RIGHTS>(&listen, server))
            }
        }
    }

    /// Waits until the connection has ended. Returns how many descriptors came from the client and
    /// from the bus, if the proxy counts them.
    async fn ended(self) -> Option<(u64, u64)> {
        match self {
            Running::Spy(mut spy) => {
                while !spy.line().await.contains(" closed the connection") {}
                None
            }
            Running::Copy(copying) => {
                let (there, back) = copying.ended().await;
                Some((there.fds, back.fds))
            }
        }
    }
}

/// Returns how many descriptors came from the client and from the bus.
fn fds_of(tapped: &Tapped) -> (u64, u64) {
    let count = |said: &Said| said.messages.iter().map(|(_, fds)| fds.len() as u64).sum();
    (count(&tapped.client), count(&tapped.server))
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
