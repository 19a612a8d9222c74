//! What a route says of itself.

use crate::auth::Access;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// The documentation of one route.
pub(crate) struct Operation {
    id: String,
    tag: &'static str,
    summary: String,
    parameters: Vec<Value>,
    body: Map<String, Value>,
    answers: Vec<(u16, &'static str, &'static str, Value)>,
    problems: &'static [u16],
    errors: (&'static str, &'static str),
}

impl Operation {
    /// An operation with a stable id.
    pub fn new(id: impl Into<String>, tag: &'static str, summary: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            tag,
            summary: summary.into(),
            parameters: Vec::new(),
            body: Map::new(),
            answers: Vec::new(),
            problems: &[],
            errors: ("application/problem+json", "Problem"),
        }
    }

    /// Takes a header.
    pub fn header(self, name: &str, description: &str, schema: Value) -> Self {
        self.parameter(name, "header", description, schema)
    }

    /// Takes a parameter of the query.
    pub fn query(self, name: &str, description: &str, schema: Value) -> Self {
        self.parameter(name, "query", description, schema)
    }

    fn parameter(mut self, name: &str, place: &str, description: &str, schema: Value) -> Self {
        self.parameters.push(json!({ "name": name, "in": place, "description": description, "schema": schema }));
        self
    }

    /// Takes a body of this content type; several are alternatives.
    pub fn body(mut self, content_type: &str, schema: Value) -> Self {
        self.body.insert(content_type.to_owned(), media(schema));
        self
    }

    /// Answers like this; several of one status are alternatives.
    pub fn answer(mut self, status: u16, description: &'static str, content_type: &'static str, schema: Value) -> Self {
        self.answers.push((status, description, content_type, schema));
        self
    }

    /// Answers these errors.
    pub fn problems(mut self, statuses: &'static [u16]) -> Self {
        self.problems = statuses;
        self
    }

    /// Errors have this content type and the shape of this component.
    pub fn errors(mut self, content_type: &'static str, component: &'static str) -> Self {
        self.errors = (content_type, component);
        self
    }

    /// The operation object of OpenAPI.
    pub fn document(&self, path: &str, access: Access) -> Value {
        let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let in_path = in_path.map(|name| {
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1, "maxLength": 128 } })
        });
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "parameters": in_path.chain(self.parameters.iter().cloned()).collect::<Vec<_>>(),
            "responses": self.responses(),
            "security": match access {
                Access::Open => json!([]),
                Access::Caller | Access::Operator => json!([{ "bearer": [] }]),
                Access::Registry => json!([{ "bearer": [] }, { "basic": [] }]),
            },
        });
        if !self.body.is_empty() {
            operation["requestBody"] = json!({ "required": true, "content": self.body });
        }
        operation
    }

    fn responses(&self) -> Value {
        let (content_type, component) = self.errors;
        let problem = json!({ content_type: { "schema": { "$ref": format!("#/components/schemas/{component}") } } });
        let mut responses = Map::new();
        for (status, description, content_type, schema) in &self.answers {
            let response =
                responses.entry(status.to_string()).or_insert_with(|| json!({ "description": description, "content": {} }));
            response["content"][*content_type] = media(schema.clone());
        }
        for status in self.problems {
            let reason = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Problem");
            responses.insert(status.to_string(), json!({ "description": reason, "content": problem }));
        }
        responses.insert("default".to_owned(), json!({ "description": "Any other problem.", "content": problem }));
        Value::Object(responses)
    }
}

/// A media type; the examples of its schema are shown beside it.
fn media(schema: Value) -> Value {
    let example = schema.pointer("/examples/0").cloned();
    let mut media = json!({ "schema": schema });
    if let Some(example) = example {
        media["example"] = example;
    }
    media
}
