//! What can go wrong.

use crate::LIBRARY_SETTING;
use std::path::PathBuf;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ChdbError {
    /// There is no library at the place.
    #[error("there is no chDB library at {}: run `make chdb`, which fetches it with npm, or name its place in {LIBRARY_SETTING}", .0.display())]
    Missing(PathBuf),
    /// The file is not the library that this binding was written against.
    #[error("{} is not a usable chDB library ({reason}): run `make chdb`, which fetches version {version} with npm, or name another in {LIBRARY_SETTING}", path.display(), version = crate::VERSION)]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// This process has or had an engine already.
    #[error("this process has loaded the chDB engine already: it can run only one, so share it")]
    Loaded,
    /// Another process holds the data folder.
    #[error("another process holds the chDB data folder {}: end it, or name another folder", .0.display())]
    Locked(PathBuf),
    /// The data folder cannot be used.
    #[error("cannot use the chDB data folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The engine did not start.
    #[error("chDB did not start in {}: another engine may hold the folder, or a newer one may have written it", .0.display())]
    Start(PathBuf),
    /// The engine gives no connection, because it was closed.
    #[error("the chDB engine is closed")]
    Closed,
    /// Connections are still in use, so the engine cannot be closed.
    #[error("{0} connections to chDB are still in use: finish their statements first")]
    Busy(usize),
    /// The engine refused or failed a statement.
    #[error("{message}")]
    Statement {
        /// ClickHouse's error code, 0 if it gave none.
        code: i32,
        /// ClickHouse's message.
        message: String,
    },
}

impl ChdbError {
    /// Reads the code out of `Code: 62. DB::Exception: ...`, as the engine writes it here and on a server.
    pub fn statement(message: String) -> Self {
        let digits = message.split_once("Code: ").map_or("", |(_, rest)| rest);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        Self::Statement { code: digits[..end].parse().unwrap_or(0), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_read_from_the_message() {
        let code = |text: &str| match ChdbError::statement(text.to_owned()) {
            ChdbError::Statement { code, .. } => code,
            _ => -1,
        };
        assert_eq!(code("Code: 159. DB::Exception: Timeout exceeded"), 159);
        assert_eq!(code("Error: Code: 60. DB::Exception: no table"), 60);
        assert_eq!(code("no code at all"), 0);
    }
}
