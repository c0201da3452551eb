//! Full descriptor tables of the process and of the system.

use std::io::ErrorKind;

use anchovy::{FdError, Truncation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

#[test]
fn a_full_table_fails_the_read_side_and_is_named_as_the_cause() {
    run(async {
        for room in [0, 2, 4] {
            let (mut near, mut far) = Dbus::pair().unwrap();
            near.send_with_fds(b"AAAA", &memfds(5)).await.unwrap();
            near.write_all(b"BBBB").await.unwrap();

            let full = FullTable::with_room_for(room);
            let before = descriptors_count();
            let expected =
                FdError::Truncated { received: room, cause: Truncation::ProcessTableFull };
            let error = far.read(&mut [0; 64]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
            assert_eq!(fd_error(error), expected);
            assert_eq!(
                descriptors_count(),
                before,
                "the received descriptors of the set is closed"
            );
            drop(full);

            // There is room again, but the descriptors are lost.
            let error = far.read(&mut [0; 64]).await.unwrap_err();
            assert_eq!(fd_error(error), expected);
            assert_eq!(far.read_error(), Some(expected));
            assert!(far.read_queue().is_empty());
            assert!(expected.to_string().contains("RLIMIT_NOFILE"));
        }
    });
}

/// Returns the number of open descriptors, without opening a directory.
fn descriptors_count() -> usize {
    (0..512)
        .filter(|number| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok())
        .count()
}

#[test]
fn a_table_with_just_enough_room_is_not_full() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let fds = memfds(5);
        near.send_with_fds(b"AAAA", &fds).await.unwrap();
        let full = FullTable::with_room_for(5);
        assert_eq!(far.recv(&mut [0; 64]).await.unwrap().fds, 5);
        drop(full);
        assert_eq!(identities(far.read_queue()), identities(&fds));
    });
}

#[test]
fn bytes_without_descriptors_are_read_despite_a_full_table() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.write_all(b"AAAA").await.unwrap();
        let _full = FullTable::with_room_for(0);
        assert_eq!(far.read(&mut [0; 64]).await.unwrap(), 4);
    });
}

#[test]
fn a_pair_with_a_full_table_is_an_error_and_leaves_nothing_open() {
    run(async {
        for room in [0, 1] {
            let mut table = FullTable::with_room_for(room);
            let error = Dbus::pair().unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE), "{error:?}");
            table.make_room_for(2 - room);
            let (mut near, mut far) = Dbus::pair().unwrap();
            near.write_all(b"AAAA").await.unwrap();
            assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 4);
        }
    });
}

#[test]
fn the_pidfd_of_a_peer_is_available_once_there_is_room() {
    run(async {
        if !kernel_is_at_least(6, 5) {
            return;
        }
        let (near, mut far) = Dbus::pair().unwrap();
        let (mut read, mut write) = near.into_split();
        let table = FullTable::with_room_for(0);
        assert_eq!(read.peer_pidfd().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        assert_eq!(write.peer_pidfd().unwrap_err().raw_os_error(), Some(libc::EMFILE));
        assert_eq!(read.peer_cred().unwrap().pid(), Some(std::process::id() as i32));
        drop(table);
        read.peer_pidfd().unwrap();
        // The error is not one of the stream.
        write.write_all(b"AAAA").await.unwrap();
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 4);
        far.write_all(b"BBBB").await.unwrap();
        assert_eq!(read.read(&mut [0; 8]).await.unwrap(), 4);
    });
}

#[test]
fn sending_and_conversions_need_no_further_descriptor() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let fds = memfds(3);
        near.write_queue_mut().extend(memfds(2));
        let queued = identities(near.write_queue());
        let table = FullTable::with_room_for(0);
        near.write_all(b"AAAA").await.unwrap();
        near.send_with_fds(b"BBBB", &fds).await.unwrap();
        let parts = near.into_parts().unwrap();
        let near = Dbus::from_parts(parts).unwrap();
        let (read, write) = near.into_split();
        let near = read.reunite(write).unwrap();
        drop(table);
        let mut buf = [0; 8];
        assert_eq!(far.recv(&mut buf).await.unwrap().fds, 2);
        assert_eq!(far.recv(&mut buf).await.unwrap().fds, 3);
        assert_eq!(identities(far.read_queue()), [queued, identities(&fds)].concat());
        drop(near);
    });
}

