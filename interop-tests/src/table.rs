//! Small and full descriptor tables.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::process::{Resource, Rlimit};

/// A limit of this process that is lowered until this is dropped.
#[derive(Debug)]
#[must_use = "the bound is lowered until this is dropped"]
pub struct Lowered(Rlimit);

impl Lowered {
    /// Lowers the maximum number of descriptors of this process.
    pub fn descriptors(current: u64) -> Lowered {
        let before = rustix::process::getrlimit(Resource::Nofile);
        let lowered = Rlimit { current: Some(current), maximum: before.maximum };
        rustix::process::setrlimit(Resource::Nofile, lowered).expect("a lower limit");
        Lowered(before)
    }
}

impl Drop for Lowered {
    fn drop(&mut self) {
        rustix::process::setrlimit(Resource::Nofile, self.0).expect("the former limit");
    }
}

/// A descriptor table that is full, or nearly full, until this is dropped.
#[derive(Debug)]
#[must_use = "the table is full until this is dropped"]
pub struct FullTable {
    fillers: Vec<OwnedFd>,
    _limit: Lowered,
}

impl FullTable {
    /// Limits the table to 512 descriptors, and fills it except for `room` of them.
    pub fn with_room_for(room: usize) -> FullTable {
        let filler = File::open("/dev/null").expect("a null device").into();
        let limit = Lowered::descriptors(512);
        let mut fillers: Vec<OwnedFd> = vec![filler];
        while let Ok(another) = fillers[0].try_clone() {
            fillers.push(another);
        }
        let mut table = FullTable { fillers, _limit: limit };
        table.make_room_for(room);
        table
    }

    /// Frees `room` descriptors in the table.
    pub fn make_room_for(&mut self, room: usize) {
        self.fillers.truncate(self.fillers.len() - room);
    }
}
