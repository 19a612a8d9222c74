//! A record schema, typed: the subset of Avro that this program generates, checks and reads.

use serde_json::Value;

/// One `.avsc` document.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Namespace, which is the context: `work`.
    pub context: String,
    /// What it is for.
    pub kind: Kind,
    /// Type of its aggregate: `job`.
    pub aggregate: Option<String>,
    /// Field that identifies the aggregate: `job_id`.
    pub id_field: Option<String>,
    /// The record.
    pub record: Record,
}

impl Schema {
    /// Its full name, which is the subject: `work.SubmitJob`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.context, self.record.name)
    }
}

/// What a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A wish, decided by a decider.
    Command,
    /// What happened.
    Event,
    /// What was measured.
    Fact,
    /// What surrounds a record.
    Envelope,
    /// The answer to a command.
    Result,
}

/// A record type.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Short name: `SubmitJob`.
    pub name: String,
    /// What it says.
    pub doc: String,
    /// Its fields, in order.
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it says.
    pub doc: String,
    /// Earlier names.
    pub aliases: Vec<String>,
    /// What it holds.
    pub ty: Type,
    /// What it holds where it is absent.
    pub default: Option<Value>,
    /// Whether the gateway fills it in where it is absent.
    pub generated: bool,
    /// Whether it is never shown.
    pub secret: bool,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// `boolean`
    Boolean,
    /// `int` within its limits.
    Int(Limits<i64>),
    /// `long` within its limits.
    Long(Limits<i64>),
    /// `double` within its limits.
    Double(Limits<f64>),
    /// `string`
    Text(Form),
    /// `bytes`
    Bytes,
    /// `fixed` of 16 bytes with the logical type `uuid`.
    Uuid,
    /// `long` with the logical type `timestamp-micros`.
    Time,
    /// `enum`
    Enum(Enum),
    /// `record`
    Record(Record),
    /// `array`
    Array(Box<Type>),
    /// The union of `null` and another type.
    Optional(Box<Type>),
}

/// The least and the greatest number allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits<N> {
    /// The least; `None` is as low as the type goes.
    pub minimum: Option<N>,
    /// The greatest; `None` is as high as the type goes.
    pub maximum: Option<N>,
}

/// What a text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Anything.
    Free,
    /// 1 to 128 characters of `[A-Za-z0-9._-]`, neither `.` nor `..`.
    Name,
    /// 64 lower-case hexadecimal digits.
    Sha256,
    /// A UUID in lower case with hyphens.
    Uuid,
    /// A JSON object in its canonical form (RFC 8785).
    Json,
}

/// An enumeration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enum {
    /// Short name: `Priority`.
    pub name: String,
    /// What it says.
    pub doc: String,
    /// Its symbols, in order.
    pub symbols: Vec<String>,
    /// What an unknown symbol is read as.
    pub default: Option<String>,
}

impl Field {
    /// Whether a record may lack it: it has a default, or the gateway fills it in.
    pub fn may_be_absent(&self) -> bool {
        self.default.is_some() || self.generated
    }

    /// Whether an earlier schema's field called `name` is read into it.
    pub fn reads(&self, name: &str) -> bool {
        self.name == name || self.aliases.iter().any(|alias| alias == name)
    }
}

impl Type {
    /// The type itself, or what an optional one holds.
    pub fn inner(&self) -> &Self {
        match self {
            Self::Optional(inner) => inner,
            other => other,
        }
    }

    /// How Avro calls it.
    pub fn title(&self) -> String {
        match self {
            Self::Boolean => "boolean".into(),
            Self::Int(_) => "int".into(),
            Self::Long(_) => "long".into(),
            Self::Double(_) => "double".into(),
            Self::Text(Form::Uuid) => "string with logicalType uuid".into(),
            Self::Text(Form::Json) => "string with logicalType json".into(),
            Self::Text(_) => "string".into(),
            Self::Bytes => "bytes".into(),
            Self::Uuid => "fixed uuid".into(),
            Self::Time => "long with logicalType timestamp-micros".into(),
            Self::Enum(symbols) => format!("enum {}", symbols.name),
            Self::Record(record) => format!("record {}", record.name),
            Self::Array(items) => format!("array of {}", items.title()),
            Self::Optional(inner) => format!("optional {}", inner.title()),
        }
    }
}
