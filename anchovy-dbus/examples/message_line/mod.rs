//! A message as one line: its header and the files of its descriptors.

use std::fmt::Write;

use anchovy_dbus::{Flags, Message, MessageType};

use crate::describe::describe;

/// Returns a line such as
/// `call 7 to org.example.Files: /org/example org.example.Files.Take(h) 4 bytes; fd 0: /etc/hosts read`.
///
/// The first number is the serial. In a reply, the serial of the call follows it (`answers 7`). The
/// text in a valid header is ASCII without control characters, so it needs no escapes.
pub(crate) fn line(message: &Message) -> String {
    let mut line = String::new();
    write_line(&mut line, message).expect("a string accepts any text");
    line
}

fn write_line(line: &mut String, message: &Message) -> std::fmt::Result {
    let header = message.header();
    match header.message_type() {
        MessageType::MethodCall => write!(line, "call")?,
        MessageType::MethodReturn => write!(line, "return")?,
        MessageType::Error => write!(line, "error")?,
        MessageType::Signal => write!(line, "signal")?,
        MessageType::Unknown(code) => write!(line, "type-{code}")?,
    }
    if let Some(serial) = header.serial() {
        write!(line, " {serial}")?;
    }
    if let Some(serial) = header.reply_serial() {
        write!(line, " answers {serial}")?;
    }
    for (word, name) in [("from", header.sender()), ("to", header.destination())] {
        if let Some(name) = name {
            write!(line, " {word} {name}")?;
        }
    }
    write!(line, ": ")?;
    if let Some(path) = header.path() {
        write!(line, "{path} ")?;
    }
    let names = [header.interface(), header.member(), header.error_name()];
    let names: Vec<_> = names.into_iter().flatten().collect();
    write!(line, "{}({}) {} bytes", names.join("."), header.signature(), header.body_len())?;
    let known = [
        (Flags::NO_REPLY_EXPECTED, "no-reply"),
        (Flags::NO_AUTO_START, "no-auto-start"),
        (Flags::ALLOW_INTERACTIVE_AUTHORIZATION, "interactive"),
    ];
    for (flag, word) in known {
        // The flags have a meaning for calls only, but buses also set them in other messages.
        if header.message_type() == MessageType::MethodCall && header.flags().contains(flag) {
            write!(line, " {word}")?;
        }
    }
    for (place, fd) in message.fds().iter().enumerate() {
        write!(line, "; fd {place}: {}", describe(fd))?;
    }
    if message.truncation().is_some() {
        write!(line, "; {} descriptors were cut off", header.unix_fds())?;
    }
    Ok(())
}
