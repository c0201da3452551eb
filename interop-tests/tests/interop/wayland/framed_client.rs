//! A client of the shape of waynest: tokio-util's `Framed` over a stream, and a write queue that takes
//! the descriptors of a request when the request is encoded.
//!
//! `Framed` writes many requests with one call, so more descriptors than one message of the kernel may
//! carry leave together: the stream spreads them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
use bytes::{Buf, BufMut, BytesMut};
use futures_util::{SinkExt, StreamExt};
use interop_tests::{Identity, Transcript, identities, identity, memfd, runtime};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio_util::codec::{Decoder, Encoder, Framed};

use super::Seen;
use super::desktop::Desktop;

/// Numbers of pools that are created in one flush: one, the descriptors of one `sendmsg` (28, see
/// `MAX_FDS_OUT` in connection.c of libwayland), more than those, and as many messages as `Framed`
/// writes in several flushes (each of 8 KiB).
const POOLS: [usize; 6] = [1, 28, 29, 40, 300, 1000];

/// Numbers of keymaps that wait in the read queue: as many as fill the buffer of wayland-rs (4096
/// bytes), and nearly as many as the queue holds (1024 and one full set).
const KEYMAPS: [usize; 2] = [256, 1000];

const DISPLAY: u32 = 1;
const REGISTRY: u32 = 2;

/// The unit of the sizes of pools, which the kernel maps whole.
const PAGE: usize = 4096;

/// Creates pools in one flush, and compares their files with those that the compositor received.
pub(crate) fn makes_pools(
    theirs: impl AsyncFn(UnixStream, usize) -> Seen,
    transcript: &Transcript,
) {
    raise_descriptor_limit();
    for count in POOLS {
        let (sent, seen) = run_with_peer(&theirs, 0, async |us| us.make_pools(count).await);
        assert_eq!(seen.pools, sent);
        transcript.note(format!("we > {count} create_pool in one flush"));
        transcript.note(format!("it sees {} pools, each with our file", seen.pools.len()));
    }
}

/// Receives all keymaps before it takes their descriptors, and compares their files with those that
/// the compositor sent.
pub(crate) fn lets_keymaps_pile_up(
    theirs: impl AsyncFn(UnixStream, usize) -> Seen,
    transcript: &Transcript,
) {
    raise_descriptor_limit();
    for count in KEYMAPS {
        let (came, seen) =
            run_with_peer(&theirs, count, async |us| us.let_keymaps_pile_up(count).await);
        assert_eq!(came, seen.keymaps);
        transcript.note(format!("{} keymaps pile up, each with its file", came.len()));
    }
}

/// Creates pools of weston in one flush, and finds each file mapped with the size of its request.
pub(crate) fn makes_pools_of_weston(transcript: &Transcript) {
    raise_descriptor_limit();
    runtime().block_on(async {
        let weston = Desktop::weston().await;
        for count in POOLS {
            let socket = UnixStream::connect(weston.socket()).expect("it listens");
            let mut us = Client::new(socket).await;
            let sent = us.make_pools(count).await;
            let maps = weston.maps();
            for (&(_, inode), number) in sent.iter().zip(1..) {
                assert_eq!(maps.get(&inode), Some(&(number * PAGE)), "file {number} of {count}");
            }
            transcript.note(format!("{count} create_pool in one flush, each file is mapped"));
        }
    });
}

/// Runs the client, and the peer's compositor until it ends.
fn run_with_peer<T>(
    theirs: &impl AsyncFn(UnixStream, usize) -> Seen,
    keymaps: usize,
    client: impl AsyncFnOnce(&mut Client) -> T,
) -> (T, Seen) {
    runtime().block_on(async {
        let (near, far) = UnixStream::pair().expect("a pair");
        let ours = async {
            let mut us = Client::new(near).await;
            client(&mut us).await
        };
        tokio::join!(ours, theirs(far, keymaps))
    })
}

/// Raises the limit of open descriptors as far as this process may: a usual limit is 1024, and both
/// sides of a connection may be in this process.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).expect("not above the maximum");
}

/// A request or an event, without its header.
struct Message {
    object: u32,
    opcode: u16,
    body: BytesMut,
    /// Descriptors of a request. Those of an event are in the read queue.
    fds: Vec<OwnedFd>,
}

impl Message {
    fn request(object: u32, opcode: u16, arguments: &[u32]) -> Message {
        let mut body = BytesMut::new();
        arguments.iter().for_each(|&word| body.put_u32_ne(word));
        Message { object, opcode, body, fds: Vec::new() }
    }

    fn uint(&mut self) -> u32 {
        self.body.get_u32_ne()
    }

    fn string(&mut self) -> String {
        let len = self.uint() as usize;
        let bytes = self.body.split_to(len.next_multiple_of(4));
        String::from_utf8(bytes[..len - 1].to_vec()).expect("text")
    }
}

