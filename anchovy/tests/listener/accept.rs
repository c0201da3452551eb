//! Accepting, and dropped futures.

use std::future::poll_fn;

use crate::harness::*;

#[test]
fn poll_accept_accepts_and_wakes_its_task() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("socket")).unwrap();
        let accept = poll_fn(|cx| listener.poll_accept(cx));
        let connect = async { client(&directory.join("socket")) };
        let (accepted, _client) = tokio::join!(accept, connect);
        assert!(accepted.unwrap().1.is_unnamed());
    });
}

#[test]
fn several_tasks_may_accept_at_once() {
    run_on_threads(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = std::sync::Arc::new(Listener::bind(&path).unwrap());
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let listener = std::sync::Arc::clone(&listener);
                tokio::spawn(async move { listener.accept().await.map(drop) })
            })
            .collect();
        let _clients: Vec<_> = (0..4).map(|_| client(&path)).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
}

#[test]
fn dropping_an_accept_loses_no_client() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        assert!(now(listener.accept()).await.is_none());
        let _client = client(&path);
        drive_io().await;
        let table = FullTable::with_room_for(0);
        assert!(now(listener.accept()).await.is_none(), "it waits for room");
        drop(table);
        assert!(listener.accept().await.is_ok());
        assert!(now(listener.accept()).await.is_none(), "there was one client");
    });
}
