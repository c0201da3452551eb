//! The texts of all public errors, on one page: `snapshots/anchovy_wayland__messages__messages.snap`.

use std::fmt::Write;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use anchovy::{PathError, Truncation};
use interop_tests::guarded;

use crate::bind_error::BindError;
use crate::connect::connect_error::ConnectError;
use crate::connect::inherited_error::InheritedError;
use crate::create_error::CreateError;
use crate::decode_position::DecodePosition;
use crate::display_error::DisplayError;
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::globals::AddError;
use crate::listen::listen_error::ListenError;
use crate::listen::lock_refusal::LockRefusal;
use crate::location_error::LocationError;
use crate::registry_error::RegistryError;
use crate::roundtrip_error::RoundtripError;
use crate::wire::build_error::BuildError;
use crate::wire::object_id::ObjectId;
use crate::wire::wire_error::{WireError, WireErrorKind};

/// Appends the text of each error to `$page`, and does not compile if a variant has no line.
macro_rules! describe {
    ($page:ident, $type:ty as $name:ident: $($variant:ident $({ $($fields:tt)* })? $(($value:expr))?,)+) => {
        #[allow(unreachable_patterns, reason = "a variant may have several lines")]
        fn is_complete(error: &$type) {
            match error {
                $($name::$variant { .. } => {})+
            }
        }
        let _: fn(&$type) = is_complete;
        $(
            let error: $type = $name::$variant $({ $($fields)* })? $(($value))?;
            $page.line(concat!(stringify!($name), "::", stringify!($variant)), &error.to_string());
        )+
    };
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, text: &str) {
        writeln!(self.0, "{name:40} {text}").expect("a string accepts any text");
    }
}

fn path() -> PathBuf {
    PathBuf::from("/run/user/1000/wayland-1")
}

fn lock() -> PathBuf {
    PathBuf::from("/run/user/1000/wayland-1.lock")
}

fn cause() -> io::Error {
    io::Error::other("the cause is in the source")
}

fn cause_of(kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, "the cause is in the source")
}

fn wire(kind: WireErrorKind) -> WireError {
    WireError { object: 7, opcode: 3, kind }
}

fn id(number: u32) -> ObjectId {
    ObjectId::new(number).expect("not 0")
}

fn display() -> DisplayError {
    let error = DisplayError::new(id(5), 2, "out of memory");
    DisplayError { interface: Some("wl_shm".to_owned()), ..error }
}

fn versions(wanted: RangeInclusive<u32>) -> BindError {
    BindError::Version { interface: "wl_output".to_owned(), wanted, offered: 4 }
}

#[test]
fn every_public_error_has_a_line_on_one_page() {
    let mut page = Page::default();
    connect_errors(&mut page);
    listen_errors(&mut page);
    wire_errors(&mut page);
    receive_errors(&mut page);
    send_errors(&mut page);
    client_errors(&mut page);
    server_errors(&mut page);

    for text in page.0.lines().map(|line| line[41..].trim_start()) {
        assert!(!text.ends_with(['.', '?', '!']), "{text}");
        let starts_with_a_name = ["WAYLAND_", "XDG_"].iter().any(|name| text.starts_with(name));
        let is_upper = text.starts_with(|first: char| first.is_uppercase());
        assert!(!is_upper || starts_with_a_name, "{text}");
    }
    // insta starts `cargo metadata`, whose pipes other tests of this process must not count.
    guarded(|| insta::assert_snapshot!("messages", page.0));
}

fn connect_errors(page: &mut Page) {
    use anchovy::ConnectError as Socket;

    describe! {
        page, ConnectError as ConnectError:
        Inherited(InheritedError::NotASocket { fd: 7 }),
        Location(LocationError::NoRuntimeDirectory),
        Socket(Socket::NotFound { path: path(), error: cause() }),
        Socket(Socket::Refused { path: path(), error: cause() }),
        Socket(Socket::PermissionDenied { path: path(), error: cause() }),
        Socket(Socket::NotASocket { path: path(), error: cause() }),
        Socket(Socket::NotAStream { path: path(), error: cause() }),
        Socket(Socket::Io { path: path(), error: cause() }),
        Socket(Socket::Path(PathError::Empty)),
    }
    inherited_errors(page);
    location_errors(page);
}

fn inherited_errors(page: &mut Page) {
    describe! {
        page, InheritedError as InheritedError:
        NotANumber { value: "5x".into() },
        Negative { fd: -7 },
        StandardStream { fd: 2 },
        NotOpen { fd: 7 },
        CloseOnExec { fd: 7 },
        NotASocket { fd: 7 },
        NotAUnixStream { fd: 7 },
        NotConnected { fd: 7 },
        AlreadyTaken,
        Io { fd: 7, error: cause() },
    }
}

fn location_errors(page: &mut Page) {
    describe! {
        page, LocationError as LocationError:
        NoRuntimeDirectory,
        EmptyRuntimeDirectory,
        RelativeRuntimeDirectory { directory: "run/user".into() },
        EmptyName,
    }
}

fn listen_errors(page: &mut Page) {
    let directory = PathBuf::from("/run/user/1000");
    let (not_found, denied) = (io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied);
    describe! {
        page, ListenError as ListenError:
        Location(LocationError::EmptyName),
        Locked { path: lock() },
        Lock { path: lock(), error: cause_of(not_found) },
        Lock { path: lock(), error: cause_of(denied) },
        Lock { path: lock(), error: cause() },
        LockRefused { path: lock(), reason: LockRefusal::OtherOwner { uid: 1001 } },
        WriteProtected { path: path() },
        Socket(anchovy::ListenError::InUse { path: path() }),
        NoFreeName {
            directory: directory.clone(),
            first: 0,
            last: 32,
            reason: Some(Box::new(ListenError::WriteProtected { path: path() }))
        },
        NoFreeName { directory, first: 40, last: 32, reason: None },
        NotHandedOver { path: path() },
    }
    lock_refusals(page);
}

