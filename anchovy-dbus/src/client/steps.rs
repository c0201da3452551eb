//! The steps of a handshake as types.

use super::step::Step;
use crate::auth::client::ClientAuth;
use crate::auth::error::HandshakeError;
use crate::auth::login::Login;
use crate::auth::reply::Reply;
use crate::connection::duplex::Connection;
use crate::guid::Guid;

/// The first step of a client: nothing has been sent.
///
/// [`Client::start`](crate::Client::start) creates it.
#[derive(Debug)]
pub struct Unauthenticated {
    pub(super) step: Step,
}

/// The reply of a server to an authentication request.
#[derive(Debug)]
pub enum Authentication {
    /// The server accepted the client (`OK`).
    Accepted(Authenticated),
    /// The server rejected the client (`REJECTED`).
    Rejected(Rejected),
}

/// A client that the server rejected. It can authenticate in another way.
#[derive(Debug)]
pub struct Rejected {
    pub(super) step: Step,
    pub(super) mechanisms: String,
}

/// A client that the server accepted.
#[derive(Debug)]
pub struct Authenticated {
    pub(super) step: Step,
    guid: Guid,
}

/// A client whose request for descriptor passing was answered; see [`unix_fds`](Self::unix_fds).
#[derive(Debug)]
pub struct Negotiated {
    pub(super) step: Step,
}

impl Unauthenticated {
    /// Authenticates as `login`, and waits for the reply. A rejection is not an error.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn authenticate(self, login: Login) -> Result<Authentication, HandshakeError> {
        authenticate(self.step, login).await
    }
}

impl Rejected {
    /// Returns the mechanisms that the server listed in its reply, separated by spaces. sd-bus lists
    /// none.
    pub fn mechanisms(&self) -> &str {
        &self.mechanisms
    }

    /// Authenticates again, and waits for the reply. Servers limit the number of attempts.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn authenticate(self, login: Login) -> Result<Authentication, HandshakeError> {
        authenticate(self.step, login).await
    }
}

async fn authenticate(mut step: Step, login: Login) -> Result<Authentication, HandshakeError> {
    step.driver.machine.authenticate(login)?;
    Ok(match step.driver.until(ClientAuth::next_reply).await? {
        Reply::Accepted(guid) => Authentication::Accepted(Authenticated { step, guid }),
        Reply::Rejected(mechanisms) => Authentication::Rejected(Rejected { step, mechanisms }),
        Reply::UnixFds(_) => unreachable!("descriptor passing was not requested"),
    })
}

impl Authenticated {
    /// Returns the guid of the server. If [`Client::guid`](crate::Client::guid) was set, it is that
    /// guid.
    pub fn guid(&self) -> Guid {
        self.guid
    }

    /// Requests descriptor passing, and waits for the reply. A refusal is not an error.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn negotiate_unix_fd(mut self) -> Result<Negotiated, HandshakeError> {
        self.step.driver.machine.negotiate_unix_fd()?;
        self.step.driver.until(ClientAuth::next_reply).await?;
        Ok(Negotiated { step: self.step })
    }

    /// Ends the handshake without descriptor passing.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn begin(self) -> Result<Connection, HandshakeError> {
        begin(self.step).await
    }

    /// Cancels the authentication, so that the client can authenticate again.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn cancel(self) -> Result<Rejected, HandshakeError> {
        cancel(self.step).await
    }
}

impl Negotiated {
    /// Returns whether the server agreed to descriptor passing.
    pub fn unix_fds(&self) -> bool {
        self.step.driver.machine.unix_fds()
    }

    /// Ends the handshake.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn begin(self) -> Result<Connection, HandshakeError> {
        begin(self.step).await
    }

    /// Cancels the authentication, so that the client can authenticate again.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn cancel(self) -> Result<Rejected, HandshakeError> {
        cancel(self.step).await
    }
}

async fn begin(mut step: Step) -> Result<Connection, HandshakeError> {
    step.driver.machine.begin()?;
    step.driver.until(|_| Ok(Some(()))).await?;
    step.connection()
}

async fn cancel(mut step: Step) -> Result<Rejected, HandshakeError> {
    step.driver.machine.cancel()?;
    match step.driver.until(ClientAuth::next_reply).await? {
        Reply::Rejected(mechanisms) => Ok(Rejected { step, mechanisms }),
        _ => unreachable!("nothing else was requested"),
    }
}
