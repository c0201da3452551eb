//! Copies from one stream to another.

use std::cell::RefCell;
use std::io;

use anchovy::{Copied, Copier, FdReader, FdWriter, UnixStream, copy_bidirectional};
use fault_tests::{Faults, Kinds, Order, Rng, Traffic, cancel, run};

use crate::sides::{receive_all, send_all};
use crate::streams::{check, pair_of};

/// Returns the two connections of a copy. Only the outer ends may spread descriptors over several
/// bytes: if the destination of a copy does, descriptors arrive later than with their byte.
fn connections(rng: &mut Rng) -> ((UnixStream, UnixStream), (UnixStream, UnixStream)) {
    (pair_of(rng, (true, false)), pair_of(rng, (false, true)))
}

/// Copies until the source ends. Canceled and failed copies continue.
async fn copy_all(
    rng: &mut Rng,
    mut reader: impl FdReader,
    mut writer: impl FdWriter,
) -> io::Result<Copied> {
    let mut copier = Copier::new();
    loop {
        match cancel(rng, copier.copy(&mut reader, &mut writer)).await {
            Some(Ok(copied)) => return Ok(copied),
            Some(Err(error)) if !Faults::is_transient(&error) => return Err(error),
            _ => {}
        }
    }
}

/// Sends to one end of a copy, and receives at the other end.
async fn one_way(
    mut rng: Rng,
    traffic: &RefCell<Traffic>,
    mut near: UnixStream,
    mut far: UnixStream,
    faults: &Faults,
) {
    let (ours, theirs) = (rng.fork(), rng.fork());
    // Each end is dropped as soon as it is done.
    let sending = async move { check(faults, send_all(ours, &mut near, traffic).await) };
    let receiving = async move {
        check(faults, receive_all(theirs, &mut far, traffic).await);
    };
    tokio::join!(sending, receiving);
}

#[test]
fn a_copy_delivers_everything_once_in_order() {
    run(Kinds::ALL, |mut rng, faults| async move {
        let ((near, front), (back, far)) = connections(&mut rng);
        let traffic = RefCell::new(Traffic::new(Order::NotLater));
        let (ours, mut copying) = (rng.fork(), rng.fork());
        let copy = async {
            match copy_all(&mut copying, front, back).await {
                Ok(copied) => {
                    assert_eq!((copied.bytes, copied.fds), traffic.borrow().total());
                }
                Err(error) => check(&faults, Some(error)),
            }
        };
        tokio::join!(one_way(ours, &traffic, near, far, &faults), copy);
        if !faults.are_final() {
            traffic.borrow().check_complete();
        }
    });
}

#[test]
fn a_bidirectional_copy_delivers_everything_once_in_order() {
    run(Kinds::NOT_TRANSIENT, |mut rng, faults| async move {
        let ((near, mut front), (mut back, far)) = connections(&mut rng);
        let [there, other] = [(); 2].map(|()| RefCell::new(Traffic::new(Order::NotLater)));
        let copy = async {
            // A copy that has failed is over, and closes both connections.
            if let Err(error) = copy_bidirectional(&mut front, &mut back).await {
                check(&faults, Some(error));
            }
            drop((front, back));
        };
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
        tokio::join!(end(near, ours, &there, &other), end(far, theirs, &other, &there), copy);
        if !faults.are_final() {
            there.borrow().check_complete();
            other.borrow().check_complete();
        }
    });
}
