//! Items over real sockets: the driver around the state machines, and what bad input gets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use anchovy::codec::{
    Attribution, CodecError, Decoder, Encoder, FdSet, Framed, FramedParts, Placement, ReadPolicy,
    ReceivedFds, SendError, Unclaimed, WritePolicy,
};
use anchovy::{DBUS_SCM_RIGHTS, FdError, Truncation};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::exhaustion::without_privileges;
use crate::harness::*;
use crate::syscalls::{count, mark, traced};

/// Four bytes of length, a byte that says how many descriptors, and a payload.
#[derive(Clone, Debug)]
struct Texts;

#[derive(Debug)]
struct Text {
    payload: Bytes,
    fds: Vec<OwnedFd>,
    /// Its descriptors were cut off by the kernel.
    cut: Option<Truncation>,
}

const HEADER: usize = 5;

fn text(payload: impl Into<Bytes>, fds: usize) -> Text {
    Text { payload: payload.into(), fds: memfds(fds), cut: None }
}

impl Decoder for Texts {
    type Item = Text;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> io::Result<Option<Text>> {
        let Some((mut header, _)) = bytes.split_at_checked(HEADER) else { return Ok(None) };
        let length = HEADER + header.get_u32() as usize;
        let count = header.get_u8().into();
        if bytes.len() < length {
            return Ok(None);
        }
        let cut = fds.truncation(length);
        let fds = if cut.is_some() { Vec::new() } else { fds.take(length, count)?.collect() };
        let mut payload = bytes.split_to(length).freeze();
        payload.advance(HEADER);
        Ok(Some(Text { payload, fds, cut }))
    }
}

impl Encoder<Text> for Texts {
    type Error = io::Error;

    fn encode(&mut self, item: &Text, bytes: &mut BytesMut) -> io::Result<()> {
        if item.payload == "nothing at all" {
            return Ok(());
        }
        bytes.put_u32(item.payload.len() as u32);
        bytes.put_u8(item.fds.len() as u8);
        if item.payload == "too much" {
            return Err(io::Error::other("the encoder refuses it half way"));
        }
        Ok(())
    }

    fn fds<'a>(&mut self, item: &'a mut Text) -> &'a mut Vec<OwnedFd> {
        &mut item.fds
    }

    fn payload(&mut self, item: &Text) -> Bytes {
        if item.payload == "nothing at all" { Bytes::new() } else { item.payload.clone() }
    }
}

type Texting = Framed<DBUS_SCM_RIGHTS, Texts>;

fn pair() -> (Texting, Texting) {
    let (near, far) = Dbus::pair().unwrap();
    (Framed::new(near, Texts), Framed::new(far, Texts))
}

/// A framed stream with this policy, and a foreign socket at its other end.
fn receiver(policy: ReadPolicy) -> (Texting, StdUnixStream) {
    let (near, far) = with_foreign();
    (Framed::with_policies(near, Texts, policy, WritePolicy::default()), far)
}

/// The bytes of an item that declares so many descriptors.
fn bytes_of(payload: &[u8], declared: u8) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes().to_vec();
    bytes.push(declared);
    bytes.extend_from_slice(payload);
    bytes
}

/// One `sendmsg` of a foreign end with so many descriptors, and the ends of pipes that tell whether
/// they are closed.
fn send_pipes(far: &StdUnixStream, bytes: &[u8], count: usize) -> Vec<OwnedFd> {
    let (readers, writers): (Vec<_>, Vec<_>) = (0..count).map(|_| pipe_of_two()).unzip();
    let set: Vec<BorrowedFd<'_>> = writers.iter().map(AsFd::as_fd).collect();
    foreign_send(far, bytes, &[&set]).unwrap();
    readers
}

fn pipe_of_two() -> (OwnedFd, OwnedFd) {
    crate::harness::pipe()
}

/// The stream of items ends with this error and is over, and all these pipes are abandoned.
async fn ends_with(framed: &mut Texting, expected: CodecError, pipes: &[OwnedFd]) {
    let error = framed.next().await.expect("an error").unwrap_err();
    assert_eq!(error.kind(), expected.kind());
    assert_eq!(CodecError::of(&error), Some(expected));
    assert!(framed.next().await.is_none());
    assert!(pipes.iter().all(is_abandoned), "everything that was sent is closed");
    assert_eq!((framed.waiting_fds(), framed.read_buffer().len()), (0, 0));
}

#[test]
fn the_framed_of_tokio_util_gives_descriptors_to_the_wrong_message() {
    // The trap that this module exists for.
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let codec = tokio_util::codec::LengthDelimitedCodec::new();
        let mut near = tokio_util::codec::Framed::new(near, codec);
        near.feed(Bytes::from("A, plain")).await.unwrap();
        near.get_mut().write_queue_mut().extend(memfds(1));
        near.feed(Bytes::from("B, with a file")).await.unwrap();
        SinkExt::<Bytes>::flush(&mut near).await.unwrap();

        // B's descriptor has arrived with the first byte of A.
        let received = far.recv_with_fds(&mut [0; 1]).await.unwrap();
        assert_eq!((received.bytes, received.fds), (1, 1));
    });
}

