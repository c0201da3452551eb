//! Streams of frames that are taken apart, put together and split.

use super::*;

#[test]
fn halves_work_in_two_tasks_and_are_reunited() {
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
            write.close().await.unwrap();
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
fn halves_have_the_codecs_that_a_closure_makes_and_give_them_back() {
    /// A codec that is not `Clone`.
    #[derive(Debug)]
    struct Reads(Texts);

    #[derive(Debug)]
    struct Writes(Texts);

    impl Decoder for Reads {
        type Item = Text;
        type Error = io::Error;

        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            fds: &mut ReceivedFds<'_>,
        ) -> Result<Option<Text>, ReceiveError<io::Error>> {
            self.0.decode(bytes, fds)
        }
    }

    impl Encoder<&'static str> for Writes {
        type Error = io::Error;

        fn encode(&mut self, payload: &&'static str, bytes: &mut BytesMut) -> io::Result<()> {
            bytes.put_slice(&bytes_of(payload.as_bytes(), 0));
            Ok(())
        }
    }

    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let mut far = Framed::new(far, Texts);
        let near = Framed::new(near, (Reads(Texts), Writes(Texts)));
        let (mut read, mut write) = near.into_split_with(|codecs| codecs);
        write.feed("waits").await.unwrap();
        far.send(text("arrives", 1)).await.unwrap();
        assert_eq!(read.next().await.unwrap().unwrap().fds.len(), 1);

        let (other, _peer) = Dbus::pair().unwrap();
        let (_, foreign) = Framed::new(other, Writes(Texts)).into_split_with(|codec| ((), codec));
        let joined = read.reunite_with(foreign, |_, _| panic!("not of one stream"));
        let ReuniteError(read, _foreign) = joined.expect_err("they are of two streams");
        let near = read.reunite_with(write, |Reads(texts), Writes(_)| texts).unwrap();
        let mut near: Texting = near;
        near.flush().await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().payload, "waits");
        near.send(text("both ways", 1)).await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 1);
    });
}

#[test]
fn a_codec_after_a_split_decodes_a_frame_that_the_first_could_not() {
    /// Decodes nothing.
    #[derive(Debug)]
    struct Waits;

    impl Decoder for Waits {
        type Item = Text;
        type Error = io::Error;

        fn decode(
            &mut self,
            _: &mut BytesMut,
            _: &mut ReceivedFds<'_>,
        ) -> Result<Option<Text>, ReceiveError<io::Error>> {
            Ok(None)
        }
    }

    run(async {
        let (near, far) = with_foreign();
        let mut near: Framed<DBUS_SCM_RIGHTS, _> = Framed::new(near, Waits);
        let _pipes = send_pipes(&far, &bytes_of(b"a frame", 1), 1);
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        let (mut read, write) = near.into_split_with(|Waits| (Texts, ()));
        assert_eq!(read.next_buffered().unwrap().unwrap().fds.len(), 1);

        // And after the halves are reunited.
        let (read, _pipes) = (read.map_codec(|_| Waits), send_pipes(&far, &bytes_of(b"", 1), 1));
        drive_io().await;
        let mut read = read;
        assert!(now(read.next()).await.is_none());
        let mut near = read.reunite_with(write, |Waits, ()| Texts).unwrap();
        assert_eq!(near.next_buffered().unwrap().unwrap().fds.len(), 1);
    });
}

#[test]
fn a_write_half_shows_and_replaces_its_codec() {
    #[derive(Debug)]
    struct Prefixed(u8);

    impl Encoder<()> for Prefixed {
        type Error = io::Error;

        fn encode(&mut self, (): &(), bytes: &mut BytesMut) -> io::Result<()> {
            bytes.put_u8(self.0);
            Ok(())
        }
    }

    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let (_read, mut write) =
            Framed::new(near, 1).into_split_with(|first| ((), Prefixed(first)));
        write.send(()).await.unwrap();
        write.codec_mut().0 += 1;
        assert_eq!(write.codec().0, 2);
        write.send(()).await.unwrap();
        write.feed(()).await.unwrap();
        let mut write = write.map_codec(|Prefixed(last)| Prefixed(last + 1));
        write.send(()).await.unwrap();
        let mut bytes = [0; 4];
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, [1, 2, 2, 3]);
    });
}

