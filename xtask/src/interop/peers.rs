//! The table of peers.
//!
//! A peer has scenarios of the same name in interop-tests/tests/interop.

use super::peer::{Need, Peer, Source, Version};
use super::user::{Edit, User};

/// The Python of Debian, which has Debian's modules. Another one may be first on PATH.
const PYTHON: &str = "/usr/bin/python3";

/// Prints the version of the installed libdbus, which only libdbus itself reports.
const LIBDBUS_VERSION: &str = "
import ctypes
numbers = [ctypes.c_int() for _ in range(3)]
ctypes.CDLL('libdbus-1.so.3').dbus_get_version(*map(ctypes.byref, numbers))
print(*(number.value for number in numbers), sep='.')";

const GLIB_VERSION: &str = "
from gi.repository import Gio, GLib
print(GLib.MAJOR_VERSION, GLib.MINOR_VERSION, GLib.MICRO_VERSION, sep='.')";

/// Prints the version of libwayland, which is in the name of its file: 1.21.0 has .so.0.21.0.
const LIBWAYLAND_VERSION: &str = "
import ctypes
ctypes.CDLL('libwayland-server.so.0')
with open('/proc/self/maps') as maps:
    path = next(line.split()[-1] for line in maps if 'libwayland-server' in line)
import os
print('1.' + os.path.realpath(path).split('.so.0.')[1])";

const BUSD: &str = "0.6.1";

const PYTHON3: Need = Need {
    name: "Debian's python3",
    probe: &[PYTHON, "-c", "import socket; socket.send_fds"],
    source: Source::Package("python3"),
};

const PYTHON3_GI: Need = Need {
    name: "the Python module gi with Gio",
    probe: &[PYTHON, "-c", "from gi.repository import Gio"],
    source: Source::Package("python3-gi"),
};

// Not the package `dbus`, which would also start a system bus.
const DBUS_DAEMON: Need = Need {
    name: "dbus-daemon",
    probe: &["dbus-daemon", "--version"],
    source: Source::Package("dbus-daemon"),
};

