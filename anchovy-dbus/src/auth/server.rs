//! The server's side of a handshake.
//!
//! | State | Line | Reply | Next state |
//! |---|---|---|---|
//! | `Nul` | the byte 0 | | `Auth` |
//! | `Auth` | `AUTH` with a valid identity | | `Asked` |
//! | | `AUTH EXTERNAL` | `DATA` | `Data` |
//! | | any other `AUTH`, `ERROR` | `REJECTED` | |
//! | | `BEGIN` | | closed |
//! | `Data` | `DATA` with a valid identity | | `Asked` |
//! | | any other `DATA`, `CANCEL`, `ERROR` | `REJECTED` | `Auth` |
//! | | `BEGIN` | | closed |
//! | `Asked` | (no line is read until the caller has decided) | `OK`, `REJECTED` | `Accepted`, `Auth` |
//! | `Accepted` | `NEGOTIATE_UNIX_FD` | `AGREE_UNIX_FD`, `ERROR` | |
//! | | `CANCEL`, `ERROR` | `REJECTED` | `Auth` |
//! | | `BEGIN` | | `Begun` |
//! | any | anything else | `ERROR` | |

use std::os::fd::OwnedFd;

use anchovy::codec::FdSet;
use bytes::BytesMut;

use super::error::HandshakeError;
use super::inbox::Inbox;
use super::line;
use super::mechanism::Mechanism;
use crate::guid::Guid;
use crate::limits::HandshakeLimits;

/// The state machine of a server's handshake: takes received lines, returns replies and
/// [events](Event).
///
/// After an error other than [`OutOfOrder`](HandshakeError::OutOfOrder), the handshake stays failed:
/// every method that returns a `Result` returns the same error, received bytes are dropped, and no
/// output is added.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::auth::{Event, ServerAuth};
/// use anchovy_dbus::{Guid, HandshakeLimits};
///
/// let mut auth = ServerAuth::new(Guid::generate()?, Some(1000), HandshakeLimits::default());
/// auth.receive(b"\0AUTH EXTERNAL\r\nDATA\r\n", Vec::new());
/// let Some(Event::Request(request)) = auth.next_event()? else { panic!("no request") };
/// assert_eq!(request.uid, Some(1000));
///
/// auth.accept()?;
/// assert!(auth.next_event()?.is_none()); // More lines are required.
/// assert!(auth.take_output().starts_with(b"DATA\r\nOK "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ServerAuth {
    inbox: Inbox,
    output: BytesMut,
    state: State,
    guid: Guid,
    peer_uid: Option<u32>,
    mechanisms: Vec<Mechanism>,
    offers_fds: bool,
    unix_fds: bool,
    rejects: usize,
    errors: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Nul,
    Auth,
    Data,
    Asked(Request),
    Accepted,
    Begun,
}

/// An event of a server's handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The client requests authentication, and waits for [`accept`](ServerAuth::accept) or
    /// [`reject`](ServerAuth::reject). With `EXTERNAL`, its identity has been checked.
    Request(Request),
    /// The client canceled after it was accepted. It can authenticate again.
    Cancelled,
    /// The client sent `BEGIN`. The handshake is complete, and messages follow.
    Begin,
}

/// An authentication request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The mechanism that the client uses.
    pub mechanism: Mechanism,
    /// The uid that the kernel reports, or `None` with `ANONYMOUS`. If the client claims a uid, it is the
    /// same one.
    pub uid: Option<u32>,
}

impl ServerAuth {
    /// Creates a handshake that offers `EXTERNAL` and agrees to descriptor passing.
    ///
    /// `peer_uid` is the uid of the client that the kernel reports (`SO_PEERCRED`, unix(7)). With
    /// `None`, every client that uses `EXTERNAL` is rejected.
    pub fn new(guid: Guid, peer_uid: Option<u32>, limits: HandshakeLimits) -> ServerAuth {
        ServerAuth {
            inbox: Inbox::new(limits),
            output: BytesMut::new(),
            state: State::Nul,
            guid,
            peer_uid,
            mechanisms: vec![Mechanism::External],
            offers_fds: true,
            unix_fds: false,
            rejects: 0,
            errors: 0,
        }
    }

