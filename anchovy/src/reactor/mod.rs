//! Sockets that are registered with tokio: readiness, and the calls that create them.
//!
//! On Linux, the readiness includes that of out-of-band bytes, which tokio's own `UnixStream` does not
//! request.

mod transfer;
pub(crate) use transfer::{Transfer, TryIo};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use linux::{Accepted, ClientAddress, Listener, Stream};

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod other;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use other::{Accepted, ClientAddress, Listener, Stream};
