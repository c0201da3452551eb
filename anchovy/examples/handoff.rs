//! Restarts a TCP server without losing a connection:
//! `cargo run -p anchovy --example handoff`
//!
//! If a server closes its listening socket and its successor opens a new one, connections are lost.
//! The kernel resets the connections in the backlog, which are established but not accepted, and
//! refuses new ones until the successor listens. This server sends the listening socket to its
//! successor instead. The descriptors of both processes refer to the same open file, so the socket
//! keeps listening, with its backlog, while one process replaces the other.
//!
//! The program runs as three processes:
//!
//! - The *driver* opens the listening socket and sends it to generation 1. It also runs the
//!   clients: eight tasks connect in a loop, send a line, and expect a reply with the id of the
//!   process that served it and the same line. One more connection stays open throughout. The
//!   driver fails if a connection is lost.
//! - *Generation 1* serves clients until the driver requests a restart. It then waits until the
//!   backlog is not empty, starts generation 2 and sends it the listening socket. It accepts
//!   connections until generation 2 acknowledges the socket. When the clients have closed these
//!   connections, it exits.
//! - *Generation 2* serves clients until the driver requests its exit.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::{fs, io, mem, net::SocketAddr, process, time::Duration};

use anchovy::{AnchovyStream, cmsg_space};
use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::{sync::mpsc, task, task::JoinSet, time::timeout};

type Connection = BufReader<TcpStream>;
/// A stream with room for two descriptors: the listening socket and the control socket.
type Handoff = AnchovyStream<{ cmsg_space!(ScmRights(2)) }>;

/// Number of connections that generation 1 serves before the driver requests the restart.
const RESTART_AFTER: u32 = 400;
/// Number of connections after which a client ends. Those that generation 1 served do not count.
const STOP_AFTER: u32 = 75;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let deadline = Duration::from_secs(60); // The run takes a fraction of a second.
    match std::env::args().nth(1) {
        None => timeout(deadline, driver()).await?,
        Some(number) => timeout(deadline, generation(number.parse()?)).await?,
    }
}

async fn driver() -> Result<()> {
    // Generation 2 is a child of generation 1. When generation 1 exits, the kernel makes the
    // nearest subreaper the parent of generation 2, so that the driver can wait for it.
    set_child_subreaper(Some(getpid()))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // A byte on the control socket requests a restart, and the end of the stream an exit.
    let (mut control, theirs) = UnixStream::pair()?;
    let mut first = hand_over(1, &listener, &theirs).await?;
    let old = first.id().context("generation 1 has ended")?;
    drop((listener, theirs)); // The stream `control` must end when the last generation exits.

    let mut kept = connect(address).await?;
    ensure!(
        ask(&mut kept, "before").await? == old,
        "generation 1 did not serve the first connection"
    );
    let (answers, mut answered) = mpsc::unbounded_channel();
    for _ in 0..8 {
        tokio::spawn(client(address, old, answers.clone()));
    }
    drop(answers); // The channel closes when the last client drops its sender.
    let (mut lost, mut by_old, mut by_new, mut new) = (vec![], 1, 0, None);
    while let Some(answer) = answered.recv().await {
        match answer {
            Ok(pid) if pid == old => {
                by_old += 1;
                if by_old == RESTART_AFTER {
                    control.write_all(b"r").await?;
                }
            }
            Ok(pid) if pid == *new.get_or_insert(pid) => by_new += 1,
            Ok(pid) => bail!("process {pid} is neither generation 1 nor generation 2"),
            Err(error) => lost.push(error),
        }
    }
    ensure!(lost.is_empty(), "{} connections were lost: {:?}", lost.len(), lost.first());
    let new = new.context("generation 2 served no connection")?;
    ensure!(ask(&mut kept, "after").await? == old, "the open connection moved to another process");
    println!("driver: generation 1 still serves the first connection, closing it");
    drop(kept);
    ensure!(first.wait().await?.success(), "generation 1 failed");
    control.shutdown().await?;
    control.read_to_end(&mut vec![]).await?; // The stream ends when generation 2 exits.
    let ended = waitpid(Pid::from_raw(new.try_into()?), WaitOptions::empty())?;
    ensure!(ended.and_then(|(_, status)| status.exit_status()) == Some(0), "generation 2 failed");
    let (total, lost) = (by_old + by_new, lost.len());
    let by_old = format!("{by_old} served by generation 1 (pid {old})");
    println!("{total} connections, {lost} lost: {by_old}, {by_new} by generation 2 (pid {new})");
    Ok(())
}

