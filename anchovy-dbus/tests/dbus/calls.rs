//! Calls that wait for their reply: what the reply is, what is kept meanwhile, and what ends a call.

use std::io;
use std::num::NonZeroU32;
use std::pin::pin;
use std::time::Duration;

use allocation_counter::measure;
use anchovy_dbus::{
    CallError, Client, Connection, Flags, KeptLimit, Limits, Message, MessageType, ReceiveError,
    SendErrorKind,
};
use futures_util::StreamExt;

use crate::foreign::*;
use crate::harness::*;

fn call() -> Message {
    Message::method_call("/", "Ask").build().expect("a good call")
}

fn call_with_serial(number: u32) -> Message {
    let mut call = call();
    call.set_serial(serial(number));
    call
}

fn serial(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("a serial")
}

/// A call that leaves in more than one write.
fn long_call() -> Message {
    Message::method_call("/", "Ask").body("ay", vec![7; 4 << 20]).build().expect("a good call")
}

fn limited(limits: Limits) -> Client {
    Client::new().limits(limits)
}

/// Receives a call, and replies to it with these descriptors.
async fn reply(server: &mut Connection, fds: Vec<std::os::fd::OwnedFd>) {
    let call = server.receive().await.expect("no error").expect("a call");
    server.send(reply_to(&call, fds)).await.expect("it is sent");
}

fn reply_to(call: &Message, fds: Vec<std::os::fd::OwnedFd>) -> Message {
    Message::method_return(call).fds(fds).build().expect("a good reply")
}

/// The members of the messages that have arrived.
async fn arrived(connection: &mut Connection) -> Vec<String> {
    let mut members = Vec::new();
    while let Some(message) = at_once(connection.receive()).await {
        let message = message.expect("no error").expect("not the end");
        members.push(message.header().member().unwrap_or("a reply").to_owned());
    }
    members
}

/// Makes a call that has left and is then dropped.
async fn drop_a_call(client: &mut Connection) {
    assert!(now(client.call(call())).await.is_none());
}

/// Sees that the connection calls and receives, and that nothing else has arrived.
async fn still_works(client: &mut Connection, server: &mut Connection) {
    let fds = memfds(2);
    let expected = identities(&fds);
    let (outcome, ()) = tokio::join!(client.call(call()), reply(server, fds));
    assert_eq!(identities(outcome.expect("a reply").fds()), expected);
    assert_eq!(arrived(client).await, [""; 0]);
}

#[test]
fn a_call_returns_its_reply_with_the_descriptors() {
    run(async {
        let (mut client, mut server) = pair().await;
        still_works(&mut client, &mut server).await;
        still_works(&mut server, &mut client).await;
    });
}

#[test]
fn messages_between_two_calls_and_their_replies_are_received_in_order() {
    run(async {
        let (mut client, mut server) = pair().await;
        let b = memfds(1);
        let expected = identities(&b);
        let serve = async {
            server.feed(signal("A", Vec::new())).await.unwrap();
            let first = server.receive().await.unwrap().unwrap();
            server.feed(signal("B", b)).await.unwrap();
            server.feed(reply_to(&first, Vec::new())).await.unwrap();
            server.send(signal("C", Vec::new())).await.unwrap();
            let second = server.receive().await.unwrap().unwrap();
            server.feed(signal("D", Vec::new())).await.unwrap();
            server.feed(reply_to(&second, Vec::new())).await.unwrap();
            server.send(signal("E", Vec::new())).await.unwrap();
        };
        let calls = async {
            assert_eq!(client.call(call()).await.unwrap().header().reply_serial(), Some(serial(1)));
            assert_eq!(client.call(call()).await.unwrap().header().reply_serial(), Some(serial(2)));
        };
        tokio::join!(serve, calls);
        assert_eq!(take(&mut client).await.0, "A");
        assert_eq!(take(&mut client).await, ("B".to_owned(), expected));
        // The stream is the same.
        assert_eq!(told(&client.next().await.unwrap().unwrap()).0, "C");
        assert_eq!(take(&mut client).await.0, "D");
        assert_eq!(take(&mut client).await.0, "E");
    });
}

