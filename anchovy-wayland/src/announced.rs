//! The announced globals of a compositor, in the order of their announcements and by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use crate::global::Global;

/// Globals that are announced and removed one by one.
///
/// A compositor decides which of them it removes or announces again. So each change is a search in a
/// tree: in a list, thousands of globals would make every event thousands of times as expensive.
#[derive(Clone)]
pub(crate) struct Announced<N = u32> {
    /// The announcement of each name, as a key of `globals`.
    announcements: BTreeMap<N, u64>,
    globals: BTreeMap<u64, Global>,
    next: u64,
    /// All globals as a slice, if it was requested after the last change.
    list: OnceLock<Vec<Global>>,
}

impl<N> Announced<N> {
    pub(crate) const fn new() -> Announced<N> {
        Announced {
            announcements: BTreeMap::new(),
            globals: BTreeMap::new(),
            next: 0,
            list: OnceLock::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.globals.len()
    }

    /// Returns all globals, in the order of their announcements.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Global> {
        self.globals.values()
    }

    /// Returns all globals, in the order of their announcements. Copies them after a change.
    pub(crate) fn as_slice(&self) -> &[Global] {
        self.list.get_or_init(|| self.iter().cloned().collect())
    }
}

impl<N: Ord> Announced<N> {
    pub(crate) fn contains(&self, name: &N) -> bool {
        self.announcements.contains_key(name)
    }

    pub(crate) fn get(&self, name: &N) -> Option<&Global> {
        self.globals.get(self.announcements.get(name)?)
    }

    /// Adds a global as the last one. Removes another one with the same name.
    pub(crate) fn add(&mut self, name: N, global: Global) {
        self.list.take();
        if let Some(former) = self.announcements.insert(name, self.next) {
            self.globals.remove(&former);
        }
        self.globals.insert(self.next, global);
        self.next += 1;
    }

    pub(crate) fn remove(&mut self, name: &N) -> Option<Global> {
        let announcement = self.announcements.remove(name)?;
        self.list.take();
        self.globals.remove(&announcement)
    }
}

impl<N> fmt::Debug for Announced<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::cmp::Ordering;

    use super::*;

    thread_local! {
        static COMPARISONS: Cell<u32> = const { Cell::new(0) };
    }

    /// A name that counts how often names are compared.
    #[derive(Debug, Eq)]
    struct Counting(u32);

    impl PartialEq for Counting {
        fn eq(&self, other: &Counting) -> bool {
            self.cmp(other).is_eq()
        }
    }

    impl PartialOrd for Counting {
        fn partial_cmp(&self, other: &Counting) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Counting {
        fn cmp(&self, other: &Counting) -> Ordering {
            COMPARISONS.set(COMPARISONS.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    fn comparisons(run: impl FnOnce()) -> u32 {
        let before = COMPARISONS.get();
        run();
        COMPARISONS.get() - before
    }

    fn global(name: u32) -> Global {
        Global::new(name, "a", 1)
    }

    #[test]
    fn a_change_compares_few_of_many_names() {
        const NAMES: u32 = 4096;
        /// A search visits at most six nodes of a tree, with at most eleven names each.
        const MOST: u32 = 6 * 11;
        let mut globals = Announced::new();
        for name in 0..NAMES {
            globals.add(Counting(name), global(name));
        }
        for name in [0, 1, 2000, 4094, 4095, 5000] {
            let repeated = comparisons(|| globals.add(Counting(name), global(name)));
            let found = comparisons(|| assert!(globals.get(&Counting(name)).is_some()));
            let removed = comparisons(|| assert!(globals.remove(&Counting(name)).is_some()));
            let missed = comparisons(|| assert!(globals.remove(&Counting(name)).is_none()));
            let most = [repeated, found, removed, missed].into_iter().max();
            assert!(most <= Some(MOST), "{name}: {repeated}, {found}, {removed}, {missed}");
        }
    }

    #[test]
    fn a_global_that_is_announced_again_is_the_last_one() {
        let mut globals = Announced::new();
        for name in [3, 1, 2, 3] {
            globals.add(name, global(name));
        }
        let names = |globals: &Announced| {
            let listed: Vec<_> = globals.as_slice().iter().map(|global| global.name).collect();
            let iterated: Vec<_> = globals.iter().map(|global| global.name).collect();
            assert_eq!((&listed, globals.len()), (&iterated, iterated.len()));
            listed
        };
        assert_eq!(names(&globals), [1, 2, 3]);
        assert_eq!(globals.remove(&1), Some(global(1)));
        assert_eq!(globals.remove(&1), None);
        assert_eq!(names(&globals), [2, 3]);
        globals.add(1, global(1));
        assert_eq!(names(&globals), [2, 3, 1]);
        assert_eq!(format!("{globals:?}"), format!("{:?}", globals.as_slice()));
    }
}
