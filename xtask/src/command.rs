//! Running commands.
//!
//! Each command is printed as a shell accepts it, so that a check that fails in CI can be repeated
//! manually. Commands run in the root of the workspace and write directly to the terminal. This
//! program prints results to standard output and everything else to standard error, as cargo does.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Returns the root of the workspace: the parent directory of this package.
pub(crate) fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package lies inside the workspace")
}

/// Returns a command that runs a program in the root of the workspace.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// Returns a command that runs the current cargo. `arguments` are separated by blanks.
pub(crate) fn cargo(arguments: &str) -> Command {
    // Another cargo on PATH may belong to another toolchain.
    let mut command = program(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    command.args(arguments.split_whitespace());
    command
}

/// Prints a command, runs it, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs a command without printing it, and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    ensure!(output.status.success(), "`{line}` ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns the text for a key in a line of cargo's JSON, which has no blanks around colons.
///
/// Only paths and names are read, so only quotes and backslashes can be escaped.
pub(crate) fn json_text(json: &str, key: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{key}\":\""))?;
    let mut text = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return Some(text),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
}

/// Returns the target directory of cargo.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = output(&mut cargo("metadata --format-version 1 --no-deps"))?;
    let path =
        json_text(&metadata, "target_directory").context("cargo names no target directory")?;
    Ok(PathBuf::from(path))
}

/// Returns the command as a shell accepts it.
pub(crate) fn line(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let value = quoted(value?);
        Some(format!("{}={value}", name.to_string_lossy()))
    });
    // Without its directory, the program is found on PATH, and the line stays readable.
    let program = Path::new(command.get_program());
    let program = quoted(program.file_name().unwrap_or(program.as_os_str()));
    let arguments = command.get_args().map(quoted);
    variables.chain([program]).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_a_shell_would_take_it() {
        let mut command = program("/somewhere/bin/cargo");
        command.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--no-deps", "it's", ""]);
        assert_eq!(line(&command), r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'it'\''s' ''");
    }

    #[test]
    fn texts_are_found_in_the_json_of_cargo() {
        let line = r#"{"reason":"x","executable":"/a/\"b\"\\c","fresh":true}"#;
        assert_eq!(json_text(line, "executable").unwrap(), r#"/a/"b"\c"#);
        assert_eq!(json_text(line, "fresh"), None);
    }

    #[test]
    fn the_root_is_where_the_workspace_is_declared() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn a_command_that_fails_is_named_with_its_status() {
        let error = run(program("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c 'exit 3'` ended with exit status: 3");
    }

    #[test]
    fn a_missing_program_is_named_in_the_error() {
        let error = run(&mut program("no-such-program-anywhere")).unwrap_err();
        assert_eq!(error.to_string(), "cannot start `no-such-program-anywhere`");
    }
}
