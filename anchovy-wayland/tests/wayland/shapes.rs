//! The tables of the crate page about protocol violations and refused messages: a test for each row.
//!
//! The peer is a raw socket.

use std::os::fd::AsFd;

use anchovy_wayland::{
    Bind, DisplayError, Globals, Limits, Message, ObjectId, Registries, SendErrorKind, WireError,
    WireErrorKind,
};

use crate::foreign::*;
use crate::harness::*;

// ---- Messages of a peer ----

#[test]
fn a_message_without_its_descriptor_ends_with_missing_fds() {
    run(async {
        for (declared, arrived) in [(1, 0), (2, 1), (28, 0), (28, 27)] {
            let expected = format!(
                "MissingFds {{ position: DecodePosition {{ object: 5, opcode: {declared} }}, \
                 declared: {declared}, available: {arrived} }}"
            );
            let rule = format!(
                "message with opcode {declared} of object 5 has {declared} {}, {arrived} arrived before its end",
                if declared == 1 { "descriptor" } else { "descriptors" }
            );
            ends(&expected, &rule, |foreign| {
                foreign.send(&holder_bytes(1, declared), arrived);
            })
            .await;
        }
    });
}

#[test]
fn a_descriptor_in_a_later_call_ends_with_missing_fds() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        foreign.send(&holder_bytes(1, 1), 0);
        let error = near.receive().await.unwrap_err();
        let expected = "MissingFds { position: DecodePosition { object: 5, opcode: 1 }, declared: 1, available: 0 }";
        assert_eq!(format!("{error:?}"), expected);
        foreign.send(&bytes(PLAIN, 0, &[]), 1);
        assert!(near.receive().await.unwrap().is_none(), "it is not waited for");
        drop(near);
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn a_descriptor_in_a_later_call_before_the_read_is_not_late() {
    // One receive returns plain bytes and the following bytes with descriptors (unix(7)).
    run(gives(|foreign| {
        foreign.send(&holder_bytes(1, 1), 0);
        let fds = foreign.send(&bytes(PLAIN, 0, &[]), 1);
        vec![raw_message(&holder_bytes(1, 1), &fds), raw_message(&bytes(PLAIN, 0, &[]), &[])]
    }));
}

#[test]
fn a_descriptor_in_an_earlier_call_belongs_to_its_message() {
    run(async {
        gives(|foreign| {
            let (before, message) = (bytes(PLAIN, 3, &[4, 5]), holder_bytes(1, 1));
            let fds = foreign.send(&before, 1);
            foreign.send(&message, 0);
            vec![raw_message(&before, &[]), raw_message(&message, &fds)]
        })
        .await;
        // Many messages earlier, and each of two with its own.
        gives(|foreign| {
            let before = bytes(PLAIN, 3, &[4, 5]);
            let fds = foreign.send(&before, 3);
            (0..10).for_each(|_| drop(foreign.send(&before, 0)));
            foreign.send(&holder_bytes(1, 2), 0);
            foreign.send(&before, 0);
            foreign.send(&holder_bytes(2, 1), 0);
            let mut expected = vec![raw_message(&before, &[]); 11];
            expected.push(raw_message(&holder_bytes(1, 2), &fds[..2]));
            expected.push(raw_message(&before, &[]));
            expected.push(raw_message(&holder_bytes(2, 1), &fds[2..]));
            expected
        })
        .await;
    });
}

#[test]
fn a_descriptor_may_arrive_with_any_byte_of_its_message() {
    run(async {
        let message = holder_bytes(1, 1);
        for at in 0..message.len() {
            gives(|foreign| {
                if at > 0 {
                    foreign.send(&message[..at], 0);
                }
                let fds = foreign.send(&message[at..=at], 1);
                if at + 1 < message.len() {
                    foreign.send(&message[at + 1..], 0);
                }
                vec![raw_message(&message, &fds)]
            })
            .await;
        }
    });
}

