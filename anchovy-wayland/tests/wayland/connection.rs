//! Messages between two connections of this crate: halves, sinks and streams, signatures, back-pressure
//! and cancellation.

use std::cell::RefCell;
use std::io::Write;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::time::Duration;

use anchovy::ReuniteError;
use anchovy_wayland::{
    Connection, Limits, Message, ObjectId, OwnedWriteHalf, ReceiveError, SendErrorKind, Signatures,
    WireErrorKind,
};
use futures_util::{SinkExt, StreamExt};

use crate::foreign::*;
use crate::harness::*;

#[test]
fn a_request_and_an_event_arrive_with_their_descriptors() {
    run(async {
        let mut both = pair();
        goes_on(&mut both).await;
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!(both.0.peer_cred().unwrap().uid(), uid);
    });
}

#[test]
fn other_tasks_run_while_many_messages_are_received() {
    /// The budget of a task is 128 (tokio::task::coop), and four messages count once: ten times as many.
    const MESSAGES: usize = 5120;
    run(async {
        let (near, mut foreign) = StdUnixStream::pair().unwrap();
        let mut far = connection(near, Limits::default());
        foreign.write_all(&bytes(PLAIN, 0, &[7]).repeat(MESSAGES)).unwrap();
        drive_io().await;
        let turns = turns_of_another_task(async {
            for _ in 0..MESSAGES {
                far.receive().await.unwrap().unwrap();
            }
        });
        let turns = turns.await;
        assert!(turns >= 9, "{turns} turns of the other task");
    });
}

#[test]
fn messages_that_one_read_returned_are_buffered() {
    run(async {
        let (near, mut foreign) = StdUnixStream::pair().unwrap();
        let mut far = connection(near, Limits::default());
        foreign.write_all(&bytes(PLAIN, 0, &[7]).repeat(3)).unwrap();
        drive_io().await;
        assert!(far.next_buffered().is_none(), "nothing has been read");
        far.receive().await.unwrap().unwrap();
        foreign.write_all(&bytes(PLAIN, 0, &[7])).unwrap();
        drive_io().await;
        for _ in 0..2 {
            assert_eq!(far.next_buffered().unwrap().unwrap().object(), id(PLAIN));
        }
        assert!(far.next_buffered().is_none(), "the last one is not read yet");
        far.receive().await.unwrap().unwrap();
    });
}

#[test]
fn a_malformed_message_ends_the_buffered_ones() {
    run(async {
        let (near, mut foreign) = StdUnixStream::pair().unwrap();
        let mut far = connection(near, Limits::default());
        let mut sent = bytes(PLAIN, 0, &[7]);
        sent.extend(bytes(0, 0, &[7]));
        foreign.write_all(&sent).unwrap();
        drive_io().await;
        far.receive().await.unwrap().unwrap();
        let error = far.next_buffered().unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::Wire(_)), "{error:?}");
        assert!(far.next_buffered().is_none());
    });
}

/// Allocations of a thousand rounds, once all buffers have their size. Each round makes a message
/// three times, sends all at once, and receives them.
fn allocations(message: impl Fn() -> Message) -> u64 {
    let runtime = runtime();
    let (mut near, mut far) = runtime.block_on(async { pair() });
    let mut rounds = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                for _ in 0..3 {
                    near.feed(message()).await.unwrap();
                }
                near.flush().await.unwrap();
                for _ in 0..3 {
                    far.receive().await.unwrap().unwrap();
                }
            }
        });
    };
    rounds(100);
    allocation_counter::measure(|| rounds(1_000)).count_total
}

#[test]
fn a_short_message_is_not_allocated() {
    guarded(|| {
        for words in 0..=5 {
            let message = || {
                let message = Message::builder(id(PLAIN), 0);
                (0..words).fold(message, |message, word| message.uint(word)).build().unwrap()
            };
            assert_eq!(allocations(message), 0, "{words} words");
        }
    });
}

