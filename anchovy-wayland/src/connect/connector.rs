//! Connecting to the display that the environment or the caller names.

use std::ffi::OsString;
use std::path::PathBuf;

use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};

use super::connect_error::ConnectError;
use super::connected::Connected;
use super::inherited_socket;
use super::origin::Origin;
use crate::location::{DISPLAY, Environment, SOCKET, process_environment, socket_path};

/// The default name of the display, as in libwayland.
const DEFAULT: &str = "wayland-0";

/// Connects to the compositor that the environment names, as libwayland's `wl_display_connect` does.
///
/// This function calls [`Connector::connect`] of [`Connector::new`].
///
/// # Errors
///
/// Returns the errors of [`Connector::connect`].
///
/// # Panics
///
/// Panics outside of a tokio runtime with I/O and time enabled.
///
/// # Cancel safety
///
/// This function is cancel safe; see [`Connector::connect`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// match anchovy_wayland::connect().await {
///     Ok(connected) => println!("connected to {}", connected.origin),
///     Err(error) => println!("{error}"),
/// }
/// # }
/// ```
pub async fn connect() -> Result<Connected, ConnectError> {
    Connector::new().connect().await
}

/// A builder for connections to a compositor. By default, it connects as libwayland's
/// `wl_display_connect` does:
///
/// 1. If `WAYLAND_SOCKET` is set, it is the number of a connected socket that this process has inherited.
///    This socket is used even if a [name](Connector::display) is set. If it cannot be used, nothing else
///    is tried.
/// 2. Otherwise the display is named by [`display`](Connector::display), or else by `WAYLAND_DISPLAY`, or
///    else it is `wayland-0`.
/// 3. An absolute name is the path of the socket. Another name is relative to `XDG_RUNTIME_DIR`.
///
/// # The inherited socket
///
/// The code that reads `WAYLAND_SOCKET` takes ownership of the descriptor with this number. If the number
/// is wrong, the descriptor belongs to other code. So the descriptor is used only if
///
/// - its number is 3 or more, and it is open;
/// - it is not close-on-exec: the standard library, tokio and this crate open only close-on-exec
///   descriptors, so a descriptor that is not close-on-exec usually comes from the parent process;
/// - it is a connected Unix stream socket;
/// - it was not taken before in this process.
///
/// The connection is moved to a new close-on-exec descriptor. From then on until the process ends, the
/// descriptor with the number in `WAYLAND_SOCKET` refers to an unconnected socket, and is close-on-exec. The
/// variable stays set, because `std::env::remove_var` is not sound in a process with threads. So another
/// library that reads the variable gets a socket that fails, and not a file that has been opened with the
/// same number later.
///
/// The caller must ensure the following:
///
/// - No other code in this process has already taken the socket, as libwayland in a toolkit would.
/// - No other code in this process has opened a connected Unix stream socket that has this number and is
///   not close-on-exec. Otherwise that code would lose its connection: its reads and writes would fail.
///   Even if this or the previous condition is violated, no descriptor is closed twice.
/// - `WAYLAND_SOCKET` is removed from the environment of child processes that are started later
///   ([`without_inherited_socket`](crate::without_inherited_socket)). They do not inherit the socket, and
///   would fail to connect with the variable.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::{Connection, Connector, Limits};
/// # use anchovy_wayland::Listener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(format!("anchovy-connector-{}", std::process::id()));
/// # let _listener = Listener::bind(&path)?;
/// let connector = Connector::new();
/// # let connector = connector.without_environment().display(path);
/// let connected = connector.connect().await?;
/// println!("connected to {}", connected.origin);
/// let connection = Connection::client(connected.stream, Limits::client())?;
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a connector does nothing until it connects"]
pub struct Connector {
    name: Option<PathBuf>,
    directory: Option<PathBuf>,
    without_inherited: bool,
    without_environment: bool,
}

impl Connector {
    /// Creates a connector with the defaults, which are those of libwayland.
    pub fn new() -> Connector {
        Connector::default()
    }

    /// Sets the name or absolute path of the display, which replaces `WAYLAND_DISPLAY`.
    ///
    /// As in libwayland, `WAYLAND_SOCKET` has priority; see
    /// [`without_inherited`](Connector::without_inherited).
    pub fn display(mut self, name: impl Into<PathBuf>) -> Connector {
        self.name = Some(name.into());
        self
    }

    /// Sets the runtime directory, which replaces `XDG_RUNTIME_DIR`. It must be absolute.
    pub fn runtime_directory(mut self, directory: impl Into<PathBuf>) -> Connector {
        self.directory = Some(directory.into());
        self
    }

    /// Ignores `WAYLAND_SOCKET` and does not use the inherited socket.
    ///
    /// Use it for a second connection of a process, and for a proxy whose inherited socket has another
    /// purpose.
    pub fn without_inherited(mut self) -> Connector {
        self.without_inherited = true;
        self
    }

    /// Ignores all variables of the environment: `WAYLAND_SOCKET`, `WAYLAND_DISPLAY` and
    /// `XDG_RUNTIME_DIR`.
    pub fn without_environment(mut self) -> Connector {
        self.without_environment = true;
        self
    }

