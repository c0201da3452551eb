//! The sink: refusals, back-pressure, and how frames leave.

use super::*;

#[test]
#[should_panic(expected = "an encoder only appends")]
fn an_encoder_that_removes_bytes_of_other_frames_panics() {
    /// An encoder that clears the buffer.
    struct Careless;

    impl Encoder<Text> for Careless {
        type Error = io::Error;

        fn encode(&mut self, _: &Text, bytes: &mut BytesMut) -> io::Result<()> {
            if bytes.is_empty() {
                bytes.put_slice(b"first");
            } else {
                bytes.clear();
            }
            Ok(())
        }

        fn fds<'a>(&mut self, item: &'a mut Text) -> Option<&'a mut Vec<OwnedFd>> {
            Some(&mut item.fds)
        }
    }

    run(async {
        let mut near = Framed::new(Dbus::pair().unwrap().0, Careless);
        near.feed(text("", 0)).await.unwrap();
        let _ = near.feed(text("", 0)).await;
    });
}

#[test]
fn a_frame_with_more_descriptors_than_allowed_is_returned_whole() {
    run(async {
        let (mut near, mut far) = pair();
        near.get_mut().set_write_fd_limit(2).unwrap();
        let item = text("three", 3);
        let expected = identities(&item.fds);
        let SendError { unsent, kind } = near.send(item).await.unwrap_err();
        assert!(matches!(kind, SendErrorKind::TooManyFds { count: 3, limit: 2 }), "{kind:?}");
        let item = unsent.expect("the frame");
        assert_eq!((&item.payload[..], identities(&item.fds)), (&b"three"[..], expected));

        near.send(text("two", 2)).await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().payload, "two");
    });
}

#[test]
fn a_frame_of_no_bytes_with_descriptors_is_returned_whole() {
    run(async {
        let (mut near, _far) = pair();
        let SendError { unsent, kind } = near.feed(text("nothing at all", 2)).await.unwrap_err();
        assert!(matches!(kind, SendErrorKind::FdsWithoutBytes { count: 2 }), "{kind:?}");
        assert_eq!(unsent.expect("the frame").fds.len(), 2);
        near.feed(text("nothing at all", 0)).await.unwrap();
        assert_eq!(near.unsent_bytes(), 0);
    });
}

#[test]
fn a_frame_that_its_encoder_refuses_is_returned_and_leaves_no_byte() {
    run(async {
        let (mut near, mut far) = pair();
        near.feed(text("before", 1)).await.unwrap();
        let before = near.unsent_bytes();
        let refused = near.feed(text("too much", 1)).await.unwrap_err();
        assert_eq!(refused.unsent.expect("the frame").fds.len(), 1);
        assert_eq!(near.unsent_bytes(), before);
        near.send(text("after", 1)).await.unwrap();
        for payload in ["before", "after"] {
            let item = far.next().await.unwrap().unwrap();
            assert_eq!((&item.payload[..], item.fds.len()), (payload.as_bytes(), 1));
        }
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
                let received = far.recv(&mut buf).await.unwrap();
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
fn a_peer_that_does_not_read_causes_back_pressure_without_growth() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let policy = WritePolicy { max_buffered_bytes: 10_000, ..WritePolicy::default() };
        let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
        drive_io().await;
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
            near.flush().await.unwrap();
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
fn a_full_buffer_of_descriptors_is_sent_before_another_frame() {
    run(async {
        let (mut near, mut far) = pair();
        for _ in 0..10 {
            near.feed(text("many", 100)).await.unwrap();
            assert!(near.unsent_bytes() <= 3 * (4 + HEADER));
        }
        near.flush().await.unwrap();
        for _ in 0..10 {
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 100);
        }
    });
}

#[test]
fn a_frame_that_the_peer_refuses_is_returned_and_others_are_sent() {
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
            near.feed(text("after", 0)).await.unwrap();
            assert_eq!(near.unsent_fds(), 2);

            for _ in 0..2 {
                let error = near.flush().await.unwrap_err();
                let refused = matches!(error, FlushError::FdsRefusedByPeer { count: 2 });
                assert!(refused, "{error:?}");
            }
            let refused = near.take_refused().expect("none of it left");
            assert_eq!(refused.bytes, bytes_of(b"refused", 2));
            assert_eq!(identities(&refused.fds), expected);
            assert_eq!(near.unsent_fds(), 0);
            near.flush().await.unwrap();
            drop(near);

            let mut all = Vec::new();
            far.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, [bytes_of(b"before", 0), bytes_of(b"after", 0)].concat());
        }
    });
}

