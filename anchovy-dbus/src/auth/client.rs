//! The client's side of a handshake: requests that were sent, and the replies that are expected.
//!
//! A stepwise client sends one request and waits for the reply. A pipelined client sends all requests
//! at once and reads the replies in order. It cannot react to a reply, because `BEGIN` has been sent.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use anchovy::codec::FdSet;
use bytes::BytesMut;

use super::error::HandshakeError;
use super::expected::Expected;
use super::inbox::Inbox;
use super::line;
use super::login::Login;
use super::reply::Reply;
use crate::guid::Guid;
use crate::limits::HandshakeLimits;

/// The state machine of a client's handshake: takes requests and received lines, returns
/// [replies](Reply).
///
/// A *pipelined* handshake sends all requests at once: it is one call of [`pipeline`](Self::pipeline). A
/// *stepwise* handshake waits for each reply. Call [`authenticate`](Self::authenticate), and call it
/// again after each rejection, until the server accepts the client. To request descriptor passing, call
/// [`negotiate_unix_fd`](Self::negotiate_unix_fd) next. At the end, call [`begin`](Self::begin). A call in
/// another order returns [`OutOfOrder`](HandshakeError::OutOfOrder) and changes nothing.
///
/// After an error other than `OutOfOrder`, the handshake stays failed: every method that returns a
/// `Result` returns the same error, received bytes are dropped, and no output is added.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::auth::{ClientAuth, Login, Reply};
/// use anchovy_dbus::HandshakeLimits;
///
/// let mut auth = ClientAuth::new(HandshakeLimits::default());
/// auth.authenticate(Login::ExternalUid(0))?;
/// assert_eq!(&auth.take_output()[..], b"\0AUTH EXTERNAL 30\r\n");
///
/// auth.receive(b"REJECTED ANONYMOUS\r\n", Vec::new());
/// assert_eq!(auth.next_reply()?, Some(Reply::Rejected("ANONYMOUS".to_owned())));
/// # Ok::<(), anchovy_dbus::HandshakeError>(())
/// ```
#[derive(Debug)]
pub struct ClientAuth {
    inbox: Inbox,
    output: BytesMut,
    /// The replies that are expected, in order.
    expected: VecDeque<Expected>,
    login: Login,
    /// Whether the NUL byte has been sent.
    nul_sent: bool,
    /// Whether `BEGIN` has been sent.
    begun: bool,
    pipelined: bool,
    wants_fds: bool,
    expected_guid: Option<Guid>,
    /// The guid of the server, as long as it accepts the client.
    guid: Option<Guid>,
    unix_fds: bool,
    errors: usize,
}

impl ClientAuth {
    /// Creates a handshake that has sent nothing.
    pub fn new(limits: HandshakeLimits) -> ClientAuth {
        ClientAuth {
            inbox: Inbox::new(limits),
            output: BytesMut::new(),
            expected: VecDeque::new(),
            login: Login::default(),
            nul_sent: false,
            begun: false,
            pipelined: false,
            wants_fds: true,
            expected_guid: None,
            guid: None,
            unix_fds: false,
            errors: 0,
        }
    }

    /// Sets the guid that the server must have, such as that of its address. The guid is compared when
    /// the server accepts the client.
    pub fn expect_guid(&mut self, guid: Guid) {
        self.expected_guid = Some(guid);
    }

    /// Requests authentication.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfOrder`](HandshakeError::OutOfOrder) if the reply to an earlier request has not
    /// arrived yet, if the server has already accepted the client, or if `BEGIN` has been sent.
    pub fn authenticate(&mut self, login: Login) -> Result<(), HandshakeError> {
        self.check_unauthenticated("authenticate")?;
        self.auth(login);
        let asked = if login.response().is_none() { Expected::Data } else { Expected::Ok };
        self.expected.push_back(asked);
        Ok(())
    }

    /// Requests descriptor passing. Servers agree only after `OK`.
    ///
    /// This method can be called after `OK` has arrived, and also while `OK` is the only reply that has not
    /// arrived:
    ///
    /// - With [`ExternalUid`](Login::ExternalUid) and [`Anonymous`](Login::Anonymous), as soon as
    ///   [`authenticate`](Self::authenticate) has been called.
    /// - With [`External`](Login::External), as soon as [`next_reply`](Self::next_reply) has processed the
    ///   `DATA` of the server.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfOrder`](HandshakeError::OutOfOrder) if this method is called earlier, or if `BEGIN`
    /// has been sent.
    pub fn negotiate_unix_fd(&mut self) -> Result<(), HandshakeError> {
        self.inbox.check()?;
        if self.begun || self.expected.back() != Some(&Expected::Ok) {
            self.check_accepted("negotiate_unix_fd")?;
        }
        self.negotiate();
        Ok(())
    }

