//! Roundtrips: their ends, and the events that arrive meanwhile.

use std::os::fd::AsFd;
use std::pin::pin;
use std::time::Duration;

use anchovy_wayland::{
    Connection, DisplayError, Limits, Message, ReceiveError, RoundtripError, SendErrorKind,
};
use tokio::time::{advance, pause};

use crate::harness::*;

/// Memory of a kept message in addition to its length.
const MESSAGE: usize = size_of::<Message>();

#[test]
fn a_roundtrip_ends_with_its_callback_and_keeps_other_events_in_order() {
    run(async {
        let (mut near, mut far) = client().await;
        let mut roundtrip = Box::pin(near.roundtrip());
        assert!(now(roundtrip.as_mut()).await.is_none());
        assert_eq!(far.read(), bytes_of::bytes_of(&sync(2)));
        far.send_all(&[other(1), other(2), done(2), delete_id(2), other(3)]);
        roundtrip.await.unwrap();
        let left = [other(1), other(2), other(3)];
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&left));
    });
}

#[test]
fn the_events_of_a_roundtrip_are_buffered_and_later_ones_are_not_read() {
    run(async {
        let (mut near, mut far) = client().await;
        assert!(near.next_buffered().is_none());
        far.send_all(&[other(1), other(2), done(2), delete_id(2), other(3)]);
        near.roundtrip().await.unwrap();
        far.send(&other(4));
        drive_io().await;
        let mut buffered = Vec::new();
        while let Some(event) = near.next_buffered() {
            buffered.push(event.unwrap());
        }
        assert_eq!(all_parts(&buffered), all_parts(&[other(1), other(2), other(3)]));
        assert_eq!(parts(&near.receive().await.unwrap().unwrap()), parts(&other(4)));
    });
}

#[test]
fn the_error_of_the_compositor_follows_the_buffered_events() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send_all(&[other(1), done(2), other(2)]);
        far.send(&DisplayError::new(id(1), 3, "no").message());
        near.roundtrip().await.unwrap();
        for event in [other(1), other(2)] {
            assert_eq!(parts(&near.next_buffered().unwrap().unwrap()), parts(&event));
        }
        let error = near.next_buffered().unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::Display(_)), "{error:?}");
        assert!(near.next_buffered().is_none());
    });
}

#[test]
fn other_tasks_run_while_a_roundtrip_receives_many_messages() {
    /// The budget of a task is 128 (tokio::task::coop), and these are ten times as many.
    const MESSAGES: usize = 1280;
    run(async {
        for message in [|| other(1), || delete_id(77)] {
            let (mut near, mut far) = client().await;
            far.send_all(&(0..MESSAGES).map(|_| message()).collect::<Vec<_>>());
            far.send(&done(2));
            drive_io().await;
            let turns = turns_of_another_task(async { near.roundtrip().await.unwrap() }).await;
            assert!(turns >= 9, "{turns} turns of the other task");
        }
    });
}

/// `wl_display.sync`.
fn sync(callback: u32) -> Message {
    Message::builder(id(1), 0).new_id(id(callback)).build().unwrap()
}

#[test]
fn a_late_reply_is_discarded_and_does_not_end_the_next_roundtrip() {
    run(async {
        pause();
        let (mut near, mut far) = client().await;
        let error = near.roundtrip().await.unwrap_err();
        let timeout = Duration::from_secs(10);
        assert!(matches!(error, RoundtripError::TimedOut { timeout: limit } if limit == timeout));

        let mut next = Box::pin(near.roundtrip());
        assert!(now(next.as_mut()).await.is_none());
        far.send_all(&[done(2), delete_id(2), other(1)]);
        assert!(at_once(next.as_mut()).await.is_none(), "it was the reply of the first one");
        far.send_all(&[done(3), delete_id(3)]);
        next.await.unwrap();
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
        // Both ids are free.
        let mut last = Box::pin(near.roundtrip());
        assert!(now(last.as_mut()).await.is_none());
        assert_eq!(
            far.read(),
            [sync(2), sync(3), sync(2)].iter().flat_map(bytes_of::bytes_of).collect::<Vec<_>>()
        );
    });
}

