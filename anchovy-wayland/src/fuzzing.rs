//! Access to the framing without a socket, for the fuzz targets in `fuzz/` of the repository. Compiled
//! with `--cfg fuzzing` only, and no part of the public API.

use anchovy::codec::{Decoder, Encoder};

use crate::codec::Codec;
use crate::limits::Limits;
use crate::signatures::Signatures;
use crate::wire::message::Message;
use crate::wire::wire_error::WireError;

/// Returns the decoder and encoder of a connection.
pub fn codec(
    signatures: impl Signatures,
    limits: &Limits,
) -> impl Decoder<Item = Message, Error = WireError> + Encoder<Message, Error = WireError> {
    Codec::new(signatures, limits)
}