/// Messages with one descriptor each.
fn burst(count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| holder_bytes(number, 1)).collect()
}

#[test]
fn more_than_28_descriptors_in_one_call_end_with_too_many_fds() {
    run(async {
        for count in [29, 40, 253] {
            let expected = format!("TooManyFds {{ count: {count}, limit: 28, after: None }}");
            let rule = format!("{count} descriptors at once, limit is 28");
            ends(&expected, &rule, |foreign| {
                foreign.send(&burst(count), count as usize);
            })
            .await;
        }
    });
}

#[test]
fn too_many_descriptors_are_reported_with_the_last_message() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        let message = bytes(PLAIN, 7, &[]);
        foreign.send(&message, 0);
        assert_eq!(take(&mut near).await, raw_message(&message, &[]));
        foreign.send(&message, 29);
        let error = near.receive().await.unwrap_err();
        let expected = "TooManyFds { count: 29, limit: 28, after: Some(DecodePosition { object: 9, opcode: 7 }) }";
        assert_eq!(format!("{error:?}"), expected);
        assert!(
            error.to_string().contains(" (after message with opcode 7 of object 9);"),
            "{error}"
        );
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn a_call_with_28_descriptors_is_received_as_its_messages() {
    run(gives(|foreign| {
        let fds = foreign.send(&burst(28), 28);
        let one = |(number, fd): (usize, &Identity)| {
            raw_message(&holder_bytes(number as u32, 1), std::slice::from_ref(fd))
        };
        fds.iter().enumerate().map(one).collect()
    }));
}

#[test]
fn one_byte_with_28_descriptors_and_the_rest_with_12_are_received() {
    run(gives(|foreign| {
        let all = burst(40);
        let mut fds = foreign.send(&all[..1], 28);
        fds.extend(foreign.send(&all[1..], 12));
        let one = |(number, fd): (usize, &Identity)| {
            raw_message(&holder_bytes(number as u32, 1), std::slice::from_ref(fd))
        };
        fds.iter().enumerate().map(one).collect()
    }));
}

/// Lets this process have as many descriptors as it may at all: these tests have a thousand.
fn widen_the_table() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
}

/// Sends descriptors that no message claims, with one plain message for each 28.
fn unclaimed(foreign: &Foreign, count: usize) {
    let (reader, writer) = pipe();
    drop(reader);
    let mut left = count;
    while left > 0 {
        let now = left.min(28);
        let fds = vec![writer.as_fd(); now];
        foreign_send(&foreign.socket, &bytes(PLAIN, 2, &[]), &[&fds]).unwrap();
        left -= now;
    }
}

#[test]
fn more_than_1024_unclaimed_descriptors_end_receiving() {
    widen_the_table();
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        unclaimed(&foreign, 1024);
        for _ in 0..37 {
            assert_eq!(take(&mut near).await, raw_message(&bytes(PLAIN, 2, &[]), &[]));
        }
        assert!(at_once(near.receive()).await.is_none(), "so many may wait");
        unclaimed(&foreign, 1);
        assert_eq!(take(&mut near).await, raw_message(&bytes(PLAIN, 2, &[]), &[]));
        let error = at_once(near.receive()).await.expect("at once").unwrap_err();
        let expected = "TooManyWaitingFds { waiting: 1025, limit: 1024, \
                        after: Some(DecodePosition { object: 9, opcode: 2 }) }";
        assert_eq!(format!("{error:?}"), expected);
        assert!(error.to_string().contains("1025 descriptors without a message, limit is 1024"));
        for _ in 0..2 {
            assert!(near.receive().await.unwrap().is_none());
        }
        // `run` checks that they are closed.
        drop(foreign);
    });
}

#[test]
fn an_out_of_band_byte_is_part_of_its_message() {
    run(gives(|foreign| {
        let message = holder_bytes(1, 1);
        let fds = foreign.send(&message[..5], 1);
        let flags = rustix::net::SendFlags::OOB;
        assert_eq!(rustix::net::send(&foreign.socket, &message[5..8], flags), Ok(3));
        foreign.send(&message[8..], 0);
        vec![raw_message(&message, &fds)]
    }));
}

