//! The sockets that libwayland does not replace.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::listen_error::ListenError;

/// The write permissions of owner and group. libwayland does not replace a socket that has neither.
const REPLACEABLE: u32 = 0o220;

/// Fails if the path is a socket for which neither owner nor group has write permission.
pub(super) fn check(path: &Path) -> Result<(), ListenError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() && found.mode() & REPLACEABLE == 0 => {
            Err(ListenError::WriteProtected { path: path.to_owned() })
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(anchovy::ListenError::Io { path: Some(path.to_owned()), error }.into())
        }
        _ => Ok(()),
    }
}
