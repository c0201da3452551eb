//! The two tables of the crate's page: each row is a test, whose name is the row.
//!
//! "Foreign" is a raw socket that has been through the handshake; both ends take the part of ours
//! wherever it matters.

use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use anchovy::Truncation;
use anchovy_dbus::{
    ByteOrder, Client, Connection, Limits, Message, MessageError, MessageType, SendErrorKind,
    Server,
};
use rustix::io::Errno;

use crate::foreign::*;
use crate::harness::*;

fn plain(member: &str) -> (String, Vec<Identity>) {
    (member.to_owned(), Vec::new())
}

fn with(member: &str, fds: &[Identity]) -> (String, Vec<Identity>) {
    (member.to_owned(), fds.to_vec())
}

/// On both roles: what is sent arrives as these messages, in order.
async fn gives(send: impl Fn(&Foreign) -> Vec<(String, Vec<Identity>)>) {
    for role in ROLES {
        let (mut connection, foreign) = role.connected().await;
        let expected = send(&foreign);
        let mut witness = pair().await;
        for message in expected {
            assert_eq!(take(&mut connection).await, message, "{role:?}");
        }
        assert_eq!(foreign.open(), 0, "what is dropped with its message is closed");
        // It is whole, and takes more.
        let fds = foreign.send(&message("After", 1, 0), 1);
        assert_eq!(take(&mut connection).await, with("After", &fds));
        goes_on(&mut witness).await;
    }
}

// ---- What a peer sends, and what it gets ----

#[test]
fn each_message_in_its_own_sendmsg_has_its_descriptors() {
    run(gives(|foreign| {
        let a = foreign.send(&message("A", 1, 0), 1);
        foreign.send(&message("P", 0, 5), 0);
        let b = foreign.send(&message("B", 16, 100), 16);
        let c = foreign.send(&message("C", 2, 1), 2);
        vec![with("A", &a), plain("P"), with("B", &b), with("C", &c)]
    }));
}

#[test]
fn a_plain_message_after_one_with_descriptors_in_one_call_gets_none() {
    run(gives(|foreign| {
        let both = [message("A", 2, 3), message("P", 0, 0)].concat();
        let a = foreign.send(&both, 2);
        vec![with("A", &a), plain("P")]
    }));
}

#[test]
fn a_plain_message_before_one_with_descriptors_in_one_call_gets_none() {
    run(gives(|foreign| {
        let both = [message("P", 0, 0), message("A", 2, 3)].concat();
        let a = foreign.send(&both, 2);
        vec![plain("P"), with("A", &a)]
    }));
}

#[test]
fn two_messages_and_a_set_of_two_in_one_call_have_one_each() {
    run(gives(|foreign| {
        let both = [message("A", 1, 0), message("B", 1, 0)].concat();
        let fds = foreign.send(&both, 2);
        vec![with("A", &fds[..1]), with("B", &fds[1..])]
    }));
}

#[test]
fn descriptors_with_a_later_part_or_the_last_byte_are_those_of_the_message() {
    run(async {
        let length = message("A", 3, 40).len();
        for at in [1, 15, 16, 17, length / 2, length - 1] {
            gives(|foreign| {
                let bytes = message("A", 3, 40);
                foreign.send(&bytes[..at], 0);
                let a = foreign.send(&bytes[at..], 3);
                vec![with("A", &a)]
            })
            .await;
        }
    });
}

#[test]
fn descriptors_with_the_last_byte_and_the_next_message_are_the_firsts() {
    run(gives(|foreign| {
        let (a, b) = (message("A", 1, 9), message("B", 0, 9));
        let (start, last) = a.split_at(a.len() - 1);
        foreign.send(start, 0);
        let fds = foreign.send(&[last, &b].concat(), 1);
        vec![with("A", &fds), plain("B")]
    }));
}

#[test]
fn descriptors_of_one_message_in_two_calls_are_both_sets_in_order() {
    run(gives(|foreign| {
        let bytes = message("A", 3, 9);
        let first = foreign.send(&bytes[..20], 1);
        let second = foreign.send(&bytes[20..], 2);
        vec![with("A", &[first, second].concat())]
    }));
}

#[test]
fn the_same_set_twice_ends_with_unclaimed_descriptors() {
    run(ends("UnclaimedFds { count: 2 }", "no message declares", |foreign| {
        let (bytes, fds) = (message("A", 2, 9), foreign.pipes(2));
        foreign.send_these(&bytes[..20], &fds).unwrap();
        foreign.send_these(&bytes[20..], &fds).unwrap();
    }));
}

#[test]
fn fewer_than_it_declares_end_with_missing_descriptors() {
    run(async {
        ends("MissingFds { declared: 2, arrived: 1 }", "arrived with it", |foreign| {
            foreign.send(&message("A", 2, 0), 1);
        })
        .await;
        ends("MissingFds { declared: 1, arrived: 0 }", "arrived with it", |foreign| {
            foreign.send(&message("A", 1, 0), 0);
        })
        .await;
    });
}

