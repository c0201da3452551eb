//! Options for listening.

use std::path::{Path, PathBuf};

use anchovy::{AnchovyListener, Budget, PathError};

use super::listen_error::ListenError;
use super::listener::Listener;
use super::lock::Lock;
use super::write_protection;
use crate::location::{Environment, process_environment, runtime_directory, socket_path};

/// Number of clients that may wait to be accepted, as in libwayland.
const BACKLOG: u32 = 128;

/// The number of the last name that is tried, as in libwayland (`MAX_DISPLAYNO`).
const LAST_NUMBER: u32 = 32;

/// A builder for [`Listener`].
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
    /// Listens on the display of this name in `XDG_RUNTIME_DIR`, or on this absolute path.
    ///
    /// It makes system calls that may wait for a disk.
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
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and timers.
    pub fn bind(name: impl AsRef<Path>) -> Result<Listener, ListenError> {
        Listener::builder().bind(name)
    }

    /// Listens on the first free display of `wayland-0` to `wayland-32` in `XDG_RUNTIME_DIR`, as libwayland's
    /// `wl_display_add_socket_auto` does.
    ///
    /// # Errors
    ///
    /// [`ListenError`]. An error of one name alone is not returned: the next name is tried.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and timers.
    pub fn bind_free() -> Result<Listener, ListenError> {
        Listener::builder().bind_free()
    }

    /// Returns a builder, for options.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::default()
    }
}

impl ListenerBuilder {
    /// Sets the directory to use instead of `XDG_RUNTIME_DIR`. It must be absolute, too.
    pub fn runtime_directory(mut self, directory: impl Into<PathBuf>) -> ListenerBuilder {
        self.directory = Some(directory.into());
        self
    }

    /// Sets the first number that [`bind_free`](ListenerBuilder::bind_free) tries. Default: 0, as in
    /// libwayland. wlroots begins with 1, so that no client gets the default display by accident. No name
    /// is free for a number above 32.
    pub fn first_number(mut self, first: u32) -> ListenerBuilder {
        self.first = first;
        self
    }

    /// Sets the budget that clients are charged to, each to the account of its uid; see
    /// [`Listener`](Listener#budget). All listeners that this builder makes share it. Default:
    /// [`Budget::default`].
    pub fn budget(mut self, budget: Budget) -> ListenerBuilder {
        self.budget = budget;
        self
    }

    /// Listens on the display of this name; see [`Listener::bind`].
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and timers.
    pub fn bind(&self, name: impl AsRef<Path>) -> Result<Listener, ListenError> {
        self.bind_in(name.as_ref(), &process_environment)
    }

    /// Listens on the first free display; see [`Listener::bind_free`].
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and timers.
    pub fn bind_free(&self) -> Result<Listener, ListenError> {
        self.bind_free_in(&process_environment)
    }

    fn bind_in(&self, name: &Path, environment: Environment<'_>) -> Result<Listener, ListenError> {
        let path = socket_path(name, self.directory.as_deref(), environment)?;
        // Before a lock file is made for a path that no socket can have.
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
