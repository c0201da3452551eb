//! The fuzz targets: running them, and replaying their corpora.

mod statistics;
mod subcommand;
mod target;

pub(crate) use subcommand::{Arguments, lint, replay, run};
