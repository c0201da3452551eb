//! Building: what is written is what was asked for, and nothing that a peer would refuse.

use std::io;
use std::num::NonZeroU32;

use anchovy_dbus::{
    BuildError, ByteOrder, FieldError, Flags, HeaderField, MAX_ARRAY_BYTES, MAX_MESSAGE_BYTES,
    Message, MessageBuilder, MessageError, MessageType, SignatureError,
};
use bytes::Bytes;

use crate::raw::{ORDERS, Raw};

const SERIAL: NonZeroU32 = NonZeroU32::new(0x0102_0304).unwrap();

#[track_caller]
fn refused(builder: MessageBuilder<'_>) -> MessageError {
    builder.build().unwrap_err().error
}

#[track_caller]
fn field_refused(field: HeaderField, error: FieldError, builder: MessageBuilder<'_>) {
    let refused = refused(builder);
    let MessageError::Field { field: found, error: reason, .. } = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!((*found, *reason), (field, error));
}

fn call() -> MessageBuilder<'static> {
    Message::method_call("/", "M")
}

#[test]
fn a_call_is_written_as_the_specification_says() {
    for order in ORDERS {
        let builder = call().byte_order(order).serial(SERIAL).flags(Flags::NO_AUTO_START);
        let expected = Raw::call(order).with(|raw| {
            raw.serial = SERIAL.get();
            raw.flags = 2;
        });
        let built = builder.build().expect("a message");
        assert_eq!(built.to_bytes().expect("a serial"), expected.finish());
    }
}

#[test]
fn the_byte_order_is_that_of_this_machine_by_default() {
    assert_eq!(call().build().expect("a message").header().byte_order(), ByteOrder::NATIVE);
}

#[test]
fn no_field_may_be_wrong() {
    field_refused(HeaderField::Path, FieldError::ObjectPath, call().path("a"));
    field_refused(HeaderField::Path, FieldError::ObjectPath, call().path(""));
    field_refused(HeaderField::Interface, FieldError::Name, call().interface("a"));
    field_refused(HeaderField::Member, FieldError::Name, call().member("a.b"));
    field_refused(HeaderField::Member, FieldError::Name, call().member(""));
    field_refused(HeaderField::ErrorName, FieldError::Name, call().error_name("a"));
    field_refused(HeaderField::Destination, FieldError::Name, call().destination(":1"));
    field_refused(HeaderField::Sender, FieldError::Name, call().sender("1.1"));
    let brackets = FieldError::Signature(SignatureError::Brackets);
    field_refused(HeaderField::Signature, brackets, call().body("(s", vec![0]));
    let local = "org.freedesktop.DBus.Local";
    field_refused(HeaderField::Interface, FieldError::Reserved, call().interface(local));
}

#[test]
fn no_field_may_be_missing() {
    let missing = |field, message_type| MessageError::FieldMissing { field, message_type };
    assert_eq!(
        refused(Message::builder(MessageType::Signal)),
        missing(HeaderField::Path, MessageType::Signal)
    );
    let unsent = call().build().expect("a message");
    assert_eq!(
        refused(Message::method_return(&unsent)),
        missing(HeaderField::ReplySerial, MessageType::MethodReturn)
    );
}

#[test]
fn an_unknown_type_with_a_known_code_needs_the_fields_of_that_type() {
    assert_eq!(
        refused(Message::builder(MessageType::Unknown(4))),
        MessageError::FieldMissing { field: HeaderField::Path, message_type: MessageType::Signal }
    );
}

#[test]
fn the_type_0_is_not_built() {
    assert_eq!(refused(Message::builder(MessageType::Unknown(0))), MessageError::NoType);
}

#[test]
fn a_body_and_its_signature_come_together() {
    assert_eq!(refused(call().body("", vec![0])), MessageError::BodyWithoutSignature);
    assert_eq!(refused(call().body("s", Bytes::new())), MessageError::SignatureWithoutBody);
}

#[test]
fn a_signature_that_is_too_long_is_not_written() {
    let longest = "y".repeat(255);
    let built = call().body(&longest, vec![0; 255]).build().expect("a message");
    assert_eq!(built.header().signature(), longest);
    let too_long = FieldError::Signature(SignatureError::TooLong);
    field_refused(HeaderField::Signature, too_long, call().body(&"y".repeat(256), vec![0; 256]));
}