#[test]
fn items_keep_their_descriptors_both_ways() {
    run(async {
        let (mut near, mut far) = pair();
        for (from, to) in [(&mut near, &mut far)] {
            let items = [text("plain", 0), text("two", 2), text("", 1), text("plain again", 0)];
            let expected: Vec<_> = items.iter().map(|item| identities(&item.fds)).collect();
            for item in items {
                from.feed(item).await.unwrap();
            }
            SinkExt::<Text>::flush(from).await.unwrap();
            for (payload, fds) in ["plain", "two", "", "plain again"].iter().zip(expected) {
                let item = to.next().await.unwrap().unwrap();
                assert_eq!((&item.payload[..], identities(&item.fds)), (payload.as_bytes(), fds));
            }
        }
        far.send(text("back", 3)).await.unwrap();
        assert_eq!(near.next().await.unwrap().unwrap().fds.len(), 3);
    });
}

#[test]
fn halves_work_from_two_tasks_and_come_back_together() {
    run_on_threads(async {
        let (near, far) = pair();
        let echo = tokio::spawn(async move {
            let (mut read, mut write) = far.into_split();
            while let Some(item) = read.next().await {
                write.send(item.unwrap()).await.unwrap();
            }
        });
        let (mut read, mut write) = near.into_split();
        let sender = tokio::spawn(async move {
            for number in 0..500u32 {
                write.feed(text(number.to_string(), number as usize % 3)).await.unwrap();
            }
            SinkExt::<Text>::close(&mut write).await.unwrap();
            write
        });
        for number in 0..500u32 {
            let item = read.next().await.unwrap().unwrap();
            assert_eq!(item.payload, number.to_string());
            assert_eq!(item.fds.len(), number as usize % 3);
        }
        let near = read.reunite(sender.await.unwrap()).unwrap();
        assert!(near.get_ref().read_error().is_none());
        echo.await.unwrap();
    });
}

#[test]
fn an_item_with_more_descriptors_than_allowed_comes_back_whole() {
    run(async {
        let (mut near, mut far) = pair();
        near.get_mut().set_write_fd_limit(2).unwrap();
        let item = text("three", 3);
        let expected = identities(&item.fds);
        let SendError { item, error } = near.send(item).await.unwrap_err();
        assert_eq!(fd_error(error), FdError::TooManyToSend { count: 3, limit: 2, space: 1040 });
        let item = item.expect("the item");
        assert_eq!((&item.payload[..], identities(&item.fds)), (&b"three"[..], expected));

        near.send(text("two", 2)).await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().payload, "two");
    });
}

#[test]
fn an_item_of_no_bytes_with_descriptors_comes_back_whole() {
    run(async {
        let (mut near, _far) = pair();
        let SendError { item, error } = near.feed(text("nothing at all", 2)).await.unwrap_err();
        assert_eq!(fd_error(error), FdError::NoByteToRideOn { count: 2 });
        assert_eq!(item.expect("the item").fds.len(), 2);
        near.feed(text("nothing at all", 0)).await.unwrap();
        assert_eq!(near.unsent_bytes(), 0);
    });
}

#[test]
fn an_item_that_its_encoder_refuses_comes_back_whole_and_leaves_no_byte_behind() {
    run(async {
        let (mut near, mut far) = pair();
        near.feed(text("before", 1)).await.unwrap();
        let before = near.unsent_bytes();
        let refused = near.feed(text("too much", 1)).await.unwrap_err();
        assert_eq!(refused.item.expect("the item").fds.len(), 1);
        assert_eq!(near.unsent_bytes(), before);
        near.send(text("behind", 1)).await.unwrap();
        for payload in ["before", "behind"] {
            let item = far.next().await.unwrap().unwrap();
            assert_eq!((&item.payload[..], item.fds.len()), (payload.as_bytes(), 1));
        }
    });
}

#[test]
fn descriptors_that_nothing_claims_end_the_stream_and_are_closed() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let pipes = send_pipes(&far, &bytes_of(b"one of three", 1), 3);
        ends_with(&mut near, CodecError::Unclaimed { count: 2 }, &pipes).await;
    });
}

