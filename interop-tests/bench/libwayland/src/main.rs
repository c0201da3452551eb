//! The benchmarks with the backend libwayland, one measure at a time on request.
//!
//! Each line of the standard input requests a measure, and each line of the standard output is its
//! result in nanoseconds. The first line reports that libwayland was found.

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
            other => panic!("there is no benchmark {other:?}"),
        };
        println!("{}", work().as_nanos());
    }
}
