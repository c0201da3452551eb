//! What a child of this program does: it serves, it is an honest client, or it attacks.

use std::collections::HashSet;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::measure::address_space;
use crate::process::ROLE;
use crate::servers::{ADDRESS_SPACE, ServerKind};
use crate::{
    clients_that_never_read, connection_flood, declared_lengths, descriptor_floods,
    descriptors_in_flight, descriptors_of_two_users, half_messages, honest, hostile_dbus_server,
    hostile_wayland_server, kept_messages, large_messages, out_of_band, own_sockets, serving,
    silent_clients, slow_clients, tiny_messages, unclaimed_descriptors, unfinished_messages,
    victim, waiting_connections,
};

/// The name of an attack, and the attack on the server at a path.
type Attack = (&'static str, fn(&Path));

const ATTACKS: &[Attack] = &[
    (clients_that_never_read::DBUS, clients_that_never_read::of_dbus),
    (clients_that_never_read::WAYLAND, clients_that_never_read::of_wayland),
    (connection_flood::ATTACK, connection_flood::attack),
    (declared_lengths::ATTACK, declared_lengths::attack),
    (descriptor_floods::BEFORE, descriptor_floods::before),
    (descriptor_floods::WITHIN, descriptor_floods::within),
    (descriptor_floods::AFTER, descriptor_floods::after),
    (descriptors_in_flight::ATTACK, descriptors_in_flight::attack),
    (descriptors_of_two_users::ATTACK, descriptors_of_two_users::attack),
    (half_messages::DBUS, half_messages::of_dbus),
    (half_messages::WAYLAND, half_messages::of_wayland),
    (hostile_dbus_server::ATTACK, hostile_dbus_server::attack),
    (hostile_wayland_server::ATTACK, hostile_wayland_server::attack),
    (kept_messages::ATTACK, kept_messages::attack),
    (large_messages::ATTACK, large_messages::attack),
    (out_of_band::ATTACK, out_of_band::attack),
    (own_sockets::ATTACK, own_sockets::attack),
    (silent_clients::ATTACK, silent_clients::attack),
    (slow_clients::HANDSHAKE, slow_clients::handshakes),
    (slow_clients::MESSAGE, slow_clients::messages),
    (tiny_messages::DBUS, tiny_messages::of_dbus),
    (tiny_messages::WAYLAND, tiny_messages::of_wayland),
    (unclaimed_descriptors::ATTACK, unclaimed_descriptors::attack),
    (unfinished_messages::ATTACK, unfinished_messages::attack),
    (waiting_connections::ATTACK, waiting_connections::attack),
];

/// The entry point of the children of the other tests. Without a role it checks that each attack is
/// found by its name.
#[test]
fn a_child_of_this_program_plays_its_role() {
    let Ok(role) = std::env::var(ROLE) else {
        let names: HashSet<_> = ATTACKS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), ATTACKS.len(), "two attacks have one name");
        return;
    };
    match role.lines().collect::<Vec<_>>()[..] {
        ["server", kind, path] => {
            let kind = ServerKind::from_name(kind).expect("a kind of servers");
            limit_descriptors(kind.descriptor_limit());
            if kind == ServerKind::DbusWithLittleAddressSpace {
                limit_address_space(ADDRESS_SPACE);
            }
            run_on(Processors::First);
            serving::run(kind, Path::new(path));
        }
        ["honest", kind, path] => {
            raise_descriptor_limit();
            run_on(Processors::First);
            honest::run(ServerKind::from_name(kind).expect("a kind of servers"), Path::new(path));
        }
        ["victim", kind, honest, hostile] => {
            let kind = ServerKind::from_name(kind).expect("a kind of servers");
            run_on(Processors::First);
            victim::run(kind, Path::new(honest), Path::new(hostile));
        }
        ["hostile", attack, path] => {
            raise_descriptor_limit();
            run_on(Processors::Others);
            let (_, attack) = ATTACKS.iter().find(|(name, _)| *name == attack).expect("an attack");
            attack(Path::new(path));
        }
        _ => panic!("there is no role {role:?}"),
    }
}

/// A part of the processors of this machine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Processors {
    First,
    Others,
}

/// Makes this process run on a part of the processors only. So the honest client waits for the server, and
/// not for a processor that an attacker uses. On a machine with one processor, there is no such part.
pub(crate) fn run_on(part: Processors) {
    let all = sched_getaffinity(None).expect("the processors of this process");
    let mut usable = (0..CpuSet::MAX_CPU).filter(|number| all.is_set(*number));
    let Some(first) = usable.next() else { return };
    let mut set = CpuSet::new();
    match part {
        Processors::First => set.set(first),
        Processors::Others => usable.for_each(|number| set.set(number)),
    }
    if set.count() > 0 {
        sched_setaffinity(None, &set).expect("processors of this process");
    }
}

fn limit_descriptors(limit: u64) {
    let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(Resource::Nofile, limit).expect("less than the hard limit of the test");
}

/// Limits what this process can allocate from now on.
fn limit_address_space(room: usize) {
    let used = address_space(std::process::id()) * 1e6;
    let limit = Some(used as u64 + room as u64);
    setrlimit(Resource::As, Rlimit { current: limit, maximum: limit }).expect("a lower limit");
}

/// Clients are not to be stopped by their own limit.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the hard limit");
}
