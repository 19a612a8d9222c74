//! A schema in a request.

use super::{MEDIA, answer::Failure, catalogue};
use crate::{call::Call, codes, problem::Problem};
use schemas::gate::model::Schema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// Content types of requests; clients differ.
const MEDIA_TYPES: &[&str] = &[MEDIA, "application/vnd.schemaregistry+json", "application/json"];

/// A request about a schema. Clients send more than is read here.
#[derive(Debug, Deserialize)]
pub(super) struct Body {
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    references: Option<Vec<Value>>,
}

/// A schema that somebody offers.
#[derive(Debug)]
pub(super) struct Offered {
    /// Its document.
    pub document: Value,
    /// What the gate reads in it, or what it complains of.
    pub schema: Result<Schema, String>,
}

impl Offered {
    /// The schema of a request; only whether it is a document at all is decided here.
    pub fn read(body: Body) -> Result<Self, Failure> {
        if let Some(other) = body.schema_type.filter(|name| name != "AVRO") {
            let shown: String = other.chars().take(32).collect();
            return Err(Failure::Invalid(format!("the type {shown:?} is not known, there is AVRO")));
        }
        if body.references.is_some_and(|references| !references.is_empty()) {
            return Err(Failure::Invalid("a schema has no references: it holds its types itself".to_owned()));
        }
        let document: Value =
            serde_json::from_str(&body.schema).map_err(|error| Failure::Invalid(format!("it is not JSON: {error}")))?;
        let schema = catalogue::read(&document);
        Ok(Self { document, schema })
    }
}

/// The body of a request.
pub(super) async fn body<T: DeserializeOwned>(call: &mut Call) -> Result<T, Problem> {
    let body = call.bytes(MEDIA_TYPES).await?;
    serde_json::from_slice(&body).map_err(|error| {
        let place = format!("line {} column {}", error.line(), error.column());
        Problem::new(codes::INVALID_BODY, format!("the body does not have the shape of this request at {place}"))
    })
}