#[test]
fn the_limit_of_waiting_descriptors_is_exact() {
    run(async {
        let limits = Limits { max_waiting_fds: 28 + 3, ..Limits::default() };
        let (mut near, foreign) = foreign_peer_with(limits).await;
        foreign.send(&bytes(PLAIN, 2, &[]), 3);
        take(&mut near).await;
        assert!(at_once(near.receive()).await.is_none());
        foreign.send(&bytes(PLAIN, 2, &[]), 1);
        take(&mut near).await;
        let error = at_once(near.receive()).await.expect("at once").unwrap_err();
        assert!(format!("{error:?}").starts_with("TooManyWaitingFds { waiting: 4, limit: 3,"));
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn unclaimed_descriptors_at_the_end_of_the_stream_are_an_error() {
    run(async {
        let message = bytes(PLAIN, 2, &[]);
        let before = [raw_message(&message, &[])];
        let expected =
            "UnclaimedFds { count: 3, after: Some(DecodePosition { object: 9, opcode: 2 }) }";
        ends_after(&before, expected, "left 3 descriptors without a message", |foreign| {
            foreign.send(&message, 3);
            foreign.socket.shutdown(std::net::Shutdown::Write).unwrap();
        })
        .await;
    });
}

/// Checks the error of a header with this length. No byte of the arguments is sent.
async fn header_ends(object: u32, length: u32, kind: &str, rule: &str) {
    let expected = format!("Wire(WireError {{ object: {object}, opcode: 3, kind: {kind} }})");
    ends(&expected, rule, |foreign| {
        foreign.send(&header(object, 3, length), 2);
    })
    .await;
}

#[test]
fn a_length_of_0_4_or_7_is_too_short() {
    run(async {
        for length in [0, 4, 7] {
            let fault = format!("TooShort {{ length: {length} }}");
            header_ends(PLAIN, length, &fault, &format!("it has {length} bytes, minimum is 8"))
                .await;
        }
    });
}

#[test]
fn a_length_of_10_or_13_is_unaligned() {
    run(async {
        for length in [9, 10, 11, 13] {
            let fault = format!("Unaligned {{ length: {length} }}");
            header_ends(PLAIN, length, &fault, "not a multiple of 4").await;
        }
    });
}

#[test]
fn a_length_of_4096_is_received() {
    run(gives(|foreign| {
        let message = bytes(PLAIN, 0, &[7; 1022]);
        assert_eq!(message.len(), 4096);
        foreign.send(&message, 0);
        vec![raw_message(&message, &[])]
    }));
}

#[test]
fn a_length_of_4100_or_65532_is_too_long_when_the_header_arrives() {
    run(async {
        for length in [4100, 65532] {
            let fault = format!("TooLong {{ length: {length}, limit: 4096 }}");
            header_ends(PLAIN, length, &fault, "limit is 4096").await;
        }
    });
}

#[test]
fn a_longer_message_is_received_with_a_higher_limit() {
    run(async {
        let limits = Limits { max_message_bytes: usize::MAX, ..Limits::default() };
        let (mut near, foreign) = foreign_peer_with(limits).await;
        let message = bytes(PLAIN, 0, &vec![7; 65532 / 4 - 2]);
        foreign.send(&message, 0);
        assert_eq!(take(&mut near).await, raw_message(&message, &[]));
        // And one that is shorter is, too, where that is the limit.
        let limits = Limits { max_message_bytes: 12, ..Limits::default() };
        let (mut near, foreign) = foreign_peer_with(limits).await;
        foreign.send(&bytes(PLAIN, 0, &[7]), 0);
        assert_eq!(take(&mut near).await, raw_message(&bytes(PLAIN, 0, &[7]), &[]));
        foreign.send(&bytes(PLAIN, 0, &[7, 7]), 0);
        let error = near.receive().await.unwrap_err();
        assert!(format!("{error:?}").contains("TooLong { length: 16, limit: 12 }"), "{error:?}");
    });
}

/// Sends a message with these arguments and returns the received message.
async fn arrives(arguments: &[u32]) -> Message {
    let (mut near, foreign) = foreign_peer().await;
    foreign.send(&bytes(PLAIN, 3, arguments), 0);
    near.receive().await.expect("no error").expect("a message")
}

/// Which rule a message that arrived breaks.
fn kind_of<T: std::fmt::Debug>(result: Result<T, WireError>) -> WireErrorKind {
    let WireError { object, opcode, kind } = result.expect_err("an error");
    assert_eq!((object, opcode), (PLAIN, 3));
    kind
}

#[test]
fn bytes_after_the_last_argument_are_an_error_of_finish() {
    run(async {
        let mut message = arrives(&[1, 2, 3, 4, 5, 6]).await;
        let mut arguments = message.read();
        assert_eq!(arguments.uint(), Ok(1));
        assert_eq!(kind_of(arguments.finish()), WireErrorKind::TrailingBytes { bytes: 20 });
    });
}

#[test]
fn a_message_for_object_0_ends_receiving() {
    run(async {
        header_ends(0, 12, "NullObject", "message with opcode 3 of object 0: an object is null")
            .await;
        header_ends(0, 0, "NullObject", "message with opcode 3 of object 0: an object is null")
            .await;
    });
}

#[test]
fn a_message_with_an_unknown_object_or_opcode_is_received() {
    run(gives(|foreign| {
        let messages = [
            bytes(77, 0, &[1]),
            bytes(u32::MAX, 9, &[1]),
            bytes(ObjectId::DISPLAY.get(), 999, &[]),
        ];
        messages.iter().for_each(|message| drop(foreign.send(message, 0)));
        messages.iter().map(|message| raw_message(message, &[])).collect()
    }));
}

/// The words that these bytes are, padded.
fn words(bytes: &[u8]) -> Vec<u32> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect()
}

/// A string as it is on the wire, with this length, true or not.
fn string(length: u32, text: &[u8]) -> Vec<u32> {
    [vec![length], words(text)].concat()
}

#[test]
fn a_string_without_its_nul_is_an_error_when_read() {
    run(async {
        let mut message = arrives(&string(4, b"wl_s")).await;
        assert_eq!(kind_of(message.read().string()), WireErrorKind::StringWithoutNul);
    });
}

#[test]
fn a_string_with_a_nul_inside_is_an_error_when_read() {
    run(async {
        let mut message = arrives(&string(7, b"wl\0shm\0")).await;
        assert_eq!(kind_of(message.read().string()), WireErrorKind::StringWithNul);
    });
}

#[test]
fn a_forbidden_null_string_is_an_error_when_read() {
    run(async {
        let mut message = arrives(&[0]).await;
        assert_eq!(kind_of(message.read().string()), WireErrorKind::NullString);
        assert_eq!(message.read().optional_string(), Ok(None));
    });
}

#[test]
fn a_string_or_array_beyond_the_message_is_an_error_when_read() {
    run(async {
        for length in [5, 0xffff_fff0, u32::MAX] {
            let mut message = arrives(&string(length, b"wl_")).await;
            let needed = u64::from(length).next_multiple_of(4);
            let expected = WireErrorKind::EndsEarly { needed, left: 4 };
            let reserved = allocation_counter::measure(|| {
                assert_eq!(kind_of(message.read().string()), expected);
                assert_eq!(kind_of(message.read().array()), expected);
            });
            assert_eq!(reserved.bytes_total, 0, "nothing is reserved for it");
        }
    });
}

#[test]
fn a_forbidden_null_object_is_an_error_when_read() {
    run(async {
        let mut message = arrives(&[0]).await;
        assert_eq!(kind_of(message.read().object()), WireErrorKind::NullObject);
        assert_eq!(kind_of(message.read().new_id()), WireErrorKind::NullObject);
        assert_eq!(message.read().optional_object(), Ok(None));
    });
}

#[test]
fn a_wrong_bind_is_a_display_error_that_the_client_receives() {
    let mut globals = Globals::new();
    let name = globals.add("wl_shm", 1).unwrap().name;
    run(async {
        let cases = [
            (
                name,
                "wl_shm\0",
                0,
                "invalid version for global wl_shm (1): 0 is not a valid version",
            ),
            (name, "wl_shm\0", 2, "invalid version for global wl_shm (1): have 1, wanted 2"),
            (name, "wl_foo\0", 1, "invalid interface for global 1: have wl_foo, wanted wl_shm"),
            (9999, "wl_shm\0", 1, "invalid global wl_shm (9999)"),
        ];
        for (name, interface, version, text) in cases {
            let (mut near, foreign) = foreign_peer().await;
            let mut registries = Registries::new();
            foreign.send(&bytes(1, 1, &[2]), 0);
            let bind = [vec![name], string(7, interface.as_bytes()), vec![version, 3]].concat();
            foreign.send(&bytes(2, 0, &bind), 0);

            let get_registry = near.receive().await.unwrap().unwrap();
            registries.answer(&globals, &get_registry).unwrap();
            let bind = near.receive().await.unwrap().unwrap();
            let error = registries.answer(&globals, &bind).unwrap_err();
            assert_eq!(error, DisplayError::new(id(2), DisplayError::INVALID_OBJECT, text));

            near.send(error.message()).await.unwrap();
            drop(near);
            let mut words = vec![2, 0, text.len() as u32 + 1];
            words.extend(self::words(&[text.as_bytes(), b"\0"].concat()));
            assert_eq!(foreign.rest(), bytes(1, 0, &words));
        }
    });
}

#[test]
fn a_message_with_an_invalid_new_id_is_received() {
    run(gives(|foreign| {
        // `wl_compositor.create_surface`.
        let messages = [50, 3, 3, 0xff00_0000].map(|new| bytes(PLAIN, 0, &[new]));
        messages.iter().for_each(|message| drop(foreign.send(message, 0)));
        messages.iter().map(|message| raw_message(message, &[])).collect()
    }));
}

#[test]
fn a_valid_bind_is_returned_to_the_caller() {
    run(async {
        let mut globals = Globals::new();
        let name = globals.add("wl_shm", 2).unwrap().name;
        let (mut near, foreign) = foreign_peer().await;
        foreign.send(&bytes(1, 1, &[2]), 0);
        let bind = [vec![name], string(7, b"wl_shm\0"), vec![2, 3]].concat();
        foreign.send(&bytes(2, 0, &bind), 0);
        let mut registries = Registries::new();
        let get_registry = near.receive().await.unwrap().unwrap();
        registries.answer(&globals, &get_registry).unwrap();
        let bind = near.receive().await.unwrap().unwrap();
        let anchovy_wayland::Answer::Bind(Bind { interface, version, id, .. }) =
            registries.answer(&globals, &bind).unwrap()
        else {
            panic!("{bind:?}")
        };
        assert_eq!((&*interface, version, id.get()), ("wl_shm", 2, 3));
    });
}

#[test]
fn messages_in_single_bytes_are_received() {
    run(gives(|foreign| {
        let messages =
            [(holder_bytes(1, 1), 1), (bytes(PLAIN, 3, &[1, 2, 3]), 0), (holder_bytes(2, 2), 2)];
        let mut expected = Vec::new();
        for (message, count) in &messages {
            let fds = foreign.send(&message[..1], *count);
            message[1..].iter().for_each(|byte| drop(foreign.send(&[*byte], 0)));
            expected.push(raw_message(message, &fds));
        }
        expected
    }));
}

#[test]
fn the_end_of_the_stream_inside_a_message_is_an_error() {
    run(async {
        let message = holder_bytes(1, 1);
        for length in 1..message.len() {
            let expected = format!("ClosedInsideMessage {{ bytes: {length}, after: None }}");
            let rule = format!(
                "after {} of a message",
                if length == 1 { "1 byte".to_owned() } else { format!("{length} bytes") }
            );
            ends(&expected, &rule, |foreign| {
                foreign.send(&message[..length], 1);
                foreign.socket.shutdown(std::net::Shutdown::Write).unwrap();
            })
            .await;
        }
    });
}

#[test]
fn descriptors_while_our_table_is_full_are_truncated() {
    run(async {
        for room in [0, 2] {
            let (mut near, foreign) = foreign_peer().await;
            let mut witness = pair();
            foreign.send(&holder_bytes(1, 3), 3);
            foreign.send(&bytes(PLAIN, 0, &[]), 0);
            let full = FullTable::with_room_for(room);
            let error = near.receive().await.unwrap_err();
            drop(full);
            let expected = "Truncated { cause: ProcessTableFull, after: None }";
            assert_eq!(format!("{error:?}"), expected);
            assert!(error.to_string().contains("RLIMIT_NOFILE"), "{error}");
            assert_eq!(foreign.open(), 0);
            assert!(near.receive().await.unwrap().is_none());
            goes_on(&mut witness).await;
            let words = DisplayError::from_receive_error(&error).unwrap();
            assert_eq!(words.code, DisplayError::NO_MEMORY);
        }
    });
}

#[test]
fn sending_waits_for_a_peer_that_does_not_read() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        let (mut taken, mut refused) = (0_usize, 0);
        // Refused twice in a row, since room that a refusal made is there for the next.
        while refused < 2 {
            match now(near.feed(plain(7, 1000))).await {
                Some(outcome) => {
                    outcome.unwrap();
                    (taken, refused) = (taken + 1, 0);
                }
                None => refused += 1,
            }
        }
        let waiting = near.into_split().1.unsent_bytes();
        let most = Limits::default().max_buffered_bytes;
        assert!((most..most + 4096).contains(&waiting), "{waiting}");
        // The rest is in the socket, to the byte.
        assert_eq!(foreign.rest().len() + waiting, taken * plain(7, 1000).len());
    });
}

