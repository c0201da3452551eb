//! The messages that the Wayland spy prints.

use crate::spied::Side;

/// The options that choose the messages.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Filters")]
pub(crate) struct Filter {
    /// Print messages of objects of this interface
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// Print requests with this name
    #[arg(long, value_name = "NAME")]
    request: Vec<String>,
    /// Print events with this name
    #[arg(long, value_name = "NAME")]
    event: Vec<String>,
}

impl Filter {
    /// Returns whether a message is printed. Its name is `None` if it is unknown.
    pub(crate) fn selects(&self, from: Side, interface: &str, message: Option<&str>) -> bool {
        let names = match from {
            Side::Client => &self.request,
            Side::Server => &self.event,
        };
        let is_any = self.request.is_empty() && self.event.is_empty();
        let has_name = is_any || message.is_some_and(|message| matches(names, message));
        has_name && (self.interface.is_empty() || matches(&self.interface, interface))
    }
}

/// Returns whether the name is one of the given ones. A star at the end of a given name stands for any text.
fn matches(given: &[String], name: &str) -> bool {
    given.iter().any(|given| match given.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == given,
    })
}
