//! What a compositor has: connects, asks for its globals, and lists them.
//!
//! ```text
//! cargo run -p anchovy-wayland --example globals
//! cargo run -p anchovy-wayland --example globals wayland-1
//! ```

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anchovy_wayland::{ClientIds, Connection, Connector, Limits};

mod report;

use report::with_causes;

const HELP: &str = "\
Usage: globals [--timeout SECONDS] [DISPLAY]

Lists what the compositor at DISPLAY has, or the one that the environment names: for each global its
name, which is a number, its interface and its version. Waits for the answer, 5 seconds if nothing
else is said.";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Arguments {
    connector: Connector,
    timeout: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("globals: {error}");
            return ExitCode::from(2);
        }
    };
    match list(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("globals: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What the command line says; `None` if it asks for help.
fn arguments() -> Result<Option<Arguments>> {
    let (mut display, mut timeout) = (None, Duration::from_secs(5));
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--help" | "-h") => return Ok(None),
            Some("--timeout") => {
                let number = words.next().ok_or("--timeout needs a number of seconds")?;
                let seconds = number.to_str().and_then(|number| number.parse().ok());
                timeout = seconds
                    .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                    .ok_or_else(|| {
                        format!("{} is no number of seconds", number.to_string_lossy())
                    })?;
            }
            Some(option) if option.starts_with('-') => {
                return Err(format!("there is no option {option}\n\n{HELP}").into());
            }
            _ if display.is_some() => {
                return Err(format!(
                    "one display, not {} as well\n\n{HELP}",
                    word.to_string_lossy()
                )
                .into());
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

async fn list(arguments: &Arguments) -> Result<()> {
    let Arguments { connector, timeout } = arguments;
    // Where the queue of connections is full, connecting waits, too.
    let connected = tokio::time::timeout(*timeout, connector.connect()).await;
    let connected = connected.map_err(|_| "the compositor accepts nobody")??;
    // No event of the display, a registry or a callback has descriptors, and there are no others.
    let mut compositor = Connection::new(connected.stream, |_, _| 0, Limits::client())?;
    let registry = compositor.registry(&mut ClientIds::new(), *timeout).await;
    let registry =
        registry.map_err(|error| format!("{}: {}", connected.origin, with_causes(&error)))?;

    // Not by `println`, which panics where nobody reads.
    let mut out = std::io::stdout().lock();
    for global in registry.globals() {
        // An interface is what the compositor says: it cannot break the line.
        let interface = global.interface.escape_debug().to_string();
        writeln!(out, "{:>4}  {interface:<44}  version {}", global.name, global.version)?;
    }
    Ok(())
}