fn lock_refusals(page: &mut Page) {
    describe! {
        page, LockRefusal as LockRefusal:
        NotAFile { found: "a FIFO" },
        OtherOwner { uid: 1001 },
        HardLinked { links: 2 },
    }
}

fn wire_errors(page: &mut Page) {
    /// Shows a kind as part of its error: a kind has no text of its own.
    macro_rules! describe_kinds {
        ($($variant:ident $({ $($fields:tt)* })?,)+) => {
            fn is_complete(kind: WireErrorKind) {
                match kind {
                    $(WireErrorKind::$variant { .. } => {})+
                }
            }
            let _: fn(WireErrorKind) = is_complete;
            $(
                let error = wire(WireErrorKind::$variant $({ $($fields)* })?);
                page.line(concat!("WireErrorKind::", stringify!($variant)), &error.to_string());
            )+
        };
    }

    describe_kinds! {
        TooShort { length: 4 },
        Unaligned { length: 13 },
        TooLong { length: 4100, limit: 4096 },
        NullObject,
        UnknownOpcode,
        EndsEarly { needed: 12, left: 8 },
        NullString,
        StringWithoutNul,
        StringWithNul,
        NoFd,
        TrailingBytes { bytes: 4 },
        TrailingFds { count: 1 },
        FdsTaken { declared: 2, present: 1 },
    }
    let error = BuildError { error: wire(WireErrorKind::StringWithNul), fds: Vec::new() };
    page.line("BuildError", &error.to_string());
}

fn receive_errors(page: &mut Page) {
    let position = DecodePosition { object: 7, opcode: 3 };
    let after = Some(position);
    let cause_of_loss = Truncation::SystemTableFull;
    page.line("DecodePosition", &position.to_string());
    describe! {
        page, ReceiveError as ReceiveError:
        Io(cause()),
        Wire(wire(WireErrorKind::NullObject)),
        Display(display()),
        MissingFds { position, declared: 2, available: 1 },
        TooManyFds { count: 29, limit: 28, after },
        TooManyFds { count: 29, limit: 28, after: None },
        TooManyWaitingFds { waiting: 113, limit: 112, after },
        FdsOverdue { waiting: 1, after },
        MessageOverdue { bytes: 7, after },
        FdsOverBudget { count: 9, available: 8, after },
        BytesOverBudget { bytes: 4096, after },
        UnclaimedFds { count: 1, after },
        Truncated { cause: cause_of_loss, after },
        ClosedInsideMessage { bytes: 6, after },
    }
}

fn send_errors(page: &mut Page) {
    describe! {
        page, SendErrorKind as SendErrorKind:
        Io(cause()),
        Display(display()),
        Wire(wire(WireErrorKind::NullObject)),
        TooManyFds { count: 29, limit: 28 },
        FdsRefusedByPeer { count: 1 },
        TooManyFdsInFlight { count: 2 },
    }
    let error = SendError { unsent: None, kind: SendErrorKind::TooManyFdsInFlight { count: 2 } };
    page.line("SendError", &error.to_string());
}

fn client_errors(page: &mut Page) {
    let error = wire(WireErrorKind::StringWithNul);
    let send = || SendError { unsent: None, kind: SendErrorKind::Io(cause()) };
    describe! {
        page, CreateError as CreateError:
        NoIds,
        Build(BuildError { error, fds: Vec::new() }),
        NewId { id: id(5), found: None },
        NewId { id: id(5), found: Some(id(6)) },
        Send(send()),
    }
    bind_errors(page);
    roundtrip_errors(page, send());
    page.line("DisplayError", &display().to_string());
    let unnamed = DisplayError { interface: None, ..display() };
    page.line("DisplayError", &unnamed.to_string());
}

fn bind_errors(page: &mut Page) {
    describe! {
        page, BindError as BindError:
        NoGlobal { interface: "wl_output".to_owned() },
        Create(CreateError::NoIds),
        Version { interface: "wl_output".to_owned(), wanted: 5..=5, offered: 4 },
    }
    page.line("BindError::Version", &versions(5..=7).to_string());
}

fn roundtrip_errors(page: &mut Page, send: SendError) {
    let timeout = Duration::from_secs(10);
    describe! {
        page, RoundtripError as RoundtripError:
        Display(display()),
        Receive(ReceiveError::Io(cause())),
        Send(send),
        Closed,
        TimedOut { timeout },
        TooManyMessages { limit: 8192 },
        TooManyBytes { limit: 1 << 20 },
        TooManyFds { limit: 1024 },
        Registry(RegistryError::TooManyGlobals { limit: 4096 }),
        Wire(wire(WireErrorKind::NullString)),
        NoIds,
    }
    registry_errors(page);
}

fn registry_errors(page: &mut Page) {
    describe! {
        page, RegistryError as RegistryError:
        Wire(wire(WireErrorKind::NullString)),
        TooManyGlobals { limit: 4096 },
    }
}

fn server_errors(page: &mut Page) {
    let interface = || "wl_shm".to_owned();
    describe! {
        page, AddError as AddError:
        Interface { interface: "a\0b".to_owned() },
        Version { interface: interface() },
        NoNames,
    }
}
