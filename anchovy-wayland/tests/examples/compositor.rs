//! A small compositor that shows a window and records the requests of its clients.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
use anchovy_wayland::{
    Answer, Connection, DisplayError, Globals, Limits, Listener, Message, ObjectId, Registries,
};
use rustix::fs::SealFlags;

use crate::harness::*;

/// The behavior of a compositor.
#[derive(Clone, Copy)]
pub(crate) struct Manners {
    /// Its globals.
    pub(crate) globals: &'static [(&'static str, u32)],
    /// Number of committed frames, and the action after them.
    pub(crate) after: Option<(usize, Then)>,
    /// Number of clients that it serves, one after the other.
    pub(crate) clients: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Sends a request to close the window.
    Close,
    /// Reports an error and disconnects.
    Refuse,
    /// Disconnects.
    Leave,
    /// Sends a malformed event.
    Rave,
    /// Sends nothing more.
    Wait,
}

impl Manners {
    pub(crate) const GOOD: Manners = Manners {
        globals: &[("wl_compositor", 4), ("wl_shm", 1), ("xdg_wm_base", 3)],
        after: None,
        clients: 1,
    };
}

/// The requests and frames of a client.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// All requests, in bytes.
    pub(crate) bytes: Vec<u8>,
    /// The identity of each descriptor, and the processes that have the same file open at the next request.
    pub(crate) fds: Vec<(Identity, Vec<String>)>,
    /// The name of the file of the pool, and what can no longer be done to it.
    pub(crate) pool: Option<(String, SealFlags)>,
    /// The pixels that were committed, picture by picture.
    pub(crate) frames: Vec<Vec<u32>>,
    pub(crate) acknowledged: Vec<u32>,
    pub(crate) pongs: Vec<u32>,
}

/// A compositor on a thread of its own.
pub(crate) struct Compositor(JoinHandle<Vec<Seen>>);

impl Compositor {
    /// Starts a compositor, which is listening when this function returns.
    pub(crate) fn start(path: &Path, manners: Manners) -> Compositor {
        let (ready, listens) = mpsc::channel();
        let path = path.to_owned();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = Listener::bind(path).expect("a directory of ours");
                ready.send(()).expect("the receiver exists");
                let mut all = Vec::new();
                while all.len() < manners.clients {
                    let (client, _) = listener.accept().await.expect("a client");
                    let seen = Serving::new(client, manners).serve().await;
                    // A connection without bytes is not a client: the example checked for a listener.
                    if !seen.bytes.is_empty() {
                        all.push(seen);
                    }
                }
                all
            })
        });
        listens.recv().expect("it listens");
        Compositor(thread)
    }

    /// Waits until its clients have disconnected, and returns their requests and frames.
    pub(crate) fn end(self) -> Vec<Seen> {
        self.0.join().expect("a compositor without a fault")
    }

    /// Returns the requests and frames of its only client.
    pub(crate) fn seen(self) -> Seen {
        self.end().pop().expect("there was a client")
    }
}

type Counts = Box<dyn FnMut(ObjectId, u16) -> usize>;

/// A client that is being served. The client chooses the ids of its objects.
struct Serving {
    client: Connection<Counts>,
    manners: Manners,
    globals: Globals,
    registries: Registries,
    objects: HashMap<ObjectId, &'static str>,
    shm: Rc<Cell<Option<ObjectId>>>,
    file: Option<File>,
    buffers: HashMap<ObjectId, (u64, usize)>,
    attached: Option<ObjectId>,
    shown: Option<ObjectId>,
    callback: Option<ObjectId>,
    seen: Seen,
}

impl Serving {
    fn new(client: AnchovyStream<WAYLAND_SCM_RIGHTS>, manners: Manners) -> Serving {
        let mut globals = Globals::new();
        for (interface, version) in manners.globals {
            globals.add(interface, *version).expect("a good global");
        }
        let shm = Rc::new(Cell::new(None));
        let its = Rc::clone(&shm);
        let counts: Counts =
            Box::new(move |object, opcode| usize::from(its.get() == Some(object) && opcode == 0));
        Serving {
            client: Connection::new(client, counts, Limits::server()).expect("a connection"),
            manners,
            globals,
            registries: Registries::new(),
            objects: HashMap::new(),
            shm,
            file: None,
            buffers: HashMap::new(),
            attached: None,
            shown: None,
            callback: None,
            seen: Seen::default(),
        }
    }

    async fn serve(mut self) -> Seen {
        // A client that goes has not always read everything, which is an error.
        while let Ok(Some(mut request)) = self.client.receive().await {
            self.seen.bytes.extend(bytes_of(&request));
            // The client closes its copy after the send. It has done so when its next request arrives.
            for (file, names) in self.seen.fds.iter_mut().filter(|(_, names)| names.is_empty()) {
                *names = holders(*file);
            }
            self.seen.fds.extend(request.fds().iter().map(|fd| (identity(fd), Vec::new())));
            let events = match self.registries.answer(&self.globals, &request) {
                Ok(Answer::Events(events)) => events,
                Ok(Answer::Bind(bind)) => {
                    self.bound(&bind.interface, bind.id);
                    Vec::new()
                }
                Ok(Answer::Other) => self.answer(&mut request),
                Err(error) => panic!("{error}"),
                Ok(other) => panic!("{other:?}"),
            };
            for event in events {
                let _ = self.client.feed(event).await;
            }
            let _ = self.client.flush().await;
            if !self.goes_on().await {
                break;
            }
        }
        self.seen
    }

