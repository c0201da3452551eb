//! Shows a window with moving stripes: a complete client that uses only this crate.
//!
//! A larger client would use bindings that a scanner generates from protocol files. This example has a few
//! opcodes in the module `protocol` and builds its requests itself, to show the messages on the wire:
//! objects, their requests and events, and the descriptor of the memory with the pixels.
//!
//! ```text
//! cargo run -p anchovy-wayland --example shm_client
//! cargo run -p anchovy-wayland --example shm_client -- --frames 60
//! ```

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use anchovy_wayland::{Connection, Connector, Limits, Message, MessageBuilder, ObjectId};
use anyhow::{Context, Result, bail};
use clap::{Parser, value_parser};

/// The opcodes of the requests and events that this example uses (`wayland.xml`, `xdg-shell.xml`).
mod protocol {
    pub(crate) mod wl_compositor {
        pub(crate) const CREATE_SURFACE: u16 = 0;
    }
    pub(crate) mod wl_shm {
        pub(crate) const CREATE_POOL: u16 = 0;
        /// A pixel format that every compositor supports: 32 bits, with blue in the lowest 8 bits.
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

/// Size of the window, in pixels. The client ignores the size that the compositor suggests.
const WIDTH: u32 = 256;
const HEIGHT: u32 = 256;

/// Size of a picture, in bytes.
const PICTURE: u32 = WIDTH * HEIGHT * 4;

/// Maximum time until the compositor shows the window.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Shows a window with moving stripes until it is closed.
#[derive(Parser)]
struct Options {
    /// Show the window on this compositor [default: the display that the environment names]
    #[arg(long, value_name = "NAME")]
    display: Option<PathBuf>,
    /// Show at most N frames
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    frames: Option<u64>,
    /// Show the window for at most N seconds
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    seconds: Option<u64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    show(Options::parse()).await
}

async fn show(options: Options) -> Result<()> {
    let mut connector = Connector::new();
    if let Some(display) = options.display {
        connector = connector.display(display);
    }
    let mut window = tokio::time::timeout(TIMEOUT, Window::open(&connector))
        .await
        .with_context(|| format!("the compositor did not show the window within {TIMEOUT:?}"))??;
    let time = options.seconds.map_or(Duration::MAX, Duration::from_secs);
    let why = match tokio::time::timeout(time, window.run(options.frames)).await {
        Ok(why) => why?,
        Err(_) => " within the maximum time",
    };
    let frames = window.frames;
    window.close().await?;
    say(format_args!("{frames} frames were shown{why}"))
}

/// Prints a line. `println` would panic if the reader has closed the pipe.
fn say(line: std::fmt::Arguments<'_>) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// A window and its objects.
struct Window {
    compositor: Connection,
    /// Receives the pings of the compositor.
    wm_base: ObjectId,
    surface: ObjectId,
    xdg_surface: ObjectId,
    toplevel: ObjectId,
    pixels: Pixels,
    /// The callback whose event announces that a frame was shown.
    shown: Option<ObjectId>,
    /// Number of frames that were shown.
    frames: u64,
}

/// The meaning of an event.
enum Happened {
    /// The compositor has configured the window, which can be shown now.
    Configured,
    /// A frame was shown, and the next one can be drawn.
    Shown,
    /// The user closes the window.
    Closed,
    /// The event does not matter to this example.
    Nothing,
}

/// Two pictures in one file. The client draws one while the compositor reads the other.
struct Pixels {
    file: File,
    pictures: [Picture; 2],
}

struct Picture {
    buffer: ObjectId,
    /// Whether the compositor may read it. The client must not draw until the compositor releases it.
    is_lent: bool,
}

impl Window {
    /// Connects, and opens a window with its first frame.
    async fn open(connector: &Connector) -> Result<Window> {
        let connected = connector.connect().await?;
        let mut compositor = Connection::client(connected.stream, Limits::client())?;
        let registry = compositor.registry().await?;
        say(format_args!("connected to {}", connected.origin))?;

        // The first version of each interface has all requests that this example sends.
        let wl_compositor = compositor.bind(&registry, "wl_compositor", 1..=1).await?.id;
        let shm = compositor.bind(&registry, "wl_shm", 1..=1).await?.id;
        let wm_base = compositor.bind(&registry, "xdg_wm_base", 1..=1).await?.id;
        let pixels = Pixels::create(&mut compositor, shm).await?;

        // A surface has only pixels. An xdg_surface and a toplevel turn it into a window.
        let create = |id| Message::builder(wl_compositor, wl_compositor::CREATE_SURFACE).new_id(id);
        let surface = compositor.feed_create("wl_surface", create).await?;
        let get = |id| {
            let get = Message::builder(wm_base, xdg_wm_base::GET_XDG_SURFACE);
            get.new_id(id).object(surface)
        };
        let xdg_surface = compositor.feed_create("xdg_surface", get).await?;
        let get = |id| Message::builder(xdg_surface, xdg_surface::GET_TOPLEVEL).new_id(id);
        let toplevel = compositor.feed_create("xdg_toplevel", get).await?;
        let title = Message::builder(toplevel, xdg_toplevel::SET_TITLE).string("stripes");
        compositor.feed(title.build()?).await?;
        // The first commit must have no pixels. The compositor replies with a configure event.
        compositor.send(Message::builder(surface, wl_surface::COMMIT).build()?).await?;

        let (shown, frames) = (None, 0);
        let mut window =
            Window { compositor, wm_base, surface, xdg_surface, toplevel, pixels, shown, frames };
        loop {
            match window.event().await? {
                Happened::Configured => break window.draw().await?,
                Happened::Closed => {
                    bail!("the compositor closed the window before it was shown");
                }
                Happened::Shown | Happened::Nothing => {}
            }
        }
        say(format_args!("a window of {WIDTH} x {HEIGHT} pixels, {PICTURE} bytes a frame"))?;
        Ok(window)
    }

    /// Shows frames. Returns the reason of the end.
    async fn run(&mut self, frames: Option<u64>) -> Result<&'static str> {
        loop {
            match self.event().await? {
                Happened::Shown if frames == Some(self.frames) => return Ok(", the maximum"),
                Happened::Shown => self.draw().await?,
                Happened::Closed => return Ok(" until the window was closed"),
                Happened::Configured | Happened::Nothing => {}
            }
        }
    }

    /// Waits for an event, and replies to pings and configure events.
    async fn event(&mut self) -> Result<Happened> {
        let mut event = self.compositor.receive().await?.context("the compositor is gone")?;
        let (object, opcode) = (event.object(), event.opcode());
        if (object, opcode) == (self.wm_base, xdg_wm_base::PING) {
            // Later versions may append arguments, so `finish` is not called.
            let serial = event.read().uint()?;
            let pong = Message::builder(self.wm_base, xdg_wm_base::PONG).uint(serial);
            self.compositor.send(pong.build()?).await?;
        } else if (object, opcode) == (self.xdg_surface, xdg_surface::CONFIGURE) {
            let serial = event.read().uint()?;
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
            if let Some(picture) = self.pixels.picture_of(object) {
                picture.is_lent = false;
            }
        }
        // Other events are about formats, sizes and outputs.
        Ok(Happened::Nothing)
    }

    /// Draws the next frame and commits it.
    async fn draw(&mut self) -> Result<()> {
        // The compositor may release a buffer late. If no picture is free, the last one is shown for one
        // more frame.
        if let Some(buffer) = self.pixels.draw(self.frames)? {
            let attach = Message::builder(self.surface, wl_surface::ATTACH).object(buffer);
            self.compositor.feed(attach.int(0).int(0).build()?).await?;
            let damage = Message::builder(self.surface, wl_surface::DAMAGE).int(0).int(0);
            let damage = damage.int(WIDTH as i32).int(HEIGHT as i32);
            self.compositor.feed(damage.build()?).await?;
        }
        let frame = |id| Message::builder(self.surface, wl_surface::FRAME).new_id(id);
        self.shown = Some(self.compositor.feed_create("wl_callback", frame).await?);
        let commit = Message::builder(self.surface, wl_surface::COMMIT).build()?;
        self.compositor.send(commit).await?;
        Ok(())
    }

    /// Destroys the window, and waits until the compositor has handled that.
    async fn close(mut self) -> Result<()> {
        for (object, opcode) in [
            (self.toplevel, xdg_toplevel::DESTROY),
            (self.xdg_surface, xdg_surface::DESTROY),
            (self.surface, wl_surface::DESTROY),
        ] {
            self.compositor.feed(Message::builder(object, opcode).build()?).await?;
        }
        self.compositor.roundtrip().await?;
        Ok(())
    }
}

impl Pixels {
    /// Creates a file in memory, a pool of it and the buffers of the pictures.
    async fn create(compositor: &mut Connection, shm: ObjectId) -> Result<Pixels> {
        let file = File::from(memory()?);
        let size = 2 * PICTURE;
        file.set_len(size.into())?;
        // The message owns its descriptor, so it gets a duplicate.
        let copy = file.try_clone()?;
        let create = |id| {
            let create = Message::builder(shm, wl_shm::CREATE_POOL).new_id(id);
            create.fd(copy).int(size as i32)
        };
        let pool = compositor.feed_create("wl_shm_pool", create).await?;
        let one = compositor.feed_create("wl_buffer", create_buffer(pool, 0)).await?;
        let other = compositor.feed_create("wl_buffer", create_buffer(pool, PICTURE)).await?;
        // The buffers keep the memory of the pool.
        compositor.feed(Message::builder(pool, wl_shm_pool::DESTROY).build()?).await?;
        let pictures = [one, other].map(|buffer| Picture { buffer, is_lent: false });
        Ok(Pixels { file, pictures })
    }

