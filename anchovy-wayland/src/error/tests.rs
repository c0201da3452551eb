//! What each error says, what it comes of, and of which kind it is to those who know I/O errors only.

use super::*;

const PLACE: Place = Place { object: 7, opcode: 3 };

fn wire(fault: WireFault) -> WireError {
    WireError { object: 7, opcode: 3, fault }
}

fn socket() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "it is reset")
}

/// The text of what this error comes of.
fn source(error: &impl Error) -> Option<String> {
    error.source().map(ToString::to_string)
}

#[test]
fn a_wire_error_shows_its_message_and_its_numbers() {
    for (fault, rule) in [
        (WireFault::TooShort { length: 4 }, "it has 4 bytes by its header, which alone has 8"),
        (WireFault::Unaligned { length: 13 }, "it has 13 bytes, which is no multiple of 4"),
        (WireFault::TooLong { length: 20, limit: 16 }, "it has 20 bytes, and may have 16"),
        (WireFault::NullObject, "an object is null that may not be"),
        (WireFault::UnknownOpcode, "its interface has no such message"),
        (
            WireFault::EndsEarly { needed: 12, left: 8 },
            "an argument has 12 bytes, of which 8 are there",
        ),
        (WireFault::NullString, "a string is null that may not be"),
        (WireFault::StringWithoutNul, "a string does not end with a NUL"),
        (WireFault::StringWithNul, "a string has a NUL before its end"),
        (WireFault::NoFd, "it has no descriptor left for an argument"),
        (WireFault::BytesLeft { bytes: 4 }, "4 bytes are left behind its last argument"),
        (WireFault::FdsLeft { count: 2 }, "2 descriptors are left behind its last argument"),
        (WireFault::FdsTaken { declared: 2, present: 1 }, "it had 2 descriptors, and has 1"),
    ] {
        assert_eq!(wire(fault).to_string(), format!("message 3 of object 7: {rule}"));
    }
}

