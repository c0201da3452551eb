//! Requests with a reply, and the messages that arrive before the reply.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_sink::Sink;

use crate::connection::Connection;
use crate::error::send_error::SendError;
use crate::interface_name::InterfaceName;
use crate::kept::KeptBound;
use crate::object_table::Owner;
use crate::objects::Objects;
use crate::opcodes::{wl_callback, wl_display};
use crate::owned_read_half::WaitError;
use crate::registry::Registry;
use crate::roundtrip_error::RoundtripError;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::WireErrorKind;

impl Connection<Objects> {
    /// Waits until the compositor has handled all earlier requests: sends `wl_display.sync` and waits for
    /// the `done` event of its callback.
    ///
    /// Other events that arrive before the reply are kept for [`receive`](Connection::receive), in order.
    ///
    /// # Errors
    ///
    /// Returns a [`RoundtripError`]. Kept events can be received after any error.
    ///
    /// After [`TimedOut`](RoundtripError::TimedOut) the connection stays usable, and the late reply is
    /// discarded. After [`TooManyMessages`](RoundtripError::TooManyMessages),
    /// [`TooManyBytes`](RoundtripError::TooManyBytes) or [`TooManyFds`](RoundtripError::TooManyFds), this
    /// method can be used again when the kept events have been received.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time enabled if there is a
    /// [`reply_timeout`](crate::Limits::reply_timeout).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no event is lost. If the request is already in the send buffer, the next
    /// flush sends it. Its reply is discarded: neither `receive` nor a later roundtrip returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_wayland::{Answer, Connection, Globals, Limits, Registries};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (client, compositor) = tokio::net::UnixStream::pair()?;
    /// let compositor = tokio::spawn(async move {
    ///     let mut globals = Globals::new();
    ///     globals.add("wl_shm", 2).expect("a good global");
    ///     // `wl_shm` of this compositor has no pools, and so no descriptors.
    ///     let mut client = Connection::without_fds(compositor, Limits::server())?;
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
    /// let mut connection = Connection::client(client, Limits::client())?;
    /// let registry = connection.registry().await?;
    /// let shm = connection.bind(&registry, "wl_shm", 1..=1).await?;
    /// connection.roundtrip().await?;
    /// assert_eq!((shm.id.get(), shm.version), (4, 1));
    /// # drop(connection);
    /// # compositor.await?.map_err(|error| error.to_string())?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn roundtrip(&mut self) -> Result<(), RoundtripError> {
        in_time(self.read.reply_timeout(), async {
            self.wait_for_room().await?;
            let objects = self.objects().share();
            let name = InterfaceName::Static("wl_callback");
            let callback = objects.reserve(name, Owner::Connection).ok_or(RoundtripError::NoIds)?;
            self.enqueue(wl_display::SYNC, callback.id())?;
            self.wait(callback.into_used(), |_| Ok(())).await
        })
        .await
    }

    /// Requests the globals of the compositor and waits for all of them: sends `wl_display.get_registry`
    /// and `wl_display.sync` in one write, and waits for the `done` event of the callback.
    ///
    /// Events of other objects that arrive before the reply are kept for [`receive`](Connection::receive), in
    /// order. Events of the registry that arrive after the reply are returned by `receive`; pass them to
    /// [`Registry::update`].
    ///
    /// # Errors
    ///
    /// Returns a [`RoundtripError`]; see [`roundtrip`](Self::roundtrip). After an error, all events of this
    /// registry are discarded, including those that arrive later.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time enabled if there is a
    /// [`reply_timeout`](crate::Limits::reply_timeout).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, events of the registry are discarded, and no other event is lost; see
    /// [`roundtrip`](Self::roundtrip).
    pub async fn registry(&mut self) -> Result<Registry, RoundtripError> {
        in_time(self.read.reply_timeout(), async {
            self.wait_for_room().await?;
            let objects = self.objects().share();
            let reserve = |name| {
                let reserved = objects.reserve(InterfaceName::Static(name), Owner::Connection);
                reserved.ok_or(RoundtripError::NoIds)
            };
            let (registry, callback) = (reserve("wl_registry")?, reserve("wl_callback")?);
            self.enqueue(wl_display::GET_REGISTRY, registry.id())?;
            let mut globals = Registry::new(registry.into_used());
            self.enqueue(wl_display::SYNC, callback.id())?;
            self.wait(callback.into_used(), |event| {
                globals.update(event)?;
                Ok(())
            })
            .await?;
            objects.hand_over(globals.id());
            Ok(globals)
        })
        .await
    }

    /// Waits until a request can enter the send buffer. Receives meanwhile, because a compositor may
    /// stop reading until its own events are read.
    async fn wait_for_room(&mut self) -> Result<(), RoundtripError> {
        let Connection { read, write } = self;
        read.check_kept()?;
        let ready = poll_fn(|cx| match Pin::new(&mut *write).poll_ready(cx) {
            Poll::Ready(ready) => Poll::Ready(ready.map_err(Failure::Send)),
            Poll::Pending => loop {
                match read.poll_internal(cx) {
                    // A late reply of an earlier roundtrip.
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Failure::Wait(error))),
                    Poll::Pending => return Poll::Pending,
                }
            },
        });
        match ready.await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.explain_failure(failure).await),
        }
    }

    fn enqueue(&mut self, opcode: u16, id: ObjectId) -> Result<(), SendError> {
        let request = Message::builder(ObjectId::DISPLAY, opcode).new_id(id).build();
        Pin::new(&mut self.write).start_send(request.expect("a short message"))
    }

    /// Waits for the `done` event of the callback, and flushes the send buffer meanwhile. Passes messages
    /// of other internal objects to `on_event`.
    async fn wait(
        &mut self,
        callback: ObjectId,
        mut on_event: impl FnMut(&Message) -> Result<(), RoundtripError>,
    ) -> Result<(), RoundtripError> {
        loop {
            let Connection { read, write } = &mut *self;
            let arrived = poll_fn(|cx| {
                if let Poll::Ready(Err(error)) = Pin::new(&mut *write).poll_flush(cx) {
                    return Poll::Ready(Err(Failure::Send(error)));
                }
                read.poll_internal(cx).map_err(Failure::Wait)
            });
            let message = match arrived.await {
                Ok(message) => message,
                Err(failure) => return Err(self.explain_failure(failure).await),
            };
            if message.object() != callback {
                on_event(&message)?;
            } else if message.opcode() == wl_callback::DONE {
                message.read_plain(|arguments| arguments.uint())?;
                return Ok(());
            } else {
                return Err(message.error(WireErrorKind::UnknownOpcode).into());
            }
        }
    }

    async fn explain_failure(&mut self, failure: Failure) -> RoundtripError {
        match failure {
            Failure::Send(error) => self.explain(error).await.into(),
            Failure::Wait(error) => error.into(),
        }
    }
}

/// The cause of a wait that failed.
enum Failure {
    Send(SendError),
    Wait(WaitError),
}

impl From<WaitError> for RoundtripError {
    fn from(error: WaitError) -> RoundtripError {
        match error {
            WaitError::Display(error) => RoundtripError::Display(error),
            WaitError::Receive(error) => RoundtripError::Receive(error),
            WaitError::Closed => RoundtripError::Closed,
            WaitError::Kept(KeptBound::Messages(limit)) => {
                RoundtripError::TooManyMessages { limit }
            }
            WaitError::Kept(KeptBound::Bytes(limit)) => RoundtripError::TooManyBytes { limit },
            WaitError::Kept(KeptBound::Fds(limit)) => RoundtripError::TooManyFds { limit },
        }
    }
}

async fn in_time<T>(
    timeout: Option<Duration>,
    reply: impl Future<Output = Result<T, RoundtripError>>,
) -> Result<T, RoundtripError> {
    match timeout {
        Some(timeout) => match tokio::time::timeout(timeout, reply).await {
            Ok(reply) => reply,
            Err(_) => Err(RoundtripError::TimedOut { timeout }),
        },
        None => reply.await,
    }
}
