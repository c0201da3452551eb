//! The packages and features that CI builds together.

/// Packages to check in one call, with a name for headings. Packages with features are checked
/// separately, because cargo would otherwise enable the features that other packages require.
pub(crate) type Selection = (&'static str, &'static str);

pub(crate) const ANCHOVY_WITHOUT_FEATURES: Selection = ("anchovy, no features", "-p anchovy");

/// interop-tests requires all features of the protocol crates.
pub(crate) const WITH_ALL_FEATURES: &[Selection] = &[
    ("anchovy, all features", "-p anchovy --all-features"),
    ("all others, with all features", "--workspace --exclude anchovy"),
];
