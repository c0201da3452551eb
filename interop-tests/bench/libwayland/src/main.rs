//! The same on libwayland, one measure at a time, for a process that takes them in turn with its own.
//!
//! Each line of the standard input asks for a measure; each line of the standard output is one, in
//! nanoseconds. The first one says that there is a libwayland.

#[expect(dead_code, reason = "not all of it is asked for")]
#[path = "../../src/wayland/theirs.rs"]
mod theirs;

use std::io::BufRead;

fn main() {
    if let Err(error) = wayland_server::Display::<()>::new() {
        eprintln!("libwayland-server.so.0 cannot be used: {error}");
        std::process::exit(1);
    }
    let (near, _far) = std::os::unix::net::UnixStream::pair().expect("a pair");
    if let Err(error) = wayland_client::Connection::from_socket(near) {
        eprintln!("libwayland-client.so.0 cannot be used: {error}");
        std::process::exit(1);
    }
    println!("ready");

    for line in std::io::stdin().lock().lines() {
        let work = match &*line.expect("a line") {
            "pools" => theirs::pools,
            other => panic!("no work is named {other:?}"),
        };
        println!("{}", work().as_nanos());
    }
}
