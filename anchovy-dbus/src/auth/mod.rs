//! The handshake as two state machines, without a socket.
//!
//! Before the first message, the two ends exchange lines of text. The client authenticates, and
//! descriptor passing is negotiated (D-Bus Specification, "Authentication Protocol"). The state
//! machines take the bytes and descriptors of each receive, and return the bytes to send and the
//! events. They accept only lines that match the grammar of the specification: if two ends disagree on
//! where the handshake ends, they disagree on what is a message (CVE-2018-6560).
//!
//! [`client`](crate::client) and [`server`](crate::server) run the state machines over a socket. A
//! proxy, a fuzzer or another runtime can run them without one.
//!
//! # Examples
//!
//! ```
//! use anchovy_dbus::auth::{ClientAuth, Event, Login, Reply, ServerAuth};
//! use anchovy_dbus::{Guid, HandshakeLimits};
//!
//! let guid = Guid::generate()?;
//! let mut client = ClientAuth::new(HandshakeLimits::default());
//! let mut server = ServerAuth::new(guid, Some(1000), HandshakeLimits::default());
//!
//! client.pipeline(Login::External)?;
//! server.receive(&client.take_output(), Vec::new());
//! assert!(matches!(server.next_event()?, Some(Event::Request(_))));
//! server.accept()?;
//! assert!(matches!(server.next_event()?, Some(Event::Begin)));
//!
//! client.receive(&server.take_output(), Vec::new());
//! assert_eq!(client.next_reply()?, Some(Reply::Accepted(guid)));
//! assert_eq!(client.next_reply()?, Some(Reply::UnixFds(true)));
//! assert!(server.unix_fds());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Protocol violations
//!
//! The specification leaves many cases open, and existing servers differ. This crate follows the
//! specification. In cases that the specification leaves open, this crate behaves as the stricter one of
//! dbus-daemon and dbus-broker does, except in the rows whose last column is *this crate*.
//!
//! The last column names the implementations that do the same, or the specification if it requires the
//! result. *All* includes at least dbus-daemon and dbus-broker. *The grammar* is the grammar of the lines
//! in the specification. The numbers are the defaults of [`HandshakeLimits`](crate::HandshakeLimits).
//!
//! | The client sends | Result | Same behavior in |
//! |---|---|---|
//! | a first byte that is not NUL | the connection is closed | all; the specification allows the server to close it |
//! | an unknown command, before or after `OK` | `ERROR`, and the handshake continues | the specification |
//! | an unknown mechanism, or `AUTH` without arguments | `REJECTED` with the list of mechanisms | all |
//! | the uid of another user, or a login name | `REJECTED` with the list of mechanisms | all |
//! | `+0`, ` 0` or `00` as uid | `REJECTED`; only decimal digits without leading zeros are valid | dbus-broker |
//! | an identity that is not hex, or has an odd number of digits | `REJECTED` | dbus-broker |
//! | two spaces, or one at the end of the line | `REJECTED` for `AUTH` and `DATA`, `ERROR` for other commands | the grammar; dbus-broker accepts some |
//! | a tab, a NUL, another control character or a byte over 0x7e in a line | `ERROR` | dbus-daemon |
//! | a command in lower case, or after a space | `ERROR` | all |
//! | LF without CR | no reply; the line continues | all |
//! | `BEGIN` before `OK` | the connection is closed | the specification |
//! | `NEGOTIATE_UNIX_FD`, `DATA` or `CANCEL` before `AUTH` | `ERROR` | the specification |
//! | `ERROR` before `AUTH` | `REJECTED` | the specification |
//! | `CANCEL` or `ERROR` after `OK` | `REJECTED`; the agreement on descriptor passing ends | the specification, dbus-broker |
//! | `AUTH` or `DATA` after `OK` | `ERROR` | the specification |
//! | `BEGIN foo`, or `BEGIN` and a space | `ERROR`; only `BEGIN` ends the handshake | dbus-broker, sd-bus |
//! | `NEGOTIATE_UNIX_FD` twice | `AGREE_UNIX_FD` twice | all |
//! | a wrong uid and the rest of the handshake in one write | `REJECTED`, `ERROR`, and the connection is closed at `BEGIN` | dbus-daemon, dbus-broker |
//! | the sixth line that this crate or the caller rejects ([`max_rejects`](crate::HandshakeLimits::max_rejects)) | `REJECTED`, and the connection is closed | dbus-daemon |
//! | the sixteenth line to which the reply is `ERROR` ([`max_errors`](crate::HandshakeLimits::max_errors)) | `ERROR`, and the connection is closed | this crate; others have no limit, or a limit of one |
//! | a line that has more than 16 KiB including `\r\n`, or 16 KiB and no `\r\n` yet ([`max_line_bytes`](crate::HandshakeLimits::max_line_bytes)) | the connection is closed | dbus-daemon, dbus-broker |
//! | more than 64 KiB of lines ([`max_bytes`](crate::HandshakeLimits::max_bytes)) | the connection is closed | this crate |
//! | no `BEGIN` within 30 seconds ([`timeout`](crate::HandshakeLimits::timeout)) | the connection is closed | dbus-daemon |
//! | descriptors in a `sendmsg` that contains only bytes of the handshake | the `sendmsg` fails if the kernel [refuses](crate::Server::fds_before_agreement) descriptors; otherwise, the connection is closed | dbus-broker, sd-bus |
//! | descriptors in one `sendmsg` with `BEGIN` and a message | the `sendmsg` fails if the kernel refuses descriptors; otherwise, the message has them if descriptor passing was negotiated | dbus-broker |
//! | the handshake byte by byte, or in one write | the same replies | all |

pub(crate) mod client;
pub(crate) mod error;
mod expected;
mod inbox;
mod line;
pub(crate) mod login;
pub(crate) mod mechanism;
pub(crate) mod reply;
pub(crate) mod server;

pub use client::ClientAuth;
pub use error::HandshakeError;
pub use login::Login;
pub use mechanism::Mechanism;
pub use reply::Reply;
pub use server::{Event, Request, ServerAuth};