#[test]
fn descriptors_that_nothing_claims_can_be_closed_and_counted() {
    run(async {
        let policy = ReadPolicy { unclaimed: Unclaimed::Close, ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let pipes = send_pipes(&far, &bytes_of(b"one of three", 1), 3);
        let item = near.next().await.unwrap().unwrap();
        assert_eq!((item.fds.len(), near.unclaimed_fds()), (1, 2));
        assert_eq!(pipes.iter().filter(|pipe| is_abandoned(pipe)).count(), 2);
    });
}

#[test]
fn an_item_whose_descriptors_did_not_come_ends_the_stream() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let pipes = send_pipes(&far, &bytes_of(b"two of one", 2), 1);
        let missing = CodecError::Missing { declared: 2, arrived: 1, truncated: None };
        ends_with(&mut near, missing, &pipes).await;
    });
}

#[test]
fn more_descriptors_for_one_item_than_may_wait_end_the_stream() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        near.get_mut().set_read_fd_limit(16).unwrap();
        let mut policy = near.read_policy().clone();
        policy.max_waiting_fds = 40;
        let parts = near.into_parts();
        let mut parts_with_policy = parts;
        parts_with_policy.read_policy = policy;
        let mut near = Framed::from_parts(parts_with_policy);

        let item = bytes_of(&[b'x'; 100], 60);
        let mut pipes = send_pipes(&far, &item[..10], 16);
        pipes.extend(send_pipes(&far, &item[10..20], 16));
        let expected = CodecError::TooManyWaiting { waiting: 32, limit: 24 };
        ends_with(&mut near, expected, &pipes).await;
    });
}

#[test]
fn while_items_wait_nothing_is_read_beyond_what_may_wait() {
    run(async {
        let (mut near, mut far) = pair();
        let sender = tokio::spawn(async move {
            for _ in 0..30 {
                near.send(text("many", 100)).await.unwrap();
            }
        });
        for _ in 0..30 {
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 100);
            assert!(far.waiting_fds() <= far.read_policy().max_waiting_fds);
        }
        sender.await.unwrap();
    });
}

#[test]
fn an_item_that_is_too_long_ends_the_stream_before_it_is_held() {
    run(async {
        let policy = ReadPolicy { max_item_bytes: 64 << 10, ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let pipes = send_pipes(&far, &u32::MAX.to_be_bytes(), 1);
        far.set_nonblocking(true).unwrap();
        while io::Write::write(&mut &far, &[0; 4096]).is_ok() {}
        let error = near.next().await.expect("an error").unwrap_err();
        let error = CodecError::of(&error).unwrap();
        let CodecError::TooLong { length, limit } = error else { panic!("{error:?}") };
        assert_eq!(limit, 64 << 10);
        assert!((limit..limit + (256 << 10)).contains(&length), "{length}");
        assert!(pipes.iter().all(is_abandoned));
    });
}

#[test]
fn the_end_of_the_stream_inside_an_item_is_an_error() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        foreign_send(&far, &bytes_of(b"whole", 0), &[]).unwrap();
        let pipes = send_pipes(&far, &bytes_of(b"half", 1)[..7], 1);
        drop(far);
        assert_eq!(near.next().await.unwrap().unwrap().payload, "whole");
        ends_with(&mut near, CodecError::EndInsideItem { bytes: 7 }, &pipes).await;
    });
}

#[test]
fn the_end_of_the_stream_between_items_is_the_end() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        foreign_send(&far, &bytes_of(b"last", 0), &[]).unwrap();
        drop(far);
        assert_eq!(near.next().await.unwrap().unwrap().payload, "last");
        assert!(near.next().await.is_none());
        assert!(near.next().await.is_none());
    });
}

#[test]
fn a_peer_that_oversteps_the_limit_of_the_stream_ends_the_stream_of_items() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        near.get_mut().set_read_fd_limit(1).unwrap();
        let pipes = send_pipes(&far, &bytes_of(b"two", 2), 2);
        let error = fd_error(near.next().await.unwrap().unwrap_err());
        assert_eq!(error, FdError::TooManyReceived { count: 2, limit: 1, space: 1040 });
        assert!(near.next().await.is_none());
        assert!(pipes.iter().all(is_abandoned));
    });
}

#[test]
fn a_cut_set_ends_the_stream_of_items_by_default() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let pipes = send_pipes(&far, &bytes_of(b"three", 3), 3);
        let full = FullTable::with_room_for(1);
        let error = near.next().await.unwrap().unwrap_err();
        drop(full);
        let cause = Truncation::ProcessTableFull;
        assert_eq!(fd_error(error), FdError::Truncated { received: 1, cause });
        assert!(pipes.iter().all(is_abandoned));
    });
}

