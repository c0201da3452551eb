//! Bodies as values.

use serde::de::DeserializeOwned;
use zbus::Type;
use zbus::wire::serialized::Data;

use super::body_error::BodyError;
use super::body_value::context;
use super::content::Message;

impl Message {
    /// Decodes the body (feature `zbus`).
    ///
    /// The fields of a tuple or a struct are the arguments of the message. For a message with one
    /// argument of type `A`, `T` is `(A,)`. It can also be `A`, unless the argument is a struct. For a
    /// message without arguments, `T` is `()`.
    ///
    /// Each descriptor in the result (type `h`, [`zbus::OwnedFd`]) is a duplicate (`F_DUPFD_CLOEXEC`).
    /// The original stays in the message and is closed with it. To get the descriptors without
    /// duplicates, use [`take_fds`](Self::take_fds). Duplicates are not charged to the account of the
    /// peer.
    ///
    /// # Errors
    ///
    /// Returns a [`BodyError`] if the signature of the body is not that of `T`, or if the body does not
    /// match its signature. All duplicates are closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Message;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let call = Message::method_call("/", "Add").body_of(&("one", 2_u32)).build()?;
    /// let (text, number): (String, u32) = call.body_as()?;
    /// assert_eq!((&*text, number), ("one", 2));
    ///
    /// let refused = call.body_as::<String>().unwrap_err();
    /// assert_eq!(refused.to_string(), "the body has the signature \"su\", expected \"s\"");
    /// # Ok(())
    /// # }
    /// ```
    pub fn body_as<T: DeserializeOwned + Type>(&self) -> Result<T, BodyError> {
        let found = self.header().signature();
        let expected = T::SIGNATURE.to_string_no_parens();
        if found != expected {
            return Err(BodyError::Signature { expected, found: found.to_owned() });
        }
        let body = self.body();
        let context = context(self.header().byte_order());
        let data = Data::new_borrowed_fds(&body[..], context, self.fds());
        match data.deserialize::<T>() {
            Ok((value, read)) if read == body.len() => Ok(value),
            Ok((_, read)) => Err(BodyError::TrailingBytes {
                signature: expected,
                expected: read,
                found: body.len(),
            }),
            Err(error) => Err(BodyError::Decode { signature: expected, error }),
        }
    }
}
