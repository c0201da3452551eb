//! The charges of a framed stream to the account of its peer.

use anchovy::{Account, Budget, Charge, Resource};

use super::*;

/// As [`Texts`], but with the charge of the descriptors.
#[derive(Clone, Debug)]
struct Charged;

impl Decoder for Charged {
    type Item = (Text, Option<Charge>);
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, ReceiveError<io::Error>> {
        let text = Texts.decode(bytes, fds)?;
        Ok(text
            .map(|text| (fds.take_charge(text.fds.len()), text))
            .map(|(charge, text)| (text, charge)))
    }
}

/// A framed stream that is charged to this account, and a foreign socket at its other end.
fn charged<C>(
    account: Account,
    codec: C,
    policy: ReadPolicy,
) -> (Framed<DBUS_SCM_RIGHTS, C>, StdUnixStream) {
    let (mut near, far) = with_foreign();
    near.set_account(account);
    near.set_read_fd_limit(4).unwrap();
    (Framed::with_policies(near, codec, policy, WritePolicy::default()), far)
}

/// At most ten descriptors wait.
fn policy() -> ReadPolicy {
    ReadPolicy { max_waiting_fds: 10, ..ReadPolicy::default() }
}

fn held(budget: &Budget) -> usize {
    budget.usage().held_fds
}

fn bytes(budget: &Budget) -> usize {
    budget.usage().bytes
}

#[test]
fn descriptors_are_charged_while_they_wait_with_room_for_the_rest() {
    run(async {
        for (attribution, kept) in [(Attribution::Range, 10), (Attribution::Fifo, 2)] {
            let budget = Budget::builder().held_fds(100).build();
            let policy = ReadPolicy { attribution, ..policy() };
            let (mut near, far) = charged(budget.account(1), Texts, policy);
            let frame = bytes_of(b"of two", 2);
            let _pipes = send_pipes(&far, &frame[..6], 2);
            drive_io().await;
            assert!(now(near.next()).await.is_none());
            assert_eq!((near.waiting_fds(), held(&budget)), (2, kept));
            foreign_send(&far, &frame[6..], &[]).unwrap();
            let text = near.next().await.unwrap().unwrap();
            assert_eq!((text.fds.len(), held(&budget)), (2, 0), "they are the caller's now");
        }
    });
}

#[test]
fn a_frame_may_keep_the_charge_of_its_descriptors() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, far) = charged(budget.account(1), Charged, policy());
        let _pipes = send_pipes(&far, &bytes_of(b"of two", 2), 2);
        let _more = send_pipes(&far, &bytes_of(b"of three", 3)[..6], 3);
        drive_io().await;
        let (_, first) = near.next().await.unwrap().unwrap();
        assert_eq!((first.as_ref().map(Charge::amount), held(&budget)), (Some(2), 2));
        assert!(now(near.next()).await.is_none());
        assert_eq!(held(&budget), 2 + 10);

        // Room that a complete frame took from the reserve of a half frame is charged again.
        foreign_send(&far, &bytes_of(b"of three", 3)[6..], &[]).unwrap();
        let _more = send_pipes(&far, &bytes_of(b"of one", 1)[..6], 1);
        drive_io().await;
        let (_, second) = near.next().await.unwrap().unwrap();
        assert_eq!(second.as_ref().map(Charge::amount), Some(3));
        assert!(now(near.next()).await.is_none());
        assert_eq!(held(&budget), 2 + 3 + 7);
        foreign_send(&far, &bytes_of(b"of one", 1)[6..7], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        assert_eq!(held(&budget), 2 + 3 + 10);
        drop((first, second));
        assert_eq!(held(&budget), 10);
        drop(near);
        assert_eq!(held(&budget), 0);
    });
}

#[test]
fn a_decoder_gets_no_charge_of_descriptors_that_it_has_not_claimed() {
    #[derive(Debug)]
    struct Greedy;

    impl Decoder for Greedy {
        type Item = [Option<usize>; 3];
        type Error = io::Error;

        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            fds: &mut ReceivedFds<'_>,
        ) -> Result<Option<Self::Item>, ReceiveError<io::Error>> {
            if bytes.is_empty() {
                return Ok(None);
            }
            let amount = |fds: &mut ReceivedFds<'_>, count| {
                fds.take_charge(count).map(|charge| charge.amount())
            };
            let before = amount(fds, 9);
            fds.take(1, 3)?.for_each(drop);
            bytes.advance(1);
            Ok(Some([before, amount(fds, 2), amount(fds, 9)]))
        }
    }

    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, far) = charged(budget.account(1), Greedy, policy());
        let _pipes = send_pipes(&far, b"x", 3);
        assert_eq!(near.next().await.unwrap().unwrap(), [Some(0), Some(2), Some(1)]);
        let (stream, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let mut near = Framed::new(stream, Greedy);
        let _pipes = send_pipes(&far, b"x", 3);
        assert_eq!(near.next().await.unwrap().unwrap(), [None, None, None]);
    });
}

