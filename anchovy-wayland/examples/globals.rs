//! Prints the globals of a compositor.
//!
//! ```text
//! cargo run -p anchovy-wayland --example globals
//! cargo run -p anchovy-wayland --example globals wayland-1
//! ```

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anchovy_wayland::{Connection, Connector, Limits};
use anyhow::Context;
use clap::Parser;

/// Prints the globals of a compositor: their names (numbers), interfaces and versions.
#[derive(Parser)]
struct Arguments {
    /// Name or path of the display [default: the display that the environment names]
    display: Option<PathBuf>,
    /// Time to wait for the reply
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Arguments { display, timeout } = Arguments::parse();
    let mut connector = Connector::new();
    if let Some(display) = display {
        connector = connector.display(display);
    }
    // Connecting waits while the backlog of the compositor is full.
    let connected = tokio::time::timeout(timeout, connector.connect()).await;
    let connected = connected.context("connecting to the compositor timed out")??;
    let limits = Limits { reply_timeout: Some(timeout), ..Limits::client() };
    let mut compositor = Connection::client(connected.stream, limits)?;
    let registry = compositor.registry().await;
    let registry =
        registry.with_context(|| format!("cannot get the globals of {}", connected.origin))?;

    // `println` would panic if the reader has closed the pipe.
    let mut out = std::io::stdout().lock();
    for global in registry.globals() {
        // The compositor chooses the text, which may contain control characters.
        let interface = global.interface.escape_debug().to_string();
        writeln!(out, "{:>4}  {interface:<44}  version {}", global.name, global.version)?;
    }
    Ok(())
}

fn seconds(text: &str) -> anyhow::Result<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}
