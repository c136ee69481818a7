//! What the configuration's types say about themselves: the keys, their meaning and their defaults.
//!
//! The JSON schema comes from the doc comments and the types of the sections; unknown keys, environment variables and the printed
//! configuration all follow it, so that none of them can forget an option.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Config;
use super::secret;

const PREFIX: &str = "SOCKETIO";

/// What may stand somewhere.
pub(super) enum Shape<'a> {
    /// A table with these keys.
    Table(&'a Map<String, Value>),
    /// A table whose keys are the user's.
    Keyed(&'a Value),
    List(&'a Value),
    /// Anything else.
    Value,
}

/// An option outside of lists and of tables with keys of the user's: the environment can set it.
pub(super) struct EnvOption<'a> {
    pub(super) path: Vec<String>,
    pub(super) variables: Vec<String>,
    pub(super) schema: &'a Value,
}

/// The schema of the whole configuration, without references.
pub(super) fn root() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// The schema without the choice of leaving it out.
pub(super) fn present(schema: &Value) -> &Value {
    let is_null = |schema: &&Value| schema.get("type").is_some_and(|kind| kind == "null");
    match schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([one, other]) if is_null(&other) => one,
        _ => schema,
    }
}

pub(super) fn shape(schema: &Value) -> Shape<'_> {
    let schema = present(schema);
    if let Some(Value::Object(properties)) = schema.get("properties") {
        Shape::Table(properties)
    } else if let Some(values @ Value::Object(_)) = schema.get("additionalProperties") {
        Shape::Keyed(values)
    } else if let Some(items) = schema.get("items") {
        Shape::List(items)
    } else {
        Shape::Value
    }
}

/// What is said about it, here or where its type is.
pub(super) fn description(schema: &Value) -> &str {
    let of = |schema: &'_ Value| schema.get("description").is_some();
    let schema = if of(schema) { schema } else { present(schema) };
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn is_secret(schema: &Value) -> bool {
    format(schema) == Some(secret::FORMAT)
}

pub(super) fn format(schema: &Value) -> Option<&str> {
    present(schema).get("format").and_then(Value::as_str)
}

/// Whether a text may stand there.
pub(super) fn is_text(schema: &Value) -> bool {
    let schema = present(schema);
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => schema.get("oneOf").is_some() || schema.get("enum").is_some(),
    }
}

/// The environment variables of an option: the one that every option has, and one that it may have beside it.
pub(super) fn variables(path: &[String], schema: &Value) -> Vec<String> {
    let path = path.join("_").to_uppercase().replace('-', "_");
    let short = schema.get("x-env").and_then(Value::as_str).map(str::to_owned);
    std::iter::once(format!("{PREFIX}_{path}")).chain(short).collect()
}

/// All options that the environment can set.
pub(super) fn options(root: &Value) -> Vec<EnvOption<'_>> {
    let mut options = Vec::new();
    collect(&mut Vec::new(), root, &mut options);
    options
}

fn collect<'a>(path: &mut Vec<String>, schema: &'a Value, into: &mut Vec<EnvOption<'a>>) {
    if let Shape::Table(properties) = shape(schema) {
        for (key, schema) in properties {
            path.push(key.clone());
            collect(path, schema, into);
            path.pop();
        }
    } else {
        let variables = variables(path, schema);
        into.push(EnvOption { path: path.clone(), variables, schema });
    }
}
