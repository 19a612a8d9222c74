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

/// What a server or the way to it answered.
impl From<clickhouse::error::Error> for AnalyticsError {
    fn from(error: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error;
        match error {
            Error::BadResponse(message) => match ChdbError::statement(message) {
                // What does not come from ClickHouse comes from something before it.
                ChdbError::Statement { code: 0, message } => Self::Transient(first_line(&message)),
                error => error.into(),
            },
            Error::Network(_) | Error::TimedOut | Error::Other(_) => Self::Transient(causes(&error)),
            error => Self::Fatal(causes(&error)),
        }
    }
}

/// An error with what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let first = error.to_string();
    std::iter::successors(error.source(), |error| error.source()).fold(first, |mut text, error| {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        text
    })
}

/// The first line of a text that may be somebody's web page, not longer than a line should be.
pub(crate) fn first_line(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().chars().take(300).collect()
}

/// Sorts ClickHouse's error codes, see `src/Common/ErrorCodes.cpp` there.
fn statement(code: i32, message: String) -> AnalyticsError {
    match code {
        // Somebody has to give this program's user its password; then it goes on by itself.
        192 | 193 | 194 | 516 => AnalyticsError::Transient(format!("the server does not let this program in: {message}")),
        // Rows, time, speed, syntax depth and size, sets, recursion, bytes, memory, columns, rows or bytes, cancelled.
        158 | 159 | 160 | 161 | 167 | 168 | 191 | 241 | 306 | 307 | 394 | 396 => AnalyticsError::Limit(message),
        // Read-only, access denied, function or table function not allowed.
        164 | 497 | 446 | 344 => AnalyticsError::Refused(message),
        // No space, cannot open or write or allocate, too many parts or statements, shutting down; of servers also:
        // unreachable hosts, lost connections, no keeper, a read-only replica, too few replicas.
        74..=76 | 173 | 198 | 202 | 209 | 210 | 225 | 236 | 242 | 243 | 252 | 279 | 285 | 319 | 439 | 999 => {
            AnalyticsError::Transient(message)
        }
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

    #[test]
    fn what_a_server_answers_is_sorted_like_the_engines_own() {
        let error = |text: &str| AnalyticsError::from(clickhouse::error::Error::BadResponse(text.to_owned()));
        assert!(matches!(error("Code: 62. DB::Exception: no"), AnalyticsError::Invalid(message) if message == "no"));
        assert!(matches!(error("Code: 516. DB::Exception: x: Authentication failed"), AnalyticsError::Transient(_)));
        assert!(matches!(error("<html>\n<p>502 Bad Gateway"), AnalyticsError::Transient(line) if line == "<html>"));
        let refused = clickhouse::error::Error::Network(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)));
        assert!(matches!(refused.into(), AnalyticsError::Transient(line) if line == "network error: connection refused"));
    }
}
