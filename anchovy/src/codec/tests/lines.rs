// The codec of the documentation's examples, which include this file: lines of text, each with a first
// digit that is its number of descriptors.

use std::io;
use std::os::fd::OwnedFd;

use anchovy::codec::{Decoder, Encoder, ReceiveError, ReceivedFds};
use bytes::{BufMut, BytesMut};

#[derive(Clone, Debug)]
struct Lines;

type Line = (String, Vec<OwnedFd>);

impl Decoder for Lines {
    type Item = Line;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Line>, ReceiveError<io::Error>> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let count = line.chars().next().and_then(|digit| digit.to_digit(10));
        let invalid = || ReceiveError::Codec(io::ErrorKind::InvalidData.into());
        let count = count.ok_or_else(invalid)? as usize;
        let fds = fds.take(end + 1, count)?.into_vec();
        drop(bytes.split_to(end + 1));
        Ok(Some((line[1..].to_owned(), fds)))
    }
}

impl Encoder<Line> for Lines {
    type Error = io::Error;

    fn encode(&mut self, (text, fds): &Line, bytes: &mut BytesMut) -> io::Result<()> {
        bytes.put_slice(format!("{}{text}\n", fds.len()).as_bytes());
        Ok(())
    }

    fn fds<'a>(&mut self, line: &'a mut Line) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut line.1)
    }
}