#[test]
fn messages_before_a_reply_are_buffered_and_later_ones_are_not_read() {
    run(async {
        let (mut client, mut server) = pair().await;
        assert!(client.next_buffered().is_none());
        let serve = async {
            let call = server.receive().await.unwrap().unwrap();
            server.feed(signal("A", memfds(1))).await.unwrap();
            server.feed(reply_to(&call, Vec::new())).await.unwrap();
            server.send(signal("B", Vec::new())).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(client.call(call()), serve);
        outcome.unwrap();
        server.send(signal("C", Vec::new())).await.unwrap();
        drive_io().await;
        let first = client.next_buffered().unwrap().unwrap();
        assert_eq!((first.header().member(), first.fds().len()), (Some("A"), 1));
        assert_eq!(told(&client.next_buffered().unwrap().unwrap()).0, "B");
        assert!(client.next_buffered().is_none(), "the last one is not read yet");
        assert_eq!(take(&mut client).await.0, "C");
    });
}

#[test]
fn the_late_reply_to_a_dropped_call_is_not_buffered() {
    run(async {
        let (mut client, mut server) = pair().await;
        drop_a_call(&mut client).await;
        let call = server.receive().await.unwrap().unwrap();
        server.feed(signal("A", Vec::new())).await.unwrap();
        server.feed(reply_to(&call, Vec::new())).await.unwrap();
        server.send(signal("B", Vec::new())).await.unwrap();
        assert_eq!(take(&mut client).await.0, "A");
        assert_eq!(told(&client.next_buffered().unwrap().unwrap()).0, "B");
        assert!(client.next_buffered().is_none());
    });
}

#[test]
fn a_malformed_message_ends_the_buffered_ones() {
    run(async {
        let (mut connection, foreign) = Role::Client.connected().await;
        foreign.send(&[message("A", 0, 0), vec![0; 16]].concat(), 0);
        assert_eq!(take(&mut connection).await.0, "A");
        let error = connection.next_buffered().unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::Message(_)), "{error:?}");
        assert!(connection.next_buffered().is_none());
    });
}

