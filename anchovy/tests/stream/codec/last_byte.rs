//! Messages that declare no number of descriptors, over real sockets.

use std::convert::Infallible;

use anchovy::{Budget, UnixStream};

use super::*;

/// Messages that end with a NUL byte, as in varlink. One that begins with `-` does not take its
/// descriptors.
#[derive(Clone, Debug)]
struct Messages;

#[derive(Debug)]
struct Message {
    text: Bytes,
    fds: Vec<OwnedFd>,
    /// The cause, if the kernel truncated its descriptors.
    cut: Option<Truncation>,
}

impl Decoder for Messages {
    type Item = Message;
    type Error = Infallible;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Message>, ReceiveError<Infallible>> {
        let Some(end) = bytes.iter().position(|byte| *byte == 0) else { return Ok(None) };
        let length = end + 1;
        let cut = fds.truncation(length);
        let is_taken = cut.is_none() && bytes[0] != b'-';
        let fds = if is_taken { fds.take_all(length)?.into_vec() } else { Vec::new() };
        let mut text = bytes.split_to(length).freeze();
        text.truncate(end);
        Ok(Some(Message { text, fds, cut }))
    }
}

impl Encoder<Message> for Messages {
    type Error = Infallible;

    fn encode(&mut self, message: &Message, bytes: &mut BytesMut) -> Result<(), Infallible> {
        bytes.put_slice(&message.text);
        bytes.put_u8(0);
        Ok(())
    }

    fn fds<'a>(&mut self, message: &'a mut Message) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut message.fds)
    }
}

fn message(text: impl Into<Bytes>, fds: usize) -> Message {
    Message { text: text.into(), fds: memfds(fds), cut: None }
}

type Messaging = Framed<DBUS_SCM_RIGHTS, Messages>;

fn by_last_byte() -> ReadPolicy {
    ReadPolicy { attribution: Attribution::LastByte, ..ReadPolicy::default() }
}

fn framed(stream: UnixStream) -> Messaging {
    Framed::with_policies(stream, Messages, by_last_byte(), WritePolicy::default())
}

fn receiver(policy: ReadPolicy) -> (Messaging, StdUnixStream) {
    let (near, far) = with_foreign();
    (Framed::with_policies(near, Messages, policy, WritePolicy::default()), far)
}

/// The next message is this one, with these ends of pipes.
async fn expect_message(near: &mut Messaging, text: &[u8], pipes: &[OwnedFd]) {
    let message = near.next().await.expect("a message").expect("no error");
    assert_eq!((message.text.len(), message.fds.len()), (text.len(), pipes.len()));
    assert!(message.text == text);
    assert!(!pipes.iter().any(is_abandoned), "they are in the message");
    drop(message);
    assert!(pipes.iter().all(is_abandoned), "those of the message are the ones that were sent");
}

#[test]
fn systemd_43823_a_call_after_a_oneway_call_keeps_its_fds() {
    run(async {
        // The kernel merges both calls into one read, which ends with the second one.
        let (mut near, far) = receiver(by_last_byte());
        let oneway = br#"{"method":"io.systemd.Test.Notify","oneway":true}"#;
        let call = br#"{"method":"io.systemd.Test.Push","parameters":{"fd":0}}"#;
        foreign_send(&far, &[oneway, &b"\0"[..]].concat(), &[]).unwrap();
        let pipes = send_pipes(&far, &[call, &b"\0"[..]].concat(), 1);
        expect_message(&mut near, oneway, &[]).await;
        assert_eq!(near.waiting_fds(), 1, "one read brought both");
        expect_message(&mut near, call, &pipes).await;
    });
}

