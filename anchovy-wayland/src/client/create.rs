//! Creating objects.
//!
//! An id is taken, the request is built, and the request enters the write queue without an await in
//! between, by the only write half. So requests enter the queue in the order of their ids, and an id
//! whose request did not enter the queue is given back before another one is taken.

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
use crate::owned_write_half::OwnedWriteHalf;
use crate::registry::Registry;
use crate::wire::message_builder::MessageBuilder;
use crate::wire::object_id::ObjectId;

impl OwnedWriteHalf<Objects> {
    /// Creates an object: builds a request with the smallest free id, and sends it.
    ///
    /// `request` gets the id, and passes it to [`new_id`](MessageBuilder::new_id) (or
    /// [`untyped_new_id`](MessageBuilder::untyped_new_id)) once. The object has this interface until the
    /// compositor deletes its id. The interface tells how many descriptors its events have.
    ///
    /// # Errors
    ///
    /// [`CreateError`]. The id is free again, and nothing was sent, unless the socket failed. If the
    /// kernel refuses the descriptors of an *earlier* message, the request waits in the queue after it:
    /// the id is returned, and the next flush reports the refusal.
    ///
    /// # Cancel safety
    ///
    /// Dropped before there was room, it has created nothing. Dropped later, the object is created by
    /// the next flush, but the caller does not know its id. [`feed_create`](Self::feed_create) does not
    /// have this gap.
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
        // Only the request of this object is left: without it, nobody knows of the id.
        let unsent = self.take_refused();
        self.ids.free(id);
        Err(SendError { unsent, kind }.into())
    }

    /// Creates an object by a request that leaves with the next [`flush`](Self::flush), or earlier.
    ///
    /// See [`create`](Self::create).
    ///
    /// # Errors
    ///
    /// [`CreateError`]. The id is free again, and nothing was sent.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has created nothing.
    pub async fn feed_create(
        &mut self,
        interface: impl Into<Cow<'static, str>>,
        request: impl FnOnce(ObjectId) -> MessageBuilder,
    ) -> Result<ObjectId, CreateError> {
        self.enqueue(interface.into().into(), request).await.map(|(id, _)| id)
    }

    /// Binds the first global of this interface, in the highest of these versions that the compositor
    /// offers, and sends the request.
    ///
    /// Of some interfaces, like `wl_output`, a compositor has several globals:
    /// [`bind_global`](Self::bind_global) binds a particular one.
    ///
    /// # Errors
    ///
    /// [`BindError`]. Nothing was sent, unless the socket failed.
    ///
    /// # Cancel safety
    ///
    /// As [`create`](Self::create).
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

    /// Binds a global in this version, and sends the request.
    ///
    /// # Errors
    ///
    /// [`BindError`]. Nothing was sent, unless the socket failed.
    ///
    /// # Cancel safety
    ///
    /// As [`create`](Self::create).
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

    /// Puts the request of a new object into the queue, and returns the id and the bytes of the request.
    async fn enqueue(
        &mut self,
        interface: InterfaceName,
        request: impl FnOnce(ObjectId) -> MessageBuilder,
    ) -> Result<(ObjectId, usize), CreateError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_ready(cx)).await?;
        // Shared, since the reservation outlives a use of the whole half.
        let objects = self.ids.share();
        let id = objects.reserve(interface, Owner::Caller).ok_or(CreateError::NoIds)?;
        let request = request(id.id());
        let found = request.last_new_id();
        if found != Some(id.id()) {
            return Err(CreateError::NewId { id: id.id(), found });
        }
        let message = request.build()?;
        let bytes = message.len();
        Pin::new(&mut *self).start_send(message)?;
        Ok((id.into_used(), bytes))
    }
}
