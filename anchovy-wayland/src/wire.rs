//! Words in the byte order of the machine: headers and arguments, to write and to read.
//!
//! A message is a header of two words (the object; the length and the opcode) and its arguments,
//! each padded to whole words. The types of the arguments are not in the bytes: who writes and who
//! reads have them from the same protocol file. Descriptors are not in the bytes at all, but in a
//! queue beside them, in the order of the arguments.

use std::ffi::CStr;
use std::fmt;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::{WireError, WireFault};

/// The bytes of a header.
pub(crate) const HEADER: usize = 8;

/// Arguments of so many bytes are few: five words are as many as most messages have, and as there is
/// room for where the longer ones are told of.
const FEW: usize = 20;

/// The longest message that a header can tell, in whole words.
pub(crate) const LONGEST: usize = 0xfffc;

/// The number of an object, which is never 0.
///
/// A client numbers its objects from 2 (1 is the display), a server from
/// [`FIRST_OF_SERVER`](Self::FIRST_OF_SERVER); both use the smallest that is free.
///
/// ```
/// use anchovy_wayland::ObjectId;
///
/// let registry = ObjectId::new(2).expect("not 0");
/// assert!(ObjectId::DISPLAY < registry && !registry.is_of_server());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(NonZeroU32);

impl ObjectId {
    /// The display, which both ends have from the start.
    pub const DISPLAY: ObjectId = ObjectId(NonZeroU32::MIN);

    /// The first number that a server gives (Wayland protocol, "Creating Objects").
    pub const FIRST_OF_SERVER: ObjectId = match NonZeroU32::new(0xff00_0000) {
        Some(id) => ObjectId(id),
        None => unreachable!(),
    };

