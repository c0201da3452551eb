//! A codec of short texts with descriptors.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rustix::fs::{MemfdFlags, fstat, memfd_create};

use crate::codec::decoder::Decoder;
use crate::codec::encoder::Encoder;
use crate::codec::receive_error::ReceiveError;
use crate::codec::received_fds::ReceivedFds;

/// Two bytes of length, a byte that says how many descriptors, and a payload.
pub(super) struct Texts;

#[derive(Debug)]
pub(super) struct Text {
    pub(super) payload: Bytes,
    pub(super) fds: Vec<OwnedFd>,
}

pub(super) const HEADER: usize = 3;

/// The codecs find no errors of their own.
pub(super) type Error = ReceiveError<Infallible>;

impl Decoder for Texts {
    type Item = Text;
    type Error = Infallible;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Text>, Error> {
        let &[high, low, count, ..] = &bytes[..] else { return Ok(None) };
        let length = HEADER + usize::from(u16::from_be_bytes([high, low]));
        if bytes.len() < length {
            return Ok(None);
        }
        let fds = fds.take(length, count.into())?.into_vec();
        let mut payload = bytes.split_to(length).freeze();
        payload.advance(HEADER);
        Ok(Some(Text { payload, fds }))
    }
}

impl Encoder<Text> for Texts {
    type Error = Infallible;

    fn encode(&mut self, item: &Text, bytes: &mut BytesMut) -> Result<(), Infallible> {
        bytes.put_u16(item.payload.len() as u16);
        bytes.put_u8(item.fds.len() as u8);
        Ok(())
    }

    fn fds<'a>(&mut self, item: &'a mut Text) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut item.fds)
    }

    fn payload(&mut self, item: &Text) -> Bytes {
        item.payload.clone()
    }
}

pub(super) fn memfd() -> OwnedFd {
    memfd_create("anchovy", MemfdFlags::CLOEXEC).expect("a memfd")
}

pub(super) fn text(payload: &'static str, fds: usize) -> Text {
    Text { payload: Bytes::from(payload), fds: (0..fds).map(|_| memfd()).collect() }
}

/// A frame for comparison: its payload, and the inodes of its descriptors.
pub(super) type Known = (Bytes, Vec<u64>);

pub(super) fn known(text: &Text) -> Known {
    let inode = |fd: &OwnedFd| fstat(fd.as_fd()).expect("an open descriptor").st_ino;
    (text.payload.clone(), text.fds.iter().map(inode).collect())
}

/// Returns the bytes of a frame that declares this number of descriptors.
pub(super) fn bytes_of(payload: &str, declared: u8) -> Vec<u8> {
    let mut bytes = vec![0, payload.len() as u8, declared];
    bytes.extend_from_slice(payload.as_bytes());
    bytes
}
