//! The page errors.md lists every variant of every public error.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::{Item, ItemEnum, Type, Visibility};

const CRATES: [&str; 3] = ["anchovy", "anchovy-dbus", "anchovy-wayland"];

/// Enums that are the reason inside an error, and do not implement `Error` themselves.
const REASONS: [&str; 4] = ["KeptLimit", "LockRefusal", "Truncation", "WireErrorKind"];

/// The variants of each error, by the name of its crate and of its type.
type Errors = BTreeMap<(String, String), Vec<String>>;

#[test]
fn the_page_lists_every_variant_of_every_public_error() {
    let page = errors_of_the_page(&fs::read_to_string("errors.md").unwrap());
    let sources: Errors = CRATES.into_iter().flat_map(errors_of_the_crate).collect();
    for error in &sources {
        let ((name, enumeration), variants) = error;
        let listed = page.get(error.0);
        assert_eq!(listed, Some(variants), "errors.md: {enumeration} of {name}");
    }
    let additional: Vec<_> = page.keys().filter(|error| !sources.contains_key(error)).collect();
    assert!(additional.is_empty(), "errors.md lists enums that do not exist: {additional:?}");
    assert!(sources.len() > 30, "only {} enums were found in the sources", sources.len());
}

/// Returns the enums of the tables. A heading of the second level names the crate, and one of the third
/// level the type.
fn errors_of_the_page(text: &str) -> Errors {
    let (mut name, mut enumeration) = ("", "");
    let mut errors = Errors::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            name = heading;
        } else if let Some(heading) = line.strip_prefix("### ") {
            enumeration = heading.trim_matches('`');
        } else if let Some((variant, _)) =
            line.strip_prefix("| `").and_then(|row| row.split_once('`'))
        {
            let error = (name.to_owned(), enumeration.to_owned());
            errors.entry(error).or_default().push(variant.to_owned());
        }
    }
    errors
}

/// Returns the public enums of a crate that implement `Error`, and the `REASONS`.
fn errors_of_the_crate(name: &str) -> Errors {
    let mut enums: Vec<(String, ItemEnum)> = Vec::new();
    let mut implementors = BTreeSet::new();
    let root = Path::new("..").join(name).join("src");
    visit(&root, &mut |path| {
        // The two modules of the crate anchovy whose items are not re-exported.
        let module = path.strip_prefix(&root).unwrap().iter().next().unwrap().to_str().unwrap();
        let prefix = match (name, module) {
            ("anchovy", "codec" | "exchange") => format!("{module}::"),
            _ => String::new(),
        };
        let file = syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap();
        for item in file.items {
            match item {
                Item::Enum(item) if matches!(item.vis, Visibility::Public(_)) => {
                    enums.push((format!("{prefix}{}", item.ident), item));
                }
                Item::Impl(item) => {
                    let is_error = item.trait_.as_ref().is_some_and(|(path, _)| {
                        path.segments.last().is_some_and(|last| last.ident == "Error")
                    });
                    if let (true, Type::Path(this)) = (is_error, &*item.self_ty) {
                        let this = &this.path.segments.last().unwrap().ident;
                        implementors.insert(format!("{prefix}{this}"));
                    }
                }
                _ => {}
            }
        }
    });
    enums.retain(|(enumeration, _)| {
        implementors.contains(enumeration) || REASONS.contains(&&**enumeration)
    });
    let variants =
        |item: &ItemEnum| item.variants.iter().map(|one| one.ident.to_string()).collect();
    let named = |(enumeration, item)| ((name.to_owned(), enumeration), variants(&item));
    enums.into_iter().map(named).collect()
}

/// Calls a function with each source file in a directory, except tests.
fn visit(directory: &Path, file: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, file);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            file(&path);
        }
    }
}
