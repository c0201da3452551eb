//! Package managers of other distributions than Debian, for instructions only: `--install` is for
//! apt-get.

use crate::command;

/// A package manager, and how its command installs packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackageManager {
    /// Fedora and its relatives.
    Dnf,
    /// Arch Linux.
    Pacman,
    /// Alpine Linux.
    Apk,
    /// openSUSE.
    Zypper,
}

use PackageManager::{Apk, Dnf, Pacman, Zypper};

impl PackageManager {
    const ALL: [PackageManager; 4] = [Dnf, Pacman, Apk, Zypper];

    /// Returns the first package manager that this machine has.
    pub(crate) fn of_this_machine() -> Option<PackageManager> {
        let runs = |manager: &PackageManager| {
            command::output(command::program(manager.program()).arg("--version")).is_ok()
        };
        PackageManager::ALL.into_iter().find(runs)
    }

    fn program(self) -> &'static str {
        match self {
            Dnf => "dnf",
            Pacman => "pacman",
            Apk => "apk",
            Zypper => "zypper",
        }
    }

    fn subcommand(self) -> &'static str {
        match self {
            Dnf | Zypper => "install",
            Pacman => "-S",
            Apk => "add",
        }
    }

    /// Returns the name of a Debian package here, or `None` if it is not known.
    fn name_of(self, debian: &str) -> Option<&'static str> {
        let (_, names) = NAMES.iter().find(|(name, _)| *name == debian)?;
        let name = names[self as usize];
        (!name.is_empty()).then_some(name)
    }

    /// Returns the instruction that installs the equivalents of these Debian packages, and names those
    /// without a known equivalent.
    pub(crate) fn instruction(self, packages: &[&str], sudo: &str) -> String {
        let mut names: Vec<_> = packages.iter().filter_map(|name| self.name_of(name)).collect();
        names.sort_unstable();
        names.dedup();
        let unknown: Vec<_> =
            packages.iter().filter(|name| self.name_of(name).is_none()).copied().collect();
        let mut parts = Vec::new();
        if !names.is_empty() {
            let (program, subcommand) = (self.program(), self.subcommand());
            parts.push(format!("run `{sudo}{program} {subcommand} {}`", names.join(" ")));
        }
        if !unknown.is_empty() {
            parts.push(format!("install what Debian calls {}", unknown.join(", ")));
        }
        parts.join(", and ")
    }
}

/// Debian packages, and their names for dnf, pacman, apk and zypper. A name is empty if there is no such
/// package, or none that is known. The tests have not run on these distributions.
const NAMES: &[(&str, [&str; 4])] = &[
    ("strace", ["strace", "strace", "strace", "strace"]),
    ("valgrind", ["valgrind", "valgrind", "valgrind", "valgrind"]),
    ("python3", ["python3", "python", "python3", "python3"]),
    ("dbus-daemon", ["dbus-daemon", "dbus", "dbus", "dbus-1-daemon"]),
    (
        "libwayland-server0",
        ["libwayland-server", "wayland", "wayland-libs-server", "libwayland-server0"],
    ),
    (
        "libwayland-client0",
        ["libwayland-client", "wayland", "wayland-libs-client", "libwayland-client0"],
    ),
    ("dbus-bin", ["dbus-tools", "dbus", "dbus", "dbus-1-tools"]),
    ("python3-gi", ["python3-gobject", "python-gobject", "py3-gobject3", "python3-gobject"]),
    ("python3-dbus", ["python3-dbus", "python-dbus", "py3-dbus", "python3-dbus-python"]),
    ("python3-dbus-fast", ["python3-dbus-fast", "python-dbus-fast", "py3-dbus-fast", ""]),
    ("python3-anyio", ["python3-anyio", "python-anyio", "py3-anyio", "python3-anyio"]),
    ("systemd", ["systemd", "systemd", "", "systemd"]),
    ("libsystemd0", ["systemd-libs", "systemd-libs", "", "libsystemd0"]),
    ("xdg-dbus-proxy", ["xdg-dbus-proxy", "xdg-dbus-proxy", "xdg-dbus-proxy", "xdg-dbus-proxy"]),
    ("gcc", ["gcc", "gcc", "gcc", "gcc"]),
    ("libc6-dev", ["glibc-devel", "glibc", "musl-dev", "glibc-devel"]),
    ("openssh-client", ["openssh-clients", "openssh", "openssh-client-default", "openssh-clients"]),
    ("libnss-wrapper", ["nss_wrapper", "nss_wrapper", "nss_wrapper", "nss_wrapper"]),
    ("crun", ["crun", "crun", "crun", "crun"]),
    ("sway", ["sway", "sway", "sway", "sway"]),
    ("foot", ["foot", "foot", "foot", "foot"]),
    ("wtype", ["wtype", "wtype", "wtype", "wtype"]),
    ("wl-clipboard", ["wl-clipboard", "wl-clipboard", "wl-clipboard", "wl-clipboard"]),
    ("waypipe", ["waypipe", "waypipe", "waypipe", "waypipe"]),
    ("weston", ["weston", "weston", "weston", "weston"]),
    ("wayland-utils", ["wayland-utils", "wayland-utils", "wayland-utils", "wayland-utils"]),
    ("dbus-broker", ["dbus-broker", "dbus-broker", "", "dbus-broker"]),
    ("openssh-server", ["openssh-server", "openssh", "openssh-server", "openssh-server"]),
    (
        "qemu-system-x86",
        ["qemu-system-x86-core", "qemu-system-x86", "qemu-system-x86_64", "qemu-x86"],
    ),
    ("fonts-dejavu-core", ["dejavu-sans-mono-fonts", "ttf-dejavu", "font-dejavu", "dejavu-fonts"]),
];

/// Returns whether the names of this Debian package elsewhere are listed.
#[cfg(test)]
pub(crate) fn is_listed(debian: &str) -> bool {
    NAMES.iter().any(|(name, _)| *name == debian)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOLS: &[&str] = &["strace", "python3", "dbus-daemon", "libwayland-server0"];

    #[test]
    fn each_package_manager_has_its_own_command_and_names() {
        let instructions = PackageManager::ALL.map(|manager| manager.instruction(TOOLS, "sudo "));
        assert_eq!(
            instructions,
            [
                "run `sudo dnf install dbus-daemon libwayland-server python3 strace`",
                "run `sudo pacman -S dbus python strace wayland`",
                "run `sudo apk add dbus python3 strace wayland-libs-server`",
                "run `sudo zypper install dbus-1-daemon libwayland-server0 python3 strace`",
            ]
        );
    }

    #[test]
    fn a_package_without_a_known_equivalent_is_named() {
        let instruction = Apk.instruction(&["strace", "systemd"], "");
        assert_eq!(instruction, "run `apk add strace`, and install what Debian calls systemd");
        assert_eq!(Dnf.instruction(&["none"], ""), "install what Debian calls none");
    }

    #[test]
    fn packages_that_are_one_package_elsewhere_are_named_once() {
        let libraries = ["libwayland-server0", "libwayland-client0"];
        assert_eq!(Pacman.instruction(&libraries, ""), "run `pacman -S wayland`");
    }
}