#[test]
fn after_a_cut_set_items_can_go_on_and_those_it_came_with_are_marked() {
    run(async {
        let policy = ReadPolicy { survive_truncation: true, ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let cut = send_pipes(&far, &bytes_of(b"cut", 3), 3);
        let full = FullTable::with_room_for(1);
        let item = near.next().await.unwrap().unwrap();
        assert_eq!((&item.payload[..], item.fds.len()), (&b"cut"[..], 0));
        assert_eq!(item.cut, Some(Truncation::ProcessTableFull));
        drop(full);
        assert!(cut.iter().all(is_abandoned), "what came of it is closed");

        let whole = send_pipes(&far, &bytes_of(b"whole", 2), 2);
        let item = near.next().await.unwrap().unwrap();
        assert_eq!((&item.payload[..], item.fds.len(), item.cut), (&b"whole"[..], 2, None));
        assert!(!whole.iter().any(is_abandoned));
    });
}

#[test]
fn descriptors_that_wait_too_long_for_the_rest_of_their_item_end_the_stream() {
    run(async {
        tokio::time::pause();
        let patience = Duration::from_secs(30);
        let policy = ReadPolicy { deadline: Some(patience), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        // Bytes alone may wait.
        foreign_send(&far, &bytes_of(b"", 0)[..1], &[]).unwrap();
        settle().await;
        assert!(now(near.next()).await.is_none());
        tokio::time::advance(10 * patience).await;
        foreign_send(&far, &bytes_of(b"", 0)[1..], &[]).unwrap();
        settle().await;
        assert!(near.next().await.unwrap().is_ok());

        let pipes = send_pipes(&far, &bytes_of(b"late", 2)[..3], 2);
        settle().await;
        assert!(now(near.next()).await.is_none());
        tokio::time::advance(patience / 2).await;
        assert!(now(near.next()).await.is_none());
        // Another byte does not buy more time.
        foreign_send(&far, &bytes_of(b"late", 2)[3..4], &[]).unwrap();
        settle().await;
        assert!(now(near.next()).await.is_none());
        tokio::time::advance(patience).await;
        ends_with(&mut near, CodecError::Overdue { waiting: 2 }, &pipes).await;
    });
}

#[test]
fn a_deadline_that_is_kept_is_over_with_its_item() {
    run(async {
        tokio::time::pause();
        let patience = Duration::from_secs(30);
        let policy = ReadPolicy { deadline: Some(patience), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let item = bytes_of(b"in time", 1);
        for _ in 0..3 {
            let _pipes = send_pipes(&far, &item[..6], 1);
            settle().await;
            assert!(now(near.next()).await.is_none());
            tokio::time::advance(patience / 2).await;
            foreign_send(&far, &item[6..], &[]).unwrap();
            assert_eq!(near.next().await.unwrap().unwrap().fds.len(), 1);
            tokio::time::advance(patience).await;
        }
    });
}

#[test]
fn without_a_deadline_a_runtime_without_timers_will_do() {
    guarded(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_io().build().unwrap().block_on(async {
            let (mut near, mut far) = pair();
            near.send(text("no clock", 1)).await.unwrap();
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 1);
        });
    });
}

#[test]
fn a_megabyte_with_a_descriptor_through_a_tiny_buffer_is_one_set_once() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&near, 4096).unwrap();
        let mut near = Framed::new(near, Texts);
        let item = text(vec![7; 1 << 20], 1);
        let expected = identities(&item.fds);
        let send = async {
            near.send(item).await.unwrap();
            drop(near);
        };
        let receive = async {
            let mut far = far;
            let (mut buf, mut bytes, mut sets) = (vec![0; 64 << 10], 0, Vec::new());
            loop {
                let received = far.recv_with_fds(&mut buf).await.unwrap();
                if received.bytes == 0 {
                    return (bytes, sets);
                }
                if received.fds > 0 {
                    sets.push((bytes, identities(far.read_queue_mut().drain(..))));
                }
                bytes += received.bytes;
            }
        };
        let (bytes, sets) = tokio::join!(send, receive).1;
        assert_eq!((bytes, sets), ((1 << 20) + HEADER, vec![(0, expected)]));
    });
}

#[test]
fn a_megabyte_arrives_as_one_item() {
    run(async {
        let (mut near, mut far) = pair();
        let data: Bytes = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect::<Vec<_>>().into();
        let item = text(data.clone(), 2);
        let expected = identities(&item.fds);
        let (sent, received) = tokio::join!(near.send(item), far.next());
        sent.unwrap();
        let item = received.unwrap().unwrap();
        assert!(item.payload == data);
        assert_eq!(identities(&item.fds), expected);
    });
}

#[test]
fn a_reader_that_does_not_read_is_back_pressure_and_no_growth() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let policy = WritePolicy { max_buffered_bytes: 10_000, ..WritePolicy::default() };
        let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
        settle().await;
        let mut fed = 0;
        while now(near.feed(text(vec![7; 1000], 1))).await.is_some() {
            fed += 1;
            assert!(near.unsent_bytes() < 10_000 + 2 * (1000 + HEADER));
            assert!(fed < 10_000, "there is no end to what it takes");
        }
        assert!(near.unsent_bytes() > 0);

        // It goes on where it stopped.
        let mut far = Framed::new(far, Texts);
        let flush = async {
            SinkExt::<Text>::flush(&mut near).await.unwrap();
            drop(near);
        };
        let count = async {
            let mut count = 0;
            while let Some(item) = far.next().await {
                assert_eq!(item.unwrap().fds.len(), 1);
                count += 1;
            }
            count
        };
        assert_eq!(tokio::join!(flush, count).1, fed);
    });
}