    /// Connects to the compositor.
    ///
    /// While the backlog of the compositor is full, this method waits without a time limit, as a blocking
    /// connect(2) does. Use a timeout if the compositor may hang. A compositor sends nothing before the
    /// first request, so a successful connect does not prove that it responds.
    ///
    /// # Errors
    ///
    /// Returns a [`ConnectError`]. An inherited socket that cannot be used is left unchanged.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, a new socket is closed. The inherited socket is
    /// taken without an await, so it is either returned or not taken.
    pub async fn connect(&self) -> Result<Connected, ConnectError> {
        let target = if self.without_environment {
            self.target(&|_| None)?
        } else {
            self.target(&process_environment)?
        };
        match target {
            Target::Inherited(value) => {
                let stream = inherited_socket::take(&value)?;
                Ok(Connected { stream, origin: Origin::Inherited })
            }
            Target::Socket(path) => {
                let stream = AnchovyStream::<WAYLAND_SCM_RIGHTS>::connect(&path).await?;
                Ok(Connected { stream, origin: Origin::Path(path) })
            }
        }
    }

    fn target(&self, environment: Environment<'_>) -> Result<Target, ConnectError> {
        if !self.without_inherited {
            if let Some(value) = environment(SOCKET) {
                return Ok(Target::Inherited(value));
            }
        }
        let name = match &self.name {
            Some(name) => name.clone(),
            None => environment(DISPLAY).map_or_else(|| PathBuf::from(DEFAULT), PathBuf::from),
        };
        let directory = self.directory.as_deref();
        Ok(Target::Socket(socket_path(&name, directory, environment)?))
    }
}

/// The socket to use.
#[derive(Debug)]
enum Target {
    /// The inherited socket. This is the value of `WAYLAND_SOCKET`.
    Inherited(OsString),
    /// The socket at this path.
    Socket(PathBuf),
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::location::RUNTIME_DIRECTORY;
    use crate::location_error::LocationError;

    /// Returns the socket that a connector would use, as a text.
    fn target(connector: &Connector, environment: &[(&str, &str)]) -> String {
        let look = |variable: &str| {
            let found = environment.iter().find(|(name, _)| *name == variable);
            found.map(|(_, value)| OsString::from(value))
        };
        match connector.target(&look) {
            Ok(Target::Inherited(value)) => format!("inherited {}", value.to_str().unwrap()),
            Ok(Target::Socket(path)) => path.to_str().unwrap().to_owned(),
            Err(ConnectError::Location(error)) => format!("{error:?}"),
            Err(error) => panic!("{error:?}"),
        }
    }

    const ALL: [(&str, &str); 3] =
        [(SOCKET, "7"), (DISPLAY, "wayland-3"), (RUNTIME_DIRECTORY, "/run/me")];

    #[test]
    fn the_inherited_socket_has_priority_over_all_names() {
        assert_eq!(target(&Connector::new(), &ALL), "inherited 7");
        assert_eq!(target(&Connector::new().display("wayland-9"), &ALL), "inherited 7");
        assert_eq!(target(&Connector::new().display("/a/b"), &ALL), "inherited 7");
    }

    #[test]
    fn an_invalid_inherited_socket_is_an_error_without_a_fallback() {
        for value in ["", "x", "-1"] {
            let environment = [(SOCKET, value), ALL[1], ALL[2]];
            assert_eq!(target(&Connector::new(), &environment), format!("inherited {value}"));
        }
    }

    #[test]
    fn a_given_name_precedes_the_environment_and_the_default() {
        let connector = Connector::new().without_inherited();
        assert_eq!(target(&connector.clone().display("wayland-9"), &ALL), "/run/me/wayland-9");
        assert_eq!(target(&connector, &ALL), "/run/me/wayland-3");
        assert_eq!(target(&connector, &ALL[2..]), "/run/me/wayland-0");
        assert_eq!(target(&Connector::new(), &ALL[1..]), "/run/me/wayland-3");
    }

    #[test]
    fn an_absolute_display_needs_no_runtime_directory() {
        assert_eq!(target(&Connector::new(), &[(DISPLAY, "/a/b")]), "/a/b");
        assert_eq!(target(&Connector::new().display("/a/b"), &[]), "/a/b");
    }

    #[test]
    fn an_empty_display_is_not_the_default() {
        let found = target(&Connector::new(), &[(DISPLAY, ""), ALL[2]]);
        assert_eq!(found, format!("{:?}", LocationError::EmptyName));
    }

    #[test]
    fn a_given_directory_precedes_that_of_the_environment() {
        let connector = Connector::new().runtime_directory("/run/given");
        assert_eq!(target(&connector, &ALL[1..]), "/run/given/wayland-3");
    }

    #[test]
    fn without_environment_ignores_all_variables() {
        interop_tests::run(async {
            // Cargo and the shell set variables, so that the process has an environment here.
            let error = Connector::new().without_environment().connect().await.unwrap_err();
            assert!(matches!(error, ConnectError::Location(LocationError::NoRuntimeDirectory)));
        });
    }

    #[test]
    fn the_connect_future_is_send() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&Connector::new().connect());
    }
}
