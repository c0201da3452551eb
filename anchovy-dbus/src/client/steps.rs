//! The steps of a handshake, each a type.

use super::step::Step;
use crate::auth::client::ClientAuth;
use crate::auth::error::HandshakeError;
use crate::auth::login::Login;
use crate::auth::reply::Reply;
use crate::connection::duplex::Connection;
use crate::guid::Guid;

/// A client that has said nothing yet.
#[derive(Debug)]
pub struct Unauthenticated {
    pub(super) step: Step,
}

/// What a server says to being told who the client is.
#[derive(Debug)]
pub enum Authentication {
    /// Come in.
    Accepted(Authenticated),
    /// Not like this.
    Rejected(Rejected),
}

/// A client that was turned away, and may try something else.
#[derive(Debug)]
pub struct Rejected {
    pub(super) step: Step,
    pub(super) mechanisms: String,
}

/// A client that was let in.
#[derive(Debug)]
pub struct Authenticated {
    pub(super) step: Step,
    guid: Guid,
}

/// A client that has asked for descriptors.
#[derive(Debug)]
pub struct Negotiated {
    pub(super) step: Step,
}

impl Unauthenticated {
    /// Says who the client is.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed. To be rejected is none.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the socket, as every step does.
    pub async fn authenticate(self, login: Login) -> Result<Authentication, HandshakeError> {
        authenticate(self.step, login).await
    }
}

impl Rejected {
    /// The mechanisms that the server names, separated by blanks; sd-bus names none.
    pub fn mechanisms(&self) -> &str {
        &self.mechanisms
    }

    /// Says it in another way. Servers bound how often.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn authenticate(self, login: Login) -> Result<Authentication, HandshakeError> {
        authenticate(self.step, login).await
    }
}

async fn authenticate(mut step: Step, login: Login) -> Result<Authentication, HandshakeError> {
    step.driver.machine.authenticate(login)?;
    Ok(match step.driver.until(ClientAuth::next_reply).await? {
        Reply::Accepted(guid) => Authentication::Accepted(Authenticated { step, guid }),
        Reply::Rejected(mechanisms) => Authentication::Rejected(Rejected { step, mechanisms }),
        Reply::UnixFds(_) => unreachable!("it was not asked"),
    })
}

impl Authenticated {
    /// The guid of the server, which is that of the address if the address names one.
    pub fn guid(&self) -> Guid {
        self.guid
    }

    /// Asks whether descriptors may pass.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed. To be told no is none.
    pub async fn negotiate_unix_fd(mut self) -> Result<Negotiated, HandshakeError> {
        self.step.driver.machine.negotiate_unix_fd()?;
        self.step.driver.until(ClientAuth::next_reply).await?;
        Ok(Negotiated { step: self.step })
    }

    /// Begins, without descriptors.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn begin(self) -> Result<Connection, HandshakeError> {
        begin(self.step).await
    }

    /// Takes it back, to log in anew.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn cancel(self) -> Result<Rejected, HandshakeError> {
        cancel(self.step).await
    }
}

impl Negotiated {
    /// Returns whether descriptors may be sent and received.
    pub fn unix_fds(&self) -> bool {
        self.step.driver.machine.unix_fds()
    }

    /// Begins.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn begin(self) -> Result<Connection, HandshakeError> {
        begin(self.step).await
    }

    /// Takes it all back, to log in anew.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
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
        _ => unreachable!("nothing else was asked"),
    }
}