/// Connects, sends a line and reports the reply or the error to the driver, in a loop.
async fn client(address: SocketAddr, old: u32, answers: mpsc::UnboundedSender<io::Result<u32>>) {
    let mut others = 0;
    while others < STOP_AFTER {
        let answer = async { ask(&mut connect(address).await?, "hello").await }.await;
        others += u32::from(!matches!(answer, Ok(pid) if pid == old));
        answers.send(answer).expect("the driver receives until the last client has ended");
    }
}

async fn connect(address: SocketAddr) -> io::Result<Connection> {
    Ok(BufReader::new(TcpStream::connect(address).await?))
}

/// Sends a line that is unique to the connection, and returns the id of the process that echoed it.
async fn ask(connection: &mut Connection, what: &str) -> io::Result<u32> {
    let line = format!(" {what} from {}\n", connection.get_ref().local_addr()?);
    connection.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_line(&mut answer).await?;
    let pid = answer.strip_suffix(&line).and_then(|pid| pid.parse().ok());
    pid.ok_or_else(|| {
        io::Error::other(format!("received {answer:?} instead of a process id and {line:?}"))
    })
}

/// Runs one generation of the server until it has been replaced or the driver requests its exit.
async fn generation(number: u32) -> Result<()> {
    let say = |what: &str| println!("generation {number} (pid {}): {what}", process::id());
    let socket = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut predecessor = Handoff::new(socket)?;
    predecessor.read_u8().await?;
    let fds = Vec::from(mem::take(predecessor.read_queue_mut()));
    let [listener, control] = <[OwnedFd; 2]>::try_from(fds)
        .map_err(|fds| anyhow!("received {} descriptors, expected 2", fds.len()))?;
    // `from_std` needs non-blocking sockets. These are: O_NONBLOCK is a flag of the open file,
    // which all processes share.
    let listener = TcpListener::from_std(listener.into())?;
    let mut control = UnixStream::from_std(control.into())?;
    say("acknowledges the listening socket");
    predecessor.write_u8(b'a').await?;

    let mut connections = JoinSet::new();
    let mut retired = Box::pin(async {
        if control.read(&mut [0]).await? > 0 {
            // Shows that connections in the backlog are kept. The handover does not depend on it.
            while backlog(&listener)? == 0 {
                task::yield_now().await;
            }
            let waiting = backlog(&listener)?;
            say(&format!("hands over with {waiting} connections in the backlog"));
            hand_over(number + 1, &listener, &control).await?;
        }
        anyhow::Ok(())
    });
    loop {
        tokio::select! {
            biased;
            outcome = &mut retired => break outcome?,
            Some(done) = connections.join_next() => done??,
            accepted = listener.accept() => {
                connections.spawn(echo(BufReader::new(accepted?.0)));
            }
        }
    }
    drop(retired);
    drop(listener); // The successor's descriptor keeps the socket and its backlog open.
    say("accepts no more connections and waits for the open ones to end");
    while let Some(done) = connections.join_next().await {
        done??;
    }
    Ok(())
}

/// Starts a generation, sends it both sockets, and returns when it has acknowledged them.
///
/// The sockets of the caller stay open. If the successor fails, the caller can continue to serve.
async fn hand_over(number: u32, listener: &TcpListener, control: &UnixStream) -> Result<Child> {
    let (ours, theirs) = StdUnixStream::pair()?;
    let mut command = Command::new(std::env::current_exe()?);
    let child = command.arg(number.to_string()).stdin(OwnedFd::from(theirs)).spawn()?;
    drop(command); // It holds a copy of the successor's end, which would keep the stream open.
    let mut successor = Handoff::new(ours)?;
    successor.send_with_fds(b"l", &[listener.as_fd(), control.as_fd()]).await?;
    successor.read_u8().await?;
    Ok(child)
}

/// Returns the number of connections in the backlog.
///
/// For a listening socket (state 0A), it is the size of the receive queue in /proc/net/tcp.
fn backlog(listener: &TcpListener) -> Result<u32> {
    let port = format!(":{:04X}", listener.local_addr()?.port());
    let table = fs::read_to_string("/proc/net/tcp")?;
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1].ends_with(&port) && row[3] == "0A");
    let (_, queue) =
        row.and_then(|row| row[4].split_once(':')).context("no listener in /proc/net/tcp")?;
    Ok(u32::from_str_radix(queue, 16)?)
}

/// Sends each line back with the id of this process before it.
async fn echo(mut connection: Connection) -> io::Result<()> {
    let mut line = String::new();
    while connection.read_line(&mut line).await? > 0 {
        connection.write_all(format!("{}{line}", process::id()).as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
