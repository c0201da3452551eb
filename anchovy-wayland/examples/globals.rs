//! Connects to a compositor, and prints its globals.
//!
//! ```text
//! cargo run -p anchovy-wayland --example globals
//! cargo run -p anchovy-wayland --example globals wayland-1
//! ```

use std::io::Write;
use std::time::Duration;

use anchovy_wayland::{Connection, Connector, Limits};
use anyhow::{Context, bail};

const HELP: &str = "\
Usage: globals [--timeout SECONDS] [DISPLAY]

Prints the globals of the compositor at DISPLAY, or of the one that the environment names: for each its
name, which is a number, its interface and its version. Waits 5 seconds for the reply by default.";

struct Arguments {
    connector: Connector,
    timeout: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Some(Arguments { connector, timeout }) = arguments()? else {
        println!("{HELP}");
        return Ok(());
    };
    // Connecting waits while the queue of connections is full.
    let connected = tokio::time::timeout(timeout, connector.connect()).await;
    let connected = connected.context("the compositor accepts no connection")??;
    let limits = Limits { reply_timeout: Some(timeout), ..Limits::client() };
    let mut compositor = Connection::client(connected.stream, limits)?;
    let registry = compositor.registry().await;
    let registry = registry.with_context(|| format!("no globals from {}", connected.origin))?;

    // Not by `println`, which panics if nobody reads.
    let mut out = std::io::stdout().lock();
    for global in registry.globals() {
        // An interface is what the compositor says: it cannot break the line.
        let interface = global.interface.escape_debug().to_string();
        writeln!(out, "{:>4}  {interface:<44}  version {}", global.name, global.version)?;
    }
    Ok(())
}

/// Reads the command line; `None` if it asks for help.
fn arguments() -> anyhow::Result<Option<Arguments>> {
    let (mut display, mut timeout) = (None, Duration::from_secs(5));
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--help" | "-h") => return Ok(None),
            Some("--timeout") => {
                let number = words.next().context("--timeout needs a number of seconds")?;
                let seconds = number.to_str().and_then(|number| number.parse().ok());
                timeout = seconds
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .with_context(|| {
                        format!("{} is no number of seconds", number.to_string_lossy())
                    })?;
            }
            Some(option) if option.starts_with('-') => {
                bail!("there is no option {option}\n\n{HELP}");
            }
            _ if display.is_some() => {
                bail!("one display, not {} as well\n\n{HELP}", word.to_string_lossy());
            }
            _ => display = Some(word),
        }
    }
    let connector = match display {
        Some(display) => Connector::new().display(display),
        None => Connector::new(),
    };
    Ok(Some(Arguments { connector, timeout }))
}
