//! A server of lines with descriptors, over `anchovy::codec`.

use anchovy::codec::Framed;
use anchovy::{AnchovyListener, DBUS_SCM_RIGHTS};

use crate::child::say;

// The codec of the documentation: a digit with the number of descriptors, a text, a newline.
include!("../../../anchovy/src/codec/tests/lines.rs");

/// Answers every line with its text and the number of its descriptors, and says how each connection
/// ended.
pub(crate) async fn serve_lines(listener: AnchovyListener<DBUS_SCM_RIGHTS>) {
    say("listening");
    loop {
        let (stream, _) = listener.accept().await.expect("the next client");
        tokio::spawn(async move {
            let mut framed = Framed::new(stream, Lines);
            loop {
                match framed.next().await {
                    Some(Ok((text, fds))) => {
                        let answer = (format!("{text} {}", fds.len()), Vec::new());
                        if framed.send(answer).await.is_err() {
                            break say("ended with an unread answer");
                        }
                    }
                    Some(Err(error)) => break say(format_args!("ended with an error: {error}")),
                    None => break say("ended"),
                }
            }
        });
    }
}