#[test]
fn a_dropped_roundtrip_does_not_affect_the_next_one() {
    run(async {
        let (mut near, mut far) = client().await;
        far.send(&other(1));
        drive_io().await;
        assert!(now(near.roundtrip()).await.is_none());
        // The late reply does not reach the caller either.
        far.send_all(&[done(2), other(2)]);
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1), other(2)]));
        far.send_all(&[delete_id(2), other(3), done(3), other(4)]);
        near.roundtrip().await.unwrap();
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(3), other(4)]));
    });
}

#[test]
fn a_roundtrip_that_is_dropped_before_there_is_room_sends_nothing() {
    run(async {
        let limits = Limits { max_buffered_bytes: 4096, ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        fill_buffers(&mut near).await;
        far.send_all(&[other(1), other(2)]);
        drive_io().await;
        assert!(now(near.roundtrip()).await.is_none());
        while now(near.flush()).await.is_none() {
            while !far.read().is_empty() {}
            drive_io().await;
        }
        while !far.read().is_empty() {}
        far.send_all(&[done(2)]);
        near.roundtrip().await.unwrap();
        assert_eq!(far.read(), bytes_of::bytes_of(&sync(2)));
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1), other(2)]));
    });
}

#[test]
fn a_roundtrip_receives_while_it_waits_for_room() {
    run_on_threads(async {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let limits = Limits { max_kept_bytes: 8 << 20, ..Limits::client() };
        let mut near = Connection::client(near, limits).unwrap();
        // Blocking: it sends more than the socket has room for before it reads.
        let far = far.into_std().unwrap();
        far.set_nonblocking(false).unwrap();
        // More than the socket has room for, and as much as may wait: the `sync` waits for room.
        let requests = fill_buffers(&mut near).await;
        let compositor = std::thread::spawn(move || {
            use std::io::{Read, Write};
            let mut far = far;
            for _ in 0..500 {
                far.write_all(&bytes_of::bytes_of(&large())).unwrap();
            }
            let requests = requests * large().len();
            let mut bytes = vec![0; requests + 12];
            far.read_exact(&mut bytes).unwrap();
            assert_eq!(bytes[requests..], bytes_of::bytes_of(&sync(2)));
            far.write_all(&bytes_of::bytes_of(&done(2))).unwrap();
            far
        });
        near.roundtrip().await.unwrap();
        let _far = tokio::task::spawn_blocking(|| compositor.join().unwrap()).await.unwrap();
        assert_eq!(received(&mut near).await.len(), 500);
    });
}

#[test]
fn a_reply_to_a_partially_sent_request_is_accepted() {
    run(async {
        let (mut near, mut far) = client().await;
        // The compositor answers what it will be asked.
        far.send_all(&[other(1), done(2)]);
        drive_io().await;
        near.roundtrip().await.unwrap();
        assert_eq!(far.read(), bytes_of::bytes_of(&sync(2)));
    });
}

#[test]
fn more_kept_messages_than_the_limit_end_the_wait() {
    run(async {
        let limits = Limits { max_kept_messages: 3, ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        far.send_all(&[other(1), other(2), other(3), done(2), delete_id(2)]);
        near.roundtrip().await.unwrap();
        far.send(&other(4));
        drive_io().await;
        let error = near.roundtrip().await.unwrap_err();
        assert!(matches!(error, RoundtripError::TooManyMessages { limit: 3 }), "{error:?}");
        far.read();
        // It stops before it sends, and reads no more.
        far.send_all(&[other(5), done(3)]);
        let error = near.roundtrip().await.unwrap_err();
        assert!(matches!(error, RoundtripError::TooManyMessages { limit: 3 }), "{error:?}");
        assert_eq!(far.read(), [0_u8; 0]);
        // All events are received in order, and the connection is usable again.
        let left = [other(1), other(2), other(3), other(4), other(5)];
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&left));
        far.send(&done(2));
        near.roundtrip().await.unwrap();
    });
}

