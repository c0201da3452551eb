//! The error of building a message.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use super::wire_error::WireError;

/// The error of building a message, with the descriptors of the message.
#[derive(Debug)]
pub struct BuildError {
    /// Reason of the error.
    pub error: WireError,
    /// Descriptors of the message.
    pub fds: Vec<OwnedFd>,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for BuildError {}

impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error.error)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::testing::builder;
    use super::*;
    use crate::error_chain::error_chain;

    #[test]
    fn a_build_error_has_the_text_of_its_reason() {
        let error = builder().string("a\0b").build().expect_err("a NUL");
        let fault = error.error;
        assert_eq!(error_chain(&error), [fault.to_string()]);
        let error = io::Error::from(error);
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(
            error.into_inner().and_then(|inner| inner.downcast().ok()),
            Some(Box::new(fault))
        );
    }
}
