//! Codecs that were written for tokio-util, with descriptors.

use anchovy::UnixStream;
use anchovy::codec::WithFds;
use tokio_util::codec::{self, BytesCodec, LengthDelimitedCodec, LinesCodec};
use unsigned_varint::codec::UviBytes;

use super::*;

type WithLengths = Framed<DBUS_SCM_RIGHTS, WithFds<LengthDelimitedCodec>>;

fn receiver() -> (WithLengths, StdUnixStream) {
    let (near, far) = with_foreign();
    (WithFds::framed(near, LengthDelimitedCodec::new()), far)
}

/// The bytes of an item with four bytes of length.
fn delimited(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_be_bytes()[..], payload].concat()
}

/// Sends 300 items of `item`, every third of which has descriptors, and receives them at the same
/// time. `payload` returns the bytes of what was received.
async fn items_keep_their_descriptors<C, T, R>(
    codec: impl Fn() -> C,
    item: impl Fn(usize) -> T,
    payload: impl Fn(R) -> Vec<u8>,
) where
    C: codec::Decoder<Item = R> + codec::Encoder<T>,
    <C as codec::Decoder>::Error: std::fmt::Debug,
    <C as codec::Encoder<T>>::Error: std::fmt::Debug,
    T: Clone + std::fmt::Debug + AsRef<[u8]>,
{
    let (near, far) = Dbus::pair().unwrap();
    let (mut near, mut far) = (WithFds::framed(near, codec()), WithFds::framed(far, codec()));
    let send = async {
        let mut sent = Vec::new();
        for number in 0..300 {
            let item = item(number);
            let fds = memfds(if number % 3 == 0 { 1 + number % 5 } else { 0 });
            sent.push((item.as_ref().to_vec(), identities(&fds)));
            far.feed((item, fds)).await.unwrap();
        }
        far.flush().await.unwrap();
        sent
    };
    let receive = async {
        let mut received = Vec::new();
        while received.len() < 300 {
            let (item, fds) = near.next().await.unwrap().unwrap();
            received.push((payload(item), identities(fds)));
        }
        received
    };
    let (sent, received) = tokio::join!(send, receive);
    assert!(sent == received);
    assert_eq!((near.waiting_fds(), near.unclaimed_fds()), (0, 0));
}

/// Items of all lengths up to a few dozen bytes, and some that fill more than a read.
fn bytes(number: usize) -> Bytes {
    let length = if number % 50 == 49 { 40_000 } else { number % 40 };
    vec![b'x'; length].into()
}

#[test]
fn items_of_a_length_delimited_codec_keep_their_descriptors() {
    run(items_keep_their_descriptors(LengthDelimitedCodec::new, bytes, |item| item.to_vec()));
}

#[test]
fn items_of_a_lines_codec_keep_their_descriptors() {
    let line = |number| String::from_utf8(bytes(number).to_vec()).unwrap();
    run(items_keep_their_descriptors(LinesCodec::new, line, String::into_bytes));
}

#[test]
fn items_of_a_codec_of_another_crate_keep_their_descriptors() {
    run(items_keep_their_descriptors(UviBytes::<Bytes>::default, bytes, |item| item.to_vec()));
}

#[test]
fn descriptors_that_arrive_with_the_header_wait_for_the_rest_of_the_item() {
    run(async {
        // The codec removes the header before the rest of the item has arrived.
        let item = delimited(b"in parts");
        for cut in 1..item.len() {
            let (mut near, far) = receiver();
            foreign_send(&far, &delimited(b"before"), &[]).unwrap();
            let pipes = send_pipes(&far, &item[..cut], 2);
            let (before, fds) = near.next().await.unwrap().unwrap();
            assert_eq!((&before[..], fds.len()), (&b"before"[..], 0));
            assert!(now(near.next()).await.is_none());
            foreign_send(&far, &[&item[cut..], &delimited(b"after")].concat(), &[]).unwrap();
            let (item, fds) = near.next().await.unwrap().unwrap();
            assert_eq!((&item[..], fds.len()), (&b"in parts"[..], 2));
            drop(fds);
            assert!(pipes.iter().all(is_abandoned));
            assert_eq!(near.next().await.unwrap().unwrap().1.len(), 0);
        }
    });
}

#[test]
fn the_last_line_has_its_descriptors_even_without_a_line_feed() {
    run(async {
        let (near, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let mut near = WithFds::framed(near, LinesCodec::new());
        foreign_send(&far, b"first\n", &[]).unwrap();
        let pipes = send_pipes(&far, b"last", 1);
        drop(far);
        assert_eq!(near.next().await.unwrap().unwrap().1.len(), 0);
        let (line, fds) = near.next().await.unwrap().unwrap();
        assert_eq!((&line[..], fds.len()), ("last", 1));
        drop(fds);
        assert!(pipes.iter().all(is_abandoned));
        assert!(near.next().await.is_none());
    });
}

#[test]
fn an_item_that_does_not_end_is_an_error_and_its_descriptors_close() {
    run(async {
        let (mut near, far) = receiver();
        let pipes = send_pipes(&far, &delimited(b"cut off")[..6], 1);
        drop(far);
        let error = near.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::Codec(_)), "{error:?}");
        assert!(pipes.iter().all(is_abandoned));
        assert!(near.next().await.is_none());
    });
}

