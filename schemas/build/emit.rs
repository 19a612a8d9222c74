//! Writes Rust: a struct per record, an enum per Avro enum, an enum per aggregate for its commands and its events,
//! and the schema table.

use crate::model::Schema;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// The whole generated file.
pub fn file(schemas: &[Schema]) -> String {
    let mut out = String::new();
    let contexts: BTreeSet<&str> = schemas.iter().map(|s| s.context.as_str()).collect();
    for context in contexts {
        let members: Vec<&Schema> = schemas.iter().filter(|s| s.context == context).collect();
        let _ = writeln!(out, "/// Types of the namespace `{context}`.\npub mod {context} {{");
        let mut types = Types::default();
        for schema in &members {
            types.record(&schema.json);
            message(&mut types.code, schema);
        }
        out.push_str(&types.code);
        sums(&mut out, &members);
        out.push_str("}\n");
    }
    table(&mut out, schemas);
    out
}

/// Rust types of one namespace; a type that several schemas define is written once.
#[derive(Default)]
struct Types {
    code: String,
    seen: BTreeSet<String>,
}

impl Types {
    fn record(&mut self, json: &Value) -> String {
        let name = text(json, "name").to_owned();
        if !self.seen.insert(name.clone()) {
            return name;
        }
        let mut fields = String::new();
        for field in json["fields"].as_array().into_iter().flatten() {
            let rust = self.rust_type(&field["type"]);
            let _ = writeln!(fields, "/// {}", text(field, "doc"));
            for alias in field["aliases"].as_array().into_iter().flatten() {
                let _ = writeln!(fields, "#[serde(alias = {alias})]");
            }
            if let Some(default) = field.get("default") {
                let function = format!("default_{}_{}", name, text(field, "name")).to_lowercase();
                let _ = writeln!(self.code, "fn {function}() -> {rust} {{ {} }}", literal(&field["type"], default));
                let _ = writeln!(fields, "#[serde(default = \"{function}\")]");
            }
            let raw = text(field, "name");
            let raw = if matches!(raw, "type") { format!("r#{raw}") } else { raw.to_owned() };
            if json_kind(&field["type"]) == "bytes" {
                fields.push_str("#[serde(with = \"::serde_bytes\")]\n");
            }
            let _ = writeln!(fields, "pub {raw}: {rust},");
        }
        let _ = writeln!(
            self.code,
            "/// {}\n#[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]\npub struct {name} {{\n{fields}}}",
            text(json, "doc")
        );
        name
    }

    fn rust_type(&mut self, json: &Value) -> String {
        match json {
            Value::String(name) => match name.as_str() {
                "string" => "String".into(),
                "long" => "i64".into(),
                "int" => "i32".into(),
                "double" => "f64".into(),
                "boolean" => "bool".into(),
                "bytes" => "Vec<u8>".into(),
                "Uuid" => "::uuid::Uuid".into(),
                other => other.to_owned(),
            },
            Value::Array(branches) => {
                let inner = branches.iter().find(|b| *b != "null").map(|b| self.rust_type(b)).unwrap_or_default();
                format!("Option<{inner}>")
            }
            _ => match text(json, "type") {
                "record" => self.record(json),
                "enum" => self.symbols(json),
                "array" => format!("Vec<{}>", self.rust_type(&json["items"])),
                "fixed" => "::uuid::Uuid".into(),
                primitive => self.rust_type(&Value::String(primitive.to_owned())),
            },
        }
    }

    fn symbols(&mut self, json: &Value) -> String {
        let name = text(json, "name").to_owned();
        if !self.seen.insert(name.clone()) {
            return name;
        }
        let mut variants = String::new();
        for symbol in json["symbols"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let default = if Some(symbol) == json["default"].as_str() { "#[default]\n" } else { "" };
            let _ = writeln!(variants, "/// `{symbol}`\n{default}#[serde(rename = \"{symbol}\")]\n{},", camel(symbol));
        }
        let _ = writeln!(
            self.code,
            "/// {}\n#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, ::serde::Serialize, ::serde::Deserialize)]\npub enum {name} {{\n{variants}}}",
            text(json, "doc")
        );
        name
    }
}

/// `Message` of one record.
fn message(out: &mut String, schema: &Schema) {
    let Schema { id, context, name, kind, .. } = schema;
    if kind == "envelope" {
        return;
    }
    let aggregate_id = schema.id_field.as_ref().map_or("\"\"".to_owned(), |field| format!("&self.{field}"));
    let _ = writeln!(
        out,
        "impl crate::Message for {name} {{
            const TYPES: &'static [&'static str] = &[\"{context}.{name}\"];
            fn name(&self) -> &'static str {{ \"{context}.{name}\" }}
            fn schema_id(&self) -> crate::SchemaId {{ crate::SchemaId({id}) }}
            fn aggregate_id(&self) -> &str {{ {aggregate_id} }}
            fn encode(&self, out: &mut Vec<u8>) -> Result<(), crate::CodecError> {{ crate::codec::encode(crate::SchemaId({id}), self, out) }}
            fn decode(name: &str, wire: &[u8]) -> Result<Self, crate::CodecError> {{ crate::codec::expect(name, Self::TYPES)?; crate::codec::decode(wire) }}
            fn from_json(name: &str, json: ::serde_json::Value) -> Result<Self, crate::CodecError> {{ crate::codec::expect(name, Self::TYPES)?; crate::codec::from_json(json) }}
        }}"
    );
}

