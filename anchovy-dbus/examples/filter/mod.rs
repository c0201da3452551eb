//! The messages that the D-Bus spy prints.

use std::collections::HashSet;
use std::sync::Arc;

use anchovy_dbus::{Flags, Header, MessageType};

use crate::spied::Side;

/// Maximum number of calls of a client whose replies will be printed. Calls that are never answered would
/// otherwise fill the memory.
const MAX_OPEN_CALLS: usize = 10_000;

/// The options that choose the messages.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(crate) struct Filter {
    /// Print messages of this sender
    #[arg(long, value_name = "NAME")]
    sender: Vec<String>,
    /// Print messages of this interface
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// Print messages with this member
    #[arg(long, value_name = "NAME")]
    member: Vec<String>,
}

/// The filter of one client, with what it has to remember of the client's messages.
pub(crate) struct Selection {
    filter: Arc<Filter>,
    /// The unique name of the client, once the bus has assigned it.
    name: Option<String>,
    /// The printed calls that have no reply yet: the side of the caller, and the serial.
    calls: HashSet<(Side, u32)>,
}

impl Selection {
    pub(crate) fn new(filter: Arc<Filter>) -> Selection {
        Selection { filter, name: None, calls: HashSet::new() }
    }

    /// Returns the unique name of the client. Its own messages do not contain it, because the bus adds it.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns whether a message is printed. A reply is if its call was.
    pub(crate) fn selects(&mut self, from: Side, header: Header<'_>) -> bool {
        if from == Side::Server && self.name.is_none() {
            // The first message of a bus to a client is its reply to Hello.
            let name = header.destination().filter(|name| name.starts_with(':'));
            self.name = name.map(str::to_owned);
        }
        if self.filter.is_empty() {
            return true;
        }
        if let Some(serial) = header.reply_serial() {
            return self.calls.remove(&(from.other(), serial.get()));
        }
        let sender = match from {
            Side::Client => header.sender().or(self.name()),
            Side::Server => header.sender(),
        };
        let filter = &self.filter;
        let is_selected = matches(&filter.sender, sender)
            && matches(&filter.interface, header.interface())
            && matches(&filter.member, header.member());
        let has_reply = header.message_type() == MessageType::MethodCall
            && !header.flags().contains(Flags::NO_REPLY_EXPECTED);
        if let Some(serial) = header.serial() {
            if is_selected && has_reply && self.calls.len() < MAX_OPEN_CALLS {
                self.calls.insert((from, serial.get()));
            }
        }
        is_selected
    }
}

impl Filter {
    fn is_empty(&self) -> bool {
        self.sender.is_empty() && self.interface.is_empty() && self.member.is_empty()
    }
}

/// Returns whether the name is one of the given ones, or there are none. A star at the end of a given name
/// stands for any text.
fn matches(given: &[String], name: Option<&str>) -> bool {
    given.is_empty()
        || name.is_some_and(|name| {
            given.iter().any(|given| match given.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == given,
            })
        })
}