#[test]
fn as_many_descriptors_as_may_wait_are_sent_before_another_item_is_taken() {
    run(async {
        let (mut near, mut far) = pair();
        for _ in 0..10 {
            near.feed(text("many", 100)).await.unwrap();
            assert!(near.unsent_bytes() <= 3 * (4 + HEADER));
        }
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        for _ in 0..10 {
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 100);
        }
    });
}

#[test]
fn dropping_a_framed_stream_closes_all_that_waits() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let received = send_pipes(&far, &bytes_of(b"half", 2)[..6], 2);
        settle().await;
        assert!(now(near.next()).await.is_none());
        let (unsent, writer) = pipe_of_two();
        near.feed(Text { payload: "unsent".into(), fds: vec![writer], cut: None }).await.unwrap();
        assert!(!received.iter().any(is_abandoned) && !is_abandoned(&unsent));
        drop(near);
        assert!(received.iter().all(is_abandoned) && is_abandoned(&unsent));
    });
}

#[test]
fn an_item_that_the_peer_does_not_take_is_taken_back_and_the_others_go_on() {
    run(async {
        for placement in [Placement::Alone, Placement::FirstByte, Placement::Together] {
            let (near, mut far) = Dbus::pair().unwrap();
            if far.set_fd_passing(false).is_err() {
                assert!(!kernel_is_at_least(6, 16));
                return;
            }
            let policy = WritePolicy { placement, ..WritePolicy::default() };
            let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
            near.feed(text("before", 0)).await.unwrap();
            let item = text("refused", 2);
            let expected = identities(&item.fds);
            near.feed(item).await.unwrap();
            near.feed(text("behind", 0)).await.unwrap();

            for _ in 0..2 {
                let error = SinkExt::<Text>::flush(&mut near).await.unwrap_err();
                assert!(error.item.is_none());
                assert_eq!(fd_error(error.error), FdError::RefusedByPeer { count: 2 });
            }
            let refused = near.take_refused().expect("none of it left");
            assert_eq!(refused.bytes, bytes_of(b"refused", 2));
            assert_eq!(identities(&refused.fds), expected);
            SinkExt::<Text>::flush(&mut near).await.unwrap();
            drop(near);

            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, [bytes_of(b"before", 0), bytes_of(b"behind", 0)].concat());
        }
    });
}

#[test]
fn an_item_that_would_be_too_many_in_flight_leaves_with_a_later_flush() {
    without_privileges(async {
        let (mut near, mut far) = pair();
        let limit = Lowered::descriptors(64);
        let mut sent = 0;
        let error = loop {
            match near.send(text("eight", 8)).await {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(fd_error(error.error), FdError::TooManyInFlight { count: 8 });
        drop(limit);
        for _ in 0..sent {
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 8);
        }
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 8);
    });
}

#[test]
fn what_a_handshake_read_too_far_is_handed_over_with_its_descriptors() {
    run(async {
        let (mut stream, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let first = bytes_of(b"first", 1);
        foreign_send(&far, b"handshake", &[]).unwrap();
        let _pipes = send_pipes(&far, &first[..8], 1);
        let mut buf = [0; 64];
        let received = stream.recv_with_fds(&mut buf).await.unwrap();
        assert_eq!((received.bytes, received.fds), (9 + 8, 1));

        let mut parts = FramedParts::new(stream, Texts);
        parts.read_buffer.extend_from_slice(&buf[9..received.bytes]);
        let fds = parts.stream.read_queue_mut().drain(..).collect();
        parts.read_sets.push(FdSet::new(0..8, fds));
        let mut framed = Framed::from_parts(parts);
        foreign_send(&far, &first[8..], &[]).unwrap();
        let item = framed.next().await.unwrap().unwrap();
        assert_eq!((&item.payload[..], item.fds.len()), (&b"first"[..], 1));
    });
}

#[test]
fn a_framed_stream_goes_through_its_parts_with_all_that_waits() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let first = bytes_of(b"first", 2);
        let _pipes = send_pipes(&far, &[&first[..], &bytes_of(b"second", 0)[..3]].concat(), 2);
        settle().await;
        let item = near.next().await.unwrap().unwrap();
        assert_eq!(item.fds.len(), 2);
        near.feed(text("unsent", 1)).await.unwrap();

        let parts = near.into_parts();
        assert_eq!(&parts.read_buffer[..], &bytes_of(b"second", 0)[..3]);
        assert_eq!((parts.write_buffer.len(), parts.write_sets.len()), (HEADER + 6, 1));
        let mut near = Framed::from_parts(parts);
        foreign_send(&far, &bytes_of(b"second", 0)[3..], &[]).unwrap();
        assert_eq!(near.next().await.unwrap().unwrap().payload, "second");
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        let (bytes, fds, _) = foreign_receive(&far, 1024);
        assert_eq!((bytes, fds.len()), (bytes_of(b"unsent", 1), 1));
    });
}

