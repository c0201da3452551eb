//! The type, text, kind and source of every public error.

use std::error::Error;
use std::io;

use anchovy::{FdError, ReuniteError, Truncation};

/// Returns every [`FdError`], with the numbers that its text must contain and its kind.
fn fd_errors() -> Vec<(FdError, &'static [&'static str], io::ErrorKind)> {
    use io::ErrorKind::{InvalidData, InvalidInput, PermissionDenied, QuotaExceeded};

    let full = Truncation::ProcessTableFull;
    vec![
        (
            FdError::TooManyToSend { count: 29, limit: 28, space: 136 },
            &["29", "28", "136"],
            InvalidInput,
        ),
        (
            FdError::TooManyReceived { count: 29, limit: 28, space: 136 },
            &["29", "28", "136"],
            InvalidData,
        ),
        (FdError::Truncated { received: 7, cause: full }, &["7", "RLIMIT_NOFILE"], QuotaExceeded),
        (
            FdError::Truncated { received: 7, cause: Truncation::Unknown },
            &["7", "security module"],
            InvalidData,
        ),
        (
            FdError::ReadQueueFull { queued: 31, fd_limit: 28, limit: 56 },
            &["31", "28", "56"],
            QuotaExceeded,
        ),
        (FdError::FdsWithoutBytes { count: 3 }, &["3"], InvalidInput),
        (FdError::WriteQueueNotEmpty { queued: 5 }, &["5"], InvalidInput),
        (FdError::RefusedByPeer { count: 6 }, &["6", "EPERM"], PermissionDenied),
        (FdError::TooManyInFlight { count: 8 }, &["8", "ETOOMANYREFS"], QuotaExceeded),
        (
            FdError::LimitOutOfRange { limit: 300, least: 4, most: 253, space: 1040 },
            &["300", "4", "253", "1040"],
            InvalidInput,
        ),
        (FdError::NotAUnixStream, &["Unix stream socket"], InvalidInput),
    ]
}

/// Returns the texts of an error and of its sources.
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
}

fn crosses_threads<E: Error + Send + Sync + 'static>() {}

#[test]
fn stream_errors_are_send_sync_and_static() {
    crosses_threads::<FdError>();
    crosses_threads::<ReuniteError<Vec<u8>, String>>();
}

