//! Why an object was not created.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::send_error::SendError;
use crate::wire::build_error::BuildError;
use crate::wire::object_id::ObjectId;

/// Why an object was not created. Its id is free again, unless the connection has ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// All ids of a client are in use: 2 to 4278190079. Nothing was sent.
    NoIds,
    /// The request could not be built. Its descriptors are in the error.
    Build(BuildError),
    /// The request does not create the object: its builder did not call
    /// [`new_id`](crate::MessageBuilder::new_id) with the id that it was given. A compositor disconnects
    /// clients that leave out an id. The request was dropped.
    NewId {
        /// The id that the builder was given.
        id: ObjectId,
        /// The id of the last `new_id` argument of the request, if it has one.
        found: Option<ObjectId>,
    },
    /// The request could not be sent. If it was refused, it is in the error.
    Send(SendError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreateError::NoIds => f.write_str("all object ids of the client are in use"),
            CreateError::Build(error) => error.fmt(f),
            CreateError::NewId { id, found: None } => {
                write!(f, "the request has no new_id argument, it must have the new id {id}")
            }
            CreateError::NewId { id, found: Some(found) } => {
                write!(f, "the request has the new_id {found}, it must have the new id {id}")
            }
            CreateError::Send(error) => error.fmt(f),
        }
    }
}

impl Error for CreateError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The texts of these are those of the errors themselves, and so are the causes.
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
    fn a_create_error_has_the_causes_of_its_parts() {
        let id = |number| ObjectId::new(number).expect("not 0");
        let wire = WireError { object: 2, opcode: 0, kind: WireErrorKind::StringWithNul };
        let socket = io::Error::new(io::ErrorKind::BrokenPipe, "it is closed");
        let send = SendError { unsent: None, kind: SendErrorKind::Io(socket) };
        for (error, chain) in [
            (CreateError::NoIds, vec!["all object ids of the client are in use".to_owned()]),
            (BuildError { error: wire, fds: Vec::new() }.into(), vec![wire.to_string()]),
            (
                CreateError::NewId { id: id(5), found: None },
                vec!["the request has no new_id argument, it must have the new id 5".to_owned()],
            ),
            (
                CreateError::NewId { id: id(5), found: Some(id(6)) },
                vec!["the request has the new_id 6, it must have the new id 5".to_owned()],
            ),
            (send.into(), vec!["sending failed".to_owned(), "it is closed".to_owned()]),
        ] {
            assert_eq!(error_chain(&error), chain);
        }
    }
}