#[test]
fn fields_that_are_too_long_are_not_written() {
    let path = format!("/{}", "a".repeat(MAX_ARRAY_BYTES));
    let builder = Message::builder(MessageType::Unknown(5)).path(&path);
    let length = path.len() as u64 + 9;
    assert_eq!(refused(builder), MessageError::FieldsTooLong { length, limit: MAX_ARRAY_BYTES });
}

#[test]
fn a_message_that_is_too_long_is_not_written() {
    // A header of 56 bytes, and a body that fits, or one byte more.
    let body = Bytes::from(vec![0; MAX_MESSAGE_BYTES - 55]);
    let limit = MAX_MESSAGE_BYTES;
    let length = MAX_MESSAGE_BYTES as u64 + 1;
    let error = MessageError::TooLong { length, limit };
    assert_eq!(refused(call().body("ay", body.clone())), error);
    assert!(call().body("ay", body.slice(1..)).build().is_ok());
}

#[test]
fn an_answer_goes_to_the_sender_of_the_call_with_its_serial() {
    let mut call = call().sender(":1.7").build().expect("a message");
    call.set_serial(SERIAL);
    let returned = Message::method_return(&call).build().expect("a message");
    assert_eq!(returned.header().message_type(), MessageType::MethodReturn);
    assert_eq!(returned.header().destination(), Some(":1.7"));
    assert_eq!(returned.header().reply_serial(), Some(SERIAL));
    assert_eq!(returned.serial(), None);

    let failed = Message::error(&call, "org.example.Failed").build().expect("a message");
    assert_eq!(failed.header().message_type(), MessageType::Error);
    assert_eq!(failed.header().error_name(), Some("org.example.Failed"));
    assert_eq!(failed.header().destination(), Some(":1.7"));
    assert_eq!(failed.header().reply_serial(), Some(SERIAL));
}

#[test]
fn an_answer_to_a_call_of_nobody_goes_to_nobody() {
    let call = call().serial(SERIAL).build().expect("a message");
    let returned = Message::method_return(&call).build().expect("a message");
    assert_eq!(returned.header().destination(), None);
}

#[test]
fn a_serial_is_written_in_the_order_of_the_message() {
    for order in ORDERS {
        let mut message = call().byte_order(order).build().expect("a message");
        assert_eq!(message.to_bytes(), Err(MessageError::NoSerial));
        message.set_serial(SERIAL);
        let bytes = message.to_bytes().expect("a serial");
        let expected = Raw::call(order).with(|raw| raw.serial = SERIAL.get()).finish();
        assert_eq!(bytes, expected);
    }
}

#[test]
fn a_received_message_can_be_given_another_serial() {
    for order in ORDERS {
        let received = Message::from_bytes(Raw::call(order).finish(), Vec::new());
        let mut received = received.expect("a message");
        received.set_serial(SERIAL);
        assert_eq!(received.header().serial(), Some(SERIAL));
        let repeated = Message::from_bytes(received.to_bytes().expect("a serial"), Vec::new());
        assert_eq!(repeated.expect("a message").serial(), Some(SERIAL));
    }
}

#[test]
fn a_message_that_is_rebuilt_is_as_it_was() {
    for order in ORDERS {
        let message = Message::builder(MessageType::Unknown(9))
            .byte_order(order)
            .flags(Flags::from_bits_retain(0xf0))
            .serial(SERIAL)
            .path("/p")
            .interface("i.i")
            .member("M")
            .error_name("e.e")
            .destination("d.d")
            .sender(":1.7")
            .reply_serial(SERIAL)
            .body("ay", vec![1, 2, 3])
            .build()
            .expect("a message");
        let rebuilt = message.rebuild().build().expect("a message");
        assert_eq!(rebuilt.to_bytes(), message.to_bytes());
        assert_eq!(rebuilt.header().reply_serial(), Some(SERIAL));
    }
}

#[test]
fn an_error_can_be_found_again_in_an_io_error() {
    let refused: BuildError = call().member("").build().unwrap_err();
    let expected = refused.error.clone();
    assert_eq!(refused.to_string(), expected.to_string());
    let error = io::Error::from(refused);
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(MessageError::from_io_error(&error), Some(expected));
    assert_eq!(MessageError::from_io_error(&io::Error::from(io::ErrorKind::InvalidData)), None);
}

#[test]
fn what_is_shown_is_the_header_and_not_the_body() {
    let message = call().sender(":1.7").body("s", &b"secret"[..]).build().expect("a message");
    let shown = format!("{message:?}");
    assert!(shown.contains("\":1.7\"") && shown.contains("body_len: 6"), "{shown}");
    assert!(!shown.contains("secret") && !shown.contains("destination"), "{shown}");
}