#[test]
fn systemd_43823_a_final_reply_after_continued_ones_keeps_its_fds() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let (mut near, mut far) = (framed(near), framed(far));
        let continued = br#"{"continues":true,"parameters":{}}"#;
        let last = br#"{"parameters":{"fd":0}}"#;
        for _ in 0..2 {
            far.feed(message(&continued[..], 0)).await.unwrap();
        }
        let reply = message(&last[..], 2);
        let expected = identities(&reply.fds);
        far.send(reply).await.unwrap();
        for _ in 0..2 {
            let received = near.next().await.unwrap().unwrap();
            assert_eq!((&received.text[..], received.fds.len()), (&continued[..], 0));
        }
        let received = near.next().await.unwrap().unwrap();
        assert_eq!((&received.text[..], identities(received.fds)), (&last[..], expected));
    });
}

#[test]
fn a_thousand_pipelined_messages_keep_their_descriptors() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let (mut near, mut far) = (framed(near), framed(far));
        let send = async {
            let mut sent = Vec::new();
            for number in 0..1000_usize {
                let count = if number % 3 == 0 { 1 + number % 5 } else { 0 };
                // Short ones, and ones that fill more than a read.
                let length = if number % 100 == 99 { 50_000 } else { number % 50 };
                let message = message(vec![b'x'; length], count);
                sent.push((length, identities(&message.fds)));
                far.feed(message).await.unwrap();
            }
            far.flush().await.unwrap();
            sent
        };
        let receive = async {
            let mut received = Vec::new();
            while received.len() < 1000 {
                let message = near.next().await.unwrap().unwrap();
                received.push((message.text.len(), identities(message.fds)));
            }
            received
        };
        let (sent, received) = tokio::join!(send, receive);
        assert!(sent == received);
    });
}

#[test]
fn a_set_of_a_long_message_is_not_given_to_the_next_in_its_send() {
    run(async {
        for length in [40_000, 100_000, 400_000] {
            let (near, mut far) = Dbus::pair().unwrap();
            let mut near = framed(near);
            let long = vec![b'a'; length];
            let all = [&b"before\0"[..], &long, b"\0after\0"].concat();
            let send = async {
                let fds = memfds(1);
                far.write_all(&all[..7]).await.unwrap();
                // The kernel takes as much as there is room for. The rest follows.
                let sent = far.send_with_fds(&all[7..], &fds).await.unwrap();
                far.write_all(&all[7 + sent..]).await.unwrap();
                identities(fds)
            };
            let receive = async {
                let mut received = Vec::new();
                for _ in 0..3 {
                    let message = near.next().await.unwrap().unwrap();
                    received.push((message.text.len(), identities(message.fds)));
                }
                received
            };
            let (expected, received) = tokio::join!(send, receive);
            assert_eq!(received, [(6, vec![]), (length, expected), (5, vec![])]);
        }
    });
}

#[test]
fn a_set_sent_with_the_start_of_the_next_message_goes_to_that() {
    run(async {
        // Documented: ten bytes of one message and five of the next in one `sendmsg`.
        let (mut near, far) = receiver(by_last_byte());
        let pipes = send_pipes(&far, b"the first\0the s", 1);
        foreign_send(&far, b"econd\0", &[]).unwrap();
        expect_message(&mut near, b"the first", &[]).await;
        expect_message(&mut near, b"the second", &pipes).await;
    });
}

#[test]
fn descriptors_that_no_message_takes_are_unclaimed() {
    run(async {
        for unclaimed in [Unclaimed::Error, Unclaimed::Close] {
            let (mut near, far) = receiver(ReadPolicy { unclaimed, ..by_last_byte() });
            foreign_send(&far, b"plain\0", &[]).unwrap();
            let untaken = send_pipes(&far, b"-not taken\0", 2);
            let later = send_pipes(&far, b"later\0", 1);
            expect_message(&mut near, b"plain", &[]).await;
            if unclaimed == Unclaimed::Error {
                let error = near.next().await.unwrap().unwrap_err();
                assert!(matches!(error, ReceiveError::UnclaimedFds { count: 2 }), "{error:?}");
                assert!(near.next().await.is_none());
                drop(near);
            } else {
                expect_message(&mut near, b"-not taken", &[]).await;
                assert!(untaken.iter().all(is_abandoned));
                expect_message(&mut near, b"later", &later).await;
                assert_eq!((near.unclaimed_fds(), near.waiting_fds()), (2, 0));
            }
            assert!(untaken.iter().chain(&later).all(is_abandoned));
        }
    });
}

