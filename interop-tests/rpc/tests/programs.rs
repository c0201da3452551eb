//! Each example ends by itself, with what it claims to print.

#![cfg(target_os = "linux")]

use std::process::Command;

use interop_tests::{guarded, run_to_end};

/// Runs a program to its end, and returns what it printed, with each random number of an id as `…`.
fn printed(program: &str) -> String {
    let mut printed = String::new();
    guarded(|| {
        let ended = run_to_end(&mut Command::new(program));
        assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{}", ended.stdout);
        printed = ended.stdout;
    });
    without_numbers(&printed)
}

/// Replaces words that end in a hyphen and 16 hexadecimal digits.
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
        "server: HTTP/1.1, 200",
        "client: HTTP/1.1, [2, 3], \"the files have [2, 3] lines\"",
        "server: HTTP/1.1, 400",
        "client: HTTP/1.1, 400, descriptor 0-… was taken before",
        "server: HTTP/2.0, 200",
        "client: HTTP/2.0, [2, 3], \"the files have [2, 3] lines\"",
        "server: HTTP/2.0, 400",
        "client: HTTP/2.0, 400, descriptor 0-… was taken before",
    ];
    assert_eq!(printed(env!("CARGO_BIN_EXE_exchange_hyper")), lines.join("\n"));
}

#[test]
fn tonic_passes_descriptors() {
    let lines = [
        "client: [2, 3], \"the files have [2, 3] lines\"",
        "client: InvalidArgument, descriptor 0-… was taken before",
    ];
    assert_eq!(printed(env!("CARGO_BIN_EXE_exchange_tonic")), lines.join("\n"));
}

#[test]
fn axum_passes_descriptors_and_serves_plain_clients() {
    let lines = [
        "client: [2, 3], \"the files have [2, 3] lines\"",
        "client: 400, descriptor 0-… was taken before",
        "plain client: hello",
    ];
    assert_eq!(printed(env!("CARGO_BIN_EXE_serve_axum")), lines.join("\n"));
}