#[test]
fn half_frames_of_one_account_do_not_wait_for_each_other() {
    run(async {
        // Room for the reserve of two connections, and of three without one.
        let budget = Budget::builder().held_fds(40).build();
        let mut ends: Vec<_> =
            (0..4).map(|_| charged(budget.account(1), Texts, policy())).collect();
        let frame = bytes_of(b"of eight", 8);
        let mut pipes = Vec::new();
        for (_, far) in &ends {
            pipes.extend(send_pipes(far, &frame[..4], 4));
        }
        drive_io().await;
        let mut begun = 0;
        for (near, _) in &mut ends {
            assert!(now(near.next()).await.is_none());
            begun += usize::from(near.waiting_fds() > 0);
        }
        assert_eq!((begun, held(&budget)), (2, 20));
        // Each frame that has begun is completed, and then the next ones are received.
        let frames = ends.into_iter().map(|(mut near, far)| {
            let rest = frame[4..].to_vec();
            tokio::spawn(async move {
                let pipes = send_pipes(&far, &rest, 4);
                let text = near.next().await.unwrap().unwrap();
                assert_eq!(text.fds.len(), 8);
                drop((pipes, far));
            })
        });
        for frame in frames.collect::<Vec<_>>() {
            frame.await.unwrap();
        }
        assert_eq!(held(&budget), 0);
    });
}

#[test]
fn another_account_receives_while_one_waits_for_room() {
    run(async {
        let budget = Budget::builder().held_fds(60).build();
        let (mut near, far) = charged(budget.account(1), Texts, policy());
        let (mut other, other_far) = charged(budget.account(2), Texts, policy());
        let full = budget.account(1).try_charge(Resource::HeldFds, 25).unwrap();
        let _pipes = [&far, &other_far].map(|far| send_pipes(far, &bytes_of(b"of two", 2), 2));
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        assert_eq!(near.waiting_fds(), 0, "nothing is read");
        assert_eq!(other.next().await.unwrap().unwrap().fds.len(), 2);
        let (text, ()) = tokio::join!(near.next(), async {
            drive_io().await;
            drop(full);
        });
        assert_eq!(text.unwrap().unwrap().fds.len(), 2);
        assert_eq!(held(&budget), 0);
    });
}

#[test]
fn an_account_smaller_than_the_reserve_receives_too() {
    run(async {
        // A single account may hold 6.
        let budget = Budget::builder().held_fds(12).build();
        let (mut near, far) = charged(budget.account(1), Charged, policy());
        let frame = bytes_of(b"of five", 5);
        for _ in 0..3 {
            let _pipes = [send_pipes(&far, &frame[..6], 3), send_pipes(&far, &frame[6..8], 2)];
            drive_io().await;
            assert!(now(near.next()).await.is_none());
            assert_eq!(near.waiting_fds(), 5);
            foreign_send(&far, &frame[8..], &[]).unwrap();
            let (text, charge) = near.next().await.unwrap().unwrap();
            assert_eq!((text.fds.len(), held(&budget)), (5, 5));
            drop(charge);
        }
        assert_eq!(held(&budget), 0);
    });
}

