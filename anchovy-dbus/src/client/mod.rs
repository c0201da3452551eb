//! Connecting: everything at once, or step by step.
//!
//! [`Client`] does the whole handshake. Who wants to decide in between, takes the steps, each of
//! which is a type that has only what may come next:
//!
//! ```text
//! Unauthenticated ─ authenticate ─▶ Accepted(Authenticated) ─ negotiate_unix_fd ─▶ Negotiated
//!                        │  ▲                │      └────────────── begin ────┐        │ begin
//!                        ▼  │ authenticate   │ cancel                         ▼        ▼
//!                      Rejected ◀────────────┘                              Connection
//! ```
//!
//! ```
//! use anchovy_dbus::auth::Login;
//! use anchovy_dbus::client::Authentication;
//! use anchovy_dbus::{Client, Message};
//! # use anchovy_dbus::{Guid, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (socket, far) = tokio::net::UnixStream::pair()?;
//! # let server = Server::new(Guid::generate()?);
//! # let served = tokio::spawn(async move { server.handshake(far).await });
//! let client = Client::new().start(socket)?;
//! let authenticated = match client.authenticate(Login::External).await? {
//!     Authentication::Accepted(authenticated) => authenticated,
//!     Authentication::Rejected(rejected) => panic!("it takes {}", rejected.mechanisms()),
//! };
//! let negotiated = authenticated.negotiate_unix_fd().await?;
//! assert!(negotiated.unix_fds());
//! let mut connection = negotiated.begin().await?;
//! connection.send(Message::signal("/", "com.example.Door", "Opened").build()?).await?;
//! # served.await??;
//! # Ok(())
//! # }
//! ```
//!
//! A step that is skipped does not compile, for there is no such method:
//!
//! ```compile_fail,E0599
//! # async fn f(client: anchovy_dbus::client::Unauthenticated) {
//! client.begin().await; // nobody has been let in
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(client: anchovy_dbus::client::Unauthenticated) {
//! client.negotiate_unix_fd().await; // servers take that once they have said OK
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(rejected: anchovy_dbus::client::Rejected) {
//! rejected.begin().await;
//! # }
//! ```
//!
//! Nor does one that is repeated:
//!
//! ```compile_fail,E0382
//! # async fn f(client: anchovy_dbus::client::Unauthenticated) {
//! use anchovy_dbus::auth::Login;
//!
//! let first = client.authenticate(Login::External).await;
//! let again = client.authenticate(Login::External).await;
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(negotiated: anchovy_dbus::client::Negotiated) {
//! negotiated.negotiate_unix_fd().await;
//! # }
//! ```
//!
//! ```compile_fail,E0382
//! # async fn f(authenticated: anchovy_dbus::client::Authenticated) {
//! let connection = authenticated.begin().await;
//! let another = authenticated.begin().await;
//! # }
//! ```
//!
//! Nor does a message before `BEGIN`:
//!
//! ```compile_fail,E0599
//! # async fn f(negotiated: anchovy_dbus::client::Negotiated, message: anchovy_dbus::Message) {
//! negotiated.send(message).await;
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(authenticated: anchovy_dbus::client::Authenticated, message: anchovy_dbus::Message) {
//! authenticated.send(message).await;
//! # }
//! ```
//!
//! Whether descriptors may pass is the server's answer, which no type can know: sending them without
//! it fails with [`FdsNotAgreed`](crate::SendErrorKind::FdsNotAgreed), and the message comes back.

pub(crate) mod connect;
mod open_error;
mod step;
pub(crate) mod steps;

pub use connect::Client;
pub use open_error::OpenError;
pub use steps::{Authenticated, Authentication, Negotiated, Rejected, Unauthenticated};