    /// The object with this number; none has 0.
    pub const fn new(id: u32) -> Option<ObjectId> {
        match NonZeroU32::new(id) {
            Some(id) => Some(ObjectId(id)),
            None => None,
        }
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Was the number given by the server?
    pub fn is_of_server(self) -> bool {
        self >= ObjectId::FIRST_OF_SERVER
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number in steps of 1/256.
///
/// ```
/// use anchovy_wayland::Fixed;
///
/// assert_eq!(f64::from(Fixed::from_bits(0x180)), 1.5);
/// assert_eq!(Fixed::from(-2), Fixed::from_f64(-2.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fixed(i32);

impl Fixed {
    /// So many 256ths.
    pub const fn from_bits(bits: i32) -> Fixed {
        Fixed(bits)
    }

    /// How many 256ths.
    pub const fn to_bits(self) -> i32 {
        self.0
    }

    /// The nearest to a number; the first or the last of all for one that is beyond them, and 0 for
    /// one that is none.
    pub fn from_f64(number: f64) -> Fixed {
        Fixed((number * 256.0).round() as i32)
    }
}

impl From<Fixed> for f64 {
    fn from(fixed: Fixed) -> f64 {
        f64::from(fixed.0) / 256.0
    }
}

impl From<i16> for Fixed {
    fn from(number: i16) -> Fixed {
        Fixed(i32::from(number) * 256)
    }
}

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
        MessageBuilder {
            object,
            opcode,
            arguments: Written::default(),
            left_out: 0,
            fds: Vec::new(),
            fault: None,
        }
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

/// A message that is being written, argument by argument.
///
/// What is wrong with one is told at the [end](Self::finish).
#[derive(Debug)]
#[must_use = "a message is made by `finish`"]
pub struct MessageBuilder {
    object: ObjectId,
    opcode: u16,
    arguments: Written,
    /// Bytes of arguments that are not written: with them, it is too long.
    left_out: usize,
    fds: Vec<OwnedFd>,
    /// The first.
    fault: Option<WireFault>,
}

impl MessageBuilder {
    /// An `int`.
    #[inline]
    pub fn int(self, number: i32) -> Self {
        self.uint(number as u32)
    }

    /// A `uint`.
    #[inline]
    pub fn uint(mut self, number: u32) -> Self {
        self.arguments.put(&number.to_ne_bytes());
        self
    }

    /// A `fixed`.
    #[inline]
    pub fn fixed(self, number: Fixed) -> Self {
        self.int(number.to_bits())
    }

    /// An `object`; none is null, which an argument has to allow.
    #[inline]
    pub fn object(self, object: impl Into<Option<ObjectId>>) -> Self {
        self.uint(object.into().map_or(0, ObjectId::get))
    }

    /// A `new_id` of an interface that the protocol names.
    #[inline]
    pub fn new_id(self, id: ObjectId) -> Self {
        self.uint(id.get())
    }

    /// A `new_id` of an interface that it does not name: `wl_registry.bind`.
    pub fn untyped_new_id(self, interface: &str, version: u32, id: ObjectId) -> Self {
        self.string(interface).uint(version).new_id(id)
    }

    /// A `string`, which ends where a NUL is: there must be none in it. The protocol wants UTF-8.
    pub fn string(mut self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        if text.contains(&0) {
            self.fault.get_or_insert(WireFault::StringWithNul);
        }
        self.sized(text, true);
        self
    }

    /// A `string` that is null, which an argument has to allow.
    pub fn null_string(self) -> Self {
        self.uint(0)
    }

    /// An `array`.
    pub fn array(mut self, bytes: &[u8]) -> Self {
        self.sized(bytes, false);
        self
    }

    /// An `fd`.
    #[inline]
    pub fn fd(mut self, fd: OwnedFd) -> Self {
        self.fds.push(fd);
        self
    }

    fn sized(&mut self, bytes: &[u8], nul: bool) {
        let length = bytes.len() + usize::from(nul);
        let padded = length.next_multiple_of(4);
        if length > LONGEST {
            self.left_out = self.left_out.saturating_add(4 + padded);
            return;
        }
        self.arguments.put(&(length as u32).to_ne_bytes());
        self.arguments.put(bytes);
        self.arguments.put(&[0; 4][..padded - bytes.len()]);
    }

    /// The message.
    ///
    /// # Errors
    ///
    /// [`BuildError`], with the descriptors: a string had a NUL in it; the message is longer than a
    /// header can tell (65532 bytes). What a connection sends is checked against its own
    /// [limit](crate::Limits::max_message_bytes) when it is sent.
    #[inline]
    pub fn finish(self) -> Result<Message, BuildError> {
        let MessageBuilder { object, opcode, arguments, left_out, fds, fault } = self;
        let length = (HEADER + arguments.len()).saturating_add(left_out);
        let too_long = WireFault::TooLong { length, limit: LONGEST };
        match fault.or((length > LONGEST).then_some(too_long)) {
            None => Ok(Message::received(object, opcode, arguments.finish(), fds)),
            Some(fault) => {
                let error = WireError { object: object.get(), opcode, fault };
                Err(BuildError { error, fds })
            }
        }
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
    fn bytes(&self) -> &[u8] {
        match self {
            Body::Few { bytes, used } => &bytes[..usize::from(*used)],
            Body::Many(bytes) => bytes,
        }
    }
}

/// Arguments that are written: in place, as long as they are few.
#[derive(Debug, Default)]
struct Written {
    few: [u8; FEW],
    used: usize,
    /// All of them, once they are more.
    more: BytesMut,
}

impl Written {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.few.get_mut(self.used..self.used + bytes.len()) {
            Some(room) if self.more.is_empty() => {
                room.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            _ => self.put_more(bytes),
        }
    }

    fn put_more(&mut self, bytes: &[u8]) {
        if self.more.is_empty() {
            self.more.reserve(self.used + bytes.len());
            self.more.put_slice(&self.few[..self.used]);
        }
        self.more.put_slice(bytes);
    }

    #[inline]
    fn len(&self) -> usize {
        self.used.max(self.more.len())
    }

    #[inline]
    fn finish(self) -> Body {
        if self.more.is_empty() {
            Body::Few { bytes: self.few, used: self.used as u8 }
        } else {
            Body::Many(self.more.freeze())
        }
    }
}

/// A message that cannot be, and its descriptors.
#[derive(Debug)]
pub struct BuildError {
    /// Why.
    pub error: WireError,
    /// The descriptors that it was to have.
    pub fds: Vec<OwnedFd>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for BuildError {}

impl From<BuildError> for std::io::Error {
    fn from(error: BuildError) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, error.error)
    }
}

/// The arguments of a message, read one after the other.
///
/// Each method reads the next one as that type, which the protocol knows and the bytes do not. An
/// error says of which message it is. Behind an argument that ends early nothing is read; behind one
/// that is wrong otherwise, the next can be.
#[derive(Debug)]
pub struct Arguments<'a> {
    object: u32,
    opcode: u16,
    bytes: &'a [u8],
    fds: &'a mut Vec<OwnedFd>,
}

impl<'a> Arguments<'a> {
    /// A `uint`.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    #[inline]
    pub fn uint(&mut self) -> Result<u32, WireError> {
        match self.bytes.split_first_chunk() {
            Some((word, rest)) => {
                self.bytes = rest;
                Ok(u32::from_ne_bytes(*word))
            }
            None => Err(self.fault(WireFault::EndsEarly { needed: 4, left: self.bytes.len() })),
        }
    }

    /// An `int`.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    #[inline]
    pub fn int(&mut self) -> Result<i32, WireError> {
        Ok(self.uint()? as i32)
    }

    /// A `fixed`.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    #[inline]
    pub fn fixed(&mut self) -> Result<Fixed, WireError> {
        Ok(Fixed::from_bits(self.int()?))
    }

    /// An `object` that may be null.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    #[inline]
    pub fn optional_object(&mut self) -> Result<Option<ObjectId>, WireError> {
        Ok(ObjectId::new(self.uint()?))
    }

    /// An `object`.
    ///
    /// # Errors
    ///
    /// [`WireFault::NullObject`], [`WireFault::EndsEarly`].
    #[inline]
    pub fn object(&mut self) -> Result<ObjectId, WireError> {
        self.optional_object()?.ok_or_else(|| self.fault(WireFault::NullObject))
    }

    /// A `new_id` of an interface that the protocol names.
    ///
    /// # Errors
    ///
    /// [`WireFault::NullObject`], [`WireFault::EndsEarly`].
    #[inline]
    pub fn new_id(&mut self) -> Result<ObjectId, WireError> {
        self.object()
    }

    /// A `new_id` of an interface that it does not name: interface, version and number.
    ///
    /// # Errors
    ///
    /// Those of its parts.
    pub fn untyped_new_id(&mut self) -> Result<(&'a CStr, u32, ObjectId), WireError> {
        Ok((self.string()?, self.uint()?, self.new_id()?))
    }

    /// A `string` that may be null.
    ///
    /// # Errors
    ///
    /// [`WireFault::StringWithoutNul`], [`WireFault::StringWithNul`], [`WireFault::EndsEarly`].
    pub fn optional_string(&mut self) -> Result<Option<&'a CStr>, WireError> {
        let bytes = self.array()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        match CStr::from_bytes_until_nul(bytes) {
            Ok(text) if text.count_bytes() + 1 == bytes.len() => Ok(Some(text)),
            Ok(_) => Err(self.fault(WireFault::StringWithNul)),
            Err(_) => Err(self.fault(WireFault::StringWithoutNul)),
        }
    }

    /// A `string`, without its NUL. That it is UTF-8 is not seen to.
    ///
    /// # Errors
    ///
    /// [`WireFault::NullString`], and those of [`optional_string`](Self::optional_string).
    pub fn string(&mut self) -> Result<&'a CStr, WireError> {
        self.optional_string()?.ok_or_else(|| self.fault(WireFault::NullString))
    }

