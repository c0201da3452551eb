//! Sends descriptors with gRPC requests of tonic over a Unix socket:
//! `cargo run -p rpc-examples --bin exchange_tonic`
//!
//! The client sends two files that have no path, and a request with their ids. The server counts the
//! lines of the files. Its reply has the counts and the id of a file that the server sends. A second
//! request with the same ids fails, because each id is valid once.
//!
//! The messages and the service are written in Rust, so that the build does not need `protoc`.

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
    /// Ids of the files.
    #[prost(string, repeated, tag = "1")]
    files: Vec<String>,
}

/// `message CountReply { repeated uint64 lines = 1; string report = 2; }`
#[derive(Clone, PartialEq, Message)]
struct CountReply {
    /// Number of lines of each file.
    #[prost(uint64, repeated, tag = "1")]
    lines: Vec<u64>,
    /// Id of a text file that lists the counts.
    #[prost(string, tag = "2")]
    report: String,
}

/// A stream whose handle tonic adds to the extensions of each request.
///
/// [`Connected`] and [`ExchangeStream`] are both foreign, so the trait needs a local type. With
/// `DerefMut`, a `Pin` of this type implements `AsyncRead` and `AsyncWrite` through the stream.
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
    stop.send(()).ok().context("the server ended before the client")?;
    server.await?
}

/// Serves clients until `stopped` receives a value or its sender is dropped.
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

/// Handles the method `Count`.
async fn count(request: Request<CountRequest>) -> Result<Response<CountReply>, Status> {
    let fds = request.extensions().get::<Exchange>().cloned();
    let fds = fds.ok_or_else(|| Status::internal("the request has no exchange"))?;
    let reply = counted(&fds, request.into_inner()).await;
    reply.map(Response::new).map_err(|error| Status::invalid_argument(format!("{error:#}")))
}

/// Counts the lines of the files of a request, and sends the report.
async fn counted(fds: &Exchange, request: CountRequest) -> Result<CountReply> {
    let mut lines = Vec::new();
    for id in request.files {
        let file = File::from(fds.receive(id.parse()?).await?);
        // A read blocks if the peer sent a pipe or a FIFO.
        lines.push(spawn_blocking(|| read_to_string(file)).await??.lines().count() as u64);
    }
    let report = file(&format!("the files have {lines:?} lines"))?;
    Ok(CountReply { lines, report: fds.send(report)?.to_string() })
}

/// Sends a request with two files, then a request with the same ids.
async fn client(path: &Path) -> Result<()> {
    let (stream, fds) = exchange::new(UnixStream::connect(path).await?)?;
    // A channel reconnects if its connection is lost. The handle belongs to the first connection, so
    // the connector returns an error after that one.
    let stream = Mutex::new(Some(stream));
    let connector = service_fn(move |_| {
        let stream = stream.lock().expect("the mutex is not poisoned").take();
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
    println!("client: line counts {:?}, report {report:?}", reply.lines);

    // Each id is valid once, so the server rejects the same request.
    match count().await? {
        Ok(reply) => anyhow::bail!("the server received a descriptor twice: {reply:?}"),
        Err(status) => println!("client: status {:?}: {}", status.code(), status.message()),
    }
    Ok(())
}

/// Creates a file that has no path, with its position at the start.
fn file(text: &str) -> Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
