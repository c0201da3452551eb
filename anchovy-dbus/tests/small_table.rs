//! A server whose table of descriptors is small, clients that take all of it that they can get, and
//! an honest one that exchanges descriptors all the while: none of its calls fails, and none comes
//! back without its descriptors.
//!
//! The server is a process of its own, since a table is a process's: this test program, run again.
//! What the clients send is what the kernel carries, so they are of this process, whose table is
//! large.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream as StdUnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use anchovy_dbus::{
    Addresses, Budget, BudgetBuilder, Client, Connection, Guid, Limits, Listener, Message,
    SendErrorKind, Server,
};
use interop_tests::*;

/// Names the listener, in the environment of the process that serves.
const SUBJECT: &str = "ANCHOVY_SMALL_TABLE";

/// All descriptors that the server may have.
const TABLE: u64 = 256;

/// Calls of the honest client, each with as many descriptors as a server takes.
const CALLS: usize = 100;
const SET: usize = 16;

// ---- The server ----

fn serve(name: &str, threads: bool, budget: &BudgetBuilder) {
    let _limit = Lowered::descriptors(TABLE);
    let work = async {
        let limits = Limits { fd_timeout: Some(Duration::from_millis(300)), ..Limits::server() };
        let guid = Guid::parse(b"0123456789abcdef0123456789abcdef").expect("32 digits");
        let server = Server::new(guid).authorize(|_, _| true).limits(limits);
        let addresses: Addresses = format!("unix:abstract={name}").parse().expect("an address");
        let listener = server.bind(&addresses).expect("nobody else has the name");
        let listener = listener.with_budget(budget.build());
        println!("listening");
        tokio::select! {
            () = accept_all(&listener) => {}
            () = told_to_stop() => {}
        }
    };
    if threads {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().expect("a runtime").block_on(work);
    } else {
        runtime().block_on(work);
    }
}

async fn accept_all(listener: &Listener) {
    loop {
        let incoming = listener.accept().await.expect("a full table is waited for");
        tokio::spawn(async move {
            if let Ok(connection) = incoming.handshake().await {
                answer(connection).await;
            }
        });
    }
}

/// Sends back what each call brings, and drops a client that does not read it.
async fn answer(mut connection: Connection) {
    while let Ok(Some(mut call)) = connection.receive().await {
        let fds = call.take_fds();
        let answer = Message::method_return(&call).fds(fds).build().expect("an answer");
        let sent = tokio::time::timeout(Duration::from_secs(1), connection.send(answer)).await;
        match sent {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if matches!(error.kind, SendErrorKind::FdsTooEarly { .. }) => {}
            _ => return,
        }
    }
}

/// When its standard input ends.
async fn told_to_stop() {
    let stop = tokio::task::spawn_blocking(|| {
        let _ = std::io::stdin().read(&mut [0]);
    });
    stop.await.expect("it reads");
}

struct Served {
    child: Child,
    name: String,
}

impl Served {
    fn start(test: &str) -> Served {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("anchovy-small-table-{}-{number}", std::process::id());
        let mut child = Command::new(std::env::current_exe().expect("the path of this test"))
            .args(["--exact", test, "--nocapture", "--test-threads", "1"])
            .env(SUBJECT, &name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test program starts");
        let mut stdout = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.ends_with("listening\n") {
            let read = std::io::BufRead::read_line(&mut stdout, &mut line).expect("text");
            assert!(read > 0, "the server ended: {line}");
        }
        // What else it says is for nobody.
        child.stdout = None;
        Served { child, name }
    }

    /// How many descriptors the server has.
    fn open(&self) -> usize {
        let directory = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(directory).expect("our child lives").count()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let ended = self.child.kill().and_then(|()| self.child.wait());
        if !thread::panicking() {
            ended.expect("it is ours");
        }
    }
}

fn connect(name: &str) -> StdUnixStream {
    let address = SocketAddr::from_abstract_name(name).expect("a name");
    StdUnixStream::connect_addr(&address).expect("it listens")
}

// ---- The hostile ones ----

/// A client that has been accepted, if the server has room for it.
fn raw_client(name: &str) -> Option<StdUnixStream> {
    let mut socket = agreed_client(name)?;
    socket.write_all(b"BEGIN\r\n").ok()?;
    Some(socket)
}

/// A client that may send descriptors and has not begun.
fn agreed_client(name: &str) -> Option<StdUnixStream> {
    let mut socket = connect(name);
    socket.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\n").ok()?;
    let mut answers = Vec::new();
    let mut buf = [0; 128];
    while !answers.ends_with(b"AGREE_UNIX_FD\r\n") {
        let read = socket.read(&mut buf).ok().filter(|read| *read > 0)?;
        answers.extend_from_slice(&buf[..read]);
    }
    Some(socket)
}

fn call_bytes(declared: usize) -> Vec<u8> {
    let fds = memfds(declared);
    let mut call =
        Message::method_call("/", "Take").body("u", vec![0; 4]).fds(fds).build().unwrap();
    call.set_serial(NonZeroU32::MIN);
    call.to_bytes().unwrap().to_vec()
}

fn send_set(socket: &StdUnixStream, bytes: &[u8], fds: &[OwnedFd]) -> rustix::io::Result<usize> {
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    foreign_send(socket, bytes, &[&fds])
}

/// What a hostile client does with its connections, until it is stopped.
#[derive(Clone, Copy, Debug)]
enum Hostile {
    /// Begins messages with descriptors and does not end them.
    Partial,
    /// Calls and reads no answer.
    Unread,
    /// Sends as much as the kernel carries, which is more than it may.
    Oversized,
    /// The same, with the last line of the handshake.
    Early,
    /// Connects and says nothing.
    Silent,
}

fn attack(how: Hostile, name: &str, stop: &AtomicBool) {
    let fds = memfds(1);
    let dups =
        |count| -> Vec<OwnedFd> { (0..count).map(|_| fds[0].try_clone().unwrap()).collect() };
    let (partial, whole) = (dups(SET), dups(253));
    let call = call_bytes(SET);
    let mut sockets = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        match how {
            Hostile::Partial => {
                if let Some(socket) = raw_client(name) {
                    let _ = send_set(&socket, &call[..40], &partial);
                    sockets.push(socket);
                }
                if sockets.len() > 8 {
                    sockets.remove(0);
                }
            }
            Hostile::Unread => {
                if let Some(socket) = raw_client(name) {
                    socket.set_nonblocking(true).unwrap();
                    // As much as there is room for.
                    while !stop.load(Ordering::Relaxed)
                        && send_set(&socket, &call, &partial).is_ok()
                    {}
                    sockets.push(socket);
                }
                if sockets.len() > 4 {
                    sockets.remove(0);
                }
            }
            Hostile::Oversized => {
                if let Some(socket) = raw_client(name) {
                    socket.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
                    while !stop.load(Ordering::Relaxed) && send_set(&socket, &call, &whole).is_ok()
                    {
                    }
                }
            }
            Hostile::Early => {
                if let Some(socket) = agreed_client(name) {
                    let _ = send_set(&socket, b"BEGIN\r\n", &whole);
                }
            }
            Hostile::Silent => {
                sockets.push(connect(name));
                if sockets.len() > 40 {
                    sockets.drain(..20);
                }
                thread::yield_now();
            }
        }
    }
}

