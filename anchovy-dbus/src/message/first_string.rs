//! The first argument of a message.

use super::content::Message;
use super::reader::Reader;

impl Message {
    /// Returns the first argument if it is a valid string.
    pub(crate) fn first_string(&self) -> Option<&str> {
        let header = self.header();
        if !header.signature().starts_with('s') {
            return None;
        }
        let text = Reader::new(self.body(), 0, header.byte_order()).text().ok()?;
        std::str::from_utf8(text).ok().filter(|text| !text.contains('\0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::byte_order::ByteOrder;

    fn first_string(order: ByteOrder, signature: &str, body: &[u8]) -> Option<String> {
        let call = Message::method_call("/", "M").byte_order(order).body(signature, body.to_vec());
        call.build().expect("a good call").first_string().map(str::to_owned)
    }

    #[test]
    fn a_first_string_is_read_in_the_byte_order_of_its_message() {
        let little = b"\x02\0\0\0hi\0";
        assert_eq!(first_string(ByteOrder::Little, "s", little).as_deref(), Some("hi"));
        let big = b"\0\0\0\x02hi\0\0\0\0\0\x07";
        assert_eq!(first_string(ByteOrder::Big, "su", big).as_deref(), Some("hi"));
        assert_eq!(first_string(ByteOrder::Big, "s", little), None);
    }

    #[test]
    fn another_type_and_an_invalid_string_are_no_first_string() {
        for (signature, body) in [
            ("u", &b"\x02\0\0\0hi\0"[..]),
            ("s", b"\x02"),
            ("s", b"\xff\xff\xff\xffhi\0"),
            ("s", b"\x02\0\0\0hi!"),
            ("s", b"\x02\0\0\0\xffi\0"),
            ("s", b"\x02\0\0\0h\0\0"),
        ] {
            assert_eq!(first_string(ByteOrder::Little, signature, body), None, "{body:?}");
        }
    }
}