#[test]
fn a_missing_descriptor_is_replaced_at_most_by_one_of_the_same_read() {
    run(async {
        for role in ROLES {
            // The kernel joins a plain part and the set after it in one receive, and does not say
            // where the second began.
            let (connection, foreign) = role.connected().await;
            let (expected, rule) = ("MissingFds { declared: 1, arrived: 0 }", "0 arrived");
            ends_on(connection, foreign, &["A"], expected, rule, |foreign| {
                foreign.send(&message("A", 1, 0), 0);
                foreign.send(&message("B", 1, 0), 1);
            })
            .await;
            // In two reads, nothing.
            let (mut connection, foreign) = role.connected().await;
            foreign.send(&message("A", 1, 0), 0);
            let error = connection.receive().await.unwrap_err();
            assert_eq!(format!("{error:?}"), "MissingFds { declared: 1, arrived: 0 }");
            foreign.send(&message("B", 1, 0), 1);
            assert!(connection.receive().await.unwrap().is_none());
            drop(connection);
            assert_eq!(foreign.open(), 0);
        }
    });
}

#[test]
fn more_descriptors_than_declared_end_with_unclaimed_descriptors() {
    run(async {
        ends("UnclaimedFds { count: 1 }", "no message declares", |foreign| {
            foreign.send(&message("A", 1, 0), 2);
        })
        .await;
        ends("UnclaimedFds { count: 3 }", "no message declares", |foreign| {
            foreign.send(&message("P", 0, 0), 3);
        })
        .await;
    });
}

#[test]
fn descriptors_of_a_refused_message_are_closed_with_the_error() {
    run(async {
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            foreign.send(&message("A", 1, 0), 2);
            let error = connection.receive().await.unwrap_err();
            assert_eq!(format!("{error:?}"), "UnclaimedFds { count: 1 }");
            assert_eq!(foreign.open(), 0, "{role:?}");
            drop(connection);
        }
    });
}

#[test]
fn surplus_descriptors_are_not_given_to_the_next_message() {
    run(ends("UnclaimedFds { count: 2 }", "no message declares", |foreign| {
        foreign.send(&message("A", 1, 0), 3);
        foreign.send(&message("B", 2, 0), 0);
    }));
}

#[test]
fn descriptors_before_their_message_are_not_kept_for_another_one() {
    // A plain message and a set in one call, then one that declares as many and brings none.
    run(ends("UnclaimedFds { count: 1 }", "no message declares", |foreign| {
        foreign.send(&message("P", 0, 0), 1);
        foreign.send(&message("B", 1, 0), 0);
    }));
}

/// A handshake without descriptor passing, and its replies.
const WITHOUT: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";

/// A connection that has agreed to no descriptors.
async fn without_fds(role: Role) -> (Connection, Foreign) {
    let (near, mut far) = StdUnixStream::pair().unwrap();
    let connection = match role {
        Role::Server => {
            far.write_all(WITHOUT).unwrap();
            server().handshake(near).await.unwrap()
        }
        Role::Client => {
            far.write_all(format!("DATA\r\nOK {}\r\n", guid()).as_bytes()).unwrap();
            Client::new().without_fds().handshake(near).await.unwrap()
        }
    };
    assert!(!connection.unix_fds());
    let mut said = [0; 256];
    let length = far.read(&mut said).unwrap();
    assert!(length > 0);
    (connection, Foreign::new(far))
}

#[test]
fn descriptors_without_agreement_fail_at_the_peer_if_the_kernel_refuses() {
    run(async {
        for role in ROLES {
            for declared in [0, 1] {
                let (mut connection, foreign) = without_fds(role).await;
                if !kernel_is_at_least(6, 16) {
                    refused_by_us(connection, foreign, declared).await;
                    continue;
                }
                let fds = foreign.pipes(1);
                let bytes = message("A", declared, 0);
                assert_eq!(foreign.send_these(&bytes, &fds), Err(Errno::PERM), "{role:?}");
                drop(fds);
                // Nothing of it was sent: the connection goes on.
                foreign.send(&message("P", 0, 0), 0);
                assert_eq!(take(&mut connection).await, plain("P"));
                assert_eq!(foreign.open(), 0);
            }
        }
    });
}

async fn refused_by_us(connection: Connection, foreign: Foreign, declared: u32) {
    let (expected, rule) = ("FdsNotAgreed { count: 1 }", "not negotiated");
    ends_on(connection, foreign, &[], expected, rule, |foreign| {
        foreign.send(&message("A", declared, 0), 1);
    })
    .await;
}

#[test]
fn descriptors_without_agreement_end_the_connection_on_an_older_kernel() {
    on_an_older_kernel(async {
        for role in ROLES {
            for declared in [0, 1] {
                let (connection, foreign) = without_fds(role).await;
                refused_by_us(connection, foreign, declared).await;
            }
        }
    });
}

#[test]
fn a_declaration_without_negotiated_descriptors_ends_the_connection() {
    run(async {
        for role in ROLES {
            let (connection, foreign) = without_fds(role).await;
            let (expected, rule) = ("FdsNotAgreed { count: 2 }", "not negotiated");
            ends_on(connection, foreign, &["P"], expected, rule, |foreign| {
                foreign.send(&message("P", 0, 0), 0);
                foreign.send(&message("A", 2, 0), 0);
            })
            .await;
        }
    });
}