struct Codec;

impl Encoder<Message> for Codec {
    type Error = io::Error;

    fn encode(&mut self, message: Message, bytes: &mut BytesMut) -> io::Result<()> {
        let size = u32::try_from(8 + message.body.len()).expect("a short request");
        bytes.put_u32_ne(message.object);
        bytes.put_u32_ne(size << 16 | u32::from(message.opcode));
        bytes.put(message.body);
        Ok(())
    }
}

impl Decoder for Codec {
    type Item = Message;
    type Error = io::Error;

    fn decode(&mut self, bytes: &mut BytesMut) -> io::Result<Option<Message>> {
        let Some(mut header) = bytes.get(..8) else { return Ok(None) };
        let (object, word) = (header.get_u32_ne(), header.get_u32_ne());
        let size = (word >> 16) as usize;
        if bytes.len() < size {
            return Ok(None);
        }
        let mut body = bytes.split_to(size);
        body.advance(8);
        Ok(Some(Message { object, opcode: word as u16, body, fds: Vec::new() }))
    }
}

struct Client {
    framed: Framed<AnchovyStream<WAYLAND_SCM_RIGHTS>, Codec>,
    /// Name of each global.
    globals: BTreeMap<String, u32>,
    last_id: u32,
}

impl Client {
    /// Connects, and receives the globals.
    async fn new(socket: UnixStream) -> Client {
        let builder = AnchovyStream::<WAYLAND_SCM_RIGHTS>::builder().spread_fds(true);
        let stream = builder.build(socket).expect("a stream");
        let framed = Framed::new(stream, Codec);
        let mut us = Client { framed, globals: BTreeMap::new(), last_id: REGISTRY };
        us.feed(Message::request(DISPLAY, 1, &[REGISTRY])).await;
        for mut event in us.roundtrip().await {
            if (event.object, event.opcode) == (REGISTRY, 0) {
                let name = event.uint();
                us.globals.insert(event.string(), name);
            }
        }
        us
    }

    fn new_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// Encodes a request, and adds its descriptors to the write queue.
    async fn feed(&mut self, mut request: Message) {
        self.framed.get_mut().write_queue_mut().extend(request.fds.drain(..));
        self.framed.feed(request).await.expect("it is taken");
    }

    async fn bind(&mut self, interface: &str) -> u32 {
        let (name, id) = (self.globals[interface], self.new_id());
        let mut bind = Message::request(REGISTRY, 0, &[name]);
        bind.body.put_u32_ne(interface.len() as u32 + 1);
        bind.body.put(interface.as_bytes());
        bind.body.resize((bind.body.len() + 1).next_multiple_of(4), 0);
        bind.body.put_u32_ne(1);
        bind.body.put_u32_ne(id);
        self.feed(bind).await;
        id
    }

    /// Sends what was encoded, and returns the events before the answer to it.
    async fn roundtrip(&mut self) -> Vec<Message> {
        let callback = self.new_id();
        self.feed(Message::request(DISPLAY, 0, &[callback])).await;
        SinkExt::<Message>::flush(&mut self.framed).await.expect("it leaves");
        assert!(self.framed.get_ref().write_queue().is_empty(), "descriptors stay");
        let mut events = Vec::new();
        loop {
            let mut event = self.framed.next().await.expect("an answer").expect("no error");
            match (event.object, event.opcode) {
                (DISPLAY, 0) => {
                    let (object, code) = (event.uint(), event.uint());
                    panic!("error {code} of object {object}: {}", event.string());
                }
                (object, _) if object == callback => return events,
                _ => events.push(event),
            }
        }
    }

    /// Creates pools whose sizes are 1, 2, 3 … pages. Returns the identities of their files.
    async fn make_pools(&mut self, count: usize) -> Vec<Identity> {
        let shm = self.bind("wl_shm").await;
        let mut sent = Vec::new();
        for number in 1..=count {
            let (file, pool) = (memfd(), self.new_id());
            sent.push(identity(&file));
            let mut create = Message::request(shm, 0, &[pool, (number * PAGE) as u32]);
            create.fds.push(file);
            self.feed(create).await;
        }
        self.roundtrip().await;
        sent
    }

    /// Receives keymaps, then takes their descriptors. Returns the identities of their files.
    async fn let_keymaps_pile_up(&mut self, count: usize) -> Vec<Identity> {
        let seat = self.bind("wl_seat").await;
        let keyboard = self.new_id();
        self.feed(Message::request(seat, 1, &[keyboard])).await;
        let events = self.roundtrip().await;
        let keymaps = events.iter().filter(|event| (event.object, event.opcode) == (keyboard, 0));
        assert_eq!(keymaps.count(), count);
        let queue = self.framed.get_mut().read_queue_mut();
        assert_eq!(queue.len(), count, "descriptors in the queue");
        identities(queue.drain(..))
    }
}
