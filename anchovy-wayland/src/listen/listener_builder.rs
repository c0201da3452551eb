//! Binding a listener.

use std::path::{Path, PathBuf};

use anchovy::{AnchovyListener, Budget, PathError};

use super::listen_error::ListenError;
use super::listener::Listener;
use super::lock::Lock;
use super::write_protection;
use crate::location::{Environment, process_environment, runtime_directory, socket_path};

/// Maximum number of clients that wait to be accepted, as in libwayland.
const BACKLOG: u32 = 128;

/// Number of the last name to try, as in libwayland (`MAX_DISPLAYNO`).
const LAST_NUMBER: u32 = 32;

/// A builder for [`Listener`].
///
/// # Examples
///
/// ```
/// use anchovy_wayland::Listener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = std::env::temp_dir().join(format!("anchovy-builder-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// let builder = Listener::builder().runtime_directory(&directory).first_number(1);
/// let listener = builder.bind_free()?;
/// assert_eq!(listener.path(), Some(&*directory.join("wayland-1")));
/// # drop(listener);
/// # std::fs::remove_dir(directory)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it binds"]
pub struct ListenerBuilder {
    directory: Option<PathBuf>,
    first: u32,
    budget: Budget,
}

impl Listener {
    /// Listens on the display with this name in `XDG_RUNTIME_DIR`, or on an absolute path.
    ///
    /// This method accesses the file system and may block.
    ///
    /// # Errors
    ///
    /// Returns a [`ListenError`].
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_wayland::Listener;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let path = std::env::temp_dir().join(format!("anchovy-bind-{}", std::process::id()));
    /// let listener = Listener::bind(&path)?;
    /// assert!(path.exists());
    /// drop(listener);
    /// assert!(!path.exists());
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(name: impl AsRef<Path>) -> Result<Listener, ListenError> {
        Listener::builder().bind(name)
    }

    /// Listens on the first free display from `wayland-0` to `wayland-32` in `XDG_RUNTIME_DIR`, as
    /// libwayland's `wl_display_add_socket_auto` does.
    ///
    /// # Errors
    ///
    /// Returns a [`ListenError`]. If a name is in use, or its files cannot be replaced, the next name is
    /// tried.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    pub fn bind_free() -> Result<Listener, ListenError> {
        Listener::builder().bind_free()
    }

    /// Returns a builder that sets options of the listener.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::default()
    }
}

impl ListenerBuilder {
    /// Sets the runtime directory, which replaces `XDG_RUNTIME_DIR`. It must be absolute.
    pub fn runtime_directory(mut self, directory: impl Into<PathBuf>) -> ListenerBuilder {
        self.directory = Some(directory.into());
        self
    }

    /// Sets the first number that [`bind_free`](ListenerBuilder::bind_free) tries, at most 32. Default: 0, as
    /// in libwayland.
    ///
    /// wlroots begins with 1, so that clients without `WAYLAND_DISPLAY` do not connect to its compositors.
    pub fn first_number(mut self, first: u32) -> ListenerBuilder {
        self.first = first;
        self
    }

    /// Sets the budget of the clients; see [`Listener`](Listener#budget). All listeners of this builder share
    /// it. Default: [`Budget::default`].
    pub fn budget(mut self, budget: Budget) -> ListenerBuilder {
        self.budget = budget;
        self
    }

    /// Listens on the display with this name; see [`Listener::bind`].
    ///
    /// # Errors
    ///
    /// Returns a [`ListenError`].
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    pub fn bind(&self, name: impl AsRef<Path>) -> Result<Listener, ListenError> {
        self.bind_in(name.as_ref(), &process_environment)
    }

    /// Listens on the first free display; see [`Listener::bind_free`].
    ///
    /// # Errors
    ///
    /// Returns a [`ListenError`].
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    pub fn bind_free(&self) -> Result<Listener, ListenError> {
        self.bind_free_in(&process_environment)
    }

    fn bind_in(&self, name: &Path, environment: Environment<'_>) -> Result<Listener, ListenError> {
        let path = socket_path(name, self.directory.as_deref(), environment)?;
        // Without this check, a lock file would be created for a path that is too long for a socket.
        PathError::check(&path).map_err(anchovy::ListenError::from)?;
        let lock = Lock::acquire(&path)?;
        write_protection::check(&path)?;
        let budget = self.budget.clone();
        let builder = AnchovyListener::builder().replace_stale(true).backlog(BACKLOG);
        let socket = builder.budget(budget.clone()).bind(&path)?;
        Ok(Listener { socket, lock: Some(lock), name: Some(name.to_owned()), budget })
    }

    fn bind_free_in(&self, environment: Environment<'_>) -> Result<Listener, ListenError> {
        let mut reason = None;
        for number in self.first..=LAST_NUMBER {
            match self.bind_in(Path::new(&format!("wayland-{number}")), environment) {
                Err(error) if error.is_about_one_name() => {
                    reason.get_or_insert(error);
                }
                result => return result,
            }
        }
        let directory = runtime_directory(self.directory.as_deref(), environment)?;
        Err(ListenError::NoFreeName {
            directory,
            first: self.first,
            last: LAST_NUMBER,
            reason: reason.map(Box::new),
        })
    }
}
