//! The programs of a subcommand that only some contributors have.

use anyhow::{Result, bail};

use crate::command;

/// A requirement: its name, the command that succeeds if it is present, and the command to install it.
pub(crate) type Requirement = (&'static str, &'static [&'static str], &'static str);

/// Fails if something is missing, with the commands to install it. Installs nothing.
pub(crate) fn ensure(requirements: &[Requirement]) -> Result<()> {
    let missing: Vec<_> = requirements
        .iter()
        .filter(|(_, check, _)| {
            command::output(command::program(check[0]).args(&check[1..])).is_err()
        })
        .map(|(name, _, install)| format!("{name} is not installed: {install}"))
        .collect();
    if missing.is_empty() { Ok(()) } else { bail!("{}", missing.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_program_is_named_with_the_command_to_install_it() {
        let requirements: &[Requirement] = &[
            ("a shell", &["sh", "-c", "true"], "install sh"),
            ("a compiler", &["sh", "-c", "exit 1"], "install cc"),
            ("a fuzzer", &["no-such-program-anywhere"], "install fuzz"),
        ];
        let error = ensure(requirements).unwrap_err().to_string();
        let expected = "a compiler is not installed: install cc; \
                        a fuzzer is not installed: install fuzz";
        assert_eq!(error, expected);
        ensure(&requirements[..1]).unwrap();
    }
}