#[test]
fn the_smallest_buffers_pass_every_byte_and_each_descriptor_set_once() {
    use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

    const PART: usize = 40_000;
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        for stream in [&near, &far] {
            set_socket_send_buffer_size(stream, 1).unwrap();
            set_socket_recv_buffer_size(stream, 1).unwrap();
        }
        let bytes: Vec<u8> = (0..3 * PART as u32).map(|number| number as u8).collect();
        let fds = memfds(253);
        let send = async {
            for part in bytes.chunks(PART) {
                let mut sent = near.send_with_fds(part, &fds).await.unwrap();
                assert!(sent < part.len(), "the buffer is small");
                while sent < part.len() {
                    sent += near.write(&part[sent..]).await.unwrap();
                }
            }
            drop(near);
        };
        let receive = async {
            let (mut all, mut buf, mut sets) = (Vec::new(), [0; 512], Vec::new());
            loop {
                let received = far.recv(&mut buf).await.unwrap();
                if received.bytes == 0 {
                    break;
                }
                all.extend_from_slice(&buf[..received.bytes]);
                if received.fds > 0 {
                    // The last byte of a read is in the part whose descriptors come with it.
                    let part = (all.len() - 1) / PART;
                    sets.push((part, identities(far.read_queue_mut().drain(..))));
                }
            }
            (all, sets)
        };
        let ((), (all, sets)) = tokio::join!(send, receive);
        assert!(all == bytes, "the bytes are the same");
        assert_eq!(sets, [0, 1, 2].map(|part| (part, identities(&fds))));
    });
}

#[test]
fn too_many_descriptors_in_flight_keep_the_queue_for_a_retry() {
    without_privileges(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let fds = memfds(8);
        let limit = Lowered::descriptors(64);

        let mut sent = 0;
        let refused = loop {
            match near.send_with_fds(b"AAAA", &fds).await {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 100, "the kernel knows no limit");
        };
        assert_eq!(refused.kind(), ErrorKind::QuotaExceeded);
        assert_eq!(fd_error(refused), FdError::TooManyInFlight { count: 8 });

        // The same applies to a queue, which is kept. Bytes can still be sent.
        near.write_queue_mut().extend(memfds(2));
        let expected = identities(near.write_queue());
        let refused = near.write(b"BBBB").await.unwrap_err();
        assert_eq!(fd_error(refused), FdError::TooManyInFlight { count: 2 });
        assert_eq!(identities(near.write_queue()), expected);
        let kept: Vec<_> = near.write_queue_mut().drain(..).collect();
        near.write_all(b"CCCC").await.unwrap();
        near.write_queue_mut().extend(kept);
        drop(limit);

        for _ in 0..sent {
            assert_eq!(far.recv(&mut [0; 4]).await.unwrap().fds, 8);
            assert_eq!(identities(far.read_queue_mut().drain(..)), identities(&fds));
        }
        let limit = Lowered::descriptors(64);
        near.write_all(b"BBBB").await.unwrap();
        drop(limit);
        let mut buf = [0; 64];
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"CCCCBBBB"[..], 2));
        assert_eq!(identities(far.read_queue()), expected);
    });
}

#[test]
fn truncation_is_reported_even_if_the_rest_exceeds_the_limit() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        far.set_read_fd_limit(2).unwrap();
        near.send_with_fds(b"AAAA", &memfds(5)).await.unwrap();
        let full = FullTable::with_room_for(4);
        let error = fd_error(far.read(&mut [0; 64]).await.unwrap_err());
        drop(full);
        let cause = Truncation::ProcessTableFull;
        assert_eq!(error, FdError::Truncated { received: 4, cause });
    });
}

/// Returns the error of a truncated receive if opening one more descriptor fails with `errno`.
fn cut_while_one_more_descriptor_fails_with(errno: i32) -> std::io::Error {
    use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
    let command = libc::F_DUPFD_CLOEXEC as u64;
    let duplicating =
        SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, command).unwrap();
    let rules = vec![SeccompRule::new(vec![duplicating]).unwrap()];
    let filter = seccompiler::SeccompFilter::new(
        std::collections::BTreeMap::from([(libc::SYS_fcntl, rules)]),
        seccompiler::SeccompAction::Allow,
        seccompiler::SeccompAction::Errno(errno as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    let test = async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.send_with_fds(b"AAAA", &memfds(5)).await.unwrap();
        let _full = FullTable::with_room_for(2);
        seccompiler::apply_filter(&program).unwrap();
        far.read(&mut [0; 64]).await.unwrap_err()
    };
    std::thread::scope(|scope| scope.spawn(|| runtime().block_on(test)).join().unwrap())
}

#[test]
fn the_cause_of_truncation_is_reported_if_known() {
    guarded(|| {
        for (errno, cause, kind) in [
            (libc::EMFILE, Truncation::ProcessTableFull, ErrorKind::QuotaExceeded),
            (libc::ENFILE, Truncation::SystemTableFull, ErrorKind::QuotaExceeded),
            (libc::EINVAL, Truncation::Unknown, ErrorKind::InvalidData),
        ] {
            let error = cut_while_one_more_descriptor_fails_with(errno);
            assert_eq!(error.kind(), kind);
            assert_eq!(fd_error(error), FdError::Truncated { received: 2, cause });
        }
    });
}
