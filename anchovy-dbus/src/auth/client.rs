//! The client's side: what was asked, and what may be answered.
//!
//! A stepwise client asks one thing and waits. A pipelined one asks everything at once and reads
//! the answers as they come, in order; it cannot change its mind, for its `BEGIN` is under way.

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

/// The client's side of a handshake: requests and lines in, [replies](Reply) out.
///
/// The handshake is either pipelined, with one call of [`pipeline`](Self::pipeline), or taken step by
/// step: [`authenticate`](Self::authenticate) until the server accepts, then
/// [`negotiate_unix_fd`](Self::negotiate_unix_fd) if descriptors are to be passed, then
/// [`begin`](Self::begin). A call in another order returns
/// [`OutOfOrder`](HandshakeError::OutOfOrder) and changes nothing.
///
/// A machine that has failed stays failed: every method that returns a `Result` returns the same
/// error again, what is received is dropped, and no output is added to what is there.
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
    /// What the replies under way have to be, in order.
    expected: VecDeque<Expected>,
    login: Login,
    /// NUL has been sent.
    nul_sent: bool,
    /// `BEGIN` has been sent.
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
    /// Nothing asked yet.
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

    /// Accepts no server but the one with this guid, which its address names. The guid is compared
    /// when the server accepts the client.
    pub fn expect_guid(&mut self, guid: Guid) {
        self.expected_guid = Some(guid);
    }

    /// Asks to be let in, and for nothing else.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): a reply is missing, the server has accepted the
    /// client, or `BEGIN` has been sent.
    pub fn authenticate(&mut self, login: Login) -> Result<(), HandshakeError> {
        self.check_unauthenticated("authenticate")?;
        self.auth(login);
        let asked = if login.response().is_none() { Expected::Data } else { Expected::Ok };
        self.expected.push_back(asked);
        Ok(())
    }

    /// Asks whether descriptors may pass. Servers take that once they have said OK.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): the server has not accepted the client, unless
    /// its answer to a login that says who the client is will come next; or `BEGIN` has been sent.
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

    /// Ends the handshake; what is sent behind it is messages.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): the server has not accepted the client, or
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

    /// Takes back being let in; the server rejects the client, which may ask anew.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): the server has not accepted the client, or
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

    /// Sets whether [`pipeline`](Self::pipeline) asks for descriptor passing; by default it does.
    pub fn set_unix_fds(&mut self, wanted: bool) {
        self.wants_fds = wanted;
    }

    /// Asks for everything at once and begins: one write, and replies that can all be read before
    /// the first message is sent.
    ///
    /// # Errors
    ///
    /// [`OutOfOrder`](HandshakeError::OutOfOrder), as [`authenticate`](Self::authenticate).
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

    /// Takes what one receive brought, in order.
    pub fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.inbox.receive(bytes, fds);
    }

    /// The next reply, if something was asked and it is there; what [`output`](Self::take_output)
    /// it causes wants sending in either case.
    ///
    /// # Errors
    ///
    /// The handshake is over: close. Nothing that is received later counts.
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

    /// Refuses descriptors that cannot be a message's: replies are missing, or descriptors were not
    /// agreed on.
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
                    // Our DATA is under way, and the server will say something to it.
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
                // It counts for nothing if the client was rejected or has canceled in the meantime.
                self.unix_fds = self.guid.is_some();
                Ok(Some(Reply::UnixFds(self.unix_fds)))
            }
            (Expected::Agree, b"ERROR", _) => Ok(Some(Reply::UnixFds(false))),
            (Expected::Data | Expected::Ok, b"ERROR" | b"DATA", _) if !self.pipelined => {
                // It wants something that we do not have: give up, in the way that leads to the
                // list of what it takes.
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

    /// Says that a line is none of the protocol, and waits for another one (D-Bus Specification,
    /// "Client states").
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

    /// Returns whether everything was asked at once.
    pub fn is_pipelined(&self) -> bool {
        self.pipelined
    }

    /// The guid of the server, once it has let the client in.
    pub fn guid(&self) -> Option<Guid> {
        self.guid
    }

    /// Returns whether descriptors have been agreed on.
    pub fn unix_fds(&self) -> bool {
        self.unix_fds
    }

    /// What is to be sent.
    pub fn take_output(&mut self) -> BytesMut {
        self.output.split()
    }

    /// Returns the bytes after the handshake that have arrived already, and the descriptors that
    /// came with them. The ranges of the descriptors count from the first of these bytes.
    ///
    /// # Errors
    ///
    /// [`Descriptors`](HandshakeError::Descriptors): descriptors have arrived, and either replies
    /// are missing, or they were not agreed on. They are closed.
    pub fn into_rest(mut self) -> Result<(BytesMut, Vec<FdSet>), HandshakeError> {
        self.inbox.check()?;
        self.check_fds()?;
        Ok(self.inbox.into_rest())
    }
}
