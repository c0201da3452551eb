//! Framing and arguments of Wayland, against a parser that follows the specification word by word.
//!
//! The parser of wayland-backend (`rs/wire.rs`) is in a private module, and its backends call it for
//! known objects of real sockets only. So the same rules are written here again, in its order, except
//! that the specification decides where it is more lenient: an object id is not 0, and a length is a
//! multiple of 4.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use anchovy::codec::fuzzing::{Receiving, Sending};
use anchovy::codec::{Attribution, Placement, ReadPolicy, ReceiveError};
use anchovy_wayland::{
    Arguments, Limits, Message, ObjectId, WireError, WireErrorKind, fuzzing::codec,
};

use crate::input::Input;
use crate::token::{Token, identity};

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Type {
    Uint,
    Int,
    Fixed,
    Object,
    OptionalObject,
    NewId,
    String,
    OptionalString,
    Array,
    Fd,
    UntypedNewId,
}

const TYPES: [Type; 11] = [
    Type::Uint,
    Type::Int,
    Type::Fixed,
    Type::Object,
    Type::OptionalObject,
    Type::NewId,
    Type::String,
    Type::OptionalString,
    Type::Array,
    Type::Fd,
    Type::UntypedNewId,
];

/// The value of an argument.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Word(u32),
    Id(Option<u32>),
    Text(Option<Vec<u8>>),
    Bytes(Vec<u8>),
    Fd(u64),
}

/// A message with its values, or the first error of its arguments.
#[derive(Debug, PartialEq)]
struct Read {
    object: u32,
    opcode: u16,
    values: Vec<Value>,
    error: Option<WireErrorKind>,
}

/// The end of a stream.
#[derive(Debug, PartialEq)]
enum End {
    Open,
    Wire(WireErrorKind),
    MissingFds,
}

/// Most opcodes with a signature of their own.
const SIGNATURES: usize = 4;

/// Reads a limit, signatures and the sizes of reads from the input. The rest is the stream.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    let limit = 8 + 4 * input.below(64);
    let mut signatures: [Vec<Type>; SIGNATURES] = Default::default();
    for signature in &mut signatures {
        let count = input.below(6);
        signature.extend((0..count).map(|_| TYPES[input.below(TYPES.len())]));
    }
    let piece = 1 + input.below(256);
    let fds_of_reads: Vec<usize> = (0..4).map(|_| input.below(3)).collect();
    let stream = input.rest();

    let (mut tokens, mut given) = (Vec::new(), VecDeque::new());
    let pieces: Vec<_> = stream.chunks(piece).collect();
    let sets: Vec<Vec<OwnedFd>> = (0..pieces.len())
        .map(|read| {
            let count = fds_of_reads.get(read).copied().unwrap_or(0);
            (0..count)
                .map(|_| {
                    let (token, fd) = Token::new();
                    given.push_back(token.identity());
                    tokens.push(token);
                    fd
                })
                .collect()
        })
        .collect();

    let expected = expected(stream, limit, &signatures, piece, &sets);
    assert_eq!(received(&pieces, sets, limit, &signatures), expected);
    assert!(tokens.iter().all(Token::is_closed), "a descriptor leaked");
}

fn signature_of(signatures: &[Vec<Type>; SIGNATURES], opcode: u16) -> &[Type] {
    &signatures[usize::from(opcode) % SIGNATURES]
}

fn count_of(signatures: &[Vec<Type>; SIGNATURES], opcode: u16) -> usize {
    signature_of(signatures, opcode).iter().filter(|kind| **kind == Type::Fd).count()
}

/// Receives the stream.
fn received(
    pieces: &[&[u8]],
    sets: Vec<Vec<OwnedFd>>,
    limit: usize,
    signatures: &[Vec<Type>; SIGNATURES],
) -> (Vec<Read>, End) {
    let limits = Limits { max_message_bytes: limit, ..Limits::server() };
    let count = |_: ObjectId, opcode: u16| count_of(signatures, opcode);
    let mut codec = codec(count, &limits);
    let policy = ReadPolicy { attribution: Attribution::Fifo, ..ReadPolicy::default() };
    let mut receiving = Receiving::new(policy);
    let mut messages = Vec::new();
    for (piece, fds) in pieces.iter().zip(sets) {
        receiving.receive(piece, fds, None);
        loop {
            let mut message = match receiving.decode(&mut codec) {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(ReceiveError::Codec(WireError { kind, .. })) => {
                    return (messages, End::Wire(kind));
                }
                Err(ReceiveError::MissingFds { .. }) => return (messages, End::MissingFds),
                Err(other) => panic!("{other:?}"),
            };
            check_encoding(&mut message, limit);
            let signature = signature_of(signatures, message.opcode());
            messages.push(read(&mut message, signature));
        }
    }
    (messages, End::Open)
}

