//! A framed stream split into halves, and made whole again.

use super::framed::Framed;
use super::framed_read::FramedRead;
use super::framed_write::FramedWrite;
use crate::error::reunite_error::ReuniteError;

impl<const S: usize, C> Framed<S, C> {
    /// Splits into two halves that can be in two tasks, with a codec each.
    pub fn into_split(self) -> (FramedRead<S, C>, FramedWrite<S, C>)
    where
        C: Clone,
    {
        let Framed { stream, codec, read, write } = self;
        let (read_half, write_half) = stream.into_split();
        let write = FramedWrite { half: write_half, codec: codec.clone(), write };
        (FramedRead { half: read_half, codec, read }, write)
    }
}

impl<const S: usize, C> FramedRead<S, C> {
    /// Joins the two halves of one framed stream again, with the codec of this half.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] with both halves, if they are not of one stream.
    #[expect(clippy::result_large_err, reason = "what is returned otherwise is as large")]
    pub fn reunite<D>(
        self,
        write: FramedWrite<S, D>,
    ) -> Result<Framed<S, C>, ReuniteError<FramedRead<S, C>, FramedWrite<S, D>>> {
        match self.half.reunite(write.half) {
            Ok(stream) => {
                let (codec, read, write) = (self.codec, self.read, write.write);
                Ok(Framed { stream, codec, read, write })
            }
            Err(ReuniteError(read_half, write_half)) => Err(ReuniteError(
                FramedRead { half: read_half, ..self },
                FramedWrite { half: write_half, ..write },
            )),
        }
    }
}