#[test]
fn nothing_stays_charged_when_a_stream_has_ended() {
    run(async {
        let budget = Budget::builder().held_fds(100).bytes(8 << 20).build();
        let frame = bytes_of(&vec![7; 100_000], 2);
        let half = async || {
            let (mut near, far) = charged(budget.account(1), Texts, policy());
            let pipes = send_pipes(&far, &frame[..60_000], 2);
            drive_io().await;
            assert!(now(near.next()).await.is_none());
            assert!(held(&budget) == 10 && bytes(&budget) > 50_000, "{budget:?}");
            (near, far, pipes)
        };
        let (near, ..) = half().await;
        drop(near);
        assert_eq!((held(&budget), bytes(&budget)), (0, 0), "dropped");

        let (mut near, far, _pipes) = half().await;
        drop(far);
        near.next().await.unwrap().unwrap_err();
        assert_eq!((held(&budget), bytes(&budget)), (0, 0), "failed");

        let (near, far, _pipes) = half().await;
        let parts = near.into_parts();
        assert_eq!((held(&budget), bytes(&budget)), (0, 0), "in parts");
        let mut near = Framed::from_parts(parts);
        foreign_send(&far, &frame[60_000..60_100], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        assert!(held(&budget) == 10 && bytes(&budget) > 50_000, "together again: {budget:?}");

        let (mut read, write) = near.into_split();
        drop(write);
        foreign_send(&far, &frame[60_100..], &[]).unwrap();
        let text = read.next().await.unwrap().unwrap();
        assert_eq!((text.payload.len(), text.fds.len()), (100_000, 2));
        assert!(now(read.next()).await.is_none());
        assert_eq!((held(&budget), bytes(&budget)), (0, 0), "whole");
    });
}

#[test]
fn halves_in_two_tasks_are_charged_and_reunited() {
    run_on_threads(async {
        let budget = Budget::builder().held_fds(100).bytes(8 << 20).build();
        let (near, mut far) = Dbus::pair().unwrap();
        far.set_account(budget.account(1));
        let (near, far) = (Framed::new(near, Texts), Framed::new(far, Texts));
        let echo = tokio::spawn(async move {
            let (mut read, mut write) = far.into_split();
            let writer = tokio::spawn(async move {
                for _ in 0..20 {
                    write.send(text(vec![7; 300_000], 2)).await.unwrap();
                }
                write
            });
            for _ in 0..20 {
                assert_eq!(read.next().await.unwrap().unwrap().fds.len(), 3);
            }
            read.reunite(writer.await.unwrap()).unwrap()
        });
        let (mut read, mut write) = near.into_split();
        let writer = tokio::spawn(async move {
            for _ in 0..20 {
                write.send(text(vec![7; 200_000], 3)).await.unwrap();
            }
            write
        });
        for _ in 0..20 {
            assert_eq!(read.next().await.unwrap().unwrap().fds.len(), 2);
        }
        let near = read.reunite(writer.await.unwrap()).unwrap();
        let mut far = echo.await.unwrap();
        assert!(now(far.next()).await.is_none());
        assert_eq!((held(&budget), bytes(&budget)), (0, 0));
        drop(near);
    });
}

#[test]
fn short_frames_and_streams_that_wait_for_them_charge_no_memory() {
    run(async {
        let budget = Budget::builder().bytes(0).build();
        let (near, mut far) = Dbus::pair().unwrap();
        far.set_account(budget.account(1));
        let (mut near, mut far) = (Framed::new(near, Texts), Framed::new(far, Texts));
        let mut kept = Vec::new();
        for round in 0..300 {
            near.send(text(vec![7; round * 13 % 4000], 0)).await.unwrap();
            let received = far.next().await.unwrap().unwrap();
            far.send(text(received.payload.clone(), 0)).await.unwrap();
            kept.push(received);
            near.next().await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_long_frame_waits_for_memory_and_others_are_not_affected() {
    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let [(mut near, far), (mut other, other_far)] =
            [1, 2].map(|uid| charged(budget.account(uid), Texts, policy()));
        let full = budget.account(1).try_charge(Resource::Bytes, (2 << 20) - 50_000).unwrap();
        let frame = bytes_of(&vec![7; 150_000], 0);
        foreign_send(&far, &frame[..100_000], &[]).unwrap();
        foreign_send(&other_far, &frame[..100_000], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        let read = near.read_buffer().len();
        assert!((20_000..60_000).contains(&read), "{read}");
        assert!(budget.usage_of(1).bytes <= 2 << 20);
        foreign_send(&far, &frame[100_000..], &[]).unwrap();
        assert!(now(near.next()).await.is_none());
        assert_eq!(near.read_buffer().len(), read, "it is paused");

        foreign_send(&other_far, &frame[100_000..], &[]).unwrap();
        assert_eq!(other.next().await.unwrap().unwrap().payload.len(), 150_000);

        let (text, ()) = tokio::join!(near.next(), async {
            drive_io().await;
            drop(full);
        });
        assert_eq!(text.unwrap().unwrap().payload.len(), 150_000);
        assert!(now(near.next()).await.is_none());
        assert_eq!(budget.usage_of(1).bytes, 0, "it waits for the next");
    });
}

#[test]
fn a_stream_that_waits_for_memory_keeps_its_deadline() {
    run(async {
        tokio::time::pause();
        let budget = Budget::builder().bytes(4 << 20).build();
        let timeout = Duration::from_secs(30);
        let policy = ReadPolicy { frame_timeout: Some(timeout), ..policy() };
        let (mut near, far) = charged(budget.account(1), Texts, policy);
        let _full = budget.account(1).try_charge(Resource::Bytes, (2 << 20) - 50_000).unwrap();
        foreign_send(&far, &bytes_of(&vec![7; 150_000], 0)[..100_000], &[]).unwrap();
        let begin = tokio::time::Instant::now();
        let error = near.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::FrameOverdue { .. }), "{error:?}");
        assert_eq!(begin.elapsed().as_secs(), 30);
    });
}

#[test]
fn a_frame_that_no_account_has_memory_for_ends_the_stream() {
    run(async {
        let budget = Budget::builder().bytes(200_000).build();
        let (mut near, far) = charged(budget.account(1), Texts, policy());
        foreign_send(&far, &bytes_of(&vec![7; 150_000], 0)[..130_000], &[]).unwrap();
        let error = near.next().await.unwrap().unwrap_err();
        let ReceiveError::BytesOverBudget { bytes: needed } = error else { panic!("{error:?}") };
        assert!((108_193..150_000).contains(&needed), "{needed}");
        assert_eq!(bytes(&budget), 0);
    });
}

#[test]
fn memory_that_a_decoder_reserves_is_charged_before_more_is_read() {
    #[derive(Debug)]
    struct Reserving;

    impl Decoder for Reserving {
        type Item = Text;
        type Error = io::Error;

        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            fds: &mut ReceivedFds<'_>,
        ) -> Result<Option<Text>, ReceiveError<io::Error>> {
            let text = Texts.decode(bytes, fds)?;
            if text.is_none() && !bytes.is_empty() {
                bytes.reserve(1 << 20);
            }
            Ok(text)
        }
    }

    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let (mut near, far) = charged(budget.account(1), Reserving, policy());
        let full = budget.account(1).try_charge(Resource::Bytes, 2 << 20).unwrap();
        let frame = bytes_of(b"reserved for", 0);
        foreign_send(&far, &frame[..6], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        drop(full);
        foreign_send(&far, &frame[6..], &[]).unwrap();
        assert_eq!(near.next().await.unwrap().unwrap().payload, "reserved for");
        assert!(now(near.next()).await.is_none());
        assert_eq!(bytes(&budget), 0);
    });
}

