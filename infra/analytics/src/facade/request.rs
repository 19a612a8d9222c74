//! What the URL of a request says.

use axum::http::Uri;

/// The parameters of a request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parameters {
    /// The statement, if the body holds rows.
    pub(super) query: Option<String>,
    /// The session's database.
    pub(super) database: Option<String>,
    /// Format of the output, where the statement names none.
    pub(super) default_format: Option<String>,
    /// Whether the body comes in compressed frames.
    pub(super) decompress: bool,
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
                // Identities of a server's sessions and statements, and compression: nothing to them in the process.
                "query_id" | "session_id" | "compress" | "enable_http_compression" | "wait_end_of_query" => {}
                _ => parameters.settings.push((name.into_owned(), value.into_owned())),
            }
        }
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_a_setting() {
        let uri: Uri =
            "/?database=d&query=INSERT+INTO+t+FORMAT+RowBinary&decompress=1&max_threads=2&a=%27".parse().unwrap_or_default();
        let expected = Parameters {
            query: Some("INSERT INTO t FORMAT RowBinary".to_owned()),
            database: Some("d".to_owned()),
            default_format: None,
            decompress: true,
            settings: vec![("max_threads".to_owned(), "2".to_owned()), ("a".to_owned(), "'".to_owned())],
        };
        assert_eq!(Parameters::read(&uri), expected);
    }
}
