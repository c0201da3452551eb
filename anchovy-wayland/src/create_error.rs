//! The error of creating an object.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::send_error::SendError;
use crate::wire::build_error::BuildError;
use crate::wire::object_id::ObjectId;

/// The error of creating an object.
///
/// After [`Send`](Self::Send) with the kind [`Io`](crate::SendErrorKind::Io) or
/// [`Display`](crate::SendErrorKind::Display), the id may stay in use. After any other error, the id is free
/// again.
#[derive(Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// All ids of a client, 2 to 4278190079, are in use. Nothing was sent.
    NoIds,
    /// A string argument contains a NUL, or the request is longer than 65532 bytes. The error contains
    /// its descriptors.
    Build(BuildError),
    /// The last [`new_id`](crate::MessageBuilder::new_id) argument of the request is not the allocated id.
    /// Nothing was sent: another id would leave a gap, and a compositor disconnects such clients.
    NewId {
        /// The id that was passed to the function that builds the request.
        id: ObjectId,
        /// The id of the last `new_id` argument of the request, if it has one.
        found: Option<ObjectId>,
    },
    /// The request could not be sent.
    ///
    /// The error contains the request if the request exceeds a limit or the kernel refused its
    /// descriptors. It contains no request if the socket failed, or if the send buffer was full and the
    /// kernel refused the descriptors of an earlier message.
    Send(SendError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreateError::NoIds => f.write_str(
                "all object ids of the client are in use (2 to 4278190079); destroy objects",
            ),
            CreateError::Build(error) => error.fmt(f),
            CreateError::NewId { id, found: None } => {
                write!(f, "the request has no new_id argument; pass the id {id} to new_id")
            }
            CreateError::NewId { id, found: Some(found) } => {
                write!(
                    f,
                    "the new_id argument of the request is {found}; pass the id {id} to new_id"
                )
            }
            CreateError::Send(error) => error.fmt(f),
        }
    }
}

impl Error for CreateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The text is that of the inner error, so the source is that of the inner error.
            CreateError::Build(error) => error.source(),
            CreateError::Send(error) => error.source(),
            CreateError::NoIds | CreateError::NewId { .. } => None,
        }
    }
}

impl From<BuildError> for CreateError {
    fn from(error: BuildError) -> CreateError {
        CreateError::Build(error)
    }
}

impl From<SendError> for CreateError {
    fn from(error: SendError) -> CreateError {
        CreateError::Send(error)
    }
}

impl From<CreateError> for io::Error {
    fn from(error: CreateError) -> io::Error {
        let kind = match error {
            CreateError::Build(error) => return error.into(),
            CreateError::Send(error) => return error.into(),
            CreateError::NoIds => io::ErrorKind::QuotaExceeded,
            CreateError::NewId { .. } => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::send_error::SendErrorKind;
    use crate::error_chain::error_chain;
    use crate::wire::wire_error::{WireError, WireErrorKind};

    #[test]
    fn a_create_error_has_the_source_of_its_inner_error() {
        let id = |number| ObjectId::new(number).expect("not 0");
        let wire = WireError { object: 2, opcode: 0, kind: WireErrorKind::StringWithNul };
        let socket = io::Error::new(io::ErrorKind::BrokenPipe, "it is closed");
        let send = SendError { unsent: None, kind: SendErrorKind::Io(socket) };
        for (error, chain) in [
            (
                CreateError::NoIds,
                vec![
                    "all object ids of the client are in use (2 to 4278190079); destroy objects"
                        .to_owned(),
                ],
            ),
            (BuildError { error: wire, fds: Vec::new() }.into(), vec![wire.to_string()]),
            (
                CreateError::NewId { id: id(5), found: None },
                vec!["the request has no new_id argument; pass the id 5 to new_id".to_owned()],
            ),
            (
                CreateError::NewId { id: id(5), found: Some(id(6)) },
                vec!["the new_id argument of the request is 6; pass the id 5 to new_id".to_owned()],
            ),
            (
                send.into(),
                vec!["sending to the socket failed".to_owned(), "it is closed".to_owned()],
            ),
        ] {
            assert_eq!(error_chain(&error), chain);
        }
    }
}
