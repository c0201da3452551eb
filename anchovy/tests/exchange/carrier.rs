//! The descriptor that carries the random number.

use std::process::Command;

use anchovy::UnixStream;
use anchovy::exchange::Exchange;
use rustix::fs::SealFlags;

use crate::harness::*;

/// Is in the environment of the process with a limit.
const SUBJECT: &str = "ANCHOVY_EXCHANGE_FSIZE";

/// Runs a test in a process of its own, in which files may have so many blocks.
fn with_file_size_limit(blocks: u32, test: &str, body: impl Future<Output = ()>) {
    if std::env::var_os(SUBJECT).is_some() {
        run(body);
        return;
    }
    guarded(|| {
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -f {blocks} && exec \"$0\" \"$@\""))
            .arg(std::env::current_exe().unwrap())
            // On the main thread, which is what one thread would mean, it has no name.
            .args(["--exact", test, "--test-threads", "2"])
            .env(SUBJECT, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
    });
}

#[test]
fn a_limit_of_file_sizes_does_not_end_the_process() {
    let test = "carrier::a_limit_of_file_sizes_does_not_end_the_process";
    with_file_size_limit(1, test, async {
        let (mut near, mut far) = pair();
        let fd = memfd();
        let expected = identity(&fd);
        let id = near.fds.send(fd).unwrap();
        near.write(b".").await;
        far.read(1).await;
        assert_eq!(identity(far.take(id).await), expected);
    });
}

#[test]
fn an_exchange_is_an_error_where_files_must_be_empty() {
    let test = "carrier::an_exchange_is_an_error_where_files_must_be_empty";
    with_file_size_limit(0, test, async {
        let (near, _far) = UnixStream::pair().unwrap();
        let error = Exchange::builder().build(near).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EFBIG));
    });
}

#[test]
fn the_carrier_cannot_be_changed() {
    run(async {
        let (mut near, far) = with_foreign();
        near.write(b".").await;
        let (_, fds, _) = foreign_receive(&far.socket, anchovy::DBUS_SCM_RIGHTS);
        let seals = rustix::fs::fcntl_get_seals(&fds[0]).unwrap();
        assert!(
            seals
                .contains(SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)
        );
    });
}
