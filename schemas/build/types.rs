//! Writes a struct per record and an enum per Avro enum.

use gate::model::{Enum, Field, Record, Type};
use serde_json::Value;
use std::{collections::BTreeSet, fmt::Write};

/// Rust types of one context; a type that several schemas define is written once.
#[derive(Default)]
pub struct Types {
    /// The Rust code.
    pub code: String,
    seen: BTreeSet<String>,
}

impl Types {
    /// Writes the struct and what it is made of.
    pub fn record(&mut self, record: &Record) {
        let Record { name, doc, fields } = record;
        if !self.seen.insert(name.clone()) {
            return;
        }
        let fields: String = fields.iter().map(|field| self.field(name, field)).collect();
        let _ = writeln!(
            self.code,
            "#[doc = {doc:?}]
            #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
            pub struct {name} {{ {fields} }}"
        );
    }

    fn field(&mut self, record: &str, field: &Field) -> String {
        let rust = self.rust(&field.ty);
        let mut serde: Vec<String> = field.aliases.iter().map(|alias| format!("alias = {alias:?}")).collect();
        if let Some(default) = &field.default {
            let function = format!("default_{record}_{}", field.name).to_lowercase();
            let _ = writeln!(self.code, "fn {function}() -> {rust} {{ {} }}", literal(&field.ty, default));
            serde.push(format!("default = {function:?}"));
        }
        if *field.ty.inner() == Type::Bytes {
            serde.push("with = \"::serde_bytes\"".into());
        }
        let serde = if serde.is_empty() { String::new() } else { format!("#[serde({})]", serde.join(", ")) };
        format!("#[doc = {:?}] {serde} pub {}: {rust},\n", field.doc, ident(&field.name))
    }

    fn rust(&mut self, ty: &Type) -> String {
        match ty {
            Type::Boolean => "bool".into(),
            Type::Int(_) => "i32".into(),
            Type::Long(_) | Type::Time => "i64".into(),
            Type::Double(_) => "f64".into(),
            Type::Text(_) => "String".into(),
            Type::Bytes => "Vec<u8>".into(),
            Type::Uuid => "::uuid::Uuid".into(),
            Type::Array(items) => format!("Vec<{}>", self.rust(items)),
            Type::Optional(inner) => format!("Option<{}>", self.rust(inner)),
            Type::Record(record) => {
                self.record(record);
                record.name.clone()
            }
            Type::Enum(symbols) => {
                self.symbols(symbols);
                symbols.name.clone()
            }
        }
    }

    fn symbols(&mut self, ty: &Enum) {
        let Enum { name, doc, symbols, default } = ty;
        if !self.seen.insert(name.clone()) {
            return;
        }
        let each = |write: &dyn Fn(&str) -> String| symbols.iter().map(|symbol| write(symbol)).collect::<String>();
        let is_default = |symbol: &str| default.as_deref() == Some(symbol);
        let variants = each(&|symbol| {
            let default = if is_default(symbol) { "#[default]" } else { "" };
            format!("#[doc = \"`{symbol}`\"] {default} #[serde(rename = {symbol:?})] {},\n", camel(symbol))
        });
        let _ = writeln!(
            self.code,
            "#[doc = {doc:?}]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, {derive_default} ::serde::Serialize)]
            pub enum {name} {{ {variants} }}
            impl {name} {{
                /// Every symbol, in order.
                pub const SYMBOLS: &'static [&'static str] = &{symbols:?};
                /// Its symbol.
                pub const fn symbol(self) -> &'static str {{ match self {{ {to} }} }}
                /// What the symbol means; `None` if this program does not know it.
                pub fn of(symbol: &str) -> Option<Self> {{ match symbol {{ {of} _ => None }} }}
            }}
            impl<'de> ::serde::Deserialize<'de> for {name} {{
                fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {{
                    crate::symbol::read(from, {name:?}, Self::SYMBOLS, Self::of, {otherwise})
                }}
            }}",
            derive_default = if default.is_some() { "Default," } else { "" },
            to = each(&|symbol| format!("Self::{} => {symbol:?},\n", camel(symbol))),
            of = each(&|symbol| format!("{symbol:?} => Some(Self::{}),\n", camel(symbol))),
            otherwise = default.as_ref().map_or("None".into(), |symbol| format!("Some(Self::{})", camel(symbol))),
        );
    }
}

fn literal(ty: &Type, default: &Value) -> String {
    match (ty, default) {
        (Type::Enum(symbols), Value::String(symbol)) => format!("{}::{}", symbols.name, camel(symbol)),
        (_, Value::String(text)) => format!("{text:?}.to_owned()"),
        (Type::Double(_), number) => format!("{number}_f64"),
        (Type::Array(_), _) => "Vec::new()".into(),
        (Type::Optional(_), _) => "None".into(),
        (_, plain) => plain.to_string(),
    }
}

/// A field may be called as a word of Rust.
fn ident(name: &str) -> String {
    const WORDS: &[&str] = &[
        "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum", "extern",
        "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut",
        "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe",
        "unsized", "use", "virtual", "where", "while", "yield",
    ];
    if WORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

/// `job_event` as `JobEvent`.
pub fn camel(word: &str) -> String {
    let upper = |part: &str| {
        let mut letters = part.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    word.split('_').map(upper).collect()
}