#[test]
fn bytes_after_a_handshake_are_passed_on_with_their_descriptors() {
    run(async {
        let (mut stream, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let first = bytes_of(b"first", 1);
        foreign_send(&far, b"handshake", &[]).unwrap();
        let _pipes = send_pipes(&far, &first[..8], 1);
        let mut buf = [0; 64];
        let received = stream.recv(&mut buf).await.unwrap();
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
fn parts_keep_all_frames_that_wait() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let first = bytes_of(b"first", 2);
        let _pipes = send_pipes(&far, &[&first[..], &bytes_of(b"second", 0)[..3]].concat(), 2);
        drive_io().await;
        let item = near.next().await.unwrap().unwrap();
        assert_eq!(item.fds.len(), 2);
        near.feed(text("unsent", 1)).await.unwrap();

        let parts = near.into_parts();
        assert_eq!(&parts.read_buffer[..], &bytes_of(b"second", 0)[..3]);
        assert_eq!((parts.write_buffer.len(), parts.write_sets.len()), (HEADER + 6, 1));
        let mut near = Framed::from_parts(parts);
        foreign_send(&far, &bytes_of(b"second", 0)[3..], &[]).unwrap();
        assert_eq!(near.next().await.unwrap().unwrap().payload, "second");
        near.flush().await.unwrap();
        let (bytes, fds, _) = foreign_receive(&far, 1024);
        assert_eq!((bytes, fds.len()), (bytes_of(b"unsent", 1), 1));
    });
}

#[test]
fn parts_keep_that_a_stream_of_frames_has_ended() {
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
fn halves_have_the_policies_of_the_whole_stream() {
    run(async {
        let read_policy = ReadPolicy { max_frame_bytes: 7, ..ReadPolicy::default() };
        let write_policy = WritePolicy { max_buffered_bytes: 7, ..WritePolicy::default() };
        let (near, _far) = Dbus::pair().unwrap();
        let near = Framed::with_policies(near, Texts, read_policy.clone(), write_policy.clone());
        let (read, write) = near.into_split();
        assert_eq!((read.read_policy(), write.write_policy()), (&read_policy, &write_policy));
    });
}

#[test]
fn a_read_half_shows_the_bytes_and_descriptors_that_wait() {
    run(async {
        let (near, far) = receiver(ReadPolicy::default());
        let (mut read, _write) = near.into_split();
        let _pipes = send_pipes(&far, &bytes_of(b"a frame", 2)[..3], 2);
        drive_io().await;
        assert!(now(read.next()).await.is_none(), "the frame is incomplete");
        assert_eq!(&read.read_buffer()[..], &bytes_of(b"a frame", 2)[..3]);
        assert_eq!(read.waiting_fds(), 2);
    });
}

#[test]
fn a_read_half_counts_unclaimed_descriptors() {
    run(async {
        let policy = ReadPolicy { unclaimed: Unclaimed::Close, ..ReadPolicy::default() };
        let (near, far) = receiver(policy);
        let (mut read, _write) = near.into_split();
        let _pipes = send_pipes(&far, &bytes_of(b"one of three", 1), 3);
        read.next().await.unwrap().unwrap();
        assert_eq!(read.unclaimed_fds(), 2);
    });
}

#[test]
fn a_paused_read_half_returns_a_frame_that_has_arrived() {
    run(async {
        let (near, far) = receiver(ReadPolicy::default());
        let (mut read, _write) = near.into_split();
        foreign_send(&far, &[bytes_of(b"first", 0), bytes_of(b"second", 0)].concat(), &[]).unwrap();
        assert_eq!(read.next().await.unwrap().unwrap().payload, "first");
        let item = poll_fn(|cx| read.poll_paused(cx)).await.unwrap().unwrap();
        assert_eq!(item.payload, "second");
        assert!(now(poll_fn(|cx| read.poll_paused(cx))).await.is_none(), "nothing is left");
    });
}

#[test]
fn a_write_half_counts_what_is_not_sent() {
    run(async {
        let (near, _far) = pair();
        let (_read, mut write) = near.into_split();
        write.feed(text("three", 2)).await.unwrap();
        assert_eq!((write.unsent_bytes(), write.unsent_fds()), (HEADER + 5, 2));
    });
}

#[test]
fn a_write_half_returns_a_frame_that_the_peer_refuses() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        if far.set_fd_passing(false).is_err() {
            assert!(!kernel_is_at_least(6, 16));
            return;
        }
        let (_read, mut write) = Framed::new(near, Texts).into_split();
        write.feed(text("refused", 2)).await.unwrap();
        write.flush().await.unwrap_err();
        let refused = write.take_refused().expect("its descriptors are the cause");
        assert_eq!((refused.bytes.len(), refused.fds.len()), (HEADER + 7, 2));
    });
}

