//! The texts of all public errors, on one page: `snapshots/anchovy_dbus__messages__messages.snap`.

use std::fmt::Write;
use std::io;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use anchovy::Truncation;

use crate::address::bus_error::{BusAddressError, RuntimeSocketProblem};
use crate::address::connect_error::{ConnectAttempt, ConnectError, ConnectErrorKind};
use crate::address::construct::Address;
use crate::address::error::AddressError;
use crate::address::invalid_addresses::InvalidAddresses;
use crate::address::listen_error::{ListenAttempt, ListenError, ListenErrorKind};
use crate::auth::error::HandshakeError;
use crate::client::open_error::OpenError;
use crate::error::call_error::CallError;
use crate::error::codec_error::CodecError;
use crate::error::error_reply::ErrorReply;
use crate::error::kept_limit::KeptLimit;
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::guid::{Guid, GuidError};
use crate::message::body_error::BodyError;
use crate::message::build_error::BuildError;
use crate::message::content::Message;
use crate::message::error::MessageError;
use crate::message::field::HeaderField;
use crate::message::field_error::FieldError;
use crate::message::message_type::MessageType;
use crate::message::refused_value::RefusedValue;
use crate::message::signature::SignatureError;

/// Appends the text of each error to `$page`, and does not compile if a variant has no line.
macro_rules! describe {
    ($page:ident, $name:ident: $($variant:ident $({ $($fields:tt)* })? $(($value:expr))?,)+) => {
        const _: fn(&$name) = {
            #[allow(unreachable_patterns, reason = "a variant may have several lines")]
            fn is_complete(error: &$name) {
                match error {
                    $($name::$variant { .. } => {})+
                }
            }
            is_complete
        };
        $(
            let error: $name = $name::$variant $({ $($fields)* })? $(($value))?;
            $page.line(concat!(stringify!($name), "::", stringify!($variant)), &error.to_string());
        )+
    };
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, text: &str) {
        writeln!(self.0, "{name:41} {text}").expect("a string accepts any text");
    }
}

/// The error of a system call, whose text is in the source.
fn cause() -> io::Error {
    io::Error::other("the cause is in the source")
}

fn path() -> PathBuf {
    PathBuf::from("/run/user/1000/bus")
}

fn address() -> Address {
    Address::path("/run/bus").expect("a path")
}

fn guid(byte: u8) -> Guid {
    Guid::from_bytes([byte; 16])
}

fn call() -> Box<Message> {
    let call = Message::method_call("/", "Ping").serial(NonZeroU32::MIN);
    Box::new(call.build().expect("a valid call"))
}

fn refused(text: &str, rule: Option<&'static str>) -> Option<RefusedValue> {
    Some(RefusedValue::new(text.as_bytes(), rule))
}

#[test]
fn every_public_error_has_a_line_on_one_page() {
    let mut page = Page::default();
    address_errors(&mut page);
    bus_address_errors(&mut page);
    socket_errors(&mut page);
    handshake_errors(&mut page);
    message_errors(&mut page);
    body_errors(&mut page);
    field_errors(&mut page);
    signature_errors(&mut page);
    receive_errors(&mut page);
    send_errors(&mut page);
    call_errors(&mut page);
    open_errors(&mut page);

    for text in page.0.lines().map(|line| line[42..].trim_start()) {
        assert!(!text.ends_with(['.', '?', '!']), "{text}");
        assert!(!text.starts_with(|first: char| first.is_uppercase()), "{text}");
    }
    insta::assert_snapshot!("messages", page.0);
}

fn address_errors(page: &mut Page) {
    let error = GuidError::Length { length: 4 };
    describe! {
        page, GuidError:
        Length { length: 4 },
        NotAHexDigit { position: 8, byte: b'-' },
    }
    describe! {
        page, AddressError:
        Empty,
        EmptyAddress { position: 19 },
        SeveralAddresses { position: 18 },
        MissingColon { position: 0 },
        EmptyName { position: 5 },
        BadName { position: 6, byte: b'%' },
        MissingValue { position: 5 },
        EmptyValue { key: "path".into() },
        NulByte { key: "path".into() },
        Unescaped { position: 17, byte: b' ' },
        BadEscape { position: 17 },
        DuplicateKey { position: 19, key: "path".into() },
        UnknownKey { position: 5, key: "way".into() },
        NoSocket { position: 0 },
        TwoSockets { position: 19, key: "abstract".into() },
        BadRuntime { position: 13 },
        BadGuid { position: 24, error },
    }
    let invalid = InvalidAddresses { text: "unix:way=/run".into(), error: AddressError::Empty };
    page.line("InvalidAddresses", &invalid.to_string());
}