#[test]
fn a_stream_of_items_that_is_over_stays_over_through_its_parts() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let _pipes = send_pipes(&far, &bytes_of(b"none of one", 0), 1);
        near.next().await.unwrap().unwrap_err();
        foreign_send(&far, &bytes_of(b"honest", 0), &[]).unwrap();
        let mut near = Framed::from_parts(near.into_parts());
        assert!(near.next().await.is_none());
    });
}

#[test]
fn waiting_for_an_item_that_is_dropped_loses_nothing() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let item = bytes_of(b"piece by piece", 1);
        let _pipes = send_pipes(&far, &item[..1], 1);
        for byte in &item[1..] {
            settle().await;
            assert!(now(near.next()).await.is_none());
            foreign_send(&far, &[*byte], &[]).unwrap();
        }
        let item = near.next().await.unwrap().unwrap();
        assert_eq!((&item.payload[..], item.fds.len()), (&b"piece by piece"[..], 1));
    });
}

#[test]
fn closing_sends_what_waits_and_ends_the_stream_for_the_peer() {
    run(async {
        let (mut near, mut far) = pair();
        near.feed(text("last words", 1)).await.unwrap();
        SinkExt::<Text>::close(&mut near).await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 1);
        assert!(far.next().await.is_none());
        far.send(text("still listening?", 1)).await.unwrap();
        assert_eq!(near.next().await.unwrap().unwrap().fds.len(), 1);
    });
}