    fn bound(&mut self, interface: &str, id: ObjectId) {
        let global = self.manners.globals.iter().find(|(name, _)| *name == interface);
        self.objects.insert(id, global.expect("it was announced").0);
        if interface == "wl_shm" {
            self.shm.set(Some(id));
        }
    }

    /// Handles a request and returns the events to send.
    fn answer(&mut self, request: &mut Message) -> Vec<Message> {
        let (object, opcode) = (request.object(), request.opcode());
        let interface = self.objects[&object];
        let mut arguments = request.read();
        match (interface, opcode) {
            ("wl_compositor", 0) => {
                self.objects.insert(arguments.new_id().unwrap(), "wl_surface");
            }
            ("wl_shm", 0) => {
                self.objects.insert(arguments.new_id().unwrap(), "wl_shm_pool");
                let file = File::from(arguments.fd().unwrap());
                let link = format!("/proc/self/fd/{}", file.as_raw_fd());
                let name = std::fs::read_link(link).unwrap().display().to_string();
                let seals = rustix::fs::fcntl_get_seals(file.as_fd()).unwrap();
                assert_eq!(file.metadata().unwrap().len(), arguments.int().unwrap() as u64);
                self.seen.pool = Some((name, seals));
                self.file = Some(file);
            }
            ("wl_shm_pool", 0) => {
                let buffer = arguments.new_id().unwrap();
                let [place, width, height, stride] = [(); 4].map(|()| arguments.int().unwrap());
                assert_eq!(stride, width * 4);
                self.objects.insert(buffer, "wl_buffer");
                self.buffers.insert(buffer, (place as u64, (width * height) as usize));
            }
            ("wl_surface", 1) => self.attached = arguments.optional_object().unwrap(),
            ("wl_surface", 3) => self.callback = Some(arguments.new_id().unwrap()),
            ("wl_surface", 6) => return self.commit(),
            ("xdg_wm_base", 2) => {
                self.objects.insert(arguments.new_id().unwrap(), "xdg_surface");
            }
            ("xdg_wm_base", 3) => self.seen.pongs.push(arguments.uint().unwrap()),
            ("xdg_surface", 1) => {
                self.objects.insert(arguments.new_id().unwrap(), "xdg_toplevel");
            }
            ("xdg_surface", 4) => self.seen.acknowledged.push(arguments.uint().unwrap()),
            _ => {}
        }
        Vec::new()
    }

    fn commit(&mut self) -> Vec<Message> {
        let event = |of: ObjectId, opcode| Message::builder(of, opcode);
        let Some(buffer) = self.attached.take() else {
            let configure = event(self.the("xdg_toplevel"), 0).int(0).int(0).array(&[]);
            return [
                event(self.the("xdg_wm_base"), 0).uint(4711),
                configure,
                event(self.the("xdg_surface"), 0).uint(17),
            ]
            .map(|event| event.build().unwrap())
            .into();
        };
        assert_eq!(self.seen.acknowledged, [17], "before anything is shown");
        let (place, pixels) = self.buffers[&buffer];
        let mut bytes = vec![0; pixels * 4];
        self.file.as_ref().unwrap().read_exact_at(&mut bytes, place).unwrap();
        let pixels = bytes.chunks(4).map(|pixel| u32::from_ne_bytes(pixel.try_into().unwrap()));
        self.seen.frames.push(pixels.collect());

        let mut events = Vec::new();
        if let Some(shown) = self.shown.replace(buffer) {
            assert_ne!(shown, buffer, "it is drawn to while it is shown");
            events.push(event(shown, 0)); // Released.
        }
        let callback = self.callback.take().expect("it wants to know");
        events.push(event(callback, 0).uint(0));
        events.push(event(ObjectId::DISPLAY, 1).uint(callback.get()));
        // A client may have sent its next request before it receives the error.
        let then = self.manners.after.filter(|(frames, _)| *frames <= self.seen.frames.len());
        if then.is_some_and(|(_, then)| then != Then::Refuse) {
            events.clear();
        }
        events.into_iter().map(|event| event.build().unwrap()).collect()
    }

    fn the(&self, interface: &str) -> ObjectId {
        *self.objects.iter().find(|(_, its)| **its == interface).expect("there is one").0
    }

    /// Applies `manners.after`, and returns whether the compositor continues.
    async fn goes_on(&mut self) -> bool {
        let then = self.manners.after.filter(|(frames, _)| *frames <= self.seen.frames.len());
        let Some((_, then)) = then else { return true };
        let message = match then {
            Then::Close => Message::builder(self.the("xdg_toplevel"), 1).build().unwrap(),
            Then::Refuse => DisplayError::new(self.the("wl_surface"), 7, "too colourful").message(),
            // Nothing that a wl_display has.
            Then::Rave => Message::builder(ObjectId::DISPLAY, 0).build().unwrap(),
            Then::Leave => return false,
            Then::Wait => return true,
        };
        let _ = self.client.send(message).await;
        self.manners.after = None;
        then == Then::Close
    }
}

/// The names of the processes that have this file open.
fn holders(file: Identity) -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let mut names = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(fds) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let is_it = |fd: std::fs::DirEntry| {
            let its = std::fs::metadata(fd.path());
            its.is_ok_and(|its| (its.dev(), its.ino()) == file)
        };
        if fds.flatten().any(is_it) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            names.push(name.trim_end().to_owned());
        }
    }
    names
}
