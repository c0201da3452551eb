//! Streams through a copy, and streams below an exchange.

use anchovy::exchange::{self, ExchangeStream};
use anchovy::{DBUS_SCM_RIGHTS, copy_bidirectional};

use crate::Ours;
use crate::baseline::{Baseline, proxy};
use crate::contestant::{Contestant, Tokio};

/// Connects two streams through the copy of tokio, which passes no descriptors.
pub(crate) fn through_tokio() -> (Tokio, Tokio) {
    through(|mut left, mut right| {
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut left, &mut right).await });
    })
}

/// Connects two streams through two loops of system calls.
pub(crate) fn through_baseline() -> (Tokio, Tokio) {
    through(|left, right| proxy(Baseline::new(left), Baseline::new(right)))
}

/// Connects two streams through the copy of anchovy.
pub(crate) fn through_anchovy() -> (Tokio, Tokio) {
    through(|left, right| {
        let [mut left, mut right] = [left, right].map(|end| Ours::new(end).expect("a socket"));
        tokio::spawn(async move { copy_bidirectional(&mut left, &mut right).await });
    })
}

fn through(copy: impl FnOnce(Tokio, Tokio)) -> (Tokio, Tokio) {
    let (near, left) = Tokio::pair().expect("a pair");
    let (right, far) = Tokio::pair().expect("a pair");
    copy(left, right);
    (near, far)
}

impl Contestant for ExchangeStream<DBUS_SCM_RIGHTS> {
    fn pair() -> (Self, Self) {
        let (near, far) = Ours::pair().expect("a pair");
        let [near, far] = [near, far].map(|end| exchange::new(end).expect("an exchange").0);
        (near, far)
    }
}
