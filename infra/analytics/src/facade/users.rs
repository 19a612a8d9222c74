//! Who may come in over a listener, and how he says who he is.

use super::Failure;
use crate::session::Rights;
use axum::http::{HeaderMap, header::AUTHORIZATION};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::fmt;
use subtle::ConstantTimeEq;

/// A user of the engine. Its `Debug` shows no password.
#[derive(Clone)]
pub struct User {
    /// His name.
    pub name: String,
    /// His password.
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The users of an engine that is served.
#[derive(Debug, Clone)]
pub struct Users {
    /// May do everything: makes and fills tables, and asks whatever it wants.
    pub writer: User,
    /// May send statements that read the open tables, through the gate and up to the limits.
    pub people: User,
}

impl Users {
    /// Whose request it is, by `X-ClickHouse-User` and `X-ClickHouse-Key` or by Basic authorization. What stands in the
    /// URL does not count, since URLs are logged everywhere.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Result<Rights, Failure> {
        let Some((name, password)) = credentials(headers) else { return Err(Failure::anonymous()) };
        let is = |user: &User| {
            let password = user.password.as_bytes().ct_eq(password.as_bytes());
            bool::from(user.name.as_bytes().ct_eq(name.as_bytes()) & password)
        };
        if is(&self.writer) {
            Ok(Rights::Trusted)
        } else if is(&self.people) {
            Ok(Rights::Stranger)
        } else {
            Err(Failure::unknown_user())
        }
    }
}

/// Name and password.
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    if let Some(user) = header("x-clickhouse-user") {
        return Some((user, header("x-clickhouse-key").unwrap_or_default()));
    }
    let basic = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = basic.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let plain = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = plain.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn users() -> Users {
        let user = |name: &str| User { name: name.to_owned(), password: format!("{name}:secret") };
        Users { writer: user("writer"), people: user("people") }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn both_ways_of_saying_who_one_is_are_understood() {
        let keys = |name, key| headers(&[("x-clickhouse-user", name), ("x-clickhouse-key", key)]);
        assert_eq!(users().identify(&keys("writer", "writer:secret")).ok(), Some(Rights::Trusted));
        assert_eq!(users().identify(&keys("people", "people:secret")).ok(), Some(Rights::Stranger));
        let basic = |text: &str| headers(&[("authorization", &format!("basic {}", BASE64_STANDARD.encode(text)))]);
        assert_eq!(users().identify(&basic("people:people:secret")).ok(), Some(Rights::Stranger));
        for wrong in [
            keys("writer", "people:secret"),
            keys("people", ""),
            keys("", ""),
            basic("writer"),
            headers(&[]),
            headers(&[("authorization", "Bearer writer:secret")]),
            headers(&[("authorization", "Basic %")]),
            headers(&[("x-clickhouse-key", "writer:secret")]),
        ] {
            assert!(users().identify(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        assert!(!format!("{:?}", users()).contains("secret"));
    }
}
