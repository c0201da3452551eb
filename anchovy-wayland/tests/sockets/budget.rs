//! The accounts of clients, and the behavior at their limits.

use std::io::{ErrorKind, Read};
use std::os::unix::net::{UnixListener, UnixStream};

use anchovy::{AccountKey, Budget, Resource, WAYLAND_FD_LIMIT};
use anchovy_wayland::{Connection, Limits, Listener};
use interop_tests::{Directory, memfds, now, run};

fn uid() -> AccountKey {
    rustix::process::geteuid().as_raw().into()
}

fn budget_of(held_fds: usize) -> Budget {
    Budget::builder().held_fds(held_fds).build()
}

#[test]
fn a_listener_has_the_default_budget() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("x")).unwrap();
        assert_eq!(listener.budget().totals(), Budget::default().totals());
        let _client = UnixStream::connect(directory.join("x")).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.account().unwrap().key(), uid());
        assert_eq!(listener.budget().usage_of(uid()).held_fds, 1);
    });
}

#[test]
fn listeners_of_one_budget_share_it() {
    run(async {
        let directory = Directory::new();
        let budget = budget_of(100);
        let builder = Listener::builder().budget(budget.clone());
        let adopted = UnixListener::bind(directory.join("z")).unwrap();
        let listeners = [
            builder.bind(directory.join("x")).unwrap(),
            builder.clone().runtime_directory(directory.path()).bind_free().unwrap(),
            Listener::from_std(adopted).unwrap().with_budget(budget.clone()),
        ];
        let mut streams = Vec::new();
        for (listener, name) in listeners.iter().zip(["x", "wayland-0", "z"]) {
            let _client = UnixStream::connect(directory.join(name)).unwrap();
            streams.push(listener.accept().await.unwrap().0);
            assert_eq!(listener.budget().usage().held_fds, streams.len());
        }
        assert_eq!(budget.holders(Resource::HeldFds), [(uid(), 3)]);
        drop(streams);
        assert_eq!(budget.usage().held_fds, 0);
    });
}

#[test]
fn a_listener_from_parts_has_a_budget() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("x")).unwrap();
        let listener = Listener::from_parts(listener.into_parts().unwrap()).unwrap();
        assert_eq!(listener.budget().totals(), Budget::default().totals());
        let _client = UnixStream::connect(directory.join("x")).unwrap();
        let _stream = listener.accept().await.unwrap();
        assert_eq!(listener.budget().usage().held_fds, 1);
    });
}

#[test]
fn a_client_without_room_in_its_account_is_closed_and_counted() {
    run(async {
        let directory = Directory::new();
        // A single account may hold half.
        let budget = budget_of(2 * (1 + WAYLAND_FD_LIMIT));
        let listener =
            Listener::builder().budget(budget.clone()).bind(directory.join("x")).unwrap();
        let most = 1 + WAYLAND_FD_LIMIT;
        let mut clients: Vec<_> =
            (0..=most).map(|_| UnixStream::connect(directory.join("x")).unwrap()).collect();
        let mut streams = Vec::new();
        for _ in 0..most {
            streams.push(listener.accept().await.unwrap().0);
        }
        assert!(now(listener.accept()).await.is_none());
        assert_eq!(clients[most].read(&mut [0]).unwrap(), 0, "it is closed");
        assert_eq!(listener.refused(), 1);

        streams.pop();
        let _client = UnixStream::connect(directory.join("x")).unwrap();
        listener.accept().await.unwrap();
        assert_eq!(listener.refused(), 1);
    });
}

#[test]
fn a_budget_without_room_for_any_client_is_an_error() {
    run(async {
        let directory = Directory::new();
        let builder = Listener::builder().budget(budget_of(2 * WAYLAND_FD_LIMIT));
        let listener = builder.bind(directory.join("x")).unwrap();
        let error = listener.accept().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            error.to_string(),
            "a client requires 29 descriptors, an account may hold at most half of the total of 56; \
             raise BudgetBuilder::held_fds"
        );
    });
}

#[test]
fn a_connection_is_charged_to_the_account_of_its_stream() {
    run(async {
        let directory = Directory::new();
        let budget = budget_of(1000);
        let listener =
            Listener::builder().budget(budget.clone()).bind(directory.join("x")).unwrap();
        let client = UnixStream::connect(directory.join("x")).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = Connection::without_fds(stream, Limits::server()).unwrap();
        assert_eq!(budget.usage().held_fds, 1);
        // A request without arguments, with descriptors that it does not claim.
        let request = [1_u32.to_ne_bytes(), (8_u32 << 16).to_ne_bytes()].concat();
        let fds = memfds(3);
        let fds: Vec<_> = fds.iter().map(std::os::fd::AsFd::as_fd).collect();
        interop_tests::foreign_send(&client, &request, &[&fds]).unwrap();
        connection.receive().await.unwrap().unwrap();
        interop_tests::foreign_send(&client, &request, &[&fds[..2]]).unwrap();
        connection.receive().await.unwrap().unwrap();
        assert!(now(connection.receive()).await.is_none());
        assert_eq!(budget.usage_of(uid()).held_fds, 1 + 3 + 2);
        drop(connection);
        assert_eq!(budget.usage().held_fds, 0);
    });
}
