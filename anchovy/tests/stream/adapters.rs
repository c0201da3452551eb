//! Adapters of tokio around a stream, and the descriptors in them.

use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, copy_bidirectional,
};

use crate::harness::*;

#[test]
fn a_buf_reader_reads_ahead_and_keeps_the_queue_in_order() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        let fds = memfds(3);
        near.write_all(b"none\n").await.unwrap();
        near.send_with_fds(b"two\n", &fds[..2]).await.unwrap();
        near.send_with_fds(b"one\n", &fds[2..]).await.unwrap();
        drop(near);

        let mut reader = BufReader::new(far);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).await.unwrap() == 0 {
                break;
            }
            lines.push(line);
        }
        assert_eq!(lines, ["none\n", "two\n", "one\n"]);
        assert_eq!(identities(reader.get_ref().read_queue()), identities(&fds));
    });
}

#[test]
fn a_buf_writer_sends_the_queue_with_its_first_flushed_byte() {
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let mut writer = BufWriter::new(near);
        writer.write_all(b"kept back").await.unwrap();
        let fds = memfds(2);
        let expected = identities(&fds);
        writer.get_mut().write_queue_mut().extend(fds);
        writer.flush().await.unwrap();
        assert!(writer.get_ref().write_queue().is_empty());

        let mut buf = [0; 64];
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"kept back"[..], 2));
        assert_eq!(identities(far.read_queue()), expected);
    });
}

#[test]
fn copying_in_both_directions_moves_bytes_and_keeps_descriptors() {
    run(async {
        let (mut client, mut left) = Dbus::pair().unwrap();
        let (mut right, mut server) = Dbus::pair().unwrap();
        let fds = memfds(2);
        client.send_with_fds(b"to the server", &fds[..1]).await.unwrap();
        server.send_with_fds(b"to the client", &fds[1..]).await.unwrap();
        client.shutdown().await.unwrap();
        server.shutdown().await.unwrap();

        assert_eq!(copy_bidirectional(&mut left, &mut right).await.unwrap(), (13, 13));
        // A copy transfers only bytes. The descriptors stay in the read queue.
        assert_eq!(identities(left.read_queue()), identities(&fds[..1]));
        assert_eq!(identities(right.read_queue()), identities(&fds[1..]));
        let mut all = String::new();
        server.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "to the server");
        assert!(server.read_queue().is_empty());
    });
}

#[test]
fn a_loop_that_does_not_drain_the_queue_fails_without_loss() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        far.set_read_queue_limit(506).unwrap();
        for _ in 0..3 {
            near.send_with_fds(b"AAAA", &memfds(200)).await.unwrap();
        }
        drop(near);
        let mut all = Vec::new();
        let error = far.read_to_end(&mut all).await.unwrap_err();
        assert!(matches!(fd_error(error), anchovy::FdError::ReadQueueFull { queued: 400, .. }));
        assert_eq!(all, b"AAAAAAAA");
        assert_eq!(far.read_queue_mut().drain(..).count(), 400);
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!((&all[..], far.read_queue().len()), (&b"AAAAAAAAAAAA"[..], 200));
    });
}

#[test]
fn tokio_split_reads_and_writes_without_access_to_the_queues() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        let fds = memfds(1);
        near.send_with_fds(b"ping", &fds).await.unwrap();
        let (mut read, mut write) = tokio::io::split(far);
        read.read_exact(&mut [0; 4]).await.unwrap();
        write.write_all(b"pong").await.unwrap();
        near.read_exact(&mut [0; 4]).await.unwrap();
        // The descriptors are not lost: the stream has them.
        assert_eq!(identities(read.unsplit(write).read_queue()), identities(&fds));
    });
}

#[test]
fn a_large_copy_into_a_stream_arrives_whole() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let data: Vec<u8> = (0..3_000_000u32).map(|index| (index % 253) as u8).collect();
        let write = async {
            tokio::io::copy(&mut &data[..], &mut near).await.unwrap();
            drop(near);
        };
        let mut all = Vec::new();
        let (_, read) = tokio::join!(write, far.read_to_end(&mut all));
        read.unwrap();
        assert!(all == data);
    });
}