    /// Sets the mechanisms to offer, in this order.
    pub fn set_mechanisms(&mut self, mechanisms: &[Mechanism]) {
        self.mechanisms = mechanisms.to_vec();
    }

    /// Sets whether the server agrees to descriptor passing. Default: `true`.
    pub fn set_unix_fds(&mut self, offered: bool) {
        self.offers_fds = offered;
    }

    /// Adds the bytes and descriptors of one receive. Call it once for each receive, in order.
    pub fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.inbox.receive(bytes, fds);
    }

    /// Returns the next event, or `None` if more bytes are required.
    ///
    /// A [request](Event::Request) is returned by each call until it is accepted or rejected.
    ///
    /// # Errors
    ///
    /// Returns the [`HandshakeError`] with which the handshake has failed. Send the output, and close the
    /// connection. After [`Event::Begin`], the only error is
    /// [`Descriptors`](HandshakeError::Descriptors), for descriptors that were not negotiated.
    pub fn next_event(&mut self) -> Result<Option<Event>, HandshakeError> {
        self.inbox.check()?;
        loop {
            match self.state {
                State::Nul => match self.inbox.byte()? {
                    None => break,
                    Some(0) => self.state = State::Auth,
                    Some(found) => return Err(self.inbox.fail(HandshakeError::NoNul { found })),
                },
                State::Asked(request) => return Ok(Some(Event::Request(request))),
                State::Begun => {
                    self.check_fds()?;
                    return Ok(Some(Event::Begin));
                }
                State::Auth | State::Data | State::Accepted => {
                    let Some(line) = self.inbox.line()? else { break };
                    let accepted = self.state == State::Accepted;
                    self.line(&line).map_err(|error| self.inbox.fail(error))?;
                    if accepted && self.state == State::Auth {
                        return Ok(Some(Event::Cancelled));
                    }
                }
            }
        }
        self.check_fds()?;
        Ok(None)
    }

    /// Refuses descriptors that cannot belong to a message, because `BEGIN` has not arrived or
    /// descriptor passing was not negotiated.
    fn check_fds(&mut self) -> Result<(), HandshakeError> {
        if self.state == State::Begun && self.unix_fds {
            self.inbox.refuse_fds_of_the_handshake()
        } else {
            self.inbox.refuse_fds()
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), HandshakeError> {
        let Some((command, arguments)) = line::command(line) else {
            return self.error("that is no command");
        };
        match (command, arguments, self.state) {
            (b"BEGIN", None, State::Accepted) => {
                self.state = State::Begun;
                Ok(())
            }
            (b"BEGIN", None, _) => Err(HandshakeError::BeginTooEarly),
            (b"NEGOTIATE_UNIX_FD", None, State::Accepted) => self.negotiate(),
            (b"AUTH", arguments, State::Auth) => self.auth(arguments.unwrap_or_default()),
            (b"DATA", Some(b""), State::Data) => self.rejected(),
            (b"DATA", arguments, State::Data) => {
                self.response(Mechanism::External, arguments.unwrap_or_default())
            }
            (b"CANCEL", None, State::Data | State::Accepted) | (b"ERROR", _, _) => self.rejected(),
            (b"BEGIN" | b"NEGOTIATE_UNIX_FD" | b"CANCEL", Some(_), _) => {
                self.error("that command takes no argument")
            }
            (b"AUTH" | b"DATA" | b"CANCEL" | b"NEGOTIATE_UNIX_FD", _, _) => self.error("not now"),
            _ => self.error("unknown command"),
        }
    }

    fn auth(&mut self, arguments: &[u8]) -> Result<(), HandshakeError> {
        let (name, response) = match arguments.iter().position(|&byte| byte == b' ') {
            Some(blank) => (&arguments[..blank], Some(&arguments[blank + 1..])),
            None => (arguments, None),
        };
        let offered = self.mechanisms.iter().find(|known| known.name().as_bytes() == name);
        match (offered, response) {
            (None, _) | (_, Some(b"")) => self.rejected(),
            (Some(Mechanism::External), None) => {
                self.output.extend_from_slice(b"DATA\r\n");
                self.state = State::Data;
                Ok(())
            }
            (Some(&mechanism), response) => self.response(mechanism, response.unwrap_or_default()),
        }
    }

    /// Checks the identity that the client claims, in hex.
    fn response(&mut self, mechanism: Mechanism, digits: &[u8]) -> Result<(), HandshakeError> {
        let uid = match (mechanism, hex::decode(digits)) {
            (_, Err(_)) => return self.rejected(),
            (Mechanism::Anonymous, Ok(_)) => None,
            (Mechanism::External, Ok(identity)) => {
                let claimed = line::parse_uid(&identity);
                if self.peer_uid.is_none() || !(identity.is_empty() || claimed == self.peer_uid) {
                    return self.rejected();
                }
                self.peer_uid
            }
        };
        self.state = State::Asked(Request { mechanism, uid });
        Ok(())
    }

    /// Accepts the [request](Event::Request) of the client.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfOrder`](HandshakeError::OutOfOrder) if no request is pending.
    pub fn accept(&mut self) -> Result<(), HandshakeError> {
        self.check_request("accept")?;
        self.output.extend_from_slice(format!("OK {}\r\n", self.guid).as_bytes());
        self.state = State::Accepted;
        Ok(())
    }

    /// Rejects the [request](Event::Request) of the client, which can authenticate again.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfOrder`](HandshakeError::OutOfOrder) if no request is pending, or
    /// [`TooManyRejects`](HandshakeError::TooManyRejects) if the client was rejected too often.
    pub fn reject(&mut self) -> Result<(), HandshakeError> {
        self.check_request("reject")?;
        self.rejected().map_err(|error| self.inbox.fail(error))
    }

    fn check_request(&self, call: &'static str) -> Result<(), HandshakeError> {
        self.inbox.check()?;
        match self.state {
            State::Asked(_) => Ok(()),
            _ => Err(HandshakeError::OutOfOrder { call, reason: "no request is undecided" }),
        }
    }

    fn rejected(&mut self) -> Result<(), HandshakeError> {
        // Every REJECTED has the list, because GDBus does not accept one without it.
        let names: Vec<_> = self.mechanisms.iter().map(|mechanism| mechanism.name()).collect();
        self.output.extend_from_slice(format!("REJECTED {}\r\n", names.join(" ")).as_bytes());
        self.unix_fds = false;
        self.state = State::Auth;
        self.rejects += 1;
        let limit = self.inbox.limits().max_rejects.max(1);
        if self.rejects >= limit { Err(HandshakeError::TooManyRejects { limit }) } else { Ok(()) }
    }

    fn error(&mut self, why: &str) -> Result<(), HandshakeError> {
        self.output.extend_from_slice(format!("ERROR {why}\r\n").as_bytes());
        self.errors += 1;
        let limit = self.inbox.limits().max_errors.max(1);
        if self.errors >= limit { Err(HandshakeError::TooManyErrors { limit }) } else { Ok(()) }
    }

    fn negotiate(&mut self) -> Result<(), HandshakeError> {
        if !self.offers_fds {
            return self.error("descriptors do not pass here");
        }
        self.output.extend_from_slice(b"AGREE_UNIX_FD\r\n");
        self.unix_fds = true;
        Ok(())
    }

    /// Returns whether descriptor passing has been agreed on.
    pub fn unix_fds(&self) -> bool {
        self.unix_fds
    }

    /// Takes the bytes that must be sent to the client.
    pub fn take_output(&mut self) -> BytesMut {
        self.output.split()
    }

    /// Returns the bytes that have arrived after the handshake, and the descriptors that arrived with
    /// them. The ranges of the descriptors count from the first of these bytes.
    ///
    /// # Errors
    ///
    /// Returns [`Descriptors`](HandshakeError::Descriptors) if descriptors have arrived although `BEGIN`
    /// has not arrived, or although descriptor passing was not negotiated. The descriptors are closed. If
    /// the handshake has failed, returns its error.
    pub fn into_rest(mut self) -> Result<(BytesMut, Vec<FdSet>), HandshakeError> {
        self.inbox.check()?;
        self.check_fds()?;
        Ok(self.inbox.into_rest())
    }
}
