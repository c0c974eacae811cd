//! What the tests of several pages share.

use ksvc_router_cli::message::Message;

/// Formats a message without file, line and column.
pub(crate) fn in_a_line(message: &Message) -> String {
    let severity = if message.is_error() { "error" } else { "warning" };
    match message.place.as_str() {
        "" => format!("{severity}: {}\n", message.text),
        place => format!("{severity}: {place}: {}\n", message.text),
    }
}
