//! The example `wayland_spy`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use anchovy_wayland::{Message, MessageBuilder, ObjectId};
use rustix::process::Signal;

use crate::compositor::{Compositor, Manners};
use crate::harness::*;

/// A spy, in a directory with the socket of a compositor. The client and the compositor are raw sockets of
/// the test, so only the spy uses the crate.
struct Spied {
    directory: Directory,
    listener: UnixListener,
    spy: Program,
}

impl Spied {
    /// Has a test be the compositor and its clients.
    fn run(test: impl FnOnce(&mut Spied)) {
        let mut command = example("wayland_spy");
        guarded(|| {
            let directory = Directory::new();
            let [compositor, spy] = ["wayland-0", "spy"].map(|name| directory.join(name));
            let listener = UnixListener::bind(&compositor).unwrap();
            command.arg("--display").arg(&compositor).arg("--socket").arg(&spy);
            let spy = Program::start(&mut command);
            let mut spied = Spied { directory, listener, spy };
            // The spy checks for a compositor, and then prints the path of its socket.
            let (mut probe, _) = spied.listener.accept().unwrap();
            assert_eq!(probe.read(&mut [0]).unwrap(), 0);
            let line = spied.spy.line();
            assert_eq!(line, spied.directory.join("spy").display().to_string());
            test(&mut spied);
            assert_eq!(spied.spy.end_with(Signal::TERM), Some(0));
            assert_eq!(entries(spied.directory.path()), [compositor]);
        });
    }

    /// A client, and what the compositor has of it.
    fn client(&mut self) -> (UnixStream, UnixStream) {
        let client = UnixStream::connect(self.directory.join("spy")).unwrap();
        let (compositor, _) = self.listener.accept().unwrap();
        self.spy.line_with(" connected");
        (client, compositor)
    }
}

/// Room for as many descriptors as libwayland has room for.
const SPACE: usize = rustix::cmsg_space!(ScmRights(28));

fn message(object: u32, opcode: u16) -> MessageBuilder {
    Message::builder(id(object), opcode)
}

fn bytes(message: MessageBuilder) -> Vec<u8> {
    bytes_of(&message.build().unwrap())
}

fn bind(name: u32, interface: &str, object: u32) -> Vec<u8> {
    bytes(message(2, 0).uint(name).untyped_new_id(interface, 1, id(object)))
}

/// Sends bytes from one end to the other, and sees that they are the same there.
fn cross(sent: &[u8], from: &mut UnixStream, to: &mut UnixStream) {
    from.write_all(sent).unwrap();
    let mut received = vec![0; sent.len()];
    to.read_exact(&mut received).unwrap();
    assert_eq!(received, sent);
}

/// Sends a message with descriptors, and checks that exactly this message arrives with its descriptors.
fn cross_with(sent: &[u8], fds: &[OwnedFd], from: &UnixStream, to: &UnixStream) {
    let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    foreign_send(from, sent, &[&borrowed]).unwrap();
    let (bytes, received, _) = foreign_receive(to, SPACE);
    assert_eq!((bytes, identities(&received)), (sent.to_vec(), identities(fds)));
}

/// Gets a registry, by which objects are bound.
fn get_registry(client: &mut UnixStream, compositor: &mut UnixStream) {
    cross(&bytes(message(1, 1).new_id(id(2))), client, compositor);
}

const MEMFD: &str = "memfd \"anchovy\" 0 bytes read+write sealed(seal)";

