//! The name of an interface, cheap to copy.

use std::borrow::Cow;
use std::sync::Arc;

/// The name of an interface. Cloning it does not allocate.
#[derive(Clone, Debug)]
pub(crate) enum InterfaceName {
    Static(&'static str),
    Shared(Arc<str>),
}

impl InterfaceName {
    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            InterfaceName::Static(name) => name,
            InterfaceName::Shared(name) => name,
        }
    }
}

impl From<Cow<'static, str>> for InterfaceName {
    fn from(name: Cow<'static, str>) -> InterfaceName {
        match name {
            Cow::Borrowed(name) => InterfaceName::Static(name),
            Cow::Owned(name) => InterfaceName::Shared(name.into()),
        }
    }
}
