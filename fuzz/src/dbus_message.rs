//! Messages of D-Bus: decoding, encoding, and the same bytes in the parser of zbus.
//!
//! Every disagreement with zbus has a rule here, with the clause of the specification that decides.

use std::fs::File;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use anchovy::codec::fuzzing::Receiving;
use anchovy::codec::{ReadPolicy, ReceiveError};
use anchovy_dbus::{
    ByteOrder, FieldError, Header, HeaderField, Limits, MAX_ARRAY_BYTES, Message, MessageCodec,
    MessageError,
};
use bytes::Bytes;
use zbus::names::{BusName, ErrorName, InterfaceName, MemberName};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{BE, LE, ObjectPath, OwnedVariant, Variant};

/// Most descriptors that a message of this target gets.
const MOST_FDS: u32 = 16;

/// Decodes the bytes after the first one, which says how a stream is cut.
pub fn target(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let bytes = Bytes::copy_from_slice(data);
    let ours = decode(&bytes);
    check_stream(&bytes, &ours, usize::from(*cut) + 1);
    let theirs = zbus_reads(data);
    match (&ours, theirs) {
        (Ok(message), Ok(theirs)) => {
            check_round_trip(message, &bytes);
            compare(&message.header(), &theirs);
        }
        (Ok(message), Err(reason)) => {
            check_round_trip(message, &bytes);
            assert!(zbus_may_refuse(&reason), "zbus refuses it: {reason:?}");
        }
        (Err(error), Ok(theirs)) => {
            let is_known = zbus_may_accept(error, &theirs);
            assert!(is_known, "zbus accepts it, and here it is refused: {error}");
        }
        (Err(_), Err(_)) => {}
    }
}

/// Decodes a message, with as many descriptors as it declares.
fn decode(bytes: &Bytes) -> Result<Message, MessageError> {
    let error = match Message::from_bytes(bytes.clone(), Vec::new()) {
        Ok(message) => return Ok(message),
        Err(refused) => refused.error,
    };
    let MessageError::FdCount { declared, present: 0 } = error else { return Err(error) };
    if declared > MOST_FDS {
        return Err(error);
    }
    Message::from_bytes(bytes.clone(), fds(declared)).map_err(|refused| {
        assert_eq!(refused.fds.len(), declared as usize, "the caller gets them back");
        refused.error
    })
}

fn fds(count: u32) -> Vec<OwnedFd> {
    (0..count).map(|_| File::open("/dev/null").expect("a null device").into()).collect()
}

/// What is accepted is written as it came, and can be built again.
fn check_round_trip(message: &Message, bytes: &Bytes) {
    let _ = format!("{message:?}");
    assert_eq!(message.to_bytes().expect("a received message has a serial"), bytes);
    let fds = fds(message.header().unix_fds());
    let built = message.rebuild().fds(fds).build().expect("what is received can be built");
    let written = built.to_bytes().expect("it has a serial");
    let rebuilt = decode(&written).expect("what is built can be received");
    assert_eq!(texts(&rebuilt.header()), texts(&message.header()));
    assert_eq!(rebuilt.body(), message.body());
    assert_eq!(rebuilt.to_bytes().expect("it has a serial"), written);
}

/// All values of a header, for comparison.
fn texts(header: &Header<'_>) -> String {
    format!("{header:?}")
}