#[test]
fn a_declaration_of_4294967295_ends_with_too_many_descriptors() {
    run(async {
        for (role, limit) in [(Role::Client, 253), (Role::Server, 16)] {
            let expected = format!("TooManyFds {{ count: 4294967295, limit: {limit} }}");
            let (connection, foreign) = role.connected().await;
            ends_on(connection, foreign, &[], &expected, "limit is", |foreign| {
                foreign.send(&message("A", u32::MAX, 0), 1);
            })
            .await;
        }
    });
}

#[test]
fn more_in_a_set_or_declared_than_the_limit_end_with_too_many_descriptors() {
    run(async {
        for limit in [16, 17, 3] {
            let limits = |limits| Limits { max_received_fds: limit, ..limits };
            let client = Client::new().limits(limits(Limits::client()));
            let server = server().limits(limits(Limits::server()));
            for role in ROLES {
                let expected = format!("TooManyFds {{ count: {}, limit: {limit} }}", limit + 1);
                let many = limit as u32 + 1;
                let (connection, foreign) = role.meet_with(&client, &server).await;
                ends_on(connection, foreign, &[], &expected, "limit is", |foreign| {
                    foreign.send(&message("A", many, 0), limit + 1);
                })
                .await;
                // In two sets, of which neither is too large: by its declaration.
                let (connection, foreign) = role.meet_with(&client, &server).await;
                ends_on(connection, foreign, &[], &expected, "limit is", |foreign| {
                    let bytes = message("A", many, 0);
                    foreign.send(&bytes[..20], limit);
                    foreign.send(&bytes[20..], 1);
                })
                .await;
                let (mut connection, foreign) = role.meet_with(&client, &server).await;
                let fds = foreign.send(&message("A", limit as u32, 0), limit);
                assert_eq!(take(&mut connection).await, with("A", &fds));
            }
        }
    });
}

#[test]
fn a_client_takes_what_the_kernel_carries_and_a_server_sixteen() {
    run(async {
        for (role, limit) in [(Role::Client, 253), (Role::Server, 16)] {
            let (mut connection, foreign) = role.connected().await;
            let fds = foreign.send(&message("A", limit, 0), limit as usize);
            assert_eq!(take(&mut connection).await, with("A", &fds));
        }
        let (connection, foreign) = Role::Server.connected().await;
        let expected = "TooManyFds { count: 253, limit: 16 }";
        ends_on(connection, foreign, &[], expected, "limit is 16", |foreign| {
            foreign.send(&message("A", 253, 0), 253);
        })
        .await;
    });
}

#[test]
fn unix_fds_of_another_type_or_twice_end_the_connection() {
    run(async {
        let wrong_type = "Message(Field { field: UnixFds, error: Type, value: None })";
        ends(wrong_type, "UNIX_FDS has the wrong type", |foreign| {
            let mut bytes = message("A", 1, 0);
            let at = unix_fds_at(&bytes);
            bytes[at - 2] = b'i';
            foreign.send(&bytes, 1);
        })
        .await;
        ends("Message(FieldTwice(UnixFds))", "UNIX_FDS occurs twice", |foreign| {
            let mut bytes = message("A", 1, 0);
            assert_eq!(unix_fds_at(&bytes) + 4, bytes.len(), "the last field");
            bytes.extend_from_slice(&[9, 1, b'u', 0]);
            bytes.extend_from_slice(&1_u32.to_ne_bytes());
            let fields = u32::from_ne_bytes(bytes[12..16].try_into().unwrap()) + 8;
            bytes[12..16].copy_from_slice(&fields.to_ne_bytes());
            foreign.send(&bytes, 1);
        })
        .await;
    });
}

#[test]
fn an_invalid_or_repeated_index_in_the_body_is_passed_to_the_caller() {
    run(async {
        for role in ROLES {
            for body in [[9_u32, u32::MAX], [0, 0]] {
                let (mut connection, foreign) = role.connected().await;
                let body: Vec<u8> = body.iter().flat_map(|index| index.to_ne_bytes()).collect();
                let fds = foreign.pipes(1);
                let expected = identities(&fds);
                let message = Message::signal("/", "org.example.Test", "A")
                    .serial(NonZeroU32::MIN)
                    .body("hh", body.clone())
                    .fds(fds)
                    .build()
                    .unwrap();
                foreign.send_these(&message.to_bytes().unwrap(), message.fds()).unwrap();
                drop(message);
                let came = connection.receive().await.unwrap().unwrap();
                assert_eq!(told(&came), with("A", &expected));
                assert_eq!((came.header().signature(), &came.body()[..]), ("hh", &body[..]));
            }
        }
    });
}