#[test]
fn a_reply_to_another_call_is_kept_for_receive() {
    run(async {
        let (mut client, mut server) = pair().await;
        let other = client.send(call()).await.unwrap();
        let serve = async {
            let first = server.receive().await.unwrap().unwrap();
            let second = server.receive().await.unwrap().unwrap();
            server.send(reply_to(&first, Vec::new())).await.unwrap();
            server.send(reply_to(&second, Vec::new())).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(client.call(call()), serve);
        assert_eq!(outcome.unwrap().header().reply_serial(), Some(serial(2)));
        let kept = client.receive().await.unwrap().unwrap();
        assert_eq!(kept.header().reply_serial(), Some(other));
    });
}

#[test]
fn a_signal_with_the_serial_of_a_call_is_no_reply() {
    run(async {
        let (mut client, mut server) = pair().await;
        let serve = async {
            let call = server.receive().await.unwrap().unwrap();
            let signal = Message::signal("/", "org.example.Test", "A");
            let signal = signal.reply_serial(call.serial().unwrap());
            server.feed(signal.build().unwrap()).await.unwrap();
            server.send(reply_to(&call, Vec::new())).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(client.call(call()), serve);
        assert_eq!(outcome.unwrap().header().message_type(), MessageType::MethodReturn);
        assert_eq!(arrived(&mut client).await, ["A"]);
    });
}

#[test]
fn an_error_reply_is_an_error_that_keeps_the_message() {
    run(async {
        let (mut client, mut server) = pair().await;
        let fds = memfds(1);
        let expected = identities(&fds);
        let serve = async {
            let call = server.receive().await.unwrap().unwrap();
            let text = b"\x11\0\0\0red \x1b[31m and\n\xc2\x9b!\0";
            let body = [&(text.len() as u32 - 5).to_ne_bytes()[..], &text[4..]].concat();
            let error = Message::error(&call, "org.freedesktop.DBus.Error.AccessDenied");
            server.send(error.body("s", body).fds(fds).build().unwrap()).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(client.call(call()), serve);
        let CallError::ErrorReply(error) = outcome.unwrap_err() else { panic!("an error reply") };
        assert_eq!(
            error.to_string(),
            r"org.freedesktop.DBus.Error.AccessDenied: red \u{1b}[31m and\n\u{9b}!"
        );
        assert_eq!(error.text(), Some("red \u{1b}[31m and\n\u{9b}!"));
        assert!(!format!("{error:?}").contains('\u{1b}'));
        assert_eq!(identities(error.message().fds()), expected);
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::PermissionDenied);
    });
}

#[test]
fn at_most_1024_characters_of_an_error_reply_are_shown() {
    let call = call_with_serial(1);
    let text = "ä".repeat(5000);
    let body = [&(text.len() as u32).to_ne_bytes()[..], text.as_bytes(), &[0]].concat();
    let message = Message::error(&call, "org.example.Long").body("s", body).build().unwrap();
    let error = anchovy_dbus::ErrorReply::new(message).unwrap();
    assert_eq!(error.to_string(), format!("org.example.Long: {}...", "ä".repeat(1024)));
    assert_eq!(error.text().map(str::len), Some(10_000));
}

#[test]
fn only_a_message_of_type_error_is_an_error_reply() {
    guarded(|| {
        let refused = anchovy_dbus::ErrorReply::new(signal("A", memfds(1))).unwrap_err();
        assert_eq!(refused.fds().len(), 1);
    });
}

/// Nobody replies, so the clock runs ahead.
#[test]
fn a_call_without_a_reply_times_out() {
    run(async {
        let (mut client, mut server) = pair().await;
        tokio::time::pause();
        let start = tokio::time::Instant::now();
        let error = client.call(call()).await.unwrap_err();
        let CallError::Timeout { timeout } = error else { panic!("{error:?}") };
        assert_eq!(timeout, Duration::from_secs(25));
        assert!(start.elapsed() >= timeout && start.elapsed() < 2 * timeout);
        tokio::time::resume();
        assert_eq!(take(&mut server).await.0, "Ask");
        still_works(&mut client, &mut server).await;
    });
}

#[test]
fn the_time_that_a_call_waits_is_limited_by_the_caller() {
    run(async {
        let limits = |reply_timeout| Limits { reply_timeout, ..Limits::client() };
        let second = Duration::from_secs(1);
        let (mut client, _server) = pair_of(&limited(limits(Some(second))), &server()).await;
        tokio::time::pause();
        let error = client.call(call()).await.unwrap_err();
        assert!(matches!(error, CallError::Timeout { timeout } if timeout == second), "{error:?}");
        tokio::time::resume();

        let (mut client, _server) = pair_of(&limited(limits(None)), &server()).await;
        tokio::time::pause();
        let waits = tokio::time::timeout(Duration::from_secs(1 << 20), client.call(call()));
        assert!(waits.await.is_err());
    });
}

#[test]
fn a_timed_out_call_discards_its_late_reply_with_its_descriptors() {
    run(async {
        let (mut client, mut server) = pair().await;
        tokio::time::pause();
        client.call(call()).await.unwrap_err();
        tokio::time::resume();
        let late = server.receive().await.unwrap().unwrap();
        let (reader, writer) = pipe();
        server.feed(signal("A", Vec::new())).await.unwrap();
        server.feed(reply_to(&late, vec![writer])).await.unwrap();
        server.send(signal("B", Vec::new())).await.unwrap();
        assert_eq!(arrived(&mut client).await, ["A", "B"]);
        assert!(is_abandoned(&reader));
        still_works(&mut client, &mut server).await;
    });
}

#[test]
fn the_next_call_is_not_confused_by_the_late_reply_to_a_dropped_one() {
    run(async {
        let (mut client, mut server) = pair().await;
        drop_a_call(&mut client).await;
        let (reader, writer) = pipe();
        let serve = async {
            let dropped = server.receive().await.unwrap().unwrap();
            let second = server.receive().await.unwrap().unwrap();
            server.feed(reply_to(&dropped, vec![writer])).await.unwrap();
            server.send(reply_to(&second, Vec::new())).await.unwrap();
        };
        let (outcome, ()) = tokio::join!(client.call(call()), serve);
        assert_eq!(outcome.unwrap().header().reply_serial(), Some(serial(2)));
        assert!(is_abandoned(&reader));
        assert_eq!(arrived(&mut client).await, [""; 0]);
        still_works(&mut client, &mut server).await;
    });
}

/// It is only the first one that nobody waits for.
#[test]
fn a_second_reply_to_a_dropped_call_is_a_message_like_any_other() {
    run(async {
        let (mut client, mut server) = pair().await;
        drop_a_call(&mut client).await;
        let dropped = server.receive().await.unwrap().unwrap();
        server.feed(reply_to(&dropped, Vec::new())).await.unwrap();
        server.send(reply_to(&dropped, Vec::new())).await.unwrap();
        assert_eq!(arrived(&mut client).await, ["a reply"]);
    });
}

#[test]
fn a_call_that_is_dropped_before_there_is_room_never_leaves() {
    run(async {
        let (mut client, mut server) = pair().await;
        assert!(now(client.send(long_call())).await.is_none());
        let (reader, writer) = pipe();
        let waiting = Message::method_call("/", "Wait").fd(writer).build().unwrap();
        assert!(now(client.call(waiting)).await.is_none());
        assert!(is_abandoned(&reader));
        let (flushed, first) = tokio::join!(client.flush(), server.receive());
        flushed.unwrap();
        assert_eq!(first.unwrap().unwrap().serial(), Some(serial(1)));
        let next = async { server.receive().await.unwrap().unwrap().serial() };
        let mut second = pin!(client.call(call()));
        assert!(now(&mut second).await.is_none());
        assert_eq!(next.await, Some(serial(2)), "no serial is missing");
    });
}

#[test]
fn a_call_that_is_dropped_while_it_leaves_leaves_whole() {
    run(async {
        let (mut client, mut server) = pair().await;
        assert!(now(client.call(long_call())).await.is_none());
        let (flushed, call) = tokio::join!(client.flush(), server.receive());
        flushed.unwrap();
        let call = call.unwrap().unwrap();
        assert_eq!(call.body().len(), 4 << 20);
        server.send(reply_to(&call, Vec::new())).await.unwrap();
        assert_eq!(arrived(&mut client).await, [""; 0]);
    });
}

/// Two that wrote before they read would wait for each other.
#[test]
fn a_call_reads_while_it_writes() {
    run(async {
        let limits = Limits { max_kept_bytes: 8 << 20, ..Limits::client() };
        let (mut client, mut server) = pair_of(&limited(limits), &server()).await;
        let serve = async {
            let long = Message::signal("/", "org.example.Test", "A").body("ay", vec![7; 4 << 20]);
            server.send(long.build().unwrap()).await.unwrap();
            reply(&mut server, Vec::new()).await;
        };
        let (outcome, ()) = tokio::join!(client.call(long_call()), serve);
        outcome.unwrap();
        assert_eq!(arrived(&mut client).await, ["A"]);
    });
}

#[test]
fn a_call_that_waits_for_room_reads_too() {
    run(async {
        let limits = Limits { max_kept_bytes: 8 << 20, ..Limits::client() };
        let (mut client, mut server) = pair_of(&limited(limits), &server()).await;
        assert!(now(client.send(long_call())).await.is_none());
        let serve = async {
            let long = Message::signal("/", "org.example.Test", "A").body("ay", vec![7; 4 << 20]);
            server.send(long.build().unwrap()).await.unwrap();
            server.receive().await.unwrap().unwrap();
            reply(&mut server, Vec::new()).await;
        };
        let (outcome, ()) = tokio::join!(client.call(call()), serve);
        outcome.unwrap();
        assert_eq!(arrived(&mut client).await, ["A"]);
    });
}

#[test]
fn a_reply_that_arrives_before_the_call_has_left_is_returned() {
    run(async {
        let (mut client, foreign) = Role::Client.connected().await;
        let reply = Message::method_return(&call_with_serial(1)).serial(serial(9)).build().unwrap();
        {
            let mut outcome = pin!(client.call(long_call()));
            assert!(at_once(&mut outcome).await.is_none());
            foreign.send(&reply.to_bytes().unwrap(), 0);
            let reply = at_once(outcome).await.expect("it has arrived").unwrap();
            assert_eq!(reply.serial(), Some(serial(9)));
        }
        // The rest of the call leaves with the next flush.
        assert!(now(client.flush()).await.is_none());
    });
}

#[test]
fn a_reply_before_the_call_is_a_message_like_any_other() {
    run(async {
        let (mut client, foreign) = Role::Client.connected().await;
        let early = Message::method_return(&call_with_serial(1)).serial(serial(9)).build().unwrap();
        foreign.send(&early.to_bytes().unwrap(), 0);
        drive_io().await;
        assert_eq!(take(&mut client).await.0, "");
        tokio::time::pause();
        let error = client.call(call()).await.unwrap_err();
        assert!(matches!(error, CallError::Timeout { .. }), "{error:?}");
    });
}

#[test]
fn a_message_that_is_no_call_is_refused_and_returned() {
    run(async {
        let (mut client, mut server) = pair().await;
        let fds = memfds(1);
        let expected = identities(&fds);
        let error = client.call(signal("A", fds)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot wait for the reply to a signal, only a method call has one; use `send`"
        );
        assert!(matches!(error, CallError::NotACall { .. }));
        assert_eq!(identities(error.into_unsent().unwrap().fds()), expected);
        still_works(&mut client, &mut server).await;
    });
}

#[test]
fn a_call_that_expects_no_reply_is_refused_and_returned() {
    run(async {
        let (mut client, mut server) = pair().await;
        let flags = Flags::NO_REPLY_EXPECTED | Flags::NO_AUTO_START;
        let quiet = Message::method_call("/", "Ask").flags(flags).fds(memfds(1));
        let error = client.call(quiet.build().unwrap()).await.unwrap_err();
        assert!(matches!(error, CallError::NoReplyExpected { .. }), "{error:?}");
        assert_eq!(error.into_unsent().unwrap().fds().len(), 1);
        still_works(&mut client, &mut server).await;
    });
}

#[test]
fn a_call_that_cannot_be_sent_is_returned_and_not_abandoned() {
    run(async {
        let limits = Limits { max_abandoned_calls: 1, ..Limits::client() };
        let (mut client, mut server) = pair_of(&limited(limits), &server()).await;
        let fds = memfds(17);
        let expected = identities(&fds);
        let many = Message::method_call("/", "Ask").fds(fds).build().unwrap();
        let error = client.call(many).await.unwrap_err();
        let CallError::Send(refused) = &error else { panic!("{error:?}") };
        assert!(matches!(refused.kind, SendErrorKind::TooManyFds { count: 17, limit: 16 }));
        assert_eq!(identities(error.into_unsent().unwrap().fds()), expected);
        still_works(&mut client, &mut server).await;
    });
}

#[test]
fn a_call_with_refused_descriptors_is_returned_and_not_abandoned() {
    run(async {
        let limits = Limits { max_abandoned_calls: 1, ..Limits::client() };
        let (mut client, foreign) = Role::Client.meet_with(&limited(limits), &server()).await;
        if anchovy::set_fd_passing(&foreign.socket, false).is_err() {
            return; // This kernel cannot refuse.
        }
        for _ in 0..2 {
            let call = Message::method_call("/", "Ask").fds(memfds(1)).build().unwrap();
            let error = client.call(call).await.unwrap_err();
            let CallError::Send(refused) = &error else { panic!("{error:?}") };
            assert!(matches!(refused.kind, SendErrorKind::FdsRefusedByPeer { count: 1 }));
            assert_eq!(error.into_unsent().unwrap().fds().len(), 1);
        }
    });
}

#[test]
fn a_connection_that_ends_while_a_call_waits_is_an_error() {
    run(async {
        let (mut client, mut server) = pair().await;
        let serve = async move {
            server.send(signal("A", Vec::new())).await.unwrap();
            server.receive().await.unwrap().unwrap();
        };
        let (outcome, ()) = tokio::join!(client.call(call()), serve);
        let error = outcome.unwrap_err();
        assert!(matches!(error, CallError::Closed), "{error:?}");
        assert_eq!(take(&mut client).await.0, "A");
        assert!(client.receive().await.unwrap().is_none());
        let error = client.call(call()).await.unwrap_err();
        assert!(matches!(error, CallError::Closed), "{error:?}");
    });
}

#[test]
fn a_peer_that_closes_before_it_reads_the_call_fails_it_as_closed() {
    run(async {
        let (mut client, foreign) = Role::Client.connected().await;
        let mut outcome = pin!(client.call(call()));
        assert!(at_once(&mut outcome).await.is_none());
        // The kernel resets a connection that is closed with unread bytes.
        drop(foreign);
        let error = outcome.await.unwrap_err();
        assert!(matches!(error, CallError::Closed), "{error:?}");
    });
}

#[test]
fn a_connection_that_ends_inside_a_message_fails_the_call() {
    run(async {
        let (mut client, foreign) = Role::Client.connected().await;
        let mut outcome = pin!(client.call(call()));
        assert!(at_once(&mut outcome).await.is_none());
        foreign_receive(&foreign.socket, 2048);
        foreign.send(&message("A", 0, 0)[..20], 0);
        drop(foreign);
        let error = outcome.await.unwrap_err();
        let CallError::Receive(error) = error else { panic!("{error:?}") };
        assert!(matches!(error, ReceiveError::ClosedInsideMessage { bytes: 20 }), "{error:?}");
    });
}

#[test]
fn a_reply_of_a_peer_that_has_closed_its_socket_is_returned() {
    run(async {
        let (mut client, foreign) = Role::Client.connected().await;
        let reply = Message::method_return(&call_with_serial(1)).serial(serial(9)).build().unwrap();
        {
            let mut outcome = pin!(client.call(long_call()));
            assert!(at_once(&mut outcome).await.is_none());
            foreign.send(&reply.to_bytes().unwrap(), 0);
            drop(foreign);
            assert_eq!(outcome.await.unwrap().serial(), Some(serial(9)));
        }
        assert!(client.send(call()).await.is_err(), "it is closed");
    });
}

/// Has a client with these limits call, and a server send these signals before it replies.
///
/// Returns the error of the call after having seen that the kept messages are received, that the late
/// reply is discarded, and that the connection goes on.
async fn flood(limits: Limits, signals: Vec<Message>) -> KeptLimit {
    let count = signals.len();
    let (mut client, mut server) = pair_of(&limited(limits), &server()).await;
    let serve = async {
        let call = server.receive().await.unwrap().unwrap();
        for signal in signals {
            server.feed(signal).await.unwrap();
        }
        server.send(reply_to(&call, memfds(1))).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(client.call(call()), serve);
    let error = outcome.unwrap_err();
    let CallError::TooMuchKept { kept, unsent: None } = error else { panic!("{error:?}") };

    // Nothing more is sent before they are received.
    let error = client.call(call_with_serial(77)).await.unwrap_err();
    assert!(matches!(error, CallError::TooMuchKept { kept: same, .. } if same == kept));
    assert_eq!(error.into_unsent().unwrap().serial(), Some(serial(77)));

    assert_eq!(arrived(&mut client).await, vec!["A"; count]);
    still_works(&mut client, &mut server).await;
    kept
}

#[test]
fn a_flood_of_messages_fails_the_call_at_the_limit() {
    run(async {
        let limits = Limits { max_kept_messages: 3, ..Limits::client() };
        let signals = (0..5).map(|_| signal("A", Vec::new())).collect();
        assert_eq!(flood(limits, signals).await, KeptLimit::Messages { count: 3, limit: 3 });
    });
}

#[test]
fn a_flood_of_bytes_fails_the_call_at_the_limit() {
    run(async {
        let signal = || {
            let signal = Message::signal("/", "org.example.Test", "A").body("ay", vec![0; 5000]);
            signal.build().unwrap()
        };
        let mut sized = signal();
        sized.set_serial(serial(1));
        let count = 2 * sized.to_bytes().unwrap().len();
        let limits = Limits { max_kept_bytes: 6000, ..Limits::client() };
        let kept = flood(limits, (0..4).map(|_| signal()).collect()).await;
        assert_eq!(kept, KeptLimit::Bytes { count, limit: 6000 });
    });
}

#[test]
fn a_flood_of_descriptors_fails_the_call_at_the_limit() {
    run(async {
        let limits = Limits { max_kept_fds: 4, ..Limits::client() };
        let signals = (0..4).map(|_| signal("A", memfds(3))).collect();
        assert_eq!(flood(limits, signals).await, KeptLimit::Fds { count: 6, limit: 4 });
    });
}

#[test]
fn a_call_over_the_limit_of_abandoned_calls_is_not_sent() {
    run(async {
        let limits = Limits { max_abandoned_calls: 2, ..Limits::client() };
        let (mut client, mut server) = pair_of(&limited(limits), &server()).await;
        drop_a_call(&mut client).await;
        drop_a_call(&mut client).await;
        let refused = Message::method_call("/", "Ask").fds(memfds(1)).build().unwrap();
        let error = client.call(refused).await.unwrap_err();
        assert!(matches!(error, CallError::TooManyAbandonedCalls { limit: 2, .. }), "{error:?}");
        assert_eq!(error.into_unsent().unwrap().fds().len(), 1);

        let late = server.receive().await.unwrap().unwrap();
        server.receive().await.unwrap().unwrap();
        assert!(at_once(server.receive()).await.is_none(), "nothing was sent");

        // A late reply makes room.
        server.send(reply_to(&late, Vec::new())).await.unwrap();
        assert_eq!(arrived(&mut client).await, [""; 0]);
        still_works(&mut client, &mut server).await;
    });
}

#[test]
fn a_serial_of_an_abandoned_call_is_refused_until_its_reply_has_come() {
    run(async {
        let (mut client, mut server) = pair().await;
        drop_a_call(&mut client).await;
        let error = client.call(call_with_serial(1)).await.unwrap_err();
        let CallError::Send(refused) = &error else { panic!("{error:?}") };
        let in_use = |kind: &SendErrorKind| matches!(kind, SendErrorKind::SerialInUse { serial: used } if *used == serial(1));
        assert!(in_use(&refused.kind), "{error:?}");
        assert_eq!(error.into_unsent().unwrap().serial(), Some(serial(1)));
        let error = client.send(call_with_serial(1)).await.unwrap_err();
        assert!(in_use(&error.kind), "{error:?}");

        let late = server.receive().await.unwrap().unwrap();
        server.send(reply_to(&late, Vec::new())).await.unwrap();
        assert_eq!(arrived(&mut client).await, [""; 0]);
        let (outcome, ()) =
            tokio::join!(client.call(call_with_serial(1)), reply(&mut server, Vec::new()));
        assert_eq!(outcome.unwrap().header().reply_serial(), Some(serial(1)));
    });
}

#[test]
fn halves_discard_late_replies_and_return_kept_messages_too() {
    run(async {
        let (mut client, mut server) = pair().await;
        server.send(signal("A", Vec::new())).await.unwrap();
        drive_io().await;
        drop_a_call(&mut client).await;
        drop_a_call(&mut client).await;
        let (mut reads, mut writes) = client.into_split();
        let error = writes.send(call_with_serial(2)).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::SerialInUse { .. }), "{error:?}");
        for _ in 0..2 {
            reply(&mut server, memfds(1)).await;
        }
        server.send(signal("B", Vec::new())).await.unwrap();
        for expected in ["A", "B"] {
            let message = reads.receive().await.unwrap().unwrap();
            assert_eq!(message.header().member(), Some(expected));
        }
        let mut client = reads.reunite(writes).unwrap();
        still_works(&mut client, &mut server).await;
    });
}

#[test]
fn late_replies_are_discarded_after_a_reunion_too() {
    run(async {
        let (mut client, mut server) = pair().await;
        drop_a_call(&mut client).await;
        let (reads, writes) = client.into_split();
        let mut client = reads.reunite(writes).unwrap();
        reply(&mut server, memfds(1)).await;
        assert_eq!(arrived(&mut client).await, [""; 0]);
        still_works(&mut client, &mut server).await;
    });
}

#[test]
fn a_connection_that_is_taken_apart_hands_over_kept_messages() {
    run(async {
        let (mut client, mut server) = pair().await;
        let fds = memfds(1);
        let expected = identities(&fds);
        server.feed(signal("A", Vec::new())).await.unwrap();
        server.flush().await.unwrap();
        drop_a_call(&mut client).await;
        // The client has sent something now, so descriptors may follow.
        take(&mut server).await;
        server.send(signal("B", fds)).await.unwrap();
        drive_io().await;
        drop_a_call(&mut client).await;
        let parts = client.into_parts();
        let kept: Vec<_> = parts.kept_messages.iter().map(told).collect();
        assert_eq!(kept, [("A".to_owned(), vec![]), ("B".to_owned(), expected)]);
    });
}

/// Allocations per call in the steady state, of both ends together, in thousandths.
fn allocations() -> u64 {
    const ROUNDS: u64 = 1000;
    let runtime = runtime();
    let (mut client, mut server) = runtime.block_on(pair());
    // All messages are made before it is counted.
    let mut pairs: Vec<_> = (0..3 * 100 + ROUNDS)
        .map(|_| (call_with_serial(5), reply_to(&call_with_serial(5), Vec::new())))
        .collect();
    let mut rounds = |count: u64| {
        runtime.block_on(async {
            for _ in 0..count {
                let (call, reply) = pairs.pop().unwrap();
                let serve = async {
                    server.receive().await.unwrap().unwrap();
                    server.send(reply).await.unwrap();
                };
                let (outcome, ()) = tokio::join!(client.call(call), serve);
                outcome.unwrap();
            }
        });
    };
    rounds(100);
    let few = measure(|| rounds(100)).count_total;
    let many = measure(|| rounds(100 + ROUNDS)).count_total;
    (many - few) * 1000 / ROUNDS
}

#[test]
fn a_call_allocates_nothing() {
    guarded(|| assert_eq!(allocations(), 0));
}