#[test]
fn a_descriptor_allocates_one_list_on_each_side() {
    guarded(|| {
        let (_reader, writer) = pipe();
        let message =
            || Message::builder(id(HOLDER), 1).fd(writer.try_clone().unwrap()).build().unwrap();
        assert_eq!(allocations(message), 2 * 3 * 1_000);
    });
}

#[test]
fn the_halves_work_in_two_tasks_and_reunite() {
    run_on_threads(async {
        const COUNT: u32 = 300;
        let (near, far) = pair();
        let (mut near_reads, mut near_writes) = near.into_split();
        let (mut far_reads, mut far_writes) = far.into_split();
        let writer = tokio::spawn(async move {
            for number in 0..COUNT {
                near_writes.send(holder(number, memfds(number as usize % 3))).await.unwrap();
            }
            near_writes
        });
        let echo = tokio::spawn(async move {
            for _ in 0..COUNT {
                let message = far_reads.receive().await.unwrap().unwrap();
                far_writes.send(message).await.unwrap();
            }
            (far_reads, far_writes)
        });
        for number in 0..COUNT {
            let message = near_reads.receive().await.unwrap().unwrap();
            assert_eq!(message.fds().len(), number as usize % 3);
            assert_eq!(raw(&message).bytes, holder_bytes(number, number as u16 % 3));
        }
        let near_writes = writer.await.unwrap();
        let (far_reads, far_writes) = echo.await.unwrap();
        // Halves of two connections do not fit.
        let ReuniteError(near_reads, far_writes) =
            near_reads.reunite(far_writes).expect_err("they are of two connections");
        let near = near_reads.reunite(near_writes).expect("they are of one");
        let far = far_reads.reunite(far_writes).expect("they are of one");
        goes_on(&mut (near, far)).await;
    });
}

#[test]
fn a_dropped_write_half_ends_the_stream_and_closes_descriptors() {
    run(async {
        let (near, mut far) = pair();
        let (_reads, mut writes) = near.into_split();
        let (reader, writer) = pipe();
        writes.feed(holder(1, vec![writer])).await.unwrap();
        drop(writes);
        assert!(is_abandoned(&reader));
        assert!(far.receive().await.unwrap().is_none());
    });
}

#[test]
fn a_connection_is_a_stream_and_a_sink() {
    run(async {
        let (mut near, mut far) = pair();
        let message = holder(2, memfds(2));
        let expected = [raw(&plain(1, 8)), raw(&message)];
        SinkExt::feed(&mut near, plain(1, 8)).await.unwrap();
        SinkExt::feed(&mut near, message).await.unwrap();
        SinkExt::flush(&mut near).await.unwrap();
        SinkExt::close(&mut near).await.unwrap();
        let came: Vec<_> = far.by_ref().map(|message| raw(&message.unwrap())).collect().await;
        assert_eq!(came, expected);
        // The other direction still works.
        let (mut reads, mut writes) = (near.into_split().0, far.into_split().1);
        SinkExt::send(&mut writes, plain(3, 0)).await.unwrap();
        assert_eq!(raw(&reads.next().await.unwrap().unwrap()), raw(&plain(3, 0)));
    });
}

#[test]
fn a_flushed_sink_has_sent_its_messages() {
    run(async {
        let (mut near, mut far) = pair();
        SinkExt::feed(&mut near, plain(1, 8)).await.unwrap();
        SinkExt::flush(&mut near).await.unwrap();
        let came = at_once(far.receive()).await.expect("at once").unwrap().unwrap();
        assert_eq!(raw(&came), raw(&plain(1, 8)));
    });
}

#[test]
fn a_full_sink_accepts_no_message() {
    run(async {
        let limits = Limits { max_buffered_bytes: 1, ..Limits::default() };
        let (mut near, _far) = pair_with(limits);
        // More than a socket has room for.
        for number in 0..1_000 {
            if now(SinkExt::feed(&mut near, plain(number, 4000))).await.is_none() {
                return;
            }
        }
        panic!("it takes whatever it is given");
    });
}

