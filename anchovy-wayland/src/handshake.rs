//! The first thing that a client does: it asks what there is, and waits for the end of the answer.
//!
//! The answer has no end of its own, so a `sync` is sent behind the question, and when its callback
//! is done, the answer was complete. Until then a compositor may send whatever it likes, or nothing
//! for ever; so there is a deadline, a bound on what is kept, and a place for what is not ours.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_sink::Sink;

use crate::codec::Signatures;
use crate::connection::Connection;
use crate::display::DisplayError;
use crate::error::{ReceiveError, SendError, SendErrorKind, WireError, WireFault};
use crate::ids::ClientIds;
use crate::opcodes::{wl_callback, wl_display};
use crate::registry::Registry;
use crate::wire::{Message, ObjectId};

/// The most that is kept of messages until the answer is complete, in bytes of memory.
///
/// A compositor sends some kilobytes; libwayland's server has room for 4 KiB of them by default, and
/// compositors that raise it for 1 MiB.
pub const MAX_HANDSHAKE_BYTES: usize = 1 << 20;

/// The most descriptors that are kept meanwhile, of messages to other objects: as many as libwayland
/// has room for by default.
pub const MAX_HANDSHAKE_FDS: usize = 1024;

impl<G: Signatures + Unpin> Connection<G> {
    /// Asks the compositor for its globals, and waits for all of them.
    ///
    /// `get_registry` and `sync` leave together, with two numbers that are taken from `ids`: 2 and 3
    /// on a new connection. The source of counts is asked about the events of these objects and of
    /// the display too, and has to answer 0.
    ///
    /// The events of the registry and of the callback are taken in. All others are kept for
    /// [`receive`](Connection::receive), in order; so is the `wl_display.delete_id` of the callback,
    /// which compositors send behind the answer, and which is for [`ClientIds::update`]. So the
    /// handshake does not wait for it, and the number of the callback is not given anew before.
    ///
    /// # Errors
    ///
    /// [`RegistryError`]. The connection is over after most of them; after
    /// [`Overdue`](RegistryError::Overdue) it can go on, and everything that had arrived is received
    /// again.
    ///
    /// # Panics
    ///
    /// In a runtime without tokio's timers.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped, and nothing after an error: everything that had arrived
    /// is received again, in order, the events of the registry included. If room for the two
    /// requests was there, the numbers are taken, and the requests have left or leave with the next
    /// flush.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use anchovy_wayland::{Answer, ClientIds, Connection, Globals, Limits, Registries};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (client, compositor) = tokio::net::UnixStream::pair()?;
    /// let compositor = tokio::spawn(async move {
    ///     let mut globals = Globals::new();
    ///     globals.add("wl_shm", 2).expect("a good global");
    ///     let mut client = Connection::new(compositor, |_, _| 0, &Limits::default())?;
    ///     let mut registries = Registries::new();
    ///     while let Some(request) = client.receive().await? {
    ///         if let Answer::Events(events) = registries.answer(&globals, &request)? {
    ///             for event in events {
    ///                 client.feed(event).await?;
    ///             }
    ///             client.flush().await?;
    ///         }
    ///     }
    ///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    /// });
    ///
    /// let mut connection = Connection::new(client, |_, _| 0, &Limits::default())?;
    /// let mut ids = ClientIds::new();
    /// let registry = connection.registry(&mut ids, Duration::from_secs(10)).await?;
    /// let shm = registry.find("wl_shm").expect("every compositor has it");
    /// let bind = registry.bind(shm, 1, ids.take().expect("a number"))?;
    /// connection.send(bind).await?;
    /// # drop(connection);
    /// # compositor.await?.map_err(|error| error.to_string())?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn registry(
        &mut self,
        ids: &mut ClientIds,
        timeout: Duration,
    ) -> Result<Registry, RegistryError> {
        let answer = tokio::time::timeout(timeout, self.ask(ids)).await;
        answer.unwrap_or(Err(RegistryError::Overdue { timeout }))
    }

    async fn ask(&mut self, ids: &mut ClientIds) -> Result<Registry, RegistryError> {
        let (_, write) = self.sides();
        poll_fn(|cx| Pin::new(&mut *write).poll_ready(cx)).await?;
        // No await between these: a number that is taken is sent.
        let registry = ids.take().ok_or(RegistryError::NoIds)?;
        let Some(callback) = ids.take() else {
            ids.free(registry);
            return Err(RegistryError::NoIds);
        };
        for (opcode, id) in [(wl_display::GET_REGISTRY, registry), (wl_display::SYNC, callback)] {
            let request = Message::build(ObjectId::DISPLAY, opcode).new_id(id).finish();
            Pin::new(&mut *write).start_send(request.expect("a short message"))?;
        }

        let mut answer = Handshake::new(registry, callback);
        let mut arrived = Arrived { connection: self, messages: Vec::new() };
        // A compositor that has something against us tells it and closes, and does not read.
        let mut unsent = None;
        loop {
            let message = match arrived.next(&mut unsent).await {
                Ok(Some(message)) => message,
                end => {
                    return Err(match (unsent, end) {
                        (Some(error), _) => RegistryError::Send(error),
                        (None, Err(error)) => error,
                        (None, Ok(_)) => RegistryError::Closed,
                    });
                }
            };
            let step = answer.take(&message);
            let ours = matches!(step, Ok(Step::Ours | Step::Done));
            arrived.messages.push((ours, message));
            if let Step::Done = step? {
                arrived.messages.retain(|(ours, _)| !ours);
                return Ok(answer.registry);
            }
        }
    }
}

