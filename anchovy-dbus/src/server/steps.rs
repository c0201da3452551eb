//! The steps of a handshake, each a type.

use std::mem;

use super::step::Step;
use crate::auth::error::HandshakeError;
use crate::auth::mechanism::Mechanism;
use crate::auth::server::{Event, Request as AuthRequest};
use crate::connection::duplex::Connection;
use crate::credentials::Credentials;
use crate::handshake::serving::Serving;

/// A client that has not said who it is, or was turned away.
#[derive(Debug)]
pub struct Unauthenticated {
    pub(super) step: Box<Step>,
}

/// A client that has said who it is, truly as far as can be told, and waits to be let in.
#[derive(Debug)]
pub struct Request {
    step: Box<Step>,
    request: AuthRequest,
}

/// A client that was let in, and has not begun.
#[derive(Debug)]
pub struct Accepted {
    step: Box<Step>,
}

/// What a client does that was let in.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is matched at once, and nobody keeps many")]
pub enum Progress {
    /// It begins.
    Begun(Connection),
    /// It takes back who it is, and may log in anew.
    Cancelled(Unauthenticated),
}

impl Unauthenticated {
    /// Returns the credentials of the client, from the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        &self.step.credentials
    }

    /// Waits until the client has said who it is. What it says is compared with what the kernel
    /// says; who lies is rejected without anybody being asked.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the socket, as every step does.
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
    /// Returns the credentials of the client, from the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        &self.step.credentials
    }

    /// How it says who it is.
    pub fn mechanism(&self) -> Mechanism {
        self.request.mechanism
    }

    /// Its uid, by the kernel and by the client; nobody's with `ANONYMOUS`.
    pub fn uid(&self) -> Option<u32> {
        self.request.uid
    }

    /// Lets it in.
    pub fn accept(mut self) -> Accepted {
        if self.step.driver.machine.auth.accept().is_err() {
            unreachable!("the client asks");
        }
        Accepted { step: self.step }
    }

    /// Turns it away; it may try again, some times.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
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
    /// Waits until the client begins, agreeing to descriptors if they are offered.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
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