#[test]
fn framed_streams_are_send_sync_and_static() {
    fn goes_anywhere<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    fn is_both<T: Stream + Sink<Text>>() {}
    goes_anywhere::<Texting>();
    goes_anywhere::<anchovy::codec::FramedRead<DBUS_SCM_RIGHTS, Texts>>();
    goes_anywhere::<anchovy::codec::FramedWrite<DBUS_SCM_RIGHTS, Texts>>();
    goes_anywhere::<FramedParts<DBUS_SCM_RIGHTS, Texts>>();
    is_both::<Texting>();
}

#[test]
fn a_truncation_that_frames_survive_still_fails_the_stream_itself() {
    run(async {
        let policy = ReadPolicy { survive_truncation: true, ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        foreign_send(&far, &bytes_of(b"an item", 0), &[]).unwrap();
        near.next().await.unwrap().unwrap();
        let mut stream = near.into_parts().stream;
        let _pipes = send_pipes(&far, b"by hand", 3);
        let full = FullTable::with_room_for(1);
        let outcome = stream.recv(&mut [0; 64]).await;
        drop(full);
        let cause = Truncation::ProcessTableFull;
        assert_eq!(fd_error(outcome.unwrap_err()), FdError::Truncated { received: 1, cause });
    });
}

#[test]
fn parts_keep_the_deadline_of_descriptor_sets() {
    run(async {
        tokio::time::pause();
        let fd_timeout = Duration::from_secs(30);
        let policy = ReadPolicy { fd_timeout: Some(fd_timeout), ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        let pipes = send_pipes(&far, &bytes_of(b"late", 1)[..3], 1);
        drive_io().await;
        assert!(now(near.next()).await.is_none());
        let mut near = Framed::from_parts(near.into_parts());
        assert!(now(near.next()).await.is_none());
        tokio::time::advance(fd_timeout).await;
        ends_with(&mut near, ReceiveError::FdsOverdue { waiting: 1 }, &pipes).await;
    });
}

#[test]
fn parts_keep_the_count_of_unclaimed_descriptors() {
    run(async {
        let policy = ReadPolicy { unclaimed: Unclaimed::Close, ..ReadPolicy::default() };
        let (mut near, far) = receiver(policy);
        for total in [2, 4] {
            let _pipes = send_pipes(&far, &bytes_of(b"one of three", 1), 3);
            near.next().await.unwrap().unwrap();
            assert_eq!(near.unclaimed_fds(), total);
            near = Framed::from_parts(near.into_parts());
            assert_eq!(near.unclaimed_fds(), total);
        }
    });
}

#[test]
fn parts_keep_the_policies() {
    run(async {
        let read = ReadPolicy { max_frame_bytes: 7, ..ReadPolicy::default() };
        let write = WritePolicy { max_buffered_bytes: 7, ..WritePolicy::default() };
        let (near, _far) = Dbus::pair().unwrap();
        let near = Framed::with_policies(near, Texts, read.clone(), write.clone());
        let near = Framed::from_parts(near.into_parts());
        assert_eq!((near.read_policy(), near.write_policy()), (&read, &write));
    });
}

#[test]
fn reuniting_halves_of_two_streams_fails_and_loses_nothing() {
    run(async {
        let ((one, _one), (two, mut peer)) = (pair(), pair());
        let (read, _write) = one.into_split();
        let (_read, mut write) = two.into_split();
        write.feed(text("unsent", 1)).await.unwrap();
        let ReuniteError(_read, mut write) =
            read.reunite(write).expect_err("they are of two streams");
        write.flush().await.unwrap();
        assert_eq!(peer.next().await.unwrap().unwrap().fds.len(), 1);
    });
}
