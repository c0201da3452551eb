//! The baselines of Wayland: batches that are built once, and received without looking at arguments.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use super::ROUNDTRIPS;
use super::theirs::{BATCH, LARGE_BATCH, PAIRS, PLAIN};
use crate::baseline::{Baseline, Messages, proxy};
use crate::contestant::Contestant;
use crate::work::{null, run, together};

/// A message as it is sent.
fn message(object: u32, opcode: u32, arguments: &[u32]) -> Vec<u8> {
    let size = 8 + 4 * arguments.len() as u32;
    let words = [&[object, size << 16 | opcode], arguments].concat();
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Returns the length of the message that begins with these bytes.
fn message_len(bytes: &[u8]) -> Option<usize> {
    let four = bytes.get(4..8)?;
    Some((u32::from_ne_bytes(four.try_into().expect("four bytes")) >> 16) as usize)
}

type Stream = Messages<true>;

fn pair() -> (Stream, Stream) {
    let (near, far) = Baseline::pair();
    (Messages::new(near, message_len), Messages::new(far, message_len))
}

async fn receive(stream: &mut Stream, count: u32) {
    for _ in 0..count {
        stream.next().await.expect("it was sent");
    }
}

const SHM: u32 = 2;
const CALLBACK: u32 = 3;
const FIRST_POOL: u32 = 4;

fn sync() -> Vec<u8> {
    message(1, 0, &[CALLBACK])
}

/// `wl_callback.done` and the `delete_id` of the callback.
fn done() -> Vec<u8> {
    [message(CALLBACK, 0, &[0]), message(1, 1, &[CALLBACK])].concat()
}

/// Sends as anchovy-wayland does: one `sendmsg` with the descriptors of a batch, and one with the answers.
pub(crate) fn pools() -> Duration {
    let pools = FIRST_POOL..FIRST_POOL + BATCH;
    let create = |pool| [message(SHM, 0, &[pool, 4096]), message(pool, 1, &[])].concat();
    let mut requests: Vec<u8> = pools.clone().flat_map(create).collect();
    requests.extend(sync());
    let mut events: Vec<u8> = pools.flat_map(|pool| message(1, 1, &[pool])).collect();
    events.extend(done());

    let null = null();
    run(async {
        let (mut client, mut compositor) = pair();
        let start = Instant::now();
        for _ in 0..PAIRS / BATCH {
            let duplicates = (0..BATCH).map(|_| null.try_clone().expect("a duplicate"));
            client.stream.sending.extend(duplicates);
            client.stream.write_all(&requests).await.expect("the far end is there");

            receive(&mut compositor, 2 * BATCH + 1).await;
            assert_eq!(compositor.stream.received.len(), BATCH as usize);
            compositor.stream.received.clear();
            compositor.stream.write_all(&events).await.expect("the near end is there");

            receive(&mut client, BATCH + 2).await;
        }
        start.elapsed() / PAIRS
    })
}

pub(crate) fn damage() -> Duration {
    damage_in_batches(BATCH)
}

pub(crate) fn damage_in_large_batches() -> Duration {
    damage_in_batches(LARGE_BATCH)
}

fn damage_in_batches(batch: u32) -> Duration {
    let requests: Vec<u8> =
        (0..batch).flat_map(|number| message(SHM, 2, &[0, 0, 1, number])).collect();
    run(async {
        let (mut client, mut compositor) = pair();
        let start = Instant::now();
        for _ in 0..PLAIN / batch {
            client.stream.write_all(&requests).await.expect("the far end is there");
            receive(&mut compositor, batch).await;
        }
        start.elapsed() / PLAIN
    })
}

/// A roundtrip through a proxy, with one task for each direction.
pub(crate) fn roundtrip_proxied() -> Duration {
    run(async {
        let (client, near) = Baseline::<true>::pair();
        let (far, compositor) = Baseline::<true>::pair();
        proxy(near, far);
        let mut compositor = Messages::new(compositor, message_len);
        let answer = async move {
            let done = done();
            while compositor.next().await.is_some() {
                compositor.stream.write_all(&done).await.expect("the near end is there");
            }
        };
        let mut client = Messages::new(client, message_len);
        let roundtrips = async move {
            let sync = sync();
            let start = Instant::now();
            for _ in 0..ROUNDTRIPS {
                client.stream.write_all(&sync).await.expect("the far end is there");
                receive(&mut client, 2).await;
            }
            start.elapsed() / ROUNDTRIPS
        };
        together(answer, roundtrips).await
    })
}