#[test]
fn descriptors_of_the_stream_itself_never_become_those_of_an_item() {
    run(async {
        let (mut stream, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let _pipes = send_pipes(&far, b"x", 2);
        stream.read_exact(&mut [0; 1]).await.unwrap();
        let older = identities(stream.read_queue());
        stream.write_queue_mut().push_back(memfd());

        let mut framed = Framed::new(stream, Texts);
        let _pipes = send_pipes(&far, &bytes_of(b"own", 1), 1);
        let item = framed.next().await.unwrap().unwrap();
        assert!(!older.contains(&identity(&item.fds[0])));
        assert_eq!(identities(framed.get_ref().read_queue()), older);
        let error = framed.send(text("own", 1)).await.unwrap_err();
        assert_eq!(fd_error(error.error), FdError::WriteQueueNotEmpty { queued: 1 });
    });
}

#[test]
fn framed_streams_go_wherever_tasks_go() {
    fn goes_anywhere<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    fn is_both<T: Stream + Sink<Text>>() {}
    goes_anywhere::<Texting>();
    goes_anywhere::<anchovy::codec::FramedRead<DBUS_SCM_RIGHTS, Texts>>();
    goes_anywhere::<anchovy::codec::FramedWrite<DBUS_SCM_RIGHTS, Texts>>();
    goes_anywhere::<FramedParts<DBUS_SCM_RIGHTS, Texts>>();
    is_both::<Texting>();
}

#[test]
fn a_thousand_plain_items_share_their_calls() {
    let name = "codec::a_thousand_plain_items_share_their_calls";
    let trace = traced(name, &[], async {
        let (mut near, mut far) = pair();
        settle().await;
        mark();
        for _ in 0..1000 {
            near.feed(text("sixteen bytes...", 0)).await.unwrap();
        }
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        mark();
        for _ in 0..1000 {
            far.next().await.unwrap().unwrap();
        }
    });
    let Some(trace) = trace else { return };
    // 21,000 bytes, which fit.
    assert_eq!(count(&trace).get("sendto"), Some(&1), "{trace:?}");
    assert_eq!(trace.len(), 1, "{trace:?}");
}

#[test]
fn items_with_descriptors_are_one_call_each_and_plain_ones_between_them_one() {
    let name = "codec::items_with_descriptors_are_one_call_each_and_plain_ones_between_them_one";
    let trace = traced(name, &[], async {
        let (mut near, _far) = pair();
        settle().await;
        mark();
        for _ in 0..10 {
            near.feed(text("plain", 0)).await.unwrap();
            near.feed(text("plain", 0)).await.unwrap();
            near.feed(text("with", 1)).await.unwrap();
        }
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!((counts.get("sendto"), counts.get("sendmsg")), (Some(&10), Some(&10)), "{trace:?}");
}

#[test]
fn large_payloads_leave_from_where_they_are_with_one_vectored_call() {
    let name = "codec::large_payloads_leave_from_where_they_are_with_one_vectored_call";
    let trace = traced(name, &[], async {
        let (mut near, _far) = pair();
        settle().await;
        mark();
        for _ in 0..4 {
            near.feed(text(vec![7; 8 << 10], 0)).await.unwrap();
        }
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        mark();
    });
    let Some(trace) = trace else { return };
    let sends: Vec<_> = trace.iter().filter(|line| line.starts_with("sendmsg")).collect();
    assert_eq!(sends.len(), 1, "{trace:?}");
    assert!(sends[0].contains("msg_iovlen=8"), "{trace:?}");
}

#[test]
fn a_write_to_the_stream_itself_and_an_item_do_not_mix_their_descriptors() {
    run(async {
        let (near, mut far) = pair();
        let mut near = near;
        near.feed(text("waits", 1)).await.unwrap();
        near.get_mut().write_all(&bytes_of(b"by hand", 0)).await.unwrap();
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        let first = far.next().await.unwrap().unwrap();
        assert_eq!((&first.payload[..], first.fds.len()), (&b"by hand"[..], 0));
        assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 1);
    });
}

#[test]
fn a_cut_set_that_is_survived_by_items_still_fails_the_stream_itself() {
    run(async {
        let policy = ReadPolicy { survive_truncation: true, ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        foreign_send(&far, &bytes_of(b"an item", 0), &[]).unwrap();
        near.next().await.unwrap().unwrap();
        let mut stream = near.into_parts().stream;
        let _pipes = send_pipes(&far, b"by hand", 3);
        let full = FullTable::with_room_for(1);
        let outcome = stream.recv_with_fds(&mut [0; 64]).await;
        drop(full);
        let cause = Truncation::ProcessTableFull;
        assert_eq!(fd_error(outcome.unwrap_err()), FdError::Truncated { received: 1, cause });
    });
}

#[test]
fn by_fifo_a_cut_set_always_ends_the_stream_of_items() {
    run(async {
        let policy = ReadPolicy {
            survive_truncation: true,
            attribution: Attribution::Fifo,
            ..ReadPolicy::default()
        };
        let (mut near, far) = receiver(policy);
        let _pipes = send_pipes(&far, &bytes_of(b"three", 3), 3);
        let full = FullTable::with_room_for(1);
        let error = near.next().await.unwrap().unwrap_err();
        drop(full);
        let cause = Truncation::ProcessTableFull;
        assert_eq!(fd_error(error), FdError::Truncated { received: 1, cause });
    });
}

#[test]
fn what_arrived_in_time_is_in_time_however_late_it_is_read() {
    run(async {
        tokio::time::pause();
        let patience = Duration::from_secs(30);
        let policy = ReadPolicy { deadline: Some(patience), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let item = bytes_of(b"in time", 1);
        let _pipes = send_pipes(&far, &item[..6], 1);
        settle().await;
        assert!(now(near.next()).await.is_none());
        foreign_send(&far, &item[6..], &[]).unwrap();
        settle().await;
        tokio::time::advance(2 * patience).await;
        assert_eq!(near.next().await.unwrap().unwrap().fds.len(), 1);
    });
}

#[test]
fn a_deadline_wakes_who_waits_for_an_item() {
    run(async {
        tokio::time::pause();
        let policy =
            ReadPolicy { deadline: Some(Duration::from_secs(30)), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let pipes = send_pipes(&far, &bytes_of(b"late", 1)[..3], 1);
        // The clock goes on by itself when nobody has anything to do.
        let begin = tokio::time::Instant::now();
        ends_with(&mut near, CodecError::Overdue { waiting: 1 }, &pipes).await;
        assert_eq!(begin.elapsed().as_secs(), 30);
    });
}

#[test]
fn a_deadline_goes_through_parts_with_the_sets() {
    run(async {
        tokio::time::pause();
        let patience = Duration::from_secs(30);
        let policy = ReadPolicy { deadline: Some(patience), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let pipes = send_pipes(&far, &bytes_of(b"late", 1)[..3], 1);
        settle().await;
        assert!(now(near.next()).await.is_none());
        let mut near = Framed::from_parts(near.into_parts());
        assert!(now(near.next()).await.is_none());
        tokio::time::advance(patience).await;
        ends_with(&mut near, CodecError::Overdue { waiting: 1 }, &pipes).await;
    });
}

#[test]
fn by_fifo_what_waits_at_the_end_of_the_stream_is_unclaimed() {
    run(async {
        for unclaimed in [Unclaimed::Error, Unclaimed::Close] {
            let policy =
                ReadPolicy { unclaimed, attribution: Attribution::Fifo, ..ReadPolicy::default() };
            let (mut near, far) = receiver(policy);
            let pipes = send_pipes(&far, &bytes_of(b"one of three", 1), 3);
            drop(far);
            drop(near.next().await.unwrap().unwrap());
            if unclaimed == Unclaimed::Error {
                ends_with(&mut near, CodecError::Unclaimed { count: 2 }, &pipes).await;
            } else {
                assert!(near.next().await.is_none());
                assert!(pipes.iter().all(is_abandoned));
                // They stay counted when the stream is over.
                assert_eq!((near.unclaimed_fds(), near.waiting_fds()), (2, 0));
            }
        }
    });
}

#[test]
fn policies_go_through_parts() {
    run(async {
        let read = ReadPolicy { max_item_bytes: 7, ..ReadPolicy::default() };
        let write = WritePolicy { max_buffered_bytes: 7, ..WritePolicy::default() };
        let (near, _far) = Dbus::pair().unwrap();
        let near = Framed::with_policies(near, Texts, read.clone(), write.clone());
        let near = Framed::from_parts(near.into_parts());
        assert_eq!((near.read_policy(), near.write_policy()), (&read, &write));
    });
}

#[test]
fn with_exactly_as_much_as_may_wait_the_sink_sends_first() {
    run(async {
        for (max_buffered_bytes, max_buffered_fds) in [(HEADER + 1, 100), (1000, 1)] {
            let policy =
                WritePolicy { max_buffered_bytes, max_buffered_fds, ..WritePolicy::default() };
            let (near, _far) = Dbus::pair().unwrap();
            let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
            settle().await;
            for _ in 0..3 {
                near.feed(text("a", 1)).await.unwrap();
                assert_eq!(near.unsent_bytes(), HEADER + 1);
            }
        }
    });
}

#[test]
fn items_that_are_added_while_others_wait_keep_their_descriptors() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&near, 4096).unwrap();
        let policy = WritePolicy { max_buffered_fds: 1000, ..WritePolicy::default() };
        let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
        let mut far = Framed::new(far, Texts);
        let mut expected = std::collections::VecDeque::new();
        for _ in 0..300 {
            while expected.len() < 20 {
                let item = text(vec![7; 1000], 3);
                expected.push_back(identities(&item.fds));
                near.feed(item).await.unwrap();
            }
            settle().await;
            if let Some(sent) = now(SinkExt::<Text>::flush(&mut near)).await {
                sent.unwrap();
            }
            let item = far.next().await.unwrap().unwrap();
            assert_eq!(Some(identities(&item.fds)), expected.pop_front());
        }
    });
}

#[test]
fn an_item_that_would_be_too_many_in_flight_is_found_among_others() {
    without_privileges(async {
        let (near, _far) = Dbus::pair().unwrap();
        let policy = WritePolicy { placement: Placement::Together, ..WritePolicy::default() };
        let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
        let limit = Lowered::descriptors(64);
        let error = loop {
            near.feed(text("plain", 0)).await.unwrap();
            if let Err(error) = near.send(text("eight", 8)).await {
                break error;
            }
        };
        assert_eq!(fd_error(error.error), FdError::TooManyInFlight { count: 8 });
        drop(limit);
        let refused = near.take_refused().expect("what is before it has left");
        assert_eq!((refused.bytes, refused.fds.len()), (bytes_of(b"eight", 8).into(), 8));
    });
}

#[test]
fn a_megabyte_that_leaves_in_part_is_sent_on_when_another_task_has_read() {
    run(async {
        let (mut near, mut far) = pair();
        let sender =
            tokio::spawn(async move { near.send(text(vec![7; 1 << 20], 1)).await.map(|()| near) });
        let item = far.next().await.unwrap().unwrap();
        assert_eq!((item.payload.len(), item.fds.len()), (1 << 20, 1));
        sender.await.unwrap().unwrap();
    });
}

#[test]
fn items_that_leave_together_share_calls_as_far_as_their_descriptors_fit() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let policy = WritePolicy { placement: Placement::Together, ..WritePolicy::default() };
        let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
        let policy = ReadPolicy { attribution: Attribution::Fifo, ..ReadPolicy::default() };
        let mut far = Framed::with_policies(far, Texts, policy, WritePolicy::default());
        for _ in 0..3 {
            near.feed(text("many", 100)).await.unwrap();
        }
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        for _ in 0..3 {
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 100);
        }
    });
}

#[test]
fn halves_of_two_streams_do_not_come_together_and_lose_nothing() {
    run(async {
        let ((one, _one), (two, mut peer)) = (pair(), pair());
        let (read, _write) = one.into_split();
        let (_read, mut write) = two.into_split();
        write.feed(text("unsent", 1)).await.unwrap();
        let (_read, mut write) = read.reunite(write).expect_err("they are of two streams");
        SinkExt::<Text>::flush(&mut write).await.unwrap();
        assert_eq!(peer.next().await.unwrap().unwrap().fds.len(), 1);
    });
}
