//! Connecting with the handshake in one call, or step by step.
//!
//! [`Client`] performs the whole handshake. A program that makes decisions during the handshake can
//! perform the steps itself. Each step is a type, whose methods are the possible next steps:
//!
//! ```text
//! Unauthenticated ─ authenticate ─▶ Accepted(Authenticated) ─ negotiate_unix_fd ─▶ Negotiated
//!                        │  ▲                │      └────────────── begin ────┐     │ begin │
//!                        ▼  │ authenticate   │ cancel                         ▼     ▼       │
//!                      Rejected ◀────────────┘                              Connection      │
//!                         ▲                                                                 │
//!                         └──────────────────────────── cancel ─────────────────────────────┘
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
//!     Authentication::Rejected(rejected) => panic!("rejected; use {}", rejected.mechanisms()),
//! };
//! let negotiated = authenticated.negotiate_unix_fd().await?;
//! assert!(negotiated.unix_fds());
//! let mut connection = negotiated.begin().await?;
//! connection.send(Message::signal("/", "com.example.Clock", "Tick").build()?).await?;
//! # served.await??;
//! # Ok(())
//! # }
//! ```
//!
//! A program that skips a step does not compile, because the type has no such method:
//!
//! ```compile_fail,E0599
//! # async fn f(client: anchovy_dbus::client::Unauthenticated) {
//! client.begin().await; // The server has not accepted the client.
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(client: anchovy_dbus::client::Unauthenticated) {
//! client.negotiate_unix_fd().await; // A server accepts this after OK only.
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(rejected: anchovy_dbus::client::Rejected) {
//! rejected.begin().await;
//! # }
//! ```
//!
//! A program that repeats a step does not compile:
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
//! A program that sends a message before `BEGIN` does not compile:
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
//! Whether descriptors can be sent depends on the reply of the server, so it is checked at run time. If
//! they were not negotiated, sending them fails with
//! [`FdsNotAgreed`](crate::SendErrorKind::FdsNotAgreed), and the error contains the message.

pub(crate) mod connect;
pub(crate) mod open_error;
mod step;
pub(crate) mod steps;

pub use connect::Client;
pub use open_error::OpenError;
pub use steps::{Authenticated, Authentication, Negotiated, Rejected, Unauthenticated};
