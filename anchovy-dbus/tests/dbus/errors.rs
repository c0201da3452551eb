//! Each public error can go to another task, and its cause is in its text or in its source.

use std::error::Error;
use std::io;

use anchovy::Truncation;
use anchovy_dbus::{
    Address, AddressError, Addresses, BusAddressError, CallError, CodecError, ConnectErrorKind,
    FieldError, Guid, GuidError, HandshakeError, HeaderField, KeptLimit, ListenErrorKind, Message,
    MessageError, OpenError, ReceiveError, RuntimeSocketProblem, SendError, SendErrorKind,
    SignatureError,
};

use crate::harness::*;

/// The texts of an error and of its sources, none of which repeats the next one.
#[track_caller]
fn texts<E: Error + Send + Sync + 'static>(error: E) -> Vec<String> {
    let error: Box<dyn Error + Send + Sync> = error.into();
    let texts = chain_of(&*error);
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
    ends_with_itself(MessageError::Field { field: HeaderField::Signature, error, value: None });
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
    let message = || MessageError::NoType;
    let kind = || SendErrorKind::Message(message());
    for texts in [
        texts(ReceiveError::Message(message())),
        texts(kind()),
        texts(CodecError::Message(message())),
        texts(OpenError::First(SendError { unsent: None, kind: kind() })),
        texts(SendError { unsent: None, kind: kind() }),
    ] {
        assert_eq!(texts[1..], [message().to_string()]);
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

#[test]
fn errors_that_wrap_another_pass_its_text_and_its_sources_on() {
    let message = || MessageError::NoType;
    let send = || SendError { unsent: None, kind: SendErrorKind::Message(message()) };
    let receive = || ReceiveError::Message(message());
    let text = || Addresses::try_from("unix:").unwrap_err();
    for (outer, inner) in [
        (texts(CallError::Send(send())), texts(send())),
        (texts(CallError::Receive(receive())), texts(receive())),
        (texts(OpenError::First(send())), texts(send())),
        (texts(OpenError::Address(text())), texts(text())),
    ] {
        assert_eq!(outer, inner);
        assert_eq!(outer.len(), 2);
    }
    let hello = texts(OpenError::Hello(CallError::Send(send())));
    assert_eq!(hello[1..], texts(send())[1..]);
    ends_with_itself(CallError::Closed);
    ends_with_itself(CallError::ClosedBeforeHello);
    ends_with_itself(OpenError::Bus(BusAddressError::NoSessionBus));
    let io = || SendError { unsent: None, kind: SendErrorKind::Io(system()) };
    ends_with_the_system(CallError::Send(io()));
    ends_with_the_system(CallError::Receive(ReceiveError::Io(system())));
}

/// One error of each public type, as what `?` makes of it in a function that returns
/// [`io::Result`].
fn all_as_io_errors() -> Vec<(&'static str, io::ErrorKind, io::Error)> {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, Other, QuotaExceeded, TimedOut};
    fn converted<T>(result: Result<T, impl Into<io::Error>>) -> io::Error {
        result.map_err(Into::into).err().expect("an error")
    }
    /// What `?` needs.
    macro_rules! errors {
        ($($kind:expr, $error:expr;)*) => { vec![ $({
            let error = $error;
            fn name_of<T>(_: &T) -> &'static str { std::any::type_name::<T>() }
            let name = name_of(&error);
            (name, $kind, converted::<()>(Err(error)))
        }),* ] };
    }
    let path = std::path::PathBuf::from("/run/bus");
    let socket = || anchovy::ConnectError::Io { path: path.clone(), error: system() };
    let listening = anchovy::ListenError::Io { path: Some(path.clone()), error: system() };
    let call = Message::method_call("/", "M").serial(std::num::NonZeroU32::MIN).build().unwrap();
    let failed = Message::error(&call, "org.freedesktop.DBus.Error.NoReply").build().unwrap();
    let failed = anchovy_dbus::ErrorReply::new(failed).unwrap();
    let timeout = std::time::Duration::from_secs(1);
    let refused = || Message::method_call("no path", "M").build().unwrap_err();
    let text = || Addresses::try_from("unix:").unwrap_err();
    let bad = || MessageError::NoType;
    let kept = KeptLimit::Messages { count: 1, limit: 1 };
    errors! {
        InvalidInput, guid_error();
        InvalidInput, AddressError::Empty;
        InvalidInput, text();
        NotFound, BusAddressError::NoSessionBus;
        Other, RuntimeSocketProblem::Io(system());
        Other, ConnectErrorKind::Socket(socket());
        Other, ListenErrorKind::Socket(listening);
        InvalidData, SignatureError::TooLong;
        InvalidData, FieldError::Name;
        InvalidData, bad();
        InvalidData, refused();
        TimedOut, HandshakeError::TimedOut { after: timeout };
        InvalidData, CodecError::Message(bad());
        QuotaExceeded, ReceiveError::BytesOverBudget { bytes: 1 };
        QuotaExceeded, SendErrorKind::TooManyFdsInFlight { count: 1 };
        InvalidInput, SendError { unsent: None, kind: SendErrorKind::Message(bad()) };
        TimedOut, CallError::Timeout { timeout };
        QuotaExceeded, CallError::TooMuchKept { kept, unsent: None };
        TimedOut, failed;
        InvalidInput, OpenError::Address(text());
        TimedOut, OpenError::Handshake {
            address: "unix:path=/run/bus".parse().unwrap(),
            error: HandshakeError::TimedOut { after: timeout },
        };
        TimedOut, OpenError::Hello(CallError::Timeout { timeout });
        NotFound, {
            let directory = Address::dir("/nonexistent/directory").unwrap();
            Addresses::from(directory).bind().unwrap_err()
        };
    }
}

#[test]
fn every_public_error_becomes_an_io_error_of_its_kind() {
    run(async {
        for (name, kind, error) in all_as_io_errors() {
            assert_eq!(error.kind(), kind, "{name}: {error:?}");
        }
        let error = Addresses::try_from("unix:path=/nonexistent").unwrap().connect().await;
        assert_eq!(io::Error::from(error.unwrap_err()).kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn errors_of_the_handshake_become_io_errors_of_their_kinds() {
    for (error, kind) in [
        (HandshakeError::Closed { pipelined: true }, io::ErrorKind::UnexpectedEof),
        (HandshakeError::Displaced { limit: 64 }, io::ErrorKind::QuotaExceeded),
        (HandshakeError::FdsOverBudget { count: 2, available: 1 }, io::ErrorKind::QuotaExceeded),
        (HandshakeError::Rejected { mechanisms: String::new() }, io::ErrorKind::PermissionDenied),
        (HandshakeError::TooManyRejects { limit: 8 }, io::ErrorKind::PermissionDenied),
        (
            HandshakeError::OutOfOrder { call: "begin", reason: "not accepted" },
            io::ErrorKind::InvalidInput,
        ),
        (HandshakeError::BeginTooEarly, io::ErrorKind::InvalidData),
    ] {
        let text = error.to_string();
        assert_eq!(io::Error::from(error).kind(), kind, "{text}");
    }
}

#[cfg(feature = "zbus")]
#[test]
fn an_error_of_a_body_becomes_an_io_error_of_its_kind() {
    let message = Message::method_call("/", "M").body_of(&7_u32).build().unwrap();
    let error = message.body_as::<String>().unwrap_err();
    ends_with_itself(error.clone());
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidData);
}

/// As a program shows it: the texts of an error and its sources, joined by colons.
#[test]
fn no_public_error_says_anything_twice() {
    run(async {
        for (name, _, error) in all_as_io_errors() {
            let error = error.into_inner().unwrap_or_else(|| system().into());
            let texts = chain_of(&*error);
            for (index, text) in texts.iter().enumerate() {
                let others = texts.iter().enumerate().filter(|(other, _)| *other != index);
                for (_, other) in others {
                    assert!(!other.contains(&**text), "{name}: {texts:?}");
                }
            }
            assert!(!texts[0].ends_with('.') && !texts[0].contains('\n'), "{name}: {texts:?}");
        }
    });
}

fn chain_of(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    texts
}

#[test]
fn debug_of_a_message_is_one_short_line() {
    let call = Message::method_call("/org/example", "Ask").destination("org.example.Service");
    let call = call.body("ay", vec![7; 4096]).build().unwrap();
    assert_eq!(
        format!("{call:?}"),
        "Message { type: MethodCall, destination: \"org.example.Service\", path: \"/org/example\", \
         member: \"Ask\", signature: \"ay\", body_len: 4096 }"
    );
}

#[test]
fn debug_of_a_header_has_the_fields_that_are_present() {
    let signal = Message::signal("/org/example", "org.example.Files", "Changed").build().unwrap();
    assert_eq!(
        format!("{:?}", signal.header()),
        "Header { type: Signal, path: \"/org/example\", interface: \"org.example.Files\", \
         member: \"Changed\" }"
    );
}

#[test]
fn the_value_that_is_refused_is_in_the_text() {
    for (builder, text) in [
        (
            Message::method_call("no/slash", "M"),
            "\"no/slash\" is not a valid object path: it must begin with /",
        ),
        (
            Message::method_call("/", "a.b"),
            "\"a.b\" is not a valid member name: it must not have a dot",
        ),
        (
            Message::method_call("/", "M").interface("a"),
            "\"a\" is not a valid interface name: it must have two elements or more, with a dot \
             between them",
        ),
        (
            Message::method_call("/", "M").error_name("a"),
            "\"a\" is not a valid error name: it must have two elements or more, with a dot between \
             them",
        ),
        (
            Message::method_call("/", "M").destination("a.1b"),
            "\"a.1b\" is not a valid bus name: an element must not begin with a digit",
        ),
        (
            Message::method_call("/", "M").body("a", vec![0; 4]),
            "\"a\" is not a valid signature: an array has no element type",
        ),
        (
            Message::method_call("/org/freedesktop/DBus/Local", "M"),
            "the header field PATH has a value that is reserved for messages inside a process: \
             \"/org/freedesktop/DBus/Local\"",
        ),
    ] {
        assert_eq!(builder.build().unwrap_err().to_string(), text);
    }
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