#[test]
fn a_client_behaves_the_same_proxied_and_directly() {
    let (mut direct, mut spied, mut spy) =
        (example("shm_client"), example("shm_client"), example("wayland_spy"));
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("wayland-0");
        let compositor = Compositor::start(&path, Manners { clients: 2, ..Manners::GOOD });
        let direct = run_to_end(direct.args(["--frames", "5", "--display"]).arg(&path));

        spy.env("XDG_RUNTIME_DIR", directory.path()).args(["--socket", "spy"]);
        let mut spy = Program::start(&mut spy);
        let address = spy.line();
        assert_eq!(address, directory.join("spy").display().to_string());
        let spied = run_to_end(spied.args(["--frames", "5", "--display", &address]));
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != "client 1 closed the connection") {
            lines.push(without_time(&spy.line()));
        }
        assert_eq!(spy.end_with(Signal::INT), Some(0));

        let of = |ended: Ended| (ended.code, ended.stdout.lines().skip(1).collect::<String>());
        assert_eq!(of(direct), of(spied));
        let [direct, spied] = <[_; 2]>::try_from(compositor.end()).unwrap();
        assert_eq!(direct.bytes, spied.bytes);
        assert_eq!((direct.frames.len(), &direct.frames), (5, &spied.frames));
        assert_eq!(direct.pool, spied.pool);
        // It is the very file that the client has.
        let [(_, holders)] = &spied.fds[..] else { panic!("{:?}", spied.fds) };
        assert!(holders.iter().any(|name| name == "shm_client"), "{holders:?}");

        let pool = "{client 1}  -> wl_shm#5.create_pool(id: new id wl_shm_pool#7, fd: fd 0, \
            size: 524288); fd 0: memfd \"shm_client\" 524288 bytes read+write sealed(seal,shrink)";
        for expected in [
            "client 1 connected",
            "{client 1}  -> wl_display#1.get_registry(registry: new id wl_registry#2)",
            "{client 1} wl_registry#2.global(name: 2, interface: \"wl_shm\", version: 1)",
            "{client 1} wl_callback#3.done(callback_data: 0)",
            "{client 1} wl_display#1.delete_id(id: 3)",
            "{client 1}  -> wl_registry#2.bind(name: 3, interface: \"xdg_wm_base\", version: 1, \
                id: new id xdg_wm_base#6)",
            pool,
            "{client 1}  -> xdg_wm_base#6.get_xdg_surface(id: new id xdg_surface#11, surface: wl_surface#10)",
            "{client 1} xdg_wm_base#6.ping(serial: 4711)",
            "{client 1} xdg_toplevel#12.configure(width: 0, height: 0, states: array[0])",
            "{client 1}  -> wl_surface#10.attach(buffer: wl_buffer#8, x: 0, y: 0)",
            "{client 1}  -> wl_surface#10.frame(callback: new id wl_callback#3)",
            "{client 1} wl_buffer#8.release()",
            "{client 1}  -> xdg_toplevel#12.destroy()",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}\n{lines:#?}");
        }
    });
}

#[test]
fn each_descriptor_is_forwarded_with_its_own_message() {
    Spied::run(|spied| {
        let (mut client, mut compositor) = spied.client();
        get_registry(&mut client, &mut compositor);
        cross(&bind(1, "wl_shm", 3), &mut client, &mut compositor);

        // As libwayland does it: early, several together, and with a part of a header.
        let fds = memfds(3);
        let pools: Vec<_> = (0..3_u32)
            .map(|number| bytes(message(3, 0).new_id(id(4 + number)).int(number as i32)))
            .collect();
        let sync = bytes(message(1, 0).new_id(id(7)));
        let all = [&sync[..], &pools[0], &sync, &pools[1], &pools[2], &sync].concat();
        let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        foreign_send(&client, &all[..1], &[&borrowed[..2]]).unwrap();
        foreign_send(&client, &all[1..30], &[&borrowed[2..]]).unwrap();
        client.write_all(&all[30..]).unwrap();

        let (mut received, mut owners) = (Vec::new(), Vec::new());
        while received.len() < all.len() {
            let (bytes, fds, flags) = foreign_receive(&compositor, SPACE);
            assert!(!bytes.is_empty() && !flags.contains(rustix::net::ReturnFlags::CTRUNC));
            for fd in fds {
                // Each message is sent alone, so the received bytes end with its message.
                let end = received.len() + bytes.len();
                owners.push((end, identity(fd)));
            }
            received.extend(bytes);
        }
        assert_eq!(received, all);
        let ends = [28, 56, 72];
        let expected: Vec<_> = ends.into_iter().zip(identities(&fds)).collect();
        assert_eq!(owners, expected);
        let line = without_time(&spied.spy.line_with("create_pool"));
        let call = "wl_shm#3.create_pool(id: new id wl_shm_pool#4, fd: fd 0, size: 0)";
        assert_eq!(line, format!("{{client 1}}  -> {call}; fd 0: {MEMFD}"));
    });
}

