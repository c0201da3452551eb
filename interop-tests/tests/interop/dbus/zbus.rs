//! zbus: its clients with a server of anchovy-dbus, clients of anchovy-dbus with its server, and a
//! complete connection of zbus over the split halves of anchovy-dbus.

use std::os::fd::{AsFd, OwnedFd};

use ::zbus::connection::Builder;
use ::zbus::{
    Connection as Theirs, Fd, Message as TheirMessage, MessageStream, OwnedFd as TheirFd,
};
use anchovy::AnchovyStream;
use anchovy_dbus::Client;
use futures_util::StreamExt;
use interop_tests::{DbusDaemon, Scenario, Transcript, memfds, runtime};

use super::bus::{SERVICE, serving};
use super::proxied::{Proxy, compare, copied};
use super::*;

mod socket;

use socket::OurSocket;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_call_of_the_peer_is_answered", |t| calls_us(Work::Call, t)),
    Scenario::new("descriptors_of_the_peer_are_returned", |t| calls_us(Work::Descriptors, t)),
    Scenario::new("sixteen_descriptors_of_the_peer_are_returned", |t| calls_us(Work::Sixteen, t)),
    Scenario::new("a_large_message_of_the_peer_is_returned", |t| calls_us(Work::Large, t)),
    Scenario::new("calls_of_the_peer_sent_together_keep_their_descriptors", sends_us_a_batch),
    Scenario::new("the_peer_answers_a_call", |t| is_called(Work::Call, t)),
    Scenario::new("the_peer_returns_descriptors", |t| is_called(Work::Descriptors, t)),
    Scenario::new("the_peer_returns_sixteen_descriptors", |t| is_called(Work::Sixteen, t)),
    Scenario::new("calls_sent_together_keep_their_descriptors", |t| is_called(Work::Batch, t)),
    Scenario::new("the_peer_returns_a_large_message", |t| is_called(Work::Large, t)),
    Scenario::new("zbus_calls_over_split_halves_through_a_bus", |t| over_us(Work::Call, t)),
    Scenario::new("zbus_passes_descriptors_over_split_halves", |t| over_us(Work::Descriptors, t)),
    Scenario::new("zbus_passes_sixteen_descriptors_over_split_halves", |t| {
        over_us(Work::Sixteen, t)
    }),
    Scenario::new("zbus_sends_a_large_message_over_split_halves", |t| over_us(Work::Large, t)),
    Scenario::new("proxied_traffic_is_unchanged", |t| proxied_by_us(Proxy::Spy, t)),
    Scenario::new("copied_traffic_is_unchanged", |t| proxied_by_us(Proxy::Copy, t)),
    Scenario::new("calls_are_answered_through_a_copy", copied_by_us),
];

/// Runs a client of zbus with a server of anchovy-dbus.
fn calls_us(work: Work, transcript: &Transcript) {
    runtime().block_on(async {
        let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let server = server();
        let client = async {
            let client = Builder::unix_stream(near).p2p().build().await.expect("a good server");
            let touched = their_drive(&client, None, work).await;
            client.close().await.expect("it closes");
            touched
        };
        let serving = async {
            let mut us = server.handshake(far).await.expect("a good client");
            serve(&mut us, transcript).await
        };
        let ((sent, given), served) = tokio::join!(client, serving);
        assert_eq!((served.came, served.given), (sent, given));
    });
}

/// zbus sends up to 16 messages with one call, and begins with one that has descriptors, if there
/// is one.
fn sends_us_a_batch(transcript: &Transcript) {
    runtime().block_on(async {
        let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let server = server();
        let counts = [2, 0, 0, 1, 3, 0, 1, 0, 0, 0, 16, 0, 1, 1];
        let sets: Vec<_> = counts.into_iter().map(memfds).collect();
        let batch: Vec<_> = sets
            .iter()
            .map(|fds| {
                let fds: Vec<Fd<'_>> = fds.iter().map(|fd| fd.as_fd().into()).collect();
                TheirMessage::signal(PATH, INTERFACE, "Batch").build(&fds).unwrap()
            })
            .collect();
        let client = async {
            let client = Builder::unix_stream(near).p2p().build().await.expect("a good server");
            client.send_all(&batch).await.expect("it is sent");
            client.close().await.expect("it closes");
        };
        let receiving = async {
            let mut us = server.handshake(far).await.expect("a good client");
            for fds in &sets {
                let message = received(&mut us).await.expect("a signal");
                transcript.note(format!("we < {}", line(&message)));
                assert_eq!(identities_of(&message), identities(fds));
            }
        };
        tokio::join!(client, receiving);
    });
}

/// Runs a server of zbus with clients of anchovy-dbus.
fn is_called(work: Work, transcript: &Transcript) {
    runtime().block_on(async {
        for client in [Client::new(), Client::new().stepwise()] {
            let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
            let calling = async {
                let mut us = client.handshake(near).await.expect("a good server");
                drive(&mut us, None, work, transcript).await
            };
            let serving = async {
                let guid = guid().to_string();
                let server = Builder::unix_stream(far).server(&*guid).p2p();
                let server = server.build().await.expect("a good client");
                their_serve(&server).await
            };
            let (given, expected) = tokio::join!(calling, serving);
            assert_eq!(given, expected);
        }
    });
}

