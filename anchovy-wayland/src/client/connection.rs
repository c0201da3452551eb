//! The connection of a client.

use std::borrow::Cow;
use std::io;
use std::ops::RangeInclusive;

use anchovy::{AnchovyStream, IntoUnixStream, WAYLAND_SCM_RIGHTS};

use crate::bind_error::BindError;
use crate::bound::Bound;
use crate::connect::connect_error::ConnectError;
use crate::connect::connector::connect;
use crate::connection::{Connection, halves};
use crate::create_error::CreateError;
use crate::global::Global;
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::objects::Objects;
use crate::owned_write_half::{OwnedWriteHalf, Refused};
use crate::registry::Registry;
use crate::wire::message_builder::MessageBuilder;
use crate::wire::object_id::ObjectId;

impl Connection<Objects> {
    /// Connects to the compositor that the environment names, as libwayland's `wl_display_connect`
    /// does, with the limits of [`Limits::client`].
    ///
    /// To connect to another display, use [`Connector`](crate::Connector), and pass its socket to
    /// [`client`](Connection::client).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Connector::connect`](crate::Connector::connect).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe; see [`Connector::connect`](crate::Connector::connect).
    pub async fn connect() -> Result<Connection<Objects>, ConnectError> {
        let socket = connect().await?.stream;
        Ok(Connection::of_client(socket, &Limits::client()))
    }

    /// Creates the connection of a client over a socket from which no bytes have been read and to which
    /// none have been sent.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`AnchovyStream::new`].
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O enabled.
    pub fn client(socket: impl IntoUnixStream, limits: Limits) -> io::Result<Connection<Objects>> {
        Ok(Connection::of_client(AnchovyStream::new(socket)?, &limits))
    }

    fn of_client(
        socket: AnchovyStream<WAYLAND_SCM_RIGHTS>,
        limits: &Limits,
    ) -> Connection<Objects> {
        let objects = Objects::new();
        let ids = objects.share();
        let (read, write) = halves(socket, objects, Some(Inbox::new(limits).into()), limits);
        Connection { read, write: OwnedWriteHalf::new(write, ids, Refused::Queued) }
    }

    /// Returns the interface of an object that this client has created, or `None`; see
    /// [`OwnedReadHalf::interface`](crate::OwnedReadHalf::interface).
    pub fn interface(&self, id: ObjectId) -> Option<Cow<'static, str>> {
        self.read.interface(id)
    }

    /// Sets the number of descriptors of events that are not in the table [`fds`](mod@crate::fds); see
    /// [`OwnedReadHalf::set_event_fds`](crate::OwnedReadHalf::set_event_fds).
    pub fn set_event_fds(&mut self, count: impl Fn(&str, u16) -> usize + Send + Sync + 'static) {
        self.read.set_event_fds(count);
    }

    /// Creates an object; see [`OwnedWriteHalf::create`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedWriteHalf::create`].
    /// [The error of the compositor](Connection#the-error-of-a-compositor) replaces that of the socket.
    pub async fn create(
        &mut self,
        interface: impl Into<Cow<'static, str>>,
        request: impl FnOnce(ObjectId) -> MessageBuilder,
    ) -> Result<ObjectId, CreateError> {
        let created = self.write.create(interface, request).await;
        self.explain_create(created).await
    }

    /// Creates an object without flushing; see [`OwnedWriteHalf::feed_create`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedWriteHalf::feed_create`].
    /// [The error of the compositor](Connection#the-error-of-a-compositor) replaces that of the socket.
    pub async fn feed_create(
        &mut self,
        interface: impl Into<Cow<'static, str>>,
        request: impl FnOnce(ObjectId) -> MessageBuilder,
    ) -> Result<ObjectId, CreateError> {
        let created = self.write.feed_create(interface, request).await;
        self.explain_create(created).await
    }

    /// Binds the first global of an interface; see [`OwnedWriteHalf::bind`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedWriteHalf::bind`].
    /// [The error of the compositor](Connection#the-error-of-a-compositor) replaces that of the socket.
    pub async fn bind(
        &mut self,
        registry: &Registry,
        interface: &str,
        versions: RangeInclusive<u32>,
    ) -> Result<Bound, BindError> {
        let bound = self.write.bind(registry, interface, versions).await;
        self.explain_bind(bound).await
    }

    /// Binds a global; see [`OwnedWriteHalf::bind_global`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedWriteHalf::bind_global`].
    /// [The error of the compositor](Connection#the-error-of-a-compositor) replaces that of the socket.
    pub async fn bind_global(
        &mut self,
        registry: &Registry,
        global: &Global,
        version: u32,
    ) -> Result<ObjectId, BindError> {
        let bound = self.write.bind_global(registry, global, version).await;
        self.explain_bind(bound).await
    }

    async fn explain_create<T>(
        &mut self,
        created: Result<T, CreateError>,
    ) -> Result<T, CreateError> {
        match created {
            Err(CreateError::Send(error)) => Err(self.explain(error).await.into()),
            created => created,
        }
    }

    async fn explain_bind<T>(&mut self, bound: Result<T, BindError>) -> Result<T, BindError> {
        match bound {
            Err(BindError::Create(CreateError::Send(error))) => {
                Err(CreateError::from(self.explain(error).await).into())
            }
            bound => bound,
        }
    }

    pub(crate) fn objects(&self) -> &Objects {
        self.read.objects()
    }
}
