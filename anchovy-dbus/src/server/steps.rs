//! The steps of a handshake as types.

use std::mem;

use super::step::Step;
use crate::auth::error::HandshakeError;
use crate::auth::mechanism::Mechanism;
use crate::auth::server::{Event, Request as AuthRequest};
use crate::connection::duplex::Connection;
use crate::credentials::Credentials;
use crate::handshake::serving::Serving;

/// A client that has not authenticated, or that was rejected.
///
/// [`Server::start`](crate::Server::start) and [`Incoming::start`](crate::Incoming::start) create it.
#[derive(Debug)]
pub struct Unauthenticated {
    pub(super) step: Box<Step>,
}

/// The authentication request of a client, which the caller accepts or rejects.
///
/// With `EXTERNAL`, the claimed uid is the one that the kernel reports.
#[derive(Debug)]
pub struct Request {
    step: Box<Step>,
    request: AuthRequest,
}

/// A client that was accepted and has not sent `BEGIN`.
#[derive(Debug)]
pub struct Accepted {
    step: Box<Step>,
}

/// The next step of an accepted client.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is matched at once and not stored")]
pub enum Progress {
    /// The client sent `BEGIN`. The handshake is complete.
    Begun(Connection),
    /// The client sent `CANCEL` or `ERROR`. It can authenticate again.
    Cancelled(Unauthenticated),
}

impl Unauthenticated {
    /// Returns the credentials of the client, as reported by the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        &self.step.credentials
    }

    /// Waits for an authentication request of the client.
    ///
    /// A client that claims another uid than the kernel reports is rejected, and this method continues
    /// to wait.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn request(mut self) -> Result<Request, HandshakeError> {
        let request = |serving: &mut Serving| {
            Ok(match serving.auth.next_event()? {
                Some(Event::Request(request)) => Some(request),
                _ => None,
            })
        };
        let request = self.step.until(request).await?;
        Ok(Request { step: self.step, request })
    }
}

impl Request {
    /// Returns the credentials of the client, as reported by the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        &self.step.credentials
    }

    /// Returns the mechanism that the client uses.
    pub fn mechanism(&self) -> Mechanism {
        self.request.mechanism
    }

    /// Returns the uid of the client, or `None` with `ANONYMOUS`.
    pub fn uid(&self) -> Option<u32> {
        self.request.uid
    }

    /// Accepts the client. `OK` is sent with the next step.
    pub fn accept(mut self) -> Accepted {
        if self.step.driver.machine.auth.accept().is_err() {
            unreachable!("a request is pending");
        }
        Accepted { step: self.step }
    }

    /// Rejects the client, which can authenticate again until
    /// [`HandshakeLimits::max_rejects`](crate::HandshakeLimits::max_rejects) is reached.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn reject(mut self) -> Result<Unauthenticated, HandshakeError> {
        let mut decided = false;
        self.step
            .until(|serving| {
                if !mem::replace(&mut decided, true) {
                    serving.auth.reject()?;
                }
                Ok(Some(()))
            })
            .await?;
        Ok(Unauthenticated { step: self.step })
    }
}

impl Accepted {
    /// Waits until the client sends `BEGIN`. Agrees to descriptor passing if the client requests it and
    /// the server offers it.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn begin(mut self) -> Result<Progress, HandshakeError> {
        let begins = |serving: &mut Serving| {
            Ok(match serving.auth.next_event()? {
                Some(Event::Begin) => Some(true),
                Some(Event::Cancelled) => Some(false),
                _ => None,
            })
        };
        if self.step.until(begins).await? {
            Ok(Progress::Begun(self.step.connection()?))
        } else {
            Ok(Progress::Cancelled(Unauthenticated { step: self.step }))
        }
    }
}
