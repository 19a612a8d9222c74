//! What can go wrong, named for what the caller does next.

use chdb::ChdbError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum AnalyticsError {
    /// There is no analytics store in this process.
    #[error("analytics is not available: {0}")]
    Absent(String),
    /// The statement may not run.
    #[error("statement refused: {0}")]
    Refused(String),
    /// The statement is wrong: syntax, names, types.
    #[error("{0}")]
    Invalid(String),
    /// The statement ran into a limit of time, memory or size.
    #[error("statement stopped at a limit: {0}")]
    Limit(String),
    /// Nothing was wrong with the request; try again after a pause.
    #[error("analytics is busy or away: {0}")]
    Transient(String),
    /// The store cannot go on.
    #[error("analytics failed: {0}")]
    Fatal(String),
}

impl From<ChdbError> for AnalyticsError {
    fn from(error: ChdbError) -> Self {
        match error {
            ChdbError::Missing(_) | ChdbError::Unusable { .. } => Self::Absent(error.to_string()),
            ChdbError::Closed | ChdbError::Busy(_) => Self::Transient(error.to_string()),
            ChdbError::Statement { code, message } => statement(code, plain(&message)),
            ChdbError::Folder { ref source, .. } => Self::Fatal(format!("{error}: {source}")),
            error => Self::Fatal(error.to_string()),
        }
    }
}

/// Sorts ClickHouse's error codes, see `src/Common/ErrorCodes.cpp` there.
fn statement(code: i32, message: String) -> AnalyticsError {
    match code {
        // Rows, time, speed, syntax depth and size, sets, recursion, bytes, memory, columns, rows or bytes, cancelled.
        158 | 159 | 160 | 161 | 167 | 168 | 191 | 241 | 306 | 307 | 394 | 396 => AnalyticsError::Limit(message),
        // Read-only, access denied, function or table function not allowed.
        164 | 497 | 446 | 344 => AnalyticsError::Refused(message),
        // No space, cannot open or write or allocate, too many parts or statements, shutting down.
        74..=76 | 173 | 202 | 236 | 243 | 252 | 319 | 439 => AnalyticsError::Transient(message),
        // The data on disk are broken, or the engine contradicts itself.
        40 | 49 | 226 | 228 | 246 => AnalyticsError::Fatal(message),
        _ => AnalyticsError::Invalid(message),
    }
}

/// The message without what only a developer of ClickHouse needs.
fn plain(message: &str) -> String {
    let text = message.split_once("DB::Exception: ").map_or(message, |(_, text)| text);
    let text = text.split(". Stack trace").next().unwrap_or(text);
    let text = text.rsplit_once(" (version ").map_or(text, |(text, _)| text);
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_the_version_and_keep_the_reason() {
        let message = "Code: 396. DB::Exception: Limit for result exceeded. (TOO_MANY_ROWS_OR_BYTES) (version 26.7.2.1)";
        assert_eq!(plain(message), "Limit for result exceeded. (TOO_MANY_ROWS_OR_BYTES)");
    }

    #[test]
    fn codes_say_what_the_caller_does_next() {
        let error = |code| AnalyticsError::from(ChdbError::Statement { code, message: String::new() });
        assert!(matches!(error(159), AnalyticsError::Limit(_)));
        assert!(matches!(error(497), AnalyticsError::Refused(_)));
        assert!(matches!(error(243), AnalyticsError::Transient(_)));
        assert!(matches!(error(62), AnalyticsError::Invalid(_)));
        assert!(matches!(AnalyticsError::from(ChdbError::Missing("x".into())), AnalyticsError::Absent(_)));
    }
}
