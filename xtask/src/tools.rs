//! Tests run programs that cargo cannot bring, and a machine that lacks one should say so before an
//! hour of building, with the command that cures it.

use std::process::Stdio;

use anyhow::{Result, bail, ensure};

use crate::command;

/// Major and minor.
type Version = (u32, u32);

/// A program that tests run, or a library that they have Python load, and the Debian package that
/// has it.
struct Tool {
    program: &'static str,
    package: &'static str,
    /// The first version that has what the tests use.
    minimum: Option<Version>,
}

const TOOLS: &[Tool] = &[
    Tool { program: "strace", package: "strace", minimum: None },
    // Python 3.9 is the first with socket.send_fds and socket.recv_fds.
    Tool { program: "python3", package: "python3", minimum: Some((3, 9)) },
    // Not the package `dbus`, which would start a bus of the system as well.
    Tool { program: "dbus-daemon", package: "dbus-daemon", minimum: None },
    // A library of 111 kB, without a compositor around it.
    Tool { program: "libwayland-server.so.0", package: "libwayland-server0", minimum: None },
];

/// What to do if packages are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnMissing {
    Install,
    Fail,
}

/// Returns what to do if packages are missing, for a command that was given `--install` or not.
pub(crate) fn on_missing(install: bool) -> OnMissing {
    // In CI there is no user who could be asked.
    let in_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    if install || in_ci { OnMissing::Install } else { OnMissing::Fail }
}

/// Fails unless every tool is installed, after installing what is missing if `on_missing` says so.
pub(crate) fn ensure_present(on_missing: OnMissing) -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        let names: Vec<_> = TOOLS.iter().map(|tool| tool.program).collect();
        eprintln!("present: {}", names.join(", "));
        return Ok(());
    }

    let faults = faults(&missing);
    let packages: Vec<_> = missing.iter().map(|(tool, _)| tool.package).collect();
    install_packages(&faults, &packages, on_missing)?;
    let missing = self::missing();
    ensure!(missing.is_empty(), "after installing, tests still need {}", self::faults(&missing));
    Ok(())
}

/// Installs the packages whose absence causes these faults. Fails with what to do instead if
/// `on_missing` does not allow it, or if there is no apt-get.
pub(crate) fn install_packages(
    faults: &str,
    packages: &[&str],
    on_missing: OnMissing,
) -> Result<()> {
    if command::output(command::program("apt-get").arg("--version")).is_err() {
        let names = packages.join(", ");
        bail!(
            "tests need {faults}; there is no apt-get here, install by other means what Debian \
             has in {names}"
        );
    }
    let commands = install_commands(packages, User::current());
    if on_missing == OnMissing::Fail {
        let lines: Vec<_> = commands.iter().map(|words| words.join(" ")).collect();
        bail!("tests need {faults}; run `{}`, or give --install", lines.join(" && "));
    }
    eprintln!("to be installed: {faults}");
    for words in &commands {
        command::run(command::program(words[0]).args(&words[1..]).stdin(Stdio::null()))?;
    }
    Ok(())
}

/// The tools that cannot be used, each with the reason.
fn missing() -> Vec<(&'static Tool, String)> {
    let check = |tool| fault(tool, version_text(tool).as_deref()).map(|fault| (tool, fault));
    TOOLS.iter().filter_map(check).collect()
}

fn faults(missing: &[(&Tool, String)]) -> String {
    missing.iter().map(|(_, fault)| fault.as_str()).collect::<Vec<_>>().join(", ")
}

/// What the tool says of itself; `None` where it does not run.
fn version_text(tool: &Tool) -> Option<String> {
    if tool.program.contains(".so.") {
        let load = "import ctypes, sys; ctypes.CDLL(sys.argv[1])";
        let mut python = command::program("python3");
        return command::output(python.args(["-c", load, tool.program])).ok();
    }
    // Running it tells more than finding it: a version manager's stand-in is on PATH and may fail.
    command::output(command::program(tool.program).arg("--version")).ok()
}