/// A framed stream that is charged to this account, and its peer, which is not.
fn sender(account: Account) -> (Texting, Texting) {
    let (mut near, far) = Dbus::pair().unwrap();
    near.set_account(account);
    rustix::net::sockopt::set_socket_send_buffer_size(&near, 4096).unwrap();
    let write = WritePolicy { max_buffered_bytes: 1 << 20, ..WritePolicy::default() };
    let near = Framed::with_policies(near, Texts, ReadPolicy::default(), write);
    (near, Framed::new(far, Texts))
}

#[test]
fn bytes_that_have_not_left_are_charged_until_they_leave() {
    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let (mut near, mut far) = sender(budget.account(1));
        drive_io().await;
        for _ in 0..50 {
            let before = near.unsent_bytes();
            near.feed(text(vec![7; 1000], 0)).await.unwrap();
            // The bytes in the buffer are charged before a frame is accepted.
            let charged = bytes(&budget);
            assert!(charged + (8 << 10) >= before && charged <= before, "{charged} of {before}");
        }
        assert!(now(near.flush()).await.is_none());
        assert_eq!(bytes(&budget), near.unsent_bytes() - (8 << 10), "what has left is not charged");
        let (flushed, ()) = tokio::join!(near.flush(), async {
            for _ in 0..50 {
                far.next().await.unwrap().unwrap();
            }
        });
        flushed.unwrap();
        assert_eq!(bytes(&budget), 0);

        near.feed(text(vec![7; 100_000], 1)).await.unwrap();
        near.feed(text("next", 0)).await.unwrap();
        assert!(bytes(&budget) >= 90_000);
        assert_eq!(near.take_refused().unwrap().fds.len(), 1);
        assert_eq!(bytes(&budget), 0, "it was taken back");
        near.feed(text(vec![7; 100_000], 0)).await.unwrap();
        assert!(now(near.flush()).await.is_none());
        assert!(bytes(&budget) >= 80_000);
        let parts = near.into_parts();
        assert_eq!(bytes(&budget), 0, "in parts");
        drop(parts);
    });
}