#[test]
fn events_of_destroyed_objects_keep_their_descriptors() {
    Spied::run(|spied| {
        let (mut client, mut compositor) = spied.client();
        get_registry(&mut client, &mut compositor);
        cross(&bind(1, "wl_seat", 3), &mut client, &mut compositor);
        cross(&bytes(message(3, 1).new_id(id(4))), &mut client, &mut compositor);
        let keymap = bytes(message(4, 0).uint(1).uint(24325));
        cross_with(&keymap, &memfds(1), &compositor, &client);
        let line = without_time(&spied.spy.line_with("keymap"));
        let event = "wl_keyboard#4.keymap(format: 1, fd: fd 0, size: 24325)";
        assert_eq!(line, format!("{{client 1}} {event}; fd 0: {MEMFD}"));

        // Released, and the compositor does not know yet.
        cross(&bytes(message(4, 0)), &mut client, &mut compositor);
        cross_with(&keymap, &memfds(1), &compositor, &client);
        let line = without_time(&spied.spy.line_with("keymap"));
        let note = "the client has destroyed the object";
        assert_eq!(line, format!("{{client 1}} {event}; {note}; fd 0: {MEMFD}"));

        // Its number is free, and that of another object then, of which the same event has none.
        cross(&bytes(message(1, 1).uint(4)), &mut compositor, &mut client);
        cross(&bytes(message(4, 0)), &mut compositor, &mut client);
        let line = spied.spy.line_with("#4.");
        assert!(line.contains("} [unknown]#4.[event 0](8 bytes); warning: object 4 "), "{line}");
        cross(&bytes(message(3, 0).new_id(id(4))), &mut client, &mut compositor);
        cross(
            &bytes(message(4, 0).uint(1).object(id(9)).fixed(1.into()).fixed(2.into())),
            &mut compositor,
            &mut client,
        );
        let line = without_time(&spied.spy.line_with("wl_pointer#4.enter"));
        let arguments =
            "serial: 1, surface: [unknown]#9, surface_x: 1.00000000, surface_y: 2.00000000";
        assert_eq!(line, format!("{{client 1}} wl_pointer#4.enter({arguments})"));

        // Objects that the compositor makes.
        cross(&bind(2, "wl_data_device_manager", 5), &mut client, &mut compositor);
        cross(&bytes(message(5, 1).new_id(id(6)).object(id(3))), &mut client, &mut compositor);
        let offer = ObjectId::FIRST_OF_SERVER;
        cross(&bytes(message(6, 0).new_id(offer)), &mut compositor, &mut client);
        cross(&bytes(message(offer.get(), 0).string("a\n\"b\"")), &mut compositor, &mut client);
        let (_reader, writer) = pipe();
        let receive = bytes(message(offer.get(), 1).string("text"));
        cross_with(&receive, &[writer], &client, &compositor);
        let line = without_time(&spied.spy.line_with("data_offer("));
        let new = "id: new id wl_data_offer#4278190080";
        assert_eq!(line, format!("{{client 1}} wl_data_device#6.data_offer({new})"));
        let line = without_time(&spied.spy.line_with(".offer("));
        let text = r#"mime_type: "a\n\"b\"""#;
        assert_eq!(line, format!("{{client 1}} wl_data_offer#4278190080.offer({text})"));
        let line = without_time(&spied.spy.line_with("receive"));
        let start = "{client 1}  -> wl_data_offer#4278190080.receive(mime_type: \"text\", fd: fd 0); \
            fd 0: pipe:[";
        assert!(line.starts_with(start) && line.ends_with("] write nonblock"), "{line}");
    });
}