// ---- Messages that are refused before they are sent ----

#[test]
fn a_message_over_4096_bytes_is_returned_unless_the_limit_is_raised() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        let (reader, writer) = pipe();
        let array = vec![7; 4088];
        let message = Message::builder(id(HOLDER), 1).fd(writer).array(&array).build().unwrap();
        let expected = raw(&message);
        let error = near.send(message).await.unwrap_err();
        let SendErrorKind::Wire(WireError { object: HOLDER, opcode: 1, kind }) = error.kind else {
            panic!("{error:?}")
        };
        assert_eq!(kind, WireErrorKind::TooLong { length: 4100, limit: 4096 });
        assert_eq!(raw(error.unsent.as_deref().unwrap()), expected);
        assert!(!is_abandoned(&reader));

        // Nothing of it was sent, and what is as long as it may be is.
        let longest = plain(1, 4084);
        near.send(longest).await.unwrap();
        drop(near);
        let rest = foreign.rest();
        assert_eq!((rest.len(), &rest[..8]), (4096, &header(PLAIN, 0, 4096)[..]));

        let limits = Limits { max_message_bytes: 65532, ..Limits::default() };
        let (mut near, mut far) = pair_with(limits);
        near.send(*error.unsent.unwrap()).await.unwrap();
        assert_eq!(take(&mut far).await, expected);
        assert!(is_abandoned(&reader));
    });
}

