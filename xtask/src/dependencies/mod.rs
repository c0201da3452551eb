//! The subcommand `cargo xtask dependencies`: what the published crates depend on.

mod features;
mod license;
mod metadata;
mod minimum;
mod subcommand;
mod unsafe_code;

pub(crate) use subcommand::{Arguments, run};
