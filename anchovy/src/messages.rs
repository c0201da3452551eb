//! The texts of all public errors, on one page: `snapshots/anchovy__messages__messages.snap`.

use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::codec::{FlushError, ReceiveError, SendErrorKind, TakeFdsError};
use crate::connect::ConnectError;
use crate::error::fd_error::FdError;
use crate::error::reunite_error::ReuniteError;
use crate::error::truncation::Truncation;
use crate::exchange::{
    self, ExchangeError, FdId, ReceiveError as ExchangeReceiveError,
    SendErrorKind as ExchangeSendErrorKind,
};
use crate::listen::ListenError;
use crate::path::PathError;

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
        writeln!(self.0, "{name:38} {text}").expect("a string accepts any text");
    }
}

/// The error of a codec.
#[derive(Debug)]
struct BadFrame;

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bad frame")
    }
}

impl Error for BadFrame {}

fn path() -> PathBuf {
    PathBuf::from("/run/user/1000/socket")
}

fn cause() -> io::Error {
    io::Error::other("the cause is in the source")
}

fn limit() -> FdError {
    FdError::LimitOutOfRange { limit: 300, least: 0, most: 253, space: 1040 }
}

#[test]
fn every_public_error_has_a_line_on_one_page() {
    let mut page = Page::default();
    fd_errors(&mut page);
    path_errors(&mut page);
    codec_errors(&mut page);
    exchange_errors(&mut page);
    page.line("ReuniteError", &ReuniteError((), ()).to_string());

    for text in page.0.lines().map(|line| line[39..].trim_start()) {
        assert!(!text.ends_with(['.', '?', '!']), "{text}");
        assert!(!text.starts_with(|first: char| first.is_uppercase()), "{text}");
    }
    insta::assert_snapshot!("messages", page.0);
}

fn fd_errors(page: &mut Page) {
    let cause = Truncation::ProcessTableFull;
    describe! {
        page, FdError as FdError:
        TooManyToSend { count: 29, limit: 28, space: 136 },
        TooManyReceived { count: 29, limit: 28, space: 136 },
        Truncated { received: 1, cause },
        OverBudget { count: 29, available: 7 },
        ReadQueueFull { queued: 31, fd_limit: 28, limit: 56 },
        FdsWithoutBytes { count: 3 },
        WriteQueueNotEmpty { queued: 1 },
        RefusedByPeer { count: 6 },
        TooManyInFlight { count: 8 },
        LimitOutOfRange { limit: 300, least: 4, most: 253, space: 1040 },
        LimitOutOfRange { limit: 1, least: 28, most: usize::MAX, space: 136 },
        NotAUnixStream,
    }
    truncations(page);
}

fn truncations(page: &mut Page) {
    describe! {
        page, Truncation as Truncation:
        ProcessTableFull,
        SystemTableFull,
        Errno(13),
        Unknown,
    }
}

fn path_errors(page: &mut Page) {
    describe! {
        page, PathError as PathError:
        Empty,
        NulInPath { path: "/run/a\0b".into() },
        TooLong { path: "/run/long".into(), length: 108, limit: 107 },
        TooLong { path: "\0long".into(), length: 108, limit: 107 },
        AbstractUnsupported,
    }
    connect_errors(page);
    listen_errors(page);
}

fn connect_errors(page: &mut Page) {
    describe! {
        page, ConnectError as ConnectError:
        Path(PathError::Empty),
        Limit(limit()),
        NotFound { path: path(), error: cause() },
        Refused { path: path(), error: cause() },
        PermissionDenied { path: path(), error: cause() },
        NotASocket { path: path(), error: cause() },
        NotAStream { path: path(), error: cause() },
        Io { path: path(), error: cause() },
    }
}

