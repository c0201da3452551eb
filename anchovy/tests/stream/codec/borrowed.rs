//! Frames that lend their descriptors.

use std::cell::Cell;
use std::iter::{Chain, Rev};
use std::sync::Arc;

use anchovy::Budget;

use super::*;

/// A frame of [`Texts`] that lends a list of descriptors.
#[derive(Debug)]
struct Lent<'a> {
    payload: Bytes,
    fds: &'a [OwnedFd],
    owned: Vec<OwnedFd>,
}

fn lent<'a>(payload: impl Into<Bytes>, fds: &'a [OwnedFd]) -> Lent<'a> {
    Lent { payload: payload.into(), fds, owned: Vec::new() }
}

impl Encoder<Lent<'_>> for Texts {
    type Error = io::Error;

    fn encode(&mut self, frame: &Lent<'_>, bytes: &mut BytesMut) -> io::Result<()> {
        let header = Text { payload: frame.payload.clone(), fds: Vec::new(), cut: None };
        let before = bytes.len();
        let encoded = Encoder::<Text>::encode(self, &header, bytes);
        if bytes.len() > before {
            bytes[before + HEADER - 1] = frame.fds.len() as u8;
        }
        encoded
    }

    fn fds<'a>(&mut self, frame: &'a mut Lent<'_>) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut frame.owned)
    }

    fn borrowed_fds<'a>(
        &mut self,
        frame: &'a Lent<'_>,
    ) -> impl Iterator<Item = BorrowedFd<'a>> + Clone {
        frame.fds.iter().map(AsFd::as_fd)
    }

    fn payload(&mut self, frame: &Lent<'_>) -> Bytes {
        if frame.payload == "nothing at all" { Bytes::new() } else { frame.payload.clone() }
    }
}

/// Returns a framed stream whose socket is full and whose buffer is empty, its peer, and the number of
/// bytes in the socket.
async fn full() -> (Texting, Dbus, usize) {
    let (mut near, far) = Dbus::pair().unwrap();
    drive_io().await;
    let mut filled = 0;
    while let Ok(bytes) = near.try_write(&[0; 4096]) {
        filled += bytes;
    }
    (Framed::new(near, Texts), far, filled)
}

async fn drain(far: &mut Dbus, bytes: usize) {
    far.read_exact(&mut vec![0; bytes]).await.unwrap();
    assert!(far.read_queue().is_empty());
}

const PLACEMENTS: [Placement; 3] = [Placement::Alone, Placement::FirstByte, Placement::Together];

#[test]
fn lent_descriptors_leave_with_their_frame_and_stay_open() {
    run(async {
        for placement in PLACEMENTS {
            let (near, mut far) = pair();
            let parts = near.into_parts();
            let write = WritePolicy { placement, ..WritePolicy::default() };
            let mut near = Framed::with_policies(parts.stream, Texts, ReadPolicy::default(), write);
            let fds = memfds(3);
            near.feed(text("plain", 0)).await.unwrap();
            near.feed(text("owned", 2)).await.unwrap();
            near.send(lent("lent", &fds)).await.unwrap();
            near.send(lent("lent again", &fds[1..])).await.unwrap();
            near.send(text("plain", 0)).await.unwrap();
            for (payload, expected) in [
                ("plain", None),
                ("owned", None),
                ("lent", Some(&fds[..])),
                ("lent again", Some(&fds[1..])),
                ("plain", None),
            ] {
                let item = far.next().await.unwrap().unwrap();
                assert_eq!(item.payload, payload);
                if let Some(expected) = expected {
                    assert_eq!(identities(&item.fds), identities(expected), "{placement:?}");
                }
            }
        }
    });
}

#[test]
fn a_frame_lends_from_a_shared_owner_and_from_several_places() {
    /// One file for many frames, and a pipe of its own.
    #[derive(Clone)]
    struct Shared(Arc<OwnedFd>, Arc<[OwnedFd]>);

    impl Encoder<Shared> for Texts {
        type Error = io::Error;

        fn encode(&mut self, frame: &Shared, bytes: &mut BytesMut) -> io::Result<()> {
            bytes.put_slice(&bytes_of(b"", 1 + frame.1.len() as u8));
            Ok(())
        }

        fn borrowed_fds<'a>(
            &mut self,
            frame: &'a Shared,
        ) -> impl Iterator<Item = BorrowedFd<'a>> + Clone {
            // Neither knows its length.
            let rest: Rev<_> = frame.1.iter().rev();
            let all: Chain<_, _> = std::iter::once(&*frame.0).chain(rest);
            all.map(AsFd::as_fd)
        }
    }

    run(async {
        let (mut near, mut far) = pair();
        let frame = Shared(Arc::new(memfds(1).remove(0)), memfds(2).into());
        let expected =
            [&identities([&*frame.0])[..], &identities(frame.1.iter().rev())[..]].concat();
        for _ in 0..2 {
            near.send(frame.clone()).await.unwrap();
            assert_eq!(identities(&far.next().await.unwrap().unwrap().fds), expected);
        }
    });
}