#[test]
fn it_marks_unknown_messages_and_forwards_them() {
    Spied::run(|spied| {
        let (mut client, mut compositor) = spied.client();
        get_registry(&mut client, &mut compositor);
        cross(&bind(1, "frog\n_v1", 3), &mut client, &mut compositor);
        cross(&bytes(message(3, 5).new_id(id(4))), &mut client, &mut compositor);
        cross(&bytes(message(4, 0).uint(7)), &mut client, &mut compositor);
        cross(&bytes(message(4, 0)), &mut client, &mut compositor);
        let interface =
            "the interface frog\\n_v1 is unknown, and so are the objects that it creates";
        let object =
            "object 4 is unknown: its descriptors, if any, are forwarded with later messages";
        let arguments = r#"name: 1, interface: "frog\n_v1", version: 1, id: new id frog\n_v1#3"#;
        spied.spy.line_with("get_registry");
        for expected in [
            format!("wl_registry#2.bind({arguments}); warning: {interface}"),
            "frog\\n_v1#3.[request 5](12 bytes)".to_owned(),
            format!("[unknown]#4.[request 0](12 bytes); warning: {object}"),
            "[unknown]#4.[request 0](8 bytes)".to_owned(),
        ] {
            let line = without_time(&spied.spy.line());
            assert_eq!(line, format!("{{client 1}}  -> {expected}"));
        }
        // There is a table of messages with descriptors that has more.
        cross(&bind(2, "weston_debug_v1", 5), &mut client, &mut compositor);
        let subscribe = bytes(message(5, 1).string("log").new_id(id(6)));
        cross_with(&subscribe, &memfds(1), &client, &compositor);
        let line = spied.spy.line_with("weston_debug_v1#5.");
        assert_eq!(line.split("; ").nth(1), Some(&*format!("fd 0: {MEMFD}")), "{line}");

        // What is malformed is for the compositor to judge.
        cross(&bytes(message(1, 0)), &mut client, &mut compositor);
        let line = without_time(&spied.spy.line_with("malformed"));
        assert!(line.starts_with("{client 1}  -> wl_display#1.sync(); malformed: "), "{line}");
        cross(
            &bytes(message(1, 0).new_id(id(7)).array(&[7; 60_000])),
            &mut client,
            &mut compositor,
        );
    });
}

#[test]
fn the_end_of_one_direction_does_not_end_the_other() {
    Spied::run(|spied| {
        let (mut client, mut compositor) = spied.client();
        get_registry(&mut client, &mut compositor);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(compositor.read(&mut [0]).unwrap(), 0);
        cross(&bytes(message(2, 1).uint(7)), &mut compositor, &mut client);
        drop(compositor);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        spied.spy.line_with("client 1 closed the connection");

        // Messages before the end arrive, although no client reads any more.
        let (mut client, mut compositor) = spied.client();
        get_registry(&mut client, &mut compositor);
        let all = bytes(message(1, 0).new_id(id(3))).repeat(100);
        client.write_all(&all).unwrap();
        drop(client);
        let _ = compositor.write_all(&bytes(message(2, 1).uint(7)));
        let mut received = Vec::new();
        compositor.read_to_end(&mut received).unwrap();
        assert_eq!(received, all);
        drop(compositor);
        spied.spy.line_with("client 2 closed the connection");

        // The final messages of a compositor that does not read.
        let (mut client, mut compositor) = spied.client();
        get_registry(&mut client, &mut compositor);
        client.write_all(&all).unwrap();
        let mut some = [0; 8];
        compositor.read_exact(&mut some).unwrap();
        let error = bytes_of(&anchovy_wayland::DisplayError::new(id(1), 3, "the end").message());
        compositor.write_all(&error).unwrap();
        drop(compositor);
        let mut received = Vec::new();
        let _ = client.read_to_end(&mut received);
        assert_eq!(received, error);
        let error = "error(object_id: wl_display#1, code: 3, message: \"the end\")";
        spied.spy.line_with(&format!("{{client 3}} wl_display#1.{error}"));
        drop(client);
        spied.spy.line_with("the compositor closed the connection of client 3");
    });
}

