//! F2: answers with descriptors that one client does not read.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::attacked::{HOSTILE, against, report};
use crate::child::{say, wait_for_the_end};
use crate::servers::ServerKind;
use crate::serving::GIVE_FDS;
use crate::wire::{authenticate, method_call};

pub(crate) const ATTACK: &str = "descriptors-in-flight";

const CALLS: usize = 150;
const FDS: usize = 16;
const ROUNDS: usize = 100;

/// Makes calls and reads no answer.
pub(crate) fn attack(path: &Path) {
    let mut socket = authenticate(path).expect("the server accepts");
    for _ in 0..CALLS {
        let call = method_call(&format!("{GIVE_FDS}{FDS}"), 0, 0);
        socket.write_all(&call).expect("there is room for all of them");
    }
    // The server is stuck once no further answer arrives for a while.
    let (mut unread, mut since) = (0, Instant::now());
    while unread == 0 || since.elapsed() < Duration::from_millis(200) {
        let now = rustix::io::ioctl_fionread(&socket).expect("a socket");
        if now != unread {
            (unread, since) = (now, Instant::now());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    say(unread);
    wait_for_the_end();
}

#[test]
fn unread_descriptors_of_one_client_block_no_other() {
    against(ServerKind::DbusWithFewFds, |attacked| {
        let mut honest = attacked.honest();
        let quiet = honest.rounds(ROUNDS, FDS);
        let mut hostile = attacked.hostile(HOSTILE[0], ATTACK);
        let unread = hostile.answer();
        let rounds = honest.rounds(ROUNDS, FDS);
        report(
            "F2",
            format_args!(
                "round trips with {FDS} descriptors: quiet {quiet}; while a client leaves {unread} \
                 bytes unread: {rounds}"
            ),
        );
        assert_eq!((rounds.failure, rounds.done), (None, ROUNDS));
    });
}
