//! What the spy prints about descriptors.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use serde_json::Value;

use crate::dbus_spy::{both, cross, server, signal, spying_with};
use crate::harness::*;

/// The descriptions of descriptors of the spies.
#[allow(dead_code, reason = "the test calls one function")]
#[path = "../../examples/describe/mod.rs"]
mod describe;

use describe::Kind;

#[test]
fn json_describes_each_kind_of_descriptor() {
    let directory = Directory::new();
    let file = directory.join("lines");
    let options = ["--json", "--output", file.to_str().unwrap()];
    spying_with(&options, server(), async |listener, spy| {
        let (mut client, mut server) = both(&client(), &listener, spy).await;
        let fifo = directory.join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        let (reader, _writer) = pipe();
        let nonblock = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
        let fds: Vec<OwnedFd> = vec![
            memfd(),
            File::create(directory.join("file")).unwrap().into(),
            File::open(directory.path()).unwrap().into(),
            reader,
            rustix::fs::open(&fifo, nonblock, rustix::fs::Mode::empty()).unwrap(),
            UnixListener::bind(directory.join("socket")).unwrap().into(),
            TcpListener::bind("127.0.0.1:0").unwrap().into(),
            File::open("/dev/null").unwrap().into(),
            eventfd(3, EventfdFlags::CLOEXEC).unwrap(),
            pidfd_open(getpid(), PidfdFlags::empty()).unwrap(),
            epoll::create(epoll::CreateFlags::CLOEXEC).unwrap(),
        ];
        cross(signal(1, fds), &mut client, &mut server).await;

        // The spy prints a message before it forwards it.
        let lines = std::fs::read_to_string(&file).unwrap();
        let objects = objects(&lines);
        let fds = objects.last().unwrap()["fds"].as_array().unwrap();
        let kinds: BTreeSet<_> = fds.iter().map(|fd| fd["kind"].as_str().unwrap()).collect();
        let page = JsonPage::parse(include_str!("../../examples/describe/JSON.md"));
        let documented: BTreeSet<_> = page.sections();
        let missing: Vec<_> = documented.difference(&kinds).copied().collect();
        // A dma-buf needs a driver, and an unknown file a system without /proc.
        assert_eq!(missing, ["dma-buf", "unknown"]);
        let path = |name| directory.join(name).display().to_string();
        let expected = |object: Value, fields: &[(&str, Value)]| {
            for (field, value) in fields {
                assert_eq!(object[*field], *value, "{object}");
            }
        };
        expected(fds[0].clone(), &[("name", "anchovy".into()), ("size", 0.into())]);
        expected(fds[1].clone(), &[("path", path("file").into()), ("access", "write".into())]);
        expected(fds[4].clone(), &[("path", path("fifo").into()), ("nonblock", true.into())]);
        expected(fds[5].clone(), &[("local", path("socket").into()), ("listening", true.into())]);
        expected(fds[6].clone(), &[("family", "inet".into()), ("connected", false.into())]);
        expected(fds[7].clone(), &[("major", 1.into()), ("minor", 3.into())]);
        expected(fds[8].clone(), &[("count", 3.into())]);
        expected(fds[9].clone(), &[("pid", std::process::id().into())]);
        expected(fds[10].clone(), &[("name", "eventpoll".into())]);
    });
}

/// The text of the kernel for a buffer that the driver udmabuf has exported (Documentation/filesystems/proc.rst).
#[test]
fn a_dma_buf_is_recognized_by_its_link() {
    let info = "pos:\t0\nflags:\t02000002\nmnt_id:\t10\nino:\t63107\nsize:\t 32768\ncount:\t2\nexp_name:\tudmabuf\n";
    let buffer = Kind::without_path("/dmabuf:frame", info);
    let size = Some(32768);
    let exporter = Some("udmabuf".to_owned());
    assert_eq!(buffer, Kind::DmaBuf { name: "frame".to_owned(), size, exporter });
    assert_eq!(buffer.to_string(), "dma-buf \"frame\" 32768 bytes from udmabuf");
    let fence = Kind::without_path("anon_inode:sync_file", "");
    assert_eq!(fence, Kind::Anonymous { name: "sync_file".to_owned() });
}
