//! Another implementation: what zbus writes is read here as it was meant, and what is written here
//! zbus reads as it was meant.

use std::num::NonZeroU32;

use anchovy_dbus::{ByteOrder, Message, MessageType};
use bytes::Bytes;
use proptest::prelude::*;
use zbus::message::{Builder, Flags};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{BE, LE, OwnedVariant, Variant};

use crate::properties::{config, wish};
use crate::raw::ORDERS;

/// A header as its signature says, `yyyyuua(yv)`.
type Header = (u8, u8, u8, u8, u32, u32, Vec<(u8, OwnedVariant)>);

/// What zbus finds in a field.
#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    Number(u32),
}

fn value(variant: &Variant<'_>) -> Value {
    match variant {
        Variant::Str(text) => Value::Text(text.to_string()),
        Variant::ObjectPath(path) => Value::Text(path.to_string()),
        Variant::Signature(signature) => Value::Text(signature.to_string()),
        Variant::U32(number) => Value::Number(*number),
        other => panic!("no header field is {other:?}"),
    }
}

/// What zbus is to find, by the codes of the fields.
fn expected(message: &Message) -> Vec<(u8, Value)> {
    let header = message.header();
    let text = |text: Option<&str>| text.map(|text| Value::Text(text.to_owned()));
    let fields = [
        (1, text(header.path())),
        (2, text(header.interface())),
        (3, text(header.member())),
        (4, text(header.error_name())),
        (5, header.reply_serial().map(|serial| Value::Number(serial.get()))),
        (6, text(header.destination())),
        (7, text(header.sender())),
    ];
    fields.into_iter().filter_map(|(code, value)| Some((code, value?))).collect()
}

fn check(message: &Message) {
    let header = message.header();
    let bytes = message.to_bytes().expect("it has a serial");
    let order = if header.byte_order() == ByteOrder::Big { BE } else { LE };
    let data = Data::new(&bytes[..], Context::new(order, 0));
    let (read, length): (Header, usize) = data.deserialize().expect("zbus reads it");
    let (first, message_type, flags, version, body_length, serial, fields) = read;

    assert_eq!(first, if header.byte_order() == ByteOrder::Big { b'B' } else { b'l' });
    assert_eq!(message_type, header.message_type().code());
    assert_eq!(flags, header.flags().bits());
    assert_eq!(version, 1);
    assert_eq!(body_length as usize, header.body_len());
    assert_eq!(NonZeroU32::new(serial), header.serial());
    assert_eq!(length.next_multiple_of(8) + header.body_len(), bytes.len());

    let mut fields: Vec<_> = fields.iter().map(|(code, field)| (*code, value(field))).collect();
    fields.sort_by_key(|(code, _)| *code);
    let signature = fields.iter().position(|(code, _)| *code == 8).map(|at| fields.remove(at).1);
    assert_eq!(fields, expected(message));

    // zbus reads several types as one struct.
    let ours = header.signature().to_owned();
    match signature {
        Some(Value::Text(theirs)) => assert!(theirs == ours || theirs == format!("({ours})")),
        other => assert!(other.is_none() && ours.is_empty(), "{other:?} {ours}"),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn zbus_reads_what_is_built_here(wish in wish()) {
        check(&wish.build());
    }
}

/// A message of zbus, as read here.
fn read<B>(builder: Builder<'_>, order: ByteOrder, body: &B) -> Message
where
    B: zbus::export::serde::Serialize + zbus::wire::DynamicType,
{
    let endian = if order == ByteOrder::Big { BE } else { LE };
    let theirs = builder.endian(endian).build(body).expect("zbus builds it");
    let bytes = Bytes::copy_from_slice(theirs.data());
    let message = Message::from_bytes(bytes.clone(), Vec::new()).expect("it is read here");
    assert_eq!(message.header().byte_order(), order);
    assert_eq!(message.to_bytes().expect("it has a serial"), bytes);
    message
}

#[test]
fn calls_of_zbus_are_read() {
    for order in ORDERS {
        let builder = zbus::Message::method_call("/org/example", "Call")
            .destination("org.example.Service")
            .interface("org.example.Interface")
            .sender(":1.7")
            .serial(NonZeroU32::new(77).expect("not 0"))
            .with_flags(Flags::NO_AUTO_START);
        let message = read(builder, order, &("text", 7_u32, vec![1_u8, 2]));
        let header = message.header();
        assert_eq!(header.message_type(), MessageType::MethodCall);
        assert_eq!(header.flags(), anchovy_dbus::Flags::NO_AUTO_START);
        assert_eq!(header.serial(), NonZeroU32::new(77));
        assert_eq!(header.path(), Some("/org/example"));
        assert_eq!(header.interface(), Some("org.example.Interface"));
        assert_eq!(header.member(), Some("Call"));
        assert_eq!(header.destination(), Some("org.example.Service"));
        assert_eq!(header.sender(), Some(":1.7"));
        assert_eq!(header.signature(), "suay");
        assert_eq!(header.body_len(), 22);
    }
}

#[test]
fn answers_of_zbus_are_read() {
    let call = zbus::Message::method_call("/", "Call").sender(":1.7").build(&()).expect("a call");
    let serial = call.primary_header().serial_num();
    for order in ORDERS {
        let returned = read(zbus::Message::method_return(&call.header()), order, &());
        assert_eq!(returned.header().message_type(), MessageType::MethodReturn);
        assert_eq!(returned.header().reply_serial(), Some(serial));
        assert_eq!(returned.header().destination(), Some(":1.7"));
        assert_eq!(returned.header().signature(), "");

        let failed = read(zbus::Message::error(&call.header(), "a.b.Failed"), order, &"why");
        assert_eq!(failed.header().message_type(), MessageType::Error);
        assert_eq!(failed.header().error_name(), Some("a.b.Failed"));
        assert_eq!(failed.header().reply_serial(), Some(serial));
        assert_eq!(failed.header().signature(), "s");
    }
}

#[test]
fn signals_of_zbus_are_read() {
    for order in ORDERS {
        let signal = read(zbus::Message::signal("/a", "b.c", "D"), order, &(1_u8, 2_u64));
        assert_eq!(signal.header().message_type(), MessageType::Signal);
        assert_eq!(signal.header().path(), Some("/a"));
        assert_eq!(signal.header().interface(), Some("b.c"));
        assert_eq!(signal.header().member(), Some("D"));
        assert_eq!(signal.header().signature(), "yt");
        assert_eq!(signal.body().len(), 16);
    }
}
