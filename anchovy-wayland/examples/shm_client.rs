//! A window with moving stripes: a whole client on nothing but this crate.
//!
//! A client of a real program would have bindings, made of protocol files by a scanner. This one has
//! a few numbers in the module `protocol`, and writes its requests by hand, to show what is on the
//! wire: objects, their requests and events, and one descriptor, that of the memory with the pixels.
//!
//! ```text
//! cargo run -p anchovy-wayland --example shm_client
//! cargo run -p anchovy-wayland --example shm_client -- --frames 60
//! ```

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::time::Duration;

use anchovy_wayland::{
    Arguments, ClientIds, Connection, Connector, DisplayError, Limits, Message, ObjectId, Registry,
    SendError,
};

const HELP: &str = "\
Usage: shm_client [--display NAME] [--frames N] [--seconds N]

Shows a window with moving stripes, until it is closed.

  --display NAME   on this compositor; if this is not said, on the one that the environment names
  --frames N       no more than N frames, from 1
  --seconds N      no longer than N seconds";

mod report;

/// The requests and events that are used here, by interface (`wayland.xml`, `xdg-shell.xml`).
mod protocol {
    pub(crate) mod wl_compositor {
        pub(crate) const CREATE_SURFACE: u16 = 0;
    }
    pub(crate) mod wl_shm {
        pub(crate) const CREATE_POOL: u16 = 0;
        /// A format of pixels that every compositor has: 32 bits, blue in the lowest 8 of them.
        pub(crate) const XRGB8888: u32 = 1;
    }
    pub(crate) mod wl_shm_pool {
        pub(crate) const CREATE_BUFFER: u16 = 0;
        pub(crate) const DESTROY: u16 = 1;
    }
    pub(crate) mod wl_buffer {
        pub(crate) const RELEASE: u16 = 0;
    }
    pub(crate) mod wl_surface {
        pub(crate) const DESTROY: u16 = 0;
        pub(crate) const ATTACH: u16 = 1;
        pub(crate) const DAMAGE: u16 = 2;
        pub(crate) const FRAME: u16 = 3;
        pub(crate) const COMMIT: u16 = 6;
    }
    pub(crate) mod xdg_wm_base {
        pub(crate) const GET_XDG_SURFACE: u16 = 2;
        pub(crate) const PONG: u16 = 3;
        pub(crate) const PING: u16 = 0;
    }
    pub(crate) mod xdg_surface {
        pub(crate) const DESTROY: u16 = 0;
        pub(crate) const GET_TOPLEVEL: u16 = 1;
        pub(crate) const ACK_CONFIGURE: u16 = 4;
        pub(crate) const CONFIGURE: u16 = 0;
    }
    pub(crate) mod xdg_toplevel {
        pub(crate) const DESTROY: u16 = 0;
        pub(crate) const SET_TITLE: u16 = 2;
        pub(crate) const CLOSE: u16 = 1;
    }
}

use protocol::*;
use report::with_causes;

/// How large the window is, in pixels. A compositor may wish for another size, and this client does
/// not follow: it would have to draw in more than one.
const WIDTH: u32 = 256;
const HEIGHT: u32 = 256;

/// How large a picture is, in bytes.
const PICTURE: u32 = WIDTH * HEIGHT * 4;

/// How long the compositor has to say what it has.
const TIMEOUT: Duration = Duration::from_secs(5);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Options {
    connector: Connector,
    frames: Option<u64>,
    time: Option<Duration>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("shm_client: {error}");
            return ExitCode::from(2);
        }
    };
    match show(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shm_client: {}", with_causes(&*error));
            ExitCode::FAILURE
        }
    }
}

/// What the command line says; `None` if it asks for help.
fn options() -> Result<Option<Options>> {
    let mut options = Options { connector: Connector::new(), frames: None, time: None };
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        let word = word.to_string_lossy();
        match &*word {
            "--help" | "-h" => return Ok(None),
            "--display" => {
                let name = words.next().ok_or("--display needs a name")?;
                options.connector = options.connector.display(name);
            }
            "--frames" | "--seconds" => {
                let number = words.next().unwrap_or_default();
                let number: u32 = number
                    .to_str()
                    .and_then(|number| number.parse().ok())
                    .filter(|number| *number > 0)
                    .ok_or_else(|| format!("{word} needs a number, from 1"))?;
                if word == "--frames" {
                    options.frames = Some(number.into());
                } else {
                    options.time = Some(Duration::from_secs(number.into()));
                }
            }
            _ => return Err(format!("there is no option {word}\n\n{HELP}").into()),
        }
    }
    Ok(Some(options))
}

