//! Restarts a server without losing a connection.
//!
//! A server that closes its listening socket, for its successor to open another, refuses whoever
//! connects in between and resets whoever waits in the backlog: the connections that the kernel has
//! made and nobody has accepted. So hand over the socket itself. It is one open file, whoever has
//! a descriptor of it, and it listens on, backlog and all, while one process follows the other.
//!
//! Three processes, all of this program (run `cargo run -p anchovy --example handoff`):
//!
//! - The *driver* opens the listening socket, gives it to generation 1, and is the clients: eight
//!   tasks connect in a tight loop, send a line, and expect it back with the number of the process
//!   that served it. One more connection stays open throughout. It fails if a single one is lost.
//! - *Generation 1* serves. Told to restart, it starts generation 2 and, at a moment when
//!   connections wait in the backlog, sends it the listening socket. It accepts connections until
//!   generation 2 has acknowledged, then finishes those that it has, and ends.
//! - *Generation 2* does as generation 1 did, but is told to end instead.

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
/// With room for the listening socket and the control socket.
type Handoff = AnchovyStream<{ cmsg_space!(ScmRights(2)) }>;

const RESTART_AFTER: u32 = 400; // connections that generation 1 has served
const STOP_AFTER: u32 = 75; // connections that generation 2 has served, for each of the clients

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let deadline = Duration::from_secs(60); // A fraction of a second is what it takes.
    match std::env::args().nth(1) {
        None => timeout(deadline, driver()).await?,
        Some(number) => timeout(deadline, generation(number.parse()?)).await?,
    }
}

async fn driver() -> Result<()> {
    // Generation 2 is a child of generation 1, and an orphan when that has ended: ours, then.
    set_child_subreaper(Some(getpid()))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // A byte tells the generation that serves to restart; the end of the stream, to end.
    let (mut control, theirs) = UnixStream::pair()?;
    let mut first = hand_over(1, &listener, &theirs).await?;
    let old = first.id().context("generation 1 has ended")?;
    drop((listener, theirs)); // From here on, only the generations have them.

    let mut kept = connect(address).await?;
    ensure!(ask(&mut kept, "before").await? == old, "generation 1 does not serve");
    let (answers, mut answered) = mpsc::unbounded_channel();
    for _ in 0..8 {
        tokio::spawn(client(address, old, answers.clone()));
    }
    drop(answers); // The loop ends with the last client, so that no answer goes uncounted.
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
            Ok(pid) => bail!("process {pid} is no generation of ours"),
            Err(error) => lost.push(error),
        }
    }
    ensure!(lost.is_empty(), "{} connections were lost: {:?}", lost.len(), lost.first());
    let new = new.context("generation 2 served nobody")?;
    ensure!(ask(&mut kept, "after").await? == old, "a connection changed hands");
    println!("driver: generation 1 still serves the connection that was kept open; closing it");
    drop(kept);
    ensure!(first.wait().await?.success(), "generation 1 failed");
    control.shutdown().await?;
    control.read_to_end(&mut vec![]).await?; // It ends when generation 2 does.
    let ended = waitpid(Pid::from_raw(new.try_into()?), WaitOptions::empty())?;
    ensure!(ended.and_then(|(_, status)| status.exit_status()) == Some(0), "generation 2 failed");
    let (total, lost) = (by_old + by_new, lost.len());
    let by_old = format!("{by_old} served by generation 1 (pid {old})");
    println!("{total} connections, {lost} lost: {by_old}, {by_new} by generation 2 (pid {new})");
    Ok(())
}

/// Connects, asks, and connects again. What goes wrong is an answer too.
async fn client(address: SocketAddr, old: u32, answers: mpsc::UnboundedSender<io::Result<u32>>) {
    let mut others = 0;
    while others < STOP_AFTER {
        let answer = async { ask(&mut connect(address).await?, "hello").await }.await;
        others += u32::from(!matches!(answer, Ok(pid) if pid == old));
        answers.send(answer).expect("the driver listens until the last client has ended");
    }
}

async fn connect(address: SocketAddr) -> io::Result<Connection> {
    Ok(BufReader::new(TcpStream::connect(address).await?))
}

/// Sends a line like no other, and returns the number of the process that echoed it.
async fn ask(connection: &mut Connection, what: &str) -> io::Result<u32> {
    let line = format!(" {what} from {}\n", connection.get_ref().local_addr()?);
    connection.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_line(&mut answer).await?;
    let pid = answer.strip_suffix(&line).and_then(|pid| pid.parse().ok());
    pid.ok_or_else(|| io::Error::other(format!("{answer:?} is no echo of {line:?}")))
}

/// One generation of the server, until after it has handed over to the next, or is told to end.
async fn generation(number: u32) -> Result<()> {
    let say = |what: &str| println!("generation {number} (pid {}): {what}", process::id());
    let socket = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut predecessor = Handoff::new(socket)?;
    predecessor.read_u8().await?;
    let fds = Vec::from(mem::take(predecessor.read_queue_mut()));
    let [listener, control] =
        <[OwnedFd; 2]>::try_from(fds).map_err(|_| anyhow!("not two descriptors"))?;
    // Both are non-blocking already: that belongs to the open file, which the generations share.
    let listener = TcpListener::from_std(listener.into())?;
    let mut control = UnixStream::from_std(control.into())?;
    say("has the listening socket, and acknowledges");
    predecessor.write_u8(b'a').await?;

    let mut connections = JoinSet::new();
    let mut retired = Box::pin(async {
        if control.read(&mut [0]).await? > 0 {
            // Only for the show: those who wait at this moment lose nothing either.
            while backlog(&listener)? == 0 {
                task::yield_now().await;
            }
            say(&format!("hands over with {} waiting in the backlog", backlog(&listener)?));
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
    drop(listener); // Whoever waits in its backlog is the successor's.
    say("accepts no more, and finishes the connections that it has");
    while let Some(done) = connections.join_next().await {
        done??;
    }
    Ok(())
}

/// Starts a generation, lends it the sockets, and returns when it has acknowledged them.
///
/// Ours stay open and in use until then, so a successor that fails need cost nobody a connection.
async fn hand_over(number: u32, listener: &TcpListener, control: &UnixStream) -> Result<Child> {
    let (ours, theirs) = StdUnixStream::pair()?;
    let mut command = Command::new(std::env::current_exe()?);
    let child = command.arg(number.to_string()).stdin(OwnedFd::from(theirs)).spawn()?;
    drop(command); // With our copy of their end, so that the stream ends if they do.
    let mut successor = Handoff::new(ours)?;
    successor.send_with_fds(b"l", &[listener.as_fd(), control.as_fd()]).await?;
    successor.read_u8().await?;
    Ok(child)
}

/// How many wait to be accepted: in /proc/net/tcp, the receive queue of what listens (state 0A).
fn backlog(listener: &TcpListener) -> Result<u32> {
    let port = format!(":{:04X}", listener.local_addr()?.port());
    let table = fs::read_to_string("/proc/net/tcp")?;
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1].ends_with(&port) && row[3] == "0A");
    let (_, queue) = row.and_then(|row| row[4].split_once(':')).context("not in /proc/net/tcp")?;
    Ok(u32::from_str_radix(queue, 16)?)
}

/// Sends every line back, behind the number of this process.
async fn echo(mut connection: Connection) -> io::Result<()> {
    let mut line = String::new();
    while connection.read_line(&mut line).await? > 0 {
        connection.write_all(format!("{}{line}", process::id()).as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
