//! What is wrong with the settings, and where.

use super::{Entry, shown};

/// Why the settings cannot be used. No message holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A source cannot be read.
    #[error("{0}")]
    Source(String),
    /// A file has a key that nobody knows.
    #[error("{file}: there is no setting `{key}`; the nearest is `{nearest}`")]
    UnknownKey {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// The known key that looks most like it.
        nearest: String,
    },
    /// The environment has a variable that nobody knows.
    #[error("the environment: there is no variable {variable}; the nearest is {nearest}. Unset or rename it")]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// The known variable that looks most like it.
        nearest: String,
    },
    /// A value is not allowed.
    #[error("{origin}: `{key}` is {found}, allowed is {allowed}")]
    Invalid {
        /// Where the value comes from.
        origin: String,
        /// The key.
        key: String,
        /// What was found, as far as it may be shown.
        found: String,
        /// What is allowed.
        allowed: String,
    },
}

impl SettingsError {
    /// The value of `key`, found among `entries`, is not allowed.
    pub(super) fn invalid(key: &str, entries: &[Entry], allowed: impl Into<String>) -> Self {
        let entry = entries.iter().find(|entry| entry.key == key);
        let (origin, found) = entry.map_or(("the settings", shown::UNSET), |entry| (&entry.origin, &entry.shown));
        Self::Invalid { origin: origin.into(), key: key.into(), found: found.into(), allowed: allowed.into() }
    }
}
