//! Threads without privileges, or with the system calls of an older kernel.
//!
//! Only the end of the thread restores them, so each test has its own thread.

use std::collections::BTreeMap;
use std::future::Future;
use std::thread;

use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use crate::{guarded, runtime};

/// Number of uids that a test process has for itself.
const OWN_UIDS: u32 = 5;

/// Returns a uid that no other test process uses at the same time. `number` is less than 5.
///
/// The kernel counts descriptors in flight per uid, so a suite that runs at the same time would fill
/// the limit of a uid that both use. User namespaces of containers usually have 65,536 uids.
pub fn own_uid(number: u32) -> u32 {
    assert!(number < OWN_UIDS, "a test process has {OWN_UIDS} uids");
    10_000 + std::process::id() % 10_000 * OWN_UIDS + number
}

/// Gives this thread the uid [`own_uid`] and the gid of the same number, and no privileges. Requires
/// root.
pub fn become_own_user(number: u32) {
    let id = own_uid(number);
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_groups(&[]).expect("root can leave its groups");
    rustix::thread::set_thread_res_gid(group, group, group).expect("root can change its gid");
    rustix::thread::set_thread_res_uid(user, user, user).expect("root can change its uid");
    // A change of the uid gives the files of the process in /proc to root.
    set_dumpable_behavior(DumpableBehavior::Dumpable).expect("every process can be dumpable");
}

/// Runs a test on a thread without root's privilege to exceed the limit of descriptors in flight.
///
/// If the process runs as root, the thread has a uid of its own (see [`own_uid`]). Otherwise, a test
/// may fail if other programs of this user have many descriptors in flight.
pub fn without_privileges(test: impl Future<Output = ()> + Send) {
    guarded(|| deprived(drop_privileges, test));
}

fn drop_privileges() {
    if rustix::process::geteuid().is_root() {
        become_own_user(0);
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).expect("every thread can drop privileges");
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
    let take_away = || {
        seccompiler::apply_filter(&program).expect("every thread can install a filter");
    };
    guarded(|| deprived(take_away, test));
}

/// Runs a test on a thread of its own, which first takes something away from itself.
pub(crate) fn deprived(take_away: impl FnOnce() + Send, test: impl Future<Output = ()> + Send) {
    let run = || {
        take_away();
        runtime().block_on(test);
    };
    thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsFd, BorrowedFd};
    use std::os::unix::net::UnixStream;

    use rustix::io::Errno;

    use super::*;
    use crate::{Lowered, foreign_send, memfd};

    #[test]
    fn descriptors_in_flight_of_the_suite_do_not_count_for_a_test() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        guarded(|| {
            let file = memfd();
            let fds: Vec<BorrowedFd<'_>> = vec![file.as_fd(); 100];
            let (near, _far) = UnixStream::pair().unwrap();
            foreign_send(&near, b".", &[&fds]).unwrap();
            deprived(drop_privileges, async {
                let _limit = Lowered::descriptors(64);
                let (near, _far) = UnixStream::pair().unwrap();
                foreign_send(&near, b".", &[&fds]).expect("those of root do not count");
                let error = foreign_send(&near, b".", &[&fds[..1]]).unwrap_err();
                assert_eq!(error, Errno::TOOMANYREFS, "those of this uid count");
            });
        });
    }
}