#[test]
fn a_message_in_either_byte_order_with_descriptors_is_whole() {
    run(async {
        for role in ROLES {
            for order in [ByteOrder::Little, ByteOrder::Big] {
                let (mut connection, foreign) = role.connected().await;
                let fds = foreign.pipes(3);
                let expected = identities(&fds);
                let message = Message::signal("/", "org.example.Test", "A")
                    .serial(NonZeroU32::new(0x0102_0304).unwrap())
                    .byte_order(order)
                    .fds(fds)
                    .build()
                    .unwrap();
                foreign.send_these(&message.to_bytes().unwrap(), message.fds()).unwrap();
                drop(message);
                let came = connection.receive().await.unwrap().unwrap();
                assert_eq!(told(&came), with("A", &expected));
                assert_eq!(came.header().byte_order(), order);
                assert_eq!(came.serial().map(NonZeroU32::get), Some(0x0102_0304));
            }
        }
    });
}

#[test]
fn a_message_of_an_unknown_type_with_descriptors_is_whole() {
    run(async {
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            let mut bytes = message("A", 1, 0);
            bytes[1] = 77;
            let fds = foreign.send(&bytes, 1);
            let came = connection.receive().await.unwrap().unwrap();
            assert_eq!(told(&came), with("A", &fds));
            assert_eq!(came.header().message_type(), MessageType::Unknown(77));
        }
    });
}

#[test]
fn a_bad_start_of_a_message_ends_as_soon_as_the_byte_is_there() {
    run(async {
        // Of each, only the bytes up to the bad one are sent.
        let good = message("A", 1, 4);
        let changed = |range: std::ops::Range<usize>, to: &[u8]| {
            let mut bytes = good.clone();
            bytes[range.clone()].copy_from_slice(to);
            bytes[..range.end].to_vec()
        };
        let number = |at: usize, number: u32| changed(at..at + 4, &number.to_ne_bytes());
        let over = [
            (changed(0..1, b"x"), "Message(ByteOrder(120))", "expected 'l' or 'B'"),
            (changed(1..2, &[0]), "Message(NoType)", "type is 0"),
            (changed(3..4, &[2]), "Message(Version(2))", "version of the message is 2"),
            (number(8, 0), "Message(NoSerial)", "no serial"),
            (
                number(12, (1 << 26) + 1),
                "Message(FieldsTooLong { length: 67108865, limit: 67108864 })",
                "limit is 67108864",
            ),
        ];
        let mut long = number(12, 8);
        long[4..8].copy_from_slice(&(1_u32 << 27).to_ne_bytes());
        let too_long = "Message(TooLong { length: 134217752, limit: 134217728 })";
        for (bytes, expected, rule) in &over {
            ends(expected, rule, |foreign| drop(foreign.send(bytes, 1))).await;
        }
        ends(too_long, "limit is 134217728", |foreign| drop(foreign.send(&long, 1))).await;
    });
}

#[test]
fn more_than_a_mebibyte_of_fields_ends_the_connection_before_it_arrives() {
    run(async {
        for role in ROLES {
            let (connection, foreign) = role.connected().await;
            let mut bytes = message("A", 0, 0)[..16].to_vec();
            bytes[12..16].copy_from_slice(&((1_u32 << 20) + 1).to_ne_bytes());
            let expected = "Message(FieldsTooLong { length: 1048577, limit: 1048576 })";
            let rule = "limit is 1048576";
            ends_on(connection, foreign, &[], expected, rule, |foreign| {
                foreign.send(&bytes, 1);
            })
            .await;
        }
    });
}

#[test]
fn invalid_fields_end_the_connection_and_close_its_descriptors() {
    run(async {
        let bad_name = "Message(Field { field: Member, error: Name, value: Some(\"0\") })";
        ends(bad_name, "is not a valid member name", |foreign| {
            foreign.send(&message("A", 1, 0).map_member(b"0"), 1);
        })
        .await;
        ends("Message(NoFieldCode)", "code 0", |foreign| {
            let mut bytes = message("A", 1, 0);
            let at = unix_fds_at(&bytes) - 4;
            bytes[at] = 0;
            foreign.send(&bytes, 1);
        })
        .await;
        let missing = "Message(FieldMissing { field: Interface, message_type: Signal })";
        ends(missing, "no header field INTERFACE", |foreign| {
            let mut call = Message::method_call("/", "A").fds(memfds(1)).build().unwrap();
            call.set_serial(NonZeroU32::MIN);
            let mut bytes = call.to_bytes().unwrap().to_vec();
            bytes[1] = 4;
            foreign.send(&bytes, 1);
        })
        .await;
    });
}

trait MapMember {
    fn map_member(self, to: &[u8; 1]) -> Self;
}

impl MapMember for Vec<u8> {
    /// Another text of one byte for the member `A`.
    fn map_member(mut self, to: &[u8; 1]) -> Vec<u8> {
        let at = self.windows(4).position(|four| four == [3, 1, b's', 0]).expect("a member");
        assert_eq!(self[at + 8], b'A');
        self[at + 8] = to[0];
        self
    }
}