#[test]
fn without_room_a_frame_is_accepted_and_has_to_leave_before_the_next() {
    run(async {
        let budget = Budget::builder().bytes(200_000).build();
        let (mut near, mut far) = sender(budget.account(1));
        drive_io().await;
        let full = budget.account(1).try_charge(Resource::Bytes, 90_000).unwrap();
        near.feed(text(vec![7; 50_000], 0)).await.unwrap();
        assert_eq!(bytes(&budget), 90_000, "it is over");
        assert!(now(near.feed(text("next", 0))).await.is_none(), "what there is has to leave");
        let both = async {
            near.feed(text("next", 0)).await.unwrap();
            near.flush().await.unwrap();
        };
        let ((), received) = tokio::join!(both, async { [far.next().await, far.next().await] });
        let lengths = received.map(|text| text.unwrap().unwrap().payload.len());
        assert_eq!(lengths, [50_000, 4]);

        // The same if the account gets room for it.
        near.feed(text(vec![7; 50_000], 0)).await.unwrap();
        let (fed, ()) = tokio::join!(near.feed(text("next", 0)), async {
            drive_io().await;
            drop(full);
        });
        fed.unwrap();
        assert!((30_000..50_000).contains(&bytes(&budget)), "{budget:?}");
        drop(near);
        assert_eq!(bytes(&budget), 0);
    });
}

#[test]
fn room_that_is_no_longer_needed_is_not_waited_for() {
    run(async {
        let budget = Budget::builder().bytes(200_000).build();
        let (mut near, mut far) = sender(budget.account(1));
        let full = budget.account(1).try_charge(Resource::Bytes, 90_000).unwrap();
        near.feed(text(vec![7; 50_000], 0)).await.unwrap();
        assert!(now(near.feed(text("next", 0))).await.is_none());
        let (flushed, _) = tokio::join!(near.flush(), far.next());
        flushed.unwrap();
        drop(full);
        assert_eq!(bytes(&budget), 0);

        /// Removes all bytes.
        #[derive(Debug)]
        struct All;

        impl Decoder for All {
            type Item = usize;
            type Error = io::Error;

            fn decode(
                &mut self,
                bytes: &mut BytesMut,
                _: &mut ReceivedFds<'_>,
            ) -> Result<Option<usize>, ReceiveError<io::Error>> {
                Ok((!bytes.is_empty()).then(|| bytes.split().len()))
            }
        }

        let (mut near, far) = charged(budget.account(1), Texts, policy());
        let full = budget.account(1).try_charge(Resource::Bytes, 90_000).unwrap();
        foreign_send(&far, &bytes_of(&[7; 30_000], 0)[..20_000], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        let mut near = near.map_codec(|_| All);
        let mut rest = 20_000;
        while let Some(Some(length)) = now(near.next()).await {
            rest -= length.unwrap();
        }
        assert_eq!(rest, 0);
        drop(full);
        assert_eq!(bytes(&budget), 0);
    });
}

#[test]
fn memory_grows_by_less_if_there_is_no_room_to_double_it() {
    run(async {
        // A single account may hold 200,000.
        let budget = Budget::builder().bytes(400_000).build();
        let (mut near, far) = charged(budget.account(1), Texts, policy());
        foreign_send(&far, &bytes_of(&vec![7; 150_000], 0), &[]).unwrap();
        assert_eq!(near.next().await.unwrap().unwrap().payload.len(), 150_000);
    });
}

#[test]
fn a_frame_longer_than_any_account_may_hold_is_sent() {
    run(async {
        let budget = Budget::builder().bytes(20_000).build();
        let (mut near, mut far) = sender(budget.account(1));
        near.feed(text(vec![7; 50_000], 0)).await.unwrap();
        assert!(now(near.feed(text("next", 0))).await.is_none(), "what there is has to leave");
        let (sent, ()) = tokio::join!(
            async {
                for _ in 0..2 {
                    near.feed(text(vec![7; 50_000], 0)).await.unwrap();
                }
                near.flush().await
            },
            async {
                for _ in 0..3 {
                    assert_eq!(far.next().await.unwrap().unwrap().payload.len(), 50_000);
                }
            }
        );
        sent.unwrap();
        assert_eq!(bytes(&budget), 0);
    });
}

#[test]
fn a_paused_stream_decodes_what_has_arrived_and_returns_its_charge() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, far) = charged(budget.account(1), Charged, policy());
        // One receive brings a plain frame and the first with descriptors.
        let frames = [bytes_of(b"plain", 0), bytes_of(b"of one", 1)].concat();
        let _pipes = send_pipes(&far, &frames, 1);
        let (text, charge) = near.next().await.unwrap().unwrap();
        assert_eq!((text.payload, charge.map(|charge| charge.amount())), ("plain".into(), Some(0)));
        assert_eq!(held(&budget), 10);
        let (_, charge) = near.next_buffered().unwrap().unwrap();
        assert_eq!(held(&budget), 1);
        drop(charge);
        assert_eq!(held(&budget), 0);

        let _pipes = send_pipes(&far, &frames, 1);
        drive_io().await;
        near.next().await.unwrap().unwrap();
        let (_, charge) = poll_fn(|cx| near.poll_paused(cx)).await.unwrap().unwrap();
        assert_eq!((charge.map(|charge| charge.amount()), held(&budget)), (Some(1), 0));
        assert!(now(poll_fn(|cx| near.poll_paused(cx))).await.is_none());
    });
}