    /// An `array`.
    ///
    /// # Errors
    ///
    /// [`WireFault::EndsEarly`].
    pub fn array(&mut self) -> Result<&'a [u8], WireError> {
        let before = self.bytes;
        let length = self.uint()?;
        let needed = u64::from(length).next_multiple_of(4);
        if needed > self.bytes.len() as u64 {
            let left = self.bytes.len();
            self.bytes = before;
            return Err(self.fault(WireFault::EndsEarly { needed, left }));
        }
        let (padded, rest) = self.bytes.split_at(needed as usize);
        self.bytes = rest;
        Ok(&padded[..length as usize])
    }

    /// An `fd`, taken out of the message.
    ///
    /// # Errors
    ///
    /// [`WireFault::NoFd`]: whoever counted the descriptors of this message counted fewer.
    #[inline]
    pub fn fd(&mut self) -> Result<OwnedFd, WireError> {
        if self.fds.is_empty() {
            return Err(self.fault(WireFault::NoFd));
        }
        Ok(self.fds.remove(0))
    }

    /// Sees that nothing is left.
    ///
    /// # Errors
    ///
    /// [`WireFault::BytesLeft`], [`WireFault::FdsLeft`].
    #[inline]
    pub fn finish(self) -> Result<(), WireError> {
        let (bytes, count) = (self.bytes.len(), self.fds.len());
        if bytes > 0 {
            Err(self.fault(WireFault::BytesLeft { bytes }))
        } else if count > 0 {
            Err(self.fault(WireFault::FdsLeft { count }))
        } else {
            Ok(())
        }
    }

    fn fault(&self, fault: WireFault) -> WireError {
        WireError { object: self.object, opcode: self.opcode, fault }
    }
}

/// The header of a message: whose, which, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) object: ObjectId,
    pub(crate) opcode: u16,
    pub(crate) length: usize,
}

/// The header that begins here, if it is there whole.
#[inline]
pub(crate) fn header(bytes: &[u8], limit: usize) -> Result<Option<Header>, WireError> {
    let (Some(object), Some(second)) = (word(bytes, 0), word(bytes, 4)) else { return Ok(None) };
    let (opcode, length) = ((second & 0xffff) as u16, (second >> 16) as usize);
    let fault = |fault| WireError { object, opcode, fault };
    let limit = limit.min(LONGEST);
    match ObjectId::new(object) {
        None => Err(fault(WireFault::NullObject)),
        _ if length < HEADER => Err(fault(WireFault::TooShort { length })),
        _ if length % 4 != 0 => Err(fault(WireFault::Unaligned { length })),
        _ if length > limit => Err(fault(WireFault::TooLong { length, limit })),
        Some(object) => Ok(Some(Header { object, opcode, length })),
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