#[test]
fn a_shutdown_sends_waiting_messages_and_ends_the_stream() {
    run(async {
        let (mut near, mut far) = pair();
        let message = holder(1, memfds(1));
        let expected = raw(&message);
        near.feed(message).await.unwrap();
        near.shutdown().await.unwrap();
        assert_eq!(take(&mut far).await, expected);
        assert!(far.receive().await.unwrap().is_none());
        let error = near.send(plain(1, 0)).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Io(_)), "{error:?}");
    });
}

#[test]
fn refused_messages_are_returned_and_the_others_are_sent() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        if anchovy::set_fd_passing(&foreign.socket, false).is_err() {
            return; // This kernel cannot refuse.
        }
        let (a, b) = (holder(1, memfds(1)), holder(2, memfds(2)));
        let expected = [raw(&a), raw(&b)];
        for message in [plain(7, 0), a, plain(8, 0), b, plain(9, 0)] {
            near.feed(message).await.unwrap();
        }
        let mut back = Vec::new();
        for (number, expected) in expected.iter().enumerate() {
            let error = near.flush().await.unwrap_err();
            assert!(
                matches!(error.kind, SendErrorKind::FdsRefusedByPeer { count } if count == number + 1),
                "{error:?}"
            );
            let message = *error.unsent.expect("the message comes back");
            assert_eq!(raw(&message), *expected);
            back.push(message);
        }
        near.flush().await.unwrap();
        let (bytes, fds, _) = foreign_receive(&foreign.socket, 2048);
        let plain: Vec<u8> = [7, 8, 9].iter().flat_map(|n| bytes_of_plain(*n)).collect();
        assert_eq!((bytes, fds.len()), (plain, 0));
        // They are whole, and can be sent.
        anchovy::set_fd_passing(&foreign.socket, true).unwrap();
        for (message, expected) in back.into_iter().zip(expected) {
            near.send(message).await.unwrap();
            assert_eq!(identities(foreign_receive(&foreign.socket, 2048).1), expected.fds);
        }
    });
}

fn bytes_of_plain(number: u32) -> Vec<u8> {
    bytes(PLAIN, 0, &[number])
}

#[test]
fn a_message_refused_by_the_flush_of_a_feed_is_returned() {
    run(async {
        let limits = Limits { max_buffered_fds: 1, ..Limits::default() };
        let (mut near, foreign) = foreign_peer_with(limits).await;
        if anchovy::set_fd_passing(&foreign.socket, false).is_err() {
            return; // This kernel cannot refuse.
        }
        let first = holder(1, memfds(1));
        let expected = raw(&first);
        near.feed(first).await.unwrap();
        let (reader, writer) = pipe();
        let error = near.feed(holder(2, vec![writer])).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::FdsRefusedByPeer { count: 1 }), "{error:?}");
        assert_eq!(raw(&error.unsent.expect("the one before")), expected);
        assert!(is_abandoned(&reader), "the other one is dropped");
        // The buffer contains neither message.
        near.send(plain(7, 0)).await.unwrap();
        assert_eq!(foreign_receive(&foreign.socket, 2048).0, bytes_of_plain(7));
    });
}

#[test]
fn a_dropped_receive_loses_no_message() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        let bytes = bytes(HOLDER, 2, &[1, 2, 3, 4, 5]);
        let fds = foreign.pipes(2);
        let expected = raw_message(&bytes, &identities(&fds));
        for (number, part) in bytes.chunks(5).enumerate() {
            foreign.send_these(part, if number == 2 { &fds } else { &[] }).unwrap();
            if (number + 1) * 5 < bytes.len() {
                assert!(at_once(near.receive()).await.is_none());
            }
        }
        drop(fds);
        assert_eq!(take(&mut near).await, expected);
    });
}

