//! The benchmarks of streams and of the codec, as rows.

use anchovy::DBUS_SCM_RIGHTS;
use anchovy::exchange::ExchangeStream;

use crate::baseline::Baseline;
use crate::connections::{self, echoes};
use crate::contestant::{Published, Tokio, pair, passing_off};
use crate::row::{Role, Row};
use crate::sendfd::{Sendfd, ping_pong_of_packets};
use crate::work::{self, ping_pong, stream};
use crate::{Ours, codec, json, layers};

/// The baseline for streams without descriptors.
type Bytes = Baseline<false>;
/// The baseline for streams with descriptors.
type Fds = Baseline<true>;
type Exchanged = ExchangeStream<DBUS_SCM_RIGHTS>;

/// The benchmarks, for a process that may open this number of descriptors.
pub(crate) fn rows(limit: u64) -> Vec<Row> {
    let mut rows = vec![
        Row::new("ping-pong, 64 B", "ns per round trip")
            .peer("tokio UnixStream", ping_pong(pair::<Tokio>, 64, 0))
            .peer("anchovy 0.4.1", ping_pong(pair::<Published>, 64, 0))
            .baseline(ping_pong(pair::<Bytes>, 64, 0))
            .ours("anchovy", ping_pong(pair::<Ours>, 64, 0))
            .at_most_of_peer(1.05)
            .in_readme("Ping-pong of 64 bytes"),
        Row::new("stream, 64 KiB writes", "ns per write")
            .peer("tokio UnixStream", work::stream_large::<Tokio>)
            .peer("anchovy 0.4.1", work::stream_large::<Published>)
            .baseline(work::stream_large::<Bytes>)
            .ours("anchovy", work::stream_large::<Ours>)
            .at_most_of_peer(1.05)
            .in_readme("64 KiB writes"),
        Row::new("stream, 128 B messages, read_buf", "ns per message")
            .peer("tokio UnixStream", work::stream_small::<Tokio>)
            .peer("anchovy 0.4.1", work::stream_small::<Published>)
            .baseline(work::stream_small::<Bytes>)
            .ours("anchovy", work::stream_small::<Ours>)
            .at_most_of_peer(1.05)
            .in_readme("128-byte messages, `read_buf`"),
        Row::new("ping-pong, 64 B and 1 descriptor", "ns per round trip")
            .peer("anchovy 0.4.1", ping_pong(pair::<Published>, 64, 1))
            .peer("sendfd", ping_pong(pair::<Sendfd>, 64, 1))
            .peer("tokio-seqpacket", ping_pong_of_packets(1))
            .baseline(ping_pong(pair::<Fds>, 64, 1))
            .ours("anchovy", ping_pong(pair::<Ours>, 64, 1))
            .at_most_of_peer(0.87)
            .at_most_of_baseline(1.10)
            .in_readme("Ping-pong of 64 bytes and 1 descriptor")
            .growth("ping-pong by number of descriptors", 1),
        Row::new("send of 64 B and 1 descriptor that is kept", "ns per send")
            .peer("anchovy, try_clone and queue", work::send_duplicate)
            .baseline(work::send_baseline)
            .ours("borrowed", work::send_borrowed)
            .at_most_of_peer(0.85)
            .in_readme("Send 1 descriptor and keep it"),
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
        Row::new("JSON: call and reply", "ns per call")
            .peer("zlink", json::calls_zlink)
            .baseline(json::calls_baseline)
            .ours("Framed", json::calls_ours),
        Row::new("both ways at once, 64 B, a task for each half", "ns per message")
            .peer("tokio UnixStream", connections::both_ways::<Tokio>)
            .baseline(connections::both_ways::<Fds>)
            .ours("anchovy", connections::both_ways::<Ours>),
        Row::new("copy of 64 B there and back", "ns per round trip")
            .peer("tokio's copy", ping_pong(layers::through_tokio, 64, 0))
            .baseline(ping_pong(layers::through_baseline, 64, 0))
            .ours("anchovy's copy", ping_pong(layers::through_anchovy, 64, 0))
            .at_most_of_peer(1.05),
        Row::new("exchange, ping-pong, 64 B", "ns per round trip")
            .peer("anchovy, no exchange", ping_pong(pair::<Ours>, 64, 0))
            .baseline(ping_pong(pair::<Fds>, 64, 0))
            .ours("anchovy, exchange", ping_pong(pair::<Exchanged>, 64, 0))
            .at_most_of_peer(1.05),
        // 0.98 of the rate of tokio's listener.
        Row::new("accept", "ns per connection")
            .peer("tokio UnixListener", connections::accept_tokio)
            .baseline(connections::accept_baseline)
            .ours("anchovy", connections::accept_ours)
            .at_most_of_peer(1.02),
        Row::new("memory of an idle stream", "bytes per stream and task that waits")
            .bytes(Role::Peer, "tokio UnixStream", connections::idle::<Tokio>)
            .bytes(Role::Peer, "anchovy 0.4.1", connections::idle::<Published>)
            .bytes(Role::Baseline, "baseline", connections::idle::<Fds>)
            .bytes(Role::Ours, "anchovy", connections::idle::<Ours>),
    ];
    for fds in [0, 4, 16, 28, 64, 128, 253] {
        rows.push(
            Row::new(format!("ping-pong, 64 B and {fds} descriptors"), "ns per round trip")
                .peer("anchovy 0.4.1", ping_pong(pair::<Published>, 64, fds))
                .peer("sendfd", ping_pong(pair::<Sendfd>, 64, fds))
                .peer("tokio-seqpacket", ping_pong_of_packets(fds))
                .baseline(ping_pong(pair::<Fds>, 64, fds))
                .ours("anchovy", ping_pong(pair::<Ours>, 64, fds))
                .growth("ping-pong by number of descriptors", fds),
        );
    }
    for count in connections::counts(limit) {
        rows.push(
            Row::new(connections::name(count), "ns per message and echo")
                .peer("tokio UnixStream", echoes::<Tokio>(count))
                .baseline(echoes::<Fds>(count))
                .ours("anchovy", echoes::<Ours>(count))
                .growth(connections::CHART, count),
        );
    }
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
                .at_most_of_peer(1.05)
                .growth("ping-pong by message size in bytes", bytes),
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
                .at_most_of_peer(1.05)
                .growth("stream by message size in bytes", bytes),
        );
    }
    rows
}

const SIZES: [(usize, &str); 5] =
    [(16, "16 B"), (64, "64 B"), (4 << 10, "4 KiB"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB")];
