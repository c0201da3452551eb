//! A client at the door, and no room for it.
//!
//! Where the table of descriptors is full, a client stays in the queue of the socket, which stays
//! readable: who waits for that goes round at full speed until there is room again, as libwayland
//! does. Here a timer is waited for, a little longer each time.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};

/// How long to wait for room: at first, doubled each time, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

pub(super) async fn accept(socket: &UnixListener) -> io::Result<(UnixStream, UCred)> {
    let mut wait = FIRST_WAIT;
    loop {
        let error = match socket.accept().await {
            Ok((stream, _)) => match stream.peer_cred() {
                Ok(credentials) => return Ok((stream, credentials)),
                // One that the kernel does not know is none to speak to, as in libwayland.
                Err(_) => continue,
            },
            Err(error) => error,
        };
        match Errno::from_io_error(&error) {
            // The client is gone again.
            Some(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => {}
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                tokio::time::sleep(wait).await;
                wait = LONGEST_WAIT.min(wait * 2);
            }
            _ => return Err(error),
        }
    }
}
