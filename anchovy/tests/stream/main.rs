//! Tests of the stream with real sockets and descriptors, which are counted before and after each
//! test.
//!
//! Each subject has a file, and `harness` has the common code.

#![cfg(target_os = "linux")]

mod harness;

mod accounts;
mod adapters;
mod cancel;
#[cfg(feature = "codec")]
mod codec;
mod concurrency;
mod convert;
mod copy;
mod exhaustion;
mod fd_passing;
mod in_flight;
mod kernel;
mod limits;
mod model;
mod options;
mod out_of_band;
mod readiness;
mod receive;
mod recv_with_fds;
mod send;
mod sender_credentials;
mod sets;
mod split;
mod spread;
#[cfg(feature = "tracing")]
mod tracing;
mod turns;
mod wrong_space;
