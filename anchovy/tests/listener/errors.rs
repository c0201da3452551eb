//! The kinds, texts and sources of errors.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use anchovy::{ConnectError, FdError, ListenError, PathError};

use crate::harness::*;

fn is_an_error<E: Error + Send + Sync + 'static>() {}

/// Returns the texts of an error and of its sources.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
}

#[test]
fn errors_are_send_sync_and_static() {
    is_an_error::<PathError>();
    is_an_error::<ConnectError>();
    is_an_error::<ListenError>();
}

#[test]
fn each_cause_is_in_the_text_or_in_the_source_but_not_in_both() {
    let limit = FdError::LimitOutOfRange { limit: 300, least: 0, most: 253, space: 1040 };
    let (path, os) = (PathBuf::from("/run/x"), || io::Error::other("the cause"));
    let transparent: [Box<dyn Error>; 4] = [
        Box::new(ListenError::Path(PathError::Empty)),
        Box::new(ConnectError::Path(PathError::Empty)),
        Box::new(ListenError::Limit(limit)),
        Box::new(ConnectError::Limit(limit)),
    ];
    for error in &transparent {
        assert_eq!(chain(&**error).len(), 1, "{error}");
    }
    let moved_to = PathBuf::from("/run/.x.1-0");
    let with_source: [Box<dyn Error>; 9] = [
        Box::new(ListenError::MovedAside { path: path.clone(), moved_to, error: os() }),
        Box::new(ListenError::Io { path: Some(path.clone()), error: os() }),
        Box::new(ListenError::Io { path: None, error: os() }),
        Box::new(ConnectError::NotFound { path: path.clone(), error: os() }),
        Box::new(ConnectError::Refused { path: path.clone(), error: os() }),
        Box::new(ConnectError::PermissionDenied { path: path.clone(), error: os() }),
        Box::new(ConnectError::NotASocket { path: path.clone(), error: os() }),
        Box::new(ConnectError::NotAStream { path: path.clone(), error: os() }),
        Box::new(ConnectError::Io { path: path.clone(), error: os() }),
    ];
    for error in &with_source {
        let chain = chain(&**error);
        assert_eq!((chain.len(), &chain[1][..]), (2, "the cause"));
        assert!(!chain[0].contains("the cause"), "{error}");
    }
}

#[test]
fn a_converted_error_keeps_its_kind_its_text_and_its_sources() {
    let error = ConnectError::Refused {
        path: "/run/x".into(),
        error: io::Error::from(ErrorKind::ConnectionRefused),
    };
    let before = chain(&error);
    let error = io::Error::from(error);
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(chain(&error), before);
    let error = io::Error::from(ListenError::InUse { path: "/run/x".into() });
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("/run/x"), "{error}");
}

#[test]
fn connect_errors_name_the_cause_at_the_path() {
    run(async {
        let directory = Directory::new();
        leave_stale(&directory.join("stale"));
        std::fs::write(directory.join("file"), "").unwrap();
        let _datagrams = UnixDatagram::bind(directory.join("datagrams")).unwrap();
        let connect = async |name: &str| {
            let path = directory.join(name);
            let error = Stream::connect(&path).await.unwrap_err();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            error
        };
        let error = connect("gone").await;
        assert!(matches!(error, ConnectError::NotFound { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = connect("file/below").await;
        assert!(matches!(error, ConnectError::NotFound { .. }), "{error:?}");
        let error = connect("stale").await;
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = connect("file").await;
        assert!(matches!(error, ConnectError::NotASocket { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = connect("datagrams").await;
        assert!(matches!(error, ConnectError::NotAStream { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let table = FullTable::with_room_for(0);
        let error = connect("stale").await;
        drop(table);
        assert!(matches!(error, ConnectError::Io { .. }), "{error:?}");
    });
}

#[test]
fn a_missing_permission_is_not_reported_as_a_missing_server() {
    without_privileges(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let _listener = builder().mode(0).bind(&path).unwrap();
        let error = Stream::connect(&path).await.unwrap_err();
        assert!(matches!(error, ConnectError::PermissionDenied { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    });
}

#[test]
fn an_out_of_range_limit_is_refused_before_connecting() {
    run(async {
        let error = Stream::builder().read_fd_limit(254).connect("/nonexistent").await.unwrap_err();
        assert!(matches!(error, ConnectError::Limit(_)), "{error:?}");
        assert!(error.to_string().contains("254"), "{error}");
    });
}