/// The decoder of a stream makes the same of the bytes, however they are cut.
fn check_stream(bytes: &Bytes, whole: &Result<Message, MessageError>, piece: usize) {
    let mut receiving = Receiving::new(ReadPolicy::default());
    let limits = Limits { max_fields_bytes: MAX_ARRAY_BYTES, ..Limits::client() };
    let mut codec = MessageCodec::new(limits);
    let mut unsent_fds = match whole {
        Ok(message) => fds(message.header().unix_fds()),
        Err(_) => Vec::new(),
    };
    let mut streamed = Ok(None);
    let mut left = &bytes[..];
    while !left.is_empty() && matches!(streamed, Ok(None)) {
        let (now, later) = left.split_at(piece.min(left.len()));
        left = later;
        receiving.receive(now, std::mem::take(&mut unsent_fds), None);
        streamed = receiving.decode(&mut codec);
    }
    match (whole, streamed) {
        (Ok(message), Ok(Some(streamed))) => {
            assert_eq!(streamed.to_bytes(), message.to_bytes());
            assert!(left.is_empty() && receiving.waiting() == 0);
        }
        (Ok(_), other) => panic!("a message is decoded from a stream too: {other:?}"),
        // The bytes are the start of a message, or more than one message.
        (Err(MessageError::Length { .. }), _) => {}
        (Err(MessageError::FdCount { .. }), Err(error)) => assert!(
            matches!(error, ReceiveError::MissingFds { .. } | ReceiveError::Codec(_)),
            "{error:?}"
        ),
        (Err(error), Err(streamed)) => {
            let streamed = format!("{streamed:?}");
            assert!(streamed.contains(&format!("{error:?}")), "{error:?} {streamed}");
        }
        // Whole bytes have a wrong length, which a stream does not have.
        (Err(error), Ok(None)) => panic!("a stream waits after {error:?}"),
        (Err(error), Ok(Some(_))) => panic!("a stream accepts what is refused: {error:?}"),
    }
}

/// A header as its signature says, `yyyyuua(yv)`.
type RawHeader = (u8, u8, u8, u8, u32, u32, Vec<(u8, OwnedVariant)>);

/// What zbus finds in a header.
#[derive(Debug, Default)]
struct Theirs {
    message_type: u8,
    flags: u8,
    serial: u32,
    body_length: usize,
    is_padded_with_zeros: bool,
    texts: [Option<String>; 10],
    reply_serial: Option<u32>,
    unix_fds: u32,
}

