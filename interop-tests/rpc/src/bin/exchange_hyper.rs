//! Sends descriptors with HTTP/1 and HTTP/2 requests of hyper over a Unix socket:
//! `cargo run -p rpc-examples --bin exchange_hyper`
//!
//! The client sends two files that have no path, and a JSON body with their ids. The server counts
//! the lines of the files. Its response has the counts and the id of a file that the server sends.
//! A second request with the same ids fails, because each id is valid once.

use std::fs::File;
use std::io::{Seek, Write, read_to_string};
use std::path::Path;

use anchovy::exchange::{self, Exchange, FdId};
use anchovy::{UnixListener, UnixStream};
use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("socket");
    let server = tokio::spawn(serve(UnixListener::bind(&path)?));
    client(&path).await?;
    server.abort();
    Ok(())
}

/// Serves clients until the task is aborted or a connection cannot be accepted.
async fn serve(listener: UnixListener) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let (stream, fds) = exchange::new(stream)?;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(fds.clone());
            answer(request)
        });
        tokio::spawn(async move {
            // Detects HTTP/1 or HTTP/2 from the first bytes of the client.
            let server = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("server: connection failed: {error:#}");
            }
        });
    }
}

/// Returns the response to a request, with status 400 if the request is invalid.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let version = request.version();
    let (status, body) = match count(request).await {
        Ok(counted) => (StatusCode::OK, serde_json::to_vec(&counted)?),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error:#}").into_bytes()),
    };
    println!("server: {version:?}: responds with status {}", status.as_u16());
    Ok(Response::builder().status(status).body(Full::from(body))?)
}

/// Counts the lines of the files of a request, and sends the report.
async fn count(request: Request<Incoming>) -> Result<Counted> {
    let fds =
        request.extensions().get::<Exchange>().context("the request has no exchange")?.clone();
    let body = request.into_body().collect().await?.to_bytes();
    let Count { files } = serde_json::from_slice(&body)?;
    let mut lines = Vec::new();
    for id in files {
        let file = File::from(fds.receive(id).await?);
        // A read blocks if the peer sent a pipe or a FIFO.
        lines.push(spawn_blocking(|| read_to_string(file)).await??.lines().count());
    }
    let report = file(&format!("the files have {lines:?} lines"))?;
    Ok(Counted { lines, report: fds.send(report)? })
}

/// Sends requests with HTTP/1, then with HTTP/2.
async fn client(path: &Path) -> Result<()> {
    let (stream, fds) = exchange::new(UnixStream::connect(path).await?)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    requests(&fds, Version::HTTP_11, async |request| sender.send_request(request).await).await?;

    let (stream, fds) = exchange::new(UnixStream::connect(path).await?)?;
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    requests(&fds, Version::HTTP_2, async |request| sender.send_request(request).await).await
}

/// Sends a request with two files, then a request with the same ids, which the server rejects.
async fn requests(
    fds: &Exchange,
    version: Version,
    mut send: impl AsyncFnMut(Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>>,
) -> Result<()> {
    let files = [file("one\ntwo\n")?, file("one\ntwo\nthree\n")?];
    let files = files.into_iter().map(|file| Ok(fds.send(file)?)).collect::<Result<_>>()?;
    let count = Count { files };
    let request = || {
        let body = Full::from(serde_json::to_vec(&count)?);
        let request = Request::post("http://localhost/count").version(version);
        anyhow::Ok(request.header("host", "localhost").body(body)?)
    };

    let response = send(request()?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    ensure!(status == StatusCode::OK, "{status}: {body:?}");
    let counted: Counted = serde_json::from_slice(&body)?;
    let report = read_to_string(File::from(fds.receive(counted.report).await?))?;
    println!("client: {version:?}: line counts {:?}, report {report:?}", counted.lines);

    let response = send(request()?).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?.to_bytes();
    println!("client: {version:?}: status {status}: {}", String::from_utf8_lossy(&body));
    Ok(())
}

/// Creates a file that has no path, with its position at the start.
fn file(text: &str) -> Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
