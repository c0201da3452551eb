//! Counts of descriptors from the interfaces of wayland-rs.

use std::collections::HashMap;

use wayland_backend::protocol::{ArgumentType, Interface, MessageDesc};

use crate::fds::Kind;
use crate::signatures::Signatures;
use crate::wire::object_id::ObjectId;

/// [`Signatures`] that take the number of descriptors of each message from the interfaces of wayland-rs.
///
/// Crates such as wayland-client, wayland-server and wayland-protocols contain a static
/// [`Interface`] for each interface of a protocol file. So any such crate supplies the counts, also for
/// protocols that the table [`fds`](mod@crate::fds) does not have.
///
/// The caller [adds](Self::insert) each object with its interface before the next message is received.
/// An object stays until its id is used again or until it is [removed](Self::remove): after it was
/// destroyed, events with descriptors may still arrive for it. The number of objects has no limit here:
/// a compositor must limit the objects of a client.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::fds::Kind;
/// use anchovy_wayland::{Connection, Interfaces, Limits, Message, ObjectId};
/// use wayland_client::Proxy;
/// use wayland_client::protocol::wl_shm::WlShm;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> anyhow::Result<()> {
/// let (client, compositor) = tokio::net::UnixStream::pair()?;
/// let mut client = Connection::without_fds(client, Limits::client())?;
/// let mut compositor =
///     Connection::new(compositor, Interfaces::new(Kind::Request), Limits::server())?;
///
/// // A compositor adds an object when the client binds or creates it.
/// let shm = ObjectId::new(5).expect("not 0");
/// compositor.signatures_mut().insert(shm, WlShm::interface());
///
/// let file = std::fs::File::open("/dev/null")?;
/// let pool = ObjectId::new(9).expect("not 0");
/// client.send(Message::builder(shm, 0).new_id(pool).fd(file).int(4096).build()?).await?;
///
/// let mut create_pool = compositor.receive().await?.expect("a message");
/// assert_eq!(create_pool.read().new_id()?, pool);
/// let created = compositor.signatures().created_by(shm, 0).expect("an interface");
/// assert_eq!(created.name, "wl_shm_pool");
/// compositor.signatures_mut().insert(pool, created);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Interfaces {
    received: Kind,
    objects: HashMap<ObjectId, &'static Interface>,
}

impl Interfaces {
    /// Creates a source without objects, for a peer that sends messages of this kind: a compositor
    /// receives requests, and a client receives events.
    pub fn new(received: Kind) -> Interfaces {
        Interfaces { received, objects: HashMap::new() }
    }

    /// Adds an object. Returns the interface of the object that had this id before.
    pub fn insert(
        &mut self,
        object: ObjectId,
        interface: &'static Interface,
    ) -> Option<&'static Interface> {
        self.objects.insert(object, interface)
    }

    /// Removes an object. Returns its interface.
    ///
    /// Messages for this id have no descriptors from now on.
    pub fn remove(&mut self, object: ObjectId) -> Option<&'static Interface> {
        self.objects.remove(&object)
    }

    /// Returns the interface of an object.
    pub fn get(&self, object: ObjectId) -> Option<&'static Interface> {
        self.objects.get(&object).copied()
    }

    /// Returns the interface of the object that a received message creates.
    ///
    /// It is `None` if the message creates no object, if the object or the opcode is unknown, and for
    /// `wl_registry.bind`, whose arguments contain the interface.
    pub fn created_by(&self, object: ObjectId, opcode: u16) -> Option<&'static Interface> {
        self.message(object, opcode)?.child_interface
    }

    fn message(&self, object: ObjectId, opcode: u16) -> Option<&'static MessageDesc> {
        let interface = self.get(object)?;
        let messages = match self.received {
            Kind::Request => interface.requests,
            Kind::Event => interface.events,
        };
        messages.get(usize::from(opcode))
    }
}

impl Signatures for Interfaces {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        let signature = self.message(object, opcode).map_or(&[][..], |message| message.signature);
        signature.iter().filter(|argument| **argument == ArgumentType::Fd).count()
    }
}
