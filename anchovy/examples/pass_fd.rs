//! Hands open files to another process.
//!
//! A path is only a name: whoever opens it needs the permission, and has to hope that it still
//! leads to the same file. A descriptor *is* the open file. A Unix socket carries it as ancillary
//! data beside bytes, and the peer gets a number of its own for the same open file, whether it
//! could have opened it or not. That is how a compositor sees the pixels of its clients, and how a
//! sandboxed program gets the one document that its user chose.
//!
//! There are two processes here, the second of which is this program again, with one end of a
//! socket pair as its standard input:
//!
//! 1. The parent makes a file and removes its only path, a memfd (which never had one) and a pipe.
//!    It sends the file, the write end of the pipe and the memfd with one greeting.
//! 2. The child opens nothing. It reads what the two files say through the descriptors that it was
//!    given, and answers through the pipe, with a description of what it holds.
//! 3. The parent compares: other numbers, the same devices and inodes, the same contents.
//!
//! ```text
//! cargo run -p anchovy --example pass_fd
//! ```

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

/// With room for the three descriptors of the greeting.
type Stream = AnchovyStream<{ cmsg_space!(ScmRights(3)) }>;

/// A descriptor does not say what it is for, so the bytes that it comes with do. Both sides know
/// how many they are, which is framing enough for one message.
const GREETING: &[u8; 46] = b"a file, the write end of a pipe, and a memfd.\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => parent().await,
        Some("child") => child().await,
        Some(other) => bail!("{other:?} is no argument of this example"),
    }
}

async fn parent() -> anyhow::Result<()> {
    let say = |what: &dyn Display| println!("parent {}: {what}", process::id());

    // The child cannot know these texts but from the files: they name a process.
    let in_file = format!("process {} wrote this and removed the path", process::id());
    let in_memory = format!("process {} wrote this to memory", process::id());
    let file = file_without_a_path(&in_file)?;
    let memory = file_in_memory(&in_memory)?;
    let (pipe_in, mut pipe_out) = pipe::pipe()?;
    let fds = [file.into(), pipe_in.into_blocking_fd()?, memory.into()];

    // The command is gone at the end of the statement, and with it our copy of the child's end.
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("child")
        .stdin(OwnedFd::from(theirs))
        .kill_on_drop(true)
        .spawn()?;
    let child_id = child.id().context("the child has no process number")?;

    say(&format_args!("I have three open files for process {child_id}:"));
    let descriptions = describe_all(&fds)?;
    for (fd, description) in fds.iter().zip(&descriptions) {
        say(&format_args!("  descriptor {:2} is {description}", fd.as_raw_fd()));
    }
    say(&"I send them, and that closes mine.");

    // What is queued leaves with the first byte of the next write and is then closed here. For the
    // pipe that matters: it ends when its *last* write end is closed, which is now the child's.
    let mut stream = Stream::new(ours)?;
    stream.write_queue_mut().extend(fds);
    stream.write_all(GREETING).await?;

    let mut answer = String::new();
    pipe_out.read_to_string(&mut answer).await?;
    let status = child.wait().await?;
    ensure!(status.success(), "the child failed: {status}");

    let expected = answer_of(child_id, &in_file, &in_memory, &descriptions);
    ensure!(answer == expected, "the pipe says {answer:?} instead of {expected:?}");
    say(&format_args!("the pipe says: {}", answer.lines().next().unwrap_or_default()));
    say(&"the devices and inodes that it names are those of my three: they are the same files.");
    Ok(())
}

async fn child() -> anyhow::Result<()> {
    let say = |what: &dyn Display| println!("child {}: {what}", process::id());

    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut stream = Stream::new(UnixStream::from(socket))?;
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting).await?;
    ensure!(greeting == *GREETING, "unknown greeting {:?}", greeting.escape_ascii().to_string());

    // They are in the order in which they were queued. Too few or too many are an error.
    let fds = Vec::from(mem::take(stream.read_queue_mut()));
    let fds = <[OwnedFd; 3]>::try_from(fds)
        .map_err(|fds| anyhow!("{} descriptors came with the greeting, not 3", fds.len()))?;
    say(&"I open nothing, yet I was given three open files:");
    let descriptions = describe_all(&fds)?;
    for (fd, description) in fds.iter().zip(&descriptions) {
        say(&format_args!("  descriptor {:2} is {description}", fd.as_raw_fd()));
    }

    let [file, pipe, memory] = fds.map(File::from);
    ensure!(fstat(&file)?.st_nlink == 0, "the file still has a path");
    let in_file = read(file)?;
    say(&format_args!("the file, to which no path leads, says: {in_file}"));
    let in_memory = read(memory)?;
    say(&format_args!("the memfd says: {in_memory}"));

    // The parent reads to the end of the pipe, and from then on has the word: nothing is printed
    // here behind this.
    say(&"I answer through the pipe.");
    let answer = answer_of(process::id(), &in_file, &in_memory, &descriptions);
    (&pipe).write_all(answer.as_bytes())?;
    Ok(())
}

/// What the child answers, which is also what the parent expects.
fn answer_of(child_id: u32, in_file: &str, in_memory: &str, descriptions: &[String]) -> String {
    let read = format!("process {child_id} read \"{in_file}\" and \"{in_memory}\"\n");
    read + &descriptions.join("\n")
}

/// What the kernel knows of each open file. Nothing in it depends on the process that asks.
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

/// A file in the temporary directory, until its only path is removed.
fn file_without_a_path(text: &str) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("anchovy-pass-fd-{}", process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)?;
    with_text(file, text)
}

/// A file that has never had a path.
fn file_in_memory(text: &str) -> io::Result<File> {
    with_text(memfd_create("anchovy-pass-fd", MemfdFlags::CLOEXEC)?.into(), text)
}

/// The position belongs to the open file and so is the child's as well: it has to be at the start.
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