#[test]
fn an_error_of_the_codec_ends_the_stream_and_closes_descriptors() {
    run(async {
        let (mut near, far) = receiver();
        near.codec_mut().get_mut().set_max_frame_length(5);
        let pipes = send_pipes(&far, &delimited(b"too long"), 1);
        let error = near.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::Codec(_)), "{error:?}");
        assert!(pipes.iter().all(is_abandoned));
        assert!(near.next().await.is_none());
    });
}

#[test]
fn an_item_that_the_codec_refuses_returns_with_its_descriptors() {
    run(async {
        let (mut near, far) = receiver();
        near.codec_mut().get_mut().set_max_frame_length(5);
        let fds = memfds(2);
        let expected = identities(&fds);
        let error = near.send((Bytes::from("too long"), fds)).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Codec(_)), "{error:?}");
        let (item, fds) = error.unsent.unwrap();
        assert_eq!((&item[..], identities(fds)), (&b"too long"[..], expected));

        near.send((Bytes::from("short"), vec![])).await.unwrap();
        let (received, fds, _) = foreign_receive(&far, 100);
        assert_eq!((received, fds.len()), (delimited(b"short"), 0));
    });
}

#[test]
fn an_item_without_bytes_cannot_have_descriptors() {
    run(async {
        let (near, _far) = Dbus::pair().unwrap();
        let mut near = WithFds::framed(near, BytesCodec::new());
        let error = near.send((Bytes::new(), memfds(2))).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::FdsWithoutBytes { count: 2 }), "{error:?}");
        assert_eq!(error.unsent.unwrap().1.len(), 2);
    });
}

#[test]
fn descriptors_that_an_item_lends_stay_open() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let mut near = WithFds::framed(near, LinesCodec::new());
        let mut far = WithFds::framed(far, LinesCodec::new());
        let fds = memfds(2);
        near.feed(("owns none", vec![])).await.unwrap();
        near.send(("lends two", &fds[..])).await.unwrap();
        let error = near.feed(("cannot wait", &fds[..])).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::BorrowedFds { count: 2 }), "{error:?}");
        assert_eq!(far.next().await.unwrap().unwrap().1.len(), 0);
        let (line, received) = far.next().await.unwrap().unwrap();
        assert_eq!((&line[..], identities(received)), ("lends two", identities(&fds)));
    });
}

#[test]
fn the_constructors_set_attribution_and_placement_and_keep_the_limits() {
    run(async {
        let (near, _far) = Dbus::pair().unwrap();
        let read = ReadPolicy { max_frame_bytes: 77, ..ReadPolicy::default() };
        let write = WritePolicy {
            placement: Placement::Together,
            max_buffered_bytes: 78,
            ..WritePolicy::default()
        };
        let near = WithFds::framed_with(near, LinesCodec::new(), read.clone(), write.clone());
        let expected = ReadPolicy { attribution: Attribution::LastByte, ..read };
        assert_eq!(*near.read_policy(), expected);
        assert_eq!(*near.write_policy(), WritePolicy { placement: Placement::Alone, ..write });
    });
}

#[test]
fn items_get_descriptors_by_last_byte_whatever_the_policy() {
    run(async {
        for attribution in [Attribution::Range, Attribution::Fifo] {
            let (near, far): (UnixStream, _) = with_foreign();
            let mut parts = FramedParts::new(near, WithFds::new(LinesCodec::new()));
            parts.read_policy.attribution = attribution;
            let mut near = Framed::from_parts(parts);
            foreign_send(&far, b"plain\n", &[]).unwrap();
            let _pipes = send_pipes(&far, b"two\n", 2);
            for count in [0, 2] {
                assert_eq!(near.next().await.unwrap().unwrap().1.len(), count);
            }
            assert_eq!(near.waiting_fds(), 0);
        }
    });
}

#[test]
fn a_truncated_set_ends_the_stream_since_items_cannot_be_marked() {
    run(async {
        let (near, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let policy = ReadPolicy { survive_truncation: true, ..ReadPolicy::default() };
        let write = WritePolicy::default();
        let mut near = WithFds::framed_with(near, LinesCodec::new(), policy, write);
        foreign_send(&far, b"plain\n", &[]).unwrap();
        let pipes = send_pipes(&far, b"cut\n", 3);
        let full = FullTable::with_room_for(1);
        let first = near.next().await.unwrap();
        drop(full);
        assert_eq!(first.unwrap().1.len(), 0);
        let error = near.next().await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::Truncated { .. }), "{error:?}");
        assert!(pipes.iter().all(is_abandoned));
        assert!(near.next().await.is_none());
    });
}
