//! Where a server is, and as whom it is used.

use crate::AnalyticsError;
use axum::http::{Uri, uri::Scheme};
use std::fmt;

/// A ClickHouse server. Its `Debug` shows no password.
#[derive(Clone)]
pub struct Remote {
    /// Its HTTP interface, `http://host:8123` or `https://host:8443`, without user and password.
    pub url: String,
    /// The database of the tables: letters, digits and `_`.
    pub database: String,
    /// The program's own user, who makes and fills the tables.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The user for statements of strangers. It must not be able to do more than read the open tables.
    pub sql_user: String,
    /// Its password.
    pub sql_password: String,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, database, user, sql_user, password: _, sql_password: _ } = self;
        let mut shown = f.debug_struct("Remote");
        // A URL that was not validated may hold a password.
        let url = if url.contains('@') { "hidden" } else { url };
        shown.field("url", &url).field("database", database).field("user", user).field("sql_user", sql_user);
        shown.finish_non_exhaustive()
    }
}

impl Remote {
    /// Refuses what can never work, and says whether the connection is encrypted.
    pub(super) fn validate(&self) -> Result<bool, AnalyticsError> {
        let wrong = |what: &str| Err(AnalyticsError::Fatal(format!("the settings of the ClickHouse server: {what}")));
        if self.url.contains('@') {
            return wrong("user and password do not belong into the URL, they have settings of their own");
        }
        let url: Option<Uri> = self.url.parse().ok();
        let Some(url) = url.filter(|url| url.host().is_some_and(|host| !host.is_empty())) else {
            return wrong("the URL is not one; it looks like http://host:8123");
        };
        let mut name = self.database.bytes();
        let starts = name.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
        if !(starts && name.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')) {
            return wrong("the name of the database has to be letters, digits and _");
        }
        match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => Ok(false),
            Some(scheme) if *scheme == Scheme::HTTPS => Ok(true),
            _ => wrong("the URL has to begin with http:// or https://"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str, database: &str) -> Remote {
        let text = |text: &str| text.to_owned();
        let (password, sql_password) = (text("hush"), text("hush"));
        Remote { url: text(url), database: text(database), user: text("a"), password, sql_user: text("b"), sql_password }
    }

    #[test]
    fn passwords_are_not_shown() {
        for url in ["http://host:8123", "http://a:hush@host:8123"] {
            let shown = format!("{:?}", remote(url, "swarmlog"));
            assert!(!shown.contains("hush") && shown.contains("swarmlog"), "{shown}");
        }
    }

    #[test]
    fn only_settings_that_can_be_right_are_taken() {
        assert!(matches!(remote("http://127.0.0.1:8123", "swarmlog").validate(), Ok(false)));
        assert!(matches!(remote("https://clickhouse.example/way", "_1").validate(), Ok(true)));
        for url in ["", "127.0.0.1:8123", "http://", "tcp://host:9000", "http://a:b@host", "http://ho st"] {
            assert!(remote(url, "swarmlog").validate().is_err(), "{url}");
        }
        for database in ["", "1a", "a-b", "a.b", "a'b", "ä"] {
            assert!(remote("http://host", database).validate().is_err(), "{database}");
        }
    }
}