fn bus_address_errors(page: &mut Page) {
    let (value, error) = ("unix:".into(), AddressError::Empty);
    let problem = RuntimeSocketProblem::NotASocket;
    describe! {
        page, BusAddressError:
        Invalid { variable: "DBUS_SESSION_BUS_ADDRESS", value, error },
        NoSessionBus,
        RelativeRuntimeDirectory { directory: "run".into() },
        UnusableSocket { path: path(), problem },
        NotStarted,
        UnknownBusType { kind: "other".into() },
    }
    describe! {
        page, RuntimeSocketProblem:
        Io(io::ErrorKind::NotFound.into()),
        Io(cause()),
        NotASocket,
        Foreign { owner: 0, user: 1000 },
    }
}

fn socket_errors(page: &mut Page) {
    let refused = anchovy::ConnectError::Refused { path: path(), error: cause() };
    describe! {
        page, ConnectErrorKind:
        NotAUnixSocket,
        ListenOnly,
        Socket(refused),
    }
    describe! {
        page, ListenErrorKind:
        NotAUnixSocket,
        NoRuntimeDirectory,
        RandomName(cause()),
        Socket(anchovy::ListenError::InUse { path: path() }),
    }
    let attempts = [ConnectErrorKind::ListenOnly, ConnectErrorKind::NotAUnixSocket];
    let attempts = attempts.map(|kind| ConnectAttempt { address: address(), kind });
    page.line("ConnectError", &ConnectError::new(attempts.into()).to_string());
    let kind = ListenErrorKind::Socket(anchovy::ListenError::InUse { path: path() });
    let attempt = ListenAttempt { address: address(), path: Some(path()), kind };
    page.line("ListenError", &ListenError::new(vec![attempt]).to_string());
}

fn handshake_errors(page: &mut Page) {
    describe! {
        page, HandshakeError:
        Io(cause()),
        Closed { pipelined: false },
        Closed { pipelined: true },
        TimedOut { after: Duration::from_secs(30) },
        Displaced { limit: 64 },
        Rejected { mechanisms: "EXTERNAL ANONYMOUS".into() },
        Rejected { mechanisms: String::new() },
        Unexpected { expected: "AGREE_UNIX_FD or ERROR", line: "OK".into() },
        WrongServer { expected: guid(0xa1), found: guid(0xb2) },
        NoNul { found: b'G' },
        BeginTooEarly,
        LineTooLong { limit: 16384 },
        TooManyBytes { limit: 65536 },
        TooManyRejects { limit: 6 },
        TooManyErrors { limit: 16 },
        Descriptors { count: 1 },
        OutOfOrder { call: "begin", reason: "the server has not accepted the client" },
        FdsOverBudget { count: 29, available: 7 },
        TooManyFds { count: 17, limit: 16 },
    }
}

fn message_errors(page: &mut Page) {
    let field = HeaderField::Member;
    describe! {
        page, MessageError:
        ByteOrder(b'G'),
        NoType,
        Version(2),
        NoSerial,
        FieldsTooLong { length: 90, limit: 80 },
        TooLong { length: 90, limit: 80 },
        Length { declared: 90, length: 80 },
        Padding,
        FieldsEndEarly,
        NoFieldCode,
        Field { field, error: FieldError::Type, value: None },
        Field { field, error: FieldError::Name, value: refused("a.b", Some("it must not have a dot")) },
        Field { field, error: FieldError::Reserved, value: refused("a.b", None) },
        Field {
            field: HeaderField::Signature,
            error: FieldError::Signature(SignatureError::Brackets),
            value: refused("(i", None),
        },
        FieldTwice(HeaderField::Path),
        FieldMissing { field, message_type: MessageType::MethodCall },
        BodyWithoutSignature,
        SignatureWithoutBody,
        Body(Box::new(BodyError::Signature { expected: "s".into(), found: "u".into() })),
        FdCount { declared: 1, present: 0 },
    }
    let error = BuildError { error: MessageError::NoSerial, fds: Vec::new() };
    page.line("BuildError", &error.to_string());
}

fn body_errors(page: &mut Page) {
    let signature = || "su".to_owned();
    describe! {
        page, BodyError:
        Encode { signature: signature(), error: zbus::Error::OutOfBounds },
        Signature { expected: "s".into(), found: signature() },
        Decode { signature: signature(), error: zbus::Error::OutOfBounds },
        TrailingBytes { signature: signature(), expected: 12, found: 16 },
    }
}

