//! A listener with a budget: the charges of each client, and the behavior of a full account.

use std::future::poll_fn;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use anchovy::{AccountKey, Budget, FdError, Resource};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns whether a blocking client was disconnected.
fn is_disconnected(client: &UnixStream) -> bool {
    rustix::io::read(client, &mut [0]) == Ok(0)
}

#[test]
fn a_client_is_charged_for_its_socket_until_it_is_dropped() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(100).build();
        let listener = builder().budget(budget.clone()).bind(&path).unwrap();
        let _clients = [client(&path), client(&path)];
        let (first, _) = listener.accept().await.unwrap();
        let (second, _) = listener.accept().await.unwrap();
        assert_eq!(first.account().unwrap().key(), AccountKey::Uid(uid()));
        assert_eq!(budget.holders(Resource::HeldFds), [(AccountKey::Uid(uid()), 2)]);
        drop(first);
        assert_eq!(budget.usage().held_fds, 1);
        // The halves share the socket. The last one releases the charge.
        let (read, write) = second.into_split();
        drop(write);
        assert_eq!(budget.usage().held_fds, 1);
        drop(read);
        assert_eq!(budget.usage().held_fds, 0);
    });
}

#[test]
fn the_charge_of_the_socket_moves_to_a_new_account() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(100).build();
        let listener = builder().budget(budget.clone()).bind(&path).unwrap();
        let _client = client(&path);
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_account(budget.account(AccountKey::Other(7)));
        assert_eq!(budget.holders(Resource::HeldFds), [(AccountKey::Other(7), 1)]);
        drop(stream);
        assert_eq!(budget.usage().held_fds, 0);
    });
}

#[test]
fn a_socket_stays_charged_to_its_account_if_the_new_one_is_full() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(100).build();
        let full = Budget::builder().held_fds(0).build();
        let listener = builder().budget(budget.clone()).bind(&path).unwrap();
        let _client = client(&path);
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.set_account(full.account(uid()));
        assert_eq!((budget.usage().held_fds, full.usage().held_fds), (1, 0));
        // The peer does not read the descriptor, so the socket is kept after the drop.
        stream.send_with_fds(b"one", &memfds(1)).await.unwrap();
        drop(stream);
        assert_eq!((budget.usage().held_fds, full.usage().held_fds), (0, 0));
        assert_eq!(full.usage().fds_in_flight, 1);
    });
}

#[test]
fn a_client_with_a_full_account_is_disconnected_and_counted() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        // A single account may hold half of it.
        let budget = Budget::builder().held_fds(4).build();
        let listener = builder().budget(budget.clone()).bind(&path).unwrap();
        let clients: Vec<_> = (0..3).map(|_| client(&path)).collect();
        let (first, _) = listener.accept().await.unwrap();
        let _second = listener.accept().await.unwrap();
        assert!(now(listener.accept()).await.is_none());
        assert!(is_disconnected(&clients[2]));
        assert_eq!(listener.refused(), 1);

        drop(first);
        let _client = client(&path);
        let _third = listener.accept().await.unwrap();
        assert_eq!((listener.refused(), budget.usage().held_fds), (1, 2));
    });
}

#[test]
fn set_budget_applies_to_later_clients() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let [one, other] = [100, 200].map(|total| Budget::builder().held_fds(total).build());
        let mut listener = builder().bind(&path).unwrap();
        assert!(listener.budget().is_none());
        let _clients: Vec<_> = (0..3).map(|_| client(&path)).collect();
        let (without, _) = listener.accept().await.unwrap();
        assert!(without.account().is_none());
        listener.set_budget(one.clone());
        let _first = listener.accept().await.unwrap();
        listener.set_budget(other.clone());
        let _second = listener.accept().await.unwrap();
        assert_eq!(listener.budget().unwrap().totals().held_fds, 200);
        assert_eq!((one.usage().held_fds, other.usage().held_fds), (1, 1));
    });
}

#[test]
fn received_descriptors_are_charged_until_they_are_taken() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(1000).build();
        let listener = builder().budget(budget.clone()).read_fd_limit(8).bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        client.send_with_fds(b"three", &memfds(3)).await.unwrap();
        stream.recv(&mut [0; 8]).await.unwrap();
        assert_eq!(budget.usage().held_fds, 1 + 3);

        // The caller takes two descriptors. The stream notices it with the next receive.
        stream.read_queue_mut().drain(..2);
        client.send_with_fds(b"more", &memfds(2)).await.unwrap();
        stream.recv(&mut [0; 8]).await.unwrap();
        assert_eq!(budget.usage().held_fds, 1 + 1 + 2);
        drop(stream);
        assert_eq!(budget.usage().held_fds, 0);
    });
}

#[test]
fn a_read_waits_while_another_connection_of_the_account_holds_descriptors() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        // One account may hold half of it: two sockets and eight descriptors.
        let budget = Budget::builder().held_fds(20).build();
        let listener = builder().budget(budget.clone()).read_fd_limit(8).bind(&path).unwrap();
        let mut clients =
            [Stream::connect(&path).await.unwrap(), Stream::connect(&path).await.unwrap()];
        let (mut first, _) = listener.accept().await.unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        clients[0].send_with_fds(b"five", &memfds(5)).await.unwrap();
        first.recv(&mut [0; 8]).await.unwrap();

        clients[1].send_with_fds(b"one", &memfds(1)).await.unwrap();
        drive_io().await;
        let mut buf = [0; 8];
        let mut waiting = Box::pin(second.recv(&mut buf));
        assert!(now(waiting.as_mut()).await.is_none(), "eight might come");
        drop(first);
        assert_eq!(waiting.await.unwrap().fds, 1);
        assert_eq!(budget.usage().held_fds, 1 + 1);
    });
}

