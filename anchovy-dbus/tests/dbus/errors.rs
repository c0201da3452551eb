//! Each public error can go to another task, and its cause is in its text or in its source.

use std::error::Error;
use std::io;

use anchovy::Truncation;
use anchovy_dbus::{
    AddressError, Addresses, BusAddressError, CodecError, ConnectErrorKind, FieldError, Guid,
    GuidError, HandshakeError, HeaderField, ListenErrorKind, Message, MessageError, OpenError,
    ReceiveError, RuntimeSocketProblem, SendError, SendErrorKind, SignatureError,
};

use crate::harness::*;

/// The texts of an error and of its sources, none of which repeats the next one.
#[track_caller]
fn texts<E: Error + Send + Sync + 'static>(error: E) -> Vec<String> {
    let error: Box<dyn Error + Send + Sync> = error.into();
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    for pair in texts.windows(2) {
        assert!(!pair[0].contains(&pair[1]), "{pair:?}");
    }
    texts
}

#[track_caller]
fn ends_with_itself<E: Error + Send + Sync + 'static>(error: E) {
    assert_eq!(texts(error).len(), 1);
}

/// An error of the system, as no crate words one.
fn system() -> io::Error {
    io::Error::other("the disk is upside down")
}

#[track_caller]
fn ends_with_the_system<E: Error + Send + Sync + 'static>(error: E) {
    let texts = texts(error);
    assert_eq!((texts.len(), &*texts[1]), (2, "the disk is upside down"), "{texts:?}");
}

fn guid_error() -> GuidError {
    Guid::parse(b"0123").unwrap_err()
}

#[test]
fn errors_of_texts_name_the_text_that_is_wrong() {
    ends_with_itself(guid_error());
    ends_with_itself(AddressError::Empty);
    let bad_guid = || AddressError::BadGuid { position: 3, error: guid_error() };
    assert_eq!(texts(bad_guid())[1..], [guid_error().to_string()]);
    let texts = texts(BusAddressError::Invalid {
        variable: "VARIABLE",
        value: "unix:guid=0123".into(),
        error: bad_guid(),
    });
    assert_eq!(texts[1..], [bad_guid().to_string(), guid_error().to_string()]);
}

#[test]
fn errors_of_finding_a_bus_end_with_that_of_the_system() {
    ends_with_itself(BusAddressError::NoSessionBus);
    ends_with_itself(RuntimeSocketProblem::NotASocket);
    ends_with_the_system(RuntimeSocketProblem::Io(system()));
    let problem = RuntimeSocketProblem::Io(system());
    ends_with_the_system(BusAddressError::UnusableSocket { path: "/run/bus".into(), problem });
    let problem = RuntimeSocketProblem::NotASocket;
    ends_with_itself(BusAddressError::UnusableSocket { path: "/run/bus".into(), problem });
}

#[test]
fn errors_of_messages_are_one_text() {
    ends_with_itself(MessageError::NoType);
    ends_with_itself(SignatureError::TooLong);
    let error = FieldError::Signature(SignatureError::TooLong);
    ends_with_itself(error);
    ends_with_itself(MessageError::Field { field: HeaderField::Signature, error });
    ends_with_itself(Message::method_call("no path", "Take").build().unwrap_err());
}

#[test]
fn errors_of_lists_of_addresses_have_all_causes_in_their_text() {
    run(async {
        let addresses: Addresses = "tcp:;unix:path=/nonexistent/bus".parse().unwrap();
        let no_such_file = io::Error::from_raw_os_error(2).to_string();

        let error = addresses.connect().await.unwrap_err();
        let socket = &error.attempts()[1].kind;
        assert_eq!(socket.source().unwrap().to_string(), no_such_file);
        let opening = OpenError::Connect(addresses.connect().await.unwrap_err());
        for texts in [texts(error), texts(opening)] {
            assert_eq!(texts.len(), 1);
            assert!(texts[0].contains(&no_such_file), "{texts:?}");
        }
        ends_with_itself(ConnectErrorKind::ListenOnly);

        let error = addresses.bind().unwrap_err();
        let socket = &error.attempts()[1].kind;
        assert_eq!(socket.source().unwrap().to_string(), no_such_file);
        let texts = texts(error);
        assert_eq!(texts.len(), 1);
        assert!(texts[0].contains(&no_such_file), "{texts:?}");
        ends_with_itself(ListenErrorKind::NoRuntimeDirectory);
        ends_with_the_system(ListenErrorKind::RandomName(system()));
    });
}

#[test]
fn errors_of_sockets_that_addresses_lead_to_are_passed_on() {
    let path = std::path::PathBuf::from("/run/bus");
    let error = anchovy::ConnectError::Io { path: path.clone(), error: system() };
    ends_with_the_system(ConnectErrorKind::Socket(error));
    let error = anchovy::ListenError::Io { path: Some(path.clone()), error: system() };
    ends_with_the_system(ListenErrorKind::Socket(error));
    ends_with_itself(ListenErrorKind::Socket(anchovy::ListenError::InUse { path }));
}

#[test]
fn errors_of_the_handshake_end_with_that_of_the_system() {
    ends_with_itself(HandshakeError::BeginTooEarly);
    ends_with_itself(HandshakeError::OutOfOrder { call: "begin", reason: "not accepted" });
    ends_with_itself(HandshakeError::Displaced { limit: 64 });
    ends_with_itself(HandshakeError::FdsOverBudget { count: 2, available: 1 });
    ends_with_the_system(HandshakeError::Io(system()));
    let address = "unix:path=/run/bus".parse().unwrap();
    ends_with_the_system(OpenError::Handshake { address, error: HandshakeError::Io(system()) });
}

#[test]
fn errors_of_connections_have_their_cause_as_source() {
    let message = MessageError::NoType;
    for texts in [
        texts(ReceiveError::Message(message)),
        texts(SendErrorKind::Message(message)),
        texts(CodecError::Message(message)),
        texts(OpenError::First(SendError { unsent: None, kind: SendErrorKind::Message(message) })),
        texts(SendError { unsent: None, kind: SendErrorKind::Message(message) }),
    ] {
        assert_eq!(texts[1..], [message.to_string()]);
    }
    ends_with_the_system(ReceiveError::Io(system()));
    ends_with_the_system(SendErrorKind::Io(system()));
    ends_with_the_system(SendError { unsent: None, kind: SendErrorKind::Io(system()) });
    ends_with_itself(ReceiveError::Truncated { cause: Truncation::ProcessTableFull });
    ends_with_itself(ReceiveError::MessageOverdue { bytes: 1 });
    ends_with_itself(ReceiveError::FdsOverBudget { count: 2, available: 1 });
    ends_with_itself(ReceiveError::BytesOverBudget { bytes: 1 });
    ends_with_itself(SendErrorKind::FdsTooEarly { count: 1 });
    ends_with_itself(CodecError::FdsNotAgreed { count: 1 });
}

/// In an [`io::Error`], which passes the sources of its payload on.
#[test]
fn errors_keep_their_sources_in_an_io_error() {
    let error = io::Error::from(ReceiveError::Message(MessageError::NoType));
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(error.source().unwrap().to_string(), MessageError::NoType.to_string());
    let error = io::Error::from(HandshakeError::Io(io::ErrorKind::TimedOut.into()));
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}
