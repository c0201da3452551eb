//! The guard of each test: it runs alone, ends in time, and leaks no descriptor.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::{descriptors, peer};

/// Descriptors are counted per process, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Much longer than any test takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Runs a test on a current-thread runtime.
///
/// If the test hangs, the process and every [`Peer`] are ended, and the name of the test is
/// printed. If the test leaves a descriptor open, or closes one that is not its own, it fails.
///
/// [`Peer`]: crate::Peer
pub fn run(test: impl Future<Output = ()>) {
    guarded(|| runtime().block_on(test));
}

/// Runs a test as [`run`] does, on two threads.
pub fn run_on_threads(test: impl Future<Output = ()>) {
    guarded(|| {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(2).enable_all().build().expect("a runtime").block_on(test);
    });
}

/// Runs a test as [`run`] does, without a runtime.
pub fn guarded(test: impl FnOnce()) {
    guarded_for(TIMEOUT, test);
}

/// Creates a current-thread runtime.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn guarded_for(timeout: Duration, test: impl FnOnce()) {
    let _alone: MutexGuard<'_, ()> = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (done, watched) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if watched.recv_timeout(timeout) == Err(mpsc::RecvTimeoutError::Timeout) {
            // `eprintln` would be captured by the test, and the captured text is lost with the
            // process.
            let _ =
                rustix::io::write(rustix::stdio::stderr(), format!("\n{name} hangs\n").as_bytes());
            peer::kill_all();
            std::process::abort();
        }
    });

    // The first runtime of a process creates descriptors for signals, which tokio keeps.
    drop(runtime());
    let before = descriptors();
    test();
    let mut after = descriptors();
    if std::env::var_os("TSAN_OPTIONS").is_some() {
        // With its first report, ThreadSanitizer starts a program that names functions, and keeps pipes
        // to it. It does so even for a report that it suppresses.
        after.retain(|number, file| before.contains_key(number) || !file.starts_with("pipe:"));
    }
    assert_eq!(before, after, "descriptors before and after the test");

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
        // Opened under a guard, because no other test may change descriptors meanwhile. It is kept
        // open so that no file of another test gets its number.
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
            // This waits until every process with the pipes has ended, including those peers.
            let output = Command::new(std::env::current_exe().unwrap())
                // With one test thread, the test would run on the main thread, which has another
                // name.
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
