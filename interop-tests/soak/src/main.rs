//! Connections of all crates, canceled, killed and made again, for as long as wanted.
//!
//! `cargo xtask soak` runs this program. It opens listeners, connects to them from tasks and from child
//! processes, which are copies of this program, and sends them messages with descriptors, which they
//! send back. Every descriptor is a pipe, whose other end shows when all copies are closed. At the end,
//! the process must hold the descriptors and the memory that it held after the first rounds.

#[cfg(target_os = "linux")]
mod connection;
#[cfg(target_os = "linux")]
mod dbus;
#[cfg(target_os = "linux")]
mod defect;
#[cfg(target_os = "linux")]
mod echo;
#[cfg(target_os = "linux")]
mod exchange;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(target_os = "linux")]
mod protocol;
#[cfg(target_os = "linux")]
mod soak;
#[cfg(target_os = "linux")]
mod stream;
#[cfg(target_os = "linux")]
mod tally;
#[cfg(target_os = "linux")]
mod wayland;

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", seconds, seed] => {
            soak::run(std::time::Duration::from_secs(seconds.parse()?), seed.parse()?)
        }
        ["echo", protocol, path] => echo::run_child(protocol, path.as_ref()),
        _ => anyhow::bail!("expected `run SECONDS SEED` or `echo PROTOCOL PATH`"),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("the soak test runs on Linux only");
    std::process::exit(1);
}
