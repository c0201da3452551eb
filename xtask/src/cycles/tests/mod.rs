//! Each test writes a small crate to a temporary directory and checks it.

mod cycles;
mod files;
mod macros;
mod names;
mod reports;
mod test_code;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;

use super::edges::edges;
use super::package;
use super::read::read;
use super::report::{self, Report, Shown};

/// A crate named `sample`, which is removed when it is dropped.
struct Sample(PathBuf);

impl Sample {
    /// Writes a crate with these files: a path below `src`, and its text.
    fn new(files: &[(&str, &str)]) -> Sample {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xtask-cycles-{}-{number}", std::process::id());
        let sample = Sample(std::env::temp_dir().join(name));
        sample.write("Cargo.toml", "[package]\nname = \"sample\"\n");
        for (path, text) in files {
            sample.write(&format!("src/{path}"), text);
        }
        sample
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn report(&self, shown: Shown) -> Result<Report> {
        report::check(&package::read(&self.0)?, shown)
    }

    /// Returns each edge as `from -> to`, in order.
    fn edges(&self) -> Result<Vec<String>> {
        let tree = read(&self.0, &self.0.join("src/lib.rs"))?;
        let text = |from: usize, to: usize| {
            format!("{} -> {}", tree.modules[from].name, tree.modules[to].name)
        };
        let mut edges: Vec<_> = edges(&tree).iter().map(|edge| text(edge.from, edge.to)).collect();
        edges.sort();
        Ok(edges)
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn edges_of(files: &[(&str, &str)]) -> Vec<String> {
    Sample::new(files).edges().unwrap()
}

fn has_cycle(files: &[(&str, &str)]) -> bool {
    Sample::new(files).report(Shown::OneOfEachGroup).unwrap().has_cycle
}

#[test]
fn a_sample_is_removed_when_it_is_dropped() {
    let sample = Sample::new(&[("lib.rs", "")]);
    let directory = sample.0.clone();
    assert!(Path::exists(&directory));
    drop(sample);
    assert!(!Path::exists(&directory));
}
