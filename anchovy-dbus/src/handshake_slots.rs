//! A fixed number of slots that users share.
//!
//! While there are free slots, every user gets one. After that, a user that holds fewer slots than
//! another user gets the oldest slot of the user that holds the most. If several users hold the most,
//! the oldest of their slots is taken. A user that holds as many slots as any other user gets none. So
//! a user that holds no slot always gets one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

/// Slots, each with a value of its holder. Every operation takes time logarithmic in the number of
/// slots.
#[derive(Debug)]
pub(crate) struct HandshakeSlots<T> {
    most: usize,
    taken: usize,
    next: u64,
    by_uid: HashMap<u32, BTreeMap<u64, T>>,
    /// The users, in the order of the slots they hold; the last one holds the most.
    by_greed: BTreeMap<Greed, u32>,
}

/// The number of slots that a user holds, and the oldest of them.
type Greed = (usize, Reverse<u64>);

/// The identifier of a slot that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    uid: u32,
    number: u64,
}

/// The result of taking a slot.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken<T> {
    /// The slot was free.
    Free(Slot),
    /// The slot was that of the holder of this value.
    From(T, Slot),
    /// No slot is available to this user.
    Refused,
}

impl<T> HandshakeSlots<T> {
    /// Creates `most` free slots.
    pub(crate) fn new(most: usize) -> HandshakeSlots<T> {
        HandshakeSlots {
            most,
            taken: 0,
            next: 0,
            by_uid: HashMap::new(),
            by_greed: BTreeMap::new(),
        }
    }

    /// Returns the number of slots.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// Takes a slot for a user.
    pub(crate) fn take(&mut self, uid: u32, value: T) -> Taken<T> {
        if self.taken < self.most {
            return Taken::Free(self.insert(uid, value));
        }
        let own = self.by_uid.get(&uid).map_or(0, BTreeMap::len);
        match self.by_greed.last_key_value() {
            Some((&(most, Reverse(number)), &greediest)) if own < most => {
                let oldest = Slot { uid: greediest, number };
                let Some(displaced) = self.release(oldest) else { return Taken::Refused };
                Taken::From(displaced, self.insert(uid, value))
            }
            _ => Taken::Refused,
        }
    }

    /// Frees a slot. Returns its value, or `None` if another user has got the slot since.
    pub(crate) fn release(&mut self, Slot { uid, number }: Slot) -> Option<T> {
        let slots = self.by_uid.get_mut(&uid)?;
        let before = greed(slots);
        let value = slots.remove(&number)?;
        let after = greed(slots);
        if after.is_none() {
            self.by_uid.remove(&uid);
        }
        self.taken -= 1;
        self.rank(uid, before, after);
        Some(value)
    }

    fn insert(&mut self, uid: u32, value: T) -> Slot {
        let number = self.next;
        self.next += 1;
        let slots = self.by_uid.entry(uid).or_default();
        let before = greed(slots);
        slots.insert(number, value);
        let after = greed(slots);
        self.taken += 1;
        self.rank(uid, before, after);
        Slot { uid, number }
    }

    fn rank(&mut self, uid: u32, before: Option<Greed>, after: Option<Greed>) {
        if let Some(before) = before {
            self.by_greed.remove(&before);
        }
        if let Some(after) = after {
            self.by_greed.insert(after, uid);
        }
    }
}

fn greed<T>(slots: &BTreeMap<u64, T>) -> Option<Greed> {
    slots.first_key_value().map(|(oldest, _)| (slots.len(), Reverse(*oldest)))
}

#[cfg(test)]
mod tests;
