//! Messages byte by byte, right or wrong.

use anchovy_dbus::{BuildError, ByteOrder, FieldError, HeaderField, Message, MessageError};
use bytes::Bytes;

pub(crate) const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

pub(crate) const PATH: u8 = 1;
pub(crate) const INTERFACE: u8 = 2;
pub(crate) const MEMBER: u8 = 3;
pub(crate) const ERROR_NAME: u8 = 4;
pub(crate) const REPLY_SERIAL: u8 = 5;
pub(crate) const DESTINATION: u8 = 6;
pub(crate) const SENDER: u8 = 7;
pub(crate) const SIGNATURE: u8 = 8;
pub(crate) const UNIX_FDS: u8 = 9;
/// Of no specification yet.
pub(crate) const UNKNOWN: u8 = 200;

/// The parts of a message, each of which may be wrong.
pub(crate) struct Raw {
    pub(crate) order: ByteOrder,
    pub(crate) first: u8,
    pub(crate) message_type: u8,
    pub(crate) flags: u8,
    pub(crate) version: u8,
    pub(crate) serial: u32,
    pub(crate) body: Vec<u8>,
    /// What the header says of the body, if it does not say the truth.
    pub(crate) body_length: Option<u32>,
    /// What the header says of the fields, if it does not say the truth.
    pub(crate) fields_length: Option<u32>,
    /// From the first byte of the fields, which is aligned as the first of the message is.
    pub(crate) fields: Vec<u8>,
    /// The byte that pads the header.
    pub(crate) padding: u8,
}

impl Raw {
    /// Without fields.
    pub(crate) fn new(order: ByteOrder, message_type: u8) -> Raw {
        Raw {
            order,
            first: if order == ByteOrder::Big { b'B' } else { b'l' },
            message_type,
            flags: 0,
            version: 1,
            serial: 1,
            body: Vec::new(),
            body_length: None,
            fields_length: None,
            fields: Vec::new(),
            padding: 0,
        }
    }

    /// A method call as short as there is one.
    pub(crate) fn call(order: ByteOrder) -> Raw {
        Raw::new(order, 1).text(PATH, b'o', "/").text(MEMBER, b's', "M")
    }

    pub(crate) fn align(mut self, alignment: usize) -> Raw {
        self.fields.resize(self.fields.len().next_multiple_of(alignment), 0);
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Raw {
        self.fields.extend_from_slice(bytes);
        self
    }

    pub(crate) fn number(self, number: u32) -> Raw {
        let bytes = self.order_of(number);
        self.align(4).bytes(&bytes)
    }

    /// The value of a text, or of a path.
    pub(crate) fn string(self, text: impl AsRef<[u8]>) -> Raw {
        let text = text.as_ref();
        self.number(text.len() as u32).bytes(text).bytes(&[0])
    }

    /// The code of a field, and the signature of its variant.
    pub(crate) fn field(self, code: u8, signature: &str) -> Raw {
        self.align(8).bytes(&[code]).signature(signature)
    }

    /// The value of a signature.
    pub(crate) fn signature(self, signature: &str) -> Raw {
        self.bytes(&[signature.len() as u8]).bytes(signature.as_bytes()).bytes(&[0])
    }

    pub(crate) fn text(self, code: u8, type_code: u8, text: impl AsRef<[u8]>) -> Raw {
        self.field(code, &char::from(type_code).to_string()).string(text)
    }

    pub(crate) fn numeric(self, code: u8, number: u32) -> Raw {
        self.field(code, "u").number(number)
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Raw)) -> Raw {
        change(&mut self);
        self
    }

    fn order_of(&self, number: u32) -> [u8; 4] {
        if self.order == ByteOrder::Big { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub(crate) fn finish(self) -> Bytes {
        let body_length = self.body_length.unwrap_or(self.body.len() as u32);
        let fields_length = self.fields_length.unwrap_or(self.fields.len() as u32);
        let mut bytes = vec![self.first, self.message_type, self.flags, self.version];
        for number in [body_length, self.serial, fields_length] {
            bytes.extend_from_slice(&self.order_of(number));
        }
        bytes.extend_from_slice(&self.fields);
        bytes.resize(bytes.len().next_multiple_of(8), self.padding);
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }
}

pub(crate) fn read(raw: Raw) -> Result<Message, MessageError> {
    Message::from_bytes(raw.finish(), Vec::new()).map_err(|BuildError { error, .. }| error)
}

/// It is taken, in either byte order.
#[track_caller]
pub(crate) fn taken(make: impl Fn(ByteOrder) -> Raw) {
    for order in ORDERS {
        if let Err(error) = read(make(order)) {
            panic!("{order:?}: {error}");
        }
    }
}

/// It is refused for this reason, in either byte order.
#[track_caller]
pub(crate) fn refused(expected: MessageError, make: impl Fn(ByteOrder) -> Raw) {
    for order in ORDERS {
        assert_eq!(read(make(order)).err().as_ref(), Some(&expected), "{order:?}");
    }
}

/// A field of it is refused for this reason, in either byte order.
#[track_caller]
pub(crate) fn field_refused(
    field: HeaderField,
    error: FieldError,
    make: impl Fn(ByteOrder) -> Raw,
) {
    for order in ORDERS {
        let refused = read(make(order)).err();
        let Some(MessageError::Field { field: found, error: reason, .. }) = &refused else {
            panic!("{order:?}: {refused:?}")
        };
        assert_eq!((*found, *reason), (field, error), "{order:?}");
    }
}