#[test]
fn forwarding_waits_for_a_peer_that_does_not_read() {
    Spied::run(|spied| {
        let (mut client, mut compositor) = spied.client();
        get_registry(&mut client, &mut compositor);
        // A line for each of them would take its time.
        let request = bytes(message(1, 0).new_id(id(3)).array(&[0; 60_000]));
        // As long as there is room, it is taken at once; the rest of the time is for a slow peer.
        client.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut sent = 0;
        while let Ok(count) = client.write(&request[sent % request.len()..]) {
            sent += count;
            assert!(sent < 64 << 20, "the spy keeps a message or two, and no more");
        }
        let left = sent % request.len();
        // The other direction, and another client, are as well as before.
        client.set_write_timeout(None).unwrap();
        cross(&bytes(message(2, 1).uint(7)), &mut compositor, &mut client);
        let (mut other, mut its) = spied.client();
        get_registry(&mut other, &mut its);

        let rest = request[left..].to_vec();
        let mut writer = client.try_clone().unwrap();
        let writing = std::thread::spawn(move || writer.write_all(&rest).unwrap());
        let mut received = vec![0; sent.next_multiple_of(request.len())];
        compositor.read_exact(&mut received).unwrap();
        assert!(received.chunks(request.len()).all(|chunk| chunk == request));
        writing.join().unwrap();
    });
}

#[test]
fn invalid_clients_and_compositors_do_not_disturb_others() {
    Spied::run(|spied| {
        let (mut client, mut compositor) = spied.client();
        get_registry(&mut client, &mut compositor);
        cross(&bind(1, "wl_shm", 3), &mut client, &mut compositor);

        let (mut bad, mut its) = spied.client();
        bad.write_all(&[0; 16]).unwrap();
        assert_eq!(its.read(&mut [0]).unwrap(), 0);
        assert!(matches!(bad.read(&mut [0]), Ok(0) | Err(_)));
        spied.spy.line_with("client 2 was disconnected: received a malformed message");

        let (mut poor, mut its) = spied.client();
        get_registry(&mut poor, &mut its);
        cross(&bind(1, "wl_shm", 3), &mut poor, &mut its);
        poor.write_all(&bytes(message(3, 0).new_id(id(4)).int(1))).unwrap();
        assert_eq!(its.read(&mut [0]).unwrap(), 0);
        spied.spy.line_with(
            "client 3 was disconnected: message with opcode 0 of object 3 has 1 descriptor, 0 arrived",
        );

        let (mut sane, mut mad) = spied.client();
        mad.write_all(&[0xff; 64]).unwrap();
        assert_eq!(sane.read(&mut [0]).unwrap(), 0);
        spied.spy.line_with("client 4 was disconnected: received a malformed message");

        let pool = bytes(message(3, 0).new_id(id(4)).int(1));
        cross_with(&pool, &memfds(1), &client, &compositor);
    });
}

/// Has a test run the spy with a command, on a compositor.
pub(crate) fn with_command(clients: usize, test: impl FnOnce(&Directory, &mut Command)) {
    let mut command = example("wayland_spy");
    guarded(|| {
        let directory = Directory::new();
        // Where private directories are made, so that one that stays is noticed.
        let temporary = Directory::new();
        let socket = directory.join("wayland-0");
        let compositor =
            (clients > 0).then(|| Compositor::start(&socket, Manners { clients, ..Manners::GOOD }));
        let listener = (clients == 0).then(|| UnixListener::bind(&socket).unwrap());
        command.env("TMPDIR", temporary.path()).env("XDG_RUNTIME_DIR", directory.path());
        test(&directory, &mut command);
        assert_eq!(entries(temporary.path()), Vec::<std::path::PathBuf>::new());
        drop((compositor.map(Compositor::end), listener));
    });
}

