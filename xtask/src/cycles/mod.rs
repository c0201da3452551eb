//! Finds modules of a crate that import each other in a cycle.
//!
//! A cycle between modules has no order in which they can be read or tested. rustc accepts it, so
//! this check parses the sources with syn and compares what each module names.
//!
//! # Modules
//!
//! A module is a source file; inline modules belong to their file. The check follows `mod` lines from
//! `src/lib.rs` or `src/main.rs`. Test code (`#[cfg(test)]`, `#[test]`) and files that only test code
//! declares do not count.
//!
//! # Edges
//!
//! There is an edge from a module to each other module that *defines* something that it names: in a
//! `use`, in a path within code, in the arguments of a macro, or in the body of a `macro_rules!`.
//! Names are followed through `use` and `pub use` (renamed, grouped and glob imports too) to the
//! definition, so `crate::Foo` is an edge to the module of `Foo` and not to the crate root. A path
//! that ends in a module is an edge to that module. No edges are:
//!
//! - `mod x;`
//! - a re-export (`pub use`, `pub(crate) use`) in a module file: `lib.rs`, `main.rs`, `mod.rs`, or a
//!   file that declares modules in files of their own
//! - documentation and attributes, and the paths in `pub(in path)`
//!
//! A glob import is an edge to the module that it names if that module defines anything, and to the
//! module of each name that it brings in and that the file uses.
//!
//! # Limits
//!
//! The check reads names, not types. It does not see methods of another module that are called on a
//! value whose type is not named, traits that a glob re-export brings in and that are used for their
//! methods only, items that a macro expands to (except those whose definition stands in the arguments
//! of the macro), paths in attributes or format strings, or `#[cfg_attr(…, path = "…")]`. All values
//! of `cfg` count at once. The arguments of a macro that stands among items are read as items if they
//! parse as such; in all other macros `#[cfg(test)]` has no effect and modules are not found. Integration
//! tests, examples, benches and build scripts are not read.

mod attributes;
mod collect;
mod edges;
mod graph;
mod imports;
mod locate;
mod package;
mod read;
mod reference;
mod report;
mod resolve;
mod subcommand;
#[cfg(test)]
mod tests;
mod tokens;
mod tree;

pub(crate) use subcommand::{Arguments, check_all, run};