async fn show(options: &Options) -> Result<()> {
    let mut window = tokio::time::timeout(TIMEOUT, Window::open(&options.connector))
        .await
        .map_err(|_| format!("the compositor has shown no window in {TIMEOUT:?}"))??;
    let time = options.time.unwrap_or(Duration::MAX);
    let why = match tokio::time::timeout(time, window.run(options.frames)).await {
        Ok(Ok(why)) => why,
        Ok(Err(error)) => return Err(window.last_words(error).await),
        Err(_) => "the time is over",
    };
    let frames = window.frames;
    window.close().await?;
    say(format_args!("{frames} frames were shown, and {why}"))
}

/// Prints a line; not by `println`, which panics where nobody reads.
fn say(line: std::fmt::Arguments<'_>) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// A message has descriptors if its file says so, and then it says how many. None of the events of
/// the objects here has any.
type Counts = fn(ObjectId, u16) -> usize;

/// A window, and all objects that it takes.
struct Window {
    compositor: Connection<Counts>,
    ids: ClientIds,
    /// Of which the compositor asks whether it is alive.
    wm_base: ObjectId,
    surface: ObjectId,
    xdg_surface: ObjectId,
    toplevel: ObjectId,
    pixels: Pixels,
    /// What tells that a frame was shown, and the next one is due.
    shown: Option<ObjectId>,
    /// Frames that were shown.
    frames: u64,
}

/// What an event was.
enum Happened {
    /// The compositor has said how it would have the window, which can be shown now.
    Configured,
    /// A frame was shown, and the next one is due.
    Shown,
    /// The window is to be closed.
    Closed,
    /// Nothing of interest.
    Nothing,
}

/// Two pictures in one file: while the compositor reads one, the other is drawn.
struct Pixels {
    file: File,
    pictures: [Picture; 2],
}

struct Picture {
    buffer: ObjectId,
    /// It is the compositor's, until that releases it.
    is_lent: bool,
}

impl Window {
    /// Connects, and opens a window with its first frame.
    async fn open(connector: &Connector) -> Result<Window> {
        let connected = connector.connect().await?;
        let counts: Counts = |_, _| 0;
        let mut compositor = Connection::new(connected.stream, counts, Limits::client())?;
        let mut ids = ClientIds::new();
        let registry = compositor.registry(&mut ids, TIMEOUT).await?;
        say(format_args!("connected through {}", connected.origin))?;

        let wl_compositor = bind(&mut compositor, &registry, &mut ids, "wl_compositor").await?;
        let shm = bind(&mut compositor, &registry, &mut ids, "wl_shm").await?;
        let wm_base = bind(&mut compositor, &registry, &mut ids, "xdg_wm_base").await?;
        let pixels = Pixels::create(&mut compositor, &mut ids, shm).await?;

        // A surface is only pixels; an xdg_surface and a toplevel make it a window.
        let surface = take(&mut ids)?;
        let create = Message::builder(wl_compositor, wl_compositor::CREATE_SURFACE).new_id(surface);
        compositor.feed(create.build()?).await?;
        let xdg_surface = take(&mut ids)?;
        let get = Message::builder(wm_base, xdg_wm_base::GET_XDG_SURFACE);
        compositor.feed(get.new_id(xdg_surface).object(surface).build()?).await?;
        let toplevel = take(&mut ids)?;
        let get = Message::builder(xdg_surface, xdg_surface::GET_TOPLEVEL).new_id(toplevel);
        compositor.feed(get.build()?).await?;
        let title = Message::builder(toplevel, xdg_toplevel::SET_TITLE).string("stripes");
        compositor.feed(title.build()?).await?;
        // Without pixels: the compositor first says how it would have the window.
        compositor.send(Message::builder(surface, wl_surface::COMMIT).build()?).await?;

        let (shown, frames) = (None, 0);
        let mut window = Window {
            compositor,
            ids,
            wm_base,
            surface,
            xdg_surface,
            toplevel,
            pixels,
            shown,
            frames,
        };
        loop {
            match window.event().await? {
                Happened::Configured => break window.draw().await?,
                Happened::Closed => {
                    return Err("the compositor closed the window before it was shown".into());
                }
                Happened::Shown | Happened::Nothing => {}
            }
        }
        say(format_args!("a window of {WIDTH} x {HEIGHT} pixels, {PICTURE} bytes a frame"))?;
        Ok(window)
    }

    /// Shows frames, and says why it has stopped.
    async fn run(&mut self, frames: Option<u64>) -> Result<&'static str> {
        loop {
            match self.event().await? {
                Happened::Shown if frames == Some(self.frames) => return Ok("that is all"),
                Happened::Shown => self.draw().await?,
                Happened::Closed => return Ok("the window was closed"),
                Happened::Configured | Happened::Nothing => {}
            }
        }
    }

    /// Waits for an event, and answers what is to be answered.
    async fn event(&mut self) -> Result<Happened> {
        let mut event = self.compositor.receive().await?.ok_or("the compositor is gone")?;
        if let Some(error) = DisplayError::read(&event)? {
            return Err(error.into());
        }
        // A number is free again: that of a callback, here.
        self.ids.update(&event)?;

        let (object, opcode) = (event.object(), event.opcode());
        if (object, opcode) == (self.wm_base, xdg_wm_base::PING) {
            let serial = read(&mut event, |arguments| arguments.uint())?;
            let pong = Message::builder(self.wm_base, xdg_wm_base::PONG).uint(serial);
            self.compositor.send(pong.build()?).await?;
        } else if (object, opcode) == (self.xdg_surface, xdg_surface::CONFIGURE) {
            let serial = read(&mut event, |arguments| arguments.uint())?;
            let ack = Message::builder(self.xdg_surface, xdg_surface::ACK_CONFIGURE).uint(serial);
            self.compositor.send(ack.build()?).await?;
            return Ok(Happened::Configured);
        } else if (object, opcode) == (self.toplevel, xdg_toplevel::CLOSE) {
            return Ok(Happened::Closed);
        } else if Some(object) == self.shown {
            self.shown = None;
            self.frames += 1;
            return Ok(Happened::Shown);
        } else if opcode == wl_buffer::RELEASE {
            if let Some(picture) = self.pixels.of(object) {
                picture.is_lent = false;
            }
        }
        // Others are about what this client does not mind: formats, sizes, outputs.
        Ok(Happened::Nothing)
    }

    /// Draws the next frame, and has it shown.
    async fn draw(&mut self) -> Result<()> {
        let shown = take(&mut self.ids)?;
        // The compositor says when, but not always in time: without a picture that is free, the last
        // one stays for a frame more.
        if let Some(buffer) = self.pixels.draw(self.frames)? {
            let attach = Message::builder(self.surface, wl_surface::ATTACH).object(buffer);
            self.compositor.feed(attach.int(0).int(0).build()?).await?;
            let damage = Message::builder(self.surface, wl_surface::DAMAGE).int(0).int(0);
            let damage = damage.int(WIDTH as i32).int(HEIGHT as i32);
            self.compositor.feed(damage.build()?).await?;
        }
        let frame = Message::builder(self.surface, wl_surface::FRAME).new_id(shown);
        self.compositor.feed(frame.build()?).await?;
        let commit = Message::builder(self.surface, wl_surface::COMMIT).build()?;
        self.compositor.send(commit).await?;
        self.shown = Some(shown);
        Ok(())
    }

    /// Why it has failed. A compositor that has something against a client says what, and closes; who
    /// sends notices only that.
    async fn last_words(&mut self, error: Box<dyn Error>) -> Box<dyn Error> {
        if error.is::<SendError>() {
            while let Ok(Some(event)) = self.compositor.receive().await {
                if let Ok(Some(error)) = DisplayError::read(&event) {
                    return error.into();
                }
            }
        }
        error
    }

    /// Destroys the window, and says goodbye.
    async fn close(mut self) -> Result<()> {
        for (object, opcode) in [
            (self.toplevel, xdg_toplevel::DESTROY),
            (self.xdg_surface, xdg_surface::DESTROY),
            (self.surface, wl_surface::DESTROY),
        ] {
            self.compositor.feed(Message::builder(object, opcode).build()?).await?;
        }
        self.compositor.flush().await?;
        Ok(())
    }
}

