//! What a child of this program does: it serves, it is an honest client, or it attacks.

use std::collections::HashSet;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::process::ROLE;
use crate::servers::ServerKind;
use crate::{
    connection_flood, descriptors_in_flight, descriptors_of_two_users, honest, kept_messages,
    large_messages, out_of_band, serving, silent_clients, unclaimed_descriptors,
    unfinished_messages, waiting_connections,
};

/// The name of an attack, and the attack on the server at a path.
type Attack = (&'static str, fn(&Path));

const ATTACKS: &[Attack] = &[
    (connection_flood::ATTACK, connection_flood::attack),
    (descriptors_in_flight::ATTACK, descriptors_in_flight::attack),
    (descriptors_of_two_users::ATTACK, descriptors_of_two_users::attack),
    (kept_messages::ATTACK, kept_messages::attack),
    (large_messages::ATTACK, large_messages::attack),
    (out_of_band::ATTACK, out_of_band::attack),
    (silent_clients::ATTACK, silent_clients::attack),
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
            serving::run(kind, Path::new(path));
        }
        ["honest", kind, path] => {
            raise_descriptor_limit();
            honest::run(ServerKind::from_name(kind).expect("a kind of servers"), Path::new(path));
        }
        ["hostile", attack, path] => {
            raise_descriptor_limit();
            let (_, attack) = ATTACKS.iter().find(|(name, _)| *name == attack).expect("an attack");
            attack(Path::new(path));
        }
        _ => panic!("there is no role {role:?}"),
    }
}

fn limit_descriptors(limit: u64) {
    let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
    setrlimit(Resource::Nofile, limit).expect("less than the hard limit of the test");
}

/// Clients are not to be stopped by their own limit.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the hard limit");
}
