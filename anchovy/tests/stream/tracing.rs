//! The feature `tracing`: one event for each send and each receive, with its counts.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use anchovy::{Budget, FdError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::harness::*;

/// Records the events of this crate.
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("anchovy")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

/// Returns the events of the work.
fn events_of(work: impl Future<Output = ()>) -> Vec<String> {
    let events = Arc::new(Mutex::new(Vec::new()));
    // A dispatcher that is set while another test emits an event for the first time may find the
    // event permanently disabled.
    guarded(|| {
        let recorder = tracing::Dispatch::new(Recorder(Arc::clone(&events)));
        tracing::dispatcher::with_default(&recorder, || runtime().block_on(work));
    });
    let events = events.lock().unwrap();
    events.clone()
}

#[test]
fn each_send_and_each_receive_is_one_event_with_its_counts() {
    let events = events_of(async {
        let (mut near, mut far) = Wayland::pair().unwrap();
        near.write_all(b"plain").await.unwrap();
        assert_eq!(far.read(&mut [0; 64]).await.unwrap(), 5);
        near.write_queue_mut().extend(memfds(2));
        near.write_all(b"queued").await.unwrap();
        assert_eq!(far.read(&mut [0; 64]).await.unwrap(), 6);
        far.try_read(&mut [0; 64]).unwrap_err();
        near.send_with_fds(b"lent", &memfds(1)).await.unwrap();
        far.recv(&mut [0; 64]).await.unwrap();
        near.try_send_with_fds(b"tried", &memfds(1)).unwrap();
        far.recv(&mut [0; 64]).await.unwrap();
        far.set_read_fd_limit(2).unwrap();
        near.send_with_fds(b"too many", &memfds(3)).await.unwrap();
        far.read(&mut [0; 64]).await.unwrap_err();
    });
    assert_eq!(
        events[..9],
        [
            "TRACE message=sent bytes=5 fds=0",
            "TRACE message=received bytes=5 fds=0",
            "TRACE message=sent bytes=6 fds=2",
            "TRACE message=received bytes=6 fds=2",
            "TRACE message=sent bytes=4 fds=1",
            "TRACE message=received bytes=4 fds=1",
            "TRACE message=sent bytes=5 fds=1",
            "TRACE message=received bytes=5 fds=1",
            "TRACE message=sent bytes=8 fds=3",
        ]
    );
    assert!(events[9].starts_with("DEBUG message=the read side failed bytes=8 fds=3 error="));
    assert_eq!(events.len(), 10);
}

#[test]
fn a_receive_that_exceeds_the_account_is_one_event() {
    let events = events_of(async {
        let (mut near, mut far) = Wayland::pair().unwrap();
        let budget = Budget::builder().held_fds(10).build();
        near.set_account(budget.account(1));
        far.send_with_fds(b"six", &memfds(6)).await.unwrap();
        near.read(&mut [0; 64]).await.unwrap_err();
    });
    let [sent, received] = events.try_into().unwrap();
    assert_eq!(sent, "TRACE message=sent bytes=3 fds=6");
    let error = FdError::OverBudget { count: 6, available: 5 };
    assert_eq!(received, format!("DEBUG message=the read side failed bytes=3 fds=6 error={error}"));
}
