//! Prints the globals of a compositor.
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
Prints the globals of a compositor: their names (numbers), interfaces and versions.

Usage: globals [OPTIONS] [DISPLAY]

DISPLAY is the name or the path of a display. Default: the display that the environment names.

Options:
  --timeout SECONDS   time to wait for the reply, default 5
  -h, --help          print this help";

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

/// Parses the command line. Returns `None` for `--help`.
fn arguments() -> anyhow::Result<Option<Arguments>> {
    let (mut display, mut timeout) = (None, Duration::from_secs(5));
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--help" | "-h") => return Ok(None),
            Some("--timeout") => {
                let number = words.next().context("--timeout requires a number of seconds")?;
                let seconds = number.to_str().and_then(|number| number.parse().ok());
                timeout = seconds
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .with_context(|| {
                        format!("{} is not a number of seconds", number.to_string_lossy())
                    })?;
            }
            Some(option) if option.starts_with('-') => {
                bail!("unknown option {option}\n\n{HELP}");
            }
            _ if display.is_some() => {
                bail!("unexpected second display {}\n\n{HELP}", word.to_string_lossy());
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