impl Pixels {
    /// Makes a file in memory, and shows the compositor where the pictures are in it.
    async fn create(
        compositor: &mut Connection<Counts>,
        ids: &mut ClientIds,
        shm: ObjectId,
    ) -> Result<Pixels> {
        let file = File::from(memory()?);
        let size = 2 * PICTURE;
        file.set_len(size.into())?;
        let (pool, one, other) = (take(ids)?, take(ids)?, take(ids)?);
        // The descriptor leaves with the message, so the compositor gets a copy, and we keep ours.
        let create = Message::builder(shm, wl_shm::CREATE_POOL).new_id(pool);
        let create = create.fd(file.try_clone()?.into()).int(size as i32);
        compositor.feed(create.build()?).await?;
        for (place, buffer) in [(0, one), (PICTURE, other)] {
            let create = Message::builder(pool, wl_shm_pool::CREATE_BUFFER).new_id(buffer);
            let create = create.int(place as i32).int(WIDTH as i32).int(HEIGHT as i32);
            let create = create.int(WIDTH as i32 * 4).uint(wl_shm::XRGB8888);
            compositor.feed(create.build()?).await?;
        }
        // The buffers keep what they need of it.
        compositor.feed(Message::builder(pool, wl_shm_pool::DESTROY).build()?).await?;
        let pictures = [one, other].map(|buffer| Picture { buffer, is_lent: false });
        Ok(Pixels { file, pictures })
    }

