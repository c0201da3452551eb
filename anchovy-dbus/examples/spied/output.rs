//! The lines that a spy prints, as text or as JSON.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, Once};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use serde::Serialize;

use super::Result;
use super::color::{Color, Role};

/// The options that choose the output.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Print one JSON object a line, as the page JSON.md describes
    #[arg(long)]
    json: bool,
    /// When to use colors; "auto" is for a terminal, unless NO_COLOR is set
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = When::Auto)]
    color: When,
    /// Print to this file instead of stdout (with COMMAND: stderr)
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// A message as a spy prints it.
pub(crate) trait Record: Serialize {
    /// Adds the text of a message of this client to a line.
    fn text(&self, client: u64, color: Color, line: &mut String) -> std::fmt::Result;
}

/// One end of a connection through the spy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Client,
    /// The bus or the compositor.
    Server,
}

impl Side {
    pub(crate) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// The output for lines. Clones share it.
#[derive(Clone)]
pub(crate) struct Output(Arc<Inner>);

struct Inner {
    sink: Sink,
    json: bool,
    color: Color,
    /// What the server is: "bus" or "compositor".
    server: &'static str,
    /// The names of the columns after the time, if there are columns.
    columns: Option<&'static str>,
    header: Once,
}

enum Sink {
    Stdout,
    Stderr,
    File(File),
}

/// What a line reports. With `--json`, its fields are those of the object.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event<'a, R> {
    Listening {
        address: &'a str,
    },
    Connected {
        client: u64,
    },
    Message {
        client: u64,
        from: Side,
        #[serde(flatten)]
        record: &'a R,
    },
    Disconnected {
        client: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Side>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    },
}

/// An event and its time, in seconds since 1970.
#[derive(Serialize)]
struct Line<'a, E> {
    time: f64,
    #[serde(flatten)]
    event: &'a E,
}

impl Output {
    pub(crate) fn new(
        options: &OutputOptions,
        has_command: bool,
        server: &'static str,
        columns: Option<&'static str>,
    ) -> Result<Output> {
        let sink = match &options.output {
            Some(path) => {
                Sink::File(File::create(path).map_err(|e| format!("{}: {e}", path.display()))?)
            }
            // With a command, stdout belongs to the command.
            None if has_command => Sink::Stderr,
            None => Sink::Stdout,
        };
        let color = Color(match options.color {
            When::Always => true,
            When::Never => false,
            // NO_COLOR has an effect if it is present and not empty (no-color.org).
            When::Auto => {
                sink.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
            }
        });
        let columns = columns.filter(|_| !options.json);
        let header = Once::new();
        Ok(Output(Arc::new(Inner { sink, json: options.json, color, server, columns, header })))
    }

    /// Prints the address of the spy. If messages are printed to a file, it is printed to stdout too.
    pub(crate) fn listening(&self, address: &str) {
        if let Sink::File(_) = self.0.sink {
            let _ = writeln!(std::io::stdout(), "{address}");
        }
        let event: Event<'_, ()> = Event::Listening { address };
        self.print(&event, |line, _| line.write_str(address));
    }

    /// Prints a message that one side has sent.
    pub(crate) fn message(&self, client: u64, from: Side, record: &impl Record) {
        let color = self.0.color;
        self.print(&Event::Message { client, from, record }, |line, time| {
            write!(line, "{} ", color.paint(Role::Faint, clock(time)))?;
            record.text(client, color, line)
        });
    }

    /// Prints that a client has connected; for the first one, after the names of the columns.
    pub(super) fn connected(&self, client: u64) {
        if let Some(names) = self.0.columns {
            let names = format!("{:>13} {names}", "TIME");
            let line = format!("{}\n", self.0.color.paint(Role::Faint, names));
            self.0.header.call_once(|| self.write(&line));
        }
        self.report(&Event::Connected { client }, format_args!("client {client} connected"));
    }

    /// Prints that one side has closed the connection.
    pub(super) fn closed(&self, client: u64, by: Side) {
        let event = Event::Disconnected { client, by: Some(by), error: None };
        match by {
            Side::Client => {
                self.report(&event, format_args!("client {client} closed the connection"));
            }
            Side::Server => {
                let server = self.0.server;
                let text = format_args!("the {server} closed the connection of client {client}");
                self.report(&event, text);
            }
        }
    }

    /// Prints that the spy has closed a connection.
    pub(super) fn failed(&self, client: u64, error: &str) {
        let event = Event::Disconnected { client, by: None, error: Some(error) };
        let error = self.0.color.paint(Role::Error, error);
        self.report(&event, format_args!("client {client} was disconnected: {error}"));
    }

    fn report(&self, event: &Event<'_, ()>, text: std::fmt::Arguments<'_>) {
        self.print(event, |line, time| {
            write!(line, "{} {text}", self.0.color.paint(Role::Faint, clock(time)))
        });
    }

    /// Prints a whole line at once. The spy continues if the output has been closed.
    fn print<R: Serialize>(
        &self,
        event: &Event<'_, R>,
        text: impl FnOnce(&mut String, SystemTime) -> std::fmt::Result,
    ) {
        let now = SystemTime::now();
        let mut line = String::new();
        if self.0.json {
            let time = micros(now) as f64 / 1e6;
            let object = serde_json::to_string(&Line { time, event });
            line = object.expect("all keys are strings");
        } else {
            text(&mut line, now).expect("a string accepts any text");
        }
        line.push('\n');
        self.write(&line);
    }

    fn write(&self, line: &str) {
        let _ = match &self.0.sink {
            Sink::Stdout => std::io::stdout().lock().write_all(line.as_bytes()),
            Sink::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
            Sink::File(file) => { file }.write_all(line.as_bytes()),
        };
    }
}

impl Sink {
    fn is_terminal(&self) -> bool {
        match self {
            Sink::Stdout => std::io::stdout().is_terminal(),
            Sink::Stderr => std::io::stderr().is_terminal(),
            Sink::File(file) => file.is_terminal(),
        }
    }
}

/// Returns a time as libwayland prints it with WAYLAND_DEBUG=1: milliseconds, of which the microseconds
/// have 32 bits. So lines of a spy and of a program can be compared.
fn clock(time: SystemTime) -> String {
    let micros = micros(time) as u32;
    format!("[{:7}.{:03}]", micros / 1000, micros % 1000)
}

fn micros(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_micros().try_into().unwrap_or(u64::MAX)
}
