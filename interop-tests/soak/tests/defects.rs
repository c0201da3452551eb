//! The soak test finds each defect that is planted in it.

#![cfg(target_os = "linux")]

use std::process::Command;

use interop_tests::{Ended, guarded, run_to_end};

/// Runs the soak test for a second.
fn soak(defect: Option<&str>) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soak-test"));
    command.args(["run", "1", "4711"]);
    if let Some(defect) = defect {
        command.env("ANCHOVY_SOAK_DEFECT", defect);
    }
    run_to_end(&mut command)
}

fn assert_finds(defect: &str, finding: &str) {
    guarded(|| {
        let ended = soak(Some(defect));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(finding), "{}", ended.stderr);
    });
}

#[test]
fn a_second_without_a_defect_passes() {
    guarded(|| {
        let ended = soak(None);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.starts_with("seed 4711\n"), "{}", ended.stdout);
    });
}

#[test]
fn a_leaked_descriptor_is_found() {
    assert_finds("leaked-descriptor", "descriptors are left open: [");
}

#[test]
fn a_lost_descriptor_is_found() {
    assert_finds("lost-descriptor", "came back with");
}

#[test]
fn a_leaked_buffer_is_found() {
    assert_finds("leaked-buffer", "bytes more are allocated, at most 32768");
}
