//! The stream: received frames, and the errors for bad input.

use super::*;

#[test]
fn the_framed_of_tokio_util_gives_descriptors_to_the_wrong_message() {
    // The misattribution that this module prevents.
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let codec = tokio_util::codec::LengthDelimitedCodec::new();
        let mut near = tokio_util::codec::Framed::new(near, codec);
        near.feed(Bytes::from("A, plain")).await.unwrap();
        near.get_mut().write_queue_mut().extend(memfds(1));
        near.feed(Bytes::from("B, with a file")).await.unwrap();
        SinkExt::<Bytes>::flush(&mut near).await.unwrap();

        // B's descriptor has arrived with the first byte of A.
        let received = far.recv(&mut [0; 1]).await.unwrap();
        assert_eq!((received.bytes, received.fds), (1, 1));
    });
}

#[test]
fn frames_keep_their_descriptors_both_ways() {
    run(async {
        let (mut near, mut far) = pair();
        for (from, to) in [(&mut near, &mut far)] {
            let items = [text("plain", 0), text("two", 2), text("", 1), text("plain again", 0)];
            let expected: Vec<_> = items.iter().map(|item| identities(&item.fds)).collect();
            for item in items {
                from.feed(item).await.unwrap();
            }
            from.flush().await.unwrap();
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
fn unclaimed_descriptors_end_the_stream_and_are_closed() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let pipes = send_pipes(&far, &bytes_of(b"one of three", 1), 3);
        ends_with(&mut near, ReceiveError::UnclaimedFds { count: 2 }, &pipes).await;
    });
}

#[test]
fn unclaimed_descriptors_can_be_closed_and_counted() {
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
fn a_frame_whose_descriptors_did_not_arrive_ends_the_stream() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let pipes = send_pipes(&far, &bytes_of(b"two of one", 2), 1);
        let missing = ReceiveError::MissingFds { declared: 2, available: 1 };
        ends_with(&mut near, missing, &pipes).await;
    });
}

#[test]
fn more_descriptors_for_one_frame_than_may_wait_end_the_stream() {
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
        let expected = ReceiveError::TooManyWaitingFds { waiting: 32, limit: 24 };
        ends_with(&mut near, expected, &pipes).await;
    });
}

#[test]
fn nothing_is_read_while_as_many_frames_wait_as_allowed() {
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
fn a_frame_that_is_too_long_ends_the_stream_before_it_is_held() {
    run(async {
        let policy = ReadPolicy { max_frame_bytes: 64 << 10, ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let pipes = send_pipes(&far, &u32::MAX.to_be_bytes(), 1);
        far.set_nonblocking(true).unwrap();
        while io::Write::write(&mut &far, &[0; 4096]).is_ok() {}
        let error = near.next().await.expect("an error").unwrap_err();
        let ReceiveError::FrameTooLong { length, limit } = error else { panic!("{error:?}") };
        assert_eq!(limit, 64 << 10);
        assert!((limit..limit + (256 << 10)).contains(&length), "{length}");
        assert!(pipes.iter().all(is_abandoned));
    });
}

#[test]
fn the_end_of_the_stream_inside_a_frame_is_an_error() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        foreign_send(&far, &bytes_of(b"whole", 0), &[]).unwrap();
        let pipes = send_pipes(&far, &bytes_of(b"half", 1)[..7], 1);
        drop(far);
        assert_eq!(near.next().await.unwrap().unwrap().payload, "whole");
        ends_with(&mut near, ReceiveError::ClosedInsideFrame { bytes: 7 }, &pipes).await;
    });
}

#[test]
fn the_end_of_the_stream_between_frames_is_the_end() {
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
fn a_peer_that_exceeds_the_limit_of_the_stream_ends_the_frames() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        near.get_mut().set_read_fd_limit(1).unwrap();
        let pipes = send_pipes(&far, &bytes_of(b"two", 2), 2);
        let error = near.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::TooManyFds { count: 2, limit: 1 }), "{error:?}");
        assert!(near.next().await.is_none());
        assert!(pipes.iter().all(is_abandoned));
    });
}

