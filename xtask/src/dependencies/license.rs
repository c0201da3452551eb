//! Licenses, as expressions of SPDX, and those that deny.toml allows.

use anyhow::{Context, Result, ensure};

use super::metadata::Package;

/// Checks that each package can be used under licenses that deny.toml allows.
pub(super) fn check(deny: &str, packages: &[Package]) -> Result<()> {
    let allowed = allowed(deny).context("deny.toml has no list of licenses")?;
    for package in packages {
        let name = &package.name;
        let license =
            package.license.as_deref().with_context(|| format!("{name} names no license"))?;
        ensure!(
            is_allowed(license, &allowed),
            "{name}: deny.toml does not allow the license {license}"
        );
    }
    eprintln!("{} licenses are among {}", packages.len(), allowed.join(", "));
    Ok(())
}

/// Returns the list `allow` of the section `licenses`.
fn allowed(deny: &str) -> Option<Vec<&str>> {
    let (_, section) = deny.split_once("[licenses]\n")?;
    let (_, list) = section.split_once("allow = [")?;
    let (list, _) = list.split_once(']')?;
    Some(list.split('"').skip(1).step_by(2).collect())
}

/// Returns whether an expression can be fulfilled with these licenses alone. One that cannot be read is not.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let value = either(&mut words, allowed);
    value == Some(true) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>, allowed: &[&str]) -> Option<bool> {
    let mut value = both(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        value |= both(words, allowed)?;
    }
    Some(value)
}

fn both(words: &mut Words<'_>, allowed: &[&str]) -> Option<bool> {
    let mut value = one(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        value &= one(words, allowed)?;
    }
    Some(value)
}

fn one(words: &mut Words<'_>, allowed: &[&str]) -> Option<bool> {
    let license = words.next()?;
    if license == "(" {
        let value = either(words, allowed)?;
        return (words.next()? == ")").then_some(value);
    }
    if words.next_if_eq(&"WITH").is_some() {
        let exception = words.next()?;
        return Some(allowed.contains(&&*format!("{license} WITH {exception}")));
    }
    Some(allowed.contains(&license))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_allowed_alternative_is_enough() {
        let allowed = ["MIT"];
        assert!(is_allowed("Apache-2.0 OR MIT", &allowed));
        assert!(is_allowed("MIT/Apache-2.0", &allowed));
        assert!(is_allowed("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", &allowed));
        assert!(!is_allowed("Apache-2.0 OR BSD-3-Clause", &allowed));
    }

    #[test]
    fn all_licenses_of_a_conjunction_are_needed() {
        let expression = "(MIT OR Apache-2.0) AND Unicode-3.0";
        assert!(is_allowed(expression, &["MIT", "Unicode-3.0"]));
        assert!(!is_allowed(expression, &["MIT", "Apache-2.0"]));
        assert!(!is_allowed(expression, &["Unicode-3.0"]));
    }

    #[test]
    fn an_exception_is_part_of_its_license() {
        assert!(!is_allowed("GPL-2.0 WITH other", &["GPL-2.0"]));
        assert!(is_allowed("GPL-2.0 WITH other", &["GPL-2.0 WITH other"]));
    }

    #[test]
    fn an_expression_that_cannot_be_read_is_not_allowed() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT MIT"] {
            assert!(!is_allowed(expression, &["MIT"]), "{expression}");
        }
    }

    #[test]
    fn the_list_is_that_of_the_section_licenses() {
        let deny = "[bans]\nallow = [\"a\"]\n[licenses]\nallow = [\"MIT\",\n  \"ISC\"]\n";
        assert_eq!(allowed(deny).unwrap(), ["MIT", "ISC"]);
    }
}