    fn negotiate(&mut self) {
        self.output.extend_from_slice(b"NEGOTIATE_UNIX_FD\r\n");
        self.expected.push_back(Expected::Agree);
    }

    /// Adds `BEGIN` to the output and ends the handshake. Messages are sent after this
    /// [output](Self::take_output).
    ///
    /// # Errors
    ///
    /// Returns [`OutOfOrder`](HandshakeError::OutOfOrder) if the server has not accepted the client, or
    /// `BEGIN` has been sent.
    pub fn begin(&mut self) -> Result<(), HandshakeError> {
        self.check_accepted("begin")?;
        self.send_begin();
        Ok(())
    }

    fn send_begin(&mut self) {
        self.output.extend_from_slice(b"BEGIN\r\n");
        self.begun = true;
    }

    /// Cancels the authentication. The server replies with `REJECTED`, and the client can authenticate
    /// again.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfOrder`](HandshakeError::OutOfOrder) if the server has not accepted the client, or
    /// `BEGIN` has been sent.
    pub fn cancel(&mut self) -> Result<(), HandshakeError> {
        self.check_accepted("cancel")?;
        self.send_cancel();
        Ok(())
    }

    fn send_cancel(&mut self) {
        self.output.extend_from_slice(b"CANCEL\r\n");
        self.forget_acceptance();
        self.expected.push_back(Expected::Rejected);
    }

    fn forget_acceptance(&mut self) {
        self.guid = None;
        self.unix_fds = false;
    }

    /// Sets whether [`pipeline`](Self::pipeline) requests descriptor passing. Default: `true`.
    pub fn set_unix_fds(&mut self, wanted: bool) {
        self.wants_fds = wanted;
    }

    /// Requests authentication and descriptor passing, and ends the handshake, with one output.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfOrder`](HandshakeError::OutOfOrder) in the same cases as
    /// [`authenticate`](Self::authenticate).
    pub fn pipeline(&mut self, login: Login) -> Result<(), HandshakeError> {
        self.check_unauthenticated("pipeline")?;
        self.pipelined = true;
        self.auth(login);
        if login.response().is_none() {
            self.output.extend_from_slice(b"DATA\r\n");
            self.expected.push_back(Expected::Data);
        }
        self.expected.push_back(Expected::Ok);
        if self.wants_fds {
            self.negotiate();
        }
        self.send_begin();
        Ok(())
    }

    fn check_unauthenticated(&self, call: &'static str) -> Result<(), HandshakeError> {
        self.inbox.check()?;
        let reason = if self.begun {
            "BEGIN has been sent"
        } else if !self.expected.is_empty() {
            "a reply is missing"
        } else if self.guid.is_some() {
            "the server has accepted the client"
        } else {
            return Ok(());
        };
        Err(HandshakeError::OutOfOrder { call, reason })
    }

    fn check_accepted(&self, call: &'static str) -> Result<(), HandshakeError> {
        self.inbox.check()?;
        let reason = if self.begun {
            "BEGIN has been sent"
        } else if self.guid.is_none() {
            "the server has not accepted the client"
        } else {
            return Ok(());
        };
        Err(HandshakeError::OutOfOrder { call, reason })
    }

    fn auth(&mut self, login: Login) {
        if !std::mem::replace(&mut self.nul_sent, true) {
            self.output.extend_from_slice(b"\0");
        }
        self.login = login;
        let mechanism = login.mechanism();
        let line = match login.response() {
            Some(response) => format!("AUTH {mechanism} {}\r\n", hex::encode(response)),
            None => format!("AUTH {mechanism}\r\n"),
        };
        self.output.extend_from_slice(line.as_bytes());
    }

