//! Keys that no option has: found all at once, each with the one that was probably meant.

use serde_json::{Map, Value as Schema};
use toml::{Table, Value};

use super::problem::Problem;
use super::schema::{Shape, present, shape};
use super::sources::{Sources, dotted};

/// Keys less alike than that are not proposed.
const ALIKE: f64 = 0.6;

/// Takes the unknown keys out and tells them.
pub(super) fn check(root: &Schema, sources: &mut Sources) -> Vec<Problem> {
    let mut unknown = Vec::new();
    find_in_table(root, root, &mut Vec::new(), &sources.table, &mut unknown);
    let mut problems = Vec::new();
    for (path, message) in unknown {
        let mut problem = sources.problem(&path, "");
        problem.message = message;
        problems.push(problem);
        sources.remove(&path);
    }
    problems
}

type Unknown = Vec<(Vec<String>, String)>;

fn find_in_table(
    root: &Schema,
    schema: &Schema,
    path: &mut Vec<String>,
    table: &Table,
    unknown: &mut Unknown,
) {
    for (key, value) in table {
        path.push(key.clone());
        match shape(schema) {
            Shape::Table(known) => match known.get(key) {
                Some(schema) => find(root, schema, path, value, unknown),
                None => unknown.push((path.clone(), complaint(root, known, path))),
            },
            Shape::Keyed(schema) => find(root, schema, path, value, unknown),
            Shape::List(_) | Shape::Value => {}
        }
        path.pop();
    }
}

fn find(root: &Schema, schema: &Schema, path: &mut Vec<String>, value: &Value, unknown: &mut Unknown) {
    match value {
        Value::Table(table) => find_in_table(root, schema, path, table, unknown),
        Value::Array(items) => {
            let Shape::List(schema) = shape(schema) else { return };
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                find(root, schema, path, item, unknown);
                path.pop();
            }
        }
        _ => {}
    }
}

fn complaint(root: &Schema, known: &Map<String, Schema>, path: &[String]) -> String {
    let Some((key, parents)) = path.split_last() else { return String::new() };
    let mut complaint = if parents.is_empty() {
        format!("unknown key {key:?}")
    } else {
        format!("unknown key {key:?} in [{}]", dotted(parents))
    };
    if let Some(nearest) = nearest(key, known.keys()) {
        complaint.push_str(&format!("; did you mean {nearest:?}?"));
    } else if let Some(section) = section_with(root, key) {
        complaint.push_str(&format!("; {key:?} belongs into [{section}]"));
    }
    complaint
}

/// What is wrong with a value, with the word that was probably meant if it is one of a few.
pub(super) fn with_nearest(root: &Schema, path: &[String], complaint: &str) -> String {
    let words = path.iter().try_fold(root, |schema, key| match shape(schema) {
        Shape::Table(known) => known.get(key),
        Shape::Keyed(schema) | Shape::List(schema) => Some(schema),
        Shape::Value => None,
    });
    let words = words.and_then(|schema| present(schema).get("enum")).and_then(Schema::as_array);
    let words: Vec<_> = words.into_iter().flatten().filter_map(Schema::as_str).map(str::to_owned).collect();
    let given = complaint.split('`').nth(1).unwrap_or_default();
    match nearest(given, words.iter()) {
        Some(nearest) => format!("{complaint}; did you mean {nearest:?}?"),
        None => complaint.to_owned(),
    }
}

/// The name that is most like a text.
pub(super) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    names
        .map(|name| (strsim::normalized_damerau_levenshtein(&plain(text), &plain(name)), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name.as_str())
}

/// A section that has the key.
fn section_with<'a>(root: &'a Schema, key: &str) -> Option<&'a str> {
    let Shape::Table(sections) = shape(root) else { return None };
    let has_key = |schema: &Schema| matches!(shape(schema), Shape::Table(known) if known.contains_key(key));
    sections.iter().find(|(_, schema)| has_key(schema)).map(|(section, _)| section.as_str())
}