/// abus 0.0.4 uses anchovy 0.4 with a number of descriptors as `S`, which has to be a size in bytes.
const ABUS: User = User {
    name: "abus",
    version: "0.0.4",
    edits: &[
        Edit {
            file: "Cargo.toml",
            old: "[dependencies.anchovy]\nversion = \"0.4.1\"\n",
            new: "[dependencies.anchovy]\npath = '{root}/anchovy'\n",
        },
        Edit { file: "src/connection.rs", old: "DBUS_FD_LIMIT", new: "DBUS_SCM_RIGHTS" },
    ],
    program: "abus-client",
    main: "interop-tests/tests/interop/scripts/abus_client.rs",
    dependencies: "anyhow = \"1\"
bytes = \"1\"
futures-util = { version = \"0.3\", features = [\"sink\"] }
tokio = { version = \"1\", features = [\"macros\", \"rt\"] }",
};

pub(super) const PEERS: &[Peer] = &[
    Peer { name: "zbus", version: Version::Locked("zbus"), feature: None, needs: &[DBUS_DAEMON] },
    Peer {
        name: "busd",
        version: Version::Printed(&["busd", "--version"]),
        feature: None,
        needs: &[Need {
            name: "busd",
            probe: &["sh", "-c", "test \"$(busd --version)\" = 'busd 0.6.1'"],
            source: Source::Crate { name: "busd", version: BUSD },
        }],
    },
    Peer {
        name: "abus",
        version: Version::Printed(&[ABUS.program, "--version"]),
        feature: None,
        needs: &[
            Need { name: "abus", probe: &[ABUS.program, "--version"], source: Source::User(ABUS) },
            DBUS_DAEMON,
        ],
    },
    Peer {
        name: "dbus-daemon",
        version: Version::Printed(&["dbus-daemon", "--version"]),
        feature: None,
        needs: &[DBUS_DAEMON],
    },
    Peer {
        name: "dbus-broker",
        version: Version::Printed(&["dbus-broker", "--version"]),
        feature: None,
        needs: &[Need {
            name: "dbus-broker",
            probe: &["dbus-broker", "--version"],
            // The package would make it the system bus from the next boot on.
            source: Source::Unpacked {
                package: "dbus-broker",
                libraries: &["libapparmor1", "libaudit1", "libcap-ng0", "libselinux1"],
            },
        }],
    },
    Peer {
        name: "libdbus",
        version: Version::Printed(&[PYTHON, "-c", LIBDBUS_VERSION]),
        feature: None,
        needs: &[
            Need {
                name: "dbus-send",
                probe: &["sh", "-c", "command -v dbus-send"],
                source: Source::Package("dbus-bin"),
            },
            Need {
                name: "the Python module dbus",
                probe: &[PYTHON, "-c", "import dbus"],
                source: Source::Package("python3-dbus"),
            },
            PYTHON3_GI,
            DBUS_DAEMON,
        ],
    },
    Peer {
        name: "sd-bus",
        version: Version::Printed(&["busctl", "--version"]),
        feature: None,
        needs: &[
            Need {
                name: "busctl and systemd-stdio-bridge",
                probe: &["sh", "-c", "busctl --version && systemd-stdio-bridge --version"],
                source: Source::Package("systemd"),
            },
            Need {
                name: "libsystemd",
                probe: &[PYTHON, "-c", "import ctypes; ctypes.CDLL('libsystemd.so.0')"],
                source: Source::Package("libsystemd0"),
            },
            PYTHON3,
            DBUS_DAEMON,
        ],
    },
    Peer {
        name: "gdbus",
        version: Version::Printed(&[PYTHON, "-c", GLIB_VERSION]),
        feature: None,
        needs: &[PYTHON3_GI, DBUS_DAEMON],
    },
    Peer {
        name: "dbus-fast",
        version: Version::Printed(&[
            PYTHON,
            "-c",
            "import importlib.metadata as m; print(m.version('dbus-fast'))",
        ]),
        feature: None,
        needs: &[
            Need {
                name: "the Python module dbus_fast",
                probe: &[PYTHON, "-c", "import dbus_fast.aio"],
                source: Source::Package("python3-dbus-fast"),
            },
            DBUS_DAEMON,
        ],
    },
    Peer {
        name: "xdg-dbus-proxy",
        version: Version::Printed(&["xdg-dbus-proxy", "--version"]),
        feature: None,
        needs: &[
            Need {
                name: "xdg-dbus-proxy",
                probe: &["xdg-dbus-proxy", "--version"],
                source: Source::Package("xdg-dbus-proxy"),
            },
            DBUS_DAEMON,
        ],
    },
    Peer {
        name: "python",
        version: Version::Printed(&[PYTHON, "--version"]),
        feature: None,
        needs: &[
            PYTHON3,
            Need {
                name: "strace",
                probe: &["strace", "--version"],
                source: Source::Package("strace"),
            },
        ],
    },
    Peer {
        name: "anyio",
        version: Version::Printed(&[
            PYTHON,
            "-c",
            "import importlib.metadata as m; print(m.version('anyio'))",
        ]),
        feature: None,
        needs: &[Need {
            name: "the Python module anyio",
            probe: &[PYTHON, "-c", "import anyio"],
            source: Source::Package("python3-anyio"),
        }],
    },
    Peer {
        name: "c",
        version: Version::Printed(&["cc", "--version"]),
        feature: None,
        needs: &[
            Need {
                name: "a C compiler",
                probe: &["cc", "--version"],
                source: Source::Package("gcc"),
            },
            Need {
                name: "the headers of the C library",
                probe: &["sh", "-c", "echo '#include <sys/socket.h>' | cc -E - -o /dev/null"],
                source: Source::Package("libc6-dev"),
            },
        ],
    },
    Peer { name: "zlink", version: Version::Locked("zlink"), feature: None, needs: &[] },
    Peer {
        name: "openssh",
        version: Version::Printed(&["sh", "-c", "ssh -V 2>&1 | sed s/^OpenSSH_//"]),
        feature: None,
        needs: &[
            Need {
                name: "ssh and ssh-keygen",
                probe: &["sh", "-c", "command -v ssh && command -v ssh-keygen"],
                source: Source::Package("openssh-client"),
            },
            Need {
                name: "sshd",
                probe: &["sh", "-c", "\"$(command -v sshd)\" -V 2>&1 | grep OpenSSH_"],
                // The package would start a server that listens on all addresses.
                source: Source::Unpacked {
                    package: "openssh-server",
                    libraries: &["libaudit1", "libsystemd0", "libwrap0"],
                },
            },
            Need {
                name: "nss_wrapper",
                probe: &[PYTHON, "-c", "import ctypes; ctypes.CDLL('libnss_wrapper.so')"],
                source: Source::Package("libnss-wrapper"),
            },
            PYTHON3,
        ],
    },
    Peer {
        name: "crun",
        version: Version::Printed(&["crun", "--version"]),
        feature: None,
        needs: &[Need {
            name: "crun",
            probe: &["crun", "--version"],
            source: Source::Package("crun"),
        }],
    },
    Peer {
        name: "qemu",
        version: Version::Printed(&["qemu-system-x86_64-microvm", "--version"]),
        feature: None,
        needs: &[Need {
            name: "qemu-system-x86_64-microvm",
            probe: &["qemu-system-x86_64-microvm", "--version"],
            // A machine without hardware needs none of the firmware and libraries of the package,
            // which replaces qemu-utils of another version.
            source: Source::Unpacked { package: "qemu-system-x86", libraries: &["libfdt1"] },
        }],
    },
    Peer {
        name: "wayland-rs",
        version: Version::Locked("wayland-client"),
        feature: None,
        needs: &[],
    },
    Peer {
        name: "wayland-rs-libwayland",
        version: Version::LockedOn("wayland-client", &[PYTHON, "-c", LIBWAYLAND_VERSION]),
        feature: Some("libwayland"),
        needs: &[PYTHON3, LIBWAYLAND_SERVER, LIBWAYLAND_CLIENT],
    },
    Peer {
        name: "libwayland",
        version: Version::Printed(&[PYTHON, "-c", LIBWAYLAND_VERSION]),
        feature: None,
        needs: &[PYTHON3, LIBWAYLAND_SERVER, LIBWAYLAND_CLIENT],
    },
    Peer {
        name: "weston",
        version: Version::Printed(&["weston", "--version"]),
        feature: None,
        needs: &[WESTON, WAYLAND_INFO, FONT],
    },
    Peer {
        name: "sway",
        version: Version::Printed(&["sway", "--version"]),
        feature: None,
        needs: &[
            Need { name: "sway", probe: &["sway", "--version"], source: Source::Package("sway") },
            Need { name: "foot", probe: &["foot", "--version"], source: Source::Package("foot") },
            Need {
                name: "wtype",
                probe: &["sh", "-c", "command -v wtype"],
                source: Source::Package("wtype"),
            },
            Need {
                name: "wl-copy and wl-paste",
                probe: &["wl-copy", "--version"],
                source: Source::Package("wl-clipboard"),
            },
            FONT,
        ],
    },
    Peer {
        name: "waypipe",
        version: Version::Printed(&["waypipe", "--version"]),
        feature: None,
        needs: &[
            Need {
                name: "waypipe",
                probe: &["waypipe", "--version"],
                source: Source::Package("waypipe"),
            },
            WESTON,
            WAYLAND_INFO,
        ],
    },
];

const LIBWAYLAND_SERVER: Need = Need {
    name: "libwayland-server",
    probe: &[PYTHON, "-c", "import ctypes; ctypes.CDLL('libwayland-server.so.0')"],
    source: Source::Package("libwayland-server0"),
};

const LIBWAYLAND_CLIENT: Need = Need {
    name: "libwayland-client",
    probe: &[PYTHON, "-c", "import ctypes; ctypes.CDLL('libwayland-client.so.0')"],
    source: Source::Package("libwayland-client0"),
};

const WESTON: Need = Need {
    name: "weston",
    probe: &["sh", "-c", "weston --version && command -v weston-simple-shm"],
    source: Source::Package("weston"),
};

const WAYLAND_INFO: Need = Need {
    name: "wayland-info",
    probe: &["sh", "-c", "command -v wayland-info"],
    source: Source::Package("wayland-utils"),
};

/// The font of terminals.
const FONT: Need = Need {
    name: "a font of fixed width",
    probe: &["sh", "-c", "ls /usr/share/fonts/*/*/*Mono*"],
    source: Source::Package("fonts-dejavu-core"),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probed_busd_is_the_one_that_is_built() {
        let busd = PEERS.iter().find(|peer| peer.name == "busd").unwrap();
        assert!(busd.needs[0].probe[2].contains(BUSD));
    }

    #[test]
    fn names_of_peers_are_unique() {
        let mut names: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), PEERS.len());
    }
}