#[test]
fn a_lent_set_leaves_once_with_more_bytes_than_the_socket_takes() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&near, 4096).unwrap();
        let (mut near, mut far) = (Framed::new(near, Texts), Framed::new(far, Texts));
        let fds = memfds(2);
        let send = async {
            near.send(lent(vec![7; 1 << 20], &fds)).await.unwrap();
            near.send(text("after", 1)).await.unwrap();
        };
        let receive = async {
            let item = far.next().await.unwrap().unwrap();
            assert_eq!((item.payload.len(), identities(&item.fds)), (1 << 20, identities(&fds)));
            let item = far.next().await.unwrap().unwrap();
            assert_eq!((&item.payload[..], item.fds.len()), (&b"after"[..], 1));
        };
        tokio::join!(send, receive);
    });
}

#[test]
fn a_write_half_sends_a_frame_that_lends() {
    run(async {
        let (near, mut far) = pair();
        let (_read, mut write) = near.into_split();
        let fds = memfds(1);
        write.send(lent("lent", &fds)).await.unwrap();
        assert_eq!(identities(&far.next().await.unwrap().unwrap().fds), identities(&fds));
        let refused = write.feed(lent("lent", &fds)).await.unwrap_err();
        assert!(matches!(refused.kind, SendErrorKind::BorrowedFds { count: 1 }), "{refused:?}");
    });
}

/// Checks that the frame was returned whole with this error.
fn comes_back(
    outcome: Result<(), SendError<Lent<'_>, SendErrorKind<io::Error>>>,
    (payload, fds, owned): (&str, usize, usize),
    is_expected: impl Fn(&SendErrorKind<io::Error>) -> bool,
) {
    let SendError { unsent, kind } = outcome.unwrap_err();
    assert!(is_expected(&kind), "{kind:?}");
    let frame = unsent.expect("it was refused");
    assert_eq!((&frame.payload[..], frame.fds.len()), (payload.as_bytes(), fds));
    assert_eq!(frame.owned.len(), owned);
}

#[test]
fn a_frame_that_cannot_lend_is_returned_whole_and_changes_nothing() {
    run(async {
        let (mut near, mut far) = pair();
        let fds = memfds(3);
        near.feed(text("before", 1)).await.unwrap();
        let waiting = near.unsent_bytes();

        let outcome = near.feed(lent("fed", &fds)).await;
        let is_borrowed = |kind: &_| matches!(kind, SendErrorKind::BorrowedFds { count: 3 });
        comes_back(outcome, ("fed", 3, 0), is_borrowed);
        let outcome = SinkExt::send(&mut near, lent("a sink's", &fds)).await;
        comes_back(outcome, ("a sink's", 3, 0), is_borrowed);

        let mixed = Lent { owned: memfds(2), ..lent("mixed", &fds) };
        comes_back(near.send(mixed).await, ("mixed", 3, 2), |kind| {
            matches!(kind, SendErrorKind::OwnedAndBorrowedFds { owned: 2, borrowed: 3 })
        });

        near.get_mut().set_write_fd_limit(2).unwrap();
        comes_back(near.send(lent("too many", &fds)).await, ("too many", 3, 0), |kind| {
            matches!(kind, SendErrorKind::TooManyFds { count: 3, limit: 2 })
        });
        near.get_mut().set_write_fd_limit(3).unwrap();

        near.get_mut().write_queue_mut().extend(memfds(1));
        comes_back(near.send(lent("queued", &fds)).await, ("queued", 3, 0), |kind| {
            matches!(kind, SendErrorKind::WriteQueueNotEmpty { queued: 1 })
        });
        near.get_mut().write_queue_mut().clear();
        assert_eq!((near.unsent_bytes(), near.unsent_fds()), (waiting, 1));

        // The frame is encoded after the frames that were fed before it have left.
        comes_back(
            near.send(lent("nothing at all", &fds)).await,
            ("nothing at all", 3, 0),
            |kind| matches!(kind, SendErrorKind::FdsWithoutBytes { count: 3 }),
        );
        comes_back(near.send(lent("too much", &fds)).await, ("too much", 3, 0), |kind| {
            matches!(kind, SendErrorKind::Codec(_))
        });
        assert_eq!(near.unsent_bytes(), 0);

        near.send(lent("after", &fds)).await.unwrap();
        for (payload, fds) in [("before", 1), ("after", 3)] {
            let item = far.next().await.unwrap().unwrap();
            assert_eq!((&item.payload[..], item.fds.len()), (payload.as_bytes(), fds));
        }
    });
}

