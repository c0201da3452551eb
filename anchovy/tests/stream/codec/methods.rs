//! The async methods of framed streams and their halves, beside those of futures-util.

use std::cell::Cell;
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;

use anchovy::codec::{FramedRead, FramedWrite};
use futures_util::{SinkExt, StreamExt};

use super::*;

/// Sends numbers and words, which have no descriptors, each with its own error. Receives bytes.
#[derive(Debug)]
struct Two;

#[derive(Debug)]
struct TooLarge;

impl Encoder<u8> for Two {
    type Error = TooLarge;

    fn encode(&mut self, number: &u8, bytes: &mut BytesMut) -> Result<(), TooLarge> {
        if *number > 9 {
            return Err(TooLarge);
        }
        bytes.put_u8(b'0' + number);
        Ok(())
    }
}

impl Encoder<&'static str> for Two {
    type Error = Infallible;

    fn encode(&mut self, word: &&'static str, bytes: &mut BytesMut) -> Result<(), Infallible> {
        bytes.put_slice(word.as_bytes());
        Ok(())
    }
}

impl Decoder for Two {
    type Item = u8;
    type Error = Infallible;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        _: &mut ReceivedFds<'_>,
    ) -> Result<Option<u8>, ReceiveError<Infallible>> {
        Ok((!bytes.is_empty()).then(|| bytes.get_u8()))
    }
}

#[test]
fn a_codec_of_two_frame_types_needs_no_type_annotations() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let mut near = Framed::new(near, Two);
        near.feed(1).await.unwrap();
        near.feed("two").await.unwrap();
        near.flush().await.unwrap();
        near.send(3).await.unwrap();
        near.send("four").await.unwrap();

        let (mut read, mut write) = near.into_split_with(|Two| (Two, Two));
        write.feed(5).await.unwrap();
        write.feed("six").await.unwrap();
        write.flush().await.unwrap();
        write.send("seven").await.unwrap();
        write.send(8).await.unwrap();
        write.close().await.unwrap();

        let mut far = Framed::new(far, Two);
        let mut received = Vec::new();
        while let Some(byte) = far.next().await {
            received.push(byte.unwrap());
        }
        assert_eq!(received, b"1two3four5sixseven8");
        far.close().await.unwrap();
        assert!(read.next().await.is_none());
    });
}

#[test]
fn a_refused_frame_has_the_error_of_its_own_type() {
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let mut near = Framed::new(near, Two);
        let SendError { unsent, kind } = near.send(10).await.unwrap_err();
        assert_eq!(unsent, Some(10));
        assert!(matches!(kind, SendErrorKind::Codec(TooLarge)), "{kind:?}");
        near.send("a word").await.unwrap();
        assert_eq!(far.recv(&mut [0; 64]).await.unwrap().bytes, 6);
    });
}

#[test]
fn the_traits_of_futures_util_do_the_same_as_the_methods() {
    run(async {
        let (mut near, mut far) = pair();
        SinkExt::feed(&mut near, text("fed", 1)).await.unwrap();
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        SinkExt::send(&mut near, text("sent", 2)).await.unwrap();
        SinkExt::<Text>::close(&mut near).await.unwrap();
        for (payload, fds) in [("fed", 1), ("sent", 2)] {
            let item = StreamExt::next(&mut far).await.unwrap().unwrap();
            assert_eq!((&item.payload[..], item.fds.len()), (payload.as_bytes(), fds));
        }
        assert!(StreamExt::next(&mut far).await.is_none());

        let (mut read, _write) = near.into_split();
        let (_read, mut write) = far.into_split();
        SinkExt::feed(&mut write, text("fed", 1)).await.unwrap();
        SinkExt::<Text>::flush(&mut write).await.unwrap();
        SinkExt::send(&mut write, text("sent", 2)).await.unwrap();
        SinkExt::<Text>::close(&mut write).await.unwrap();
        for fds in [1, 2] {
            assert_eq!(StreamExt::next(&mut read).await.unwrap().unwrap().fds.len(), fds);
        }
        assert!(StreamExt::next(&mut read).await.is_none());
    });
}

