//! Accepting while accept4 fails, which strace makes it do.

use std::future::poll_fn;
use std::time::Duration;

use crate::harness::*;
use crate::listener::{Listener, client};

#[test]
fn a_permanent_error_is_returned() {
    let name = "accept::a_permanent_error_is_returned";
    let inject = "inject=accept4:error=EINVAL:when=1..2";
    let calls = traced(name, &["-e", "trace=getppid,accept4", "-e", inject], async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let _client = client(&path);
        mark();
        let error = listener.accept().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        let error = poll_fn(|cx| listener.poll_accept(cx)).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        mark();
        listener.accept().await.expect("the listener stays open");
    });
    assert!(calls.is_none_or(|calls| calls.len() == 2));
}

/// Injects an error into the first `times` calls of accept4. Returns the number of calls until a
/// client was accepted.
fn calls_with(test: &str, error: &str, times: usize) -> Option<usize> {
    let inject = format!("inject=accept4:error={error}:when=1..{times}");
    let calls = traced(test, &["-e", "trace=getppid,accept4", "-e", &inject], async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let _client = client(&path);
        drive_io().await;
        tokio::time::pause();
        mark();
        listener.accept().await.unwrap();
        mark();
    })?;
    assert_eq!(count(&calls)[&format!("accept4 {error}")], times);
    Some(calls.len())
}

macro_rules! errors_that_pass {
    ($($name:ident: $error:literal,)*) => {
        $(#[test]
        fn $name() {
            let name = concat!("accept::", stringify!($name));
            if let Some(calls) = calls_with(name, $error, 3) {
                assert_eq!(calls, 4);
            }
        })*
    };
}

errors_that_pass! {
    accept_goes_on_after_econnaborted: "ECONNABORTED",
    accept_goes_on_after_eintr: "EINTR",
    accept_waits_at_emfile: "EMFILE",
    accept_waits_at_enfile: "ENFILE",
    accept_waits_at_enobufs: "ENOBUFS",
    accept_waits_at_enomem: "ENOMEM",
}

#[test]
fn accept_doubles_its_delay_up_to_a_second() {
    let name = "accept::accept_doubles_its_delay_up_to_a_second";
    let calls = traced(name, &["-e", "trace=getppid,accept4"], async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let _client = client(&path);
        drive_io().await;
        let table = FullTable::with_room_for(0);
        // The paused clock advances to the next timer when there is nothing else to do.
        tokio::time::pause();
        mark();
        let waiting = tokio::time::timeout(Duration::from_secs(10), listener.accept()).await;
        let polling = poll_fn(|cx| listener.poll_accept(cx));
        let polling = tokio::time::timeout(Duration::from_secs(10), polling).await;
        mark();
        assert!(waiting.is_err() && polling.is_err());
        drop(table);
        assert!(listener.accept().await.is_ok(), "the client is still there");
    });
    let Some(calls) = calls else { return };
    // Each test calls accept4 at 0, 5, 15, 35, ... 635 ms, and from 1275 ms on once per second.
    assert_eq!(count(&calls), [("accept4 EMFILE".to_owned(), 2 * 17)].into());
}