#[test]
fn an_fd_error_names_its_numbers_and_has_no_source() {
    for (error, figures, kind) in fd_errors() {
        contains_all(&error.to_string(), figures);
        assert_eq!(chain(&error).len(), 1, "{error}");
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn an_fd_error_is_found_in_its_io_error() {
    for (error, _, kind) in fd_errors() {
        let converted = io::Error::from(error);
        assert_eq!(converted.kind(), kind, "{error}");
        assert_eq!(chain(&converted), [error.to_string()]);
        assert_eq!(FdError::from_io_error(&converted), Some(error));
    }
    assert_eq!(FdError::from_io_error(&io::ErrorKind::BrokenPipe.into()), None);
}

#[test]
fn every_cause_of_a_truncation_has_its_own_text() {
    let errno = io::Error::from_raw_os_error(13).to_string();
    for (cause, text) in [
        (Truncation::ProcessTableFull, "RLIMIT_NOFILE"),
        (Truncation::SystemTableFull, "fs.file-max"),
        (Truncation::Errno(13), &errno),
        (Truncation::Unknown, "security module"),
    ] {
        contains_all(&cause.to_string(), &[text]);
    }
}

#[test]
fn a_reunite_error_returns_both_halves_and_omits_them_in_debug() {
    /// Has no `Debug`.
    struct Half;

    let error = ReuniteError(Half, Half);
    assert_eq!(chain(&error), ["the two halves belong to different streams"]);
    assert_eq!(format!("{error:?}"), "ReuniteError { .. }");
    let ReuniteError(Half, Half) = error;
}

#[cfg(feature = "codec")]
mod codec {
    //! The errors of framed streams.

    use std::fmt;

    use anchovy::codec::{FlushError, ReceiveError, SendError, SendErrorKind, TakeFdsError};

    use super::*;

    /// The error of a codec, with a source.
    #[derive(Debug)]
    struct BadFrame(io::Error);

    impl fmt::Display for BadFrame {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bad frame")
        }
    }

    impl Error for BadFrame {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    impl From<BadFrame> for io::Error {
        fn from(error: BadFrame) -> io::Error {
            io::Error::new(io::ErrorKind::Unsupported, error)
        }
    }

    fn bad_frame() -> BadFrame {
        BadFrame(io::Error::other("bad byte"))
    }

    fn reset() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionReset, "it is reset")
    }

    /// Returns every [`ReceiveError`] except those of the socket and of the codec.
    fn receive_errors() -> Vec<(ReceiveError<BadFrame>, &'static [&'static str], io::ErrorKind)> {
        use io::ErrorKind::{InvalidData, QuotaExceeded, TimedOut, UnexpectedEof};

        let full = Truncation::SystemTableFull;
        vec![
            (ReceiveError::MissingFds { declared: 5, available: 3 }, &["5", "3"], InvalidData),
            (ReceiveError::AmbiguousFds { declared: 2, available: 6 }, &["2", "6"], InvalidData),
            (ReceiveError::UnclaimedFds { count: 7 }, &["7"], InvalidData),
            (ReceiveError::TooManyFds { count: 29, limit: 28 }, &["29", "28"], InvalidData),
            (
                ReceiveError::TooManyWaitingFds { waiting: 60, limit: 56 },
                &["60", "56"],
                QuotaExceeded,
            ),
            (ReceiveError::FdsOverdue { waiting: 4 }, &["4"], TimedOut),
            (ReceiveError::FrameOverdue { bytes: 10 }, &["10"], TimedOut),
            (ReceiveError::FrameTooLong { length: 90, limit: 80 }, &["90", "80"], InvalidData),
            (ReceiveError::BytesOverBudget { bytes: 70 }, &["70"], QuotaExceeded),
            (ReceiveError::ReadQueueFull { queued: 31, limit: 56 }, &["31", "56"], QuotaExceeded),
            (ReceiveError::Truncated { cause: full }, &["fs.file-max"], QuotaExceeded),
            (
                ReceiveError::Truncated { cause: Truncation::Unknown },
                &["security module"],
                InvalidData,
            ),
            (ReceiveError::ClosedInsideFrame { bytes: 9 }, &["9"], UnexpectedEof),
        ]
    }

    /// Returns every [`SendErrorKind`] except those of the socket and of the codec.
    fn send_errors() -> Vec<(SendErrorKind<BadFrame>, &'static [&'static str], io::ErrorKind)> {
        use io::ErrorKind::{InvalidInput, PermissionDenied, QuotaExceeded};

        vec![
            (SendErrorKind::TooManyFds { count: 29, limit: 28 }, &["29", "28"], InvalidInput),
            (SendErrorKind::FdsWithoutBytes { count: 3 }, &["3"], InvalidInput),
            (SendErrorKind::WriteQueueNotEmpty { queued: 5 }, &["5"], InvalidInput),
            (SendErrorKind::FdsRefusedByPeer { count: 6 }, &["6", "EPERM"], PermissionDenied),
            (SendErrorKind::TooManyFdsInFlight { count: 8 }, &["8", "ETOOMANYREFS"], QuotaExceeded),
            (SendErrorKind::BorrowedFds { count: 4 }, &["4", "`send`"], InvalidInput),
            (
                SendErrorKind::OwnedAndBorrowedFds { owned: 2, borrowed: 7 },
                &["owns 2", "borrows 7", "`borrowed_fds`"],
                InvalidInput,
            ),
        ]
    }

    /// Every [`FlushError`] that is not about the socket.
    fn flush_errors() -> Vec<FlushError> {
        vec![
            FlushError::TooManyFds { count: 29, limit: 28 },
            FlushError::FdsWithoutBytes { count: 3 },
            FlushError::WriteQueueNotEmpty { queued: 5 },
            FlushError::FdsRefusedByPeer { count: 6 },
            FlushError::TooManyFdsInFlight { count: 8 },
        ]
    }

    #[test]
    fn codec_errors_are_send_sync_and_static() {
        crosses_threads::<ReceiveError<BadFrame>>();
        crosses_threads::<SendErrorKind<BadFrame>>();
        crosses_threads::<SendError<Vec<u8>, SendErrorKind<BadFrame>>>();
        crosses_threads::<FlushError>();
        crosses_threads::<TakeFdsError>();
    }

    #[test]
    fn a_receive_error_names_its_numbers_and_keeps_its_type_and_kind() {
        for (error, figures, kind) in receive_errors() {
            let text = error.to_string();
            contains_all(&text, figures);
            assert_eq!(chain(&error).len(), 1, "{text}");
            let error = io::Error::from(error);
            assert_eq!((error.kind(), error.to_string()), (kind, text));
            assert!(error.get_ref().expect("a payload").is::<ReceiveError<BadFrame>>());
        }
    }

    #[test]
    fn a_receive_error_has_the_source_of_the_socket_or_the_codec() {
        let error = ReceiveError::<BadFrame>::Io(reset());
        assert_eq!(chain(&error), ["receiving from the socket failed", "it is reset"]);
        let error = ReceiveError::Codec(bad_frame());
        let texts = ["the codec rejected the received bytes", "bad frame", "bad byte"];
        assert_eq!(chain(&error), texts);
    }

    #[test]
    fn receive_errors_of_the_socket_and_the_codec_convert_unwrapped() {
        let error = io::Error::from(ReceiveError::<BadFrame>::Io(reset()));
        assert_eq!((error.kind(), chain(&error)), (reset().kind(), vec!["it is reset".into()]));
        let error = io::Error::from(ReceiveError::Codec(bad_frame()));
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "bad frame");
    }

    #[test]
    fn a_send_error_names_its_numbers_and_keeps_its_type_and_kind() {
        for (error, figures, kind) in send_errors() {
            let text = error.to_string();
            contains_all(&text, figures);
            assert_eq!(chain(&error).len(), 1, "{text}");
            let error = SendError { unsent: Some("a frame"), kind: error };
            assert_eq!(chain(&error), [&*text]);
            let error = io::Error::from(error);
            assert_eq!((error.kind(), error.to_string()), (kind, text));
            assert!(error.get_ref().expect("a payload").is::<SendErrorKind<BadFrame>>());
        }
    }

    #[test]
    fn a_send_error_has_the_sources_of_its_kind() {
        let kind = SendErrorKind::<BadFrame>::Io(reset());
        let texts = ["sending to the socket failed", "it is reset"];
        assert_eq!(chain(&kind), texts);
        assert_eq!(chain(&SendError { unsent: None::<()>, kind }), texts);
        let kind = SendErrorKind::Codec(bad_frame());
        let texts = ["the codec rejected the frame", "bad frame", "bad byte"];
        assert_eq!(chain(&kind), texts);
        assert_eq!(chain(&SendError { unsent: Some(()), kind }), texts);
    }

    #[test]
    fn send_errors_of_the_socket_and_the_codec_convert_unwrapped() {
        let kind = SendErrorKind::<BadFrame>::Io(reset());
        let error = io::Error::from(SendError { unsent: None::<()>, kind });
        assert_eq!((error.kind(), chain(&error)), (reset().kind(), vec!["it is reset".into()]));
        let error = io::Error::from(SendErrorKind::Codec(bad_frame()));
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "bad frame");
    }

    #[test]
    fn a_flush_error_is_the_send_error_of_the_same_name() {
        // In the order of `flush_errors`.
        for (error, (_, figures, kind)) in flush_errors().into_iter().zip(send_errors()) {
            let (name, text) = (format!("{error:?}"), error.to_string());
            contains_all(&text, figures);
            assert_eq!(chain(&error).len(), 1, "{text}");

            let error = io::Error::from(error);
            assert_eq!((error.kind(), error.to_string()), (kind, text.clone()));
            let error = *error.into_inner().expect("a payload").downcast::<FlushError>().unwrap();
            let error = SendErrorKind::<BadFrame>::from(error);
            assert_eq!((format!("{error:?}"), error.to_string()), (name, text));
        }
    }

    #[test]
    fn the_socket_error_of_a_flush_is_its_source_and_converts_into_itself() {
        let texts = ["sending to the socket failed", "it is reset"];
        assert_eq!(chain(&FlushError::Io(reset())), texts);
        assert_eq!(chain(&SendErrorKind::<BadFrame>::from(FlushError::Io(reset()))), texts);
        let error = io::Error::from(FlushError::Io(reset()));
        assert_eq!((error.kind(), chain(&error)), (reset().kind(), vec!["it is reset".into()]));
    }

    #[test]
    fn the_debug_output_of_a_send_error_omits_the_frame() {
        /// Has no `Debug`.
        struct Frame;

        let kind = SendErrorKind::<BadFrame>::FdsWithoutBytes { count: 2 };
        let error = SendError { unsent: Some(Frame), kind };
        let shown = "SendError { unsent: Some(..), kind: FdsWithoutBytes { count: 2 } }";
        assert_eq!(format!("{error:?}"), shown);
    }

    #[test]
    fn a_take_fds_error_converts_into_a_receive_error() {
        let missing = TakeFdsError::Missing { declared: 5, available: 3 };
        contains_all(&missing.to_string(), &["5", "3"]);
        let ambiguous = TakeFdsError::Ambiguous { declared: 2, available: 6 };
        contains_all(&ambiguous.to_string(), &["2", "6"]);
        let truncated = TakeFdsError::Truncated { cause: Truncation::ProcessTableFull };
        contains_all(&truncated.to_string(), &["RLIMIT_NOFILE"]);
        for (error, expected) in [
            (missing, "MissingFds { declared: 5, available: 3 }"),
            (ambiguous, "AmbiguousFds { declared: 2, available: 6 }"),
            (truncated, "Truncated { cause: ProcessTableFull }"),
        ] {
            assert_eq!(chain(&error).len(), 1, "{error}");
            assert_eq!(format!("{:?}", ReceiveError::<BadFrame>::from(error)), expected);
        }
    }
}
