//! Several tasks, several threads, and signals.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anchovy::{DBUS_SCM_RIGHTS, OwnedReadHalf, OwnedWriteHalf};
use signal_hook::consts::SIGUSR1;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

const MESSAGES: usize = 3_000;
const LENGTH: usize = 32;

/// Sends messages that contain the number of their descriptors and their position in the pool.
async fn send_all(mut write: OwnedWriteHalf<DBUS_SCM_RIGHTS>, pool: Arc<Vec<OwnedFd>>) {
    for number in 0..MESSAGES {
        let mut message = [0; LENGTH];
        let count = number % 4;
        message[0] = count as u8;
        let chosen: Vec<usize> = (0..count).map(|n| (number * 7 + n * 3) % pool.len()).collect();
        for (slot, index) in message[1..].iter_mut().zip(&chosen) {
            *slot = *index as u8;
        }
        let fds: Vec<&OwnedFd> = chosen.iter().map(|index| &pool[*index]).collect();
        if number % 2 == 0 {
            let sent = write.send_with_fds(&message, &fds).await.unwrap();
            write.write_all(&message[sent..]).await.unwrap();
        } else {
            let owned = fds.iter().map(|fd| fd.try_clone().unwrap());
            write.write_queue_mut().extend(owned);
            write.write_all(&message).await.unwrap();
        }
    }
}

/// Receives the messages, and checks that each has the descriptors that it names.
async fn receive_all(mut read: OwnedReadHalf<DBUS_SCM_RIGHTS>, pool: Arc<Vec<OwnedFd>>) {
    let mut message = [0; LENGTH];
    for _ in 0..MESSAGES {
        read.read_exact(&mut message).await.unwrap();
        let count = message[0] as usize;
        let fds: Vec<OwnedFd> = read.read_queue_mut().drain(..).collect();
        let expected = message[1..=count].iter().map(|index| &pool[*index as usize]);
        assert_eq!(identities(fds), identities(expected));
    }
    assert_eq!(read.read(&mut message).await.unwrap(), 0);
}

async fn both_ends_both_ways() {
    let pool = Arc::new(memfds(16));
    let (near, far) = Dbus::pair().unwrap();
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let tasks = [
        tokio::spawn(send_all(near_write, Arc::clone(&pool))),
        tokio::spawn(send_all(far_write, Arc::clone(&pool))),
        tokio::spawn(receive_all(near_read, Arc::clone(&pool))),
        tokio::spawn(receive_all(far_read, Arc::clone(&pool))),
    ];
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn halves_of_both_ends_work_concurrently_on_several_threads() {
    run_on_threads(both_ends_both_ways());
}

#[test]
fn frequent_signals_do_not_disturb_transfers() {
    let signals = Arc::new(AtomicUsize::new(0));
    let handler = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, handler).unwrap();
    run_on_threads(async {
        let over = Arc::new(AtomicBool::new(false));
        let storm = std::thread::spawn({
            let (over, signals) = (Arc::clone(&over), Arc::clone(&signals));
            move || {
                let this = rustix::process::getpid();
                while !over.load(Ordering::SeqCst) {
                    rustix::process::kill_process(this, rustix::process::Signal::USR1).unwrap();
                    signals.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        both_ends_both_ways().await;
        over.store(true, Ordering::SeqCst);
        storm.join().unwrap();
    });
    assert!(signals.load(Ordering::SeqCst) > 100, "there was no storm");
}

#[test]
fn a_task_that_reads_continuously_lets_other_tasks_run() {
    run(async {
        // Both ends are always ready. The third task runs because of tokio's budget.
        let (mut near, mut far) = Dbus::pair().unwrap();
        let turns = Arc::new(AtomicUsize::new(0));
        let other = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move {
                loop {
                    turns.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                }
            }
        });
        tokio::task::yield_now().await;
        for _ in 0..10_000 {
            near.write_all(b"AAAA").await.unwrap();
            far.readable().await.unwrap();
            assert_eq!(far.read(&mut [0; 4]).await.unwrap(), 4);
        }
        other.abort();
        assert!(turns.load(Ordering::SeqCst) > 10, "nobody else had a turn");
    });
}
