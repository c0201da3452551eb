//! A message with its descriptors.

use std::fmt;
use std::os::fd::OwnedFd;

use bytes::BytesMut;

use super::arguments::Arguments;
use super::body::Body;
use super::header::HEADER_BYTES;
use super::object_id::ObjectId;
use super::wire_error::{WireError, WireErrorKind};

/// A request or an event, with its descriptors.
///
/// [`Message::builder`] builds a message, and [`read`](Self::read) reads its arguments. Dropping the message
/// closes the descriptors that were not taken from it.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::{Message, ObjectId};
///
/// let shm = ObjectId::new(5).expect("not 0");
/// let pool = ObjectId::new(9).expect("not 0");
/// let file = std::fs::File::open("/dev/null")?;
/// let create_pool = Message::builder(shm, 0).new_id(pool).fd(file).int(4096).build()?;
/// assert_eq!((create_pool.len(), create_pool.fds().len()), (16, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Message {
    object: ObjectId,
    opcode: u16,
    arguments: Body,
    fds: Vec<OwnedFd>,
    /// Number of descriptors before any was taken.
    declared: usize,
}

impl Message {
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

    /// Returns the id of the object that receives the request, or that sends the event.
    #[inline]
    pub fn object(&self) -> ObjectId {
        self.object
    }

    /// Returns the number of the request or event in its interface, from 0.
    #[inline]
    pub fn opcode(&self) -> u16 {
        self.opcode
    }

    /// Returns the length of the header and the arguments, in bytes.
    #[inline]
    #[expect(clippy::len_without_is_empty, reason = "a message has a header, so none is empty")]
    pub fn len(&self) -> usize {
        HEADER_BYTES + self.arguments().len()
    }

    /// Returns the bytes of the arguments in the wire format.
    #[inline]
    pub fn arguments(&self) -> &[u8] {
        self.arguments.bytes()
    }

    /// Returns the descriptors that were not taken, in the order of the arguments.
    pub fn fds(&self) -> &[OwnedFd] {
        &self.fds
    }

    /// Takes all descriptors from the message. A message without its descriptors cannot be sent
    /// ([`WireErrorKind::FdsTaken`]).
    pub fn take_fds(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.fds)
    }

    /// Returns a reader of the arguments, which begins with the first argument.
    ///
    /// [`Arguments::fd`] takes descriptors from the message.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_wayland::{Message, ObjectId};
    ///
    /// let registry = ObjectId::new(2).expect("not 0");
    /// let mut global = Message::builder(registry, 0).uint(1).string("wl_shm").uint(2).build()?;
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

    /// Returns whether this is the given request or event of the object.
    #[inline]
    pub(crate) fn is(&self, object: ObjectId, opcode: u16) -> bool {
        (self.object, self.opcode) == (object, opcode)
    }

    /// Reads all arguments of a message that must not have descriptors.
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
            count => Err(self.error(WireErrorKind::TrailingFds { count })),
        }
    }

    #[inline]
    pub(crate) fn fds_mut(&mut self) -> &mut Vec<OwnedFd> {
        &mut self.fds
    }

    /// Fails if descriptors were taken from the message.
    #[inline]
    pub(crate) fn check_fds(&self) -> Result<(), WireError> {
        let (declared, present) = (self.declared, self.fds.len());
        if declared == present {
            Ok(())
        } else {
            Err(self.error(WireErrorKind::FdsTaken { declared, present }))
        }
    }

    /// Appends the header and the arguments to `out`.
    #[inline]
    pub(crate) fn encode(&self, out: &mut BytesMut) {
        // `build` and `Header::parse` limit the length to 16 bits.
        let length = self.len() as u32;
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&self.object.get().to_ne_bytes());
        header[4..].copy_from_slice(&(length << 16 | u32::from(self.opcode)).to_ne_bytes());
        out.reserve(self.len());
        out.extend_from_slice(&header);
        out.extend_from_slice(self.arguments());
    }

    pub(crate) fn error(&self, kind: WireErrorKind) -> WireError {
        WireError { object: self.object.get(), opcode: self.opcode, kind }
    }
}

impl fmt::Debug for Message {
    /// Omits the arguments, because their types are not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("object", &self.object)
            .field("opcode", &self.opcode)
            .field("length", &self.len())
            .field("fds", &self.fds)
            .finish()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use interop_tests::guarded;

    use super::super::header::Header;
    use super::super::testing::{builder, id, null, words};
    use super::*;

    #[test]
    fn a_message_begins_with_its_object_its_length_and_its_opcode() {
        guarded(|| {
            let mut bytes = BytesMut::new();
            builder().uint(9).fd(null()).build().expect("good").encode(&mut bytes);
            assert_eq!(bytes, words(&[7, 12 << 16 | 3, 9]));
            let found = Header::parse(&bytes, 4096).expect("good").expect("whole");
            assert_eq!(found, Header { object: id(7), opcode: 3, length: 12 });
        });
    }

    #[test]
    fn a_message_whose_descriptors_were_taken_is_detected() {
        guarded(|| {
            let mut message = builder().fd(null()).fd(null()).build().expect("good");
            assert_eq!(message.check_fds(), Ok(()));
            drop(message.read().fd());
            let kind = WireErrorKind::FdsTaken { declared: 2, present: 1 };
            assert_eq!(message.check_fds(), Err(WireError { object: 7, opcode: 3, kind }));
            assert_eq!(message.take_fds().len(), 1);
            assert!(message.fds().is_empty());
        });
    }

    #[test]
    fn the_debug_output_of_a_message_has_its_header_and_descriptors() {
        guarded(|| {
            let message = builder().string("a secret").fd(null()).build().expect("good");
            let fds = format!("{:?}", message.fds());
            let expected = format!("Message {{ object: @7, opcode: 3, length: 24, fds: {fds} }}");
            assert_eq!(format!("{message:?}"), expected);
        });
    }

    #[test]
    fn read_plain_does_not_change_the_message() {
        guarded(|| {
            let message = builder().uint(4).build().expect("good");
            assert_eq!(message.read_plain(|arguments| arguments.uint()), Ok(4));
            assert_eq!(message.read_plain(|arguments| arguments.uint()), Ok(4));
            let error = message.read_plain(|_| Ok(())).expect_err("a word more");
            assert_eq!(error.kind, WireErrorKind::TrailingBytes { bytes: 4 });
            let message = builder().fd(null()).build().expect("good");
            let error = message.read_plain(|_| Ok(())).expect_err("a descriptor");
            assert_eq!(error.kind, WireErrorKind::TrailingFds { count: 1 });
            assert!(message.is(id(7), 3) && !message.is(id(7), 2) && !message.is(id(8), 3));
        });
    }
}