    fn picture_of(&mut self, buffer: ObjectId) -> Option<&mut Picture> {
        self.pictures.iter_mut().find(|picture| picture.buffer == buffer)
    }

    /// Draws a frame into a free picture and marks it as lent. Returns its buffer, or `None` if no picture
    /// is free.
    fn draw(&mut self, frame: u64) -> Result<Option<ObjectId>> {
        let free = self.pictures.iter().position(|picture| !picture.is_lent);
        let Some(place) = free else { return Ok(None) };
        let mut bytes = Vec::with_capacity(PICTURE as usize);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                bytes.extend_from_slice(&pixel(x, y, frame as u32).to_ne_bytes());
            }
        }
        // Writes to the file are visible in the mapping of the compositor.
        self.file.write_all_at(&bytes, place as u64 * u64::from(PICTURE))?;
        self.pictures[place].is_lent = true;
        Ok(Some(self.pictures[place].buffer))
    }
}

/// Builds `wl_shm_pool.create_buffer` for the picture at this offset in the pool.
fn create_buffer(pool: ObjectId, place: u32) -> impl FnOnce(ObjectId) -> MessageBuilder {
    move |id| {
        let create = Message::builder(pool, wl_shm_pool::CREATE_BUFFER).new_id(id);
        let create = create.int(place as i32).int(WIDTH as i32).int(HEIGHT as i32);
        create.int(WIDTH as i32 * 4).uint(wl_shm::XRGB8888)
    }
}

/// Returns the color of a pixel: stripes that move to the right by one pixel per frame.
fn pixel(x: u32, y: u32, frame: u32) -> u32 {
    let is_light = (x + y).wrapping_sub(frame) % 64 < 32;
    if is_light { 0x00ff_b347 } else { 0x0033_4d7a }
}

/// Creates a file without a name. It is sealed against shrinking, so that the compositor, which maps it,
/// does not have to handle SIGBUS.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn memory() -> Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("shm_client", flags)?;
    ftruncate(&file, u64::from(2 * PICTURE))?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file)
}

/// Creates a file and removes its name.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn memory() -> Result<OwnedFd> {
    let path = std::env::temp_dir().join(format!("shm_client-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file.into())
}