#[test]
fn the_longest_display_error_has_148_bytes_and_can_be_sent() {
    run(async {
        let words = DisplayError::new(id(2), 1, "x".repeat(500));
        assert_eq!(words.message().len(), 148);
        for (most, sent) in [(148, true), (147, false)] {
            let limits = Limits { max_message_bytes: most, ..Limits::default() };
            let (mut near, _foreign) = foreign_peer_with(limits).await;
            assert_eq!(near.send(words.message()).await.is_ok(), sent);
        }
    });
}

#[test]
fn a_message_with_more_than_28_descriptors_is_returned() {
    run(async {
        let (mut near, mut far) = pair();
        let message = holder(1, memfds(29));
        let expected = raw(&message);
        let error = near.send(message).await.unwrap_err();
        assert!(
            matches!(error.kind, SendErrorKind::TooManyFds { count: 29, limit: 28 }),
            "{error:?}"
        );
        assert_eq!(raw(&error.unsent.unwrap()), expected);
        let message = holder(2, memfds(28));
        let expected = raw(&message);
        near.send(message).await.unwrap();
        assert_eq!(take(&mut far).await, expected);
    });
}

#[test]
fn a_message_whose_descriptors_were_taken_is_returned() {
    run(async {
        let (mut near, far) = pair();
        let mut message = holder(1, memfds(3));
        let taken = message.read().fd().unwrap();
        let expected = raw(&message);
        let error = near.send(message).await.unwrap_err();
        let SendErrorKind::Wire(WireError { object: HOLDER, opcode: 3, kind }) = error.kind else {
            panic!("{error:?}")
        };
        assert_eq!(kind, WireErrorKind::FdsTaken { declared: 3, present: 2 });
        assert_eq!(raw(&error.unsent.unwrap()), expected);
        drop(taken);
        goes_on(&mut (near, far)).await;
    });
}