#[test]
fn exceeding_the_account_fails_only_that_connection() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(10).build();
        let listener = builder().budget(budget.clone()).read_fd_limit(8).bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        // The account may hold four descriptors besides the socket. No more can become available.
        client.send_with_fds(b"four", &memfds(4)).await.unwrap();
        assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 4);
        stream.read_queue_mut().clear();
        let (reader, writer) = pipe();
        let mut five = memfds(4);
        five.push(writer);
        client.send_with_fds(b"five", &five).await.unwrap();
        drop(five);
        let error = stream.recv(&mut [0; 8]).await.unwrap_err();
        let expected = FdError::OverBudget { count: 5, available: 4 };
        assert_eq!(FdError::from_io_error(&error), Some(expected));
        assert_eq!(stream.read_error(), Some(expected));
        assert!(is_abandoned(&reader), "all of them are closed");
        assert_eq!(budget.usage().held_fds, 1);
    });
}

#[test]
fn a_closed_socket_whose_peer_has_only_bytes_to_read_is_not_kept() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(20).build();
        let listener = builder().budget(budget.clone()).bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"bytes").await.unwrap();
        drop(stream);
        assert_eq!(budget.usage().held_fds, 0);
        assert_eq!(client.recv(&mut [0; 8]).await.unwrap().bytes, 5);
    });
}

#[test]
fn a_kept_socket_is_released_for_others_once_its_peer_has_read() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(20).build();
        let listener = builder().budget(budget.clone()).bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.send_with_fds(b"one", &memfds(1)).await.unwrap();
        drop(stream);
        assert_eq!(budget.usage().held_fds, 1, "it is kept");

        let account = budget.account(uid());
        assert!(account.try_charge_with_room(Resource::HeldFds, 1, 9).is_none());
        client.recv(&mut [0; 8]).await.unwrap();
        let _charge = account.try_charge_with_room(Resource::HeldFds, 1, 9).expect("room");
        assert_eq!(budget.usage().held_fds, 1, "it is closed");
    });
}

#[test]
fn a_read_does_not_wait_for_kept_sockets() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(10).build();
        let listener = builder().budget(budget.clone()).read_fd_limit(8).bind(&path).unwrap();
        let mut clients =
            [Stream::connect(&path).await.unwrap(), Stream::connect(&path).await.unwrap()];
        let (mut first, _) = listener.accept().await.unwrap();
        let (mut second, _) = listener.accept().await.unwrap();
        first.send_with_fds(b"one", &memfds(1)).await.unwrap();
        drop(first);
        assert_eq!(budget.usage().held_fds, 2);
        // There is room for three more. The first peer may never read.
        clients[1].send_with_fds(b"three", &memfds(3)).await.unwrap();
        drive_io().await;
        let received = now(second.recv(&mut [0; 8])).await.expect("at once");
        assert_eq!(received.unwrap().fds, 3);
        drop((clients, second));
        assert!(budget.account(uid()).try_charge(Resource::HeldFds, 5).is_some());
        assert_eq!(budget.usage().held_fds, 0);
    });
}

#[test]
fn bytes_are_received_even_if_the_account_is_full() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(2).build();
        let listener = builder().budget(budget).bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut client, b"bytes").await.unwrap();
        stream.read_exact(&mut [0; 5]).await.unwrap();
    });
}

#[test]
fn accepting_many_clients_lets_other_tasks_run() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let _clients: Vec<_> = (0..100).map(|_| client(&path)).collect();
        drive_io().await;
        let mut in_a_row = 0;
        while now(listener.accept()).await.is_some() {
            in_a_row += 1;
        }
        assert!((1..=16).contains(&in_a_row), "{in_a_row} of 100 without a pause");
        for _ in in_a_row..100 {
            listener.accept().await.unwrap();
        }
        assert!(now(listener.accept()).await.is_none());

        let _clients: Vec<_> = (0..100).map(|_| client(&path)).collect();
        drive_io().await;
        let in_a_row = poll_fn(|cx| {
            Poll::Ready((0..100).take_while(|_| listener.poll_accept(cx).is_ready()).count())
        });
        let in_a_row = in_a_row.await;
        assert!((1..=16).contains(&in_a_row), "{in_a_row} of 100 without a pause");
    });
}

#[test]
fn accepting_many_clients_does_not_delay_received_bytes() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let (mut near, mut far) = Stream::pair().unwrap();
        let _clients: Vec<_> = (0..400).map(|_| client(&path)).collect();
        drive_io().await;
        let reader = tokio::spawn(async move { near.read_exact(&mut [0]).await.unwrap() });
        drive_io().await;
        far.write_all(b"!").await.unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let acceptor = tokio::spawn(async move {
            loop {
                listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        reader.await.unwrap();
        acceptor.abort();
        let accepted = accepted.load(Ordering::Relaxed);
        assert!(accepted <= 32, "{accepted} clients before a byte that had arrived");
    });
}
