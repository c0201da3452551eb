//! Connections that pass through `anchovy::copy_bidirectional`.

use std::path::{Path, PathBuf};

use anchovy::{
    AnchovyListener, AnchovyStream, AncillarySpace, Copied, ValidSpace, copy_bidirectional,
};
use tokio::task::JoinHandle;

/// A proxy for one connection, which copies bytes and descriptors and knows no protocol.
#[derive(Debug)]
pub(crate) struct Copying(JoinHandle<(Copied, Copied)>);

impl Copying {
    /// Starts to listen on one path, and copies the first connection to and from another.
    pub(crate) fn start<const S: usize>(listen: &Path, server: PathBuf) -> Copying
    where
        AncillarySpace<S>: ValidSpace,
    {
        let listener = AnchovyListener::<S>::bind(listen).expect("a path in a directory of ours");
        Copying(tokio::spawn(async move {
            let (client, _) = listener.accept().await.expect("a client");
            let server = AnchovyStream::connect(server).await.expect("the server listens");
            copied(client, server).await
        }))
    }

    /// Copies between two connected streams.
    pub(crate) fn between<const S: usize>(
        client: AnchovyStream<S>,
        server: AnchovyStream<S>,
    ) -> Copying {
        Copying(tokio::spawn(copied(client, server)))
    }

    /// Waits until both sides have disconnected. Returns how much came from the client, and how much
    /// from the server.
    pub(crate) async fn ended(self) -> (Copied, Copied) {
        self.0.await.expect("it only copies")
    }
}

async fn copied<const S: usize>(
    mut client: AnchovyStream<S>,
    mut server: AnchovyStream<S>,
) -> (Copied, Copied) {
    let copied = copy_bidirectional(&mut client, &mut server).await.expect("nothing wrong");
    assert!(client.read_queue().is_empty() && server.read_queue().is_empty(), "descriptors stay");
    copied
}
