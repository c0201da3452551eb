//! The system calls of exchanges.

#[allow(dead_code, reason = "the tests of exchanges use the rest of it")]
#[path = "../exchange/harness.rs"]
mod harness;

use std::fs::File;
use std::os::fd::OwnedFd;

use anchovy::exchange::ExchangeError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use harness::*;

#[test]
fn a_message_is_one_system_call_for_each_side() {
    const ROUNDS: usize = 50;
    let test = "exchange::a_message_is_one_system_call_for_each_side";
    let trace = traced(test, &[], async {
        let (mut near, mut far) = pair();
        let mut round = async |fd: Option<OwnedFd>| {
            let id = fd.map(|fd| near.fds.send(fd).unwrap());
            near.stream.write_all(b"request").await.unwrap();
            assert_eq!(far.stream.read(&mut [0; 64]).await.unwrap(), 7);
            if let Some(id) = id {
                far.fds.receive(id).await.unwrap();
            }
        };
        round(Some(memfd())).await;
        let fds = memfds(ROUNDS);
        mark();
        for fd in fds {
            round(Some(fd)).await;
            round(None).await;
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    let of = |name: &str| counts.get(name).copied().unwrap_or_default();
    assert_eq!(
        (of("sendmsg"), of("sendto"), of("recvmsg")),
        (ROUNDS, ROUNDS, 2 * ROUNDS),
        "{counts:?}"
    );
}

#[test]
fn a_descriptor_that_is_no_file_in_memory_is_not_read() {
    let test = "exchange::a_descriptor_that_is_no_file_in_memory_is_not_read";
    // Of a file system whose program does not answer, each of these would block.
    let calls = "trace=getppid,fstat,newfstatat,statx,read,pread64,lseek,recvmsg";
    let trace = traced(test, &["-e", calls], async {
        let (mut near, far) = with_foreign();
        far.send_these(b"hello", &[File::open("/dev/null").unwrap().into()]).unwrap();
        drive_io().await;
        mark();
        let error = near.stream.read(&mut [0; 8]).await.unwrap_err();
        mark();
        assert_eq!(exchange_error(&error), ExchangeError::NotAnExchange { count: 1 });
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [("recvmsg".to_owned(), 1)]);
}