#[test]
fn a_lent_frame_that_the_kernel_refuses_is_returned_unsent() {
    run(async {
        let (mut near, far) = pair();
        let far = far.into_parts().stream;
        if far.set_fd_passing(false).is_err() {
            assert!(!kernel_is_at_least(6, 16));
            return;
        }
        let fds = memfds(2);
        near.feed(text("before", 0)).await.unwrap();
        for _ in 0..2 {
            comes_back(near.send(lent("refused", &fds)).await, ("refused", 2, 0), |kind| {
                matches!(kind, SendErrorKind::FdsRefusedByPeer { count: 2 })
            });
        }
        assert!(near.take_refused().is_none(), "the caller has it");
        near.send(text("after", 0)).await.unwrap();
        far.set_fd_passing(true).unwrap();
        near.send(lent("accepted", &fds)).await.unwrap();
        let mut far = Framed::new(far, Texts);
        for (payload, fds) in [("before", 0), ("after", 0), ("accepted", 2)] {
            let item = far.next().await.unwrap().unwrap();
            assert_eq!((&item.payload[..], item.fds.len()), (payload.as_bytes(), fds));
        }
    });
}

#[test]
fn a_lent_frame_after_one_that_cannot_leave_is_returned_whole() {
    run(async {
        let (mut near, far) = pair();
        let mut far = far.into_parts().stream;
        if far.set_fd_passing(false).is_err() {
            assert!(!kernel_is_at_least(6, 16));
            return;
        }
        let fds = memfds(2);
        near.feed(text("owned", 1)).await.unwrap();
        comes_back(near.send(lent("lent", &fds)).await, ("lent", 2, 0), |kind| {
            matches!(kind, SendErrorKind::FdsRefusedByPeer { count: 1 })
        });
        let refused = near.take_refused().expect("its descriptors are the cause");
        assert_eq!((refused.bytes, refused.fds.len()), (bytes_of(b"owned", 1).into(), 1));
        drop(near);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0, "nothing has left");
    });
}

#[test]
fn a_lent_frame_with_too_many_fds_in_flight_can_be_sent_later() {
    without_privileges(async {
        let (mut near, mut far) = pair();
        let fds = memfds(8);
        let limit = Lowered::descriptors(64);
        let mut sent = 0;
        let frame = loop {
            match near.send(lent("eight", &fds)).await {
                Ok(()) => sent += 1,
                Err(SendError { unsent, kind }) => {
                    let is_expected =
                        matches!(kind, SendErrorKind::TooManyFdsInFlight { count: 8 });
                    assert!(is_expected, "{kind:?}");
                    break unsent.expect("none of it left");
                }
            }
        };
        drop(limit);
        for _ in 0..sent {
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 8);
        }
        near.send(frame).await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 8);
    });
}

#[test]
fn a_send_canceled_before_its_descriptors_left_sends_nothing_of_the_frame() {
    run(async {
        for length in [10, 100_000] {
            let (mut near, mut far, filled) = full().await;
            let fds = memfds(2);
            assert!(now(near.send(lent(vec![7; length], &fds))).await.is_none(), "no room");
            assert_eq!((near.unsent_bytes(), near.unsent_fds()), (0, 0));

            drain(&mut far, filled).await;
            near.send(lent("another", &fds[1..])).await.unwrap();
            let item = Framed::new(far, Texts).next().await.unwrap().unwrap();
            assert_eq!(item.payload, "another");
            assert_eq!(identities(&item.fds), identities(&fds[1..]));
        }
    });
}

#[test]
fn a_send_canceled_while_earlier_frames_leave_loses_none_of_those() {
    run(async {
        let (mut near, mut far, filled) = full().await;
        let fds = memfds(2);
        near.feed(text("before", 1)).await.unwrap();
        assert!(now(near.send(lent("canceled", &fds))).await.is_none(), "there is no room");
        assert_eq!((near.unsent_bytes(), near.unsent_fds()), (HEADER + 6, 1));

        drain(&mut far, filled).await;
        near.send(text("after", 0)).await.unwrap();
        let mut far = Framed::new(far, Texts);
        for (payload, fds) in [("before", 1), ("after", 0)] {
            let item = far.next().await.unwrap().unwrap();
            assert_eq!((&item.payload[..], item.fds.len()), (payload.as_bytes(), fds));
        }
    });
}