#[test]
fn the_start_of_a_message_with_descriptors_and_then_nothing_ends_in_time() {
    run(async {
        for (role, fd_timeout) in [(Role::Client, 150), (Role::Server, 30)] {
            let (mut connection, foreign) = role.connected().await;
            foreign.send(&message("P", 0, 0), 0);
            foreign.send(&message("A", 2, 30)[..40], 2);
            assert_eq!(take(&mut connection).await, plain("P"));
            tokio::time::pause();
            let before = tokio::time::Instant::now();
            let error = connection.receive().await.unwrap_err();
            assert_eq!(format!("{error:?}"), "FdsOverdue { waiting: 2 }");
            assert!(error.to_string().contains("did not arrive in time"), "{error}");
            let waited = before.elapsed();
            let fd_timeout = Duration::from_secs(fd_timeout);
            assert!(
                waited >= fd_timeout && waited < fd_timeout + Duration::from_secs(1),
                "{waited:?}"
            );
            assert_eq!(foreign.open(), 0);
            assert!(connection.receive().await.unwrap().is_none());
            tokio::time::resume();
        }
    });
}

#[test]
fn an_incomplete_plain_message_times_out_on_a_server() {
    run(async {
        let (mut connection, foreign) = Role::Server.connected().await;
        foreign.send(&message("P", 0, 0), 0);
        let bytes = message("A", 0, 3000);
        foreign.send(&bytes[..40], 0);
        assert_eq!(take(&mut connection).await, plain("P"));
        tokio::time::pause();
        let before = tokio::time::Instant::now();
        assert!(at_once(connection.receive()).await.is_none());
        // One byte a second.
        for at in 40..69 {
            tokio::time::advance(Duration::from_secs(1)).await;
            foreign.send(&bytes[at..=at], 0);
            assert!(at_once(connection.receive()).await.is_none());
        }
        let error = connection.receive().await.unwrap_err();
        assert_eq!(format!("{error:?}"), "MessageOverdue { bytes: 69 }");
        assert!(error.to_string().contains("in time, 69 bytes"), "{error}");
        let waited = before.elapsed();
        assert!((Duration::from_secs(30)..Duration::from_secs(31)).contains(&waited), "{waited:?}");
        assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::TimedOut);
        assert!(connection.receive().await.unwrap().is_none());
        tokio::time::resume();
    });
}

#[test]
fn a_connection_on_which_no_message_has_begun_may_wait_for_ever() {
    run(async {
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            foreign.send(&message("A", 0, 30), 0);
            assert_eq!(take(&mut connection).await, plain("A"));
            tokio::time::pause();
            for _ in 0..3 {
                assert!(at_once(connection.receive()).await.is_none());
                tokio::time::advance(Duration::from_secs(1000)).await;
            }
            tokio::time::resume();
            foreign.send(&message("B", 0, 0), 0);
            assert_eq!(take(&mut connection).await, plain("B"));
        }
    });
}

#[test]
fn an_incomplete_plain_message_does_not_time_out_on_a_client() {
    run(async {
        let patient = Limits { message_timeout: None, ..Limits::server() };
        for role in ROLES {
            let server = server().limits(patient.clone());
            let (mut connection, foreign) = role.meet_with(&Client::new(), &server).await;
            let bytes = message("A", 0, 30);
            foreign.send(&bytes[..40], 0);
            assert!(at_once(connection.receive()).await.is_none());
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(1000)).await;
            assert!(at_once(connection.receive()).await.is_none());
            tokio::time::resume();
            foreign.send(&bytes[40..], 0);
            assert_eq!(take(&mut connection).await, plain("A"));
        }
    });
}

#[test]
fn the_start_of_a_message_and_set_after_set_end_with_too_many_waiting() {
    run(async {
        for role in ROLES {
            let limits = |limits| Limits { max_received_fds: 4, max_waiting_fds: 12, ..limits };
            let client = Client::new().limits(limits(Limits::client()));
            let server = server().limits(limits(Limits::server()));
            let (connection, foreign) = role.meet_with(&client, &server).await;
            // Three sets fill what may wait; with the third, there is no room for a fourth.
            let expected = "TooManyWaitingFds { waiting: 12, limit: 8 }";
            ends_on(
                connection,
                foreign,
                &[],
                expected,
                "has 12 descriptors, limit is 8",
                |foreign| {
                    let bytes = message("A", 4, 30);
                    for part in bytes[..24].chunks(8) {
                        foreign.send(part, 4);
                    }
                },
            )
            .await;
        }
    });
}

#[test]
fn the_end_of_the_stream_inside_a_message_is_reported_with_its_bytes() {
    run(async {
        ends("ClosedInsideMessage { bytes: 40 }", "40 bytes into a message", |foreign| {
            foreign.send(&message("A", 1, 30)[..40], 1);
            foreign.socket.shutdown(std::net::Shutdown::Write).unwrap();
        })
        .await;
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            foreign.send(&message("A", 0, 0), 0);
            foreign.socket.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(take(&mut connection).await, plain("A"));
            assert!(connection.receive().await.unwrap().is_none(), "an end between two messages");
        }
    });
}

