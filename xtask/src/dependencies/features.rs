//! The table of features in the README: the crates that each one adds.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};

use super::metadata::direct;

/// Checks the last column of the table.
pub(super) fn check(readme: &str) -> Result<()> {
    let rows = rows(readme).context("README.md has no table of features with their crates")?;
    let base = direct("-p anchovy --no-default-features")?;
    for (feature, crates) in &rows {
        let expected = match *feature {
            "*none*" => base.clone(),
            feature => {
                let feature = feature.trim_matches('`');
                let all =
                    direct(&format!("-p anchovy --no-default-features --features {feature}"))?;
                all.difference(&base).cloned().collect()
            }
        };
        let named: BTreeSet<_> = crates.split(", ").map(str::to_owned).collect();
        ensure!(named == expected, "README.md: the row {feature} must name {expected:?}");
    }
    eprintln!("the table of features names the crates of {} rows", rows.len());
    Ok(())
}

/// Returns the first and the last cell of each row.
fn rows(readme: &str) -> Option<Vec<(&str, &str)>> {
    let (_, table) =
        readme.split_once("| Cargo feature | Adds | Further crates |\n|---|---|---|\n")?;
    let rows = table.lines().map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows: Option<Vec<_>> =
        rows.map(|row| row.split_once(" | ").zip(row.rsplit_once(" | "))).collect();
    Some(rows?.into_iter().map(|((first, _), (_, last))| (first, last)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_those_of_the_table_of_features() {
        let page = "text\n| Cargo feature | Adds | Further crates |\n|---|---|---|\n\
                    | *none* | a | b, c |\n| `d` | e | f |\n\n| other | table |\n";
        assert_eq!(rows(page).unwrap(), [("*none*", "b, c"), ("`d`", "f")]);
        assert_eq!(rows("no table"), None);
    }

    #[test]
    fn a_crate_that_is_not_named_is_reported() {
        let page =
            "| Cargo feature | Adds | Further crates |\n|---|---|---|\n| *none* | a | tokio |\n";
        let error = check(page).unwrap_err().to_string();
        assert!(error.starts_with("README.md: the row *none* must name "), "{error}");
    }
}
