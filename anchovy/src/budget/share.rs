//! Division of a total among accounts.
//!
//! An account may hold at most 1/(n+1) of what the others leave of the total, where n is the
//! number of accounts that hold something, including itself:
//!
//! ```text
//! own ≤ (total − others) / (n + 1)
//! ```
//!
//! A single account gets half of the total. If it takes that, the second one gets a sixth, the
//! third one a twelfth, and the nth one 1/(n·(n+1)). In general a share is between 1/n² and 1/n,
//! as in dbus-broker.
//!
//! **Bound**: while n accounts hold something, at least total/(n+1) is free, regardless of the
//! order of takes and returns. So the next account can take total/((n+1)·(n+2)).
//!
//! *Proof* by induction over n. With n = 0, everything is free. Order the n accounts by the time
//! at which each last took something, and let z be the last. The other n−1 accounts have held
//! something ever since, so by induction they leave at least total/n. (Accounts that have returned
//! everything since then only made the rule stricter.) When z last took something, it held
//! afterwards at most 1/(n+1) of what the others leave, so n/(n+1) of that stayed free: at least
//! total/n · n/(n+1) = total/(n+1). After that, accounts only returned amounts, which leaves more.
//! ∎

/// A total from which accounts take amounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pool {
    total: usize,
    used: usize,
    /// Number of accounts that hold something.
    holders: usize,
}

impl Pool {
    pub(super) fn new(total: usize) -> Pool {
        Pool { total, used: 0, holders: 0 }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Returns whether an account that holds `own` may take `amount` more. An amount of 0 is
    /// always admitted, even if the account exceeds its current share.
    pub(super) fn admits(&self, own: usize, amount: usize) -> bool {
        if amount == 0 {
            return true;
        }
        let others = self.used - own;
        let holders = self.holders + usize::from(own == 0);
        let Some(wanted) = own.checked_add(amount) else { return false };
        let available = self.total.saturating_sub(others);
        // 128 bits prevent an overflow of bytes times accounts.
        wanted as u128 * (holders as u128 + 1) <= available as u128
    }

    /// Returns how much has to be free before an account that holds `own` may take `amount` more, which
    /// is not 0: [`admits`](Self::admits) is true if and only if [`free`](Self::free) is not less.
    ///
    /// The result holds until the number of accounts changes that hold something.
    pub(super) fn free_needed(&self, own: usize, amount: usize) -> i128 {
        let holders = self.holders + usize::from(own == 0);
        (own as i128 + amount as i128) * (holders as i128 + 1) - own as i128
    }

    /// Returns how much of the total is not taken. It is negative if more was taken than there is.
    pub(super) fn free(&self) -> i128 {
        self.total as i128 - self.used as i128
    }

    /// Returns the number of accounts that hold something.
    pub(super) fn holders(&self) -> usize {
        self.holders
    }

    /// Returns the maximum amount that an account that holds `own` may take.
    pub(super) fn most(&self, own: usize) -> usize {
        let holders = self.holders + usize::from(own == 0);
        let available = self.total.saturating_sub(self.used - own);
        (available / (holders + 1)).saturating_sub(own)
    }

    /// Takes `amount` for an account that holds `own`, without a check.
    pub(super) fn take(&mut self, own: &mut usize, amount: usize) {
        if amount > 0 {
            self.holders += usize::from(*own == 0);
            self.used += amount;
            *own += amount;
        }
    }

    /// Returns `amount` of the `own` amount of an account to the total.
    pub(super) fn give_back(&mut self, own: &mut usize, amount: usize) {
        if amount > 0 {
            self.used -= amount;
            *own -= amount;
            self.holders -= usize::from(*own == 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// Takes the maximum amount, and returns it.
    fn take_all(pool: &mut Pool, own: &mut usize) -> usize {
        let most = pool.most(*own);
        // An account that exceeds its current share may take nothing.
        assert!(most == 0 || pool.admits(*own, most));
        assert!(!pool.admits(*own, most + 1));
        pool.take(own, most);
        most
    }

    #[test]
    fn greedy_accounts_get_a_half_a_sixth_and_a_twelfth() {
        let mut pool = Pool::new(1200);
        let taken = [0; 5].map(|mut own| take_all(&mut pool, &mut own));
        assert_eq!(taken, [600, 200, 100, 60, 40]);
        assert_eq!(pool.used(), 1000);
    }

    #[test]
    fn a_share_grows_with_fewer_accounts_and_shrinks_with_more() {
        let mut pool = Pool::new(1200);
        let (mut first, mut second) = (0, 0);
        take_all(&mut pool, &mut first);
        take_all(&mut pool, &mut second);
        assert!(!pool.admits(first, 1) && !pool.admits(second, 1));
        let all = first;
        pool.give_back(&mut first, all);
        assert_eq!(take_all(&mut pool, &mut second), 400, "half of the total again");
        assert_eq!(take_all(&mut pool, &mut first), 200);
    }

    #[test]
    fn an_empty_total_admits_only_zero_which_is_always_admitted() {
        let pool = Pool::new(0);
        assert!(pool.admits(0, 0));
        assert!(!pool.admits(0, 1));
        let (mut pool, mut first, mut second) = (Pool::new(12), 0, 0);
        take_all(&mut pool, &mut first);
        take_all(&mut pool, &mut second);
        assert!(pool.admits(first, 0) && !pool.admits(first, 1), "more than its share by now");
        let (mut pool, mut own) = (Pool::new(usize::MAX), 0);
        pool.take(&mut own, 1);
        assert!(!pool.admits(own, usize::MAX), "no overflow");
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 3 } else { 1000 },
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(0x0b5e),
            ..ProptestConfig::default()
        })]

        #[test]
        fn what_is_free_decides_what_is_admitted(
            total in 0..1000usize,
            others in prop::collection::vec(1..200usize, 0..6),
            own in 0..300usize,
            amount in 1..300usize,
        ) {
            let mut pool = Pool::new(total);
            others.iter().for_each(|other| pool.take(&mut 0, *other));
            pool.take(&mut 0, own);
            prop_assert_eq!(pool.admits(own, amount), pool.free() >= pool.free_needed(own, amount));
        }

        /// The bound in the documentation of this module, after any sequence of takes and returns.
        #[test]
        fn the_next_account_always_finds_its_share(
            total in 0..10_000usize,
            steps in prop::collection::vec((0..12usize, 0..3u8, 0..4_000usize), 0..200),
        ) {
            let mut pool = Pool::new(total);
            let mut own = [0usize; 12];
            for (account, kind, amount) in steps {
                match kind {
                    0 => { take_all(&mut pool, &mut own[account]); }
                    1 if pool.admits(own[account], amount) => pool.take(&mut own[account], amount),
                    1 => {}
                    _ => {
                        let amount = amount.min(own[account]);
                        pool.give_back(&mut own[account], amount);
                    }
                }
                let holders = own.iter().filter(|own| **own > 0).count();
                prop_assert_eq!(pool.used(), own.iter().sum::<usize>());
                let free = total - pool.used();
                prop_assert!(free * (holders + 1) >= total, "{} of {} free, {:?}", free, total, own);
                let next = total / ((holders + 1) * (holders + 2));
                prop_assert!(pool.admits(0, next), "{} of {}, {:?}", next, total, own);
            }
        }
    }
}
