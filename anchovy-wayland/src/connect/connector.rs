//! Where a client connects to.

use std::ffi::OsString;
use std::path::PathBuf;

use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};

use super::connect_error::ConnectError;
use super::connected::Connected;
use super::inherited_socket;
use super::origin::Origin;
use crate::location::{DISPLAY, Environment, SOCKET, process_environment, socket_path};

/// The display if none is named, as in libwayland.
const DEFAULT: &str = "wayland-0";

/// Connects to the compositor that the environment names, as libwayland's `wl_display_connect` does.
///
/// This is [`Connector::connect`] of [`Connector::new`]; see there for the rules.
///
/// # Errors
///
/// [`ConnectError`].
///
/// # Panics
///
/// Outside of a tokio runtime with I/O and time enabled.
///
/// # Cancel safety
///
/// Cancel safe.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// match anchovy_wayland::connect().await {
///     Ok(connected) => println!("connected through {}", connected.origin),
///     Err(error) => println!("{error}"),
/// }
/// # }
/// ```
pub async fn connect() -> Result<Connected, ConnectError> {
    Connector::new().connect().await
}

/// Options for connecting to a compositor. By default, it connects as libwayland's `wl_display_connect`
/// does.
///
/// 1. `WAYLAND_SOCKET`, if it is set, is the number of a connected socket that this process has
///    inherited. Nothing else is tried then, whether the socket can be used or not, and whatever
///    [name](Connector::display) was given.
/// 2. Otherwise there is a name: the one that was [given](Connector::display), or else that in
///    `WAYLAND_DISPLAY`, or else `wayland-0`.
/// 3. An absolute name is the path of a socket; any other is one in the directory that
///    `XDG_RUNTIME_DIR` names.
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
/// println!("connected through {}", connected.origin);
/// let connection = Connection::client(connected.stream, Limits::client())?;
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
///
/// # The inherited socket
///
/// The variable has a number, and whoever reads it must be sure that this number is meant for them.
/// So it is used only if it is 3 or more, open, inheritable (what this process has opened itself is
/// close-on-exec, since the standard library, tokio and this crate open nothing else), a Unix stream
/// socket, connected, and not taken before in this process. The connection is then moved to a
/// close-on-exec descriptor of its own, and an unconnected socket, close-on-exec too, takes its place
/// under the number until the process ends: the variable itself cannot be removed soundly from a
/// process with threads (`std::env::remove_var`), and so another library that reads it finds a socket
/// that fails, and not some file that has got the number since.
///
/// What is left to you:
///
/// - Nobody else in this process may take the socket *before*, as libwayland in a toolkit would. Nor
///   should there be, under this number, a connected Unix stream socket that this process has made
///   and left inheritable: it would be lost to its owner, whose reads and writes would fail; no
///   descriptor is closed twice in any case.
/// - A child that is started before has inherited the socket; one that is started after has not, and
///   should not be told of it: [`without_inherited_socket`](crate::without_inherited_socket).
#[derive(Clone, Debug, Default)]
#[must_use = "a connector does nothing until it connects"]
pub struct Connector {
    name: Option<PathBuf>,
    directory: Option<PathBuf>,
    without_inherited: bool,
    without_environment: bool,
}

impl Connector {
    /// One that does all that libwayland does.
    pub fn new() -> Connector {
        Connector::default()
    }

    /// Uses this name or absolute path instead of `WAYLAND_DISPLAY`.
    ///
    /// As in libwayland, `WAYLAND_SOCKET` goes before it; see
    /// [`without_inherited`](Connector::without_inherited).
    pub fn display(mut self, name: impl Into<PathBuf>) -> Connector {
        self.name = Some(name.into());
        self
    }

    /// Uses this directory instead of that in `XDG_RUNTIME_DIR`. It has to be absolute, too.
    pub fn runtime_directory(mut self, directory: impl Into<PathBuf>) -> Connector {
        self.directory = Some(directory.into());
        self
    }

    /// Leaves the inherited socket alone, and does not look at `WAYLAND_SOCKET`.
    ///
    /// That is what a second connection of a process needs, and what a proxy needs that was given a
    /// socket for another purpose.
    pub fn without_inherited(mut self) -> Connector {
        self.without_inherited = true;
        self
    }

    /// Looks at no variable at all: neither `WAYLAND_SOCKET` nor `WAYLAND_DISPLAY` nor
    /// `XDG_RUNTIME_DIR`.
    pub fn without_environment(mut self) -> Connector {
        self.without_environment = true;
        self
    }

    /// Connects.
    ///
    /// Where the queue of connections of a compositor is full, this waits for room as a blocking
    /// connect(2) does, for as long as that takes: give it a time limit where the compositor may
    /// hang. The compositor says nothing before it is asked, so this does not show that it is alive.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]. An inherited socket that was refused is left as it was.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a socket that was made is closed. The inherited socket is taken without a pause,
    /// so it is either taken and returned or still there.
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

/// What is connected to.
#[derive(Debug)]
enum Target {
    /// What `WAYLAND_SOCKET` says.
    Inherited(OsString),
    /// The socket at this path.
    Socket(PathBuf),
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::location::RUNTIME_DIRECTORY;
    use crate::location_error::LocationError;

    /// What a connector would connect to, as a text.
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
    fn the_inherited_socket_goes_before_the_display_and_any_name() {
        assert_eq!(target(&Connector::new(), &ALL), "inherited 7");
        assert_eq!(target(&Connector::new().display("wayland-9"), &ALL), "inherited 7");
        assert_eq!(target(&Connector::new().display("/a/b"), &ALL), "inherited 7");
    }

    #[test]
    fn an_inherited_socket_that_makes_no_sense_is_no_reason_to_fall_back() {
        for value in ["", "x", "-1"] {
            let environment = [(SOCKET, value), ALL[1], ALL[2]];
            assert_eq!(target(&Connector::new(), &environment), format!("inherited {value}"));
        }
    }

    #[test]
    fn a_name_goes_before_the_display_and_the_display_before_the_default() {
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
    fn an_empty_display_is_not_the_default_one() {
        let found = target(&Connector::new(), &[(DISPLAY, ""), ALL[2]]);
        assert_eq!(found, format!("{:?}", LocationError::EmptyName));
    }

    #[test]
    fn a_given_directory_goes_before_that_of_the_environment() {
        let connector = Connector::new().runtime_directory("/run/given");
        assert_eq!(target(&connector, &ALL[1..]), "/run/given/wayland-3");
    }

    #[test]
    fn without_the_environment_no_variable_counts() {
        interop_tests::run(async {
            // Cargo and the shell set variables, so that the process has an environment here.
            let error = Connector::new().without_environment().connect().await.unwrap_err();
            assert!(matches!(error, ConnectError::Location(LocationError::NoRuntimeDirectory)));
        });
    }

    #[test]
    fn connecting_can_be_done_by_a_task_of_any_thread() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&Connector::new().connect());
    }
}
