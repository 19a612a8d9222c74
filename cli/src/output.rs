//! Data on stdout, in the form that was asked for.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde_json::Value;
use std::io::{self, Write};

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
    /// Nothing.
    None,
}

/// Writes to stdout. Whoever read it and went away, as `head` does, has had enough: the program ends well.
pub fn print(text: impl std::fmt::Display) {
    let mut out = io::stdout().lock();
    if write!(out, "{text}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn line(text: impl std::fmt::Display) {
    print(format_args!("{text}\n"));
}

/// Prints one object; `text` is what people see of it.
pub fn object(form: Form, value: &Value, text: impl FnOnce() -> String) {
    match form {
        Form::Text => line(text()),
        Form::Json | Form::Jsonl => line(value),
        Form::None => {}
    }
}

/// A column of a list: its heading, and its text for an item.
pub type Column<'a> = (&'a str, fn(&Value) -> String);

/// Prints a list; people see a table.
pub fn list(form: Form, items: &[Value], columns: &[Column]) {
    match form {
        Form::Text => line(table(items, columns)),
        Form::Json => line(Value::Array(items.to_vec())),
        Form::Jsonl => items.iter().for_each(line),
        Form::None => {}
    }
}

/// A list as people see it.
pub fn table(items: &[Value], columns: &[Column]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|(heading, _)| *heading));
    for item in items {
        table.add_row(columns.iter().map(|(_, cell)| cell(item)));
    }
    table.trim_fmt()
}

/// The text of a field, without the quotes of JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
