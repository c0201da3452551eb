//! Programs that tests run and cargo cannot install.
//!
//! A missing program is reported before anything is built, with the command that installs it.

use std::process::Stdio;

use anyhow::{Result, bail, ensure};

use crate::command;
use crate::package_manager::PackageManager;

/// Major and minor version.
type Version = (u32, u32);

/// A program that tests run, or a library that they load with Python.
struct Tool {
    program: &'static str,
    package: &'static str,
    /// The first version that the tests support.
    minimum: Option<Version>,
}

const TOOLS: &[Tool] = &[
    Tool { program: "strace", package: "strace", minimum: None },
    // For `cargo xtask counts`.
    Tool { program: "valgrind", package: "valgrind", minimum: None },
    // Python 3.9 is the first with socket.send_fds and socket.recv_fds.
    Tool { program: "python3", package: "python3", minimum: Some((3, 9)) },
    // Not the package `dbus`, which would also start a system bus.
    Tool { program: "dbus-daemon", package: "dbus-daemon", minimum: None },
    // The library only, 111 kB, without a compositor.
    Tool { program: "libwayland-server.so.0", package: "libwayland-server0", minimum: None },
];

/// The reaction to missing packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnMissing {
    Install,
    Fail,
}

/// Returns what to do if packages are missing, for the option `--install`.
pub(crate) fn on_missing(install: bool) -> OnMissing {
    // In CI there is no user to ask.
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

/// Returns whether packages can be installed with apt-get.
pub(crate) fn has_apt_get() -> bool {
    command::output(command::program("apt-get").arg("--version")).is_ok()
}

/// Installs packages, whose absence causes `faults`. If `on_missing` does not allow it, or if there is
/// no apt-get, fails with the command that installs them.
pub(crate) fn install_packages(
    faults: &str,
    packages: &[&str],
    on_missing: OnMissing,
) -> Result<()> {
    if !has_apt_get() {
        let manager = PackageManager::of_this_machine();
        bail!("tests need {faults}; {}", instruction(packages, manager, User::current()));
    }
    let commands = install_commands(packages, User::current());
    if on_missing == OnMissing::Fail {
        let lines: Vec<_> = commands.iter().map(|words| words.join(" ")).collect();
        bail!("tests need {faults}; run `{}`, or pass --install", lines.join(" && "));
    }
    eprintln!("to be installed: {faults}");
    for words in &commands {
        command::run(command::program(words[0]).args(&words[1..]).stdin(Stdio::null()))?;
    }
    Ok(())
}

/// Returns the instruction to install packages without apt-get.
fn instruction(packages: &[&str], manager: Option<PackageManager>, user: User) -> String {
    let sudo = if user == User::Root { "" } else { "sudo " };
    match manager {
        Some(manager) => manager.instruction(packages, sudo),
        None => format!("install what Debian calls {}", packages.join(", ")),
    }
}

/// Returns the tools that cannot be used, each with the reason.
fn missing() -> Vec<(&'static Tool, String)> {
    let check = |tool| fault(tool, version_text(tool).as_deref()).map(|fault| (tool, fault));
    TOOLS.iter().filter_map(check).collect()
}

fn faults(missing: &[(&Tool, String)]) -> String {
    missing.iter().map(|(_, fault)| fault.as_str()).collect::<Vec<_>>().join(", ")
}

/// Returns the version text of a tool, or `None` if it does not run.
fn version_text(tool: &Tool) -> Option<String> {
    if tool.program.contains(".so.") {
        let load = "import ctypes, sys; ctypes.CDLL(sys.argv[1])";
        let mut python = command::program("python3");
        return command::output(python.args(["-c", load, tool.program])).ok();
    }
    // A wrapper of a version manager can be on PATH and fail, so the tool is run.
    command::output(command::program(tool.program).arg("--version")).ok()
}

/// Returns the reason why a tool with this version text cannot be used.
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
        None => Some(format!("{wanted} (unknown version)")),
    }
}

/// Returns the version in the first word such as `3.11.7`, `3.13.0rc1` or `3.9+`.
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
    // Packages must not ask questions. `env` is needed because sudo does not pass variables on.
    let install = [
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-y",
        "--no-install-recommends",
        // Another process may be installing, for example on a machine that has just started.
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
    fn without_apt_get_the_command_of_another_package_manager_is_named() {
        let packages = ["strace", "dbus-daemon"];
        let dnf = instruction(&packages, Some(PackageManager::Dnf), User::Other);
        assert_eq!(dnf, "run `sudo dnf install dbus-daemon strace`");
        let apk = instruction(&packages, Some(PackageManager::Apk), User::Root);
        assert_eq!(apk, "run `apk add dbus strace`");
        let none = instruction(&packages, None, User::Root);
        assert_eq!(none, "install what Debian calls strace, dbus-daemon");
    }

    #[test]
    fn the_names_of_each_tool_are_listed_for_other_package_managers() {
        for tool in TOOLS {
            assert!(crate::package_manager::is_listed(tool.package), "{}", tool.package);
        }
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
