//! Sending and reading `wl_display.error`.

use anchovy_wayland::{
    Connection, DecodePosition, DisplayError, Limits, Message, ReceiveError, WireError,
    WireErrorKind,
};

use crate::harness::*;

fn reported(error: &ReceiveError) -> (u32, u32, String) {
    let DisplayError { object, code, text, .. } = DisplayError::from_receive_error(error).unwrap();
    (object, code, text)
}

fn wire(object: u32, opcode: u16, kind: WireErrorKind) -> ReceiveError {
    ReceiveError::Wire(WireError { object, opcode, kind })
}

#[test]
fn the_codes_are_those_of_the_protocol_file() {
    use DisplayError as Error;
    let codes =
        [Error::INVALID_OBJECT, Error::INVALID_METHOD, Error::NO_MEMORY, Error::IMPLEMENTATION];
    assert_eq!(codes, [0, 1, 2, 3]);
}

#[test]
fn a_display_error_is_sent_as_an_event_of_the_display() {
    let event = DisplayError::new(id(7), 4, "no").message();
    let mut arguments = vec![];
    for word in [7u32, 4, 3] {
        arguments.extend(word.to_ne_bytes());
    }
    arguments.extend(b"no\0\0");
    assert_eq!(parts(&event), (1, 0, arguments));
}

#[test]
fn a_text_is_sent_up_to_127_bytes_and_in_whole_characters() {
    let sent = |text: String| {
        let event = DisplayError::new(id(1), 0, text).message();
        DisplayError::read(&event).unwrap().unwrap().text
    };
    assert_eq!(sent("a".repeat(127)).len(), 127);
    assert_eq!(sent("a".repeat(128)).len(), 127);
    assert_eq!(sent("a".repeat(100_000)).len(), 127);
    assert_eq!(sent("é".repeat(64)), "é".repeat(63));
    assert_eq!(sent(String::new()), "");
}

#[test]
fn a_text_is_sent_up_to_a_nul() {
    let event = DisplayError::new(id(1), 0, "one\0two").message();
    assert_eq!(DisplayError::read(&event).unwrap().unwrap().text, "one");
}

#[test]
fn an_error_without_an_object_and_in_another_encoding_can_be_read() {
    let event = Message::builder(id(1), 0).uint(0).uint(9).string(b"caf\xe9").build().unwrap();
    let error = DisplayError::read(&event).unwrap().unwrap();
    assert_eq!((error.object, error.code, &error.text[..]), (0, 9, "caf\u{fffd}"));
}

#[test]
fn other_messages_are_not_display_errors() {
    for other in [delete_id(2), global(2, 1, "wl_shm", 1)] {
        assert_eq!(DisplayError::read(&other).unwrap(), None);
    }
}

#[test]
fn a_malformed_request_is_an_invalid_method() {
    let invalid =
        |object, opcode| (1, 1, format!("invalid arguments for object {object}, method {opcode}"));
    for fault in [
        WireErrorKind::TooShort { length: 4 },
        WireErrorKind::Unaligned { length: 13 },
        WireErrorKind::NullObject,
        WireErrorKind::StringWithoutNul,
        WireErrorKind::EndsEarly { needed: 4, left: 0 },
    ] {
        assert_eq!(reported(&wire(4, 2, fault)), invalid(4, 2));
    }
    let position = DecodePosition { object: 4, opcode: 0 };
    let missing = ReceiveError::MissingFds { position, declared: 1, available: 0 };
    assert_eq!(reported(&missing), invalid(4, 0));
}

#[test]
fn a_request_for_object_0_is_an_invalid_object() {
    let error = wire(0, 3, WireErrorKind::NullObject);
    assert_eq!(reported(&error), (1, 0, "invalid object 0".to_owned()));
}

#[test]
fn a_request_that_is_too_long_is_reported_as_by_libwayland() {
    let error = wire(4, 2, WireErrorKind::TooLong { length: 4100, limit: 4096 });
    assert_eq!(reported(&error), (1, 1, "message length 4100 exceeds 4096".to_owned()));
    let error = wire(4, 2, WireErrorKind::UnknownOpcode);
    assert_eq!(reported(&error), (1, 1, "invalid method 2, object 4".to_owned()));
}

#[test]
fn surplus_descriptors_are_an_invalid_method_and_a_full_table_is_not() {
    let after = None;
    let surplus = [
        ReceiveError::TooManyFds { count: 29, limit: 28, after },
        ReceiveError::TooManyWaitingFds { waiting: 1025, limit: 1024, after },
        ReceiveError::FdsOverdue { waiting: 1, after },
    ];
    for error in &surplus {
        assert_eq!(reported(error).1, DisplayError::INVALID_METHOD, "{error:?}");
    }
    let cause = anchovy::Truncation::ProcessTableFull;
    let error = ReceiveError::Truncated { cause, after };
    assert_eq!(reported(&error).1, DisplayError::NO_MEMORY);
}

#[test]
fn a_client_without_room_in_its_account_gets_no_memory() {
    let error = ReceiveError::FdsOverBudget { count: 2, available: 1, after: None };
    assert_eq!(reported(&error), (1, 2, "no room for file descriptors".to_owned()));
    let error = ReceiveError::BytesOverBudget { bytes: 1, after: None };
    assert_eq!(reported(&error), (1, 2, "no memory".to_owned()));
}

#[test]
fn an_overdue_message_is_an_error_of_the_implementation() {
    let error = ReceiveError::MessageOverdue { bytes: 12, after: None };
    let text = "the rest of a message is overdue, 12 bytes of it arrived".to_owned();
    assert_eq!(reported(&error), (1, 3, text));
}

#[test]
fn no_error_event_after_disconnect() {
    let after = None;
    for error in [
        ReceiveError::Io(std::io::ErrorKind::ConnectionReset.into()),
        ReceiveError::UnclaimedFds { count: 1, after },
        ReceiveError::ClosedInsideMessage { bytes: 1, after },
    ] {
        assert_eq!(DisplayError::from_receive_error(&error), None, "{error:?}");
    }
}

#[test]
fn a_display_error_reaches_a_client_with_an_incomplete_message() {
    run(async {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut client = Foreign(far);
        let mut compositor = Connection::new(near, no_fds as Counts, Limits::default()).unwrap();
        let mut bytes = 7u32.to_ne_bytes().to_vec();
        bytes.extend((4100u32 << 16).to_ne_bytes());
        client.write(&bytes);
        let error = compositor.receive().await.unwrap_err();
        compositor.send(DisplayError::from_receive_error(&error).unwrap().message()).await.unwrap();
        drop(compositor);

        client.0.set_nonblocking(false).unwrap();
        let mut client = Connection::new(client.0, no_fds as Counts, Limits::default()).unwrap();
        let event = client.receive().await.unwrap().unwrap();
        let error = DisplayError::read(&event).unwrap().unwrap();
        assert_eq!((error.code, &error.text[..]), (1, "message length 4100 exceeds 4096"));
    });
}