/// Runs a connection of zbus over split halves, on a bus, where it calls a service.
fn over_us(work: Work, transcript: &Transcript) {
    runtime().block_on(async {
        let bus = DbusDaemon::start();
        let addresses = bus.address().parse().expect("an address");
        let mut service = serving(&addresses, transcript).await;
        let stream = AnchovyStream::connect(bus.path()).await.expect("the bus listens");
        let calling = async {
            let client = Builder::socket(OurSocket::new(stream)).build().await.expect("a bus");
            their_drive(&client, Some(SERVICE), work).await;
            client.close().await.expect("it closes");
        };
        tokio::select! {
            () = calling => {}
            _ = serve(&mut service, transcript) => panic!("the bus has hung up"),
        }
    });
}

const PROXIED: [Work; 4] = [Work::Call, Work::Descriptors, Work::Sixteen, Work::Large];

fn proxied_by_us(proxy: Proxy, transcript: &Transcript) {
    for work in PROXIED {
        transcript.note(format!("# {}", work.word()));
        compare(proxy, transcript, async |bus| their_client(&bus, &proxy.works(work)).await);
    }
}

fn copied_by_us(transcript: &Transcript) {
    for work in PROXIED {
        copied(async |bus| their_client(&bus, &Proxy::Copy.works(work)).await);
        transcript.note(format!("answered: {}", work.word()));
    }
}

/// Connects to a bus with zbus, does works one after another and disconnects.
async fn their_client(bus: &Addresses, works: &[Work]) {
    let client = Builder::address(&*bus.to_string()).build().await.expect("the proxy takes it");
    for &work in works {
        their_drive(&client, Some(SERVICE), work).await;
    }
    client.close().await.expect("it closes");
}

/// Does the same as `drive` with zbus. Returns the identities of the sent and the given
/// descriptors.
async fn their_drive(
    client: &Theirs,
    destination: Option<&str>,
    work: Work,
) -> (Vec<Identity>, Vec<Identity>) {
    let some = Some(INTERFACE);
    match work {
        Work::Call => {
            let answer = client.call_method(destination, PATH, some, "Echo", &"hello").await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.body().deserialize::<&str>().expect("a text"), "hello");
            (Vec::new(), Vec::new())
        }
        Work::Descriptors | Work::Sixteen => {
            let sent = memfds(if work == Work::Sixteen { 16 } else { 3 });
            let fds: Vec<Fd<'_>> = sent.iter().map(|fd| fd.as_fd().into()).collect();
            let answer = client.call_method(destination, PATH, some, "Echo", &fds).await;
            assert_eq!(their_identities(&answer.expect("an answer")), identities(&sent));
            if work == Work::Sixteen {
                return (identities(sent), Vec::new());
            }
            let given = client.call_method(destination, PATH, some, "Give", &()).await;
            (identities(sent), their_identities(&given.expect("an answer")))
        }
        Work::Large => {
            let data: Vec<u8> = (0..LARGE).map(|at| (at / 7) as u8).collect();
            let sent: Vec<OwnedFd> = memfds(1);
            let body = (&data, Fd::from(&sent[0]));
            let answer = client.call_method(destination, PATH, some, "Echo", &body).await;
            let answer = answer.expect("an answer");
            let body = answer.body();
            let (bytes, fd): (Vec<u8>, TheirFd) = body.deserialize().expect("what was sent");
            assert!(bytes == data, "the same bytes");
            assert_eq!(identities([fd]), identities(&sent));
            (identities(sent), Vec::new())
        }
        Work::One | Work::Sink | Work::Batch => unreachable!("not with zbus"),
    }
}

/// Does the same as `serve` with zbus. Returns the identities of the given descriptors.
async fn their_serve(server: &Theirs) -> Vec<Identity> {
    let mut given = Vec::new();
    let mut calls = MessageStream::from(server);
    while let Some(Ok(call)) = calls.next().await {
        let header = call.header();
        let body = call.body();
        let signature = body.signature().to_string();
        let replied = if header.member().is_some_and(|member| member == "Give") {
            let fds = memfds(GIVEN);
            given.extend(identities(&fds));
            let fds: Vec<Fd<'_>> = fds.iter().map(|fd| fd.as_fd().into()).collect();
            server.reply(&header, &fds).await
        } else {
            match &*signature {
                "s" => server.reply(&header, &body.deserialize::<&str>().unwrap()).await,
                "ah" => server.reply(&header, &body.deserialize::<Vec<TheirFd>>().unwrap()).await,
                _ => {
                    let body: (Vec<u8>, TheirFd) = body.deserialize().unwrap();
                    server.reply(&header, &body).await
                }
            }
        };
        replied.expect("it is sent");
    }
    given
}

fn their_identities(message: &TheirMessage) -> Vec<Identity> {
    identities(message.body().deserialize::<Vec<TheirFd>>().expect("descriptors"))
}