/// Each of those that happen behind a message, and what it says.
fn behind(after: Option<Place>) -> [(ReceiveError, &'static str); 6] {
    [
        (
            ReceiveError::TooManyFds { count: 29, limit: 28, after },
            "the peer sent 29 descriptors at once, and may send 28",
        ),
        (
            ReceiveError::UnclaimedFds { waiting: 4, limit: 3, after },
            "4 descriptors wait for a message, and 3 may",
        ),
        (
            ReceiveError::FdsOverdue { waiting: 2, after },
            "2 descriptors waited too long for a message",
        ),
        (
            ReceiveError::FdsLeft { count: 5, after },
            "the peer left 5 descriptors that no message has",
        ),
        (
            ReceiveError::Truncated { cause: Truncation::SystemTableFull, after },
            "descriptors were cut off: the file table of the system is full (fs.file-max)",
        ),
        (
            ReceiveError::ClosedInsideMessage { bytes: 6, after },
            "the peer closed the connection 6 bytes into a message",
        ),
    ]
}

/// What an error says of the connection.
const ENDED: &str = "; what had arrived was closed, and no more can be received";

#[test]
fn a_receive_error_shows_the_message_before_it() {
    for (error, what) in behind(Some(PLACE)) {
        assert_eq!(error.to_string(), format!("{what}, behind message 3 of object 7{ENDED}"));
    }
    for (error, what) in behind(None) {
        assert_eq!(error.to_string(), format!("{what}{ENDED}"), "there was none");
    }
}

#[test]
fn a_receive_error_shows_its_own_message() {
    let missing = ReceiveError::MissingFds { place: PLACE, declared: 2, arrived: 1 };
    for (error, what) in [
        (ReceiveError::Io(socket()), "receiving failed: it is reset"),
        (
            ReceiveError::Wire(wire(WireFault::UnknownOpcode)),
            "the peer sent a bad message: message 3 of object 7: its interface has no such message",
        ),
        (missing, "message 3 of object 7 has 2 descriptors, 1 have arrived"),
    ] {
        assert_eq!(error.to_string(), format!("{what}{ENDED}"));
    }
}

#[test]
fn the_message_before_is_known_to_the_errors_that_happen_behind_one() {
    for ((error, _), (expected, _)) in behind(None).into_iter().zip(behind(Some(PLACE))) {
        assert_eq!(format!("{:?}", error.behind(Some(PLACE))), format!("{expected:?}"));
    }
    let missing = ReceiveError::MissingFds { place: PLACE, declared: 2, arrived: 1 };
    let expected = format!("{missing:?}");
    assert_eq!(format!("{:?}", missing.behind(None)), expected, "it has its own");
}

#[test]
fn a_failed_socket_and_a_bad_message_are_what_errors_come_of() {
    let fault = wire(WireFault::NullString);
    assert_eq!(source(&ReceiveError::Io(socket())), Some("it is reset".into()));
    assert_eq!(source(&ReceiveError::from(fault)), Some(fault.to_string()));
    for (error, _) in behind(None) {
        assert_eq!(source(&error), None, "{error}");
    }
    for (sending, expected) in [
        (SendErrorKind::Io(socket()), Some("it is reset".into())),
        (SendErrorKind::from(fault), Some(fault.to_string())),
        (SendErrorKind::FdsRefusedByPeer { count: 1 }, None),
    ] {
        assert_eq!(source(&sending), expected);
        assert_eq!(source(&SendError { unsent: None, kind: sending }), expected);
    }
}

#[test]
fn as_an_io_error_the_end_of_receiving_has_a_kind_and_keeps_its_type() {
    use io::ErrorKind;

    let fault = wire(WireFault::NullString);
    let all = [
        (ReceiveError::Io(socket()), ErrorKind::ConnectionReset),
        (ReceiveError::Wire(fault), ErrorKind::InvalidData),
        (
            ReceiveError::MissingFds { place: PLACE, declared: 2, arrived: 1 },
            ErrorKind::InvalidData,
        ),
    ];
    let kinds = [
        ErrorKind::InvalidData,
        ErrorKind::QuotaExceeded,
        ErrorKind::TimedOut,
        ErrorKind::InvalidData,
        ErrorKind::QuotaExceeded,
        ErrorKind::UnexpectedEof,
    ];
    let behind = behind(Some(PLACE)).map(|(error, _)| error).into_iter().zip(kinds);
    for (error, kind) in all.into_iter().chain(behind) {
        let told = format!("{error:?}");
        let error = io::Error::from(error);
        assert_eq!(error.kind(), kind, "{told}");
        let inner = error.into_inner().expect("it is kept");
        let inner = inner.downcast::<ReceiveError>().expect("with its type");
        assert_eq!(format!("{inner:?}"), told);
    }
}

#[test]
fn a_rule_that_is_broken_is_bad_data_as_an_io_error() {
    let fault = wire(WireFault::NoFd);
    let error = io::Error::from(fault);
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(error.into_inner().unwrap().downcast_ref(), Some(&fault));
}

/// Each that is about a message, what it says, and the kind that it has.
fn faults() -> [(SendErrorKind, &'static str, io::ErrorKind); 4] {
    [
        (
            SendErrorKind::Wire(wire(WireFault::TooLong { length: 20, limit: 16 })),
            "a message cannot be sent: message 3 of object 7: it has 20 bytes, and may have 16",
            io::ErrorKind::InvalidInput,
        ),
        (
            SendErrorKind::TooManyFds { count: 29, limit: 28 },
            "a message has 29 descriptors, and may have 28",
            io::ErrorKind::InvalidInput,
        ),
        (
            SendErrorKind::FdsRefusedByPeer { count: 2 },
            "the peer's kernel takes no descriptors, a message has 2",
            io::ErrorKind::PermissionDenied,
        ),
        (
            SendErrorKind::TooManyFdsInFlight { count: 8 },
            "too many descriptors are under way for a message with 8 more: try later",
            io::ErrorKind::QuotaExceeded,
        ),
    ]
}

#[test]
fn a_send_error_shows_its_numbers_and_that_nothing_was_sent() {
    for (fault, what, _) in faults() {
        let expected = format!("{what}; nothing of it was sent");
        assert_eq!(fault.to_string(), expected);
        assert_eq!(SendError { unsent: None, kind: fault }.to_string(), expected);
    }
    // Of what may have left already nothing is said.
    assert_eq!(SendErrorKind::Io(socket()).to_string(), "sending failed: it is reset");
}

#[test]
fn as_an_io_error_a_message_that_is_not_sent_has_a_kind_and_a_failed_socket_is_itself() {
    for (fault, _, kind) in faults() {
        let told = format!("{fault:?}");
        let error = io::Error::from(SendError { unsent: None, kind: fault });
        assert_eq!(error.kind(), kind, "{told}");
        let inner = error.into_inner().expect("it is kept");
        let inner = inner.downcast::<SendErrorKind>().expect("with its type");
        assert_eq!(format!("{inner:?}"), told);
    }
    let error = io::Error::from(SendError { unsent: None, kind: SendErrorKind::Io(socket()) });
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(error.to_string(), "it is reset");
}