#[test]
fn the_longest_message_may_be_split_at_any_byte() {
    run(async {
        let limits = Limits { max_message_bytes: 65532, ..Limits::default() };
        let message = bytes(PLAIN, 0, &vec![7; 65532 / 4 - 2]);
        for at in [4, 8, 65531] {
            let (mut near, foreign) = foreign_peer_with(limits.clone()).await;
            foreign.send(&message[..at], 0);
            assert!(at_once(near.receive()).await.is_none());
            foreign.send(&message[at..], 0);
            assert_eq!(take(&mut near).await, raw_message(&message, &[]));
        }
    });
}

#[test]
fn messages_without_arguments_are_allowed_by_any_limit() {
    run(async {
        let limits = Limits { max_message_bytes: 0, ..Limits::default() };
        let (mut near, mut far) = pair_with(limits);
        let empty = || Message::builder(id(PLAIN), 0).build().unwrap();
        near.send(empty()).await.unwrap();
        assert_eq!(take(&mut far).await, raw(&empty()));
        let error = near.send(plain(1, 0)).await.unwrap_err();
        let SendErrorKind::Wire(error) = error.kind else { panic!("{error:?}") };
        assert_eq!(error.kind, WireErrorKind::TooLong { length: 12, limit: 8 });
    });
}

/// Feeds messages until a flush waits for the peer. Returns their number.
async fn fill(near: &mut Connection<Counts>) -> u32 {
    let mut count = 0;
    loop {
        near.feed(plain(count, 4000)).await.unwrap();
        count += 1;
        if now(near.flush()).await.is_none() {
            return count;
        }
    }
}

#[test]
fn a_dropped_flush_continues_with_the_next_flush() {
    run(async {
        let (mut near, mut far) = pair();
        let count = fill(&mut near).await;
        let message = holder(1, memfds(2));
        let expected = raw(&message);
        near.feed(message).await.unwrap();
        for _ in 0..10 {
            assert!(now(near.flush()).await.is_none(), "there is no room for all of it");
        }
        let receive = async {
            for number in 0..count {
                assert_eq!(take(&mut far).await, raw(&plain(number, 4000)));
            }
            take(&mut far).await
        };
        let (sent, came) = tokio::join!(near.flush(), receive);
        sent.unwrap();
        assert_eq!(came, expected);
    });
}

#[test]
fn a_dropped_send_has_queued_or_dropped_its_message() {
    run(async {
        let limits = Limits { max_buffered_bytes: 1, ..Limits::default() };
        let (mut near, mut far) = pair_with(limits);
        // There is room: it is taken, and leaves with a later flush.
        let mut count = 0;
        while now(near.send(plain(count, 4000))).await.is_some() {
            count += 1;
        }
        // There is none before that: it is not taken.
        let (reader, writer) = pipe();
        assert!(now(near.send(holder(1, vec![writer]))).await.is_none());
        assert!(is_abandoned(&reader));
        let (reader, writer) = pipe();
        assert!(now(near.feed(holder(2, vec![writer]))).await.is_none());
        assert!(is_abandoned(&reader));
        let receive = async {
            for number in 0..=count {
                assert_eq!(take(&mut far).await, raw(&plain(number, 4000)));
            }
        };
        tokio::join!(async { near.flush().await.unwrap() }, receive);
        goes_on(&mut (near, far)).await;
    });
}

/// Feeds messages until two attempts have to wait. Returns the number of accepted messages.
async fn feed_until_full(writes: &mut OwnedWriteHalf, make: impl Fn(u32) -> Message) -> u32 {
    let (mut taken, mut refused) = (0, 0);
    while refused < 2 {
        match now(writes.feed(make(taken))).await {
            Some(outcome) => {
                outcome.unwrap();
                (taken, refused) = (taken + 1, 0);
            }
            None => refused += 1,
        }
    }
    taken
}

