//! The handshake as two machines, without a socket.
//!
//! Before the first message, the two ends agree in lines of text on who the client is and on
//! whether descriptors may pass (D-Bus Specification, "Authentication Protocol"). The machines here
//! take what one receive brought, bytes and descriptors, and give what is to be sent and what has
//! happened. They are as strict as the grammar: what is no line of it is refused, never repaired,
//! because two ends that differ on where the handshake ends differ on what is a message
//! (CVE-2018-6560).
//!
//! [`client`](crate::client) and [`server`](crate::server) drive them over a socket; a proxy, a
//! fuzzer or another runtime can drive them itself:
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
//! # What a client gets that strays
//!
//! The specification leaves much open, and the servers of today differ. Where it speaks, it is
//! followed; where it is silent, the safer of dbus-daemon and dbus-broker is.
//!
//! | the client sends | it gets | as |
//! |---|---|---|
//! | a first byte that is not NUL | closed | all; the specification allows it |
//! | an unknown command, before or after OK | `ERROR`, and goes on | the specification |
//! | an unknown mechanism, or a bare `AUTH` | `REJECTED` with the list | all |
//! | the uid of somebody else, a login name | `REJECTED` with the list | all |
//! | `+0`, ` 0`, `00` for a uid | `REJECTED`: decimal digits, no zero before others | dbus-broker |
//! | an identity that is no hex, or half a byte of it | `REJECTED` | dbus-broker |
//! | two blanks, or one at the end | `REJECTED` with `AUTH` and `DATA`, `ERROR` with others | the grammar, though dbus-broker takes some |
//! | a TAB, NUL or other control character, or a byte over 0x7e, in a line | `ERROR` | dbus-daemon |
//! | lower case, a blank before the command | `ERROR` | all |
//! | LF without CR | nothing: the line goes on | all |
//! | `BEGIN` before `OK` | closed | the specification |
//! | `NEGOTIATE_UNIX_FD`, `DATA` or `CANCEL` before `AUTH` | `ERROR` | the specification |
//! | `ERROR` before `AUTH` | `REJECTED` | the specification |
//! | `CANCEL` or `ERROR` after `OK` | `REJECTED`; descriptors are no longer agreed on | the specification, dbus-broker |
//! | `AUTH` or `DATA` after `OK` | `ERROR` | the specification |
//! | `BEGIN foo`, `BEGIN` and a blank | `ERROR`: only `BEGIN` begins | dbus-broker, sd-bus |
//! | `NEGOTIATE_UNIX_FD` twice | `AGREE_UNIX_FD` twice | all |
//! | a wrong uid with all that follows, in one write | `REJECTED`, `ERROR`, closed at `BEGIN` | dbus-daemon, dbus-broker |
//! | the sixth thing to be rejected | `REJECTED`, closed | dbus-daemon |
//! | the sixteenth error | `ERROR`, closed | ours; others have no bound, or one |
//! | a line over 16 KiB with its end, or of 16 KiB without one | closed | dbus-daemon, dbus-broker |
//! | more than 64 KiB of lines | closed | ours |
//! | no `BEGIN` within 30 seconds, whatever else | closed | dbus-daemon |
//! | descriptors with bytes of the handshake | closed; where the kernel can refuse, its `sendmsg` fails | dbus-broker, sd-bus |
//! | descriptors in one call with `BEGIN` and a message | the message has them, if they were agreed on | dbus-broker |
//! | the handshake byte by byte, or in one write | the same | all |

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
