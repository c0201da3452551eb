//! Sends three open files to another process over a Unix socket:
//! `cargo run -p anchovy --example pass_fd`
//!
//! A process that opens a path needs the permission to do so, and another file may have replaced
//! the expected one. A descriptor refers to the open file itself. A Unix socket carries descriptors
//! as ancillary data of a message. The receiver gets a new descriptor for the same open file, even
//! if it has no permission to open that file. For example, a Wayland compositor receives the
//! buffers of its clients as descriptors, and a sandboxed program receives the document that the
//! user chose.
//!
//! The program runs as two processes. The parent starts the program again as its child, with one
//! end of a socket pair as standard input:
//!
//! 1. The parent creates a memfd, a pipe, and a file whose path it removes. It sends the file, the
//!    write end of the pipe and the memfd with one greeting.
//! 2. The child opens no file. It reads the file and the memfd through the received descriptors.
//!    It writes their contents and the devices and inodes of all three to the pipe.
//! 3. The parent compares the reply with its own files.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process;

use anchovy::{AnchovyStream, cmsg_space};
use anyhow::{Context, anyhow, bail, ensure};
use rustix::fs::{MemfdFlags, fstat, major, memfd_create, minor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::Command;

/// A stream with room for three descriptors in a message.
type Stream = AnchovyStream<{ cmsg_space!(ScmRights(3)) }>;

/// The message that carries the descriptors. It states their purpose, which the kernel does not
/// transfer. Both processes know its length, so it needs no framing.
const GREETING: &[u8; 46] = b"a file, the write end of a pipe, and a memfd.\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => parent().await,
        Some("child") => child().await,
        Some(other) => bail!("unknown argument {other:?}, expected none or \"child\""),
    }
}

async fn parent() -> anyhow::Result<()> {
    let say = |what: &dyn Display| println!("parent {}: {what}", process::id());

    // The texts contain the id of the parent, so that the child can only know them from the files.
    let in_file = format!("process {} wrote this and removed the path", process::id());
    let in_memory = format!("process {} wrote this to memory", process::id());
    let file = file_without_a_path(&in_file)?;
    let memory = file_in_memory(&in_memory)?;
    let (pipe_in, mut pipe_out) = pipe::pipe()?;
    let fds = [file.into(), pipe_in.into_blocking_fd()?, memory.into()];

    // The command is dropped at the end of the statement. This closes the parent's copy of
    // `theirs`, so that the write of the greeting fails if the child has exited.
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("child")
        .stdin(OwnedFd::from(theirs))
        .kill_on_drop(true)
        .spawn()?;
    let child_id = child.id().context("the child has no process id")?;

    say(&format_args!("sends three open files to process {child_id}:"));
    let descriptions = describe_all(&fds)?;
    for (fd, description) in fds.iter().zip(&descriptions) {
        say(&format_args!("  descriptor {:2} is {description}", fd.as_raw_fd()));
    }

    // The next write sends the queued descriptors with its first byte and then closes them in this
    // process. The pipe needs this: it ends when the last descriptor of its write end is closed.
    let mut stream = Stream::new(ours)?;
    stream.write_queue_mut().extend(fds);
    stream.write_all(GREETING).await?;

    let mut answer = String::new();
    pipe_out.read_to_string(&mut answer).await?;
    let status = child.wait().await?;
    ensure!(status.success(), "the child failed: {status}");

    let expected = answer_of(child_id, &in_file, &in_memory, &descriptions);
    ensure!(answer == expected, "received {answer:?} from the pipe, expected {expected:?}");
    say(&format_args!("received from the pipe: {}", answer.lines().next().unwrap_or_default()));
    say(&"the devices and inodes in the reply are those of the three files");
    Ok(())
}

async fn child() -> anyhow::Result<()> {
    let say = |what: &dyn Display| println!("child {}: {what}", process::id());

    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut stream = Stream::new(UnixStream::from(socket))?;
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting).await?;
    ensure!(
        greeting == *GREETING,
        "received an unknown greeting: {:?}",
        greeting.escape_ascii().to_string()
    );

    // The read queue has the order in which the parent queued the descriptors.
    let fds = Vec::from(mem::take(stream.read_queue_mut()));
    let fds = <[OwnedFd; 3]>::try_from(fds).map_err(|fds| {
        anyhow!("received {} descriptors with the greeting, expected 3", fds.len())
    })?;
    say(&"received three open files:");
    let descriptions = describe_all(&fds)?;
    for (fd, description) in fds.iter().zip(&descriptions) {
        say(&format_args!("  descriptor {:2} is {description}", fd.as_raw_fd()));
    }

    let [file, pipe, memory] = fds.map(File::from);
    ensure!(fstat(&file)?.st_nlink == 0, "the file has a path");
    let in_file = read(file)?;
    say(&format_args!("the file without a path contains: {in_file}"));
    let in_memory = read(memory)?;
    say(&format_args!("the memfd contains: {in_memory}"));

    // The child prints nothing after it closes the pipe. The parent reads to the end of the pipe
    // before it prints, so the lines of both processes keep their order.
    say(&"replies through the pipe");
    let answer = answer_of(process::id(), &in_file, &in_memory, &descriptions);
    (&pipe).write_all(answer.as_bytes())?;
    Ok(())
}

/// Returns the reply that the child sends and the parent expects.
fn answer_of(child_id: u32, in_file: &str, in_memory: &str, descriptions: &[String]) -> String {
    let read = format!("process {child_id} read \"{in_file}\" and \"{in_memory}\"\n");
    read + &descriptions.join("\n")
}

/// Returns a description of each open file that is the same in every process.
fn describe_all(fds: &[OwnedFd]) -> io::Result<Vec<String>> {
    fds.iter().map(describe).collect()
}

fn describe(fd: &OwnedFd) -> io::Result<String> {
    let stat = fstat(fd)?;
    let (major, minor) = (major(stat.st_dev), minor(stat.st_dev));
    let (inode, links) = (stat.st_ino, stat.st_nlink);
    let name = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
    let name = name.display();
    Ok(format!("{name} [device {major}:{minor}, inode {inode}, links {links}]"))
}

/// Creates a file in the temporary directory and removes its path.
fn file_without_a_path(text: &str) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("anchovy-pass-fd-{}", process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    with_text(file, text)
}

/// Creates a file that has no path.
fn file_in_memory(text: &str) -> io::Result<File> {
    with_text(memfd_create("anchovy-pass-fd", MemfdFlags::CLOEXEC)?.into(), text)
}

/// Writes the text and sets the position to the start.
///
/// The position is part of the open file, so the child reads from there.
fn with_text(mut file: File, text: &str) -> io::Result<File> {
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

fn read(mut file: File) -> io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}
