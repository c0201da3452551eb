//! System calls, counted with strace.

use std::num::NonZeroU32;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use anchovy_dbus::{Addresses, Client, Limits, Message, SendErrorKind};

use crate::foreign::*;
use crate::harness::*;

#[test]
fn a_message_with_descriptors_is_one_system_call_at_each_end() {
    const ROUNDS: usize = 100;
    let test = "syscalls::a_message_with_descriptors_is_one_system_call_at_each_end";
    let trace = traced(test, &[], async {
        let (mut client, mut server) = pair().await;
        let mut fds = memfds(3);
        drive_io().await;
        mark();
        for _ in 0..ROUNDS {
            let call = signal("A", std::mem::take(&mut fds));
            client.send(call).await.unwrap();
            fds = server.receive().await.unwrap().unwrap().take_fds();
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("sendmsg"), Some(&ROUNDS), "{counts:?}");
    assert_eq!(counts.get("recvmsg"), Some(&ROUNDS), "{counts:?}");
    // Ours, once they are on their way.
    assert_eq!(counts.get("close"), Some(&(3 * ROUNDS)), "{counts:?}");
    assert_eq!(counts.get("sendto"), None, "{counts:?}");
}

#[test]
fn plain_messages_that_wait_together_are_one_system_call() {
    const ROUNDS: usize = 50;
    let test = "syscalls::plain_messages_that_wait_together_are_one_system_call";
    let trace = traced(test, &[], async {
        let (mut client, mut server) = pair().await;
        drive_io().await;
        mark();
        for _ in 0..ROUNDS {
            for _ in 0..20 {
                client.feed(signal("A", Vec::new())).await.unwrap();
            }
            client.flush().await.unwrap();
            for _ in 0..20 {
                server.receive().await.unwrap().unwrap();
            }
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("sendto"), Some(&ROUNDS), "{counts:?}");
    assert_eq!(counts.get("recvmsg"), Some(&ROUNDS), "{counts:?}");
    assert_eq!(counts.get("sendmsg"), None, "{counts:?}");
}

#[test]
fn messages_with_descriptors_have_their_own_call_and_plain_ones_share() {
    let test = "syscalls::\
        messages_with_descriptors_have_their_own_call_and_plain_ones_share";
    let trace = traced(test, &[], async {
        let (mut client, mut server) = pair().await;
        let members = [0, 0, 0, 2, 0, 0, 1, 1, 0, 0];
        for fds in members {
            client.feed(signal("A", memfds(fds))).await.unwrap();
        }
        drive_io().await;
        mark();
        client.flush().await.unwrap();
        mark();
        for fds in members {
            assert_eq!(server.receive().await.unwrap().unwrap().fds().len(), fds);
        }
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!((counts.get("sendto"), counts.get("sendmsg")), (Some(&3), Some(&3)), "{counts:?}");
}

#[test]
fn the_rest_of_a_message_with_descriptors_shares_no_call_with_the_next() {
    let test = "syscalls::the_rest_of_a_message_with_descriptors_shares_no_call_with_the_next";
    let long = || {
        let builder = Message::signal("/", "org.example.Test", "A").body("ay", vec![7; 1 << 20]);
        builder.fds(memfds(1)).serial(NonZeroU32::MIN).build().expect("a good signal")
    };
    let trace = traced(test, &[], async {
        // More may wait than one long message, so that another is taken after its rest.
        let limits = Limits { max_buffered_bytes: 4 << 20, ..Limits::client() };
        let (mut client, mut server) = pair_of(&Client::new().limits(limits), &server()).await;
        client.feed(long()).await.unwrap();
        mark();
        assert!(now(client.flush()).await.is_none(), "there is no room for all of it");
        let (sent, came) = tokio::join!(
            async {
                client.feed(signal("P", Vec::new())).await?;
                client.feed(signal("Q", Vec::new())).await?;
                client.flush().await
            },
            async {
                for member in ["A", "P", "Q"] {
                    assert_eq!(take(&mut server).await.0, member);
                }
            }
        );
        sent.unwrap();
        let () = came;
        mark();
    });
    let Some(trace) = trace else { return };
    let calls = trace.iter().filter(|line| line.starts_with("send"));
    let sizes = calls.filter_map(|line| line.rsplit_once("= ")?.1.parse::<usize>().ok());
    let ends: Vec<usize> = sizes
        .scan(0, |end, size| {
            *end += size;
            Some(*end)
        })
        .collect();
    let mut length = 0;
    guarded(|| length = long().to_bytes().unwrap().len());
    assert!(ends.contains(&length), "no call ends with the message, at {length}: {ends:?}");
}

#[test]
fn seventeen_descriptors_are_refused_before_any_system_call() {
    const TEST: &str = "syscalls::seventeen_descriptors_are_refused_before_any_system_call";
    let lines = traced(TEST, &[], async {
        let (mut near, _far) = with_foreign_server(&Client::new()).await;
        let (call, plain) = (signal("A", memfds(17)), signal("A", Vec::new()));
        mark();
        let refused = near.send(call).await.unwrap_err();
        near.send(plain).await.unwrap();
        mark();
        assert!(matches!(refused.kind, SendErrorKind::TooManyFds { count: 17, limit: 16 }));
    });
    if let Some(lines) = lines {
        let counts: Vec<_> = count(&lines).into_iter().collect();
        assert_eq!(counts, [("sendto".to_owned(), 1)]);
    }
}

#[test]
fn descriptors_pass_before_agree_unix_fd_is_sent() {
    let test = "syscalls::descriptors_pass_before_agree_unix_fd_is_sent";
    let work = async {
        let (near, far) = StdUnixStream::pair().unwrap();
        foreign_send(&far, b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n", &[])
            .unwrap();
        let unauthenticated = server().start(near).unwrap();
        mark();
        begin(unauthenticated).await;
        mark();
    };
    let calls = ["-e", "trace=getppid,setsockopt,write,sendto,sendmsg"];
    let Some(lines) = traced(test, &calls, work) else { return };
    // SO_PASSRIGHTS is 83, which not every strace knows by name.
    let is_passing = |line: &String| {
        line.starts_with("setsockopt") && (line.contains("PASSRIGHTS") || line.contains("0x53"))
    };
    let on = lines.iter().rposition(|line| is_passing(line) && line.contains("[1]"));
    let is_send = |line: &String| line.starts_with("send") || line.starts_with("write");
    let agree = lines.iter().rposition(is_send);
    let (Some(on), Some(agree)) = (on, agree) else { panic!("{lines:#?}") };
    assert!(on < agree, "{lines:#?}");
}

#[test]
fn dbus_broker_435_accept_does_not_spin_while_the_table_is_full() {
    let test = "syscalls::dbus_broker_435_accept_does_not_spin_while_the_table_is_full";
    let trace = traced(test, &["-e", "trace=getppid,accept4"], async {
        let name = format!("anchovy-435-spin-{}", std::process::id());
        let address: Addresses = format!("unix:abstract={name}").parse().unwrap();
        let listener = server().bind(&address).unwrap().with_budget(budget_for_one(100));
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let _client = StdUnixStream::connect_addr(&address).unwrap();
        drive_io().await;
        let full = FullTable::with_room_for(0);
        tokio::time::pause();
        mark();
        let waited = tokio::time::timeout(Duration::from_secs(60), listener.accept()).await;
        assert!(waited.is_err());
        mark();
        drop(full);
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    // 5 ms, doubled up to a second, and then each second.
    let calls = counts.get("accept4 EMFILE").copied().unwrap_or(0);
    assert!((60..=72).contains(&calls), "{counts:?}");
}