fn field_errors(page: &mut Page) {
    describe! {
        page, FieldError:
        Type,
        NotOneType,
        EndsEarly,
        Padding,
        NotTerminated,
        NulInText,
        NotUtf8,
        ObjectPath,
        Signature(SignatureError::Brackets),
        Name,
        Reserved,
        NoSerial,
        Boolean(2),
        ArrayTooLong(1 << 27),
        ArrayNotWhole,
        TooDeep,
    }
}

fn signature_errors(page: &mut Page) {
    describe! {
        page, SignatureError:
        TooLong,
        UnknownType(b'z'),
        Brackets,
        ArrayOfNothing,
        EmptyStruct,
        EntryOutsideArray,
        KeyNotBasic,
        EntryNotPair,
        TooManyArrays,
        TooManyStructs,
    }
}

fn receive_errors(page: &mut Page) {
    let cause_of = Truncation::ProcessTableFull;
    describe! {
        page, CodecError:
        Message(MessageError::NoType),
        FdsNotAgreed { count: 1 },
        TooManyFds { count: 17, limit: 16 },
    }
    describe! {
        page, ReceiveError:
        Io(cause()),
        Message(MessageError::NoType),
        FdsNotAgreed { count: 1 },
        TooManyFds { count: 17, limit: 16 },
        MissingFds { declared: 5, arrived: 3 },
        UnclaimedFds { count: 7 },
        TooManyWaitingFds { waiting: 33, limit: 32 },
        FdsOverdue { waiting: 4 },
        MessageOverdue { bytes: 20 },
        FdsOverBudget { count: 29, available: 7 },
        BytesOverBudget { bytes: 70 },
        Truncated { cause: cause_of },
        ClosedBeforeHello,
        ClosedInsideMessage { bytes: 20 },
    }
}

fn send_errors(page: &mut Page) {
    describe! {
        page, SendErrorKind:
        Io(cause()),
        Message(MessageError::NoSerial),
        ClosedBeforeHello,
        SerialInUse { serial: NonZeroU32::MIN },
        FdsNotAgreed { count: 1 },
        TooManyFds { count: 17, limit: 16 },
        FdsTooEarly { count: 1 },
        FdsRefusedByPeer { count: 6 },
        TooManyFdsInFlight { count: 8 },
    }
    let error = SendError { unsent: None, kind: SendErrorKind::Io(cause()) };
    page.line("SendError", &error.to_string());
}

fn call_errors(page: &mut Page) {
    let error = Message::error(&call(), "org.example.Error.Full").body_of("no room\n").build();
    let error = ErrorReply::new(error.expect("a valid error")).expect("an error");
    page.line("ErrorReply", &error.to_string());
    let kept = KeptLimit::Messages { count: 128, limit: 128 };
    let send = SendError { unsent: None, kind: SendErrorKind::Io(cause()) };
    describe! {
        page, KeptLimit:
        Messages { count: 128, limit: 128 },
        Bytes { count: 132096, limit: 131072 },
        Fds { count: 65, limit: 64 },
        Budget { bytes: 4096, missing: 96 },
    }
    describe! {
        page, CallError:
        ErrorReply(error),
        Timeout { timeout: Duration::from_secs(25) },
        NotACall { unsent: Message::signal("/", "a.b", "C").build().expect("a signal").into() },
        NoReplyExpected { unsent: call() },
        TooManyAbandonedCalls { limit: 1024, unsent: call() },
        TooMuchKept { kept, unsent: None },
        Send(send),
        Receive(ReceiveError::Io(cause())),
        Closed,
        ClosedBeforeHello,
        NoUniqueName { reply: call() },
    }
}

fn open_errors(page: &mut Page) {
    let invalid = InvalidAddresses { text: "unix:way=/run".into(), error: AddressError::Empty };
    let attempt = ConnectAttempt { address: address(), kind: ConnectErrorKind::ListenOnly };
    let first = SendError { unsent: None, kind: SendErrorKind::Io(cause()) };
    describe! {
        page, OpenError:
        Address(invalid),
        Bus(BusAddressError::NotStarted),
        Connect(ConnectError::new(vec![attempt])),
        Handshake { address: address(), error: HandshakeError::BeginTooEarly },
        First(first),
        Hello(CallError::Closed),
    }
}