#[test]
fn the_output_of_a_command_is_separate_from_the_messages() {
    let globals = example_path("globals");
    with_command(1, |_, command| {
        let ended = run_to_end(command.arg("--").arg(globals));
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(ended.stdout.lines().count(), 3, "{}", ended.stdout);
        let lines: Vec<_> = ended.stderr.lines().map(without_time).collect();
        assert_eq!(
            lines,
            [
                "client 1 connected",
                "{client 1}  -> wl_display#1.get_registry(registry: new id wl_registry#2)",
                "{client 1}  -> wl_display#1.sync(callback: new id wl_callback#3)",
                "{client 1} wl_registry#2.global(name: 1, interface: \"wl_compositor\", version: 4)",
                "{client 1} wl_registry#2.global(name: 2, interface: \"wl_shm\", version: 1)",
                "{client 1} wl_registry#2.global(name: 3, interface: \"xdg_wm_base\", version: 3)",
                "{client 1} wl_callback#3.done(callback_data: 0)",
                "{client 1} wl_display#1.delete_id(id: 3)",
                "client 1 closed the connection",
            ]
        );
    });
}

#[test]
fn a_command_connects_to_the_spy_and_inherits_no_socket() {
    let script = "echo \"$WAYLAND_DISPLAY|$XDG_RUNTIME_DIR|${WAYLAND_SOCKET-none}\"";
    with_command(0, |directory, command| {
        command.env("WAYLAND_SOCKET", "77").args(["--", "sh", "-c", script]);
        let ended = run_to_end(command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let parts: Vec<_> = ended.stdout.trim_end().split('|').collect();
        let [display, runtime, socket] = parts[..] else { panic!("{parts:?}") };
        assert!(display.starts_with('/') && display.ends_with("/wayland-0"), "{display}");
        assert_ne!(display, directory.join("wayland-0").display().to_string());
        assert_eq!((runtime, socket), (&*directory.path().display().to_string(), "none"));
    });
}

#[test]
fn it_exits_with_the_status_of_its_command() {
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 128 + 9)] {
        with_command(0, |_, command| {
            let ended = run_to_end(command.args(["--", "sh", "-c", script]));
            let stdout = String::new();
            assert_eq!(ended, Ended { code: Some(code), stdout, stderr: String::new() });
        });
    }
    for (program, code) in [("/nonexistent", 127), ("/dev/null", 126)] {
        with_command(0, |_, command| {
            let ended = run_to_end(command.args(["--", program]));
            assert_eq!(ended.code, Some(code), "{}", ended.stderr);
            assert!(ended.stderr.starts_with(&format!("wayland_spy: {program}: ")), "{ended:?}");
        });
    }
    with_command(0, |_, command| {
        // It ends with its input, too, if the signal does not arrive.
        command.args(["--", "sh", "-c", "echo ready; exec cat"]);
        let mut peer = Peer::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let stdin = peer.take_stdin();
        let mut line = String::new();
        BufReader::new(peer.take_stdout().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        peer.signal(Signal::TERM);
        assert_eq!(peer.wait().code(), Some(128 + 15));
        drop(stdin);
    });
}

#[test]
fn invalid_arguments_are_reported() {
    for (arguments, code, part) in [
        (&["--help"][..], 0, "Usage: wayland_spy"),
        (&["--help"], 0, "Examples:"),
        (&[], 1, "XDG_RUNTIME_DIR"),
        (&["--loud"], 2, "unexpected argument '--loud'"),
        (&["wayland-0"], 2, "unexpected argument 'wayland-0'"),
        (&["--display"], 2, "a value is required for '--display <NAME>'"),
        (&["--socket"], 2, "a value is required for '--socket <NAME>'"),
        (&["--display", "/nonexistent/wayland-0", "--", "true"], 1, "/nonexistent/wayland-0"),
    ] {
        assert_output("wayland_spy", arguments, code, part);
    }
    with_command(0, |directory, command| {
        let taken = directory.join("wayland-0").display().to_string();
        let ended = run_to_end(command.args(["--socket", "wayland-0"]));
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains(&taken), "{ended:?}");
    });
}
