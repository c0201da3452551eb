//! gRPC requests that carry descriptors, with tonic over a Unix socket.
//!
//! The client sends two files that only it can open, and a request with their ids. The server counts
//! their lines and answers with a descriptor of its own. The messages and the service are written here,
//! so that no compiler for protocol buffers is needed.
//!
//! `cargo run -p rpc-examples --bin exchange_tonic`

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Seek, Write, read_to_string};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;

use anchovy::exchange::{self, Exchange, ExchangeStream, FdId};
use anchovy::{UnixListener, UnixStream};
use anyhow::{Context, Result};
use futures_util::stream;
use hyper::http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tonic::body::Body;
use tonic::transport::server::Connected;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

const COUNT: &str = "/example.Counter/Count";

/// `message CountRequest { repeated string files = 1; }`
#[derive(Clone, PartialEq, Message)]
struct CountRequest {
    /// Ids of files.
    #[prost(string, repeated, tag = "1")]
    files: Vec<String>,
}

/// `message CountReply { repeated uint64 lines = 1; string report = 2; }`
#[derive(Clone, PartialEq, Message)]
struct CountReply {
    #[prost(uint64, repeated, tag = "1")]
    lines: Vec<u64>,
    /// The id of a file with the same in words.
    #[prost(string, tag = "2")]
    report: String,
}

/// A stream of which tonic puts the handle into the extensions of each request. As a pointer, it is
/// pinned to read and write as the stream does.
struct Connection(ExchangeStream);

impl Deref for Connection {
    type Target = ExchangeStream;

    fn deref(&self) -> &ExchangeStream {
        &self.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut ExchangeStream {
        &mut self.0
    }
}

impl Connected for Pin<Connection> {
    type ConnectInfo = Exchange;

    fn connect_info(&self) -> Exchange {
        self.handle()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("socket");
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(serve(UnixListener::bind(&path)?, stopped));
    client(&path).await?;
    stop.send(()).ok().context("the server has ended")?;
    server.await?
}

/// Serves clients until `stopped`.
async fn serve(listener: UnixListener, stopped: oneshot::Receiver<()>) -> Result<()> {
    let connections = stream::unfold(listener, async |listener| {
        let accept = async || {
            let (stream, _) = listener.accept().await?;
            let (stream, _) = exchange::new(stream)?;
            io::Result::Ok(Pin::new(Connection(stream)))
        };
        Some((accept().await, listener))
    });
    let service = service_fn(async |request: hyper::Request<Body>| {
        Ok::<_, Infallible>(match request.uri().path() {
            COUNT => {
                let codec = ProstCodec::<CountReply, CountRequest>::default();
                tonic::server::Grpc::new(codec).unary(service_fn(count), request).await
            }
            path => Status::unimplemented(path).into_http(),
        })
    });
    let stopped = async {
        let _ = stopped.await;
    };
    Server::builder().serve_with_incoming_shutdown(service, connections, stopped).await?;
    Ok(())
}

/// The method of the service.
async fn count(request: Request<CountRequest>) -> Result<Response<CountReply>, Status> {
    let fds = request.extensions().get::<Exchange>().cloned();
    let fds = fds.ok_or_else(|| Status::internal("no exchange"))?;
    let reply = counted(&fds, request.into_inner()).await;
    reply.map(Response::new).map_err(|error| Status::invalid_argument(format!("{error:#}")))
}

async fn counted(fds: &Exchange, request: CountRequest) -> Result<CountReply> {
    let mut lines = Vec::new();
    for id in request.files {
        let file = File::from(fds.receive(id.parse()?).await?);
        // A file of a peer may block.
        lines.push(spawn_blocking(|| read_to_string(file)).await??.lines().count() as u64);
    }
    let report = file(&format!("the files have {lines:?} lines"))?;
    Ok(CountReply { lines, report: fds.send(report)?.to_string() })
}

async fn client(path: &Path) -> Result<()> {
    let (stream, fds) = exchange::new(UnixStream::connect(path).await?)?;
    // A channel connects again if it loses its connection. The handle is that of one connection, so
    // there is one.
    let stream = Mutex::new(Some(stream));
    let connector = service_fn(move |_| {
        let stream = stream.lock().expect("no panic").take();
        async {
            stream.map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))
        }
    });
    let channel =
        Endpoint::from_static("http://localhost").connect_with_connector(connector).await?;
    let mut client = tonic::client::Grpc::new(channel);

    let files = [file("one\ntwo\n")?, file("one\ntwo\nthree\n")?];
    let files = files.into_iter().map(|file| Ok(fds.send(file)?.to_string()));
    let request = CountRequest { files: files.collect::<Result<_>>()? };
    let mut count = async || {
        client.ready().await?;
        let codec = ProstCodec::<CountRequest, CountReply>::default();
        let request = Request::new(request.clone());
        let reply = client.unary(request, PathAndQuery::from_static(COUNT), codec).await;
        anyhow::Ok(reply.map(Response::into_inner))
    };

    let reply = count().await??;
    let report: FdId = reply.report.parse()?;
    let report = read_to_string(File::from(fds.receive(report).await?))?;
    println!("client: {:?}, {report:?}", reply.lines);

    // The same ids again.
    match count().await? {
        Ok(reply) => anyhow::bail!("a file was taken twice: {reply:?}"),
        Err(status) => println!("client: {:?}, {}", status.code(), status.message()),
    }
    Ok(())
}

/// Creates a file that has no path.
fn file(text: &str) -> Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
