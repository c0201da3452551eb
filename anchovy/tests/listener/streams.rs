//! A listener as a `Stream` of streams, and as a `Listener` of tokio-util.

use futures_util::StreamExt;
use std::future::poll_fn;

use crate::harness::*;

#[test]
fn incoming_yields_each_client() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let _clients: Vec<_> = (0..3).map(|_| client(&path)).collect();
        let mut incoming = listener.incoming();
        for _ in 0..3 {
            incoming.next().await.unwrap().unwrap();
        }
        assert!(now(incoming.next()).await.is_none());
    });
}

#[test]
fn generic_code_accepts_through_the_listener_trait() {
    async fn accept<L: tokio_util::net::Listener>(mut listener: L) -> (L::Io, L::Addr) {
        listener.local_addr().unwrap();
        poll_fn(|cx| listener.poll_accept(cx)).await.unwrap()
    }
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let (mut stream, _) = accept(listener).await;
        client.send_with_fds(b"here", &memfds(1)).await.unwrap();
        assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 1);
    });
}