#[test]
fn charged_frames_share_memory_too() {
    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let (mut near, far) = charged(budget.account(1), Texts, policy());
        foreign_send(&far, &bytes_of(b"first", 0), &[]).unwrap();
        let first = near.next().await.unwrap().unwrap();
        foreign_send(&far, &bytes_of(b"second", 0), &[]).unwrap();
        let second = near.next().await.unwrap().unwrap();
        assert_eq!(distance(&first, &second), (HEADER + 5) as isize);
    });
}

#[test]
fn the_start_of_a_frame_moves_to_new_memory_of_8_kib_without_a_charge() {
    run(async {
        let budget = Budget::builder().bytes(0).build();
        let (mut near, far) = charged(budget.account(1), Texts, policy());
        let second = bytes_of(b"second", 0);
        let start = [&bytes_of(&[7; 5000], 0)[..], &second[..HEADER]].concat();
        foreign_send(&far, &start, &[]).unwrap();
        // It shares the memory in which the second begins.
        let _first = near.next().await.unwrap().unwrap();
        assert!(now(near.next()).await.is_none());
        foreign_send(&far, &second[HEADER..], &[]).unwrap();
        assert_eq!(near.next().await.unwrap().unwrap().payload, "second");
    });
}

#[test]
fn memory_of_more_than_8_kib_is_charged_before_it_is_used() {
    run(async {
        let budget = Budget::builder().bytes(0).build();
        let (mut near, far) = charged(budget.account(1), Texts, policy());
        foreign_send(&far, &bytes_of(&[7; 9000], 0), &[]).unwrap();
        let error = near.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::BytesOverBudget { bytes: 16_384 }), "{error:?}");
    });
}

/// A charged stream whose account has room for 100,000 more bytes, and the charge for the rest.
fn with_room_for_100_000(budget: &Budget) -> (Texting, StdUnixStream, Charge) {
    let (near, far) = charged(budget.account(1), Texts, policy());
    let full = budget.account(1).try_charge(Resource::Bytes, (2 << 20) - 100_000).unwrap();
    (near, far, full)
}

#[test]
fn memory_is_doubled_while_there_is_room_and_then_grows_by_a_quarter() {
    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let (mut near, far, full) = with_room_for_100_000(&budget);
        foreign_send(&far, &bytes_of(&vec![7; 150_000], 0)[..120_000], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        // 8,192 bytes are free, and doubled to 65,536. The next quarter would be 128,000.
        let expected = 65_536 + 65_536 / 4 + 81_920 / 4;
        assert_eq!(near.read_buffer().len(), expected);
        assert_eq!(bytes(&budget) - full.amount(), expected - 8_192);
    });
}

