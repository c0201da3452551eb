//! What a listener reserves for a client that it has accepted.

use crate::budget::fd_budget::FdCharge;
use crate::budget::fd_meter::FdMeter;
use crate::pending_handshakes::PendingHandshake;

/// What a client occupies on a listener.
#[derive(Debug)]
pub(crate) struct Admission {
    /// For its socket and its pidfd, as long as they are open.
    pub(crate) charge: FdCharge,
    /// For the descriptors that it sends.
    pub(crate) meter: FdMeter,
    /// Its handshake, as long as that lasts.
    pub(crate) handshake: PendingHandshake,
}
