//! The conversion of every public error into an [`io::Error`].

use std::error::Error;
use std::fmt::Debug;
use std::io::{self, ErrorKind};
use std::time::Duration;

use anchovy_wayland::{
    AddError, BindError, BuildError, ConnectError, CreateError, DisplayError, InheritedError,
    ListenError, LocationError, ReceiveError, RegistryError, RoundtripError, SendError,
    SendErrorKind, WireError, WireErrorKind,
};

use crate::harness::*;

/// Returns an error by `?`, and checks its kind, that it can be passed to another task, that its Debug
/// is one line, and that no text of its chain repeats another one.
fn check<E>(error: E, kind: ErrorKind)
where
    E: Error + Send + Sync + Debug + Into<io::Error> + 'static,
    io::Error: From<E>,
{
    let debug = format!("{error:?}");
    assert!(!debug.contains('\n') && debug.len() < 400, "{debug}");
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    for (at, text) in texts.iter().enumerate() {
        assert!(!text.is_empty() && !text.contains('\n') && !text.ends_with('.'), "{texts:?}");
        assert!(texts[..at].iter().all(|other| !other.contains(text)), "{texts:?}");
    }
    let returned = || -> io::Result<()> { Err(error)? };
    assert_eq!(returned().unwrap_err().kind(), kind, "{texts:?}");
}

#[test]
fn every_public_error_becomes_an_io_error_of_its_kind() {
    let wire = WireError { object: 7, opcode: 3, kind: WireErrorKind::NullString };
    let broken = || io::Error::from(ErrorKind::BrokenPipe);
    let send = |kind| SendError { unsent: Some(Box::new(other(1))), kind };
    let display = || DisplayError::new(id(7), 1, "no");
    let location = || LocationError::NoRuntimeDirectory;
    let no_ids = || CreateError::NoIds;
    let interface = || "wl_shm".to_owned();

    check(wire, ErrorKind::InvalidData);
    check(BuildError { error: wire, fds: Vec::new() }, ErrorKind::InvalidInput);
    check(AddError::Version { interface: interface() }, ErrorKind::InvalidInput);
    check(display(), ErrorKind::Other);
    check(location(), ErrorKind::NotFound);
    check(InheritedError::NotConnected { fd: 7 }, ErrorKind::NotConnected);
    check(ConnectError::Location(location()), ErrorKind::NotFound);
    check(ListenError::Location(location()), ErrorKind::NotFound);

    check(ReceiveError::Io(broken()), ErrorKind::BrokenPipe);
    check(ReceiveError::Wire(wire), ErrorKind::InvalidData);
    check(ReceiveError::Display(display()), ErrorKind::Other);
    check(SendErrorKind::Io(broken()), ErrorKind::BrokenPipe);
    check(SendErrorKind::Display(display()), ErrorKind::Other);
    check(send(SendErrorKind::Wire(wire)), ErrorKind::InvalidInput);

    check(no_ids(), ErrorKind::QuotaExceeded);
    check(CreateError::NewId { id: id(2), found: None }, ErrorKind::InvalidInput);
    check(CreateError::Send(send(SendErrorKind::Io(broken()))), ErrorKind::BrokenPipe);
    check(BindError::NoGlobal { interface: interface() }, ErrorKind::NotFound);
    let version = BindError::Version { interface: interface(), wanted: 3..=5, offered: 2 };
    check(version, ErrorKind::Unsupported);
    check(BindError::Create(no_ids()), ErrorKind::QuotaExceeded);
    check(RegistryError::TooManyGlobals { limit: 9 }, ErrorKind::QuotaExceeded);
    check(RoundtripError::Closed, ErrorKind::UnexpectedEof);
    check(RoundtripError::TimedOut { timeout: Duration::from_secs(10) }, ErrorKind::TimedOut);
    check(RoundtripError::TooManyMessages { limit: 9 }, ErrorKind::QuotaExceeded);
    check(RoundtripError::Wire(wire), ErrorKind::InvalidData);
    check(RoundtripError::Registry(RegistryError::Wire(wire)), ErrorKind::InvalidData);
    check(RoundtripError::Receive(ReceiveError::Io(broken())), ErrorKind::BrokenPipe);
    check(RoundtripError::Display(display()), ErrorKind::Other);
}

/// Checks that the error of the compositor is found in an error and in the `io::Error` of it.
fn finds<E: Error + Send + Sync + Into<io::Error> + 'static>(error: E, expected: &DisplayError) {
    assert_eq!(DisplayError::from_error(&error), Some(expected), "{error:?}");
    let shown = format!("{error:?}");
    assert_eq!(DisplayError::from_error(&error.into()), Some(expected), "{shown} as io::Error");
}

#[test]
fn the_error_of_the_compositor_is_found_in_every_error_that_contains_it() {
    let display = DisplayError::new(id(7), 1, "no");
    let kind = || SendErrorKind::Display(display.clone());
    let send = || SendError { unsent: None, kind: kind() };

    finds(display.clone(), &display);
    finds(ReceiveError::Display(display.clone()), &display);
    finds(kind(), &display);
    finds(send(), &display);
    finds(CreateError::Send(send()), &display);
    finds(BindError::Create(CreateError::Send(send())), &display);
    finds(RoundtripError::Display(display.clone()), &display);
    finds(RoundtripError::Receive(ReceiveError::Display(display.clone())), &display);
    finds(RoundtripError::Send(send()), &display);
    finds(io::Error::other(io::Error::from(display.clone())), &display);
}

#[test]
fn the_error_of_the_compositor_is_found_in_the_source_of_another_error() {
    #[derive(Debug)]
    struct Program(ReceiveError);

    impl std::fmt::Display for Program {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the program failed")
        }
    }

    impl Error for Program {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    let display = DisplayError::new(id(7), 1, "no");
    let program = Program(ReceiveError::Display(display.clone()));
    assert_eq!(DisplayError::from_error(&program), Some(&display));
    assert_eq!(DisplayError::from_error(&io::Error::other(program)), Some(&display));
}

#[test]
fn an_error_without_an_error_of_the_compositor_contains_none() {
    let wire = WireError { object: 7, opcode: 3, kind: WireErrorKind::NullString };
    let send = || SendError { unsent: None, kind: SendErrorKind::Wire(wire) };
    let errors: [Box<dyn Error>; 7] = [
        Box::new(wire),
        Box::new(ReceiveError::Wire(wire)),
        Box::new(send()),
        Box::new(BindError::Create(CreateError::Send(send()))),
        Box::new(RoundtripError::Closed),
        Box::new(io::Error::from(RoundtripError::Send(send()))),
        Box::new(io::Error::from(ErrorKind::BrokenPipe)),
    ];
    for error in errors {
        assert_eq!(DisplayError::from_error(&*error), None, "{error:?}");
    }
}
