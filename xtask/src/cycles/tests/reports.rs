//! A report names each edge of a cycle with its location.

use super::{Sample, Shown};

#[test]
fn each_edge_of_a_cycle_is_shown_with_its_location_and_path() {
    let builder = "//! Builds.\n\nuse crate::{\n    stream::{AnchovyStream, Parts},\n};\n\
        pub struct Builder(AnchovyStream, Parts);\n";
    let stream = "pub struct AnchovyStream;\npub struct Parts;\n\n\n\n\n\n\n\n\
        fn build() {\n    crate::builder::Builder::new();\n}\n";
    let sample = Sample::new(&[
        ("lib.rs", "mod builder; mod stream;"),
        ("builder.rs", builder),
        ("stream.rs", stream),
    ]);
    let report = sample.report(Shown::OneOfEachGroup).unwrap();
    assert!(report.has_cycle);
    assert_eq!(
        report.text,
        "sample: modules import each other in a cycle:\n  \
         builder -> stream   src/builder.rs:4  crate::stream::AnchovyStream\n  \
         stream -> builder   src/stream.rs:11  crate::builder::Builder::new\n"
    );
}

#[test]
fn modules_and_edges_are_counted_if_there_is_no_cycle() {
    let sample = Sample::new(&[
        ("lib.rs", "mod one; mod two;"),
        ("one.rs", "use crate::two::{Two, Other};"),
        ("two.rs", "pub struct Two; pub struct Other;"),
    ]);
    let report = sample.report(Shown::OneOfEachGroup).unwrap();
    assert!(!report.has_cycle);
    assert_eq!(report.text, "sample: 3 modules, 1 edges, no cycle\n");
}

/// `one` and `two` import each other, and so do `two` and `three`.
fn chain() -> Sample {
    Sample::new(&[
        ("lib.rs", "mod one; mod two; mod three;"),
        ("one.rs", "use crate::two::Two; pub struct One;"),
        ("two.rs", "use crate::{one::One, three::Three}; pub struct Two;"),
        ("three.rs", "use crate::two::Two; pub struct Three;"),
    ])
}

#[test]
fn one_cycle_is_shown_of_each_group() {
    let text = chain().report(Shown::OneOfEachGroup).unwrap().text;
    assert_eq!(text.matches(" -> ").count(), 2, "{text}");
    assert!(text.ends_with("  3 modules reach each other: one, two, three\n"), "{text}");
}

#[test]
fn every_edge_of_a_cycle_is_shown_on_demand() {
    let text = chain().report(Shown::AllEdges).unwrap().text;
    for edge in ["one -> two", "two -> one", "two -> three", "three -> two"] {
        assert_eq!(text.matches(edge).count(), 1, "{edge}: {text}");
    }
}

#[test]
fn the_shortest_cycle_of_a_group_is_shown() {
    let sample = Sample::new(&[
        ("lib.rs", "mod one; mod two; mod three;"),
        ("one.rs", "use crate::two::Two; pub struct One;"),
        ("two.rs", "use crate::three::Three; pub struct Two;"),
        ("three.rs", "use crate::{one::One, two::Two}; pub struct Three;"),
    ]);
    let text = sample.report(Shown::OneOfEachGroup).unwrap().text;
    assert!(text.contains("two -> three") && text.contains("three -> two"), "{text}");
    assert_eq!(text.matches(" -> ").count(), 2, "{text}");
}

#[test]
fn separate_groups_are_shown_separately() {
    let sample = Sample::new(&[
        ("lib.rs", "mod one; mod two; mod three; mod four;"),
        ("one.rs", "use crate::two::Two; pub struct One;"),
        ("two.rs", "use crate::{one::One, three::Three}; pub struct Two;"),
        ("three.rs", "use crate::four::Four; pub struct Three;"),
        ("four.rs", "use crate::three::Three; pub struct Four;"),
    ]);
    let text = sample.report(Shown::OneOfEachGroup).unwrap().text;
    assert_eq!(text.matches("sample: modules import each other in a cycle:").count(), 2, "{text}");
    assert!(!text.contains("two -> three"), "{text}");
}

#[test]
fn the_library_and_the_program_of_a_package_are_checked() {
    for root in ["lib.rs", "main.rs"] {
        let other = if root == "lib.rs" { "main.rs" } else { "lib.rs" };
        let sample = Sample::new(&[
            (other, "mod sound;"),
            ("sound.rs", ""),
            (root, "mod one; mod two;"),
            ("one.rs", "use crate::two::Two; pub struct One;"),
            ("two.rs", "use crate::one::One; pub struct Two;"),
        ]);
        assert!(sample.report(Shown::OneOfEachGroup).unwrap().has_cycle, "{root}");
    }
}
