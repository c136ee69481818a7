//! Where values come from: a file, the environment over it, flags over both. Remembers the place of each.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::Value as Schema;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::period;
use super::problem::Problem;
use super::schema::{self, EnvOption};

/// Values that were merged, each with its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    file: Option<PathBuf>,
    pub(super) table: Table,
    places: BTreeMap<Vec<String>, Place>,
}

#[derive(Clone, Debug)]
enum Place {
    File { line: usize, column: usize },
    Variable(String),
    Flag(&'static str),
}

/// What the command line says about one option.
#[derive(Clone, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    /// Section and key.
    pub(crate) path: [&'static str; 2],
    pub(crate) value: Value,
}

impl Sources {
    /// Reads the file, if there is one.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, Problem> {
        let Some(file) = file else { return Ok(Self::default()) };
        let place = file.display().to_string();
        let text =
            std::fs::read_to_string(file).map_err(|error| Problem { place, message: error.to_string() })?;
        Self::parse(file, &text)
    }

    /// Takes the text of a file.
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, Problem> {
        let refused = |error: &toml::de::Error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            Problem {
                place: format!("{}:{line}:{column}", file.display()),
                message: error.message().replace('\n', ", "),
            }
        };
        let spans = DeTable::parse(text).map_err(|error| refused(&error))?;
        let table = text.parse::<Table>().map_err(|error| refused(&error))?;
        let mut places = BTreeMap::new();
        note(text, &mut Vec::new(), spans.get_ref(), &mut places);
        Ok(Self { file: Some(file.to_owned()), table, places })
    }

    /// Lays the environment over it. A variable that is empty is as good as none.
    pub(super) fn add_environment(&mut self, root: &Schema, variable: &dyn Fn(&str) -> Option<String>) {
        let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        for EnvOption { path, variables, schema } in schema::options(root) {
            // The short name first: that of the section wins.
            for name in variables.into_iter().rev() {
                if let Some(text) = variable(&name) {
                    let value = if schema::is_secret(schema) {
                        Value::Table(Table::from_iter([("env".to_owned(), Value::String(name.clone()))]))
                    } else {
                        from_text(schema, &text)
                    };
                    self.set(&path, value, Place::Variable(name));
                } else if schema::is_secret(schema) {
                    let name = format!("{name}_FILE");
                    if let Some(file) = variable(&name) {
                        let file = Table::from_iter([("file".to_owned(), Value::String(file))]);
                        self.set(&path, Value::Table(file), Place::Variable(name));
                    }
                }
            }
        }
    }

    /// Lays flags over it.
    pub(super) fn add_flags(&mut self, flags: &[Flag]) {
        for flag in flags {
            let path = flag.path.map(str::to_owned);
            self.set(&path, flag.value.clone(), Place::Flag(flag.name));
        }
    }

    fn set(&mut self, path: &[String], value: Value, place: Place) {
        let Some((key, parents)) = path.split_last() else { return };
        let mut table = &mut self.table;
        for parent in parents {
            let entry = table.entry(parent).or_insert_with(|| Value::Table(Table::new()));
            // What is no table is told when the file is looked at; this value must not hide it.
            let Value::Table(inner) = entry else { return };
            table = inner;
        }
        table.insert(key.clone(), value);
        self.places.retain(|known, _| !known.starts_with(path));
        self.places.insert(path.to_vec(), place);
    }

    /// Takes a value out, so that what else is wrong can be found. False if it is not there.
    pub(super) fn remove(&mut self, path: &[String]) -> bool {
        let Some((key, parents)) = path.split_last() else { return false };
        let mut table = &mut self.table;
        for parent in parents {
            let Some(Value::Table(inner)) = table.get_mut(parent) else { return false };
            table = inner;
        }
        table.remove(key).is_some()
    }

    /// Something is wrong at a path, or at what is around it.
    pub(super) fn problem(&self, path: &[String], message: impl fmt::Display) -> Problem {
        let known = (0..=path.len()).rev().find_map(|length| self.places.get(&path[..length]));
        let file = self.file.as_ref().map(|file| file.display().to_string());
        let place = match known {
            Some(Place::File { line, column }) => format!("{}:{line}:{column}", file.unwrap_or_default()),
            Some(Place::Variable(name)) => name.clone(),
            Some(Place::Flag(name)) => (*name).to_owned(),
            None => file.unwrap_or_default(),
        };
        let message =
            if path.is_empty() { message.to_string() } else { format!("{}: {message}", dotted(path)) };
        Problem { place, message }
    }

    /// Whether nothing is configured but by flags and the environment, in these sections.
    pub(crate) fn is_bare(&self, sections: &[&str]) -> bool {
        self.file.is_none() && self.table.keys().all(|section| sections.contains(&&**section))
    }
}

/// Remembers where each value of a file stands.
fn note(text: &str, path: &mut Vec<String>, table: &DeTable<'_>, places: &mut BTreeMap<Vec<String>, Place>) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        note_value(text, path, key.span().start, value, places);
        path.pop();
    }
}

fn note_value(
    text: &str,
    path: &mut Vec<String>,
    start: usize,
    value: &Spanned<DeValue<'_>>,
    places: &mut BTreeMap<Vec<String>, Place>,
) {
    let (line, column) = position(text, start);
    places.insert(path.clone(), Place::File { line, column });
    match value.get_ref() {
        DeValue::Table(inner) => note(text, path, inner, places),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                note_value(text, path, item.span().start, item, places);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Line and column, from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
    (line, column)
}

/// A path as TOML writes it.
pub(super) fn dotted(path: &[String]) -> String {
    let is_bare = |key: &str| {
        !key.is_empty() && key.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
    };
    let keys = path
        .iter()
        .map(|key| if is_bare(key) { key.clone() } else { Value::String(key.clone()).to_string() });
    keys.collect::<Vec<_>>().join(".")
}

/// The value that a variable means: a list has commas, what is no text is TOML, a time without unit is in seconds.
fn from_text(schema: &Schema, text: &str) -> Value {
    let toml = || {
        let mut table = format!("value = {text}").parse::<Table>().ok()?;
        table.remove("value")
    };
    let text = text.trim();
    if schema::is_text(schema) {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_period = schema::format(schema) == Some(period::FORMAT);
        return Value::String(if is_number && is_period { format!("{text}s") } else { text.to_owned() });
    }
    if matches!(schema::shape(schema), schema::Shape::List(_)) && !text.starts_with('[') {
        return text.split(',').map(|item| Value::String(item.trim().to_owned())).collect::<Vec<_>>().into();
    }
    toml().unwrap_or_else(|| Value::String(text.to_owned()))
}