/// Why zbus does not read a header.
#[derive(Debug)]
#[expect(dead_code, reason = "the values are in the message of a finding")]
enum Refusal {
    ByteOrder,
    Wire(String),
    Number(&'static str),
    Length,
    Field(u8),
    Missing(u8),
    Body,
}

const PATH: usize = 1;
const INTERFACE: usize = 2;
const MEMBER: usize = 3;
const ERROR_NAME: usize = 4;
const REPLY_SERIAL: usize = 5;
const DESTINATION: usize = 6;
const SENDER: usize = 7;
const SIGNATURE: usize = 8;
const UNIX_FDS: usize = 9;

fn zbus_reads(data: &[u8]) -> Result<Theirs, Refusal> {
    let order = match data.first() {
        Some(b'l') => LE,
        Some(b'B') => BE,
        _ => return Err(Refusal::ByteOrder),
    };
    let wire = Data::new(data, Context::new(order, 0));
    let (header, length): (RawHeader, usize) =
        wire.deserialize().map_err(|error| Refusal::Wire(error.to_string()))?;
    let (_, message_type, flags, version, body_length, serial, fields) = header;
    // zbus checks these beside its wire format.
    if message_type == 0 {
        return Err(Refusal::Number("type"));
    } else if version != 1 {
        return Err(Refusal::Number("version"));
    } else if serial == 0 {
        return Err(Refusal::Number("serial"));
    }
    let body_length = body_length as usize;
    let head_length = length.next_multiple_of(8);
    if head_length + body_length != data.len() {
        return Err(Refusal::Length);
    }
    let is_padded_with_zeros = data[length..head_length].iter().all(|byte| *byte == 0);
    let mut theirs = Theirs {
        message_type,
        flags,
        serial,
        body_length,
        is_padded_with_zeros,
        ..Theirs::default()
    };
    let mut present = [false; 256];
    for (code, value) in &fields {
        let refused = Refusal::Field(*code);
        let known = (1..=9).contains(code);
        if *code == 0 || (known && std::mem::replace(&mut present[usize::from(*code)], true)) {
            return Err(refused);
        }
        let index = usize::from(*code);
        match (index, &**value) {
            // The wire format of zbus does not check paths.
            (PATH, Variant::ObjectPath(path)) if ObjectPath::try_from(path.as_str()).is_ok() => {
                theirs.texts[index] = Some(path.to_string());
            }
            (INTERFACE, Variant::Str(name)) if InterfaceName::try_from(name.as_str()).is_ok() => {
                theirs.texts[index] = Some(name.to_string());
            }
            (MEMBER, Variant::Str(name)) if MemberName::try_from(name.as_str()).is_ok() => {
                theirs.texts[index] = Some(name.to_string());
            }
            (ERROR_NAME, Variant::Str(name)) if ErrorName::try_from(name.as_str()).is_ok() => {
                theirs.texts[index] = Some(name.to_string());
            }
            (DESTINATION | SENDER, Variant::Str(name))
                if BusName::try_from(name.as_str()).is_ok() =>
            {
                theirs.texts[index] = Some(name.to_string());
            }
            (SIGNATURE, Variant::Signature(signature)) => {
                theirs.texts[index] = Some(signature.to_string());
            }
            (REPLY_SERIAL, Variant::U32(serial)) if *serial != 0 => {
                theirs.reply_serial = Some(*serial);
            }
            (UNIX_FDS, Variant::U32(count)) => theirs.unix_fds = *count,
            _ if !known => {}
            _ => return Err(refused),
        }
    }
    let required: &[usize] = match message_type {
        1 => &[PATH, MEMBER],
        2 => &[REPLY_SERIAL],
        3 => &[ERROR_NAME, REPLY_SERIAL],
        4 => &[PATH, INTERFACE, MEMBER],
        _ => &[],
    };
    if let Some(missing) = required.iter().find(|field| !present[**field]) {
        return Err(Refusal::Missing(*missing as u8));
    }
    let signature = theirs.texts[SIGNATURE].as_deref().unwrap_or_default();
    if signature.is_empty() != (body_length == 0) {
        return Err(Refusal::Body);
    }
    Ok(theirs)
}

/// Returns whether zbus refuses a message that the specification allows.
fn zbus_may_refuse(refusal: &Refusal) -> bool {
    match refusal {
        // "Header Fields": unknown fields are ignored. zbus looks up the index of a descriptor in one
        // of them, and this target gives zbus no descriptors.
        Refusal::Wire(error) => error == "File descriptor not in the given FD index",
        _ => false,
    }
}

/// Returns whether zbus accepts a message that the specification does not allow.
fn zbus_may_accept(error: &MessageError, theirs: &Theirs) -> bool {
    match error {
        // "Message Format": the header ends with padding of zeros. zbus checks the padding before a
        // value only.
        MessageError::Padding => !theirs.is_padded_with_zeros,
        // "Marshaling": a byte 0 ends strings, paths and signatures. zbus skips that byte.
        MessageError::Field { error: FieldError::NotTerminated, .. } => true,
        // "Valid Object Paths": zbus checks them where a path is expected, and not in an unknown field.
        MessageError::Field {
            field: HeaderField::Unknown(_),
            error: FieldError::ObjectPath,
            ..
        } => true,
        // "Header Fields": the path and the interface `Local` must not be sent. zbus does not check it.
        MessageError::Field { error: FieldError::Reserved, .. } => true,
        // This target has fewer descriptors than the message declares.
        MessageError::FdCount { declared, .. } => *declared > MOST_FDS,
        _ => false,
    }
}

fn compare(header: &Header<'_>, theirs: &Theirs) {
    let text = |field: usize| theirs.texts[field].as_deref();
    assert_eq!(header.message_type().code(), theirs.message_type);
    assert_eq!(header.flags().bits(), theirs.flags);
    assert_eq!(header.serial(), NonZeroU32::new(theirs.serial));
    assert_eq!(header.body_len(), theirs.body_length);
    assert_eq!(header.path(), text(PATH));
    assert_eq!(header.interface(), text(INTERFACE));
    assert_eq!(header.member(), text(MEMBER));
    assert_eq!(header.error_name(), text(ERROR_NAME));
    assert_eq!(header.destination(), text(DESTINATION));
    assert_eq!(header.sender(), text(SENDER));
    assert_eq!(header.reply_serial().map(NonZeroU32::get), theirs.reply_serial);
    assert_eq!(header.unix_fds(), theirs.unix_fds);
    // zbus reads several types as one struct.
    let (ours, theirs) = (header.signature(), text(SIGNATURE).unwrap_or_default());
    assert!(theirs == ours || theirs == format!("({ours})"), "{theirs:?} {ours:?}");
    assert!(matches!(header.byte_order(), ByteOrder::Little | ByteOrder::Big));
}