#[test]
fn a_send_canceled_after_its_descriptors_left_is_finished_by_a_flush() {
    run(async {
        for placement in PLACEMENTS {
            let (near, far) = Dbus::pair().unwrap();
            rustix::net::sockopt::set_socket_send_buffer_size(&near, 4096).unwrap();
            let policy = WritePolicy { placement, ..WritePolicy::default() };
            let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
            let mut far = Framed::new(far, Texts);
            drive_io().await;
            let fds = memfds(2);
            assert!(now(near.send(lent(vec![7; 256 << 10], &fds))).await.is_none(), "no room");
            assert!((1..256 << 10).contains(&near.unsent_bytes()), "a part has left");
            assert_eq!(near.unsent_fds(), 0);

            let flush = async {
                near.flush().await.unwrap();
                near.send(text("after", 1)).await.unwrap();
            };
            let ((), item) = tokio::join!(flush, far.next());
            let item = item.unwrap().unwrap();
            assert_eq!((item.payload.len(), identities(&item.fds)), (256 << 10, identities(&fds)));
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 1);
        }
    });
}

#[test]
fn an_iterator_that_yields_fewer_than_it_counted_lends_nothing_else() {
    /// An iterator each of whose clones yields one descriptor less.
    struct Shrinking<'a> {
        fds: &'a [OwnedFd],
        copies: &'a Cell<usize>,
    }

    impl Clone for Shrinking<'_> {
        fn clone(&self) -> Self {
            self.copies.set(self.copies.get() + 1);
            let fds = self.fds.get(self.copies.get()..).unwrap_or_default();
            Shrinking { fds, ..*self }
        }
    }

    impl<'a> Iterator for Shrinking<'a> {
        type Item = BorrowedFd<'a>;

        fn next(&mut self) -> Option<BorrowedFd<'a>> {
            let (first, rest) = self.fds.split_first()?;
            self.fds = rest;
            Some(first.as_fd())
        }
    }

    struct Frame(Vec<OwnedFd>, Cell<usize>);

    impl Encoder<Frame> for Texts {
        type Error = io::Error;

        fn encode(&mut self, _: &Frame, bytes: &mut BytesMut) -> io::Result<()> {
            bytes.put_slice(b"four bytes");
            Ok(())
        }

        fn borrowed_fds<'a>(
            &mut self,
            frame: &'a Frame,
        ) -> impl Iterator<Item = BorrowedFd<'a>> + Clone {
            Shrinking { fds: &frame.0, copies: &frame.1 }
        }
    }

    run(async {
        let (mut near, far) = pair();
        let mut far = far.into_parts().stream;
        let fds = memfds(4);
        let lent = identities(&fds);
        near.send(Frame(fds, Cell::new(0))).await.unwrap();
        far.recv(&mut [0; 64]).await.unwrap();
        let received = identities(far.read_queue_mut().drain(..));
        assert!(received.len() < 4 && received.iter().all(|fd| lent.contains(fd)), "{received:?}");
    });
}

#[test]
fn lent_descriptors_are_charged_in_flight_and_wait_at_the_bound() {
    run(async {
        let budget = Budget::builder().fds_in_flight(20).build();
        let (mut near, far) = Dbus::pair().unwrap();
        near.set_account(budget.account(1));
        let (mut near, mut far) = (Framed::new(near, Texts), Framed::new(far, Texts));
        let in_flight = || budget.usage_of(1).fds_in_flight;
        let fds = memfds(8);
        near.send(lent("eight", &fds)).await.unwrap();
        assert_eq!(in_flight(), 8);
        assert!(now(near.send(lent("three", &fds[..3]))).await.is_none(), "the bound is 10");
        assert_eq!((in_flight(), near.unsent_bytes()), (8, 0));

        let send = near.send(lent("three", &fds[..3]));
        let (sent, item) = tokio::join!(send, far.next());
        sent.unwrap();
        assert_eq!(item.unwrap().unwrap().fds.len(), 8);
        let item = far.next().await.unwrap().unwrap();
        assert_eq!((&item.payload[..], item.fds.len(), in_flight()), (&b"three"[..], 3, 3));
    });
}
