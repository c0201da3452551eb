//! A thread that has less than this process: privileges, or a kernel.
//!
//! What is taken away comes back in no other way than with the end of the thread, so each test has
//! one of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::thread;

use rustix::thread::{CapabilitySet, CapabilitySets};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::{guarded, runtime};

/// Runs a test on a thread that may not exceed the limit of descriptors in flight, as root may.
pub fn without_privileges(test: impl Future<Output = ()> + Send) {
    let give_up = || {
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        rustix::thread::set_capabilities(None, sets).expect("anybody may give up privileges");
    };
    deprived(give_up, test);
}

/// Runs a test on a thread to whose system calls the kernel answers that it knows none of the
/// newer socket options, as an older one does.
///
/// These are `SO_PEERPIDFD`, `SO_PASSRIGHTS` and `SO_INQ`.
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
    deprived(|| seccompiler::apply_filter(&program).expect("anybody may filter"), test);
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