/// The messages that have arrived; those that are left when it is dropped are received again.
struct Arrived<'a, G> {
    connection: &'a mut Connection<G>,
    /// With each, whether it is part of the answer.
    messages: Vec<(bool, Message)>,
}

impl<G: Signatures + Unpin> Arrived<'_, G> {
    /// The next message. What is to be sent is sent meanwhile: a compositor may read only what it
    /// has been read from.
    async fn next(
        &mut self,
        unsent: &mut Option<SendError>,
    ) -> Result<Option<Message>, RegistryError> {
        let (read, write) = self.connection.sides();
        poll_fn(|cx| {
            if unsent.is_none() {
                match Pin::new(&mut *write).poll_flush(cx) {
                    Poll::Ready(Err(error)) if matches!(error.kind, SendErrorKind::Io(_)) => {
                        *unsent = Some(error);
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
            }
            read.poll_message(cx).map(|next| Ok(next.transpose()?))
        })
        .await
    }
}

impl<G> Drop for Arrived<'_, G> {
    fn drop(&mut self) {
        let messages = self.messages.drain(..).map(|(_, message)| message);
        self.connection.put_back(messages);
    }
}

/// The answer, message by message.
struct Handshake {
    registry: Registry,
    callback: ObjectId,
    /// What is kept of messages.
    bytes: usize,
    fds: usize,
}

/// What a message was.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// A part of the answer.
    Ours,
    /// The end of the answer.
    Done,
    /// Something else.
    Other,
}

impl Handshake {
    fn new(registry: ObjectId, callback: ObjectId) -> Handshake {
        Handshake { registry: Registry::new(registry), callback, bytes: 0, fds: 0 }
    }

    fn take(&mut self, message: &Message) -> Result<Step, RegistryError> {
        self.bytes += size_of::<(bool, Message)>() + message.length();
        self.fds += message.fds().len();
        if self.bytes > MAX_HANDSHAKE_BYTES {
            return Err(RegistryError::TooManyBytes { limit: MAX_HANDSHAKE_BYTES });
        }
        if self.fds > MAX_HANDSHAKE_FDS {
            return Err(RegistryError::TooManyFds { limit: MAX_HANDSHAKE_FDS });
        }

        if let Some(error) = DisplayError::read(message)? {
            return Err(error.into());
        }
        if self.registry.update(message)?.is_some() {
            return Ok(Step::Ours);
        }
        match (message.object(), message.opcode()) {
            (object, wl_callback::DONE) if object == self.callback => {
                message.read_plain(|arguments| arguments.uint())?;
                Ok(Step::Done)
            }
            (object, opcode)
                if object == self.callback
                    || (object == ObjectId::DISPLAY && opcode != wl_display::DELETE_ID) =>
            {
                Err(message.fault(WireFault::UnknownOpcode).into())
            }
            _ => Ok(Step::Other),
        }
    }
}

/// Why there is no registry.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegistryError {
    /// The compositor reports an error of this client, and disconnects it.
    Display(DisplayError),
    /// An event of the display, the registry or the callback is malformed.
    Wire(WireError),
    /// Nothing can be received any more.
    Receive(ReceiveError),
    /// The requests could not be sent, or a message before them, and the compositor did not say why.
    Send(SendError),
    /// The compositor closed the connection before its answer was complete.
    Closed,
    /// The compositor's answer was not complete in time.
    Overdue {
        /// The time that it had.
        timeout: Duration,
    },
    /// The compositor has more globals than are kept ([`MAX_GLOBALS`](crate::MAX_GLOBALS)).
    TooManyGlobals {
        /// The most.
        limit: usize,
    },
    /// The compositor sent more than is kept until its answer is complete
    /// ([`MAX_HANDSHAKE_BYTES`]).
    TooManyBytes {
        /// The most, in bytes of memory.
        limit: usize,
    },
    /// The compositor sent more descriptors than are kept until its answer is complete
    /// ([`MAX_HANDSHAKE_FDS`]).
    TooManyFds {
        /// The most.
        limit: usize,
    },
    /// All numbers for objects are taken. Nothing was sent.
    NoIds,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryError::Display(error) => error.fmt(f),
            RegistryError::Wire(error) => write!(f, "the compositor sent a bad event: {error}"),
            RegistryError::Receive(error) => error.fmt(f),
            RegistryError::Send(error) => error.fmt(f),
            RegistryError::Closed => {
                f.write_str("the compositor closed the connection before it had told all globals")
            }
            RegistryError::Overdue { timeout } => {
                write!(f, "the compositor has not told all globals in {timeout:?}")
            }
            RegistryError::TooManyGlobals { limit } => {
                write!(f, "the compositor has more than {limit} globals")
            }
            RegistryError::TooManyBytes { limit } => {
                write!(f, "the compositor has not told all globals in {limit} bytes of memory")
            }
            RegistryError::TooManyFds { limit } => write!(
                f,
                "the compositor has sent more than {limit} descriptors before all its globals"
            ),
            RegistryError::NoIds => f.write_str("all numbers for objects are taken"),
        }
    }
}

