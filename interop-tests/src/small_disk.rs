//! A file system that is full.

use std::fs;
use std::future::Future;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use rustix::thread::UnshareFlags;

use crate::deprived::deprived;
use crate::{Directory, guarded};

/// A file system with room for a few files, whatever their size.
#[derive(Debug)]
pub struct SmallDisk {
    /// Where it is mounted.
    pub directory: Directory,
    fillers: Vec<PathBuf>,
}

/// Runs a test on a thread that sees a full file system, which no other thread sees.
///
/// Only root can mount one, with `CAP_SYS_ADMIN`. Otherwise, this prints that nothing was tested.
pub fn on_a_full_disk<F: Future<Output = ()> + Send>(test: impl FnOnce(SmallDisk) -> F + Send) {
    let test = async {
        match SmallDisk::full() {
            Ok(disk) => test(disk).await,
            Err(Errno::PERM) => {
                println!("this test mounts a disk, which takes root; nothing was tested")
            }
            Err(error) => panic!("mounting: {error}"),
        }
    };
    guarded(|| deprived(|| (), test));
}

impl SmallDisk {
    fn full() -> rustix::io::Result<SmallDisk> {
        #[expect(deprecated, reason = "it became unsafe for flags other than this one")]
        rustix::thread::unshare(UnshareFlags::NEWNS)?;
        // What is mounted from here on stays in the namespace of this thread, and ends with it.
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
        let directory = Directory::new();
        let room = c"size=1m,nr_inodes=8,mode=700";
        mount("none", directory.path(), "tmpfs", MountFlags::empty(), room)?;
        let mut disk = SmallDisk { directory, fillers: Vec::new() };
        loop {
            let filler = disk.directory.join(format!("filler-{}", disk.fillers.len()));
            match fs::File::create(&filler) {
                Ok(_) => disk.fillers.push(filler),
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC), "{error}");
                    return Ok(disk);
                }
            }
        }
    }

    /// Makes room for one file.
    pub fn make_room(&mut self) {
        fs::remove_file(self.fillers.pop().expect("the disk has fillers")).expect("a filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The directory can be removed once nothing is mounted on it.
        let unmounted = unmount(self.directory.path(), UnmountFlags::DETACH);
        if !std::thread::panicking() {
            unmounted.expect("it is mounted");
        }
    }
}
