//! Being connected to: the whole handshake, or step by step.
//!
//! [`Server`] does the whole handshake, and asks a function of its user who may come in. Who wants
//! to take the time for that, or to decide more, takes the steps:
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
//! let (ours, theirs) = tokio::net::UnixStream::pair()?;
//! let client = tokio::spawn(async move { Client::new().handshake(theirs).await });
//!
//! let mut server = Server::new(Guid::generate()?).start(ours)?;
//! let connection = loop {
//!     let request = server.request().await?;
//!     println!("{:?} of uid {:?} asks", request.mechanism(), request.uid());
//!     match request.accept().begin().await? {
//!         Progress::Begun(connection) => break connection,
//!         Progress::Cancelled(again) => server = again,
//!     }
//! };
//! assert!(connection.unix_fds());
//! # client.await??;
//! # Ok(())
//! # }
//! ```
//!
//! Nobody gets in without having asked, and nothing is sent before the client begins:
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
//! request.begin().await; // it is not decided yet
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