#[test]
fn descriptors_while_our_table_is_full_end_a_client() {
    run(async {
        for room in [0, 2] {
            let (mut connection, foreign) = Role::Client.connected().await;
            let mut witness = pair().await;
            foreign.send(&message("A", 3, 0), 3);
            foreign.send(&message("B", 0, 0), 0);
            let full = FullTable::with_room_for(room);
            let (came, error) = until_error(&mut connection).await;
            drop(full);
            assert!(came.is_empty());
            assert_eq!(format!("{error:?}"), "Truncated { cause: ProcessTableFull }");
            assert!(error.to_string().contains("RLIMIT_NOFILE"), "{error}");
            assert_eq!(foreign.open(), 0);
            assert!(connection.receive().await.unwrap().is_none());
            goes_on(&mut witness).await;
        }
    });
}

#[test]
fn descriptors_while_our_table_is_full_mark_the_message_on_a_server() {
    run(async {
        for room in [0, 2] {
            let (mut connection, foreign) = Role::Server.connected().await;
            foreign.send(&message("A", 3, 0), 3);
            let full = FullTable::with_room_for(room);
            let marked = connection.receive().await.unwrap().unwrap();
            drop(full);
            assert_eq!(told(&marked), plain("A"));
            assert_eq!(marked.truncation(), Some(Truncation::ProcessTableFull));
            assert_eq!(marked.header().unix_fds(), 3, "what it declares");
            assert_eq!(foreign.open(), 0, "the received data is closed");
            // The next has its own, and it cannot be passed on as if it were whole.
            let fds = foreign.send(&message("B", 2, 0), 2);
            assert_eq!(take(&mut connection).await, with("B", &fds));
            let error = connection.send(marked).await.unwrap_err();
            assert!(matches!(
                error.kind,
                SendErrorKind::Message(MessageError::FdCount { declared: 3, present: 0 })
            ));
        }
    });
}

/// All that a client says, and after it what it sends without having read a reply.
const PIPELINED: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

#[test]
fn descriptors_right_after_the_handshake_fail_if_the_kernel_refuses() {
    run(async {
        if !kernel_is_at_least(6, 16) {
            return pipelined_descriptors_stay(&server()).await;
        }
        for in_one_call in [false, true] {
            let (near, far) = StdUnixStream::pair().unwrap();
            let foreign = Foreign::new(far);
            // From its start: a listener's clients have it from their first byte.
            let handshake = server().start(near).unwrap();
            let (bytes, fds) = (message("A", 1, 0), foreign.pipes(1));
            let refused = if in_one_call {
                foreign.send_these(&[PIPELINED, &bytes].concat(), &fds)
            } else {
                foreign.send(PIPELINED, 0);
                foreign.send_these(&bytes, &fds)
            };
            assert_eq!(refused, Err(Errno::PERM));
            drop((handshake, fds));
            assert_eq!(foreign.open(), 0);
        }
    });
}

#[test]
fn descriptors_right_after_the_handshake_arrive_on_an_older_kernel() {
    on_an_older_kernel(pipelined_descriptors_stay(&server()));
}

#[test]
fn descriptors_right_after_the_handshake_arrive_if_the_server_allows_it() {
    run(pipelined_descriptors_stay(&server().fds_before_agreement()));
}

async fn pipelined_descriptors_stay(server: &Server) {
    for shape in 0..4 {
        let (near, far) = StdUnixStream::pair().unwrap();
        let foreign = Foreign::new(far);
        let start = server.start(near).unwrap();
        let (a, b) = (message("A", 2, 0), message("B", 1, 0));
        let expected = match shape {
            // In calls of their own, before the server reads anything.
            0 => {
                foreign.send(PIPELINED, 0);
                let fds = foreign.send(&a, 2);
                (fds, foreign.send(&b, 1))
            }
            // All in one call.
            1 => {
                let all = [PIPELINED, &a, &b].concat();
                let fds = foreign.send(&all, 3);
                (fds[..2].to_vec(), fds[2..].to_vec())
            }
            // A message that is cut in two by the call that ends the handshake.
            2 => {
                let first = foreign.send(&[PIPELINED, &a[..30]].concat(), 1);
                let second = foreign.send(&a[30..], 1);
                ([first, second].concat(), foreign.send(&b, 1))
            }
            // Only the last line shares its call.
            _ => {
                let (lines, begin) = PIPELINED.split_at(PIPELINED.len() - 7);
                foreign.send(lines, 0);
                let fds = foreign.send(&[begin, &a].concat(), 2);
                (fds, foreign.send(&b, 1))
            }
        };
        let request = start.request().await.unwrap();
        let progress = request.accept().begin().await.unwrap();
        let anchovy_dbus::server::Progress::Begun(mut connection) = progress else {
            panic!("it begins");
        };
        assert_eq!(take(&mut connection).await, with("A", &expected.0), "shape {shape}");
        assert_eq!(take(&mut connection).await, with("B", &expected.1), "shape {shape}");
        assert_eq!(foreign.open(), 0);
    }
}