// ---- The honest one ----

async fn honest(name: &str) {
    let addresses: Addresses = format!("unix:abstract={name}").parse().unwrap();
    let mut connection = loop {
        // Of a uid that has no room it is refused, as it is to be.
        if let Ok(connection) = Client::new().connect(&addresses).await {
            break connection;
        }
    };
    // A server sends no descriptors to a client that has sent nothing.
    connection.send(Message::method_call("/", "Hello").build().unwrap()).await.unwrap();
    connection.receive().await.unwrap().expect("an answer");
    calls(&mut connection, CALLS).await;
}

async fn calls(connection: &mut Connection, count: usize) {
    for number in 0..count {
        let fds = memfds(SET);
        let expected = identities(&fds);
        let call = Message::method_call("/", "Take").fds(fds).build().unwrap();
        let serial = connection.send(call).await.unwrap_or_else(|e| panic!("call {number}: {e}"));
        let answer = connection.receive().await.unwrap_or_else(|e| panic!("call {number}: {e}"));
        let answer = answer.unwrap_or_else(|| panic!("call {number} has no answer"));
        assert_eq!(answer.header().reply_serial(), Some(serial));
        assert_eq!(identities(answer.fds()), expected, "call {number}");
    }
}

fn undisturbed(test: &str, threads: bool, another_uid: bool) {
    if let Some(name) = std::env::var_os(SUBJECT) {
        let mut budget = Budget::builder();
        if !another_uid {
            // Here it is about the table. What the hostile clients do not read, the honest one, which
            // shares their account, would wait for.
            budget = budget.fds_in_flight(1 << 20);
        }
        return serve(name.to_str().expect("text"), threads, &budget);
    }
    if another_uid && !rustix::process::geteuid().is_root() {
        return;
    }
    guarded(|| {
        let served = Served::start(test);
        let stop = Arc::new(AtomicBool::new(false));
        let kinds = [
            Hostile::Partial,
            Hostile::Unread,
            Hostile::Oversized,
            Hostile::Early,
            Hostile::Silent,
        ];
        let barrier = Arc::new(Barrier::new(kinds.len() + 1));
        let attackers: Vec<_> = kinds
            .into_iter()
            .map(|how| {
                let (stop, name) = (Arc::clone(&stop), served.name.clone());
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || {
                    if another_uid {
                        become_own_user(1);
                    }
                    barrier.wait();
                    attack(how, &name, &stop);
                })
            })
            .collect();
        barrier.wait();
        runtime().block_on(honest(&served.name));
        let most = served.open();
        assert!(most <= TABLE as usize, "{most}");
        stop.store(true, Ordering::Relaxed);
        for attacker in attackers {
            attacker.join().expect("it was hostile to the end");
        }
        drop(served);
    });
}

#[test]
fn an_honest_client_of_the_same_uid_is_undisturbed() {
    undisturbed("an_honest_client_of_the_same_uid_is_undisturbed", false, false);
}

#[test]
fn an_honest_client_of_the_same_uid_is_undisturbed_on_threads() {
    undisturbed("an_honest_client_of_the_same_uid_is_undisturbed_on_threads", true, false);
}

#[test]
fn an_honest_client_of_another_uid_is_undisturbed() {
    undisturbed("an_honest_client_of_another_uid_is_undisturbed", false, true);
}

#[test]
fn an_honest_client_of_another_uid_is_undisturbed_on_threads() {
    undisturbed("an_honest_client_of_another_uid_is_undisturbed_on_threads", true, true);
}
