//! Finding the error of the compositor in other errors.

use std::error::Error;
use std::io;

use crate::bind_error::BindError;
use crate::create_error::CreateError;
use crate::display_error::DisplayError;
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::roundtrip_error::RoundtripError;

impl DisplayError {
    /// Returns the error of the compositor that `error` or one of its sources contains, if any.
    ///
    /// This also finds it in an [`io::Error`] that an error of this crate was converted into, and in
    /// errors of other crates whose [`source`](Error::source) is such an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    ///
    /// use anchovy_wayland::{BindError, DisplayError, ObjectId, RoundtripError};
    ///
    /// let reported = DisplayError::new(ObjectId::DISPLAY, DisplayError::NO_MEMORY, "no memory");
    /// let error = RoundtripError::Display(reported.clone());
    /// assert_eq!(DisplayError::from_error(&error), Some(&reported));
    /// assert_eq!(DisplayError::from_error(&io::Error::from(error)), Some(&reported));
    ///
    /// let other = BindError::NoGlobal { interface: "wl_seat".to_owned() };
    /// assert_eq!(DisplayError::from_error(&other), None);
    /// ```
    pub fn from_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a DisplayError> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = contained(error) {
                return Some(found);
            }
            next = error.source();
        }
        None
    }
}

/// Returns the error of the compositor that is or is inside an error, without its sources.
fn contained<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a DisplayError> {
    if let Some(error) = error.downcast_ref::<io::Error>() {
        // The source of an `io::Error` is that of the error in it.
        return DisplayError::from_error(error.get_ref()?);
    }
    error
        .downcast_ref()
        .or_else(|| received(error.downcast_ref()?))
        .or_else(|| sent(error.downcast_ref()?))
        .or_else(|| sent(&error.downcast_ref::<SendError>()?.kind))
        .or_else(|| created(error.downcast_ref()?))
        .or_else(|| bound(error.downcast_ref()?))
        .or_else(|| replied(error.downcast_ref()?))
}

fn received(error: &ReceiveError) -> Option<&DisplayError> {
    if let ReceiveError::Display(error) = error { Some(error) } else { None }
}

fn sent(error: &SendErrorKind) -> Option<&DisplayError> {
    if let SendErrorKind::Display(error) = error { Some(error) } else { None }
}

fn created(error: &CreateError) -> Option<&DisplayError> {
    if let CreateError::Send(error) = error { sent(&error.kind) } else { None }
}

fn bound(error: &BindError) -> Option<&DisplayError> {
    if let BindError::Create(error) = error { created(error) } else { None }
}

fn replied(error: &RoundtripError) -> Option<&DisplayError> {
    match error {
        RoundtripError::Display(error) => Some(error),
        RoundtripError::Receive(error) => received(error),
        RoundtripError::Send(error) => sent(&error.kind),
        _ => None,
    }
}