#[test]
fn a_flush_through_the_sink_sends_what_waits() {
    run(async {
        let (mut near, _far) = pair();
        near.feed(text("waits", 1)).await.unwrap();
        SinkExt::<Text>::flush(&mut near).await.unwrap();
        assert_eq!((near.unsent_bytes(), near.unsent_fds()), (0, 0));

        let (_read, mut write) = near.into_split();
        write.feed(text("waits", 1)).await.unwrap();
        SinkExt::<Text>::flush(&mut write).await.unwrap();
        assert_eq!((write.unsent_bytes(), write.unsent_fds()), (0, 0));
    });
}

#[test]
fn a_sink_whose_buffer_is_full_is_not_ready() {
    run(async {
        let (mut near, _far) = full().await;
        let ready = now(poll_fn(|cx| Sink::<Text>::poll_ready(Pin::new(&mut near), cx))).await;
        assert!(ready.is_none(), "there is no room");

        let (_read, mut write) = near.into_split();
        let ready = now(poll_fn(|cx| Sink::<Text>::poll_ready(Pin::new(&mut write), cx))).await;
        assert!(ready.is_none(), "there is no room");
    });
}

#[test]
fn a_canceled_receive_loses_nothing() {
    run(async {
        let (mut near, far) = receiver(ReadPolicy::default());
        let bytes = bytes_of(b"in two parts", 2);
        let _pipes = send_pipes(&far, &bytes[..6], 2);
        drive_io().await;
        assert!(now(near.next()).await.is_none(), "the frame is incomplete");
        foreign_send(&far, &bytes[6..], &[]).unwrap();
        let item = near.next().await.unwrap().unwrap();
        assert_eq!((&item.payload[..], item.fds.len()), (&b"in two parts"[..], 2));
    });
}

/// A framed stream whose socket and buffer are full, and its peer.
async fn full() -> (Texting, Dbus) {
    let (near, far) = Dbus::pair().unwrap();
    rustix::net::sockopt::set_socket_send_buffer_size(&near, 4096).unwrap();
    let policy = WritePolicy { max_buffered_bytes: 1, ..WritePolicy::default() };
    let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
    drive_io().await;
    assert!(now(near.send(text(vec![7; 256 << 10], 1))).await.is_none(), "it does not fit");
    assert!(near.unsent_bytes() > 0);
    (near, far)
}

/// Receives frames until one has this payload, and returns it.
async fn find(far: &mut Texting, payload: &str) -> Text {
    loop {
        let item = far.next().await.expect("a frame").unwrap();
        if item.payload == payload {
            return item;
        }
    }
}

#[test]
fn a_canceled_send_that_waited_for_room_sends_nothing_of_its_frame() {
    run(async {
        let (mut near, far) = full().await;
        let (reader, writer) = pipe_of_two();
        let frame = Text { payload: "canceled".into(), fds: vec![writer], cut: None };
        assert!(now(near.send(frame)).await.is_none(), "there is no room");
        assert!(is_abandoned(&reader), "the frame is dropped");

        let mut far = Framed::new(far, Texts);
        let (sent, first) = tokio::join!(near.send(text("after", 0)), far.next());
        sent.unwrap();
        assert_eq!(first.unwrap().unwrap().fds.len(), 1);
        assert_eq!(far.next().await.unwrap().unwrap().payload, "after");
    });
}

#[test]
fn a_canceled_send_whose_frame_is_in_the_buffer_is_finished_by_a_flush() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&near, 4096).unwrap();
        let mut near = Framed::new(near, Texts);
        drive_io().await;
        let frame = text(vec![7; 256 << 10], 1);
        let expected = identities(&frame.fds);
        assert!(now(near.send(frame)).await.is_none(), "it does not fit");
        let mut far = Framed::new(far, Texts);
        let (flushed, item) = tokio::join!(near.flush(), far.next());
        flushed.unwrap();
        let item = item.unwrap().unwrap();
        assert_eq!((item.payload.len(), identities(&item.fds)), (256 << 10, expected));
    });
}

#[test]
fn a_canceled_close_is_finished_by_another() {
    run(async {
        let (mut near, far) = full().await;
        assert!(now(near.close()).await.is_none(), "the socket is full");
        let mut far = Framed::new(far, Texts);
        let close = async {
            near.close().await.unwrap();
            near
        };
        let (_near, item) = tokio::join!(close, far.next());
        assert_eq!(item.unwrap().unwrap().fds.len(), 1);
        assert!(far.next().await.is_none());
    });
}

