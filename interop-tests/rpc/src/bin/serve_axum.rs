//! Sends descriptors with requests to an axum server on a Unix socket:
//! `cargo run -p rpc-examples --bin serve_axum`
//!
//! The client sends two files that have no path, and a JSON body with their ids. The handler receives
//! the files from the exchange in the `ConnectInfo` of the connection, and counts their lines. Its
//! response has the counts and the id of a file that the server sends. A second request with the same
//! ids fails, because each id is valid once.
//!
//! The server also accepts clients without descriptors, such as `curl --unix-socket`.

use std::fs::File;
use std::io::{self, Read, Seek, Write, read_to_string};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::time::Duration;

use anchovy::exchange::{self, Exchange, ExchangeStream, FdId};
use anchovy::{UnixListener, UnixStream};
use anyhow::{Context, Result, ensure};
use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::unix::SocketAddr;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

/// The body of a request: the ids of the files.
#[derive(Debug, Deserialize, Serialize)]
struct Count {
    files: Vec<FdId>,
}

/// The body of a response.
#[derive(Debug, Deserialize, Serialize)]
struct Counted {
    /// Number of lines of each file.
    lines: Vec<usize>,
    /// Id of a text file that lists the counts.
    report: FdId,
}

/// A listener that creates an exchange for each connection.
struct FdListener(UnixListener);

impl Listener for FdListener {
    type Io = ExchangeStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ExchangeStream, SocketAddr) {
        loop {
            let accepted = self.0.accept().await;
            match accepted.and_then(|(stream, address)| Ok((exchange::new(stream)?.0, address))) {
                Ok(accepted) => return accepted,
                Err(error) => eprintln!("server: cannot accept a connection: {error}"),
            }
            // An error such as EMFILE lasts until a descriptor is closed.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The handle of a connection, which axum adds to the extensions of each request.
#[derive(Clone)]
struct Fds(Exchange);

impl Connected<IncomingStream<'_, FdListener>> for Fds {
    fn connect_info(stream: IncomingStream<'_, FdListener>) -> Fds {
        Fds(stream.io().handle())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("socket");
    let router = Router::new()
        .route("/count", post(count))
        .route("/hello", get(async || "hello"))
        .into_make_service_with_connect_info::<Fds>();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(FdListener(UnixListener::bind(&path)?), router);
    let server = server.with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let server = tokio::spawn(server.into_future());

    client(&path).await?;
    let plain = spawn_blocking(move || plain_client(&path)).await??;
    println!("plain client: received {plain:?}");
    stop.send(()).ok().context("the server ended before the client")?;
    Ok(server.await??)
}

/// Handles `/count`.
async fn count(
    ConnectInfo(Fds(fds)): ConnectInfo<Fds>,
    Json(Count { files }): Json<Count>,
) -> Result<Json<Counted>, (StatusCode, String)> {
    let counted = counted(&fds, files).await;
    counted.map(Json).map_err(|error| (StatusCode::BAD_REQUEST, format!("{error:#}")))
}

/// Counts the lines of the files of a request, and sends the report.
async fn counted(fds: &Exchange, files: Vec<FdId>) -> Result<Counted> {
    let mut lines = Vec::new();
    for id in files {
        let file = File::from(fds.receive(id).await?);
        // A read blocks if the peer sent a pipe or a FIFO.
        lines.push(spawn_blocking(|| read_to_string(file)).await??.lines().count());
    }
    let report = file(&format!("the files have {lines:?} lines"))?;
    Ok(Counted { lines, report: fds.send(report)? })
}

/// Sends a request with two files, then a request with the same ids.
async fn client(path: &Path) -> Result<()> {
    let (stream, fds) = exchange::new(UnixStream::connect(path).await?)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);

    let files = [file("one\ntwo\n")?, file("one\ntwo\nthree\n")?];
    let files = files.into_iter().map(|file| Ok(fds.send(file)?)).collect::<Result<_>>()?;
    let count = Count { files };
    let (status, body) = send(&mut sender, &count).await?;
    ensure!(status == StatusCode::OK, "{status}: {body:?}");
    let counted: Counted = serde_json::from_slice(&body)?;
    let report = read_to_string(File::from(fds.receive(counted.report).await?))?;
    println!("client: line counts {:?}, report {report:?}", counted.lines);

    // Each id is valid once, so the server rejects the same request.
    let (status, body) = send(&mut sender, &count).await?;
    println!("client: status {}: {}", status.as_u16(), String::from_utf8_lossy(&body));
    Ok(())
}

/// Sends a request to `/count`, and returns the status and the body of the response.
async fn send(sender: &mut SendRequest<Full<Bytes>>, count: &Count) -> Result<(StatusCode, Bytes)> {
    let request = Request::post("/count").header("host", "localhost");
    let request = request.header("content-type", "application/json");
    let response =
        sender.send_request(request.body(Full::from(serde_json::to_vec(count)?))?).await?;
    Ok((response.status(), response.into_body().collect().await?.to_bytes()))
}

/// Sends a request without an exchange, and returns the body of the response.
fn plain_client(path: &Path) -> Result<String> {
    let mut stream = StdUnixStream::connect(path)?;
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("the response has no body")?;
    Ok(body.to_owned())
}

/// Creates a file that has no path, with its position at the start.
fn file(text: &str) -> Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
