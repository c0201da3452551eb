//! Abstract names, which begin with a NUL byte and have no file.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anchovy::{ConnectError, ListenError};

use crate::harness::*;

/// Returns a name that no other process uses.
fn name(suffix: &[u8]) -> PathBuf {
    let name = format!("\0anchovy-test-{}-", std::process::id());
    Path::new(OsStr::from_bytes(&[name.as_bytes(), suffix].concat())).to_owned()
}

#[test]
fn an_abstract_name_is_bound_and_connected_to() {
    run(async {
        for suffix in [&b"plain"[..], b"nul \0 inside\0", b"\xff"] {
            let name = name(suffix);
            let listener = Listener::bind(&name).unwrap();
            assert_eq!(listener.path(), None);
            let address = std::os::unix::net::SocketAddr::from(listener.local_addr().unwrap());
            assert_eq!(address.as_abstract_name(), Some(&name.as_os_str().as_bytes()[1..]));

            let mut client = Stream::connect(&name).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            client.send_with_fds(b"here", &memfds(2)).await.unwrap();
            assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 2);

            let error = Listener::bind(&name).unwrap_err();
            assert!(matches!(error, ListenError::InUse { .. }), "{error:?}");
            assert!(error.to_string().contains("@anchovy-test"), "{error}");
            listener.close().unwrap();
            let error = Stream::connect(&name).await.unwrap_err();
            assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        }
    });
}

#[test]
fn file_options_are_refused_for_an_abstract_name() {
    run(async {
        let cases = [
            ("mode", builder().mode(0o600)),
            ("replace_stale", builder().replace_stale(true)),
            ("unlink_on_drop", builder().unlink_on_drop(true)),
        ];
        for (option, builder) in cases {
            let error = builder.bind(name(b"options")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(option), "{error}");
            let ListenError::AbstractName { option: named } = error else { panic!("{error:?}") };
            assert_eq!(named, option);
        }
        let harmless = builder().replace_stale(false).unlink_on_drop(false);
        drop(harmless.bind(name(b"options")).unwrap());
    });
}
