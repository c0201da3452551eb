//! The objects of one client: which there are, of which interface, and what is said of them.
//!
//! A message names its object by a number, and only whoever has followed the making of all objects
//! knows what that is. Both ends make objects; so both directions are followed here, in one place.

use std::collections::HashMap;
use std::fmt::Write;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{Arguments, Message, ObjectId, WireError, fds};
use wayland_client::backend::protocol::{ArgumentType, Interface, MessageDesc};

use crate::describe::describe;
use crate::protocols::interface;

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client, by requests.
    Client,
    /// The compositor, by events.
    Compositor,
}

/// The objects of one client.
pub(crate) struct Objects {
    all: HashMap<ObjectId, Object>,
    /// It has been said that there are objects which are not known.
    noted: bool,
}

struct Object {
    interface: Known,
    /// The client has destroyed it. Its number may not be given again yet, and events for it may be
    /// under way, with descriptors; so it is still known what it was.
    destroyed: bool,
}

/// An interface, or as much as is known of one.
#[derive(Clone)]
enum Known {
    Whole(&'static Interface),
    Name(String),
}

impl Known {
    fn of(name: String) -> Known {
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

/// A message that was followed.
pub(crate) struct Followed {
    /// What it is, in one line.
    pub(crate) line: String,
    /// What is not known because of it.
    pub(crate) warning: Option<String>,
}

impl Objects {
    /// The display, which is there from the start.
    pub(crate) fn new() -> Objects {
        let mut objects = Objects { all: HashMap::new(), noted: false };
        objects.insert(ObjectId::DISPLAY, Known::of("wl_display".to_owned()));
        objects
    }

    fn insert(&mut self, id: ObjectId, interface: Known) {
        self.all.insert(id, Object { interface, destroyed: false });
    }

    /// How many descriptors a message has; 0 if nobody knows.
    pub(crate) fn fds(&self, side: Side, id: ObjectId, opcode: u16) -> usize {
        let Some(Object { interface, .. }) = self.all.get(&id) else { return 0 };
        match (interface.message(side, opcode), side) {
            (Some(message), _) => {
                message.signature.iter().filter(|kind| matches!(kind, ArgumentType::Fd)).count()
            }
            // There is another table, of nothing but messages with descriptors, and of more files.
            (None, Side::Client) => fds::requests(interface.name(), opcode),
            (None, Side::Compositor) => fds::events(interface.name(), opcode),
        }
    }

    /// Learns from a message which objects there are, and says what it is:
    /// `wl_shm#5.create_pool(new wl_shm_pool#9, fd 0, 4096); fd 0: memfd "shared" read+write`.
    ///
    /// The message stays as it was.
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
                    "it is not known what object {id} is: if it has descriptors, later messages get them"
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

    /// Shows arguments, and takes in the objects that they make. Descriptors stay where they are.
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
                        // The client says which: `wl_registry.bind`.
                        None => Known::of(std::mem::take(&mut text)),
                    };
                    if let Known::Name(_) = interface {
                        *warning = Some(format!(
                            "there is no table of {}: it is not known what it makes",
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

/// The name of an interface, which may be one that a client made up: it cannot break the line.
fn shown(interface: &Known) -> String {
    interface.name().escape_debug().to_string()
}

fn is_destructor(interface: &Known, side: Side, opcode: u16) -> bool {
    side == Side::Client
        && interface.message(side, opcode).is_some_and(|message| message.is_destructor)
}
