//! Messages against the specification: each rule with bytes that break it, in both byte orders, real
//! messages of real programs, and another implementation.
//!
//! One file per subject; `raw` writes messages that a builder would refuse.

mod raw;

mod build;
mod cost;
mod fds;
mod fields;
mod lengths;
mod names;
mod properties;
mod values;
mod vectors;
mod zbus;