#[test]
fn a_truncated_set_ends_the_stream_of_frames_by_default() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let pipes = send_pipes(&far, &bytes_of(b"three", 3), 3);
        let full = FullTable::with_room_for(1);
        let error = near.next().await.unwrap().unwrap_err();
        drop(full);
        let ReceiveError::Truncated { cause } = error else { panic!("{error:?}") };
        assert_eq!(cause, Truncation::ProcessTableFull);
        assert!(pipes.iter().all(is_abandoned));
    });
}

#[test]
fn frames_go_on_after_a_truncated_set_and_its_own_are_marked() {
    run(async {
        let policy = ReadPolicy { survive_truncation: true, ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let cut = send_pipes(&far, &bytes_of(b"cut", 3), 3);
        let full = FullTable::with_room_for(1);
        let item = near.next().await.unwrap().unwrap();
        assert_eq!((&item.payload[..], item.fds.len()), (&b"cut"[..], 0));
        assert_eq!(item.cut, Some(Truncation::ProcessTableFull));
        drop(full);
        assert!(cut.iter().all(is_abandoned), "the descriptors that arrived are closed");

        let whole = send_pipes(&far, &bytes_of(b"whole", 2), 2);
        let item = near.next().await.unwrap().unwrap();
        assert_eq!((&item.payload[..], item.fds.len(), item.cut), (&b"whole"[..], 2, None));
        assert!(!whole.iter().any(is_abandoned));
    });
}

#[test]
fn descriptors_that_wait_too_long_for_their_frame_end_the_stream() {
    run(async {
        tokio::time::pause();
        let fd_timeout = Duration::from_secs(30);
        let policy = ReadPolicy { fd_timeout: Some(fd_timeout), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        // Bytes alone may wait.
        foreign_send(&far, &bytes_of(b"", 0)[..1], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        tokio::time::advance(10 * fd_timeout).await;
        foreign_send(&far, &bytes_of(b"", 0)[1..], &[]).unwrap();
        drive_io().await;
        assert!(near.next().await.unwrap().is_ok());

        let pipes = send_pipes(&far, &bytes_of(b"late", 2)[..3], 2);
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        tokio::time::advance(fd_timeout / 2).await;
        assert!(now(near.next()).await.is_none());
        // Another byte does not extend the timeout.
        foreign_send(&far, &bytes_of(b"late", 2)[3..4], &[]).unwrap();
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        tokio::time::advance(fd_timeout).await;
        ends_with(&mut near, ReceiveError::FdsOverdue { waiting: 2 }, &pipes).await;
    });
}

#[test]
fn a_deadline_ends_when_its_frame_is_complete() {
    run(async {
        tokio::time::pause();
        let fd_timeout = Duration::from_secs(30);
        let policy = ReadPolicy { fd_timeout: Some(fd_timeout), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let item = bytes_of(b"in time", 1);
        for _ in 0..3 {
            let _pipes = send_pipes(&far, &item[..6], 1);
            drive_io().await;
            assert!(now(near.next()).await.is_none());
            tokio::time::advance(fd_timeout / 2).await;
            foreign_send(&far, &item[6..], &[]).unwrap();
            assert_eq!(near.next().await.unwrap().unwrap().fds.len(), 1);
            tokio::time::advance(fd_timeout).await;
        }
    });
}

#[test]
fn without_a_deadline_no_timers_are_needed() {
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
fn a_megabyte_arrives_as_one_frame() {
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
fn memory_of_a_long_frame_goes_with_it_and_later_frames_do_not_share_it() {
    run(async {
        for length in [300_000, 8 << 20] {
            let (mut near, mut far) = pair();
            let items = async {
                near.feed(text(vec![7; length], 1)).await.unwrap();
                near.send(text("short", 1)).await.unwrap();
            };
            let receive = async { [far.next().await, far.next().await].map(|next| next.unwrap()) };
            let [long, short] = tokio::join!(items, receive).1.map(|item| item.unwrap());
            assert_eq!((long.payload.len(), long.fds.len()), (length, 1));
            assert!(long.payload.is_unique(), "nobody else keeps it");
            assert_eq!((&short.payload[..], short.fds.len()), (&b"short"[..], 1));

            let (sent, long) = tokio::join!(near.send(text(vec![7; length], 0)), far.next());
            sent.unwrap();
            assert!(now(far.next()).await.is_none(), "it waits");
            assert!(far.read_buffer().capacity() <= 8 << 10);
            assert!(long.unwrap().unwrap().payload.is_unique());
        }
    });
}

#[test]
fn dropping_a_framed_stream_closes_descriptors_that_wait() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let received = send_pipes(&far, &bytes_of(b"half", 2)[..6], 2);
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        let (unsent, writer) = pipe_of_two();
        near.feed(Text { payload: "unsent".into(), fds: vec![writer], cut: None }).await.unwrap();
        assert!(!received.iter().any(is_abandoned) && !is_abandoned(&unsent));
        drop(near);
        assert!(received.iter().all(is_abandoned) && is_abandoned(&unsent));
    });
}

#[test]
fn a_canceled_next_loses_nothing() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let item = bytes_of(b"piece by piece", 1);
        let _pipes = send_pipes(&far, &item[..1], 1);
        for byte in &item[1..] {
            drive_io().await;
            assert!(now(near.next()).await.is_none());
            foreign_send(&far, &[*byte], &[]).unwrap();
        }
        let item = near.next().await.unwrap().unwrap();
        assert_eq!((&item.payload[..], item.fds.len()), (&b"piece by piece"[..], 1));
    });
}