fn listen_errors(page: &mut Page) {
    let moved_to = PathBuf::from("/run/user/1000/.socket.4d2-0");
    describe! {
        page, ListenError as ListenError:
        Path(PathError::Empty),
        Limit(limit()),
        InUse { path: path() },
        Stale { path: path() },
        NotASocket { path: path(), found: "a directory" },
        OtherOwner { path: path(), uid: 1000 },
        MovedAside { path: path(), moved_to, error: cause() },
        DirectoryLocked { directory: "/run/user/1000".into() },
        InvalidMode { mode: 0o1777 },
        AbstractName { option: "mode" },
        NotAListener,
        Io { path: Some(path()), error: cause() },
        Io { path: None, error: cause() },
    }
}

fn codec_errors(page: &mut Page) {
    let cause_of = Truncation::SystemTableFull;
    describe! {
        page, ReceiveError<BadFrame> as ReceiveError:
        Io(cause()),
        MissingFds { declared: 5, available: 3 },
        AmbiguousFds { declared: 1, available: 2 },
        UnclaimedFds { count: 7 },
        TooManyFds { count: 29, limit: 28 },
        TooManyWaitingFds { waiting: 60, limit: 56 },
        FdsOverdue { waiting: 4 },
        FrameOverdue { bytes: 10 },
        FrameTooLong { length: 90, limit: 80 },
        ReadQueueFull { queued: 31, limit: 56 },
        FdsOverBudget { count: 29, available: 7 },
        BytesOverBudget { bytes: 70 },
        Truncated { cause: cause_of },
        ClosedInsideFrame { bytes: 9 },
        Codec(BadFrame),
    }
    send_errors(page);
    take_fds_errors(page);
}

fn exchange_errors(page: &mut Page) {
    let id: FdId = "3-9f8a04c1b2d3e4f5".parse().expect("an id");
    let failed = ExchangeError::TooManyUnclaimed { count: 1278, limit: 1277 };
    let timeout = Duration::from_secs(30);
    describe! {
        page, exchange::ReceiveError as ExchangeReceiveError:
        ForeignId { id },
        OutOfRange { id, arrived: 2, limit: 1277 },
        AlreadyTaken { id },
        Expired { id, timeout },
        NotArrived { id, timeout },
        EndOfStream { id },
        Closed { id },
        StreamFailed { id, error: failed },
    }
    exchange_send_errors(page);
    exchange_stream_errors(page);
    page.line("ParseFdIdError", &"3".parse::<FdId>().expect_err("no id").to_string());
}

fn exchange_send_errors(page: &mut Page) {
    describe! {
        page, exchange::SendErrorKind as ExchangeSendErrorKind:
        TooManyQueued { count: 1024, limit: 1024 },
        Closed,
        Duplicate(cause()),
    }
}

fn exchange_stream_errors(page: &mut Page) {
    let failed = FdError::TooManyReceived { count: 29, limit: 28, space: 136 };
    describe! {
        page, ExchangeError as ExchangeError:
        NotAnExchange { count: 1 },
        TooManyUnclaimed { count: 1278, limit: 1277 },
        Stream(failed),
    }
}

fn send_errors(page: &mut Page) {
    describe! {
        page, SendErrorKind<BadFrame> as SendErrorKind:
        Io(cause()),
        TooManyFds { count: 29, limit: 28 },
        FdsWithoutBytes { count: 3 },
        WriteQueueNotEmpty { queued: 5 },
        FdsRefusedByPeer { count: 6 },
        TooManyFdsInFlight { count: 8 },
        BorrowedFds { count: 2 },
        OwnedAndBorrowedFds { owned: 1, borrowed: 2 },
        Codec(BadFrame),
    }
    flush_errors(page);
}

fn flush_errors(page: &mut Page) {
    describe! {
        page, FlushError as FlushError:
        Io(cause()),
        TooManyFds { count: 29, limit: 28 },
        FdsWithoutBytes { count: 3 },
        WriteQueueNotEmpty { queued: 5 },
        FdsRefusedByPeer { count: 6 },
        TooManyFdsInFlight { count: 8 },
    }
}

fn take_fds_errors(page: &mut Page) {
    let cause = Truncation::Unknown;
    describe! {
        page, TakeFdsError as TakeFdsError:
        Missing { declared: 5, available: 3 },
        Ambiguous { declared: 1, available: 2 },
        Truncated { cause },
    }
}
