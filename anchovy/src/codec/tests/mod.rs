//! Tests of the state machines without a socket. Both ends and the kernel are in memory. How much of
//! each `sendmsg` the kernel takes, and how much each `recvmsg` returns, comes from a seed or goes
//! through all possibilities.

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
