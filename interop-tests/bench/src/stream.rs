//! The benchmarks of streams and of the codec, as rows.

use crate::Ours;
use crate::baseline::Baseline;
use crate::codec;
use crate::contestant::{Published, Tokio, pair, passing_off};
use crate::row::Row;
use crate::work::{self, ping_pong, stream};

/// The baseline for streams without descriptors.
type Bytes = Baseline<false>;
/// The baseline for streams with descriptors.
type Fds = Baseline<true>;

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::new("ping-pong, 64 B", "ns per round trip")
            .peer("tokio UnixStream", ping_pong(pair::<Tokio>, 64, 0))
            .peer("anchovy 0.4.1", ping_pong(pair::<Published>, 64, 0))
            .baseline(ping_pong(pair::<Bytes>, 64, 0))
            .ours("anchovy", ping_pong(pair::<Ours>, 64, 0))
            .at_most_of_peer(1.05),
        Row::new("stream, 64 KiB writes", "ns per write")
            .peer("tokio UnixStream", work::stream_large::<Tokio>)
            .peer("anchovy 0.4.1", work::stream_large::<Published>)
            .baseline(work::stream_large::<Bytes>)
            .ours("anchovy", work::stream_large::<Ours>)
            .at_most_of_peer(1.05),
        Row::new("stream, 128 B messages, read_buf", "ns per message")
            .peer("tokio UnixStream", work::stream_small::<Tokio>)
            .peer("anchovy 0.4.1", work::stream_small::<Published>)
            .baseline(work::stream_small::<Bytes>)
            .ours("anchovy", work::stream_small::<Ours>)
            .at_most_of_peer(1.05),
        Row::new("ping-pong, 64 B and 1 descriptor", "ns per round trip")
            .peer("anchovy 0.4.1", ping_pong(pair::<Published>, 64, 1))
            .baseline(ping_pong(pair::<Fds>, 64, 1))
            .ours("anchovy", ping_pong(pair::<Ours>, 64, 1))
            .at_most_of_peer(0.87)
            .at_most_of_baseline(1.10),
        Row::new("ping-pong, 64 B and 28 descriptors", "ns per round trip")
            .peer("anchovy 0.4.1", ping_pong(pair::<Published>, 64, 28))
            .baseline(ping_pong(pair::<Fds>, 64, 28))
            .ours("anchovy", ping_pong(pair::<Ours>, 64, 28)),
        Row::new("ping-pong, 64 B and 253 descriptors", "ns per round trip")
            .peer("anchovy 0.4.1", ping_pong(pair::<Published>, 64, 253))
            .baseline(ping_pong(pair::<Fds>, 64, 253))
            .ours("anchovy", ping_pong(pair::<Ours>, 64, 253)),
        Row::new("send of 64 B and 1 descriptor that is kept", "ns per send")
            .peer("duplicate and queue", work::send_duplicate)
            .baseline(work::send_baseline)
            .ours("borrowed", work::send_borrowed)
            .at_most_of_peer(0.85),
        Row::new("frames of 64 B", "ns per frame")
            .peer("one write_all each", codec::plain_bare)
            .baseline(codec::plain_baseline)
            .ours("Framed", codec::plain_framed)
            .at_most_of_peer(0.25),
        Row::new("frames of 64 B and 1 descriptor", "ns per frame")
            .peer("sendmsg and recvmsg", codec::with_fd_bare)
            .baseline(codec::with_fd_baseline)
            .ours("Framed", codec::with_fd_framed)
            .at_most_of_peer(1.10),
    ];
    for (bytes, size) in SIZES {
        rows.push(
            Row::new(format!("ping-pong, {size}, fd passing off"), "ns per round trip")
                .peer("tokio UnixStream", ping_pong(pair::<Tokio>, bytes, 0))
                .baseline(ping_pong(pair::<Bytes>, bytes, 0))
                .ours("anchovy", ping_pong(passing_off, bytes, 0))
                .at_most_of_peer(1.01),
        );
        rows.push(
            Row::new(format!("ping-pong, {size}, fd passing on"), "ns per round trip")
                .peer("tokio UnixStream", ping_pong(pair::<Tokio>, bytes, 0))
                .peer("anchovy 0.4.1", ping_pong(pair::<Published>, bytes, 0))
                .baseline(ping_pong(pair::<Fds>, bytes, 0))
                .ours("anchovy", ping_pong(pair::<Ours>, bytes, 0))
                .at_most_of_peer(1.05),
        );
        rows.push(
            Row::new(format!("stream, {size} writes, fd passing off"), "ns per write")
                .peer("tokio UnixStream", stream(pair::<Tokio>, bytes))
                .baseline(stream(pair::<Bytes>, bytes))
                .ours("anchovy", stream(passing_off, bytes))
                .at_most_of_peer(1.01),
        );
        rows.push(
            Row::new(format!("stream, {size} writes, fd passing on"), "ns per write")
                .peer("tokio UnixStream", stream(pair::<Tokio>, bytes))
                .peer("anchovy 0.4.1", stream(pair::<Published>, bytes))
                .baseline(stream(pair::<Fds>, bytes))
                .ours("anchovy", stream(pair::<Ours>, bytes))
                .at_most_of_peer(1.05),
        );
    }
    rows
}

const SIZES: [(usize, &str); 5] =
    [(16, "16 B"), (64, "64 B"), (4 << 10, "4 KiB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB")];