#[test]
fn the_queue_is_bounded_and_sent_when_the_peer_reads() {
    run(async {
        let limits = Limits { max_buffered_bytes: 10_000, ..Limits::default() };
        let (near, mut far) = pair_with(limits);
        let (_reads, mut writes) = near.into_split();
        let taken = feed_until_full(&mut writes, |number| plain(number, 1000)).await;
        let length = plain(0, 1000).len();
        let waiting = writes.unsent_bytes();
        assert!((10_000..10_000 + length).contains(&waiting), "{waiting}");
        let receive = async {
            for number in 0..taken {
                assert_eq!(take(&mut far).await, raw(&plain(number, 1000)));
            }
        };
        let (sent, ()) = tokio::join!(writes.flush(), receive);
        sent.unwrap();
        writes.send(plain(taken, 1000)).await.unwrap();
        assert_eq!(writes.unsent_bytes(), 0);
        assert_eq!(take(&mut far).await, raw(&plain(taken, 1000)));
    });
}

#[test]
fn a_task_that_waits_for_room_wakes_when_the_peer_reads() {
    run_on_threads(async {
        const COUNT: u32 = 2000;
        let (mut near, mut far) = pair();
        let writer = tokio::spawn(async move {
            for number in 0..COUNT {
                near.feed(plain(number, 500)).await.unwrap();
            }
            near.flush().await.unwrap();
            near
        });
        for number in 0..COUNT {
            assert_eq!(take(&mut far).await, raw(&plain(number, 500)));
        }
        drop(writer.await.unwrap());
    });
}

#[test]
fn a_full_queue_of_descriptors_accepts_no_message() {
    run(async {
        let limits = Limits { max_buffered_fds: 4, ..Limits::default() };
        let (mut near, mut far) = pair_with(limits);
        let mut expected = Vec::new();
        for number in 0..4 {
            let message = holder(number, memfds(3));
            expected.push(raw(&message));
            near.feed(message).await.unwrap();
        }
        // Two wait, at most: the others have left on their way in.
        for message in &expected[..2] {
            assert_eq!(&take(&mut far).await, message);
        }
        assert!(at_once(far.receive()).await.is_none());
        near.flush().await.unwrap();
        for message in &expected[2..] {
            assert_eq!(&take(&mut far).await, message);
        }
    });
}

#[test]
fn the_parts_of_a_connection_have_all_waiting_messages() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        let first = holder_bytes(1, 1);
        let rest = [holder_bytes(2, 2), holder_bytes(3, 1)[..5].to_vec()].concat();
        let fds = foreign.send(&[first.clone(), rest.clone()].concat(), 4);
        assert_eq!(take(&mut near).await, raw_message(&first, &fds[..1]));
        let unsent = holder(4, memfds(2));
        let expected = raw(&unsent);
        near.feed(plain(7, 0)).await.unwrap();
        near.feed(unsent).await.unwrap();

        let parts = near.into_parts();
        assert_eq!(parts.read_buffer, rest);
        let [set] = &parts.read_sets[..] else { panic!("{:?}", parts.read_sets) };
        assert_eq!((set.range.clone(), identities(&set.fds)), (0..rest.len(), fds[1..].to_vec()));
        assert_eq!(parts.write_buffer, [bytes_of_plain(7), expected.bytes].concat());
        let [set] = &parts.write_sets[..] else { panic!("{:?}", parts.write_sets) };
        assert_eq!((set.range.clone(), identities(&set.fds)), (12..24, expected.fds));
        // The socket still works.
        foreign.send(b"...", 0);
        parts.socket.readable().await.unwrap();
        drop(parts);
        assert_eq!(foreign.open(), 0);
    });
}

/// Records all calls. The object `holder` has one descriptor in each message.
#[derive(Clone, Debug, Default)]
struct Learned {
    asked: Rc<RefCell<Vec<(u32, u16)>>>,
    holder: Rc<RefCell<Option<ObjectId>>>,
}

impl Signatures for Learned {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        self.asked.borrow_mut().push((object.get(), opcode));
        usize::from(*self.holder.borrow() == Some(object))
    }
}

