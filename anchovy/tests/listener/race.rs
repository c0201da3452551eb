//! Two processes that bind the same path at the same time.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Stdio};

use anchovy::ListenError;
use rustix::fs::{FlockOperation, flock};

use crate::harness::*;

/// A process that finds the path in use waits for up to 250 milliseconds, so several pairs race at once, each
/// for a path of its own.
const PAIRS: usize = 8;
const ROUNDS: usize = 40;

const NAME: &str = "race::exactly_one_of_two_racing_processes_gets_a_stale_path";

#[test]
fn exactly_one_of_two_racing_processes_gets_a_stale_path() {
    if let Some(directory) = child_argument() {
        return racer(Path::new(&directory));
    }
    guarded(|| {
        std::thread::scope(|scope| {
            for _ in 0..PAIRS {
                scope.spawn(race);
            }
        });
    });
}

/// Has two processes race for a path repeatedly.
fn race() {
    let directory = Directory::new();
    let path = directory.join("socket");
    let barrier = File::create(directory.join("barrier")).unwrap();
    let racer = || {
        let mut command = child_command(NAME, directory.path().to_str().unwrap());
        Racer::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))
    };
    let mut racers = [racer(), racer()];
    for round in 0..ROUNDS {
        leave_stale(&path);
        flock(&barrier, FlockOperation::LockExclusive).unwrap();
        racers.iter_mut().for_each(|racer| racer.say(b'r'));
        // Both processes wait for the lock, or will do so next.
        racers.iter_mut().for_each(|racer| assert_eq!(racer.hear(), READY));
        flock(&barrier, FlockOperation::Unlock).unwrap();

        let mut outcomes = racers.each_mut().map(Racer::hear);
        let _client = client(&path);
        racers.iter_mut().for_each(|racer| racer.say(b'e'));
        let accepted = racers.each_mut().map(Racer::hear);
        // The process that has bound the path has the client.
        for (outcome, accepted) in outcomes.iter().zip(accepted) {
            assert_eq!(*outcome == WON, accepted == ACCEPTED, "round {round}");
        }
        outcomes.sort();
        assert_eq!(outcomes, [IN_USE, WON], "round {round}");
    }
}

const READY: u8 = b'<';
const WON: u8 = b'w';
const IN_USE: u8 = b'i';
const ACCEPTED: u8 = b'a';
const NOBODY: u8 = b'n';

/// Runs one of the processes, which binds repeatedly until its standard input ends.
fn racer(directory: &Path) {
    // The test harness has already written other lines.
    let say =
        |byte: u8| std::io::stdout().write_all(&[0, byte]).and_then(|()| std::io::stdout().flush());
    let hear = || std::io::stdin().read_exact(&mut [0]).is_ok();
    let (path, barrier) = (directory.join("socket"), directory.join("barrier"));
    runtime().block_on(async {
        while hear() {
            let barrier = File::open(&barrier).unwrap();
            say(READY).unwrap();
            flock(&barrier, FlockOperation::LockShared).unwrap();
            let outcome = builder().replace_stale(true).bind(&path);
            drop(barrier);
            say(match &outcome {
                Ok(_) => WON,
                Err(ListenError::InUse { .. }) => IN_USE,
                Err(error) => panic!("{error:?}"),
            })
            .unwrap();
            hear();
            let accepted = match &outcome {
                Ok(listener) => {
                    drive_io().await;
                    now(listener.accept()).await.is_some()
                }
                Err(_) => false,
            };
            drop(outcome);
            say(if accepted { ACCEPTED } else { NOBODY }).unwrap();
        }
    });
}

struct Racer {
    stdin: ChildStdin,
    stdout: ChildStdout,
    _peer: Peer,
}

impl Racer {
    fn start(command: &mut std::process::Command) -> Racer {
        let mut peer = Peer::start(command);
        let (stdin, stdout) = (peer.take_stdin().unwrap(), peer.take_stdout().unwrap());
        Racer { stdin, stdout, _peer: peer }
    }

    fn say(&mut self, byte: u8) {
        self.stdin.write_all(&[byte]).unwrap();
    }

    /// Returns the next byte after a zero. The lines of the test harness contain no zeros.
    fn hear(&mut self) -> u8 {
        let mut byte = [1];
        while byte != [0] {
            self.stdout.read_exact(&mut byte).unwrap();
        }
        self.stdout.read_exact(&mut byte).unwrap();
        byte[0]
    }
}