/// A received message is sent as the same bytes.
fn check_encoding(message: &mut Message, limit: usize) {
    let (object, opcode) = (message.object(), message.opcode());
    let mut expected = object.get().to_ne_bytes().to_vec();
    let second = (message.len() as u32) << 16 | u32::from(opcode);
    expected.extend_from_slice(&second.to_ne_bytes());
    expected.extend_from_slice(message.arguments());

    let mut copy = Message::builder(object, opcode);
    for word in message.arguments().chunks_exact(4) {
        copy = copy.uint(u32::from_ne_bytes(word.try_into().expect("4 bytes")));
    }
    let copy = copy.build().expect("words are arguments");
    let limits = Limits { max_message_bytes: limit, ..Limits::server() };
    let mut sending = Sending::new(Placement::Together, 28);
    let none = |_: ObjectId, _: u16| 0;
    sending.push(&mut codec(none, &limits), copy).expect("it is as long as the received one");
    let (bytes, fds) = sending.plan().expect("a message has bytes");
    assert_eq!((bytes, fds.len()), (expected, 0));
}

/// Reads the arguments, and builds them again.
fn read(message: &mut Message, signature: &[Type]) -> Read {
    let (object, opcode) = (message.object(), message.opcode());
    let bytes = message.arguments().to_vec();
    let mut arguments = message.read();
    let (mut values, mut error) = (Vec::new(), None);
    for kind in signature {
        if let Err(refused) = read_one(&mut arguments, *kind, &mut values) {
            error = Some(refused);
            break;
        }
    }
    let finished = arguments.finish();
    if error.is_none() {
        error = finished.err();
    }
    if error.is_none() {
        check_builder(object, opcode, signature, &values, &bytes);
    }
    if let Some(error) = error {
        assert_eq!((error.object, error.opcode), (object.get(), opcode));
    }
    Read { object: object.get(), opcode, values, error: error.map(|error| error.kind) }
}

fn read_one(
    arguments: &mut Arguments<'_>,
    kind: Type,
    values: &mut Vec<Value>,
) -> Result<(), WireError> {
    let value = match kind {
        Type::Uint => Value::Word(arguments.uint()?),
        Type::Int => Value::Word(arguments.int()? as u32),
        Type::Fixed => Value::Word(arguments.fixed()?.to_bits() as u32),
        Type::Object => Value::Id(Some(arguments.object()?.get())),
        Type::OptionalObject => Value::Id(arguments.optional_object()?.map(ObjectId::get)),
        Type::NewId => Value::Id(Some(arguments.new_id()?.get())),
        Type::String => Value::Text(Some(arguments.string()?.to_bytes().to_vec())),
        Type::OptionalString => {
            Value::Text(arguments.optional_string()?.map(|text| text.to_bytes().to_vec()))
        }
        Type::Array => Value::Bytes(arguments.array()?.to_vec()),
        Type::Fd => Value::Fd(identity(arguments.fd()?)),
        Type::UntypedNewId => {
            let (interface, version, id) = arguments.untyped_new_id()?;
            values.push(Value::Text(Some(interface.to_bytes().to_vec())));
            values.push(Value::Word(version));
            Value::Id(Some(id.get()))
        }
    };
    values.push(value);
    Ok(())
}

/// Values that were read are built as the same bytes, except for the padding, which is 0.
fn check_builder(
    object: ObjectId,
    opcode: u16,
    signature: &[Type],
    values: &[Value],
    received: &[u8],
) {
    let mut builder = Message::builder(object, opcode);
    let mut left = values.iter();
    for kind in signature {
        builder = match (kind, left.next()) {
            (Type::UntypedNewId, Some(Value::Text(Some(interface)))) => {
                let Ok(interface) = std::str::from_utf8(interface) else { return };
                match (left.next(), left.next()) {
                    (Some(Value::Word(version)), Some(Value::Id(Some(id)))) => {
                        let id = ObjectId::new(*id).expect("not 0");
                        builder.untyped_new_id(interface, *version, id)
                    }
                    other => panic!("a version and an id, not {other:?}"),
                }
            }
            (Type::Int, Some(Value::Word(word))) => builder.int(*word as i32),
            (_, Some(Value::Word(word))) => builder.uint(*word),
            (Type::NewId, Some(Value::Id(Some(id)))) => {
                builder.new_id(ObjectId::new(*id).expect("not 0"))
            }
            (_, Some(Value::Id(id))) => builder.object(id.and_then(ObjectId::new)),
            (_, Some(Value::Text(Some(text)))) => builder.string(text),
            (_, Some(Value::Text(None))) => builder.null_string(),
            (_, Some(Value::Bytes(bytes))) => builder.array(bytes),
            (_, Some(Value::Fd(_))) => builder,
            (_, None) => panic!("a value for each argument"),
        };
    }
    let built = builder.build().expect("what is read can be built");
    assert_eq!(built.len(), 8 + received.len());
    let mut copy = built;
    let plain: Vec<_> = signature.iter().copied().filter(|kind| *kind != Type::Fd).collect();
    let read_again = {
        let mut values = Vec::new();
        let mut arguments = copy.read();
        for kind in plain {
            read_one(&mut arguments, kind, &mut values).expect("what is built can be read");
        }
        arguments.finish().expect("nothing is left");
        values
    };
    let without_fds: Vec<_> =
        values.iter().filter(|value| !matches!(value, Value::Fd(_))).cloned().collect();
    assert_eq!(read_again, without_fds);
}

