//! The text, kind and sources of each error.

use std::error::Error;
use std::io;

use anchovy::FdError;
use anchovy::exchange::{
    ExchangeError, FdId, ParseFdIdError, ReceiveError, SendError, SendErrorKind,
};

use crate::harness::*;

/// The texts of an error and of all that caused it.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    texts
}

fn contains_all(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part} in {text:?}");
    }
    assert!(!text.ends_with('.') && !text.starts_with(char::is_uppercase), "{text:?}");
}

fn crosses_threads<E: Error + Send + Sync + 'static>() {}

#[test]
fn errors_cross_threads() {
    crosses_threads::<ExchangeError>();
    crosses_threads::<ParseFdIdError>();
    crosses_threads::<ReceiveError>();
    crosses_threads::<SendError>();
    crosses_threads::<SendErrorKind>();
}

const CUT: FdError = FdError::TooManyReceived { count: 29, limit: 28, space: 136 };

fn exchange_errors() -> [(ExchangeError, &'static [&'static str], io::ErrorKind); 3] {
    use io::ErrorKind::{InvalidData, QuotaExceeded};
    [
        (ExchangeError::NotAnExchange { count: 7 }, &["7", "without an exchange"], InvalidData),
        (
            ExchangeError::TooManyUnclaimed { count: 1278, limit: 1277 },
            &["1278", "1277", "max_unclaimed"],
            QuotaExceeded,
        ),
        (ExchangeError::Stream(CUT), &["read side of the stream failed"], InvalidData),
    ]
}

#[test]
fn a_failed_read_side_names_its_figures_and_is_found_in_its_io_error() {
    for (error, figures, kind) in exchange_errors() {
        contains_all(&error.to_string(), figures);
        let converted = io::Error::from(error);
        assert_eq!((error.kind(), converted.kind()), (kind, kind), "{error}");
        assert_eq!(ExchangeError::from_io_error(&converted), Some(error));
    }
    assert_eq!(ExchangeError::from_io_error(&io::ErrorKind::BrokenPipe.into()), None);
}

#[test]
fn the_cause_of_a_failed_stream_is_its_source_and_not_in_its_text() {
    let error = ExchangeError::Stream(CUT);
    assert_eq!(chain(&error), ["the read side of the stream failed", &*CUT.to_string()]);
    // The error of a read says it itself.
    assert_eq!(chain(&io::Error::from(error)), [CUT.to_string()]);
    for (error, ..) in &exchange_errors()[..2] {
        assert_eq!(chain(error), [error.to_string()]);
        assert_eq!(chain(&io::Error::from(*error)), [error.to_string()]);
    }
}

fn receive_errors(id: FdId) -> Vec<(ReceiveError, &'static [&'static str], io::ErrorKind)> {
    use io::ErrorKind::{
        InvalidData, InvalidInput, NotConnected, NotFound, TimedOut, UnexpectedEof,
    };
    let timeout = TIMEOUT;
    vec![
        (ReceiveError::ForeignId { id }, &["connection"], InvalidInput),
        (ReceiveError::OutOfRange { id, arrived: 2, limit: 10 }, &["2", "10"], InvalidInput),
        (ReceiveError::AlreadyTaken { id }, &["taken before"], NotFound),
        (ReceiveError::Expired { id, timeout }, &["30s", "closed"], TimedOut),
        (ReceiveError::NotArrived { id, timeout }, &["30s", "did not arrive"], TimedOut),
        (ReceiveError::EndOfStream { id }, &["ended the stream"], UnexpectedEof),
        (ReceiveError::Closed { id }, &["dropped"], NotConnected),
        (
            ReceiveError::StreamFailed { id, error: ExchangeError::NotAnExchange { count: 1 } },
            &["cannot be received"],
            InvalidData,
        ),
    ]
}

#[test]
fn a_descriptor_that_cannot_be_received_is_named_with_the_figures() {
    let id = foreign_id(7);
    for (error, figures, kind) in receive_errors(id) {
        contains_all(&error.to_string(), figures);
        contains_all(&error.to_string(), &["7-0123456789abcdef"]);
        assert_eq!(error.id(), id);
        let converted = io::Error::from(error);
        assert_eq!((error.kind(), converted.kind()), (kind, kind), "{error}");
        assert_eq!(chain(&converted)[0], error.to_string());
    }
}

#[test]
fn a_failed_stream_has_the_error_of_its_read_side_as_source() {
    let id = foreign_id(7);
    let error = ReceiveError::StreamFailed { id, error: ExchangeError::Stream(CUT) };
    let texts = [
        "descriptor 7-0123456789abcdef cannot be received any more".to_owned(),
        "the read side of the stream failed".to_owned(),
        CUT.to_string(),
    ];
    assert_eq!(chain(&error), texts);
    assert_eq!(chain(&io::Error::from(error)), texts);
    for (error, ..) in &receive_errors(id)[..7] {
        assert_eq!(chain(error).len(), 1, "{error}");
    }
}

#[test]
fn a_descriptor_that_is_not_sent_has_an_error_with_figures_and_kind() {
    let closed = || SendErrorKind::Closed;
    let many = || SendErrorKind::TooManyQueued { count: 1024, limit: 1024 };
    contains_all(&many().to_string(), &["1024 descriptors", "limit is 1024"]);
    contains_all(&closed().to_string(), &["closed"]);
    for (kind, expected) in [
        (many as fn() -> SendErrorKind, io::ErrorKind::QuotaExceeded),
        (closed, io::ErrorKind::BrokenPipe),
    ] {
        let error = SendError { unsent: None, kind: kind() };
        assert_eq!(chain(&error), [kind().to_string()]);
        let converted = io::Error::from(error);
        assert_eq!((converted.kind(), chain(&converted)), (expected, vec![kind().to_string()]));
    }
}

#[test]
fn the_cause_of_a_failed_duplication_is_its_source() {
    let cause = || io::Error::from_raw_os_error(libc::EMFILE);
    let error = SendError { unsent: None, kind: SendErrorKind::Duplicate(cause()) };
    assert_eq!(chain(&error), ["duplicating the descriptor failed", &*cause().to_string()]);
    assert_eq!(io::Error::from(error).raw_os_error(), Some(libc::EMFILE));
}

#[test]
fn the_error_of_a_text_that_is_no_id_shows_the_text() {
    let error = "7-xyz".parse::<FdId>().unwrap_err();
    contains_all(&error.to_string(), &["7-xyz", "16"]);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::InvalidInput);
}