#[test]
fn a_frame_with_too_many_fds_in_flight_leaves_with_a_later_flush() {
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
        let kind = error.kind;
        assert!(matches!(kind, SendErrorKind::TooManyFdsInFlight { count: 8 }), "{kind:?}");
        drop(limit);
        for _ in 0..sent {
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 8);
        }
        near.flush().await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 8);
    });
}

#[test]
fn closing_sends_what_waits_and_ends_the_stream_for_the_peer() {
    run(async {
        let (mut near, mut far) = pair();
        near.feed(text("last frame", 1)).await.unwrap();
        near.close().await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 1);
        assert!(far.next().await.is_none());
        far.send(text("still listening?", 1)).await.unwrap();
        assert_eq!(near.next().await.unwrap().unwrap().fds.len(), 1);
    });
}

#[test]
fn a_write_to_the_stream_itself_and_a_frame_do_not_mix_their_descriptors() {
    run(async {
        let (near, mut far) = pair();
        let mut near = near;
        near.feed(text("waits", 1)).await.unwrap();
        near.get_mut().write_all(&bytes_of(b"by hand", 0)).await.unwrap();
        near.flush().await.unwrap();
        let first = far.next().await.unwrap().unwrap();
        assert_eq!((&first.payload[..], first.fds.len()), (&b"by hand"[..], 0));
        assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 1);
    });
}

#[test]
fn a_sink_at_its_limit_sends_before_it_accepts_a_frame() {
    run(async {
        for (max_buffered_bytes, max_buffered_fds) in [(HEADER + 1, 100), (1000, 1)] {
            let policy =
                WritePolicy { max_buffered_bytes, max_buffered_fds, ..WritePolicy::default() };
            let (near, _far) = Dbus::pair().unwrap();
            let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
            drive_io().await;
            for _ in 0..3 {
                near.feed(text("a", 1)).await.unwrap();
                assert_eq!(near.unsent_bytes(), HEADER + 1);
            }
        }
    });
}

#[test]
fn frames_that_are_added_while_others_wait_keep_their_descriptors() {
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
            drive_io().await;
            if let Some(sent) = now(near.flush()).await {
                sent.unwrap();
            }
            let item = far.next().await.unwrap().unwrap();
            assert_eq!(Some(identities(&item.fds)), expected.pop_front());
        }
    });
}

#[test]
fn a_frame_with_too_many_fds_in_flight_is_identified_among_others() {
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
        let kind = error.kind;
        assert!(matches!(kind, SendErrorKind::TooManyFdsInFlight { count: 8 }), "{kind:?}");
        drop(limit);
        let refused = near.take_refused().expect("what is before it has left");
        assert_eq!((refused.bytes, refused.fds.len()), (bytes_of(b"eight", 8).into(), 8));
    });
}

#[test]
fn a_partly_sent_megabyte_leaves_when_another_task_has_read() {
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
fn frames_that_leave_together_share_calls_as_far_as_their_descriptors_fit() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let policy = WritePolicy { placement: Placement::Together, ..WritePolicy::default() };
        let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
        let policy = ReadPolicy { attribution: Attribution::Fifo, ..ReadPolicy::default() };
        let mut far = Framed::with_policies(far, Texts, policy, WritePolicy::default());
        for _ in 0..3 {
            near.feed(text("many", 100)).await.unwrap();
        }
        near.flush().await.unwrap();
        for _ in 0..3 {
            assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 100);
        }
    });
}
