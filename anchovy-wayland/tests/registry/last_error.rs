//! The error that a compositor reports before it closes the connection.

use std::net::Shutdown;
use std::pin::pin;

use anchovy_wayland::{
    BindError, Connection, CreateError, DisplayError, Message, ObjectId, ReceiveError, Registry,
    RoundtripError, SendError, SendErrorKind,
};

use crate::harness::*;

fn refusal() -> DisplayError {
    DisplayError::new(id(2), 3, "too colorful")
}

/// A client that has created a surface, and whose compositor has sent an event and then an error, and
/// has closed without having read what the client sent.
async fn refused() -> Connection {
    let (mut near, mut far) = client().await;
    let surface = near.create("wl_surface", |id| Message::builder(self::id(77), 0).new_id(id));
    assert_eq!(surface.await.unwrap(), id(2));
    far.send_all(&[other(1), refusal().message(), other(2)]);
    drop(far);
    near
}

fn assert_is_refusal(error: &DisplayError) {
    let DisplayError { object, code, text, interface, .. } = error;
    let interface = interface.as_deref();
    assert_eq!((*object, *code, &**text, interface), (2, 3, "too colorful", Some("wl_surface")));
    let shown = "the compositor reported error 3 of wl_surface#2: too colorful";
    assert_eq!(error.to_string(), shown);
}

fn assert_is_refused<T: std::fmt::Debug>(outcome: Result<T, SendError>) {
    let SendErrorKind::Display(error) = outcome.unwrap_err().kind else { panic!() };
    assert_is_refusal(&error);
}

/// Receives the event before the error, the error, and the end of the stream.
async fn receive_the_rest(mut near: Connection) {
    assert_eq!(parts(&near.receive().await.unwrap().unwrap()), parts(&other(1)));
    let ReceiveError::Display(error) = near.receive().await.unwrap_err() else { panic!() };
    assert_is_refusal(&error);
    assert!(near.receive().await.unwrap().is_none());
    assert!(near.receive().await.unwrap().is_none());
}

#[test]
fn receive_returns_the_error_after_the_events_before_it() {
    run(async { receive_the_rest(refused().await).await });
}

#[test]
fn a_send_that_fails_returns_the_error_and_not_a_broken_pipe() {
    run(async {
        let mut near = refused().await;
        assert_is_refused(near.send(other(7)).await);
        assert_is_refused(near.flush().await);
        receive_the_rest(near).await;
    });
}

#[test]
fn a_flush_or_a_feed_that_fails_returns_the_error() {
    run(async {
        let mut near = refused().await;
        near.feed(other(7)).await.unwrap();
        assert_is_refused(near.flush().await);
        // As much waits as may, so a feed flushes.
        let filler = || Message::builder(id(77), 1).array(&[0; 4000]).build().unwrap();
        let error = loop {
            if let Err(error) = near.feed(filler()).await {
                break error;
            }
        };
        assert_is_refused(Err::<(), _>(error));
        receive_the_rest(near).await;
    });
}

#[test]
fn a_create_that_fails_returns_the_error() {
    run(async {
        let mut near = refused().await;
        let create = near.create("wl_surface", |id| Message::builder(self::id(77), 0).new_id(id));
        let CreateError::Send(error) = create.await.unwrap_err() else { panic!() };
        assert_is_refused(Err::<(), _>(error));
        receive_the_rest(near).await;
    });
}

#[test]
fn a_bind_that_fails_returns_the_error() {
    run(async {
        let mut near = refused().await;
        let mut registry = Registry::new(id(4));
        registry.update(&global(4, 1, "wl_shm", 1)).unwrap();
        let error = near.bind(&registry, "wl_shm", 1..=1).await.unwrap_err();
        let BindError::Create(CreateError::Send(error)) = error else { panic!("{error:?}") };
        assert_is_refused(Err::<(), _>(error));
        receive_the_rest(near).await;
    });
}

#[test]
fn a_roundtrip_and_a_registry_return_the_error_each_time() {
    run(async {
        let mut near = refused().await;
        for _ in 0..2 {
            let RoundtripError::Display(error) = near.roundtrip().await.unwrap_err() else {
                panic!()
            };
            assert_is_refusal(&error);
            let RoundtripError::Display(error) = near.registry().await.unwrap_err() else {
                panic!()
            };
            assert_is_refusal(&error);
        }
        receive_the_rest(near).await;
    });
}

