//! The names of the arguments of requests and events, from the same protocol files as the interfaces.
//!
//! The interfaces of wayland-rs have the types of arguments, and not their names.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The name of each argument. A line without a sign is the name of an interface. The lines after it are its
/// requests (`>`) and events (`<`), with the names of their arguments. Messages without arguments are left out.
const TABLE: &str = include_str!("arguments.txt");

/// Interface, sign and name of a message.
type Key = (&'static str, char, &'static str);

/// Returns the names of the arguments of a message, in the order in which they are sent.
pub(crate) fn argument_names(
    interface: &'static str,
    is_request: bool,
    message: &'static str,
) -> &'static [&'static str] {
    static ALL: LazyLock<HashMap<Key, Vec<&'static str>>> = LazyLock::new(read);
    let sign = if is_request { '>' } else { '<' };
    ALL.get(&(interface, sign, message)).map_or(&[], Vec::as_slice)
}

fn read() -> HashMap<Key, Vec<&'static str>> {
    let (mut all, mut interface) = (HashMap::new(), "");
    for line in TABLE.lines() {
        match line.split_once(' ') {
            None => interface = line,
            Some((sign, message)) => {
                let mut words = message.split(' ');
                let sign = if sign == ">" { '>' } else { '<' };
                let name = words.next().unwrap_or_default();
                all.insert((interface, sign, name), words.collect());
            }
        }
    }
    all
}
