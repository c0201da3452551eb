//! Allocations of codecs for tokio-util with descriptors, beyond those of the codec.

use std::io;

use anchovy::codec::{Framed, WithFds};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio_util::codec::{self, Decoder, Encoder, LengthDelimitedCodec};

use super::codec::{FRAMES, allocations, count};
use super::*;

/// Items of eight bytes, which allocate nothing.
struct Eights;

impl Decoder for Eights {
    type Item = u64;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<u64>> {
        Ok(bytes.try_get_u64().ok())
    }
}

impl Encoder<u64> for Eights {
    type Error = io::Error;

    fn encode(&mut self, item: u64, bytes: &mut BytesMut) -> io::Result<()> {
        bytes.put_u64(item);
        Ok(())
    }
}

fn framed(stream: Stream) -> Framed<DBUS_SCM_RIGHTS, WithFds<Eights>> {
    WithFds::framed(stream, Eights)
}

#[test]
fn items_without_descriptors_allocate_nothing() {
    assert_eq!(allocations(framed, || (7, Vec::new())), 0);
}

#[test]
fn items_with_descriptors_allocate_only_their_list() {
    assert_eq!(allocations(framed, || (7, nulls(1))), FRAMES);
    assert_eq!(allocations(framed, || (7, nulls(3))), FRAMES);
}

#[test]
fn an_item_that_borrows_its_descriptors_allocates_nothing() {
    for fds in [1, 28, 253] {
        let (mut buf, fds) = ([0; 256], nulls(fds));
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_io().build().expect("a runtime");
        let (near, mut far) = runtime.block_on(async { Stream::pair().expect("a pair") });
        let mut near = framed(near);
        let counted = count(&runtime, async || {
            near.send((7, &fds[..])).await.unwrap();
            assert_eq!(far.recv(&mut buf).await.unwrap().fds, fds.len());
            far.read_queue_mut().clear();
        });
        assert_eq!(counted, 0, "{} descriptors", fds.len());
    }
}

#[test]
fn items_of_a_length_delimited_codec_allocate_no_more_than_with_tokio_util() {
    let item = Bytes::from_static(b"an item without descriptors");
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().build().expect("a runtime");

    let (near, far) = runtime.block_on(async { tokio::net::UnixStream::pair().expect("a pair") });
    let mut near = codec::Framed::new(near, LengthDelimitedCodec::new());
    let mut far = codec::Framed::new(far, LengthDelimitedCodec::new());
    let theirs = count(&runtime, async || {
        for _ in 0..64 {
            near.feed(item.clone()).await.unwrap();
        }
        SinkExt::<Bytes>::flush(&mut near).await.unwrap();
        for _ in 0..64 {
            far.next().await.unwrap().unwrap();
        }
    });

    let (near, far) = runtime.block_on(async { Stream::pair().expect("a pair") });
    let mut near = WithFds::framed(near, LengthDelimitedCodec::new());
    let mut far = WithFds::framed(far, LengthDelimitedCodec::new());
    let ours = count(&runtime, async || {
        for _ in 0..64 {
            near.feed((item.clone(), Vec::new())).await.unwrap();
        }
        near.flush().await.unwrap();
        for _ in 0..64 {
            far.next().await.unwrap().unwrap();
        }
    });
    assert!(ours <= theirs, "{ours} and {theirs} allocations");
}
