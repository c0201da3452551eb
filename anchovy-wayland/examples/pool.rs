//! Prints the globals of the compositor, and creates a pool of shared memory.
//!
//! ```text
//! cargo run -p anchovy-wayland --example pool
//! ```

use anchovy_wayland::{Connection, Message};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

/// `wl_shm.create_pool` (`wayland.xml`).
const CREATE_POOL: u16 = 0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut compositor = Connection::connect().await?;
    let registry = compositor.registry().await?;
    for global in registry.globals() {
        println!("{} {}", global.interface.escape_debug(), global.version);
    }

    let shm = compositor.bind(&registry, "wl_shm", 1..=2).await?;
    let memory = memfd_create("pool", MemfdFlags::CLOEXEC)?;
    ftruncate(&memory, 4096)?;
    let create = |id| Message::builder(shm.id, CREATE_POOL).new_id(id).fd(memory).int(4096);
    let pool = compositor.create("wl_shm_pool", create).await?;
    compositor.roundtrip().await?; // Returns an error if the compositor rejected a request.
    println!("created wl_shm_pool#{pool} with wl_shm version {}", shm.version);
    Ok(())
}
