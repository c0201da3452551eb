//! What is written is read, whatever it is; and any bytes are read or are faults.

use bytes::BytesMut;
use interop_tests::guarded;
use proptest::prelude::*;

use super::body::Body;
use super::fixed::Fixed;
use super::header::{HEADER_BYTES, Header, LONGEST_MESSAGE};
use super::message::Message;
use super::object_id::ObjectId;
use super::testing::{builder, id, null, received};

#[test]
fn written_arguments_are_read_back() {
    guarded(|| {
        let mut message = builder()
            .int(i32::MIN)
            .uint(u32::MAX)
            .fixed(Fixed::from_bits(-1))
            .object(None)
            .object(id(5))
            .new_id(id(6))
            .string("text")
            .null_string()
            .array(b"array")
            .untyped_new_id("wl_shm", 2, id(8))
            .fd(null())
            .build()
            .expect("good");
        let mut arguments = message.read();
        assert_eq!(arguments.int(), Ok(i32::MIN));
        assert_eq!(arguments.uint(), Ok(u32::MAX));
        assert_eq!(arguments.fixed(), Ok(Fixed::from_bits(-1)));
        assert_eq!(arguments.optional_object(), Ok(None));
        assert_eq!(arguments.object(), Ok(id(5)));
        assert_eq!(arguments.new_id(), Ok(id(6)));
        assert_eq!(arguments.string(), Ok(c"text"));
        assert_eq!(arguments.optional_string(), Ok(None));
        assert_eq!(arguments.array(), Ok(&b"array"[..]));
        assert_eq!(arguments.untyped_new_id(), Ok((c"wl_shm", 2, id(8))));
        assert!(arguments.fd().is_ok());
        assert_eq!(arguments.finish(), Ok(()));
    });
}

/// An argument of each type.
#[derive(Clone, Debug)]
enum Argument {
    Int(i32),
    Uint(u32),
    Fixed(i32),
    Object(u32),
    NewId(u32),
    Untyped(Vec<u8>, u32, u32),
    Text(Option<Vec<u8>>),
    Array(Vec<u8>),
    Fd,
}

fn argument() -> impl Strategy<Value = Argument> {
    let text = || prop::collection::vec(1u8.., 0..20);
    prop_oneof![
        any::<i32>().prop_map(Argument::Int),
        any::<u32>().prop_map(Argument::Uint),
        any::<i32>().prop_map(Argument::Fixed),
        any::<u32>().prop_map(Argument::Object),
        (1u32..).prop_map(Argument::NewId),
        (text(), any::<u32>(), 1u32..)
            .prop_map(|(text, version, id)| { Argument::Untyped(text, version, id) }),
        prop::option::of(text()).prop_map(Argument::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Argument::Array),
        Just(Argument::Fd),
    ]
}

#[test]
fn arbitrary_written_arguments_are_read_back() {
    guarded(|| {
        proptest!(|(all in prop::collection::vec(argument(), 0..12))| {
        let mut builder = builder();
        for argument in &all {
            builder = match argument {
                Argument::Int(number) => builder.int(*number),
                Argument::Uint(number) => builder.uint(*number),
                Argument::Fixed(bits) => builder.fixed(Fixed::from_bits(*bits)),
                Argument::Object(number) => builder.object(ObjectId::new(*number)),
                Argument::NewId(number) => builder.new_id(id(*number)),
                Argument::Untyped(text, version, number) => {
                    let text = String::from_utf8_lossy(text);
                    builder.untyped_new_id(&text, *version, id(*number))
                }
                Argument::Text(Some(text)) => builder.string(text),
                Argument::Text(None) => builder.null_string(),
                Argument::Array(bytes) => builder.array(bytes),
                Argument::Fd => builder.fd(null()),
            };
        }
        let mut message = builder.build().expect("a good message");
        let mut bytes = BytesMut::new();
        message.encode(&mut bytes);
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(bytes.len(), message.len());
        let Header { object, opcode, length } = Header::parse(&bytes, LONGEST_MESSAGE).unwrap().unwrap();
        prop_assert_eq!(length, bytes.len());

        let arguments = bytes.freeze().slice(HEADER_BYTES..);
        let mut message = Message::received(object, opcode, Body::new(arguments), message.take_fds());
        let mut arguments = message.read();
        for argument in all {
            match argument {
                Argument::Int(number) => prop_assert_eq!(arguments.int(), Ok(number)),
                Argument::Uint(number) => prop_assert_eq!(arguments.uint(), Ok(number)),
                Argument::Fixed(bits) => {
                    prop_assert_eq!(arguments.fixed(), Ok(Fixed::from_bits(bits)));
                }
                Argument::Object(number) => {
                    prop_assert_eq!(arguments.optional_object(), Ok(ObjectId::new(number)));
                }
                Argument::NewId(number) => prop_assert_eq!(arguments.new_id(), Ok(id(number))),
                Argument::Untyped(text, version, number) => {
                    let (read, its_version, its_id) = arguments.untyped_new_id().unwrap();
                    let text = String::from_utf8_lossy(&text);
                    prop_assert_eq!(read.to_bytes(), text.as_bytes());
                    prop_assert_eq!((its_version, its_id), (version, id(number)));
                }
                Argument::Text(text) => {
                    let read = arguments.optional_string().unwrap();
                    prop_assert_eq!(read.map(|text| text.to_bytes().to_vec()), text);
                }
                Argument::Array(bytes) => prop_assert_eq!(arguments.array(), Ok(&bytes[..])),
                Argument::Fd => prop_assert!(arguments.fd().is_ok()),
            }
        }
        prop_assert_eq!(arguments.finish(), Ok(()));
        });
    });
}

proptest! {
    /// No bytes panic, and what is read never grows: each step takes something, or is an error.
    #[test]
    fn arbitrary_bytes_are_read_or_return_an_error(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), 0u8..12, any::<u8>()], 0..64),
        steps in prop::collection::vec(0..8u8, 0..16),
    ) {
        let _ = Header::parse(&bytes, 4096);
        let mut message = received(&bytes);
        let mut arguments = message.read();
        for step in steps {
            let before = arguments.bytes.len();
            let done = match step {
                0 => arguments.int().is_ok(),
                1 => arguments.object().is_ok(),
                2 => arguments.optional_object().is_ok(),
                3 => arguments.string().is_ok(),
                4 => arguments.optional_string().is_ok(),
                5 => arguments.array().is_ok(),
                6 => arguments.untyped_new_id().is_ok(),
                _ => arguments.fd().is_ok(),
            };
            prop_assert!(arguments.bytes.len() <= before);
            prop_assert!(!done || arguments.bytes.len() < before);
        }
        let left = arguments.bytes.len();
        prop_assert_eq!(arguments.finish().is_ok(), left == 0);
    }
}