/// The same by the words of the specification.
fn expected(
    stream: &[u8],
    limit: usize,
    signatures: &[Vec<Type>; SIGNATURES],
    piece: usize,
    sets: &[Vec<OwnedFd>],
) -> (Vec<Read>, End) {
    let limit = limit.clamp(8, 0xfffc);
    let mut fds = VecDeque::new();
    let (mut messages, mut at) = (Vec::new(), 0);
    for (read, set) in sets.iter().enumerate() {
        fds.extend(set.iter().map(identity));
        let arrived = &stream[..stream.len().min((read + 1) * piece)];
        while let Some(header) = arrived.get(at..at + 8) {
            let (object, second) = (word(&header[..4]), word(&header[4..]));
            let (opcode, length) = ((second & 0xffff) as u16, (second >> 16) as usize);
            if object == 0 {
                return (messages, End::Wire(WireErrorKind::NullObject));
            } else if length < 8 {
                return (messages, End::Wire(WireErrorKind::TooShort { length }));
            } else if length % 4 != 0 {
                return (messages, End::Wire(WireErrorKind::Unaligned { length }));
            } else if length > limit {
                return (messages, End::Wire(WireErrorKind::TooLong { length, limit }));
            }
            let Some(payload) = arrived.get(at + 8..at + length) else { break };
            let count = count_of(signatures, opcode);
            if count > fds.len() {
                return (messages, End::MissingFds);
            }
            let claimed = fds.drain(..count).collect();
            at += length;
            let signature = signature_of(signatures, opcode);
            let (values, error) = expected_values(payload, signature, claimed);
            messages.push(Read { object, opcode, values, error });
        }
    }
    (messages, End::Open)
}

fn expected_values(
    mut payload: &[u8],
    signature: &[Type],
    mut fds: VecDeque<u64>,
) -> (Vec<Value>, Option<WireErrorKind>) {
    let mut values = Vec::new();
    let parts = signature.iter().flat_map(|kind| match kind {
        Type::UntypedNewId => vec![Type::String, Type::Uint, Type::NewId],
        other => vec![*other],
    });
    // An untyped new_id whose part is refused has no values before it.
    let mut whole = 0;
    let mut part_of_untyped = 0;
    let mut types = signature.iter();
    for kind in parts {
        if part_of_untyped == 0 {
            whole = values.len();
            part_of_untyped = if types.next() == Some(&Type::UntypedNewId) { 3 } else { 1 };
        }
        match expected_value(&mut payload, kind, &mut fds) {
            Ok(value) => values.push(value),
            Err(error) => {
                values.truncate(whole);
                return (values, Some(error));
            }
        }
        part_of_untyped -= 1;
    }
    let error = match (payload.len(), fds.len()) {
        (0, 0) => None,
        (0, count) => Some(WireErrorKind::TrailingFds { count }),
        (bytes, _) => Some(WireErrorKind::TrailingBytes { bytes }),
    };
    (values, error)
}

fn expected_value(
    payload: &mut &[u8],
    kind: Type,
    fds: &mut VecDeque<u64>,
) -> Result<Value, WireErrorKind> {
    if kind == Type::Fd {
        return fds.pop_front().map(Value::Fd).ok_or(WireErrorKind::NoFd);
    }
    let left = payload.len();
    let Some((front, mut tail)) = payload.split_at_checked(4) else {
        return Err(WireErrorKind::EndsEarly { needed: 4, left });
    };
    let front = word(front);
    let value = match kind {
        Type::Object | Type::NewId if front == 0 => Err(WireErrorKind::NullObject),
        Type::Object | Type::NewId => Ok(Value::Id(Some(front))),
        Type::OptionalObject => Ok(Value::Id((front != 0).then_some(front))),
        Type::String | Type::OptionalString | Type::Array => {
            let needed = u64::from(front).next_multiple_of(4);
            // The length itself has been read.
            if needed > tail.len() as u64 {
                let left = tail.len();
                return Err(WireErrorKind::EndsEarly { needed, left });
            }
            let (padded, rest) = tail.split_at(needed as usize);
            tail = rest;
            let bytes = &padded[..front as usize];
            match (kind, bytes.split_last()) {
                (Type::Array, _) => Ok(Value::Bytes(bytes.to_vec())),
                (Type::OptionalString, None) => Ok(Value::Text(None)),
                (_, None) => Err(WireErrorKind::NullString),
                (_, Some(_)) if !bytes.contains(&0) => Err(WireErrorKind::StringWithoutNul),
                (_, Some((0, text))) if !text.contains(&0) => Ok(Value::Text(Some(text.to_vec()))),
                _ => Err(WireErrorKind::StringWithNul),
            }
        }
        _ => Ok(Value::Word(front)),
    };
    *payload = tail;
    value
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(bytes.try_into().expect("4 bytes"))
}
