//! A framed stream split into halves, and reunited.

use super::framed::Framed;
use super::framed_read::FramedRead;
use super::framed_write::FramedWrite;
use crate::error::reunite_error::ReuniteError;

impl<const S: usize, C> Framed<S, C> {
    /// Splits the framed stream into two halves for two tasks, each with a clone of the codec.
    ///
    /// [`into_split_with`](Self::into_split_with) needs no `Clone`.
    pub fn into_split(self) -> (FramedRead<S, C>, FramedWrite<S, C>)
    where
        C: Clone,
    {
        self.into_split_with(|codec| (codec.clone(), codec))
    }

    /// Splits the framed stream into two halves for two tasks, with the codecs that `split` makes of
    /// its codec.
    ///
    /// The codec of the read half need only be a [`Decoder`](super::Decoder), and that of the write
    /// half an [`Encoder`](super::Encoder). Frames that have arrived or wait to be sent stay with their
    /// half.
    ///
    /// # Examples
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> io::Result<()> {
    /// use anchovy::UnixStream;
    /// use anchovy::codec::Framed;
    ///
    /// struct Numbered(u64);
    ///
    /// impl Encoder<String> for Numbered {
    ///     type Error = io::Error;
    ///
    ///     fn encode(&mut self, text: &String, bytes: &mut BytesMut) -> io::Result<()> {
    ///         self.0 += 1;
    ///         bytes.put_slice(format!("0{}: {text}\n", self.0).as_bytes());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let (near, far) = UnixStream::pair()?;
    /// let (read, mut write) = Framed::new(near, Lines).into_split_with(|lines| (lines, Numbered(0)));
    /// write.send("the first".to_owned()).await?;
    /// let mut far = Framed::new(far, Lines);
    /// assert_eq!(far.next().await.expect("a line")?.0, "1: the first");
    ///
    /// let near = read.reunite_with(write, |lines, _| lines).expect("halves of one stream");
    /// # let _: Framed<{ anchovy::DBUS_SCM_RIGHTS }, Lines> = near;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_split_with<R, W>(
        self,
        split: impl FnOnce(C) -> (R, W),
    ) -> (FramedRead<S, R>, FramedWrite<S, W>) {
        let Framed { stream, codec, mut read, write } = self;
        // The new decoder may decode a frame that the old one could not.
        read.may_decode = true;
        let (read_codec, write_codec) = split(codec);
        let (read_half, write_half) = stream.into_split();
        (
            FramedRead { half: read_half, codec: read_codec, read },
            FramedWrite { half: write_half, codec: write_codec, write },
        )
    }
}

impl<const S: usize, R> FramedRead<S, R> {
    /// Reunites the two halves of one framed stream, with the codec of this half.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] with both halves, if they are not of one stream.
    #[expect(clippy::result_large_err, reason = "what is returned otherwise is as large")]
    pub fn reunite<W>(
        self,
        write: FramedWrite<S, W>,
    ) -> Result<Framed<S, R>, ReuniteError<FramedRead<S, R>, FramedWrite<S, W>>> {
        self.reunite_with(write, |codec, _| codec)
    }

    /// Reunites the two halves of one framed stream, with the codec that `join` makes of their codecs.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] with both halves, if they are not of one stream. `join` is not called then.
    #[expect(clippy::result_large_err, reason = "what is returned otherwise is as large")]
    pub fn reunite_with<W, C>(
        self,
        write: FramedWrite<S, W>,
        join: impl FnOnce(R, W) -> C,
    ) -> Result<Framed<S, C>, ReuniteError<FramedRead<S, R>, FramedWrite<S, W>>> {
        match self.half.reunite(write.half) {
            Ok(stream) => {
                let codec = join(self.codec, write.codec);
                let (mut read, write) = (self.read, write.write);
                read.may_decode = true;
                Ok(Framed { stream, codec, read, write })
            }
            Err(ReuniteError(read_half, write_half)) => Err(ReuniteError(
                FramedRead { half: read_half, ..self },
                FramedWrite { half: write_half, ..write },
            )),
        }
    }
}
