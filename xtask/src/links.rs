//! A check of the links from Markdown pages to files, which break when a file is renamed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::command;

/// Checks that the relative links of all Markdown pages lead to files.
///
/// # Errors
///
/// Fails with one line for each link that does not.
pub(crate) fn check_all() -> Result<()> {
    let tracked = command::output(command::program("git").args(["ls-files", "*.md"]))?;
    let mut broken = Vec::new();
    let mut count = 0;
    for page in tracked.lines().map(Path::new) {
        let path = command::root().join(page);
        // A symbolic link leads to a page that is checked itself.
        if path.is_symlink() {
            continue;
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", page.display()))?;
        for (number, target) in relative_links(&text) {
            count += 1;
            if !resolved(&path, target).exists() {
                broken.push(format!("{}:{number}: there is no {target}", page.display()));
            }
        }
    }
    ensure!(broken.is_empty(), "{} broken links:\n{}", broken.len(), broken.join("\n"));
    eprintln!("{count} relative links lead to files");
    Ok(())
}

/// Returns the line number and the target of each link to a file.
fn relative_links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    let prose = text.lines().enumerate().filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    });
    prose.flat_map(|(index, line)| links(line).map(move |target| (index + 1, target)))
}

/// Returns the targets of the links in one line, without those to other sites and within the page.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let targets = targets.map(|(target, _)| target.split('#').next().unwrap_or(target));
    targets.filter(|target| !target.is_empty() && !target.contains("://"))
}

/// Returns the file that a link of a page leads to.
fn resolved(page: &Path, target: &str) -> PathBuf {
    page.parent().unwrap_or(page).join(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_found_with_their_lines() {
        let page = "one [a](docs/a.md)\n\n| [b](b.rs#line) | [c](c) |\n";
        let found: Vec<_> = relative_links(page).collect();
        assert_eq!(found, [(1, "docs/a.md"), (3, "b.rs"), (3, "c")]);
    }

    #[test]
    fn links_to_sites_and_within_the_page_are_not_checked() {
        let page = "[a](https://example.org/a) [b](#limits)";
        assert_eq!(relative_links(page).count(), 0);
    }

    #[test]
    fn code_blocks_have_no_links() {
        let page = "```rust\nlet a = b[0](c);\n```\n[d](d)\n";
        assert_eq!(relative_links(page).collect::<Vec<_>>(), [(4, "d")]);
    }

    #[test]
    fn a_link_is_relative_to_its_page() {
        let page = Path::new("/repository/docs/guide.md");
        assert_eq!(resolved(page, "a.md"), Path::new("/repository/docs/a.md"));
    }

    #[test]
    fn the_pages_of_the_repository_have_no_broken_link() {
        check_all().unwrap();
    }
}
