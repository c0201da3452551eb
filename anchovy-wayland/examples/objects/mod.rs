//! The objects of one client, and the description of its messages.
//!
//! A message identifies its object by a number. The interface of the object is known only from the message
//! that created the object. Both sides create objects, so this module processes both directions.

use std::collections::HashMap;
use std::fmt::Write;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{Arguments, Message, ObjectId, WireError, fds};
use wayland_client::backend::protocol::{ArgumentType, Interface, MessageDesc};

use crate::describe::describe;
use crate::protocols::interface;

/// The sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client, which sends requests.
    Client,
    /// The compositor, which sends events.
    Compositor,
}

/// The objects of one client.
pub(crate) struct Objects {
    all: HashMap<ObjectId, Object>,
    /// Whether the warning about unknown objects was returned.
    noted: bool,
}

struct Object {
    interface: Known,
    /// Whether the client has destroyed the object. Until the compositor deletes the id, events of the
    /// object may arrive with descriptors, so its interface is kept.
    destroyed: bool,
}

/// An interface, or the name of an interface that is in no protocol file of this program.
#[derive(Clone)]
enum Known {
    Whole(&'static Interface),
    Name(String),
}

impl Known {
    fn from_name(name: String) -> Known {
        interface(&name).map_or(Known::Name(name), Known::Whole)
    }

    fn name(&self) -> &str {
        match self {
            Known::Whole(interface) => interface.name,
            Known::Name(name) => name,
        }
    }

    fn message(&self, side: Side, opcode: u16) -> Option<&'static MessageDesc> {
        let Known::Whole(interface) = self else { return None };
        let messages = match side {
            Side::Client => interface.requests,
            Side::Compositor => interface.events,
        };
        messages.get(usize::from(opcode))
    }
}

/// The description of a message.
pub(crate) struct Followed {
    /// One line with the interface, the name and the arguments of the message.
    pub(crate) line: String,
    /// A warning if the message creates or uses an unknown object.
    pub(crate) warning: Option<String>,
}

impl Objects {
    /// Creates the objects of a new client: the display.
    pub(crate) fn new() -> Objects {
        let mut objects = Objects { all: HashMap::new(), noted: false };
        objects.insert(ObjectId::DISPLAY, Known::from_name("wl_display".to_owned()));
        objects
    }

    fn insert(&mut self, id: ObjectId, interface: Known) {
        self.all.insert(id, Object { interface, destroyed: false });
    }

    /// Returns the number of descriptors of a message, or 0 if the object is unknown.
    pub(crate) fn fds(&self, side: Side, id: ObjectId, opcode: u16) -> usize {
        let Some(Object { interface, .. }) = self.all.get(&id) else { return 0 };
        match (interface.message(side, opcode), side) {
            (Some(message), _) => {
                message.signature.iter().filter(|kind| matches!(kind, ArgumentType::Fd)).count()
            }
            // The table of the crate covers more protocol files.
            (None, Side::Client) => fds::requests(interface.name(), opcode),
            (None, Side::Compositor) => fds::events(interface.name(), opcode),
        }
    }

    /// Records the objects that a message creates, and describes the message:
    /// `wl_shm#5.create_pool(new wl_shm_pool#9, fd 0, 4096); fd 0: memfd "shared" read+write`.
    ///
    /// The message is not changed.
    pub(crate) fn follow(&mut self, side: Side, message: &mut Message) -> Followed {
        let (id, opcode) = (message.object(), message.opcode());
        let known = self.all.get(&id).map(|object| object.interface.clone());
        let name = known.as_ref().map_or("unknown".to_owned(), shown);
        let mut line = format!("{name}#{id}.");
        let mut warning = None;
        match known.and_then(|known| known.message(side, opcode)) {
            Some(described) => {
                line.push_str(described.name);
                line.push('(');
                let mut arguments = message.read();
                let end = self.arguments(&mut line, described, &mut arguments, &mut warning);
                line.push(')');
                if let Err(error) = end {
                    let _ = write!(line, ", malformed: {error}");
                }
            }
            None => {
                let _ = write!(line, "{opcode}(?), {} bytes", message.len());
            }
        }
        match self.all.get_mut(&id) {
            Some(object) if object.destroyed => line.push_str(", of a destroyed object"),
            Some(object) => object.destroyed = is_destructor(&object.interface, side, opcode),
            None if !self.noted => {
                self.noted = true;
                warning = Some(format!(
                    "object {id} is unknown: its descriptors, if any, are forwarded with later messages"
                ));
            }
            None => {}
        }
        if (side, id, opcode) == (Side::Compositor, ObjectId::DISPLAY, wl_display::DELETE_ID) {
            if let Some(id) = message.read().uint().ok().and_then(ObjectId::new) {
                self.all.remove(&id);
            }
        }
        for (place, fd) in message.fds().iter().enumerate() {
            let _ = write!(line, "; fd {place}: {}", describe(fd));
        }
        Followed { line, warning }
    }

    /// Describes the arguments, and records the objects that they create. Takes no descriptors.
    fn arguments(
        &mut self,
        line: &mut String,
        message: &MessageDesc,
        arguments: &mut Arguments<'_>,
        warning: &mut Option<String>,
    ) -> Result<(), WireError> {
        let (mut fds, mut text) = (0, String::new());
        for (place, kind) in message.signature.iter().enumerate() {
            if place > 0 {
                line.push_str(", ");
            }
            let shown = match kind {
                ArgumentType::Int => arguments.int()?.to_string(),
                ArgumentType::Uint => arguments.uint()?.to_string(),
                ArgumentType::Fixed => f64::from(arguments.fixed()?).to_string(),
                ArgumentType::Str(_) => match arguments.optional_string()? {
                    Some(string) => {
                        text = string.to_string_lossy().into_owned();
                        format!("\"{}\"", text.escape_debug())
                    }
                    None => "null".to_owned(),
                },
                ArgumentType::Object(_) => match arguments.optional_object()? {
                    Some(id) => self.name(id),
                    None => "null".to_owned(),
                },
                ArgumentType::NewId => {
                    let id = arguments.new_id()?;
                    let interface = match message.child_interface {
                        Some(interface) => Known::Whole(interface),
                        // `wl_registry.bind`: the previous argument is the interface.
                        None => Known::from_name(std::mem::take(&mut text)),
                    };
                    if let Known::Name(_) = interface {
                        *warning = Some(format!(
                            "the interface {} is unknown, and so are the objects that it creates",
                            shown(&interface)
                        ));
                    }
                    self.insert(id, interface);
                    format!("new {}", self.name(id))
                }
                ArgumentType::Array => format!("array of {} bytes", arguments.array()?.len()),
                ArgumentType::Fd => {
                    fds += 1;
                    format!("fd {}", fds - 1)
                }
            };
            line.push_str(&shown);
        }
        Ok(())
    }

    fn name(&self, id: ObjectId) -> String {
        let object = self.all.get(&id);
        let name = object.map_or("unknown".to_owned(), |object| shown(&object.interface));
        format!("{name}#{id}")
    }
}

/// Returns the name of an interface. A client may have chosen it, so control characters are escaped.
fn shown(interface: &Known) -> String {
    interface.name().escape_debug().to_string()
}

fn is_destructor(interface: &Known, side: Side, opcode: u16) -> bool {
    side == Side::Client
        && interface.message(side, opcode).is_some_and(|message| message.is_destructor)
}