#[test]
fn memory_that_was_waited_for_is_a_quarter_more() {
    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let (mut near, far, full) = with_room_for_100_000(&budget);
        foreign_send(&far, &bytes_of(&vec![7; 150_000], 0)[..120_000], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        let waiting = near.read_buffer().len();
        drop(full);
        assert!(now(near.next()).await.is_none());
        assert_eq!(near.read_buffer().len(), 120_000);
        assert_eq!(near.read_buffer().capacity(), waiting + waiting / 4);
    });
}

#[test]
fn charged_memory_stays_where_it_is_while_it_has_room() {
    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let (mut near, far) = charged(budget.account(1), Texts, policy());
        let frame = bytes_of(&[7; 30_000], 0);
        let mut places = Vec::new();
        for part in [&frame[..20_000], &frame[20_000..20_001]] {
            foreign_send(&far, part, &[]).unwrap();
            drive_io().await;
            assert!(now(near.next()).await.is_none());
            places.push(near.read_buffer().as_ptr());
        }
        assert_eq!(places[0], places[1]);
    });
}

#[test]
fn memory_that_a_decoder_reserves_is_charged_in_full() {
    /// Reserves room for a frame of 100,000 bytes.
    #[derive(Debug)]
    struct Reserving;

    impl Decoder for Reserving {
        type Item = ();
        type Error = io::Error;

        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            _: &mut ReceivedFds<'_>,
        ) -> Result<Option<()>, ReceiveError<io::Error>> {
            if !bytes.is_empty() {
                bytes.reserve(100_000 - bytes.len());
            }
            Ok(None)
        }
    }

    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let (mut near, far) = charged(budget.account(1), Reserving, policy());
        foreign_send(&far, &[7; 20_000], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        let capacity = near.read_buffer().capacity();
        assert!(capacity >= 100_000, "{capacity}");
        assert_eq!(bytes(&budget), capacity - 8_192);
    });
}

#[test]
fn unsent_bytes_that_fit_exactly_are_charged_and_wait() {
    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let (mut near, _far) = sender(budget.account(1));
        // Less than for the bytes rounded up.
        let _full = budget.account(1).try_charge(Resource::Bytes, (2 << 20) - 4_000).unwrap();
        near.feed(text(vec![7; 10_000], 0)).await.unwrap();
        near.feed(text("next", 0)).await.unwrap();
        assert_eq!(near.unsent_bytes(), HEADER + 10_000 + HEADER + 4);
    });
}

#[test]
fn payloads_without_a_copy_are_not_charged_once_they_have_left() {
    run(async {
        let budget = Budget::builder().bytes(4 << 20).build();
        let (near, mut far) = Dbus::pair().unwrap();
        far.set_account(budget.account(1));
        let (mut far, _near) = (Framed::new(far, Texts), near);
        for _ in 0..4 {
            far.feed(text(vec![7; 4096], 0)).await.unwrap();
        }
        assert!(bytes(&budget) > 0);
        far.flush().await.unwrap();
        assert_eq!(bytes(&budget), 0);
    });
}

#[test]
fn a_request_for_memory_ends_when_the_memory_is_freed() {
    /// Removes all bytes.
    #[derive(Debug)]
    struct All;

    impl Decoder for All {
        type Item = usize;
        type Error = io::Error;

        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            _: &mut ReceivedFds<'_>,
        ) -> Result<Option<usize>, ReceiveError<io::Error>> {
            Ok((!bytes.is_empty()).then(|| bytes.split().len()))
        }
    }

    run(async {
        let budget = Budget::builder().bytes(64 << 20).build();
        let (mut near, far) = charged(budget.account(1), Texts, policy());
        // There is room for 4 MiB, but not for a quarter more.
        let full = budget.account(1).try_charge(Resource::Bytes, (32 << 20) - 4_500_000).unwrap();
        let frame = bytes_of(&vec![7; 6 << 20], 0);
        for part in frame[..(4 << 20) + 10_000].chunks(64 << 10) {
            foreign_send(&far, part, &[]).unwrap();
            drive_io().await;
            assert!(now(near.next()).await.is_none());
        }
        assert_eq!(near.read_buffer().len(), 4 << 20);
        let mut near = near.map_codec(|_| All);
        let mut rest = (4 << 20) + 10_000;
        while let Some(Some(length)) = now(near.next()).await {
            rest -= length.unwrap();
        }
        assert_eq!(rest, 0);
        drop(full);
        assert_eq!(bytes(&budget), 0);
    });
}
