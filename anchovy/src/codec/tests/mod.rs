//! Tests of the state machines, without a socket: two ends and the kernel between them are in
//! memory. A seed, or every possibility in turn, decides how much of each `sendmsg` the kernel takes
//! and how much each `recvmsg` returns.

mod discarding;
mod exchanges;
mod kernel;
mod last_byte;
mod memory;
mod pair;
mod parts;
mod receiving;
mod sending;
mod texts;