#[test]
fn descriptors_of_the_stream_itself_never_become_those_of_a_frame() {
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
        let kind = error.kind;
        assert!(matches!(kind, SendErrorKind::WriteQueueNotEmpty { queued: 1 }), "{kind:?}");
    });
}

#[test]
fn a_full_read_queue_of_the_stream_itself_ends_the_stream_of_frames() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        near.get_mut().set_read_fd_limit(2).unwrap();
        near.get_mut().set_read_queue_limit(3).unwrap();
        near.get_mut().read_queue_mut().extend(memfds(2));
        foreign_send(&far, &bytes_of(b"no room", 0), &[]).unwrap();
        let error = near.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::ReadQueueFull { queued: 2, limit: 3 }), "{error:?}");
        assert!(near.next().await.is_none());
    });
}

#[test]
fn with_fifo_a_truncated_set_always_ends_the_stream_of_frames() {
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
        let ReceiveError::Truncated { cause } = error else { panic!("{error:?}") };
        assert_eq!(cause, Truncation::ProcessTableFull);
    });
}

#[test]
fn descriptors_that_arrived_in_time_can_be_read_after_the_deadline() {
    run(async {
        tokio::time::pause();
        let fd_timeout = Duration::from_secs(30);
        let policy = ReadPolicy { fd_timeout: Some(fd_timeout), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let item = bytes_of(b"in time", 1);
        let _pipes = send_pipes(&far, &item[..6], 1);
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        foreign_send(&far, &item[6..], &[]).unwrap();
        drive_io().await;
        tokio::time::advance(2 * fd_timeout).await;
        assert_eq!(near.next().await.unwrap().unwrap().fds.len(), 1);
    });
}

#[test]
fn a_deadline_wakes_the_task_that_waits_for_a_frame() {
    run(async {
        tokio::time::pause();
        let policy =
            ReadPolicy { fd_timeout: Some(Duration::from_secs(30)), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let pipes = send_pipes(&far, &bytes_of(b"late", 1)[..3], 1);
        // The paused clock advances when no task can run.
        let begin = tokio::time::Instant::now();
        ends_with(&mut near, ReceiveError::FdsOverdue { waiting: 1 }, &pipes).await;
        assert_eq!(begin.elapsed().as_secs(), 30);
    });
}

#[test]
fn with_fifo_descriptors_left_at_the_end_of_the_stream_are_unclaimed() {
    run(async {
        for unclaimed in [Unclaimed::Error, Unclaimed::Close] {
            let policy =
                ReadPolicy { unclaimed, attribution: Attribution::Fifo, ..ReadPolicy::default() };
            let (mut near, far) = receiver(policy);
            let pipes = send_pipes(&far, &bytes_of(b"one of three", 1), 3);
            drop(far);
            drop(near.next().await.unwrap().unwrap());
            if unclaimed == Unclaimed::Error {
                ends_with(&mut near, ReceiveError::UnclaimedFds { count: 2 }, &pipes).await;
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
fn cve_2014_3533_frames_of_a_foreign_peer_have_their_own_descriptors() {
    run(async {
        let length = bytes_of(b"payload", 0).len();
        for split in 1..length {
            let (mut near, far) = receiver(ReadPolicy::default());
            let mut expected = Vec::new();
            for count in [3, 2, 1] {
                let fds = memfds(count);
                let set: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
                let item = bytes_of(b"payload", count as u8);
                foreign_send(&far, &item[..split], &[&set]).unwrap();
                foreign_send(&far, &item[split..], &[]).unwrap();
                expected.push(identities(&fds));
            }
            for expected in expected {
                let item = near.next().await.unwrap().unwrap();
                assert_eq!(identities(&item.fds), expected, "split at {split}");
            }
        }
    });
}

#[test]
fn shared_sends_of_a_foreign_peer_are_attributed_if_one_read_covers_them() {
    run(async {
        let (plain, with) = (bytes_of(b"plain", 0), bytes_of(b"with", 1));
        for (items, counts) in
            [([&with, &plain], [1, 0]), ([&plain, &with], [0, 1]), ([&with, &with], [1, 1])]
        {
            let (mut near, far) = receiver(ReadPolicy::default());
            let _pipes =
                send_pipes(&far, &[&items[0][..], items[1]].concat(), counts[0] + counts[1]);
            for count in counts {
                assert_eq!(near.next().await.unwrap().unwrap().fds.len(), count);
            }
        }
    });
}

#[test]
fn a_set_after_a_long_frame_in_one_send_ends_the_stream() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let buried = [bytes_of(&[b'x'; 60_000], 0), bytes_of(b"buried", 1)].concat();
        let pipes = send_pipes(&far, &buried, 1);
        ends_with(&mut near, ReceiveError::UnclaimedFds { count: 1 }, &pipes).await;
    });
}

#[test]
fn undeclared_descriptors_of_a_foreign_peer_go_to_no_later_frame() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let pipes = send_pipes(&far, &bytes_of(b"one of three", 1), 3);
        foreign_send(&far, &bytes_of(b"two of none", 2), &[]).unwrap();
        ends_with(&mut near, ReceiveError::UnclaimedFds { count: 2 }, &pipes).await;
    });
}

#[test]
fn a_frame_that_has_arrived_is_returned_without_a_read() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        foreign_send(&far, &[bytes_of(b"first", 0), bytes_of(b"second", 0)].concat(), &[]).unwrap();
        assert!(near.next_buffered().is_none(), "nothing has been read");
        assert_eq!(&near.next().await.unwrap().unwrap().payload[..], b"first");

        foreign_send(&far, &bytes_of(b"third", 0), &[]).unwrap();
        drive_io().await;
        assert_eq!(&near.next_buffered().unwrap().unwrap().payload[..], b"second");
        assert!(near.next_buffered().is_none(), "the third is not read yet");
        assert_eq!(&near.next().await.unwrap().unwrap().payload[..], b"third");
        drop(far);
        assert!(near.next().await.is_none());
        assert!(near.next_buffered().is_none());
    });
}