#[test]
fn signatures_are_called_once_for_each_complete_message() {
    run(async {
        let (near, foreign) = foreign_peer().await;
        let learned = Learned::default();
        let mut near = near.map_signatures(|_| learned.clone());
        let (a, b) = (bytes(PLAIN, 3, &[1]), bytes(PLAIN, 4, &[]));
        foreign.send(&[a.clone(), b[..7].to_vec()].concat(), 0);
        assert_eq!(take(&mut near).await, raw_message(&a, &[]));
        assert_eq!(*learned.asked.borrow(), [(PLAIN, 3)], "not of the next");
        for _ in 0..3 {
            assert!(at_once(near.receive()).await.is_none());
        }
        foreign.send(&b[7..], 0);
        assert_eq!(*learned.asked.borrow(), [(PLAIN, 3)], "it is not asked for");
        assert_eq!(take(&mut near).await, raw_message(&b, &[]));
        assert_eq!(*learned.asked.borrow(), [(PLAIN, 3), (PLAIN, 4)]);
    });
}

#[test]
fn a_message_can_change_the_signature_of_the_next() {
    run(async {
        let (near, foreign) = foreign_peer().await;
        let learned = Learned::default();
        let mut near = near.map_signatures(|_| learned.clone());
        // A message that makes the object that the next one is sent to, in one call with it.
        let fds = foreign.send(&[bytes(PLAIN, 0, &[60]), bytes(60, 0, &[])].concat(), 1);
        let mut bind = near.receive().await.unwrap().unwrap();
        let object = bind.read().new_id().unwrap();
        *near.signatures_mut().holder.borrow_mut() = Some(object);
        assert_eq!(take(&mut near).await, raw_message(&bytes(60, 0, &[]), &fds));
        assert_eq!(*near.signatures().asked.borrow(), [(PLAIN, 0), (60, 0)]);
    });
}

#[test]
fn map_signatures_keeps_waiting_messages() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        let message = bytes(60, 0, &[1]);
        let all = [bytes(PLAIN, 0, &[]), message.clone(), message[..7].to_vec()].concat();
        let fds = foreign.send(&all, 2);
        take(&mut near).await;
        let near = near.map_signatures(|_| |_: ObjectId, _: u16| 1);
        let (reads, writes) = near.into_split();
        let reads = reads.map_signatures(|_| |object: ObjectId, _: u16| object.get() as usize / 60);
        let Ok(mut near) = reads.reunite(writes) else { panic!("they are of one") };
        near.send(plain(1, 0)).await.unwrap();
        assert_eq!(take(&mut near).await, raw_message(&message, &fds[..1]));
        foreign.send(&message[7..], 0);
        assert_eq!(take(&mut near).await, raw_message(&message, &fds[1..]));
        assert_eq!(foreign_receive(&foreign.socket, 2048).0, bytes_of_plain(1));
    });
}

#[test]
fn map_signatures_keeps_the_last_message_for_errors() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        foreign.send(&bytes(PLAIN, 6, &[]), 0);
        take(&mut near).await;
        let mut near = near.map_signatures(|_| |_: ObjectId, _: u16| 0);
        foreign.send(&[0; 5], 0);
        foreign.socket.shutdown(std::net::Shutdown::Write).unwrap();
        let error = near.receive().await.unwrap_err();
        let expected = "ClosedInsideMessage { bytes: 5, after: Some(DecodePosition { object: 9, opcode: 6 }) }";
        assert_eq!(format!("{error:?}"), expected);
    });
}

#[test]
fn a_count_that_is_too_low_shifts_descriptors_to_later_messages() {
    run(async {
        let (near, foreign) = foreign_peer().await;
        let mut near = near.map_signatures(|_| |_: ObjectId, opcode: u16| usize::from(opcode == 1));
        let fds = foreign.send(&[holder_bytes(1, 2), holder_bytes(2, 1)].concat(), 3);
        assert_eq!(take(&mut near).await, raw_message(&holder_bytes(1, 2), &[]));
        assert_eq!(take(&mut near).await, raw_message(&holder_bytes(2, 1), &fds[..1]));
    });
}