#[test]
fn undeclared_descriptors_end_receiving_on_their_connection_only() {
    run(async {
        let budget = Budget::builder().held_fds(10_000).build();
        let connect = || {
            let (mut near, far) = with_foreign::<DBUS_SCM_RIGHTS>();
            near.set_account(budget.account(1));
            let write = WritePolicy::default();
            (Framed::with_policies(near, Messages, by_last_byte(), write), far)
        };
        let ((mut near, far), (mut other, other_far)) = (connect(), connect());
        let waiting = send_pipes(&other_far, b"half", 1);
        drive_io().await;
        assert!(now(other.next()).await.is_none());

        let undeclared = send_pipes(&far, b"-not taken\0", 2);
        let error = near.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::UnclaimedFds { count: 2 }), "{error:?}");
        assert!(undeclared.iter().all(is_abandoned));

        // The write side of this connection, and the other connection of the account, go on.
        let reply = message("reply", 1);
        let expected = identities(&reply.fds);
        near.send(reply).await.unwrap();
        let (bytes, fds, _) = foreign_receive(&far, 100);
        assert_eq!((&bytes[..], identities(fds)), (&b"reply\0"[..], expected));
        foreign_send(&other_far, b" and half\0", &[]).unwrap();
        expect_message(&mut other, b"half and half", &waiting).await;
        assert_eq!(budget.usage_of(1).held_fds, 0);
    });
}

#[test]
fn descriptors_of_an_unfinished_message_close_with_the_stream() {
    run(async {
        let (mut near, far) = receiver(by_last_byte());
        let pipes = send_pipes(&far, b"half", 2);
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        assert!(!pipes.iter().any(is_abandoned));
        drop(far);
        let error = near.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::ClosedInsideFrame { bytes: 4 }), "{error:?}");
        assert!(pipes.iter().all(is_abandoned));
    });
}

#[test]
fn a_truncated_set_marks_the_message_with_its_last_byte_only() {
    run(async {
        let policy = ReadPolicy { survive_truncation: true, ..by_last_byte() };
        let (mut near, far) = receiver(policy);
        foreign_send(&far, b"plain\0", &[]).unwrap();
        let cut = send_pipes(&far, b"cut\0", 3);
        let full = FullTable::with_room_for(1);
        let first = near.next().await.unwrap().unwrap();
        drop(full);
        assert_eq!((&first.text[..], first.cut), (&b"plain"[..], None));
        let second = near.next().await.unwrap().unwrap();
        let cause = Some(Truncation::ProcessTableFull);
        assert_eq!((&second.text[..], second.cut), (&b"cut"[..], cause));
        assert!(cut.iter().all(is_abandoned));
        let pipes = send_pipes(&far, b"later\0", 1);
        expect_message(&mut near, b"later", &pipes).await;
    });
}

#[test]
fn waiting_descriptors_charge_room_for_all_that_may_wait() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        near.set_account(budget.account(1));
        near.set_read_fd_limit(4).unwrap();
        let policy = ReadPolicy { max_waiting_fds: 10, ..by_last_byte() };
        let mut near = Framed::with_policies(near, Messages, policy, WritePolicy::default());
        let pipes = send_pipes(&far, b"half", 2);
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        assert_eq!(budget.usage().held_fds, 10);
        foreign_send(&far, b" and half\0", &[]).unwrap();
        expect_message(&mut near, b"half and half", &pipes).await;
        assert_eq!(budget.usage().held_fds, 0);
    });
}