#[test]
fn an_error_in_buffered_bytes_ends_the_stream_and_closes() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let (reader, writer) = pipe();
        let both = [bytes_of(b"plain", 0), bytes_of(b"declares two", 2)].concat();
        foreign_send(&far, &both, &[&[writer.as_fd()]]).unwrap();
        drop(writer);
        assert_eq!(&near.next().await.unwrap().unwrap().payload[..], b"plain");
        assert!(!is_abandoned(&reader));

        let error = near.next_buffered().unwrap().unwrap_err();
        let expected = "MissingFds { declared: 2, available: 1 }";
        assert_eq!(format!("{error:?}"), expected);
        assert!(is_abandoned(&reader));
        assert!(near.next_buffered().is_none() && near.next().await.is_none());
    });
}

#[test]
fn a_stream_that_is_paused_reads_nothing_and_keeps_its_deadline() {
    run(async {
        tokio::time::pause();
        let fd_timeout = Duration::from_secs(30);
        let policy = ReadPolicy { fd_timeout: Some(fd_timeout), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let item = bytes_of(b"in parts", 1);
        let _pipes = send_pipes(&far, &item[..6], 1);
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        foreign_send(&far, &item[6..], &[]).unwrap();
        drive_io().await;
        assert!(now(poll_fn(|cx| near.poll_paused(cx))).await.is_none(), "the rest is not read");
        assert_eq!(near.next().await.unwrap().unwrap().fds.len(), 1);

        let pipes = send_pipes(&far, &item[..6], 1);
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        let begin = tokio::time::Instant::now();
        let error = poll_fn(|cx| near.poll_paused(cx)).await.unwrap().unwrap_err();
        assert!(begin.elapsed() <= fd_timeout + Duration::from_millis(1));
        assert!(matches!(error, ReceiveError::FdsOverdue { waiting: 1 }), "{error:?}");
        assert!(pipes.iter().all(is_abandoned));
        assert!(poll_fn(|cx| near.poll_paused(cx)).await.is_none());
    });
}

#[test]
fn descriptors_in_the_queue_of_the_stream_go_to_no_frame() {
    run(async {
        let (mut stream, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let _pipes = send_pipes(&far, b"not framed", 1);
        stream.recv(&mut [0; 64]).await.unwrap();
        let expected = identities(stream.read_queue());
        let mut near = Framed::new(stream, Texts);
        let _more = send_pipes(&far, &bytes_of(b"a frame", 1), 1);
        let item = near.next().await.unwrap().unwrap();
        assert_eq!(item.fds.len(), 1);
        assert_ne!(identities(&item.fds), expected);
        assert_eq!(identities(near.get_ref().read_queue()), expected);
    });
}

#[test]
fn the_first_read_has_room_of_2_kib() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let long = vec![7; 2048 - 2 * HEADER - 5];
        foreign_send(&far, &[bytes_of(b"first", 0), bytes_of(&long, 0)].concat(), &[]).unwrap();
        near.next().await.unwrap().unwrap();
        assert_eq!(&near.next_buffered().unwrap().unwrap().payload[..], &long);
    });
}