#[test]
fn a_dropped_message_closes_its_remaining_descriptors() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        foreign.send(&holder_bytes(1, 3), 3);
        let mut message = near.receive().await.unwrap().unwrap();
        assert_eq!(foreign.open(), 3);
        let taken = message.read().fd().unwrap();
        drop(message);
        assert_eq!(foreign.open(), 1);
        drop(taken);
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn a_dropped_connection_closes_waiting_descriptors() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        foreign.send(&[bytes(PLAIN, 0, &[]), holder_bytes(1, 3)].concat(), 5);
        take(&mut near).await;
        assert_eq!(foreign.open(), 5);
        drop(near);
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn overdue_descriptors_end_receiving_exactly_at_the_deadline() {
    run(async {
        tokio::time::pause();
        let deadline = Duration::from_secs(30);
        let limits = Limits { fd_timeout: Some(deadline), ..Limits::default() };
        let (mut near, foreign) = foreign_peer_with(limits).await;
        let start = tokio::time::Instant::now();
        foreign.send(&bytes(PLAIN, 6, &[]), 2);
        take(&mut near).await;
        tokio::time::advance(deadline - Duration::from_secs(1)).await;
        assert!(at_once(near.receive()).await.is_none());
        let error = tokio::time::timeout(10 * deadline, near.receive()).await;
        let error = error.expect("there is a deadline").unwrap_err();
        // Timers are as exact as a millisecond.
        assert_eq!(start.elapsed().as_secs(), deadline.as_secs());
        let expected =
            "FdsOverdue { waiting: 2, after: Some(DecodePosition { object: 9, opcode: 6 }) }";
        assert_eq!(format!("{error:?}"), expected);
        assert_eq!(foreign.open(), 0);
        assert!(near.receive().await.unwrap().is_none());
    });
}

#[test]
fn claimed_descriptors_have_no_deadline() {
    run(async {
        tokio::time::pause();
        let limits = Limits { fd_timeout: Some(Duration::from_secs(30)), ..Limits::default() };
        let (mut near, foreign) = foreign_peer_with(limits).await;
        let message = holder_bytes(1, 2);
        let fds = foreign.send(&message[..6], 2);
        assert!(at_once(near.receive()).await.is_none());
        tokio::time::advance(Duration::from_secs(29)).await;
        foreign.send(&message[6..], 0);
        assert_eq!(take(&mut near).await, raw_message(&message, &fds));
        // Bytes alone have as long as they take.
        foreign.send(&message[..6], 0);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(at_once(near.receive()).await.is_none());
    });
}

#[test]
fn descriptors_without_a_deadline_wait_forever() {
    run(async {
        tokio::time::pause();
        let (mut near, foreign) = foreign_peer().await;
        let fds = foreign.send(&bytes(PLAIN, 6, &[]), 1);
        take(&mut near).await;
        tokio::time::advance(Duration::from_secs(1 << 30)).await;
        assert!(at_once(near.receive()).await.is_none());
        foreign.send(&holder_bytes(1, 1), 0);
        assert_eq!(take(&mut near).await, raw_message(&holder_bytes(1, 1), &fds));
    });
}

/// Of the peer's own doing: it closes before it has read.
#[test]
fn sending_to_a_closed_peer_fails_and_closes_nothing_twice() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        drop(foreign);
        let (reader, writer) = pipe();
        let error = near.send(holder(1, vec![writer])).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Io(_)), "{error:?}");
        assert!(error.unsent.is_none());
        drop(near);
        assert!(is_abandoned(&reader));
    });
}

#[test]
fn a_connection_reset_is_reported_after_the_messages() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        near.send(plain(1, 0)).await.unwrap();
        let fds = foreign.send(&holder_bytes(1, 1), 1);
        drop(foreign);
        assert_eq!(take(&mut near).await, raw_message(&holder_bytes(1, 1), &fds));
        let error = near.receive().await.unwrap_err();
        let ReceiveError::Io(error) = error else { panic!("{error:?}") };
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert!(near.receive().await.unwrap().is_none());
    });
}
