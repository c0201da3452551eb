//! A server under attack, its honest client, and the line that tells what was measured.

use std::fmt::{self, Display};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use interop_tests::{Directory, guarded, own_uid};

use crate::process::Process;
use crate::servers::ServerKind;

/// The user of the server: a number for [`own_uid`], as are the others.
const SERVER: u32 = 1;

/// The users of hostile clients.
pub(crate) const HOSTILE: [u32; 2] = [2, 3];

/// The user of the honest client.
const HONEST: u32 = 4;

/// A server in a process of its own, which is to be attacked.
#[derive(Debug)]
#[must_use = "the server is killed when this is dropped"]
pub(crate) struct Attacked {
    kind: ServerKind,
    /// The process of the server.
    pub(crate) server: Process,
    // Removed when the server has ended.
    directory: Directory,
}

/// Runs a test that attacks a server; only root can be several users.
pub(crate) fn against(kind: ServerKind, test: impl FnOnce(&mut Attacked)) {
    guarded(|| {
        if !rustix::process::geteuid().is_root() {
            println!("this test attacks as other users, which takes root; nothing was tested");
            return;
        }
        test(&mut Attacked::start(kind));
    });
}

impl Attacked {
    /// Starts a server and waits until it listens.
    pub(crate) fn start(kind: ServerKind) -> Attacked {
        Attacked::start_as(kind, SERVER, &["server", &kind.name()])
    }

    /// Starts a server of a user that attacks its clients, and waits until it listens.
    pub(crate) fn start_hostile(kind: ServerKind, user: u32, attack: &str) -> Attacked {
        Attacked::start_as(kind, user, &["hostile", attack])
    }

    fn start_as(kind: ServerKind, user: u32, role: &[&str]) -> Attacked {
        let directory = Directory::of_another(own_uid(user), own_uid(user));
        let all_may_enter = Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), all_may_enter).expect("it is ours");
        let path = path_in(&directory);
        let mut server = Process::start(user, &[role, &[&path]].concat());
        assert_eq!(server.answer(), "listening");
        Attacked { kind, server, directory }
    }

    /// Returns the process id of the server.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Starts an honest client, which is connected and warm.
    pub(crate) fn honest(&self) -> Honest {
        let mut honest = self.unconnected();
        honest.connect().expect("nobody is in its way yet");
        honest.rounds(500, 0);
        honest
    }

    /// Starts an honest client, which is not connected.
    pub(crate) fn unconnected(&self) -> Honest {
        let path = path_in(&self.directory);
        let mut process = Process::start(HONEST, &["honest", &self.kind.name(), &path]);
        // What it measures is the time of the server, without the time until it gets the processor.
        process.run_first();
        assert_eq!(process.answer(), "ready");
        Honest { process }
    }

    /// Starts a client that is connected to this server, and which a hostile server is to attack.
    pub(crate) fn victim(&self, hostile: &Attacked) -> Process {
        let (path, hostile) = (path_in(&self.directory), path_in(&hostile.directory));
        let mut victim = Process::start(HONEST, &["victim", &self.kind.name(), &path, &hostile]);
        assert_eq!(victim.answer(), "ready");
        victim
    }

    /// Starts a hostile client of a user.
    pub(crate) fn hostile(&self, user: u32, attack: &str) -> Process {
        Process::start(user, &["hostile", attack, &path_in(&self.directory)])
    }
}

fn path_in(directory: &Directory) -> String {
    let path: PathBuf = directory.join("socket");
    path.to_str().expect("a path of ours").to_owned()
}

/// The honest client.
#[derive(Debug)]
#[must_use = "the client is killed when this is dropped"]
pub(crate) struct Honest {
    process: Process,
}

/// Round trips of the honest client.
#[derive(Clone, Debug)]
pub(crate) struct Rounds {
    /// Number of answers.
    pub(crate) done: usize,
    /// Time of the round in the middle.
    pub(crate) median: Duration,
    /// Time that 99 of 100 rounds do not exceed.
    pub(crate) slow: Duration,
    /// Time of the slowest round.
    pub(crate) slowest: Duration,
    /// Reason for which there were no further answers.
    pub(crate) failure: Option<String>,
}

impl Honest {
    /// Connects again. Returns the time until the first answer, or the reason why there is none.
    pub(crate) fn connect(&mut self) -> Result<Duration, String> {
        let answer = self.process.ask("connect");
        match answer.strip_prefix("failed ") {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(nanoseconds(&answer)),
        }
    }

    /// Makes round trips with so many descriptors each, one after the other; fewer if they take too
    /// long.
    pub(crate) fn rounds(&mut self, count: usize, fds: usize) -> Rounds {
        self.paused_rounds(count, fds, Duration::ZERO)
    }

    /// The same with a pause before each of them.
    ///
    /// Without pauses, most round trips are those of the moments in which they are fast.
    pub(crate) fn paused_rounds(&mut self, count: usize, fds: usize, pause: Duration) -> Rounds {
        let pause = pause.as_micros();
        Rounds::from_answer(&self.process.ask(&format!("rounds {count} {fds} {pause}")))
    }
}

impl Rounds {
    /// Parses what a client says of its round trips.
    pub(crate) fn from_answer(answer: &str) -> Rounds {
        let [done, median, slow, slowest, failure] = answer.splitn(5, ' ').collect::<Vec<_>>()[..]
        else {
            panic!("the client says {answer:?}");
        };
        Rounds {
            done: done.parse().expect("a number"),
            median: nanoseconds(median),
            slow: nanoseconds(slow),
            slowest: nanoseconds(slowest),
            failure: Some(failure.to_owned()).filter(|failure| !failure.is_empty()),
        }
    }
}

fn nanoseconds(number: &str) -> Duration {
    Duration::from_nanos(number.parse().expect("a number"))
}

impl Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rounds { done, median, slow, slowest, failure } = self;
        write!(f, "median {median:.1?}, p99 {slow:.1?}, slowest {slowest:.1?} of {done}")?;
        match failure {
            Some(failure) => write!(f, ", then {failure}"),
            None => Ok(()),
        }
    }
}

/// Prints what a test has measured, for the table in the documentation of this suite.
pub(crate) fn report(row: &str, figures: impl Display) {
    println!("{row:3} | {figures}");
}
