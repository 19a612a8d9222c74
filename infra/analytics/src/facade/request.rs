//! What URL and head of a request say.

use super::Failure;
use axum::http::{HeaderMap, Uri, header::CONTENT_ENCODING};

/// The parameters of a request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parameters {
    /// A statement.
    pub(super) query: Option<String>,
    /// The session's database.
    pub(super) database: Option<String>,
    /// Format of the output, where the statement names none.
    pub(super) default_format: Option<String>,
    /// Whether the body comes in compressed frames.
    pub(super) decompress: bool,
    /// Whether the answer is to come in compressed frames.
    compress: bool,
    /// Values of the statement's `{name:Type}` places.
    pub(super) values: Vec<(String, String)>,
    /// Settings of the session.
    pub(super) settings: Vec<(String, String)>,
}

impl Parameters {
    /// Reads the URL.
    pub(super) fn read(uri: &Uri) -> Self {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "query" => parameters.query = Some(value.into_owned()),
                "database" => parameters.database = Some(value.into_owned()),
                "default_format" => parameters.default_format = Some(value.into_owned()),
                "decompress" => parameters.decompress = value == "1",
                "compress" => parameters.compress = value == "1",
                // How a server writes its answer and its log; a statement whose caller leaves is ended in any case.
                "query_id"
                | "enable_http_compression"
                | "wait_end_of_query"
                | "buffer_size"
                | "send_progress_in_http_headers"
                | "add_http_cors_header"
                | "cancel_http_readonly_queries_on_client_close" => {}
                name => match name.strip_prefix("param_") {
                    Some(name) => parameters.values.push((name.to_owned(), value.into_owned())),
                    None => parameters.settings.push((name.to_owned(), value.into_owned())),
                },
            }
        }
        parameters
    }

    /// Refuses what is not offered and cannot be ignored.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        if self.compress {
            return Err(Failure::bad("answers are not compressed: leave out compress=1"));
        }
        if self.settings.iter().any(|(name, _)| name == "session_id") {
            return Err(Failure::bad("every request is a session of its own: leave out session_id"));
        }
        match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
            None | Some(b"identity") => Ok(()),
            Some(_) => Err(Failure::bad("bodies are taken plain, or in ClickHouse's own frames with decompress=1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_setting() {
        let uri: Uri = "/?database=d&query=INSERT+INTO+t+FORMAT+RowBinary&decompress=1&max_threads=2&a=%27&param_n=1"
            .parse()
            .unwrap_or_default();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = Parameters {
            query: Some("INSERT INTO t FORMAT RowBinary".to_owned()),
            database: Some("d".to_owned()),
            default_format: None,
            decompress: true,
            compress: false,
            values: vec![pair("n", "1")],
            settings: vec![pair("max_threads", "2"), pair("a", "'")],
        };
        assert_eq!(Parameters::read(&uri), expected);
    }
}
