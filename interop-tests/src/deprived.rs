//! Threads without privileges, or with the system calls of an older kernel.
//!
//! Only the end of the thread restores them, so each test has its own thread.

use std::collections::BTreeMap;
use std::future::Future;
use std::thread;

use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::{guarded, runtime};

/// Runs a test on a thread without root's privilege to exceed the limit of descriptors in flight.
pub fn without_privileges(test: impl Future<Output = ()> + Send) {
    let give_up = || {
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::set_capabilities(None, sets).expect("every thread can drop privileges");
    };
    deprived(give_up, test);
}

/// Runs a test on a thread on which the kernel refuses newer socket options, as an older kernel
/// does: `SO_PEERPIDFD`, `SO_PASSRIGHTS` and `SO_INQ`.
pub fn on_an_older_kernel(test: impl Future<Output = ()> + Send) {
    const SO_PEERPIDFD: u64 = 77;
    const SO_PASSRIGHTS: u64 = 83;
    const SO_INQ: u64 = 84;

    let unknown = |option| {
        let is_option = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, option);
        SeccompRule::new(vec![is_option.expect("a condition")]).expect("a rule")
    };
    let rules = || [SO_PEERPIDFD, SO_PASSRIGHTS, SO_INQ].into_iter().map(unknown).collect();
    let filter = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_getsockopt, rules()), (libc::SYS_setsockopt, rules())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOPROTOOPT as u32),
        std::env::consts::ARCH.try_into().expect("an architecture that has filters"),
    );
    let program: BpfProgram = filter.and_then(TryInto::try_into).expect("a filter");
    deprived(
        || seccompiler::apply_filter(&program).expect("every thread can install a filter"),
        test,
    );
}

fn deprived(take_away: impl FnOnce() + Send, test: impl Future<Output = ()> + Send) {
    let run = || {
        take_away();
        runtime().block_on(test);
    };
    guarded(|| {
        thread::scope(|scope| scope.spawn(run).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}
