//! The objects of one client, and the messages to and from them.
//!
//! A message identifies its object by a number. The interface of the object is known only from the message
//! that created the object. Both sides create objects, so this module processes both directions.

use std::collections::HashMap;

use anchovy_wayland::opcodes::wl_display;
use anchovy_wayland::{Arguments, Message, ObjectId, WireError, fds};
use wayland_client::backend::protocol::{ArgumentType, Interface, MessageDesc};

use crate::argument_names::argument_names;
use crate::describe::describe;
use crate::filter::Filter;
use crate::protocols::interface;
use crate::spied::Side;
use crate::wire_line::{Argument, ObjectRef, Value, WireLine};

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
            Side::Server => interface.events,
        };
        messages.get(usize::from(opcode))
    }
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
            (None, Side::Server) => fds::events(interface.name(), opcode),
        }
    }

    /// Records the objects that a message creates. Returns the message if it is to be printed: the filter
    /// selects it, or there is a warning about it.
    ///
    /// The message is not changed.
    pub(crate) fn follow(
        &mut self,
        side: Side,
        message: &mut Message,
        filter: &Filter,
    ) -> Option<WireLine> {
        let (id, opcode) = (message.object(), message.opcode());
        let known = self.all.get(&id).map(|object| object.interface.clone());
        let described = known.as_ref().and_then(|known| known.message(side, opcode));
        let interface = known.as_ref().map_or("", Known::name);
        let is_selected = filter.selects(side, interface, described.map(|message| message.name));
        let mut line = WireLine {
            from: side,
            object: self.object(id),
            name: described.map(|message| message.name),
            opcode,
            bytes: message.len(),
            arguments: Vec::new(),
            fds: Vec::new(),
            destroyed: false,
            malformed: None,
            warning: None,
        };
        if let (Some(Known::Whole(interface)), Some(described)) = (known, described) {
            let names = argument_names(interface.name, side == Side::Client, described.name);
            let end = self.arguments(&mut line, described, names, &mut message.read());
            line.malformed = end.err().map(|error| error.to_string());
        }
        match self.all.get_mut(&id) {
            Some(object) => {
                line.destroyed = object.destroyed;
                object.destroyed |= is_destructor(&object.interface, side, opcode);
            }
            None if !self.noted => {
                self.noted = true;
                line.warning = Some(format!(
                    "object {id} is unknown: its descriptors, if any, are forwarded with later messages"
                ));
            }
            None => {}
        }
        if (side, id, opcode) == (Side::Server, ObjectId::DISPLAY, wl_display::DELETE_ID) {
            if let Some(id) = message.read().uint().ok().and_then(ObjectId::new) {
                self.all.remove(&id);
            }
        }
        if !is_selected && line.warning.is_none() {
            return None;
        }
        line.fds = message.fds().iter().map(describe).collect();
        Some(line)
    }

    /// Reads the arguments, and records the objects that they create. Takes no descriptors.
    fn arguments(
        &mut self,
        line: &mut WireLine,
        message: &MessageDesc,
        names: &[&'static str],
        arguments: &mut Arguments<'_>,
    ) -> Result<(), WireError> {
        let mut fds = 0;
        for (place, kind) in message.signature.iter().enumerate() {
            let value = match kind {
                ArgumentType::Int => Value::Int(arguments.int()?),
                ArgumentType::Uint => Value::Uint(arguments.uint()?),
                ArgumentType::Fixed => Value::Fixed(arguments.fixed()?),
                ArgumentType::Str(_) => {
                    let text = arguments.optional_string()?;
                    Value::String(text.map(|text| text.to_string_lossy().into_owned()))
                }
                ArgumentType::Object(_) => {
                    Value::Object(arguments.optional_object()?.map(|id| self.object(id)))
                }
                ArgumentType::NewId => {
                    let id = arguments.new_id()?;
                    let interface = new_interface(message, &line.arguments);
                    if let Known::Name(name) = &interface {
                        line.warning = Some(format!(
                            "the interface {} is unknown, and so are the objects that it creates",
                            name.escape_debug()
                        ));
                    }
                    self.insert(id, interface);
                    Value::NewId(self.object(id))
                }
                ArgumentType::Array => Value::Array(arguments.array()?.len()),
                ArgumentType::Fd => {
                    fds += 1;
                    Value::Fd(fds - 1)
                }
            };
            line.arguments.push(Argument { name: names.get(place).copied(), value });
        }
        Ok(())
    }

    fn object(&self, id: ObjectId) -> ObjectRef {
        let object = self.all.get(&id);
        let interface = object.map(|object| object.interface.name().to_owned());
        ObjectRef { interface, id }
    }
}

/// Returns the interface of a new object. If the message does not determine it (`wl_registry.bind`), an
/// earlier argument is its name.
fn new_interface(message: &MessageDesc, earlier: &[Argument]) -> Known {
    if let Some(interface) = message.child_interface {
        return Known::Whole(interface);
    }
    let name = earlier.iter().find_map(|argument| match &argument.value {
        Value::String(Some(name)) => Some(name.clone()),
        _ => None,
    });
    Known::from_name(name.unwrap_or_default())
}

fn is_destructor(interface: &Known, side: Side, opcode: u16) -> bool {
    side == Side::Client
        && interface.message(side, opcode).is_some_and(|message| message.is_destructor)
}