#[test]
fn an_error_that_arrives_during_a_wait_ends_it() {
    run(async {
        let (mut near, mut far) = client().await;
        let mut roundtrip = Box::pin(near.roundtrip());
        assert!(now(roundtrip.as_mut()).await.is_none());
        far.send_all(&[other(1), DisplayError::new(id(1), 2, "no room").message()]);
        let RoundtripError::Display(error) = roundtrip.await.unwrap_err() else { panic!() };
        let shown = "the compositor reported error 2 of wl_display#1: no room";
        assert_eq!(error.to_string(), shown);
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
    });
}

#[test]
fn an_error_of_an_unknown_object_has_no_interface() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send(&DisplayError::new(id(9), 0, "invalid object 9").message());
        let ReceiveError::Display(error) = near.receive().await.unwrap_err() else { panic!() };
        assert_eq!((error.object, error.interface), (9, None));
    });
}

#[test]
fn a_compositor_that_closes_without_an_error_is_a_broken_pipe() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send(&other(1));
        drop(far);
        let SendErrorKind::Io(error) = near.send(other(7)).await.unwrap_err().kind else {
            panic!()
        };
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
        assert!(near.receive().await.unwrap().is_none());
    });
}

#[test]
fn the_error_is_found_after_more_events_than_a_task_may_take_at_once() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send_all(&(0..1000).map(|_| other(1)).collect::<Vec<_>>());
        far.send(&refusal().message());
        // The socket is not readable once all of them have been read.
        far.0.shutdown(Shutdown::Read).unwrap();
        drive_io().await;
        let error = near.roundtrip().await.unwrap_err();
        assert!(matches!(error, RoundtripError::Display(_)), "{error:?}");
        let kept = received(&mut near).await;
        assert_eq!(kept.len(), 1000);
    });
}

#[test]
fn a_failed_send_does_not_wait_for_an_open_compositor() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send(&other(1));
        far.0.shutdown(Shutdown::Read).unwrap();
        let error = at_once(near.send(other(7))).await.expect("it does not wait").unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Io(_)), "{error:?}");
        let roundtrip = at_once(near.roundtrip()).await.expect("it does not wait");
        assert!(matches!(roundtrip.unwrap_err(), RoundtripError::Send(_)));
        // The compositor can still send.
        far.send_all(&[other(2), refusal().message()]);
        let SendErrorKind::Display(_) = near.send(other(7)).await.unwrap_err().kind else {
            panic!()
        };
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1), other(2)]));
    });
}

#[test]
fn all_events_before_the_error_are_received_before_it() {
    run(async {
        let limits = anchovy_wayland::Limits { max_kept_messages: 2, ..Default::default() };
        let (mut near, mut far) = client_with(limits).await;
        let events: Vec<_> = (1..8).map(other).collect();
        far.send_all(&events);
        far.send(&refusal().message());
        drop(far);
        // Each keeps no more, however often it fails.
        for _ in 0..10 {
            let SendErrorKind::Io(_) = near.send(other(7)).await.unwrap_err().kind else {
                panic!()
            };
        }
        for event in &events {
            assert_eq!(parts(&near.receive().await.unwrap().unwrap()), parts(event));
        }
        assert!(matches!(near.receive().await.unwrap_err(), ReceiveError::Display(_)));
    });
}

#[test]
fn only_the_read_half_returns_the_error() {
    run(async {
        let (mut read, mut write) = refused().await.into_split();
        let SendErrorKind::Io(_) = write.send(other(7)).await.unwrap_err().kind else { panic!() };
        assert_eq!(parts(&read.receive().await.unwrap().unwrap()), parts(&other(1)));
        let ReceiveError::Display(error) = read.receive().await.unwrap_err() else { panic!() };
        assert_is_refusal(&error);
        assert!(read.receive().await.unwrap().is_none());
    });
}

#[test]
fn other_connections_return_the_events_of_the_display() {
    run(async {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let mut near = Connection::without_fds(near, Default::default()).unwrap();
        let mut far = Connection::without_fds(far, Default::default()).unwrap();
        let error = DisplayError::new(ObjectId::DISPLAY, 2, "no");
        far.feed(delete_id(9)).await.unwrap();
        far.send(error.message()).await.unwrap();
        let mut messages = pin!(async { (near.receive().await, near.receive().await) });
        let (first, second) = messages.as_mut().await;
        assert_eq!(parts(&first.unwrap().unwrap()), parts(&delete_id(9)));
        assert_eq!(DisplayError::read(&second.unwrap().unwrap()).unwrap(), Some(error));
    });
}
