//! Addresses that can be bound, and addresses that cannot.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use anchovy::PathError;
use interop_tests::{Directory, entries};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::super::random_name::RANDOM_LETTERS;
use super::*;
use crate::guid::Guid;

/// The longest path, and the longest abstract name, in bytes.
const LONGEST: usize = 107;

fn options() -> ListenerBuilder<DBUS_SCM_RIGHTS> {
    AnchovyListener::builder()
}

fn path(path: impl Into<PathBuf>) -> Address {
    Address::path(path).unwrap()
}

fn kind_of(bound: Result<Bound, ListenError>) -> ListenErrorKind {
    bound.unwrap_err().attempts.pop().unwrap().kind
}

fn is_in_use(kind: &ListenErrorKind) -> bool {
    matches!(kind, ListenErrorKind::Socket(anchovy::ListenError::InUse { .. }))
}

/// The names in a directory, in order.
fn names(directory: &Directory) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<_> = entries(directory.path()).into_iter().map(name).collect();
    names.sort();
    names
}

async fn is_reached(bound: &Bound) -> bool {
    let Transport::Path(path) = bound.address.transport() else { panic!("{bound:?}") };
    let _client = UnixStream::connect(path).unwrap();
    bound.listener.accept().await.is_ok()
}

#[tokio::test]
async fn a_path_is_listened_on_without_waiting_and_not_by_children() {
    let directory = Directory::new();
    let bound = path(directory.join("bus")).bind().unwrap();

    assert_eq!(bound.address, path(directory.join("bus")));
    let flags = rustix::fs::fcntl_getfl(&bound.listener).unwrap();
    assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
    assert!(is_reached(&bound).await);
    let flags = rustix::io::fcntl_getfd(&bound.listener).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[tokio::test]
async fn a_directory_gets_a_socket_with_a_random_name() {
    let directory = Directory::new();
    let dir = Address::dir(directory.path()).unwrap();
    let tmpdir = Address::tmpdir(directory.path()).unwrap();
    let bound = [dir.bind(), dir.bind(), tmpdir.bind()].map(Result::unwrap);

    let mut expected = Vec::new();
    for bound in &bound {
        assert!(is_reached(bound).await);
        let file = bound.listener.path().unwrap();
        assert_eq!(bound.address, path(file));
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let letters = name.strip_prefix("dbus-").unwrap();
        assert_eq!(letters.len(), 10);
        assert!(letters.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{name}");
        expected.push(name);
    }
    expected.sort();
    assert_eq!(names(&directory), expected);
    drop(bound);
    assert!(names(&directory).is_empty());
}

#[tokio::test]
async fn a_random_name_that_is_taken_is_passed_over_even_if_stale() {
    let directory = Directory::new();
    drop(UnixListener::bind(directory.join("taken")).unwrap());
    let mut random = ["taken", "taken", "free"].into_iter().map(String::from);

    let (_listener, path) =
        in_directory(directory.path(), &options(), || Ok(random.next().unwrap())).unwrap();
    assert_eq!(path, directory.join("free"));
    assert_eq!(names(&directory), ["free", "taken"]);
}

#[tokio::test]
async fn random_names_are_not_tried_for_ever() {
    let directory = Directory::new();
    fs::write(directory.join("taken"), "").unwrap();
    let found = in_directory(directory.path(), &options(), || Ok("taken".into()));
    assert!(matches!(&found, Err((_, kind)) if is_in_use(kind)), "{found:?}");
}

#[tokio::test]
async fn the_guid_stays_with_the_address() {
    let directory = Directory::new();
    let guid = Guid::from_bytes([7; 16]);
    let address = Address::tmpdir(directory.path()).unwrap().with_guid(guid);
    assert_eq!(address.bind().unwrap().address.guid(), Some(guid));
}

#[tokio::test]
async fn an_abstract_name_is_listened_on_and_has_no_file() {
    let name = format!("anchovy-dbus-{}-\0-listen", std::process::id());
    let address = Address::abstract_name(name.as_bytes()).unwrap();
    let bound = address.bind().unwrap();

    assert_eq!(bound.address, address);
    assert!(bound.listener.path().is_none());
    let local = bound.listener.local_addr().unwrap();
    assert_eq!(local.as_abstract_name(), Some(name.as_bytes()));
    assert!(is_in_use(&kind_of(address.bind())));
}

fn runtime_in(directory: &str) -> Result<Bound, ListenError> {
    let environment = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| OsString::from(directory));
    bind_first([&Address::runtime()], &options(), &environment)
}

#[tokio::test]
async fn the_runtime_directory_gets_the_socket_of_the_bus() {
    let directory = Directory::new();
    let bound = runtime_in(directory.path().to_str().unwrap()).unwrap();
    assert_eq!(bound.address, path(directory.join("bus")));
    assert!(is_reached(&bound).await);
}

#[tokio::test]
async fn without_a_runtime_directory_the_next_address_is_taken() {
    let directory = Directory::new();
    let addresses = [Address::runtime(), path(directory.join("bus"))];
    let bound = bind_first(&addresses, &options(), &|_| None).unwrap();
    assert_eq!(bound.address, addresses[1]);
}

#[tokio::test]
async fn a_runtime_directory_that_is_relative_or_empty_is_none() {
    for directory in ["", "run"] {
        let found = runtime_in(directory);
        assert!(matches!(kind_of(found), ListenErrorKind::NoRuntimeDirectory), "{directory}");
    }
}

#[tokio::test]
async fn a_directory_that_is_not_there_is_named() {
    let directory = Directory::new();
    let gone = directory.join("gone");
    for address in
        [path(gone.join("bus")), Address::dir(&gone).unwrap(), Address::tmpdir(&gone).unwrap()]
    {
        let error = address.bind().unwrap_err();
        let said = error.to_string();
        assert!(said.contains("No such file or directory"), "{said}");
        assert!(said.contains(gone.to_str().unwrap()), "{said}");
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
    }
    let error = runtime_in(gone.to_str().unwrap()).unwrap_err();
    assert!(error.to_string().contains(gone.join("bus").to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn what_is_no_unix_socket_is_named_as_such() {
    let address: Address = "tcp:host=localhost".parse().unwrap();
    let error = address.bind().unwrap_err();
    assert!(error.to_string().contains("tcp:host=localhost"), "{error}");
    assert!(matches!(kind_of(Err(error)), ListenErrorKind::NotAUnixSocket));
}

#[tokio::test]
async fn the_error_of_a_long_name_has_its_length_and_the_limit() {
    let directory = Directory::new();
    let long = directory.join("a".repeat(LONGEST));
    fs::create_dir(&long).unwrap();
    let length = long.as_os_str().len();
    let random = length + "/dbus-".len() + RANDOM_LETTERS;
    let name = Address::abstract_name("a".repeat(LONGEST + 1)).unwrap();

    for (address, expected) in
        [(path(&long), length), (Address::dir(&long).unwrap(), random), (name, LONGEST + 1)]
    {
        match kind_of(address.bind()) {
            ListenErrorKind::Socket(anchovy::ListenError::Path(PathError::TooLong {
                length,
                limit,
                ..
            })) => assert_eq!((length, limit), (expected, LONGEST)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn every_address_that_failed_is_in_the_error() {
    let addresses: Addresses = "tcp:;unix:path=/nonexistent/bus".parse().unwrap();
    let error = addresses.bind().unwrap_err();
    let tried: Vec<_> = error.attempts().iter().map(|attempt| &attempt.address).collect();
    assert_eq!(tried, addresses.iter().collect::<Vec<_>>());
    assert!(error.attempts().last().unwrap().kind.source().is_some());
}

#[tokio::test]
async fn the_socket_of_a_server_that_ended_is_replaced() {
    let directory = Directory::new();
    drop(UnixListener::bind(directory.join("bus")).unwrap());
    assert_eq!(names(&directory), ["bus"]);

    let bound = path(directory.join("bus")).bind().unwrap();
    assert!(UnixStream::connect(directory.join("bus")).is_ok());
    assert!(bound.listener.accept().await.is_ok());
}

#[tokio::test]
async fn the_socket_of_a_living_server_stays_and_the_server_does_not_notice() {
    let directory = Directory::new();
    let living = UnixListener::bind(directory.join("bus")).unwrap();
    living.set_nonblocking(true).unwrap();

    let found = path(directory.join("bus")).bind();
    assert!(is_in_use(&kind_of(found)));
    let nobody = living.accept().unwrap_err();
    assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
    assert!(UnixStream::connect(directory.join("bus")).is_ok());
}

#[tokio::test]
async fn the_socket_of_a_server_that_does_not_listen_yet_stays() {
    let directory = Directory::new();
    let name = SocketAddrUnix::new(directory.join("bus")).unwrap();
    let early = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&early, &name).unwrap();

    let found = path(directory.join("bus")).bind();
    assert!(is_in_use(&kind_of(found)));
    assert_eq!(names(&directory), ["bus"]);
}

#[tokio::test]
async fn the_socket_of_a_process_that_takes_datagrams_stays() {
    let directory = Directory::new();
    let _logger = UnixDatagram::bind(directory.join("bus")).unwrap();
    let found = path(directory.join("bus")).bind();
    assert!(is_in_use(&kind_of(found)));
    assert_eq!(names(&directory), ["bus"]);
}

#[tokio::test]
async fn what_is_no_socket_stays_and_is_named() {
    let directory = Directory::new();
    fs::write(directory.join("file"), "precious").unwrap();
    fs::create_dir(directory.join("directory")).unwrap();
    drop(UnixListener::bind(directory.join("stale")).unwrap());
    symlink(directory.join("stale"), directory.join("link")).unwrap();

    for (name, kind) in
        [("file", "a file"), ("directory", "a directory"), ("link", "a symbolic link")]
    {
        let error = path(directory.join(name)).bind().unwrap_err();
        let said = error.to_string();
        assert!(said.contains(kind) && said.contains(name), "{said}");
        assert!(matches!(
            kind_of(Err(error)),
            ListenErrorKind::Socket(anchovy::ListenError::NotASocket { .. })
        ));
    }
    assert_eq!(names(&directory), ["directory", "file", "link", "stale"]);
    assert_eq!(fs::read(directory.join("file")).unwrap(), b"precious");
}

#[tokio::test]
async fn the_file_goes_with_its_owner() {
    let directory = Directory::new();
    let bound = path(directory.join("bus")).bind().unwrap();
    assert_eq!(names(&directory), ["bus"]);
    drop(bound);
    assert!(names(&directory).is_empty());
}

#[tokio::test]
async fn the_file_of_a_successor_stays() {
    let directory = Directory::new();
    let bound = path(directory.join("bus")).bind().unwrap();
    // Made while the old one exists, so that it cannot have the same inode number.
    let _successor = UnixListener::bind(directory.join("new")).unwrap();
    fs::rename(directory.join("new"), directory.join("bus")).unwrap();

    drop(bound);
    assert!(UnixStream::connect(directory.join("bus")).is_ok());
}

#[tokio::test]
async fn a_file_that_is_kept_stays() {
    let directory = Directory::new();
    let bound = path(directory.join("bus")).bind().unwrap();
    assert_eq!(bound.listener.path(), Some(&*directory.join("bus")));
    drop(bound.listener.into_std().unwrap());
    assert_eq!(names(&directory), ["bus"]);
}

#[tokio::test]
async fn a_file_that_is_gone_already_is_no_matter() {
    let directory = Directory::new();
    let bound = path(directory.join("bus")).bind().unwrap();
    fs::remove_file(directory.join("bus")).unwrap();
    drop(bound);
}

#[tokio::test]
async fn the_path_of_the_file_is_absolute() {
    let directory = Directory::new();
    let mut relative: PathBuf =
        std::env::current_dir().unwrap().iter().skip(1).map(|_| "..").collect();
    relative.push(directory.join("bus").strip_prefix("/").unwrap());

    let bound = path(&relative).bind().unwrap();
    assert!(bound.listener.path().unwrap().is_absolute(), "{bound:?}");
    drop(bound);
    assert!(names(&directory).is_empty());
}
