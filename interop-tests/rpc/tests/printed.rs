//! Tests that run the programs to their end and compare their output.

#![cfg(target_os = "linux")]

use std::process::Command;

use interop_tests::{guarded, run_to_end};

/// Runs a program, which must succeed, and returns its output with the random part of each id as `…`.
fn printed(program: &str) -> String {
    let mut printed = String::new();
    guarded(|| {
        let ended = run_to_end(&mut Command::new(program));
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{}", ended.stdout);
        printed = ended.stdout;
    });
    without_numbers(&printed)
}

/// Replaces the 16 hexadecimal digits of words that end in a hyphen and these digits.
fn without_numbers(text: &str) -> String {
    let word = |word: &str| match word.split_once('-') {
        Some((index, nonce))
            if nonce.len() == 16 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            format!("{index}-…")
        }
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn hyper_passes_descriptors_with_http_1_and_http_2() {
    let lines = [
        "server: HTTP/1.1: responds with status 200",
        "client: HTTP/1.1: line counts [2, 3], report \"the files have [2, 3] lines\"",
        "server: HTTP/1.1: responds with status 400",
        "client: HTTP/1.1: status 400: descriptor 0-… was taken before",
        "server: HTTP/2.0: responds with status 200",
        "client: HTTP/2.0: line counts [2, 3], report \"the files have [2, 3] lines\"",
        "server: HTTP/2.0: responds with status 400",
        "client: HTTP/2.0: status 400: descriptor 0-… was taken before",
    ];
    assert_eq!(printed(env!("CARGO_BIN_EXE_exchange_hyper")), lines.join("\n"));
}

#[test]
fn tonic_passes_descriptors() {
    let lines = [
        "client: line counts [2, 3], report \"the files have [2, 3] lines\"",
        "client: status InvalidArgument: descriptor 0-… was taken before",
    ];
    assert_eq!(printed(env!("CARGO_BIN_EXE_exchange_tonic")), lines.join("\n"));
}

#[test]
fn axum_passes_descriptors_and_serves_plain_clients() {
    let lines = [
        "client: line counts [2, 3], report \"the files have [2, 3] lines\"",
        "client: status 400: descriptor 0-… was taken before",
        "plain client: received \"hello\"",
    ];
    assert_eq!(printed(env!("CARGO_BIN_EXE_serve_axum")), lines.join("\n"));
}