    fn of(&mut self, buffer: ObjectId) -> Option<&mut Picture> {
        self.pictures.iter_mut().find(|picture| picture.buffer == buffer)
    }

    /// Draws a frame into a picture that is free, and lends it.
    fn draw(&mut self, frame: u64) -> Result<Option<ObjectId>> {
        let free = self.pictures.iter().position(|picture| !picture.is_lent);
        let Some(place) = free else { return Ok(None) };
        let mut bytes = Vec::with_capacity(PICTURE as usize);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                bytes.extend_from_slice(&pixel(x, y, frame as u32).to_ne_bytes());
            }
        }
        // A file that is mapped by others can be written to like any file.
        self.file.write_all_at(&bytes, place as u64 * u64::from(PICTURE))?;
        self.pictures[place].is_lent = true;
        Ok(Some(self.pictures[place].buffer))
    }
}

/// Stripes that move to the right by one pixel a frame.
fn pixel(x: u32, y: u32, frame: u32) -> u32 {
    let is_light = (x + y).wrapping_sub(frame) % 64 < 32;
    if is_light { 0x00ff_b347 } else { 0x0033_4d7a }
}

/// A file without a name. A compositor maps it, so nobody may make it shorter afterwards: sealing it
/// says so, which saves the compositor a signal handler.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn memory() -> Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("shm_client", flags)?;
    ftruncate(&file, u64::from(2 * PICTURE))?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

/// A file whose name is gone at once.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn memory() -> Result<OwnedFd> {
    let path = std::env::temp_dir().join(format!("shm_client-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file.into())
}

/// Binds a global in its first version, which is all that this client needs.
async fn bind(
    compositor: &mut Connection<Counts>,
    registry: &Registry,
    ids: &mut ClientIds,
    interface: &str,
) -> Result<ObjectId> {
    let global = registry.find(interface);
    let global = global.ok_or_else(|| format!("the compositor has no {interface}"))?;
    let id = take(ids)?;
    compositor.feed(registry.bind(global, 1, id)?).await?;
    Ok(id)
}

fn take(ids: &mut ClientIds) -> Result<ObjectId> {
    Ok(ids.take().ok_or("all numbers for objects are taken")?)
}

/// Reads the arguments of an event. What comes behind those that are known is of a later version.
fn read<T, E: Into<Box<dyn Error>>>(
    event: &mut Message,
    read: impl FnOnce(&mut Arguments<'_>) -> std::result::Result<T, E>,
) -> Result<T> {
    read(&mut event.read()).map_err(Into::into)
}
