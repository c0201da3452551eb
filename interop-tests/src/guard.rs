//! A test that guards itself: it is alone, it ends, and it leaves no descriptor behind.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::{descriptors, peer};

/// Descriptors are counted by process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Far more than any test takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a test on a current-thread runtime.
///
/// A test that hangs ends the process with the name of the test, and with it every [`Peer`]; a test
/// that leaves a descriptor open, or closes one that is not its own, fails.
///
/// [`Peer`]: crate::Peer
pub fn run(test: impl Future<Output = ()>) {
    guarded(|| runtime().block_on(test));
}

/// As [`run`], on two threads.
pub fn run_on_threads(test: impl Future<Output = ()>) {
    guarded(|| {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().expect("a runtime").block_on(test);
    });
}

/// As [`run`], without a runtime.
pub fn guarded(test: impl FnOnce()) {
    guarded_for(TIMEOUT, test);
}

/// A current-thread runtime.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn guarded_for(timeout: Duration, test: impl FnOnce()) {
    let _alone: MutexGuard<'_, ()> = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (done, watched) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if watched.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout) {
            // Not by `eprintln`, which a test captures, and the capture dies with the process.
            let _ =
                rustix::io::write(rustix::stdio::stderr(), format!("\n{name} hangs\n").as_bytes());
            peer::kill_all();
            std::process::abort();
        }
    });

    // The first runtime of a process leaves behind what tokio has for signals.
    drop(runtime());
    let before = descriptors();
    test();
    assert_eq!(before, descriptors(), "descriptors before and after the test");

    drop(done);
    watchdog.join().expect("the watchdog only watches");
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::mem::ManuallyDrop;
    use std::os::unix::process::ExitStatusExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::process::Command;

    use super::*;
    use crate::{Peer, memfd};

    #[test]
    #[should_panic(expected = "descriptors before and after the test")]
    fn a_test_that_leaves_a_descriptor_open_fails() {
        guarded(|| std::mem::forget(memfd()));
    }

    #[test]
    #[should_panic(expected = "descriptors before and after the test")]
    fn a_test_that_replaces_a_descriptor_fails() {
        // Opened under a guard too, since nobody else's descriptors may change meanwhile; and kept,
        // so that its number is never that of another test's file.
        let mut theirs = None;
        let open = || guarded(|| theirs = Some(ManuallyDrop::new(memfd())));
        catch_unwind(AssertUnwindSafe(open)).unwrap_err();
        let theirs = theirs.as_deref_mut().unwrap();
        guarded(|| rustix::io::dup2(File::open("/dev/null").unwrap(), theirs).unwrap());
    }

    #[test]
    fn a_test_that_hangs_ends_its_process_and_its_peers_with_its_name() {
        const SUBJECT: &str = "INTEROP_TESTS_HANG";
        let name = "guard::tests::a_test_that_hangs_ends_its_process_and_its_peers_with_its_name";
        if std::env::var_os(SUBJECT).is_some() {
            guarded_for(Duration::from_millis(50), || {
                let _peer = Peer::start(Command::new("sleep").arg("infinity"));
                loop {
                    thread::park();
                }
            });
            return;
        }
        guarded(|| {
            // This waits for the end of everybody who has the pipes, which are those peers too.
            let output = Command::new(std::env::current_exe().unwrap())
                // On the main thread, which is what one thread would mean, it has no name.
                .args(["--exact", name, "--test-threads", "2"])
                .env(SUBJECT, "1")
                .output()
                .unwrap();
            assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(&format!("{name} hangs")), "{said}");
        });
    }
}