/// One enum per aggregate and kind: `JobCommand`, `JobEvent`.
fn sums(out: &mut String, schemas: &[&Schema]) {
    let mut groups: BTreeMap<(String, String, String), Vec<&Schema>> = BTreeMap::new();
    for schema in schemas {
        if let (Some(aggregate), Some(id)) = (&schema.aggregate, &schema.id_field) {
            groups.entry((aggregate.clone(), schema.kind.clone(), id.clone())).or_default().push(schema);
        }
    }
    for ((aggregate, kind, id), members) in groups {
        let name = format!("{}{}", camel(&aggregate), camel(&kind));
        let each = |f: &dyn Fn(&Schema) -> String| members.iter().map(|s| f(s)).collect::<String>();
        let full = |s: &Schema| format!("{}.{}", s.context, s.name);
        let variants = each(&|s| format!("/// {}\n{}({}),\n", text(&s.json, "doc"), s.name, s.name));
        let types = each(&|s| format!("\"{}\",", full(s)));
        let arm = |call: &'static str| each(&|s| format!("Self::{}(m) => m.{call},\n", s.name));
        let decode = |call: &'static str| each(&|s| format!("\"{}\" => {call}.map(Self::{}),\n", full(s), s.name));
        let from = each(&|s| format!("impl From<{0}> for {name} {{ fn from(m: {0}) -> Self {{ Self::{0}(m) }} }}\n", s.name));
        let _ = writeln!(
            out,
            "/// Every {kind} of the aggregate `{aggregate}`.
            #[derive(Debug, Clone, PartialEq)]
            pub enum {name} {{ {variants} }}
            impl {name} {{
                /// Identity of the aggregate.
                pub fn aggregate_id(&self) -> &str {{ match self {{ {ids} }} }}
            }}
            impl crate::Message for {name} {{
                const TYPES: &'static [&'static str] = &[{types}];
                fn name(&self) -> &'static str {{ match self {{ {names} }} }}
                fn schema_id(&self) -> crate::SchemaId {{ match self {{ {schema_ids} }} }}
                fn aggregate_id(&self) -> &str {{ match self {{ {ids} }} }}
                fn encode(&self, out: &mut Vec<u8>) -> Result<(), crate::CodecError> {{ match self {{ {encodes} }} }}
                fn decode(name: &str, wire: &[u8]) -> Result<Self, crate::CodecError> {{ match name {{ {decodes} other => Err(crate::CodecError::unexpected(other, Self::TYPES)) }} }}
                fn from_json(name: &str, json: ::serde_json::Value) -> Result<Self, crate::CodecError> {{ match name {{ {jsons} other => Err(crate::CodecError::unexpected(other, Self::TYPES)) }} }}
            }}
            {from}",
            ids = each(&|s| format!("Self::{}(m) => &m.{id},\n", s.name)),
            names = arm("name()"),
            schema_ids = arm("schema_id()"),
            encodes = arm("encode(out)"),
            decodes = decode("crate::codec::decode(wire)"),
            jsons = decode("crate::codec::from_json(json)"),
        );
    }
}

/// What the program knows of its own schemas without reading a file.
fn table(out: &mut String, schemas: &[Schema]) {
    out.push_str("/// The newest version of every schema, ordered by name.\npub static SCHEMAS: &[crate::SchemaInfo] = &[\n");
    for schema in schemas {
        let quoted = |value: &Option<String>| value.as_ref().map_or("None".into(), |v| format!("Some({v:?})"));
        let _ = writeln!(
            out,
            "crate::SchemaInfo {{ id: crate::SchemaId({}), name: \"{}.{}\", context: {:?}, kind: crate::SchemaKind::{}, aggregate: {}, id_field: {}, json: {:?} }},",
            schema.id,
            schema.context,
            schema.name,
            schema.context,
            camel(&schema.kind),
            quoted(&schema.aggregate),
            quoted(&schema.id_field),
            schema.json.to_string()
        );
    }
    out.push_str("];\n");
}

fn literal(ty: &Value, default: &Value) -> String {
    match default {
        Value::Null => "None".into(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::Array(_) => "Vec::new()".into(),
        Value::String(s) if text(ty, "type") == "enum" => format!("{}::{}", text(ty, "name"), camel(s)),
        other => format!("{other}.to_owned()"),
    }
}

fn json_kind(ty: &Value) -> &str {
    match ty {
        Value::String(s) => s,
        Value::Array(branches) => branches.iter().find(|b| *b != "null").map_or("", json_kind),
        other => text(other, "type"),
    }
}

fn text<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

fn camel(word: &str) -> String {
    word.split('_')
        .map(|part| {
            let mut letters = part.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect()
}
