//! Server addresses: what is parsed is printed in one form, which means the same.

use anchovy_dbus::{Address, Addresses};

/// Parses the text, prints it, and parses it again.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(addresses) = text.parse::<Addresses>() {
        let printed = addresses.to_string();
        let reparsed: Addresses = printed.parse().expect("what is printed is valid");
        assert_eq!(reparsed, addresses, "{text:?} is printed as {printed:?}");
        assert_eq!(reparsed.to_string(), printed);
        assert!(addresses.len() >= 1);
        assert_eq!(addresses.iter().count(), addresses.len());
        for address in &addresses {
            check(address);
        }
    }
    if let Ok(address) = text.parse::<Address>() {
        check(&address);
        let list: Addresses = text.parse().expect("one address is a list");
        assert_eq!(list, Addresses::from(address));
    }
}

fn check(address: &Address) {
    let printed = address.to_string();
    let reparsed: Address = printed.parse().expect("what is printed is valid");
    assert_eq!(reparsed, *address);
    assert_eq!(reparsed.to_string(), printed);
    // The bytes that need no escape ("Server Addresses"), and separators.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/.\\*%:=,".contains(&byte);
    assert!(printed.bytes().all(is_plain), "{printed:?}");
    let _ = format!("{address:?}");
}