#[test]
fn more_kept_bytes_than_the_limit_end_the_wait() {
    run(async {
        let event =
            |number: u8| Message::builder(id(77), 2).array(&[number; 1000]).build().unwrap();
        let limit = 3 * (MESSAGE + 1012);
        let limits = Limits { max_kept_bytes: limit, ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        far.send_all(&[event(1), event(2), event(3), done(2), delete_id(2)]);
        near.roundtrip().await.unwrap();
        far.send(&event(4));
        drive_io().await;
        let error = near.roundtrip().await.unwrap_err();
        let RoundtripError::TooManyBytes { limit: of_error } = error else { panic!("{error:?}") };
        assert_eq!(of_error, limit);
        let left = [event(1), event(2), event(3), event(4)];
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&left));
        far.send_all(&[done(3), done(2)]);
        near.roundtrip().await.unwrap();
    });
}

#[test]
fn more_kept_descriptors_than_the_limit_end_the_wait() {
    run(async {
        let limits = Limits { max_kept_fds: 3, ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        let keyboard = keyboard(&mut near, &mut far).await;
        let files = memfds(4);
        for (number, file) in files.iter().enumerate() {
            foreign_send(&far.0, &keymap_bytes(keyboard), &[&[file.as_fd()]]).unwrap();
            if number == 2 {
                far.send_all(&[done(3), delete_id(3)]);
                near.roundtrip().await.unwrap();
            }
        }
        drive_io().await;
        let error = near.roundtrip().await.unwrap_err();
        assert!(matches!(error, RoundtripError::TooManyFds { limit: 3 }), "{error:?}");
        let came: Vec<_> =
            received(&mut near).await.iter().map(|event| identity(&event.fds()[0])).collect();
        assert_eq!(came, identities(&files));
        far.send_all(&[done(3), done(4)]);
        near.roundtrip().await.unwrap();
    });
}

#[test]
fn a_flood_of_events_ends_the_wait_at_the_default_limit() {
    run(async {
        let (mut near, mut far) = pair();
        let flood = async {
            let event = || Message::builder(id(77), 2).array(&[0; 3000]).build().unwrap();
            while far.send(event()).await.is_ok() {}
        };
        let wait = async move {
            let error = near.roundtrip().await.unwrap_err();
            assert!(
                matches!(error, RoundtripError::TooManyBytes { limit: 1_048_576 }),
                "{error:?}"
            );
        };
        tokio::join!(flood, wait);
    });
}

#[test]
fn events_before_the_end_of_a_connection_are_received() {
    run(async {
        // Closed after everything was read.
        let (mut near, mut far) = client().await;
        {
            let mut roundtrip = pin!(near.roundtrip());
            assert!(now(roundtrip.as_mut()).await.is_none());
            far.read();
            far.send(&other(1));
            drop(far);
            let error = roundtrip.await.unwrap_err();
            assert!(matches!(error, RoundtripError::Closed), "{error:?}");
        }
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
        assert!(near.receive().await.unwrap().is_none());

        // Closed before the request.
        let (mut near, mut far) = client().await;
        far.send(&other(1));
        drop(far);
        let RoundtripError::Send(error) = near.roundtrip().await.unwrap_err() else { panic!() };
        assert!(matches!(error.kind, SendErrorKind::Io(_)), "{error:?}");
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));

        // Closed while the request was unread: a reset.
        let (mut near, mut far) = client().await;
        let mut roundtrip = Box::pin(near.roundtrip());
        assert!(now(roundtrip.as_mut()).await.is_none());
        far.send(&other(1));
        drop(far);
        let RoundtripError::Receive(error) = roundtrip.await.unwrap_err() else { panic!() };
        assert!(matches!(error, ReceiveError::Io(_)), "{error:?}");
        assert_eq!(all_parts(&received(&mut near).await), all_parts(&[other(1)]));
        assert!(near.receive().await.unwrap().is_none());
    });
}

#[test]
fn the_timeout_starts_with_each_roundtrip() {
    run(async {
        pause();
        let limits = Limits { reply_timeout: Some(Duration::from_secs(2)), ..Limits::client() };
        let (mut near, mut far) = client_with(limits).await;
        for _ in 0..5 {
            let mut roundtrip = Box::pin(near.roundtrip());
            assert!(now(roundtrip.as_mut()).await.is_none());
            advance(Duration::from_millis(1500)).await;
            assert!(now(roundtrip.as_mut()).await.is_none());
            far.send_all(&[done(2), delete_id(2)]);
            drive_io().await;
            roundtrip.await.unwrap();
            assert!(received(&mut near).await.is_empty());
        }
    });
}
