//! The table of counts, `benches/counts.toml`: written and read here only, one path a line.

use std::fmt::Write as _;
use std::path::Path;

/// What one operation of a path costs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Which compiler made the program that was counted.
    pub(crate) compiler: String,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Empty if there is no file.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                Self::parse(&text).map_err(|line| format!("{}: not understood: {line}", file.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("{}: {error}", file.display())),
        }
    }

    /// An error is the line that is not understood.
    fn parse(text: &str) -> Result<Self, &str> {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
            let (key, value) = line.split_once(" = ").ok_or(line)?;
            if key == "compiler" {
                table.compiler = value.trim_matches('"').to_owned();
                continue;
            }
            let fields = value.strip_prefix("{ instructions = ").and_then(|rest| rest.strip_suffix(" }"));
            let (instructions, allocations) =
                fields.and_then(|fields| fields.split_once(", allocations = ")).ok_or(line)?;
            let number = |text: &str| text.parse::<f64>().map_err(|_| line);
            let (instructions, allocations) = (number(instructions)?, number(allocations)?);
            table.rows.push(Row { name: key.to_owned(), instructions, allocations });
        }
        Ok(table)
    }

    pub(crate) fn write(&self, file: &Path) -> Result<(), String> {
        std::fs::write(file, self.text()).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# Instructions and allocations of one operation of each hot path, written by `benches/count --bless`.\n\
             # Instructions are those of our own program, release build, without the C library; they depend on the compiler.\n\
             compiler = \"{}\"\n\n[paths]\n",
            self.compiler
        );
        for Row { name, instructions, allocations } in &self.rows {
            let _ = writeln!(
                text,
                "{name} = {{ instructions = {instructions:.0}, allocations = {allocations:.2} }}"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let row = Row { name: "echo".to_owned(), instructions: 4711.0, allocations: 8.25 };
        let table = Table { compiler: "rustc 1.0 any".to_owned(), rows: vec![row] };
        let read = Table::parse(&table.text()).map_err(str::to_owned).expect("is understood");
        assert_eq!((read.compiler, read.rows), (table.compiler, table.rows));
        assert!(Table::parse("echo = 12").is_err());
    }
}
