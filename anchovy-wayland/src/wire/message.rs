//! A message, with its descriptors.

use std::fmt;
use std::os::fd::OwnedFd;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Arguments, HEADER, MessageBuilder, ObjectId};
use crate::error::{WireError, WireFault};

/// Arguments of so many bytes are few: five words are as many as most messages have, and as there is
/// room for where the longer ones are told of.
pub(super) const FEW: usize = 20;

/// A request or an event, with its descriptors.
///
/// Dropping it closes the descriptors that were not taken.
///
/// ```
/// use anchovy_wayland::{Message, ObjectId};
///
/// let shm = ObjectId::new(5).expect("not 0");
/// let pool = ObjectId::new(9).expect("not 0");
/// let file = std::fs::File::open("/dev/null")?;
/// let create_pool = Message::build(shm, 0).new_id(pool).fd(file.into()).int(4096).finish()?;
/// assert_eq!((create_pool.length(), create_pool.fds().len()), (16, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Message {
    object: ObjectId,
    opcode: u16,
    arguments: Body,
    fds: Vec<OwnedFd>,
    /// How many there were before any was taken.
    declared: usize,
}

impl Message {
    /// Begins a message for this object: the number of the request or event in its interface, from
    /// 0, and then its arguments, in order.
    #[inline]
    pub fn build(object: ObjectId, opcode: u16) -> MessageBuilder {
        MessageBuilder::new(object, opcode)
    }

    #[inline]
    pub(crate) fn received(
        object: ObjectId,
        opcode: u16,
        arguments: Body,
        fds: Vec<OwnedFd>,
    ) -> Message {
        let declared = fds.len();
        Message { object, opcode, arguments, fds, declared }
    }

    /// The object that a request is made of, or that an event is of.
    #[inline]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Which request or event of its interface it is, from 0.
    #[inline]
    pub fn opcode(&self) -> u16 {
        self.opcode
    }

    /// Header and arguments together, in bytes.
    #[inline]
    pub fn length(&self) -> usize {
        HEADER + self.arguments().len()
    }

    /// The arguments, as they are on the wire.
    #[inline]
    pub fn arguments(&self) -> &[u8] {
        self.arguments.bytes()
    }

    /// The descriptors that were not taken, in the order of the arguments.
    pub fn fds(&self) -> &[OwnedFd] {
        &self.fds
    }

    /// Takes all descriptors out of the message, which cannot be sent without them.
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.fds)
    }

    /// Reads the arguments, from the first; descriptors are taken out of the message.
    ///
    /// ```
    /// use anchovy_wayland::{Message, ObjectId};
    ///
    /// let registry = ObjectId::new(2).expect("not 0");
    /// let mut global = Message::build(registry, 0).uint(1).string("wl_shm").uint(2).finish()?;
    /// let mut arguments = global.read();
    /// let (name, interface) = (arguments.uint()?, arguments.string()?);
    /// assert_eq!((name, interface), (1, c"wl_shm"));
    /// assert_eq!(arguments.uint()?, 2);
    /// arguments.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn read(&mut self) -> Arguments<'_> {
        let Message { object, opcode, arguments, fds, .. } = self;
        Arguments { object: object.get(), opcode: *opcode, bytes: arguments.bytes(), fds }
    }

    /// Is it this request or event of this object?
    #[inline]
    pub(crate) fn is(&self, object: ObjectId, opcode: u16) -> bool {
        (self.object, self.opcode) == (object, opcode)
    }

    /// Reads all arguments of a message without descriptors, which stays as it is.
    #[inline]
    pub(crate) fn read_plain<T>(
        &self,
        read: impl FnOnce(&mut Arguments<'_>) -> Result<T, WireError>,
    ) -> Result<T, WireError> {
        let (object, opcode) = (self.object.get(), self.opcode);
        let fds = &mut Vec::new();
        let mut arguments = Arguments { object, opcode, bytes: self.arguments(), fds };
        let value = read(&mut arguments)?;
        arguments.finish()?;
        match self.fds.len() {
            0 => Ok(value),
            count => Err(self.fault(WireFault::FdsLeft { count })),
        }
    }

    #[inline]
    pub(crate) fn fds_mut(&mut self) -> &mut Vec<OwnedFd> {
        &mut self.fds
    }

    /// Are all descriptors there that there were?
    #[inline]
    pub(crate) fn check_fds(&self) -> Result<(), WireError> {
        let (declared, present) = (self.declared, self.fds.len());
        if declared == present {
            Ok(())
        } else {
            Err(self.fault(WireFault::FdsTaken { declared, present }))
        }
    }

    /// Writes header and arguments to the end of `out`.
    #[inline]
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        // Checked when it was built, and when it was received.
        let length = self.length() as u32;
        out.reserve(self.length());
        out.put_u32_ne(self.object.get());
        out.put_u32_ne(length << 16 | u32::from(self.opcode));
        out.put_slice(self.arguments());
    }

    pub(crate) fn fault(&self, fault: WireFault) -> WireError {
        WireError { object: self.object.get(), opcode: self.opcode, fault }
    }
}

impl fmt::Debug for Message {
    /// The arguments are not shown: nobody knows here what they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("object", &self.object)
            .field("opcode", &self.opcode)
            .field("length", &self.length())
            .field("fds", &self.fds)
            .finish()
    }
}

/// The arguments of a message: in place where they are few, so that it costs no allocation, and holds
/// no buffer that others are in.
pub(crate) enum Body {
    Few { bytes: [u8; FEW], used: u8 },
    Many(Bytes),
}

impl Body {
    /// Takes so many bytes off the front.
    #[inline]
    pub(crate) fn split_off(from: &mut BytesMut, length: usize) -> Body {
        match Body::few(&from[..length]) {
            Some(few) => {
                from.advance(length);
                few
            }
            None => Body::Many(from.split_to(length).freeze()),
        }
    }

    /// All of these bytes.
    pub(crate) fn of(bytes: Bytes) -> Body {
        Body::few(&bytes).unwrap_or(Body::Many(bytes))
    }

    #[inline]
    fn few(bytes: &[u8]) -> Option<Body> {
        let mut few = [0; FEW];
        few.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Body::Few { bytes: few, used: bytes.len() as u8 })
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Body::Few { bytes, used } => &bytes[..usize::from(*used)],
            Body::Many(bytes) => bytes,
        }
    }
}
