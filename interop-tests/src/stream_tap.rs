//! A tap on a connection of any protocol, which forwards all traffic unchanged and records it.
//!
//! It knows only bytes and descriptors: it sends the result of one `recvmsg` with one `sendmsg`,
//! so descriptors keep their position in the stream.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::Shutdown;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::tap::{receive_some, send};
use crate::{Identity, identities};

/// Listens on one path, and forwards connections to another.
#[derive(Debug)]
pub struct StreamTap(Arc<Mutex<Vec<JoinHandle<Passed>>>>);

/// The traffic of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Passed {
    /// The traffic from the client.
    pub client: Way,
    /// The traffic from the server.
    pub server: Way,
}

/// The traffic in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// All bytes.
    pub bytes: Vec<u8>,
    /// The identities of the descriptors, in order.
    pub fds: Vec<Identity>,
}

impl StreamTap {
    /// Starts to listen on the runtime of the test, and ends with it.
    pub fn start(listen: &Path, server: PathBuf) -> StreamTap {
        let listener = UnixListener::bind(listen).expect("a path in a directory of ours");
        let connections = Arc::new(Mutex::new(Vec::new()));
        let tap = StreamTap(Arc::clone(&connections));
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.expect("a client");
                let server = UnixStream::connect(&server).await.expect("the server listens");
                let connection = tokio::spawn(async move {
                    let (client, server) =
                        tokio::join!(pass(&client, &server), pass(&server, &client));
                    Passed { client, server }
                });
                connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            }
        });
        tap
    }

    /// Waits until all connections so far have ended. Returns the traffic of each, except of those
    /// without any.
    pub async fn ended(&self) -> Vec<Passed> {
        let connections =
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all = Vec::new();
        for connection in connections {
            all.push(connection.await.expect("it only passes on"));
        }
        all.retain(|passed| *passed != Passed::default());
        all
    }
}

/// Forwards everything in one direction, until the end.
async fn pass(from: &UnixStream, to: &UnixStream) -> Way {
    let mut way = Way::default();
    let mut bytes = vec![0; 1 << 16];
    let mut is_heard = true;
    loop {
        let mut fds = Vec::new();
        // A side that closes its socket without reading everything resets the connection.
        let count = receive_some(from, &mut bytes, &mut fds).await.unwrap_or(0);
        if count == 0 {
            break;
        }
        way.bytes.extend_from_slice(&bytes[..count]);
        way.fds.extend(identities(&fds));
        // Traffic is recorded even if the other side no longer reads it.
        is_heard = is_heard && send(to, &bytes[..count], &fds).await.is_ok();
    }
    let _ = rustix::net::shutdown(to, Shutdown::Write);
    way
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net as std_net;

    use super::*;
    use crate::{Directory, foreign_receive, foreign_send, memfd, run};

    #[test]
    fn a_tap_forwards_and_records_traffic() {
        run(async {
            let directory = Directory::new();
            let listener = std_net::UnixListener::bind(directory.join("server")).unwrap();
            let tap = StreamTap::start(&directory.join("tap"), directory.join("server"));
            let path = directory.join("tap");
            let (file, other) = (memfd(), memfd());
            let expected = (identities([&file]), identities([&other]));
            let talk = tokio::task::spawn_blocking(move || {
                let client = std_net::UnixStream::connect(path).unwrap();
                let (server, _) = listener.accept().unwrap();
                foreign_send(&client, b"asked", &[&[file.as_fd()]]).unwrap();
                let (bytes, fds, _) = foreign_receive(&server, 1024);
                assert_eq!((&*bytes, identities(&fds)), (&b"asked"[..], identities([&file])));
                foreign_send(&server, b"answer", &[&[other.as_fd()]]).unwrap();
                drop(server);
                let (bytes, fds, _) = foreign_receive(&client, 1024);
                assert_eq!((&*bytes, identities(&fds)), (&b"answer"[..], identities([&other])));
            });
            talk.await.unwrap();
            let client = Way { bytes: b"asked".to_vec(), fds: expected.0 };
            let server = Way { bytes: b"answer".to_vec(), fds: expected.1 };
            assert_eq!(tap.ended().await, [Passed { client, server }]);
            assert_eq!(tap.ended().await, [], "each connection is returned once");
        });
    }
}
