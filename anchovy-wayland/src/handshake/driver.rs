//! The question, and the messages that arrive until it is answered.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures_sink::Sink;

use super::answer::{RegistryAnswer, Step};
use crate::client_ids::ClientIds;
use crate::codec::Signatures;
use crate::connection::Connection;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::opcodes::wl_display;
use crate::registry::Registry;
use crate::registry_error::RegistryError;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;

impl<G: Signatures + Unpin> Connection<G> {
    /// Asks the compositor for its globals, and waits for all of them.
    ///
    /// `get_registry` and `sync` leave together, with two numbers that are taken from `ids`: 2 and 3
    /// on a new connection. The source of counts is asked about the events of these objects and of
    /// the display too, and has to answer 0.
    ///
    /// The events of the registry and of the callback are taken in. All others are kept for
    /// [`receive`](Connection::receive), in order; so is the `wl_display.delete_id` of the callback,
    /// which compositors send behind the answer, and which is for [`ClientIds::update`]. So the
    /// handshake does not wait for it, and the number of the callback is not given anew before.
    ///
    /// # Errors
    ///
    /// [`RegistryError`]. The connection is over after most of them; after
    /// [`Overdue`](RegistryError::Overdue) it can go on, and everything that had arrived is received
    /// again.
    ///
    /// # Panics
    ///
    /// In a runtime without tokio's timers.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped, and nothing after an error: everything that had arrived
    /// is received again, in order, the events of the registry included. If room for the two
    /// requests was there, the numbers are taken, and the requests have left or leave with the next
    /// flush.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use anchovy_wayland::{Answer, ClientIds, Connection, Globals, Limits, Registries};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (client, compositor) = tokio::net::UnixStream::pair()?;
    /// let compositor = tokio::spawn(async move {
    ///     let mut globals = Globals::new();
    ///     globals.add("wl_shm", 2).expect("a good global");
    ///     let mut client = Connection::new(compositor, |_, _| 0, Limits::server())?;
    ///     let mut registries = Registries::new();
    ///     while let Some(request) = client.receive().await? {
    ///         if let Answer::Events(events) = registries.answer(&globals, &request)? {
    ///             for event in events {
    ///                 client.feed(event).await?;
    ///             }
    ///             client.flush().await?;
    ///         }
    ///     }
    ///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    /// });
    ///
    /// let mut connection = Connection::new(client, |_, _| 0, Limits::client())?;
    /// let mut ids = ClientIds::new();
    /// let registry = connection.registry(&mut ids, Duration::from_secs(10)).await?;
    /// let shm = registry.find("wl_shm").expect("every compositor has it");
    /// let bind = registry.bind(shm, 1, ids.take().expect("a number"))?;
    /// connection.send(bind).await?;
    /// # drop(connection);
    /// # compositor.await?.map_err(|error| error.to_string())?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn registry(
        &mut self,
        ids: &mut ClientIds,
        timeout: Duration,
    ) -> Result<Registry, RegistryError> {
        let answer = tokio::time::timeout(timeout, self.ask(ids)).await;
        answer.unwrap_or(Err(RegistryError::Overdue { timeout }))
    }

    async fn ask(&mut self, ids: &mut ClientIds) -> Result<Registry, RegistryError> {
        let (_, write) = self.halves_mut();
        poll_fn(|cx| Pin::new(&mut *write).poll_ready(cx)).await?;
        // No await between these: a number that is taken is sent.
        let registry = ids.take().ok_or(RegistryError::NoIds)?;
        let Some(callback) = ids.take() else {
            ids.free(registry);
            return Err(RegistryError::NoIds);
        };
        for (opcode, id) in [(wl_display::GET_REGISTRY, registry), (wl_display::SYNC, callback)] {
            let request = Message::builder(ObjectId::DISPLAY, opcode).new_id(id).build();
            Pin::new(&mut *write).start_send(request.expect("a short message"))?;
        }

        let mut answer = RegistryAnswer::new(registry, callback);
        let mut arrived = Arrived { connection: self, messages: Vec::new() };
        // A compositor that has something against us tells it and closes, and does not read.
        let mut unsent = None;
        loop {
            let message = match arrived.next(&mut unsent).await {
                Ok(Some(message)) => message,
                end => {
                    return Err(match (unsent, end) {
                        (Some(error), _) => RegistryError::Send(error),
                        (None, Err(error)) => error,
                        (None, Ok(_)) => RegistryError::Closed,
                    });
                }
            };
            let step = answer.take(&message);
            let ours = matches!(step, Ok(Step::Ours | Step::Done));
            arrived.messages.push((ours, message));
            if let Step::Done = step? {
                arrived.messages.retain(|(ours, _)| !ours);
                return Ok(answer.registry);
            }
        }
    }
}

/// The messages that have arrived; those that are left when it is dropped are received again.
struct Arrived<'a, G> {
    connection: &'a mut Connection<G>,
    /// With each, whether it is part of the answer.
    messages: Vec<(bool, Message)>,
}

impl<G: Signatures + Unpin> Arrived<'_, G> {
    /// The next message. What is to be sent is sent meanwhile: a compositor may read only what it
    /// has been read from.
    async fn next(
        &mut self,
        unsent: &mut Option<SendError>,
    ) -> Result<Option<Message>, RegistryError> {
        let (read, write) = self.connection.halves_mut();
        poll_fn(|cx| {
            if unsent.is_none() {
                match Pin::new(&mut *write).poll_flush(cx) {
                    Poll::Ready(Err(error)) if matches!(error.kind, SendErrorKind::Io(_)) => {
                        *unsent = Some(error);
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                    Poll::Ready(Ok(())) | Poll::Pending => {}
                }
            }
            read.poll_message(cx).map(|next| Ok(next.transpose()?))
        })
        .await
    }
}

impl<G> Drop for Arrived<'_, G> {
    fn drop(&mut self) {
        let messages = self.messages.drain(..).map(|(_, message)| message);
        self.connection.requeue(messages);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use interop_tests::run;

    use super::*;
    use crate::limits::Limits;

    #[test]
    fn without_two_numbers_nothing_is_taken() {
        run(async {
            let (near, _far) = tokio::net::UnixStream::pair().expect("a pair");
            let limits = Limits::default();
            let mut near = Connection::new(near, |_, _| 0, limits).expect("a connection");
            let mut ids = ClientIds::with_first(0xfeff_ffff);
            let error = near.registry(&mut ids, Duration::from_secs(9)).await.expect_err("none");
            assert!(matches!(error, RegistryError::NoIds), "{error:?}");
            assert_eq!(ids.take(), ObjectId::new(0xfeff_ffff));
            assert_eq!(near.into_parts().write_buffer.len(), 0);
        });
    }
}
