//! Tests descriptors of concurrent requests on one connection.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::io;
use std::os::fd::AsFd;

use anchovy::UnixStream;
use anchovy::exchange::{self, FdId};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2 as client;
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use interop_tests::{Identity, identity, memfd, run_on_threads};

/// Number of clients that share the connection.
const TASKS: usize = 16;
/// Number of requests that each client sends.
const REQUESTS: usize = 64;

/// Returns the body of a response, which is the identity of a file.
fn body(identity: Identity) -> Bytes {
    format!("{identity:?}").into()
}

fn is_broken_pipe(error: &hyper::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

#[test]
fn concurrent_http_2_requests_receive_their_own_descriptors() {
    run_on_threads(async {
        let (near, far) = UnixStream::pair().unwrap();
        let ((near, near_fds), (far, far_fds)) =
            (exchange::new(near).unwrap(), exchange::new(far).unwrap());
        // The path of a request is the id of a file. The response has the identity of that file in
        // its body, and sends the file back in the header `fd`, so that the client checks both.
        let service = service_fn(move |request: Request<Incoming>| {
            let fds = far_fds.clone();
            async move {
                let id: FdId = request.uri().path()[1..].parse()?;
                let file = fds.receive(id).await?;
                let answer = Response::builder();
                let body = Full::new(body(identity(&file)));
                anyhow::Ok(answer.header("fd", fds.send(file)?.to_string()).body(body)?)
            }
        });
        let serving =
            server::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(far), service);
        let serving = tokio::spawn(serving);
        let (sender, connection) =
            client::handshake(TokioExecutor::new(), TokioIo::new(near)).await.unwrap();
        let connection = tokio::spawn(connection);

        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (mut sender, fds) = (sender.clone(), near_fds.clone());
                tokio::spawn(async move {
                    for _ in 0..REQUESTS {
                        let file = memfd();
                        let sent = identity(&file);
                        let id = fds.send_borrowed(file.as_fd()).unwrap();
                        let request = Request::get(format!("http://localhost/{id}"));
                        let request = request.body(Full::<Bytes>::default()).unwrap();
                        let response = sender.send_request(request).await.unwrap();
                        let id = response.headers()["fd"].to_str().unwrap().parse().unwrap();
                        assert_eq!(identity(fds.receive(id).await.unwrap()), sent);
                        let received = response.into_body().collect().await.unwrap().to_bytes();
                        assert_eq!(received, body(sent));
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((near_fds.unclaimed(), near_fds.queued()), (0, 0));
        drop(sender);
        connection.await.unwrap().unwrap();
        // The client may have closed the connection before the server has written its last frame.
        if let Err(error) = serving.await.unwrap() {
            assert!(is_broken_pipe(&error), "{error:?}");
        }
    });
}