#[test]
fn descriptors_right_after_agree_unix_fd_arrive() {
    run(async {
        for in_one_call in [false, true] {
            for client in [Client::new(), Client::new().stepwise()] {
                let (near, far) = StdUnixStream::pair().unwrap();
                let foreign = Foreign::new(far);
                let answers = format!("DATA\r\nOK {}\r\n", guid());
                let (agree, a) = (b"AGREE_UNIX_FD\r\n", message("A", 2, 0));
                foreign.send(answers.as_bytes(), 0);
                let fds = if in_one_call {
                    foreign.send(&[&agree[..], &a].concat(), 2)
                } else {
                    foreign.send(agree, 0);
                    foreign.send(&a, 2)
                };
                let mut connection = client.handshake(near).await.unwrap();
                assert_eq!(take(&mut connection).await, with("A", &fds));
            }
        }
    });
}

// ---- What we would send, and what is done instead ----

/// The message came back as it was, and another one arrives.
async fn comes_back(
    connection: &mut Connection,
    foreign: &Foreign,
    message: Message,
    expected: &str,
    rule: &str,
) -> Message {
    let fds = identities(message.fds());
    let serial = message.serial();
    let error = connection.send(message).await.unwrap_err();
    assert_eq!(format!("{:?}", error.kind), expected);
    assert!(chain(&error).contains(rule), "{error}");
    let back = *error.unsent.expect("the message comes back");
    assert_eq!((identities(back.fds()), back.serial()), (fds, serial));
    connection.send(signal("Other", Vec::new())).await.unwrap();
    let (bytes, came, _) = foreign_receive(&foreign.socket, 2048);
    assert!(bytes.windows(5).any(|five| five == b"Other") && came.is_empty());
    back
}

#[test]
fn descriptors_where_none_were_agreed_on_come_back_with_their_message() {
    run(async {
        for role in ROLES {
            let (mut connection, foreign) = without_fds(role).await;
            if role == Role::Server {
                foreign.send(&message("P", 0, 0), 0);
                take(&mut connection).await;
            }
            let expected = "FdsNotAgreed { count: 2 }";
            let message = signal("A", memfds(2));
            comes_back(&mut connection, &foreign, message, expected, "not negotiated").await;
        }
    });
}

#[test]
fn more_than_sixteen_descriptors_are_returned_by_default() {
    run(async {
        for role in ROLES {
            for limit in [16, 20, 253] {
                let limits = |limits: Limits| match limit {
                    16 => limits,
                    _ => Limits { max_sent_fds: limit, ..limits },
                };
                let client = Client::new().limits(limits(Limits::client()));
                let server = server().limits(limits(Limits::server())).fds_at_once();
                let (mut connection, foreign) = role.meet_with(&client, &server).await;
                let expected = format!("TooManyFds {{ count: {}, limit: {limit} }}", limit + 1);
                let many = signal("A", memfds(limit + 1));
                comes_back(&mut connection, &foreign, many, &expected, "limit is").await;
                let fds = memfds(limit);
                let sent = identities(&fds);
                connection.send(signal("A", fds)).await.unwrap();
                let (_, came, _) = foreign_receive(&foreign.socket, 2048);
                assert_eq!(identities(came), sent);
            }
        }
    });
}

#[test]
fn more_than_the_kernel_carries_come_back_whatever_the_limit_says() {
    run(async {
        let limits = Limits { max_sent_fds: 1000, ..Limits::client() };
        let client = Client::new().limits(limits);
        let (mut connection, foreign) = Role::Client.meet_with(&client, &server()).await;
        let expected = "TooManyFds { count: 254, limit: 253 }";
        let many = signal("A", memfds(254));
        comes_back(&mut connection, &foreign, many, expected, "limit is 253").await;
    });
}

#[test]
fn descriptors_to_a_client_that_may_still_be_in_its_handshake_come_back() {
    run(async {
        let (mut connection, foreign) = Role::Server.connected().await;
        let expected = "FdsTooEarly { count: 1 }";
        let rule = "before a message of the client has arrived";
        let back =
            comes_back(&mut connection, &foreign, signal("A", memfds(1)), expected, rule).await;
        foreign.send(&message("P", 0, 0), 0);
        take(&mut connection).await;
        let sent = identities(back.fds());
        connection.send(back).await.unwrap();
        assert_eq!(identities(foreign_receive(&foreign.socket, 2048).1), sent);

        // Where the server knows its clients, at once.
        let (mut connection, foreign) =
            Role::Server.meet_with(&Client::new(), &server().fds_at_once()).await;
        let fds = memfds(1);
        let sent = identities(&fds);
        connection.send(signal("A", fds)).await.unwrap();
        assert_eq!(identities(foreign_receive(&foreign.socket, 2048).1), sent);
    });
}

#[test]
fn a_message_whose_descriptors_were_taken_is_returned() {
    run(async {
        let (mut connection, foreign) = Role::Client.connected().await;
        let mut message = signal("A", memfds(2));
        drop(message.take_fds());
        let expected = "Message(FdCount { declared: 2, present: 0 })";
        comes_back(&mut connection, &foreign, message, expected, "declares 2").await;
    });
}

