//! What the tests share: a run that guards itself, descriptors that can be told apart, and a
//! foreign end that speaks to the kernel without this crate.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS, FdError, WAYLAND_SCM_RIGHTS};
use rustix::fs::MemfdFlags;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use rustix::process::{Resource, Rlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) type Dbus = AnchovyStream<DBUS_SCM_RIGHTS>;
pub(crate) type Wayland = AnchovyStream<WAYLAND_SCM_RIGHTS>;

/// Descriptors are counted by process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test on a current-thread runtime.
///
/// A test that hangs ends the process with the name of the test; a test that leaves a descriptor
/// open, or closes one that is not its own, fails.
pub(crate) fn run(test: impl Future<Output = ()>) {
    guarded(|| runtime().block_on(test));
}

/// A current-thread runtime.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// As [`run`], on two threads.
pub(crate) fn run_on_threads(test: impl Future<Output = ()>) {
    guarded(|| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().expect("a runtime").block_on(test);
    });
}

/// As [`run`], without a runtime.
pub(crate) fn guarded(test: impl FnOnce()) {
    let _alone: MutexGuard<'_, ()> = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (done, watched) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if watched.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Not by `eprintln`, which a test captures, and the capture dies with the process.
            let _ =
                rustix::io::write(rustix::stdio::stderr(), format!("\n{name} hangs\n").as_bytes());
            std::process::abort();
        }
    });

    // The first runtime of a process leaves behind what tokio has for signals.
    drop(runtime());
    let before = descriptors();
    test();
    assert_eq!(before, descriptors(), "descriptors before and after the test");

    drop(done);
    watchdog.join().expect("the watchdog only watches");
}

/// The descriptors of this process, and what each of them is.
pub(crate) fn descriptors() -> BTreeMap<i32, String> {
    let directory = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    directory
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            // The directory itself is closed by the time that the link is read.
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((number, target.display().to_string()))
        })
        .filter(|(_, target)| !target.ends_with("/fd"))
        .collect()
}

/// Gives the driver a turn, so that readiness is known to tokio whose cause came before.
pub(crate) async fn settle() {
    let (mut near, mut far) = tokio::net::UnixStream::pair().expect("a pair");
    near.write_all(b".").await.expect("room for a byte");
    far.read_exact(&mut [0]).await.expect("a byte");
}

/// Polls once: what a future would return without waiting.
pub(crate) async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

/// What tells descriptors of different files apart: device and inode.
pub(crate) type Identity = (u64, u64);

pub(crate) fn identity(fd: impl AsFd) -> Identity {
    let stat = rustix::fs::fstat(fd).expect("an open descriptor");
    (stat.st_dev, stat.st_ino)
}

pub(crate) fn identities<F: AsFd>(fds: impl IntoIterator<Item = F>) -> Vec<Identity> {
    fds.into_iter().map(identity).collect()
}

/// A file of its own.
pub(crate) fn memfd() -> OwnedFd {
    rustix::fs::memfd_create("anchovy", MemfdFlags::CLOEXEC).expect("a memfd")
}

pub(crate) fn memfds(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| memfd()).collect()
}

/// The ends of a pipe, reading first: end of file tells that every copy of the second is closed.
pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK)
        .expect("a pipe")
}

/// Are all copies of the writing end of this pipe closed?
pub(crate) fn is_abandoned(reader: &OwnedFd) -> bool {
    rustix::io::read(reader, &mut [0; 1]) == Ok(0)
}

pub(crate) fn fd_error(error: std::io::Error) -> FdError {
    FdError::of(&error).unwrap_or_else(|| panic!("an error about descriptors, not {error:?}"))
}

/// One of our streams, and a foreign blocking socket at its other end.
pub(crate) fn with_foreign<const S: usize>() -> (AnchovyStream<S>, StdUnixStream) {
    let (near, far) = StdUnixStream::pair().expect("a pair");
    (AnchovyStream::new(near).expect("a stream"), far)
}

/// One `sendmsg` of a foreign end, each set in a control message of its own.
pub(crate) fn foreign_send(
    socket: &StdUnixStream,
    bytes: &[u8],
    sets: &[&[BorrowedFd<'_>]],
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); 2 * rustix::cmsg_space!(ScmRights(254))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    for set in sets {
        assert!(control.push(SendAncillaryMessage::ScmRights(set)));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

/// One `recvmsg` of a foreign end, with a control buffer of that many bytes.
pub(crate) fn foreign_receive(
    socket: &StdUnixStream,
    space: usize,
) -> (Vec<u8>, Vec<OwnedFd>, ReturnFlags) {
    let mut bytes = [0; 4096];
    let mut space = vec![MaybeUninit::uninit(); space];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )
    .expect("something to receive");
    let fds = control
        .drain()
        .flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
            _ => Vec::new(),
        })
        .collect();
    (bytes[..received.bytes].to_vec(), fds, received.flags)
}

/// Runs a Python script whose standard input is a socket, and returns what it printed.
///
/// The socket is `s` there.
pub(crate) fn python(socket: OwnedFd, script: &str) -> String {
    let script = format!("import socket, os, sys\ns = socket.socket(fileno=0)\n{script}");
    let output = Command::new("python3")
        .args(["-c", &script])
        .stdin(socket)
        .stderr(Stdio::inherit())
        .output()
        .expect("python3 is installed");
    assert!(output.status.success(), "the script failed: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// Is this kernel at least that one?
pub(crate) fn kernel_is_at_least(major: u32, minor: u32) -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_str().expect("a release is text");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (major, minor)
}

/// A bound of this process that is lowered until it is dropped.
pub(crate) struct Lowered(Rlimit);

impl Lowered {
    /// Lowers the number of descriptors that this process may have.
    pub(crate) fn descriptors(current: u64) -> Lowered {
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

/// A descriptor table with no room but for a few; until it is dropped.
pub(crate) struct FullTable {
    fillers: Vec<OwnedFd>,
    _limit: Lowered,
}

impl FullTable {
    pub(crate) fn with_room_for(room: usize) -> FullTable {
        let filler = std::fs::File::open("/dev/null").expect("a null device").into();
        let limit = Lowered::descriptors(512);
        let mut fillers: Vec<OwnedFd> = vec![filler];
        while let Ok(another) = fillers[0].try_clone() {
            fillers.push(another);
        }
        let mut table = FullTable { fillers, _limit: limit };
        table.make_room_for(room);
        table
    }

    /// Frees places in the table.
    pub(crate) fn make_room_for(&mut self, room: usize) {
        self.fillers.truncate(self.fillers.len() - room);
    }
}

/// A directory of this test's own.
pub(crate) struct Directory(pub(crate) std::path::PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        let path = std::env::temp_dir().join(format!("anchovy-test-{}", std::process::id()));
        std::fs::create_dir(&path).expect("a directory of this process");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).expect("it is ours");
    }
}
