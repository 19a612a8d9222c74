//! Writes the generated file: a module per context with its types and their `Message`, an enum per aggregate for its
//! commands and its events, and the schema table.

use crate::types::{Types, camel};
use gate::{
    Source,
    model::{Kind, Schema},
};
use std::{collections::BTreeMap, fmt::Write, path::Path};

/// The whole generated file.
pub fn file(sources: &[Source]) -> String {
    let mut out = String::new();
    let mut contexts: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in sources {
        contexts.entry(&source.schema.context).or_default().push(source);
    }
    for (context, members) in contexts {
        let mut types = Types::default();
        members.iter().for_each(|source| types.record(&source.schema.record));
        let messages: String = members.iter().filter(|s| s.schema.kind != Kind::Envelope).map(|s| message(s)).collect();
        let _ = writeln!(
            out,
            "/// Types of the context `{context}`.\npub mod {context} {{ {} {messages} {} }}",
            types.code,
            sums(&members)
        );
    }
    out + &table(sources)
}

/// `Message` of one record.
fn message(source: &Source) -> String {
    let (name, full, id) = (&source.schema.record.name, source.schema.name(), number(source));
    let aggregate_id = source.schema.id_field.as_ref().map_or("\"\"".into(), |field| format!("&self.{field}"));
    format!(
        "impl crate::Message for {name} {{
            const TYPES: &'static [&'static str] = &[{full:?}];
            fn name(&self) -> &'static str {{ {full:?} }}
            fn schema_id(&self) -> crate::SchemaId {{ crate::SchemaId({id}) }}
            fn aggregate_id(&self) -> &str {{ {aggregate_id} }}
            fn encode(&self, out: &mut Vec<u8>) -> Result<(), crate::CodecError> {{ crate::codec::encode(crate::SchemaId({id}), self, out) }}
            fn decode(name: &str, wire: &[u8]) -> Result<Self, crate::CodecError> {{ crate::codec::expect(name, Self::TYPES)?; crate::codec::decode(wire) }}
            fn from_json(name: &str, json: ::serde_json::Value) -> Result<Self, crate::CodecError> {{ crate::codec::expect(name, Self::TYPES)?; crate::codec::from_json(name, json) }}
        }}\n"
    )
}

/// One enum per aggregate and kind: `JobCommand`, `JobEvent`.
fn sums(sources: &[&Source]) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&Schema>> = BTreeMap::new();
    for Source { schema, .. } in sources {
        if let Some(aggregate) = &schema.aggregate {
            groups.entry((aggregate, kind(schema.kind))).or_default().push(schema);
        }
    }
    groups.into_iter().map(|((aggregate, kind), members)| sum(aggregate, kind, &members)).collect()
}

fn sum(aggregate: &str, kind: &str, members: &[&Schema]) -> String {
    let name = format!("{}{kind}", camel(aggregate));
    let each = |write: &dyn Fn(&str, &Schema) -> String| members.iter().map(|s| write(&s.record.name, s)).collect::<String>();
    let arms = |call: &str| each(&|member, _| format!("Self::{member}(m) => m.{call},\n"));
    let reads = |call: &str| each(&|member, s| format!("{:?} => crate::codec::{call}.map(Self::{member}),\n", s.name()));
    format!(
        "/// Every {what} of the aggregate `{aggregate}`.
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
            fn aggregate_id(&self) -> &str {{ Self::aggregate_id(self) }}
            fn encode(&self, out: &mut Vec<u8>) -> Result<(), crate::CodecError> {{ match self {{ {encodes} }} }}
            fn decode(name: &str, wire: &[u8]) -> Result<Self, crate::CodecError> {{ match name {{ {decodes} other => Err(crate::CodecError::unexpected(other, Self::TYPES)) }} }}
            fn from_json(name: &str, json: ::serde_json::Value) -> Result<Self, crate::CodecError> {{ match name {{ {jsons} other => Err(crate::CodecError::unexpected(other, Self::TYPES)) }} }}
        }}
        {from}",
        what = kind.to_lowercase(),
        variants = each(&|member, s| format!("#[doc = {:?}] {member}({member}),\n", s.record.doc)),
        ids = each(&|member, s| format!("Self::{member}(m) => &m.{},\n", s.id_field.as_deref().unwrap_or_default())),
        types = each(&|_, s| format!("{:?},", s.name())),
        names = arms("name()"),
        schema_ids = arms("schema_id()"),
        encodes = arms("encode(out)"),
        decodes = reads("decode(wire)"),
        jsons = reads("from_json(name, json)"),
        from = each(&|member, _| format!("impl From<{member}> for {name} {{ fn from(m: {member}) -> Self {{ Self::{member}(m) }} }}\n")),
    )
}

/// What the program knows of its own schemas without reading a file.
fn table(sources: &[Source]) -> String {
    let mut out =
        "/// The newest version of every schema, ordered by name.\npub static SCHEMAS: &[crate::SchemaInfo] = &[\n".to_owned();
    for source in sources {
        let Schema { context, aggregate, id_field, .. } = &source.schema;
        let (id, name, kind, json) = (number(source), source.schema.name(), kind(source.schema.kind), &source.text);
        let rust = format!("{context}::{}", source.schema.record.name);
        let example = format!("/examples/{name}.json");
        // A missing example is a failing test with a remedy, not a failing build.
        let example = match Path::new(&format!(".{example}")).exists() {
            true => format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {example:?}))"),
            false => "\"\"".into(),
        };
        let _ = writeln!(
            out,
            "crate::SchemaInfo {{ id: crate::SchemaId({id}), name: {name:?}, context: {context:?}, kind: crate::SchemaKind::{kind},
                aggregate: {aggregate:?}, id_field: {id_field:?}, json: {json:?}, example: {example},
                encode_json: |json| crate::json::encoded::<{rust}>({name:?}, json),
                recode: |wire| crate::codec::recode::<{rust}>(crate::SchemaId({id}), wire) }},"
        );
    }
    out + "];\n"
}

/// Zero for a schema that is not locked; the build has failed by then.
fn number(source: &Source) -> u32 {
    source.id.unwrap_or(0)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Command => "Command",
        Kind::Event => "Event",
        Kind::Fact => "Fact",
        Kind::Envelope => "Envelope",
        Kind::Result => "Result",
    }
}
