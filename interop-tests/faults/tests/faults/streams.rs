//! Streams and their halves.

use std::cell::RefCell;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;

use anchovy::UnixStream;
use fault_tests::{Faults, Kinds, Order, Rng, Traffic, run};

use crate::sides::{Receives, Sends, receive_all, send_all};

/// Returns two streams that are connected, with options of the seed.
pub(crate) fn pair(rng: &mut Rng) -> (UnixStream, UnixStream) {
    pair_of(rng, (true, true))
}

/// As [`pair`], with `spread_fds` and a low limit only at an end that may have them.
pub(crate) fn pair_of(rng: &mut Rng, may_spread: (bool, bool)) -> (UnixStream, UnixStream) {
    let (near, far) = StdUnixStream::pair().expect("a pair");
    let mut stream = |socket, may_spread| {
        let builder = UnixStream::builder().inq(rng.percent(50));
        let limit = rng.pick(&[1, 2, 5]);
        let builder = match may_spread && rng.percent(30) {
            true => builder.spread_fds(true).write_fd_limit(limit),
            false => builder,
        };
        builder.build(socket).expect("a stream")
    };
    (stream(near, may_spread.0), stream(far, may_spread.1))
}

/// Checks an error that has ended a side: there is none without a fault.
pub(crate) fn check(faults: &Faults, outcome: Option<io::Error>) {
    if let Some(error) = outcome {
        assert!(Faults::is_final(&error), "{error:?}");
        assert!(faults.last().is_some(), "{error:?} without a fault");
    }
}

/// Sends in one direction. Each side is dropped at its end.
async fn one_way(
    rng: &mut Rng,
    traffic: &RefCell<Traffic>,
    mut sender: impl Sends,
    mut receiver: impl Receives,
    faults: &Faults,
) {
    let (ours, theirs) = (rng.fork(), rng.fork());
    let sending = async move {
        check(faults, send_all(ours, &mut sender, traffic).await);
    };
    let receiving = async move {
        let error = receive_all(theirs, &mut receiver, traffic).await;
        if error.is_none() {
            // Whatever has ended the sender, everything that it sent has arrived.
            traffic.borrow().check_complete();
        }
        check(faults, error);
    };
    tokio::join!(sending, receiving);
}

#[test]
fn a_stream_delivers_everything_once_in_order() {
    run(Kinds::ALL, |mut rng: Rng, faults: Rc<Faults>| async move {
        let (near, far) = pair(&mut rng);
        let traffic = RefCell::new(Traffic::new(Order::WithItsByte));
        one_way(&mut rng, &traffic, near, far, &faults).await;
    });
}

#[test]
fn owned_halves_deliver_everything_once_in_order() {
    run(Kinds::ALL, |mut rng: Rng, faults: Rc<Faults>| async move {
        let (near, far) = pair(&mut rng);
        let [there, back] = [(); 2].map(|()| RefCell::new(Traffic::new(Order::WithItsByte)));
        let ((near_read, near_write), (far_read, far_write)) =
            (near.into_split(), far.into_split());
        let (mut ours, mut theirs) = (rng.fork(), rng.fork());
        tokio::join!(
            one_way(&mut ours, &there, near_write, far_read, &faults),
            one_way(&mut theirs, &back, far_write, near_read, &faults),
        );
    });
}

#[test]
fn borrowed_halves_deliver_everything_once_in_order() {
    run(Kinds::ALL, |mut rng: Rng, faults: Rc<Faults>| async move {
        let (near, far) = pair(&mut rng);
        let [there, back] = [(); 2].map(|()| RefCell::new(Traffic::new(Order::WithItsByte)));
        let end = |mut stream: UnixStream, mut rng: Rng, out, back| {
            let faults = &faults;
            async move {
                let (mut read, mut write) = stream.split();
                let (sent, received) = tokio::join!(
                    send_all(rng.fork(), &mut write, out),
                    receive_all(rng.fork(), &mut read, back),
                );
                check(faults, sent);
                check(faults, received);
            }
        };
        let (ours, theirs) = (rng.fork(), rng.fork());
        tokio::join!(end(near, ours, &there, &back), end(far, theirs, &back, &there));
        if faults.last().is_none() {
            there.borrow().check_complete();
            back.borrow().check_complete();
        }
    });
}
