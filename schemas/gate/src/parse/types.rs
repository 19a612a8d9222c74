//! From the JSON of a type to the [model](crate::model).

use super::{Parser, WRITTEN_OUT, is_snake};
use crate::{
    attributes,
    model::{Enum, Form, Limits, Type},
};
use serde_json::Value;

impl Parser {
    /// The type of a field.
    pub(super) fn ty(&mut self, place: &str, json: &Value) -> Type {
        self.depth += 1;
        self.types = self.types.saturating_add(1);
        let ty = if self.depth > 16 {
            self.say(place, "types are nested more than 16 deep");
            Type::Boolean
        } else if self.types > WRITTEN_OUT {
            self.too_many(place)
        } else {
            match json {
                Value::String(name) => self.plain(place, name, None),
                Value::Array(branches) => self.union(place, branches),
                _ => self.composed(place, json),
            }
        };
        self.depth -= 1;
        ty
    }

    fn too_many(&mut self, place: &str) -> Type {
        if !self.full {
            self.full = true;
            self.say(
                place,
                format!("with every name written out there are more than {WRITTEN_OUT} types; write a smaller schema"),
            );
        }
        Type::Boolean
    }

    fn union(&mut self, place: &str, branches: &[Value]) -> Type {
        match branches {
            [null, inner] if null == "null" && !inner.is_array() && inner != "null" => {
                Type::Optional(Box::new(self.ty(place, inner)))
            }
            _ => {
                self.say(place, "a union is [\"null\", <type>], in this order: other unions are not generated");
                Type::Boolean
            }
        }
    }

    fn composed(&mut self, place: &str, json: &Value) -> Type {
        let before = self.types;
        match json["type"].as_str().unwrap_or_default() {
            "record" => {
                self.unknown(place, json, attributes::RECORD);
                let record = Type::Record(self.record(place, json));
                self.remember(place, json, record, before)
            }
            "enum" => {
                self.unknown(place, json, attributes::ENUM);
                let symbols = Type::Enum(self.symbols(place, json));
                self.remember(place, json, symbols, before)
            }
            "fixed" => {
                self.unknown(place, json, attributes::FIXED);
                if json["size"] != 16 || json["logicalType"] != "uuid" {
                    self.say(place, "a fixed has the size 16 and the logicalType \"uuid\"; use bytes or string for the rest");
                }
                let namespace = json["namespace"].as_str().unwrap_or(&self.context);
                self.named.insert(format!("{namespace}.{}", json["name"].as_str().unwrap_or_default()), (Type::Uuid, 1));
                Type::Uuid
            }
            "array" => {
                self.unknown(place, json, attributes::ARRAY);
                let items = self.ty(place, &json["items"]);
                if *items.inner() == Type::Bytes {
                    self.say(place, "an array of bytes is not generated; put the bytes into a record");
                }
                Type::Array(Box::new(items))
            }
            plain => {
                self.unknown(place, json, attributes::PRIMITIVE);
                self.plain(place, plain, json["logicalType"].as_str())
            }
        }
    }

    fn plain(&mut self, place: &str, name: &str, logical: Option<&str>) -> Type {
        match (name, logical) {
            ("boolean", None) => Type::Boolean,
            ("int", None) => Type::Int(Limits { minimum: None, maximum: None }),
            ("long", None) => Type::Long(Limits { minimum: None, maximum: None }),
            ("long", Some("timestamp-micros")) => Type::Time,
            ("double", None) => Type::Double(Limits { minimum: None, maximum: None }),
            ("bytes", None) => Type::Bytes,
            ("string", None) => Type::Text(Form::Free),
            ("string", Some("uuid")) => Type::Text(Form::Uuid),
            ("string", Some("json")) => Type::Text(Form::Json),
            (_, None) => {
                let full = if name.contains('.') { name.to_owned() } else { format!("{}.{name}", self.context) };
                match self.named.get(&full) {
                    Some((ty, types)) if self.types.saturating_add(*types) <= WRITTEN_OUT => {
                        self.types += types;
                        ty.clone()
                    }
                    Some(_) => self.too_many(place),
                    None => {
                        self.say(
                            place,
                            format!(
                                "the type {name:?} is unknown: there are boolean, int, long, double, string, bytes, record, enum, array, \
                                 fixed uuid, and types defined earlier in the same file"
                            ),
                        );
                        Type::Boolean
                    }
                }
            }
            (_, Some(logical)) => {
                self.say(
                    place,
                    format!("the logicalType {logical:?} on {name} is unknown: there are uuid and json on string, timestamp-micros on long"),
                );
                Type::Boolean
            }
        }
    }

    fn symbols(&mut self, place: &str, json: &Value) -> Enum {
        let (name, doc) = (self.name(place, json), self.doc(place, json));
        let symbols: Vec<String> =
            json["symbols"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let twice = symbols.iter().enumerate().any(|(n, symbol)| symbols[..n].contains(symbol));
        if symbols.is_empty() || twice || !symbols.iter().all(|symbol| is_snake(symbol)) {
            self.say(place, "the symbols of an enum are different names in snake_case");
        }
        let default = json["default"].as_str().map(str::to_owned);
        if default.as_ref().is_some_and(|default| !symbols.contains(default)) {
            self.say(place, "the default of an enum is one of its symbols");
        }
        Enum { name, doc, symbols, default }
    }

    /// Types live in the module of their context, so they have its namespace.
    fn remember(&mut self, place: &str, json: &Value, ty: Type, before: usize) -> Type {
        if json.get("namespace").is_some_and(|namespace| *namespace != self.context.as_str()) {
            self.say(place, "a type has the namespace of its schema; leave the attribute away");
        }
        let name = format!("{}.{}", self.context, json["name"].as_str().unwrap_or_default());
        if self.named.insert(name, (ty.clone(), self.types.saturating_sub(before))).is_some() {
            self.say(place, "the type is defined twice; the second time its name is enough");
        }
        ty
    }
}