#[test]
fn a_frame_after_one_that_cannot_leave_is_returned_whole() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        if far.set_fd_passing(false).is_err() {
            assert!(!kernel_is_at_least(6, 16));
            return;
        }
        let policy = WritePolicy { max_buffered_bytes: 1, ..WritePolicy::default() };
        let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), policy);
        near.feed(text("refused", 2)).await.unwrap();
        let frame = text("after it", 1);
        let expected = identities(&frame.fds);
        let SendError { unsent, kind } = near.send(frame).await.unwrap_err();
        assert!(matches!(kind, SendErrorKind::FdsRefusedByPeer { count: 2 }), "{kind:?}");
        let unsent = unsent.expect("it was not accepted");
        assert_eq!((&unsent.payload[..], identities(&unsent.fds)), (&b"after it"[..], expected));
        assert_eq!(near.take_refused().expect("its descriptors are the cause").fds.len(), 2);

        far.set_fd_passing(true).unwrap();
        near.send(unsent).await.unwrap();
        let mut far = Framed::new(far, Texts);
        assert_eq!(find(&mut far, "after it").await.fds.len(), 1);
    });
}

#[test]
fn closing_with_descriptors_in_the_write_queue_of_the_stream_fails() {
    run(async {
        let (mut near, mut far) = pair();
        near.feed(text("before", 0)).await.unwrap();
        near.flush().await.unwrap();
        near.get_mut().write_queue_mut().extend(memfds(2));
        let error = near.close().await.unwrap_err();
        assert!(matches!(error, FlushError::FdsWithoutBytes { count: 2 }), "{error:?}");
        let error = near.send(text("a frame", 0)).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::WriteQueueNotEmpty { queued: 2 }), "{error:?}");
        let error = near.flush().await.unwrap_err();
        assert!(matches!(error, FlushError::WriteQueueNotEmpty { queued: 2 }), "{error:?}");

        near.get_mut().write_queue_mut().clear();
        near.close().await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().payload, "before");
        assert_eq!(far.next().await.unwrap().unwrap().payload, "a frame");
        assert!(far.next().await.is_none());
    });
}

#[test]
fn a_flush_after_the_limit_was_lowered_fails_and_keeps_the_frame() {
    run(async {
        let (mut near, mut far) = pair();
        near.feed(text("three", 3)).await.unwrap();
        near.get_mut().set_write_fd_limit(2).unwrap();
        let error = near.flush().await.unwrap_err();
        assert!(matches!(error, FlushError::TooManyFds { count: 3, limit: 2 }), "{error:?}");
        near.get_mut().set_write_fd_limit(3).unwrap();
        near.flush().await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap().fds.len(), 3);
    });
}

#[test]
fn a_flush_to_a_closed_peer_returns_the_error_of_the_socket() {
    run(async {
        let (mut near, far) = pair();
        drop(far);
        near.feed(text("for nobody", 1)).await.unwrap();
        let error = near.flush().await.unwrap_err();
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::BrokenPipe);
        let error = SendErrorKind::<Infallible>::from(near.close().await.unwrap_err());
        assert_eq!(error.source().expect("the socket's").to_string(), "Broken pipe (os error 32)");
    });
}

#[test]
fn futures_of_the_methods_can_be_sent_with_frames_that_are_not_shared() {
    /// Is `Send`, and not `Sync`.
    struct Counted(Cell<u8>);

    impl Encoder<Counted> for Two {
        type Error = Infallible;

        fn encode(&mut self, frame: &Counted, bytes: &mut BytesMut) -> Result<(), Infallible> {
            bytes.put_u8(frame.0.get());
            Ok(())
        }
    }

    fn is_send<T: Send>(_: &T) {}
    run(async {
        let (near, _far) = Dbus::pair().unwrap();
        let mut near = Framed::new(near, Two);
        is_send(&near.feed(Counted(Cell::new(1))));
        is_send(&near.send(Counted(Cell::new(1))));
        is_send(&near.flush());
        is_send(&near.close());
        is_send(&near.next());
        let (mut read, mut write): (FramedRead<_, _>, FramedWrite<_, _>) =
            near.into_split_with(|Two| (Two, Two));
        is_send(&write.send(Counted(Cell::new(1))));
        is_send(&read.next());
    });
}
