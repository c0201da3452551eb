//! A message as one line: its header and the files of its descriptors.

use std::borrow::Cow;
use std::fmt::Write;

use anchovy_dbus::{Flags, Message, MessageType};
use serde::Serialize;

use crate::describe::{Described, describe};
use crate::spied::{Color, Record, Role};

/// The names of the columns of a [`MessageLine`], after the time.
pub(crate) const COLUMNS: &str = "CLIENT TYPE   SERIAL REPLY-TO \
    SENDER               DESTINATION          MESSAGE";

/// The header of a message, and what its descriptors are.
#[derive(Serialize)]
pub(crate) struct MessageLine<'a> {
    #[serde(skip)]
    is_from_client: bool,
    #[serde(rename = "type")]
    message_type: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_serial: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_name: Option<&'a str>,
    signature: &'a str,
    body_bytes: usize,
    flags: Vec<&'static str>,
    fds: Vec<Described>,
    /// Number of descriptors that the message has, and that the kernel did not deliver.
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<u32>,
}

impl<'a> MessageLine<'a> {
    /// Reads the header of a message. `sender` is its sender, if the message does not name one.
    pub(crate) fn new(message: &'a Message, is_from_client: bool, sender: Option<&'a str>) -> Self {
        let header = message.header();
        let is_call = header.message_type() == MessageType::MethodCall;
        let known = [
            (Flags::NO_REPLY_EXPECTED, "no-reply"),
            (Flags::NO_AUTO_START, "no-auto-start"),
            (Flags::ALLOW_INTERACTIVE_AUTHORIZATION, "interactive"),
        ];
        // The flags have a meaning for calls only, but buses also set them in other messages.
        let set = known.into_iter().filter(|(flag, _)| is_call && header.flags().contains(*flag));
        MessageLine {
            is_from_client,
            message_type: match header.message_type() {
                MessageType::MethodCall => "call".into(),
                MessageType::MethodReturn => "return".into(),
                MessageType::Error => "error".into(),
                MessageType::Signal => "signal".into(),
                MessageType::Unknown(code) => format!("type-{code}").into(),
            },
            serial: header.serial().map(Into::into),
            reply_serial: header.reply_serial().map(Into::into),
            sender: header.sender().or(sender),
            destination: header.destination(),
            path: header.path(),
            interface: header.interface(),
            member: header.member(),
            error_name: header.error_name(),
            signature: header.signature(),
            body_bytes: header.body_len(),
            flags: set.map(|(_, name)| name).collect(),
            fds: message.fds().iter().map(describe).collect(),
            truncated: message.truncation().map(|_| header.unix_fds()),
        }
    }

    fn role(&self) -> Role {
        match &*self.message_type {
            "call" => Role::Request,
            "return" => Role::Reply,
            "error" => Role::Error,
            _ => Role::Event,
        }
    }
}

/// The text of a header is ASCII without control characters (`Message` checks that), so it needs no
/// escapes.
impl Record for MessageLine<'_> {
    fn text(&self, client: u64, color: Color, line: &mut String) -> std::fmt::Result {
        let or_dash = |number: Option<u32>| number.map_or("-".to_owned(), |it| it.to_string());
        let direction = if self.is_from_client { '>' } else { '<' };
        write!(line, "{client:4} {direction} ")?;
        write!(line, "{} ", color.paint(self.role(), format_args!("{:6}", self.message_type)))?;
        write!(line, "{:>6} {:>8} ", or_dash(self.serial), or_dash(self.reply_serial))?;
        write!(line, "{:20} ", self.sender.unwrap_or("-"))?;
        write!(line, "{:20} ", self.destination.unwrap_or("-"))?;
        if let Some(path) = self.path {
            write!(line, "{path} ")?;
        }
        let names = [self.interface, self.member, self.error_name];
        let names: Vec<_> = names.into_iter().flatten().collect();
        write!(line, "{}", color.paint(Role::Name, names.join(".")))?;
        write!(line, "({}) {} bytes", self.signature, self.body_bytes)?;
        for flag in &self.flags {
            write!(line, " {flag}")?;
        }
        for (place, fd) in self.fds.iter().enumerate() {
            write!(line, "; {}", color.paint(Role::Fd, format_args!("fd {place}: {fd}")))?;
        }
        if let Some(count) = self.truncated {
            let text = format_args!("truncated: {count} descriptors were lost");
            write!(line, "; {}", color.paint(Role::Error, text))?;
        }
        Ok(())
    }
}
