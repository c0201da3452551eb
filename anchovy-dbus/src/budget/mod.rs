//! How many descriptors strangers may make a process hold.
//!
//! A table of descriptors is shared by all connections of a server, so what one peer fills is
//! missing to the others. Three things of a peer are in it: its socket (and the pidfd of its
//! process), descriptors that have arrived and that nobody has taken yet, and, for an instant, a
//! set that is more than it may send, since the kernel hands a set over before anybody can count
//! it. The first two are charged to the peer's uid, until they are closed or taken; the last is
//! why receiving stops being concurrent when room is short.
//!
//! Who waits for room holds none that others wait for: a connection is charged for all that it may
//! have waiting before it reads, and keeps the room while anything waits. So a message that has
//! begun can always be read to its end, or be overdue.

pub(crate) mod fd_budget;
pub(crate) mod fd_meter;

pub use fd_budget::FdBudget;