    /// Adds the bytes and descriptors of one receive. Call it once for each receive, in order.
    pub fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.inbox.receive(bytes, fds);
    }

    /// Returns the next reply, or `None` if it has not arrived or none is expected.
    ///
    /// After each call, send the [output](Self::take_output), because some lines of the server require
    /// a response.
    ///
    /// # Errors
    ///
    /// Returns the [`HandshakeError`] with which the handshake has failed. Close the connection.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, HandshakeError> {
        self.inbox.check()?;
        while let Some(&expected) = self.expected.front() {
            let Some(line) = self.inbox.line()? else { break };
            let reply = self.line(expected, &line).map_err(|error| self.inbox.fail(error))?;
            if reply.is_some() {
                return Ok(reply);
            }
        }
        self.check_fds()?;
        Ok(None)
    }

    /// Refuses descriptors that cannot belong to a message, because replies are missing or descriptor
    /// passing was not negotiated.
    fn check_fds(&mut self) -> Result<(), HandshakeError> {
        if self.expected.is_empty() && self.unix_fds {
            self.inbox.refuse_fds_of_the_handshake()
        } else {
            self.inbox.refuse_fds()
        }
    }

    fn line(&mut self, expected: Expected, line: &[u8]) -> Result<Option<Reply>, HandshakeError> {
        let (command, arguments) = line::command(line).unwrap_or_default();
        self.expected.pop_front();
        match (expected, command, arguments) {
            (Expected::Data, b"DATA", None | Some(b"")) => {
                if !self.pipelined {
                    self.output.extend_from_slice(b"DATA\r\n");
                    self.expected.push_front(Expected::Ok);
                }
                Ok(None)
            }
            (Expected::Data | Expected::Ok, b"OK", Some(guid)) => {
                if expected == Expected::Data && self.pipelined {
                    // The server replies to the DATA that has been sent.
                    if let Some(next) = self.expected.front_mut() {
                        *next = Expected::Ignored;
                    }
                }
                self.accepted(guid, line).map(Some)
            }
            (Expected::Ignored, b"OK" | b"ERROR", _) => Ok(None),
            (Expected::Data | Expected::Ok | Expected::Rejected, b"REJECTED", mechanisms) => {
                let mechanisms = line::printable(mechanisms.unwrap_or_default());
                self.forget_acceptance();
                if self.pipelined {
                    return Err(HandshakeError::Rejected { mechanisms });
                }
                Ok(Some(Reply::Rejected(mechanisms)))
            }
            (Expected::Agree, b"AGREE_UNIX_FD", None) => {
                // The agreement has no effect if the client was rejected or has canceled since.
                self.unix_fds = self.guid.is_some();
                Ok(Some(Reply::UnixFds(self.unix_fds)))
            }
            (Expected::Agree, b"ERROR", _) => Ok(Some(Reply::UnixFds(false))),
            (Expected::Data | Expected::Ok, b"ERROR" | b"DATA", _) if !self.pipelined => {
                // The server requests data that the client does not have. Its reply to CANCEL lists
                // its mechanisms.
                self.send_cancel();
                Ok(None)
            }
            (Expected::Data | Expected::Ok, _, _) if !self.pipelined => {
                self.expected.push_front(expected);
                self.error()?;
                Ok(None)
            }
            _ => Err(expected.is_not(line)),
        }
    }

    fn accepted(&mut self, argument: &[u8], line: &[u8]) -> Result<Reply, HandshakeError> {
        let Ok(found) = Guid::parse(argument) else {
            return Err(Expected::Ok.is_not(line));
        };
        match self.expected_guid {
            Some(expected) if expected != found => {
                Err(HandshakeError::WrongServer { expected, found })
            }
            _ => {
                self.guid = Some(found);
                Ok(Reply::Accepted(found))
            }
        }
    }

    /// Replies to a line that is not part of the protocol, and waits for another one (D-Bus
    /// Specification, "Client states").
    fn error(&mut self) -> Result<(), HandshakeError> {
        self.output.extend_from_slice(b"ERROR unknown command\r\n");
        self.errors += 1;
        let limit = self.inbox.limits().max_errors.max(1);
        if self.errors >= limit { Err(HandshakeError::TooManyErrors { limit }) } else { Ok(()) }
    }

    /// Returns whether all replies have arrived.
    pub fn is_answered(&self) -> bool {
        self.expected.is_empty()
    }

    /// Returns whether all requests were made at once, by [`pipeline`](Self::pipeline).
    pub fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// Returns the guid of the server, once it has accepted the client.
    pub fn guid(&self) -> Option<Guid> {
        self.guid
    }

    /// Returns whether the server has agreed to descriptor passing.
    pub fn unix_fds(&self) -> bool {
        self.unix_fds
    }

    /// Takes the bytes that must be sent to the server.
    pub fn take_output(&mut self) -> BytesMut {
        self.output.split()
    }

    /// Returns the bytes that have arrived after the handshake, and the descriptors that arrived with
    /// them. The ranges of the descriptors count from the first of these bytes.
    ///
    /// # Errors
    ///
    /// Returns [`Descriptors`](HandshakeError::Descriptors) if descriptors have arrived although some
    /// replies have not arrived yet, or although descriptor passing was not negotiated. The descriptors are
    /// closed. If the handshake has failed, returns its error.
    pub fn into_rest(mut self) -> Result<(BytesMut, Vec<FdSet>), HandshakeError> {
        self.inbox.check()?;
        self.check_fds()?;
        Ok(self.inbox.into_rest())
    }
}