#[test]
fn a_stream_of_short_frames_has_room_of_2_kib() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        for _ in 0..2 {
            foreign_send(&far, &bytes_of(b"short", 0), &[]).unwrap();
            near.next().await.unwrap().unwrap();
        }
        assert!(now(near.next()).await.is_none());
        let capacity = near.read_buffer().capacity();
        assert!(capacity <= 2048, "{capacity}");
    });
}

#[test]
fn frames_share_memory_until_less_than_half_of_the_room_is_left() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        foreign_send(&far, &bytes_of(&[7; 1024 - HEADER], 0), &[]).unwrap();
        let first = near.next().await.unwrap().unwrap();
        foreign_send(&far, &bytes_of(b"second", 0), &[]).unwrap();
        let second = near.next().await.unwrap().unwrap();
        assert_eq!(distance(&first, &second), 1024);
    });
}

#[test]
fn after_a_read_that_fills_its_room_there_is_room_of_8_kib() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let frame = bytes_of(&[7; 4000], 0);
        for part in [&frame[..100], &frame[100..3000]] {
            foreign_send(&far, part, &[]).unwrap();
            drive_io().await;
            assert!(now(near.next()).await.is_none(), "the frame is incomplete");
        }
        let capacity = near.read_buffer().capacity();
        assert!(capacity >= 8192, "{capacity}");
    });
}

#[test]
fn nothing_is_decoded_after_the_end_of_the_stream_of_frames() {
    /// Decodes nothing.
    #[derive(Debug)]
    struct Fails;

    impl Decoder for Fails {
        type Item = ();
        type Error = &'static str;

        fn decode(
            &mut self,
            _: &mut BytesMut,
            _: &mut ReceivedFds<'_>,
        ) -> Result<Option<()>, ReceiveError<&'static str>> {
            Err(ReceiveError::Codec("no frames"))
        }
    }

    run(async {
        let (near, _far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let mut near = Framed::new(near, Fails);
        near.next().await.unwrap().unwrap_err();
        assert!(near.next_buffered().is_none());
    });
}
