//! Sending a frame and waiting for it, for the async methods of framed streams.
//!
//! [`Outbound`] cannot keep descriptors that a frame borrows: they live as long as the frame, which
//! the future owns. So frames that wait are sent first. The bytes of the frame are removed again if
//! the future is dropped before the `sendmsg` that carries its descriptors.

use std::future::poll_fn;
use std::io::IoSlice;

use super::encoder::Encoder;
use super::flush_error::FlushError;
use super::memory_charge::UNCHARGED;
use super::outbound::Outbound;
use super::send_error::{SendError, SendErrorKind};
use super::write_state::{WriteState, flush_error};
use crate::error::transfer_error::TransferError;
use crate::send::Sender;
use crate::socket::Socket;

/// The slices of an encoded frame: bytes in the buffer, and a payload.
const SLICES: usize = 2;

type SendResult<I, E> = Result<(), SendError<I, SendErrorKind<<E as Encoder<I>>::Error>>>;

impl WriteState {
    /// Waits until there is room, and adds a frame to the buffer.
    #[inline]
    pub(crate) async fn feed<I, E: Encoder<I>>(
        &mut self,
        encoder: &mut E,
        frame: I,
        (socket, sender): (&Socket, &mut Sender),
    ) -> SendResult<I, E> {
        match poll_fn(|cx| self.poll_ready((socket, &mut *sender), cx)).await {
            Ok(()) => self.start_send(encoder, frame, sender),
            Err(error) => Err(unsent(frame, error)),
        }
    }

    /// Sends the frames that wait, and then a frame.
    #[inline]
    pub(crate) async fn send<I, E: Encoder<I>>(
        &mut self,
        encoder: &mut E,
        frame: I,
        (socket, sender): (&Socket, &mut Sender),
    ) -> SendResult<I, E> {
        let borrowed = encoder.borrowed_fds(&frame).count();
        if borrowed == 0 {
            self.feed(encoder, frame, (socket, &mut *sender)).await?;
        } else {
            self.send_borrowed(encoder, frame, borrowed, (socket, &mut *sender)).await?;
        }
        poll_fn(|cx| self.poll_flush((socket, &mut *sender), cx)).await.map_err(flush_error)
    }

    /// Sends the frames that wait.
    pub(crate) async fn flush(
        &mut self,
        (socket, sender): (&Socket, &mut Sender),
    ) -> Result<(), FlushError> {
        Ok(poll_fn(|cx| self.poll_flush((socket, &mut *sender), cx)).await?)
    }

    /// Sends the frames that wait, and shuts the write side down.
    pub(crate) async fn close(
        &mut self,
        (socket, sender): (&Socket, &mut Sender),
    ) -> Result<(), FlushError> {
        Ok(poll_fn(|cx| self.poll_close((socket, &mut *sender), cx)).await?)
    }

    /// Sends the frames that wait, and then the first bytes of a frame with the `borrowed` descriptors
    /// that it borrows. The rest of its bytes is in the buffer then.
    async fn send_borrowed<I, E: Encoder<I>>(
        &mut self,
        encoder: &mut E,
        mut frame: I,
        borrowed: usize,
        (socket, sender): (&Socket, &mut Sender),
    ) -> SendResult<I, E> {
        let owned = encoder.fds(&mut frame).map_or(0, |fds| fds.len());
        if owned > 0 {
            let kind = SendErrorKind::OwnedAndBorrowedFds { owned, borrowed };
            return Err(SendError { unsent: Some(frame), kind });
        }
        if let Err(error) = sender.check_borrowed(borrowed) {
            return Err(unsent(frame, error.into()));
        }
        if let Err(error) = poll_fn(|cx| self.poll_flush((socket, &mut *sender), cx)).await {
            return Err(unsent(frame, error));
        }

        let encoded = Encoded { outbound: &mut self.outbound, is_sent: false };
        let length = match encoded.outbound.encode_borrowed(encoder, &frame, borrowed) {
            Ok(length) => length,
            Err(kind) => {
                drop(encoded);
                return Err(SendError { unsent: Some(frame), kind });
            }
        };
        let sent = {
            // By `&mut`, so that the future needs the frame to be `Send` but not `Sync`.
            let frame = &mut frame;
            let outbound = &*encoded.outbound;
            poll_fn(move |cx| {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = outbound.slices(length, &mut slices);
                sender.poll_send_borrowed(socket, cx, &slices[..count], encoder.borrowed_fds(frame))
            })
            .await
        };
        match sent {
            Ok(bytes) => {
                encoded.sent(length, bytes);
                Ok(())
            }
            Err(error) => {
                drop(encoded);
                Err(unsent(frame, error))
            }
        }
    }
}

/// The bytes of a frame that borrows descriptors, in an otherwise empty buffer. Dropping this before
/// any of them was sent removes them.
struct Encoded<'a> {
    outbound: &'a mut Outbound,
    is_sent: bool,
}

impl Encoded<'_> {
    fn sent(mut self, length: usize, bytes: usize) {
        self.is_sent = true;
        self.outbound.sent_borrowed(length, bytes);
    }
}

impl Drop for Encoded<'_> {
    fn drop(&mut self) {
        if !self.is_sent {
            self.outbound.discard_borrowed();
            self.outbound.release_memory(UNCHARGED);
        }
    }
}

/// Returns a frame that was not accepted.
fn unsent<I, E>(frame: I, error: TransferError) -> SendError<I, SendErrorKind<E>> {
    SendError { unsent: Some(frame), kind: error.into() }
}
