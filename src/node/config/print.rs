//! `print-config`: the configuration as a TOML file in which every option stands with its meaning, default and variables.

use serde_json::{Map, Value};

use super::schema::{self, Shape, description, present, shape};
use super::sources::dotted;

const WIDTH: usize = 110;
const HEAD: &str = "\
The configuration of actix-socketio: every option, with its meaning, its default and the environment variables that set it. \
What is not set has # before it.

A flag wins over the environment, the environment over the file. In the environment lists have commas and a time without unit \
is in seconds; the variable of a secret has the secret itself or, with _FILE at the end of its name, the file that it is in.";

/// Writes a configuration (as JSON) that has this schema.
pub(super) fn print(root: &Value, config: &Value) -> String {
    let mut page = Page { text: String::new() };
    page.comment(HEAD);
    if let Shape::Table(sections) = shape(root) {
        for (key, schema) in sections {
            page.section(std::slice::from_ref(key), schema, config.get(key), true);
        }
    }
    page.text
}

struct Page {
    text: String,
}

impl Page {
    fn comment(&mut self, text: &str) {
        for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.is_empty()) {
            let mut line = String::from("#");
            for word in paragraph.split_whitespace() {
                if line.len() + word.len() >= WIDTH {
                    self.text.push_str(&line);
                    self.text.push('\n');
                    line.truncate(1);
                }
                line.push(' ');
                line.push_str(word);
            }
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }

    fn line(&mut self, is_set: bool, line: &str) {
        self.text.push_str(if is_set { "" } else { "#" });
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, schema: &Value, is_set: bool, line: &str) {
        self.text.push('\n');
        self.comment(description(schema));
        self.line(is_set, line);
    }

    /// A table, a list of tables, or tables with keys of the user's. `env`: whether the environment can set what is in it.
    fn section(&mut self, path: &[String], schema: &Value, value: Option<&Value>, env: bool) {
        let value = value.filter(|value| !value.is_null());
        let name = dotted(path);
        match shape(schema) {
            Shape::Table(known) => {
                self.heading(schema, value.is_some(), &format!("[{name}]"));
                self.content(path, known, value, env);
            }
            Shape::List(item) => {
                let items = value.and_then(Value::as_array).filter(|items| !items.is_empty());
                let of_item = if description(schema).is_empty() { item } else { schema };
                let Shape::Table(known) = shape(item) else { return };
                for value in items.map_or(vec![None], |items| items.iter().map(Some).collect()) {
                    self.heading(of_item, value.is_some(), &format!("[[{name}]]"));
                    self.content(path, known, value, false);
                }
            }
            Shape::Keyed(item) => {
                let entries = value.and_then(Value::as_object).filter(|entries| !entries.is_empty());
                let example = schema.get("x-key").and_then(Value::as_str).unwrap_or("name");
                let of_item = if description(schema).is_empty() { item } else { schema };
                let Shape::Table(known) = shape(item) else { return };
                let entries = entries.map_or(vec![(example, None)], |entries| {
                    entries.iter().map(|(key, value)| (key.as_str(), Some(value))).collect()
                });
                for (key, value) in entries {
                    let path = [path, &[key.to_owned()]].concat();
                    self.heading(of_item, value.is_some(), &format!("[{}]", dotted(&path)));
                    self.content(&path, known, value, false);
                }
            }
            Shape::Value => {}
        }
    }

    /// What is in a table: simple values first, as TOML wants it.
    fn content(&mut self, path: &[String], known: &Map<String, Value>, value: Option<&Value>, env: bool) {
        let (tables, values): (Vec<_>, Vec<_>) = known.iter().partition(|(_, schema)| is_section(schema));
        let inside = |key: &String| {
            (value.and_then(|value| value.get(key)), [path, std::slice::from_ref(key)].concat())
        };
        for (key, schema) in values {
            let (value, path) = inside(key);
            self.option(&path, schema, value, env);
        }
        for (key, schema) in tables {
            let (value, path) = inside(key);
            self.section(&path, schema, value, env);
        }
    }

    fn option(&mut self, path: &[String], schema: &Value, value: Option<&Value>, env: bool) {
        let Some(key) = path.last() else { return };
        let default = schema.get("default");
        let value = value.filter(|value| !value.is_null());
        self.text.push('\n');
        self.comment(description(schema));
        let mut facts = match default.filter(|default| !default.is_null()) {
            Some(default) => format!("Default: {}.", toml(default)),
            None if default.is_none() && present(schema) == schema => "Required.".to_owned(),
            None => "Not set by default.".to_owned(),
        };
        if env {
            facts.push_str(&format!(" Environment: {}.", schema::variables(path, schema).join(", ")));
        }
        self.comment(&facts);
        let default = default.filter(|default| !default.is_null()).cloned();
        let shown = value.cloned().or(default).unwrap_or_else(|| example(schema));
        self.line(value.is_some(), &format!("{} = {}", dotted(std::slice::from_ref(key)), toml(&shown)));
    }
}

fn is_section(schema: &Value) -> bool {
    match shape(schema) {
        Shape::Table(_) => true,
        Shape::Keyed(item) | Shape::List(item) => matches!(shape(item), Shape::Table(_)),
        Shape::Value => false,
    }
}

/// What may stand there: the example that is given, or nothing of the right type.
fn example(schema: &Value) -> Value {
    let examples = |schema: &Value| schema.get("examples").and_then(|examples| examples.get(0)).cloned();
    if let Some(example) = examples(schema).or_else(|| examples(present(schema))) {
        return example;
    }
    let kind = present(schema).get("type");
    let is = |name: &str| match kind {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        Some(kind) => kind == name,
        None => false,
    };
    match shape(schema) {
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Table(_) | Shape::Keyed(_) => Value::Object(Map::new()),
        Shape::Value if is("boolean") => false.into(),
        Shape::Value if is("integer") || is("number") => 1.into(),
        Shape::Value => "".into(),
    }
}

/// A value as TOML writes it in one line.
fn toml(value: &Value) -> String {
    match value {
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let entries = entries
                .map(|(key, value)| format!("{} = {}", dotted(std::slice::from_ref(key)), toml(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