/// The calls that arrive: bytes and descriptors, by a reader that takes one at a time.
fn calls(foreign: &Foreign) -> Vec<(usize, usize)> {
    let mut calls = Vec::new();
    loop {
        let (bytes, fds, _) = foreign_receive(&foreign.socket, 2048);
        if bytes.is_empty() {
            return calls;
        }
        calls.push((bytes.len(), fds.len()));
    }
}

#[test]
fn more_than_28_descriptors_are_sent_in_several_calls_none_late() {
    run(async {
        let (mut near, foreign) = foreign_peer().await;
        for number in 0..100 {
            near.feed(holder(number, memfds(1))).await.unwrap();
        }
        near.flush().await.unwrap();
        drop(near);
        let length = holder_bytes(0, 1).len();
        let (full, rest) = ((28 * length, 28), (16 * length, 16));
        assert_eq!(calls(&foreign), [full, full, full, rest]);
    });
}

#[test]
fn too_many_descriptors_in_flight_return_the_message() {
    without_privileges(async {
        let (mut near, foreign) = foreign_peer().await;
        let limit = Lowered::descriptors(64);
        let file = memfd();
        let set = || (0..8).map(|_| file.try_clone().unwrap()).collect();
        let (mut sent, mut refused) = (0, None);
        for number in 0..64 {
            match near.send(holder(number, set())).await {
                Ok(()) => sent += 1,
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let error = refused.expect("the kernel's limit is reached");
        assert!(matches!(error.kind, SendErrorKind::TooManyFdsInFlight { count: 8 }), "{error:?}");
        assert!(error.to_string().contains("try again"), "{error}");
        let back = *error.unsent.expect("the message comes back");
        assert_eq!(raw(&back), raw_message(&holder_bytes(sent, 8), &[identity(&file); 8]));

        // Plain ones go, and once the receiver has caught up, this one goes too.
        near.send(plain(7, 0)).await.unwrap();
        for _ in 0..sent {
            assert_eq!(foreign_receive(&foreign.socket, 2048).1.len(), 8);
        }
        drop(limit);
        near.send(back).await.unwrap();
        drop(near);
        let (bytes, fds, _) = foreign_receive(&foreign.socket, 2048);
        assert_eq!(bytes, [crate::harness::bytes(PLAIN, 0, &[7]), holder_bytes(sent, 8)].concat());
        assert_eq!(fds.len(), 8);
    });
}