impl Error for RegistryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RegistryError::Display(error) => Some(error),
            RegistryError::Wire(error) => Some(error),
            RegistryError::Receive(error) => Some(error),
            RegistryError::Send(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DisplayError> for RegistryError {
    fn from(error: DisplayError) -> RegistryError {
        RegistryError::Display(error)
    }
}

impl From<WireError> for RegistryError {
    fn from(error: WireError) -> RegistryError {
        RegistryError::Wire(error)
    }
}

impl From<ReceiveError> for RegistryError {
    fn from(error: ReceiveError) -> RegistryError {
        RegistryError::Receive(error)
    }
}

impl From<SendError> for RegistryError {
    fn from(error: SendError) -> RegistryError {
        RegistryError::Send(error)
    }
}

impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> io::Error {
        let kind = match error {
            RegistryError::Receive(error) => return error.into(),
            RegistryError::Send(error) => return error.into(),
            RegistryError::Display(error) => return error.into(),
            RegistryError::Closed => io::ErrorKind::UnexpectedEof,
            RegistryError::Overdue { .. } => io::ErrorKind::TimedOut,
            RegistryError::Wire(_) => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::QuotaExceeded,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use interop_tests::{guarded, memfd, run};

    use super::*;

    fn id(number: u32) -> ObjectId {
        ObjectId::new(number).expect("not 0")
    }

    fn handshake() -> Handshake {
        Handshake::new(id(2), id(3))
    }

    #[test]
    fn what_is_kept_has_as_many_bytes_as_it_may_and_no_more() {
        let message = Message::build(id(9), 0).array(&[0; 1000]).finish().expect("short");
        let cost = size_of::<(bool, Message)>() + 1012;
        let mut handshake = handshake();
        for _ in 0..MAX_HANDSHAKE_BYTES / cost {
            assert_eq!(handshake.take(&message).expect("room"), Step::Other);
        }
        let error = handshake.take(&message).expect_err("no room");
        assert!(matches!(error, RegistryError::TooManyBytes { limit: MAX_HANDSHAKE_BYTES }));
    }

    #[test]
    fn the_smallest_messages_do_not_take_more_memory_than_is_said() {
        let message = Message::build(id(9), 0).finish().expect("short");
        let mut handshake = handshake();
        let kept = (0..).take_while(|_| handshake.take(&message).is_ok()).count();
        assert!(kept * size_of::<(bool, Message)>() <= MAX_HANDSHAKE_BYTES);
    }

    #[test]
    fn what_is_kept_has_as_many_descriptors_as_it_may_and_no_more() {
        guarded(|| {
            let mut message = Message::build(id(9), 0);
            for _ in 0..32 {
                message = message.fd(memfd());
            }
            let message = message.finish().expect("short");
            let mut handshake = handshake();
            for _ in 0..MAX_HANDSHAKE_FDS / 32 {
                assert_eq!(handshake.take(&message).expect("room"), Step::Other);
            }
            let error = handshake.take(&message).expect_err("no room");
            assert!(matches!(error, RegistryError::TooManyFds { limit: 1024 }), "{error:?}");
        });
    }

    #[test]
    fn without_two_numbers_nothing_is_taken() {
        run(async {
            let (near, _far) = tokio::net::UnixStream::pair().expect("a pair");
            let limits = crate::Limits::default();
            let mut near = Connection::new(near, |_, _| 0, &limits).expect("a connection");
            let mut ids = ClientIds::with_first(0xfeff_ffff);
            let error = near.registry(&mut ids, Duration::from_secs(9)).await.expect_err("none");
            assert!(matches!(error, RegistryError::NoIds), "{error:?}");
            assert_eq!(ids.take(), Some(id(0xfeff_ffff)));
            assert_eq!(near.into_parts().write_buffer.len(), 0);
        });
    }
}
