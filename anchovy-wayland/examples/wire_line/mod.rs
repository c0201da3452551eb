//! A message as one line, in the form of WAYLAND_DEBUG=1 with the names of the arguments.

use std::fmt::{self, Write};

use anchovy_wayland::{Fixed, ObjectId};
use serde::Serialize;

use crate::describe::Described;
use crate::spied::{Color, Record, Role, Side};

/// A message with its arguments, and what its descriptors are.
#[derive(Serialize)]
pub(crate) struct WireLine {
    #[serde(skip)]
    pub(crate) from: Side,
    pub(crate) object: ObjectRef,
    /// The name of the message, if its interface is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'static str>,
    pub(crate) opcode: u16,
    pub(crate) bytes: usize,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) fds: Vec<Described>,
    /// Whether the client has destroyed the object.
    pub(crate) destroyed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) malformed: Option<String>,
    /// A warning about an object that is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<String>,
}

/// An object: its number, and its interface if it is known.
#[derive(Clone, Serialize)]
pub(crate) struct ObjectRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interface: Option<String>,
    #[serde(serialize_with = "number")]
    pub(crate) id: ObjectId,
}

fn number<S: serde::Serializer>(id: &ObjectId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(id.get())
}

/// An argument, with its name if it is known.
#[derive(Serialize)]
pub(crate) struct Argument {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'static str>,
    #[serde(flatten)]
    pub(crate) value: Value,
}

/// The value of an argument. The names are those of the types in protocol files.
#[derive(Serialize)]
#[serde(tag = "type", content = "value", rename_all = "snake_case")]
pub(crate) enum Value {
    Int(i32),
    Uint(u32),
    #[serde(serialize_with = "as_f64")]
    Fixed(Fixed),
    String(Option<String>),
    Object(Option<ObjectRef>),
    NewId(ObjectRef),
    /// The number of bytes.
    Array(usize),
    /// The position of the descriptor in the message.
    Fd(usize),
}

fn as_f64<S: serde::Serializer>(number: &Fixed, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(f64::from(*number))
}

impl Record for WireLine {
    fn text(&self, client: u64, color: Color, line: &mut String) -> fmt::Result {
        // Newer versions of libwayland print the name of a queue in braces in this place.
        write!(line, "{{client {client}}} ")?;
        let (arrow, role) = match self.from {
            Side::Client => (" -> ", Role::Request),
            Side::Server => ("", Role::Event),
        };
        write!(line, "{}", color.paint(role, format_args!("{arrow}{}", self.object)))?;
        let Some(name) = self.name else {
            let kind = if self.from == Side::Client { "request" } else { "event" };
            write!(line, ".[{kind} {}]({} bytes)", self.opcode, self.bytes)?;
            return self.notes(color, line);
        };
        write!(line, ".{}(", color.paint(Role::Name, name))?;
        for (place, argument) in self.arguments.iter().enumerate() {
            let separator = if place > 0 { ", " } else { "" };
            write!(line, "{separator}")?;
            if let Some(name) = argument.name {
                write!(line, "{}", color.paint(Role::Faint, format_args!("{name}: ")))?;
            }
            write!(line, "{}", argument.value)?;
        }
        write!(line, ")")?;
        self.notes(color, line)
    }
}

impl WireLine {
    /// Adds what libwayland does not print.
    fn notes(&self, color: Color, line: &mut String) -> fmt::Result {
        if self.destroyed {
            write!(line, "; the client has destroyed the object")?;
        }
        for (place, fd) in self.fds.iter().enumerate() {
            write!(line, "; {}", color.paint(Role::Fd, format_args!("fd {place}: {fd}")))?;
        }
        for (word, text) in [("malformed", &self.malformed), ("warning", &self.warning)] {
            if let Some(text) = text {
                write!(line, "; {}", color.paint(Role::Error, format_args!("{word}: {text}")))?;
            }
        }
        Ok(())
    }
}

/// A client may have chosen the name of an interface, so control characters are escaped.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{}#{}", interface.escape_debug(), self.id),
            None => write!(f, "[unknown]#{}", self.id),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(number) => write!(f, "{number}"),
            Value::Uint(number) => write!(f, "{number}"),
            Value::Fixed(number) => write!(f, "{:.8}", f64::from(*number)),
            Value::String(Some(text)) => write!(f, "\"{}\"", text.escape_debug()),
            Value::Object(Some(object)) => write!(f, "{object}"),
            Value::String(None) | Value::Object(None) => write!(f, "nil"),
            Value::NewId(object) => write!(f, "new id {object}"),
            Value::Array(bytes) => write!(f, "array[{bytes}]"),
            Value::Fd(place) => write!(f, "fd {place}"),
        }
    }
}