/// Why a tool that says this of itself cannot be used.
fn fault(tool: &Tool, version_text: Option<&str>) -> Option<String> {
    let name = tool.program;
    let wanted = match tool.minimum {
        Some((major, minor)) => format!("{name} {major}.{minor} or later"),
        None => name.to_owned(),
    };
    let Some(text) = version_text else {
        return Some(format!("{wanted} (not found)"));
    };
    let minimum = tool.minimum?;
    match version(text) {
        Some(found) if found >= minimum => None,
        Some((major, minor)) => Some(format!("{wanted} (found {major}.{minor})")),
        None => Some(format!("{wanted} (it does not tell its version)")),
    }
}

/// The first word that looks like `3.11.7`, `3.13.0rc1` or `3.9+`.
fn version(text: &str) -> Option<Version> {
    text.split_whitespace().find_map(|word| {
        let (major, rest) = word.split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some((major.parse().ok()?, rest[..digits].parse().ok()?))
    })
}

/// The user who runs this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum User {
    Root,
    Other,
}

impl User {
    fn current() -> User {
        let id = command::output(command::program("id").arg("-u"));
        if id.is_ok_and(|id| id.trim_end() == "0") { User::Root } else { User::Other }
    }
}

/// Returns the commands, in order, that install these packages.
fn install_commands<'a>(packages: &[&'a str], user: User) -> [Vec<&'a str>; 2] {
    let become_root: &[&str] = if user == User::Root { &[] } else { &["sudo"] };
    let update = ["apt-get", "update"];
    // A package may ask a question, and nobody is there to answer; `env`, because sudo does not
    // hand variables down.
    let install = [
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-y",
        "--no-install-recommends",
        // Somebody else may be installing, a machine that has just begun to run for example.
        "-o",
        "DPkg::Lock::Timeout=120",
    ];
    [[become_root, &update].concat(), [become_root, &install, packages].concat()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: Tool = Tool { program: "python3", package: "python3", minimum: Some((3, 9)) };
    const STRACE: Tool = Tool { program: "strace", package: "strace", minimum: None };

    #[test]
    fn a_library_is_present_if_python_can_load_it() {
        let library = |program| Tool { program, package: "libc6", minimum: None };
        assert!(version_text(&library("libc.so.6")).is_some());
        assert_eq!(version_text(&library("libnone.so.6")), None);
    }

    #[test]
    fn a_version_is_read_from_what_programs_print() {
        assert_eq!(version("Python 3.11.7\n"), Some((3, 11)));
        assert_eq!(version("Python 3.13.0rc1"), Some((3, 13)));
        assert_eq!(version("Python 3.9+"), Some((3, 9)));
        assert_eq!(version("strace -- version 6.1\nCopyright (c) 1991-2022"), Some((6, 1)));
        assert_eq!(version("no. version here."), None);
    }

    #[test]
    fn a_minor_version_of_two_digits_is_later_than_one_of_one() {
        assert_eq!(fault(&PYTHON, Some("Python 3.10.0")), None);
    }

    #[test]
    fn a_tool_that_is_too_old_is_named_with_both_versions() {
        let fault = fault(&PYTHON, Some("Python 3.8.18")).unwrap();
        assert_eq!(fault, "python3 3.9 or later (found 3.8)");
    }

    #[test]
    fn a_tool_that_does_not_run_is_missing() {
        assert_eq!(fault(&STRACE, None).unwrap(), "strace (not found)");
        assert_eq!(fault(&PYTHON, None).unwrap(), "python3 3.9 or later (not found)");
    }

    #[test]
    fn a_tool_without_a_minimum_may_print_no_version() {
        assert_eq!(fault(&STRACE, Some("strace")), None);
        assert!(fault(&PYTHON, Some("Python")).is_some());
    }

    #[test]
    fn root_installs_directly() {
        let [update, install] = install_commands(&["strace", "python3"], User::Root);
        assert_eq!(update.join(" "), "apt-get update");
        assert_eq!(
            install.join(" "),
            "env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 strace python3"
        );
    }

    #[test]
    fn other_users_install_with_sudo() {
        let [update, install] = install_commands(&["strace"], User::Other);
        assert_eq!(update.join(" "), "sudo apt-get update");
        assert_eq!(
            install.join(" "),
            "sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=120 strace"
        );
    }
}
