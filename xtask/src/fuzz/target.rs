//! The fuzz targets, with the options of libFuzzer for each.

/// A fuzz target of the package in `fuzz/`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) name: &'static str,
    /// Longest input in bytes. The targets that run steps, which are slow, get short inputs.
    pub(super) max_len: u32,
    /// Name of a file in `fuzz/dictionaries`.
    pub(super) dictionary: Option<&'static str>,
}

const fn target(name: &'static str, max_len: u32, dictionary: Option<&'static str>) -> Target {
    Target { name, max_len, dictionary }
}

/// All targets.
pub(super) const TARGETS: [Target; 8] = [
    target("codec_model", 160, None),
    target("control_messages", 512, Some("control_messages.dict")),
    target("dbus_address", 512, Some("dbus_address.dict")),
    target("dbus_client_auth", 512, Some("dbus_auth.dict")),
    target("dbus_message", 1024, Some("dbus_message.dict")),
    target("dbus_server_auth", 512, Some("dbus_auth.dict")),
    target("exchange_model", 96, None),
    target("wayland_wire", 512, Some("wayland_wire.dict")),
];

impl Target {
    /// Returns the target of this name. The error lists all names.
    pub(super) fn named(name: &str) -> Result<Target, String> {
        TARGETS.into_iter().find(|target| target.name == name).ok_or_else(|| {
            let names = TARGETS.map(|target| target.name);
            format!("no such target, the targets are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::command;

    #[test]
    fn the_targets_are_those_of_the_package() {
        let entries = fs::read_dir(command::root().join("fuzz/fuzz_targets")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.strip_suffix(".rs").unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(names, TARGETS.map(|target| target.name));
    }

    #[test]
    fn the_dictionaries_exist() {
        for dictionary in TARGETS.iter().filter_map(|target| target.dictionary) {
            let path = command::root().join("fuzz/dictionaries").join(dictionary);
            assert!(path.is_file(), "{}", path.display());
        }
    }

    #[test]
    fn the_error_of_an_unknown_target_lists_all_targets() {
        let error = Target::named("codec").unwrap_err();
        assert!(TARGETS.iter().all(|target| error.contains(target.name)), "{error}");
        assert_eq!(Target::named("codec_model").unwrap().max_len, 160);
    }
}
