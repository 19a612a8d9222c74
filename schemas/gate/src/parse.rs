//! From the JSON of an `.avsc` to the [model](crate::model), with every problem that it has.

mod types;

use crate::{
    Problem, attributes,
    model::{Field, Form, Kind, Record, Schema, Type},
};
use serde_json::Value;
use std::collections::HashMap;

/// Most types in a schema with every name replaced by what it stands for: names of names double with every step.
const WRITTEN_OUT: usize = 4096;

const KEYWORDS: &[&str] = &["self", "super", "crate", "_"];

/// Reads a schema. What it holds is in the subset that the generator and the decoder handle.
pub fn parse(json: &Value) -> Result<Schema, Vec<Problem>> {
    let text = |key: &str| json[key].as_str().map(str::to_owned);
    let context = text("namespace").unwrap_or_default();
    let name = format!("{context}.{}", json["name"].as_str().unwrap_or("?"));
    let mut parser = Parser {
        schema: name,
        context: context.clone(),
        named: HashMap::new(),
        problems: Vec::new(),
        depth: 0,
        types: 0,
        full: false,
    };
    parser.unknown("", json, attributes::TOP);
    if !is_snake(&context) {
        parser.say("", "namespace is the context, in snake_case, for example \"work\"");
    }
    let kind = match json["kind"].as_str() {
        Some("command") => Kind::Command,
        Some("event") => Kind::Event,
        Some("fact") => Kind::Fact,
        Some("envelope") => Kind::Envelope,
        Some("result") => Kind::Result,
        _ => {
            parser.say("", "kind is one of \"command\", \"event\", \"fact\", \"envelope\", \"result\"");
            Kind::Fact
        }
    };
    let record = parser.record("", json);
    let schema = Schema { context, kind, aggregate: text("aggregate"), id_field: text("id"), record };
    parser.identity(&schema);
    if parser.problems.is_empty() { Ok(schema) } else { Err(parser.problems) }
}

struct Parser {
    schema: String,
    context: String,
    /// Types by name, with the number of types in each.
    named: HashMap<String, (Type, usize)>,
    problems: Vec<Problem>,
    depth: usize,
    /// Types so far, with every name replaced by what it stands for.
    types: usize,
    /// Whether there are too many of them.
    full: bool,
}

impl Parser {
    fn say(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(Problem { schema: self.schema.clone(), field: field.into(), message: message.into() });
    }

    fn unknown(&mut self, place: &str, json: &Value, known: &[&str]) {
        attributes::unknown(json, known).into_iter().for_each(|message| self.say(place, message));
    }

    fn doc(&mut self, place: &str, json: &Value) -> String {
        let doc = json["doc"].as_str().unwrap_or_default().trim().to_owned();
        if doc.is_empty() || doc.contains('\n') {
            self.say(place, "doc is missing: say in one line what it is; it becomes the documentation of the API");
        }
        doc
    }

    fn name(&mut self, place: &str, json: &Value) -> String {
        let name = json["name"].as_str().unwrap_or_default().to_owned();
        if !name.starts_with(|c: char| c.is_ascii_uppercase()) || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            self.say(place, format!("the type name {name:?} is not in UpperCamelCase"));
        }
        name
    }

    /// A command and an event belong to an aggregate, and a text without a slash identifies it, because keys are
    /// `tenant/type/id`.
    fn identity(&mut self, schema: &Schema) {
        if schema.kind == Kind::Command {
            // The log is for ever: a secret must be hashed or wrapped before it gets there, and no part does that yet.
            let secrets: Vec<String> = schema.record.fields.iter().filter(|f| f.secret).map(|f| f.name.clone()).collect();
            for field in secrets {
                self.say(&field, "a command takes no secret yet: the gateway would append it as it came; hash it in the client");
            }
        }
        match (schema.kind, &schema.aggregate, &schema.id_field) {
            (Kind::Command | Kind::Event, Some(aggregate), Some(id)) => {
                if !is_snake(aggregate) {
                    self.say("", "aggregate is a name in snake_case, for example \"job\"");
                }
                match schema.record.fields.iter().find(|field| field.name == *id) {
                    Some(Field { ty: Type::Text(Form::Uuid | Form::Name), .. }) => {}
                    Some(_) => self
                        .say(id, "it identifies the aggregate, so it is a string with logicalType \"uuid\" or pattern \"name\""),
                    None => self.say("", format!("id names the field {id:?}, which does not exist")),
                }
            }
            (Kind::Command | Kind::Event, ..) => {
                self.say("", "a command and an event need \"aggregate\" (its type) and \"id\" (the field that identifies it)");
            }
            (_, None, None) => {}
            _ => self.say("", "\"aggregate\" and \"id\" are for commands and events only"),
        }
        for field in schema.record.fields.iter().filter(|field| field.generated) {
            if schema.kind != Kind::Command
                || schema.id_field.as_deref() != Some(&field.name)
                || field.ty != Type::Text(Form::Uuid)
            {
                self.say(&field.name, "generated is for the id field of a command, where it is a uuid");
            }
        }
    }

    fn record(&mut self, place: &str, json: &Value) -> Record {
        let (name, doc) = (self.name(place, json), self.doc(place, json));
        let mut fields: Vec<Field> = Vec::new();
        for field in json["fields"].as_array().into_iter().flatten() {
            let field = self.field(place, field);
            let names = std::iter::once(&field.name).chain(&field.aliases);
            let twice = names.clone().find(|name| fields.iter().any(|other| other.reads(name)));
            if let Some(name) = twice {
                self.say(&inside(place, &field.name), format!("{name:?} is also a name or an alias of another field"));
            }
            fields.push(field);
        }
        if fields.is_empty() {
            self.say(place, "fields is missing: a record has at least one field");
        }
        Record { name, doc, fields }
    }

    fn field(&mut self, place: &str, json: &Value) -> Field {
        let name = json["name"].as_str().unwrap_or_default().to_owned();
        let place = &inside(place, &name);
        self.unknown(place, json, attributes::FIELD);
        if !is_snake(&name) || KEYWORDS.contains(&name.as_str()) {
            self.say(place, "the name of a field is in snake_case");
        }
        let doc = self.doc(place, json);
        let mut ty = self.ty(place, &json["type"]);
        let mut messages = Vec::new();
        attributes::narrow(&mut ty, json, &mut messages);
        if let Some(default) = json.get("default")
            && !attributes::default_fits(&ty, default)
        {
            messages.push(format!(
                "the default {default} does not fit {}; defaults are null of an optional, {{}} as text of json, [] of an array, \
                 a symbol, or a value within the limits",
                ty.title()
            ));
        }
        let mut flag = |key: &str| match json.get(key) {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => {
                messages.push(format!("{key} is true or absent"));
                false
            }
        };
        let (generated, secret) = (flag("generated"), flag("secret"));
        let aliases = json["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        messages.into_iter().for_each(|message| self.say(place, message));
        Field { name, doc, aliases, ty, default: json.get("default").cloned(), generated, secret }
    }
}

fn inside(place: &str, field: &str) -> String {
    if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") }
}

fn is_snake(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
