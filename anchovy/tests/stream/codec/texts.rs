//! A codec whose frames are texts with descriptors.

use std::io;
use std::os::fd::OwnedFd;

use anchovy::codec::{Decoder, Encoder, Framed, ReceiveError, ReceivedFds};
use anchovy::{DBUS_SCM_RIGHTS, Truncation};
use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::harness::*;

/// Four bytes of length, a byte that says how many descriptors, and a payload.
#[derive(Clone, Debug)]
pub(crate) struct Texts;

#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) payload: Bytes,
    pub(crate) fds: Vec<OwnedFd>,
    /// The cause, if the kernel truncated its descriptors.
    pub(crate) cut: Option<Truncation>,
}

pub(crate) const HEADER: usize = 5;

pub(crate) fn text(payload: impl Into<Bytes>, fds: usize) -> Text {
    Text { payload: payload.into(), fds: memfds(fds), cut: None }
}

impl Decoder for Texts {
    type Item = Text;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Text>, ReceiveError<io::Error>> {
        let Some((mut header, _)) = bytes.split_at_checked(HEADER) else { return Ok(None) };
        let length = HEADER + header.get_u32() as usize;
        let count = header.get_u8().into();
        if bytes.len() < length {
            return Ok(None);
        }
        let cut = fds.truncation(length);
        let fds = if cut.is_some() { Vec::new() } else { fds.take(length, count)?.into_vec() };
        let mut payload = bytes.split_to(length).freeze();
        payload.advance(HEADER);
        Ok(Some(Text { payload, fds, cut }))
    }
}

impl Encoder<Text> for Texts {
    type Error = io::Error;

    fn encode(&mut self, item: &Text, bytes: &mut BytesMut) -> io::Result<()> {
        if item.payload == "nothing at all" {
            return Ok(());
        }
        bytes.put_u32(item.payload.len() as u32);
        bytes.put_u8(item.fds.len() as u8);
        if item.payload == "too much" {
            return Err(io::Error::other("the encoder refuses it half way"));
        }
        Ok(())
    }

    fn fds<'a>(&mut self, item: &'a mut Text) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut item.fds)
    }

    fn payload(&mut self, item: &Text) -> Bytes {
        if item.payload == "nothing at all" { Bytes::new() } else { item.payload.clone() }
    }
}

pub(crate) type Texting = Framed<DBUS_SCM_RIGHTS, Texts>;

pub(crate) fn pair() -> (Texting, Texting) {
    let (near, far) = Dbus::pair().unwrap();
    (Framed::new(near, Texts), Framed::new(far, Texts))
}
