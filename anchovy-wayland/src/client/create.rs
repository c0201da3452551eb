//! Creating objects.
//!
//! The only write half takes an id, builds the request and adds it to the send buffer, without an await
//! in between. So requests enter the buffer in the order of their ids, and an id whose request did not
//! enter the buffer is free again before another id is taken.

use std::borrow::Cow;
use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::pin::Pin;

use futures_sink::Sink;

use crate::bind_error::BindError;
use crate::bound::Bound;
use crate::create_error::CreateError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::global::Global;
use crate::interface_name::InterfaceName;
use crate::object_table::Owner;
use crate::objects::Objects;
use crate::owned_write_half::{OwnedWriteHalf, enqueue};
use crate::registry::Registry;
use crate::wire::message_builder::MessageBuilder;
use crate::wire::object_id::ObjectId;

impl OwnedWriteHalf<Objects> {
    /// Creates an object: allocates the smallest free id, builds a request with it and sends the request.
    ///
    /// `request` receives the id, and must pass it to [`new_id`](MessageBuilder::new_id) or
    /// [`untyped_new_id`](MessageBuilder::untyped_new_id) once. The connection records the interface of
    /// the object until the compositor deletes its id, because the number of descriptors of its events
    /// depends on the interface.
    ///
    /// # Errors
    ///
    /// Returns a [`CreateError`]. Unless it contains a [`SendErrorKind::Io`] or
    /// [`SendErrorKind::Display`], the request was not sent and the id is free again.
    ///
    /// If the kernel refuses the descriptors of an *earlier* message, the result depends on the send
    /// buffer:
    ///
    /// - If the buffer had room for the request, this method returns the id. The request waits in the buffer
    ///   after the earlier message, and the next flush tries to send both.
    /// - If the buffer was full, this method returns [`CreateError::Send`] and does not call `request`.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped before there was room for the request, no
    /// object is created. If it is dropped later, the next flush creates the object, and the caller does
    /// not know its id. [`feed_create`](Self::feed_create) is cancel safe.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_wayland::{Connection, Limits, Message, ObjectId};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (client, _compositor) = tokio::net::UnixStream::pair()?;
    /// let (mut read, mut write) = Connection::client(client, Limits::client())?.into_split();
    /// let compositor = ObjectId::new(4).expect("not 0");
    /// let create_surface = |id| Message::builder(compositor, 0).new_id(id);
    /// let surface = write.create("wl_surface", create_surface).await?;
    /// assert_eq!(read.interface(surface).as_deref(), Some("wl_surface"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn create(
        &mut self,
        interface: impl Into<Cow<'static, str>>,
        request: impl FnOnce(ObjectId) -> MessageBuilder,
    ) -> Result<ObjectId, CreateError> {
        let (id, bytes) = self.enqueue(interface.into().into(), request).await?;
        let Err(SendError { unsent, kind }) = self.flush().await else { return Ok(id) };
        let is_refusal = matches!(
            kind,
            SendErrorKind::FdsRefusedByPeer { .. } | SendErrorKind::TooManyFdsInFlight { .. }
        );
        if !is_refusal {
            return Err(SendError { unsent, kind }.into());
        }
        if self.framed.unsent_bytes() > bytes {
            return Ok(id);
        }
        // Only the request of this object is in the buffer, so no later request depends on its id.
        let unsent = self.take_refused();
        self.ids.free(id);
        Err(SendError { unsent, kind }.into())
    }

    /// Creates an object as [`create`](Self::create) does, but does not wait until the request is sent.
    ///
    /// The request is sent by the next [`flush`](Self::flush) or earlier.
    ///
    /// # Errors
    ///
    /// Returns a [`CreateError`]. The request was not sent, and the id is free again.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, no object is created.
    pub async fn feed_create(
        &mut self,
        interface: impl Into<Cow<'static, str>>,
        request: impl FnOnce(ObjectId) -> MessageBuilder,
    ) -> Result<ObjectId, CreateError> {
        self.enqueue(interface.into().into(), request).await.map(|(id, _)| id)
    }

    /// Binds the first global of an interface, with the highest version in `versions` that the
    /// compositor offers.
    ///
    /// Compositors have several globals of some interfaces, such as `wl_output`. To bind a particular
    /// one, use [`bind_global`](Self::bind_global).
    ///
    /// # Errors
    ///
    /// Returns a [`BindError`]. Unless it contains a [`SendErrorKind::Io`] or [`SendErrorKind::Display`],
    /// the request was not sent.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe; see [`create`](Self::create).
    pub async fn bind(
        &mut self,
        registry: &Registry,
        interface: &str,
        versions: RangeInclusive<u32>,
    ) -> Result<Bound, BindError> {
        let Some(global) = registry.find(interface) else {
            return Err(BindError::NoGlobal { interface: interface.to_owned() });
        };
        let version = global.negotiate(versions)?;
        let id = self.bind_global(registry, global, version).await?;
        Ok(Bound { id, version })
    }

    /// Binds a global with the given version.
    ///
    /// # Errors
    ///
    /// Returns a [`BindError`]. Unless it contains a [`SendErrorKind::Io`] or [`SendErrorKind::Display`],
    /// the request was not sent.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe; see [`create`](Self::create).
    pub async fn bind_global(
        &mut self,
        registry: &Registry,
        global: &Global,
        version: u32,
    ) -> Result<ObjectId, BindError> {
        let version = global.negotiate(version..=version)?;
        let request = |id| registry.bind_request(global, version, id);
        Ok(self.create(global.interface.clone(), request).await?)
    }

    /// Adds the request of a new object to the send buffer. Returns the id and the length of the request.
    async fn enqueue(
        &mut self,
        interface: InterfaceName,
        request: impl FnOnce(ObjectId) -> MessageBuilder,
    ) -> Result<(ObjectId, usize), CreateError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_ready(cx)).await?;
        // The reservation borrows the ids only, and not the framed stream.
        let OwnedWriteHalf { framed, ids, .. } = self;
        let id = ids.reserve(interface, Owner::Caller).ok_or(CreateError::NoIds)?;
        let request = request(id.id());
        let found = request.last_new_id();
        if found != Some(id.id()) {
            return Err(CreateError::NewId { id: id.id(), found });
        }
        let message = request.build()?;
        let bytes = message.len();
        enqueue(framed, message)?;
        Ok((id.into_used(), bytes))
    }
}
