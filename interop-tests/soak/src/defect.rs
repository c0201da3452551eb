//! Defects that the tests of this program plant, to see that it finds them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// A file is never closed.
    LeakedDescriptor,
    /// A peer sends a message back without one of its descriptors.
    LostDescriptor,
    /// Memory is never freed.
    LeakedBuffer,
}

/// The variable that names a defect.
const VARIABLE: &str = "ANCHOVY_SOAK_DEFECT";

impl Defect {
    /// Returns whether the defect was asked for, the first time after [`plant`].
    pub(crate) fn occurs(self) -> bool {
        planted() == Some(self) && ARMED.swap(false, Ordering::Relaxed)
    }
}

static ARMED: AtomicBool = AtomicBool::new(false);

/// Has the defect that the variable names occur once from now on.
pub(crate) fn plant() {
    ARMED.store(true, Ordering::Relaxed);
}

fn planted() -> Option<Defect> {
    static PLANTED: OnceLock<Option<Defect>> = OnceLock::new();
    *PLANTED.get_or_init(|| match std::env::var(VARIABLE).ok()?.as_str() {
        "leaked-descriptor" => Some(Defect::LeakedDescriptor),
        "lost-descriptor" => Some(Defect::LostDescriptor),
        "leaked-buffer" => Some(Defect::LeakedBuffer),
        name => panic!("no defect {name}"),
    })
}
