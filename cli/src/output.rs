//! Data on stdout, in the form that was asked for.

use comfy_table::{ContentArrangement, Table, presets::NOTHING};
use serde_json::Value;

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

/// Prints one object; `text` is what people see of it.
pub fn object(form: Form, value: &Value, text: impl FnOnce() -> String) {
    match form {
        Form::Text => println!("{}", text()),
        Form::Json | Form::Jsonl => println!("{value}"),
        Form::None => {}
    }
}

/// A column of a list: its heading, and its text for an item.
pub type Column<'a> = (&'a str, fn(&Value) -> String);

/// Prints a list; people see a table.
pub fn list(form: Form, items: &[Value], columns: &[Column]) {
    match form {
        Form::Text => {
            let mut table = Table::new();
            table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
            table.set_header(columns.iter().map(|(heading, _)| *heading));
            for item in items {
                table.add_row(columns.iter().map(|(_, cell)| cell(item)));
            }
            println!("{}", table.trim_fmt());
        }
        Form::Json => println!("{}", Value::Array(items.to_vec())),
        Form::Jsonl => items.iter().for_each(|item| println!("{item}")),
        Form::None => {}
    }
}

/// The text of a field, without the quotes of JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
