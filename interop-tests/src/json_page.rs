//! Pages that document JSON objects in tables, and a check of objects against them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// The beginning of the type of a field that can be absent.
const OPTIONAL: &str = "optional ";

/// A page with a table of fields for all objects, and one for each section.
///
/// A row of a table is `` | `name` | type | value | ``. The type of a field that can be absent begins
/// with "optional".
/// The types of a field are separated by "or".
#[derive(Debug)]
pub struct JsonPage {
    common: Fields,
    sections: BTreeMap<String, Fields>,
}

/// The type of each field.
type Fields = BTreeMap<String, String>;

impl JsonPage {
    /// Reads a page.
    ///
    /// # Panics
    ///
    /// Panics if the page has no table before its first section.
    pub fn parse(page: &str) -> JsonPage {
        let mut parsed = JsonPage { common: Fields::new(), sections: BTreeMap::new() };
        let mut section = None;
        for line in page.lines() {
            if let Some(name) = line.strip_prefix("## ") {
                section = Some(name.to_owned());
                parsed.sections.insert(name.to_owned(), Fields::new());
            }
            let Some(cells) = line.strip_prefix("| `") else { continue };
            let cells: Vec<_> = cells.splitn(4, " | ").collect();
            let field = cells[0].trim_end_matches('`').to_owned();
            let fields = match &section {
                Some(name) => parsed.sections.get_mut(name).expect("it was inserted"),
                None => &mut parsed.common,
            };
            fields.insert(field, cells[1].to_owned());
        }
        assert!(!parsed.common.is_empty(), "a table before the first section");
        parsed
    }

    /// Returns the names of the sections.
    pub fn sections(&self) -> BTreeSet<&str> {
        self.sections.keys().map(String::as_str).collect()
    }

    /// Checks an object. It must have all fields of a section, except optional ones, and no others.
    ///
    /// # Panics
    ///
    /// Panics with the first difference.
    pub fn check(&self, section: &str, object: &Map<String, Value>) {
        let Some(own) = self.sections.get(section) else { panic!("there is no section {section}") };
        let documented: Fields = self
            .common
            .iter()
            .chain(own)
            .map(|(name, kind)| (name.clone(), kind.clone()))
            .collect();
        for (field, kind) in &documented {
            match object.get(field) {
                Some(value) => {
                    let mut types = kind.trim_start_matches(OPTIONAL).split(" or ");
                    assert!(types.any(|kind| kind == type_of(value)), "{field} of {object:?}");
                }
                None => assert!(kind.starts_with(OPTIONAL), "{section} has no {field}: {object:?}"),
            }
        }
        for field in object.keys() {
            assert!(documented.contains_key(field), "{field} is not documented: {object:?}");
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
