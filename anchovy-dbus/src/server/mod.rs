//! Serving clients with the handshake in one call, or step by step.
//!
//! [`Server`] performs the whole handshake and calls a function that decides which clients are
//! accepted ([`Server::authorize`]). A program whose decision takes time or needs more data can perform
//! the steps itself. Each step is a type, whose methods are the possible next steps:
//!
//! ```text
//! Unauthenticated ─ request ─▶ Request ─ accept ─▶ Accepted ─ begin ─▶ Begun(Connection)
//!        ▲                        │ reject             │
//!        └────────────────────────┴────────────────────┘ Cancelled
//! ```
//!
//! ```
//! use anchovy_dbus::server::Progress;
//! use anchovy_dbus::{Client, Guid, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (near, far) = tokio::net::UnixStream::pair()?;
//! let client = tokio::spawn(async move { Client::new().handshake(far).await });
//!
//! let mut server = Server::new(Guid::generate()?).start(near)?;
//! let connection = loop {
//!     let request = server.request().await?;
//!     println!("request: {:?}, uid {:?}", request.mechanism(), request.uid());
//!     match request.accept().begin().await? {
//!         Progress::Begun(connection) => break connection,
//!         Progress::Cancelled(unauthenticated) => server = unauthenticated,
//!     }
//! };
//! assert!(connection.unix_fds());
//! # client.await??;
//! # Ok(())
//! # }
//! ```
//!
//! A program that accepts a client before its request, or sends a message before `BEGIN`, does not
//! compile:
//!
//! ```compile_fail,E0599
//! # fn f(server: anchovy_dbus::server::Unauthenticated) {
//! server.accept();
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(server: anchovy_dbus::server::Unauthenticated) {
//! server.begin().await;
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(request: anchovy_dbus::server::Request) {
//! request.begin().await; // The request has not been accepted.
//! # }
//! ```
//!
//! ```compile_fail,E0382
//! # async fn f(request: anchovy_dbus::server::Request) {
//! request.accept();
//! request.reject().await;
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(accepted: anchovy_dbus::server::Accepted, message: anchovy_dbus::Message) {
//! accepted.send(message).await;
//! # }
//! ```

pub(crate) mod serve;
mod step;
pub(crate) mod steps;

pub use serve::Server;
pub use steps::{Accepted, Progress, Request, Unauthenticated};