/// A message too long for its limits, which is refused in the same way.
#[test]
fn a_message_that_is_too_long_is_returned() {
    run(async {
        let limits = Limits { max_message_bytes: 200, ..Limits::client() };
        let client = Client::new().limits(limits);
        let (mut connection, foreign) = Role::Client.meet_with(&client, &server()).await;
        let message = Message::signal("/", "org.example.Test", "A")
            .body("ay", vec![0; 200])
            .fds(memfds(1))
            .build()
            .unwrap();
        let mut sized = message.rebuild().fds(memfds(1)).build().unwrap();
        sized.set_serial(NonZeroU32::MIN);
        let length = sized.to_bytes().unwrap().len();
        let expected = format!("Message(TooLong {{ length: {length}, limit: 200 }})");
        comes_back(&mut connection, &foreign, message, &expected, "limit is 200").await;
    });
}

#[test]
fn a_message_over_the_in_flight_limit_is_returned_and_can_be_sent_later() {
    without_privileges(async {
        let (mut connection, foreign) = Role::Client.connected().await;
        let limit = Lowered::descriptors(64);
        let fds: Vec<_> = memfds(8);
        let dups = |fds: &[std::os::fd::OwnedFd]| -> Vec<_> {
            fds.iter().map(|fd| fd.try_clone().unwrap()).collect()
        };
        let (mut sent, mut refused) = (0, None);
        for _ in 0..64 {
            match connection.send(signal("A", dups(&fds))).await {
                Ok(_) => sent += 1,
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let error = refused.expect("the kernel's limit is reached");
        assert!(matches!(error.kind, SendErrorKind::TooManyFdsInFlight { count: 8 }), "{error:?}");
        assert!(error.to_string().contains("try again after"), "{error}");
        let back = *error.unsent.expect("the message comes back");
        assert_eq!(identities(back.fds()), identities(&fds));
        let serial = back.serial();
        // A plain one passes.
        connection.send(signal("P", Vec::new())).await.unwrap();
        for _ in 0..sent {
            assert_eq!(foreign_receive(&foreign.socket, 2048).1.len(), 8);
        }
        // The kernel counts what other processes of this user have under way, too.
        drop(limit);
        assert_eq!(connection.send(back).await.unwrap(), serial.unwrap(), "it keeps its serial");
        // The plain one is before it.
        let (bytes, came, _) = foreign_receive(&foreign.socket, 2048);
        assert!(!bytes.is_empty());
        assert_eq!(identities(came), identities(&fds));
    });
}

#[test]
fn each_message_with_descriptors_is_alone_in_its_call() {
    run(async {
        let (mut connection, foreign) = Role::Client.connected().await;
        let mut expected = Vec::new();
        for (member, count) in [("P", 0), ("Q", 0), ("A", 1), ("B", 2), ("R", 0), ("S", 0)] {
            let fds = memfds(count);
            expected.push((member, identities(&fds)));
            connection.feed(signal(member, fds)).await.unwrap();
        }
        connection.flush().await.unwrap();
        // The kernel ends a receive after a set, not before it, so calls are distinguished by a
        // receive that asks for no more than one.
        let length = signal_bytes("P", 0).len();
        let with_fds = signal_bytes("A", 1).len();
        let mut sets = Vec::new();
        for (bytes, count) in [(2 * length, 0), (with_fds, 1), (with_fds, 2), (2 * length, 0)] {
            let mut buf = vec![0; bytes];
            let (read, fds) = receive_at_most(&foreign.socket, &mut buf);
            assert_eq!((read, fds.len()), (bytes, count));
            sets.extend(identities(fds));
        }
        let all: Vec<Identity> = expected.into_iter().flat_map(|(_, fds)| fds).collect();
        assert_eq!(sets, all);
    });
}

/// One `recvmsg` of at most so many bytes.
fn receive_at_most(socket: &StdUnixStream, buf: &mut [u8]) -> (usize, Vec<std::os::fd::OwnedFd>) {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    let mut space = [std::mem::MaybeUninit::uninit(); 2048];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [std::io::IoSliceMut::new(buf)];
    let received = recvmsg(socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let fds = control
        .drain()
        .flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
            _ => Vec::new(),
        })
        .collect();
    (received.bytes, fds)
}

#[test]
fn the_rest_of_a_long_message_leaves_without_descriptors() {
    run(async {
        let (mut connection, foreign) = Role::Client.connected().await;
        rustix::net::sockopt::set_socket_recv_buffer_size(&foreign.socket, 4096).unwrap();
        let fds = memfds(3);
        let expected = identities(&fds);
        let long = Message::signal("/", "org.example.Test", "A")
            .body("ay", vec![7; 2 << 20])
            .fds(fds)
            .build()
            .unwrap();
        let reader = tokio::task::spawn_blocking(move || {
            let (mut length, mut sets) = (0, Vec::new());
            while length < 2 << 20 {
                let (bytes, fds, _) = foreign_receive(&foreign.socket, 2048);
                if length == 0 {
                    assert_eq!(fds.len(), 3, "with the first byte");
                }
                length += bytes.len();
                sets.push(identities(fds));
            }
            (foreign, sets)
        });
        connection.send(long).await.unwrap();
        let (_foreign, sets) = reader.await.unwrap();
        let sets: Vec<_> = sets.into_iter().filter(|set| !set.is_empty()).collect();
        assert_eq!(sets, [expected], "once");
    });
}
