//! Who is calling: the bearer token, and the addresses that need none.
//!
//! One token stands for one operator of the tenant `default`. Without a configured token only loopback is served, and
//! everybody there is the operator `local`. Tokens are compared in constant time and never logged.

use crate::{GatewayError, codes, problem::Problem};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::net::SocketAddr;
use subtle::ConstantTimeEq;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Operator,
}

/// A caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Principal {
    /// Whose records it sees.
    pub tenant: &'static str,
    /// What it may do.
    pub role: Role,
    /// Its name on records.
    pub actor: &'static str,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody, without a token.
    Open,
    /// Whoever has a token.
    Caller,
    /// Whoever has a token, also as the password of HTTP's basic authentication: clients of a schema registry know no
    /// other. Nothing can be changed by it, because browsers send passwords along on their own.
    Registry,
    /// Operators.
    Operator,
}

/// Refuses to serve an address beyond loopback without a token.
pub fn check_bind(address: SocketAddr, token: Option<&str>) -> Result<(), GatewayError> {
    match token {
        Some(token) if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) => Err(GatewayError::Token),
        None if !address.ip().is_loopback() => Err(GatewayError::Exposed(address)),
        _ => Ok(()),
    }
}

/// Says who a caller is.
#[derive(Debug)]
pub(crate) struct Guard {
    token: Option<String>,
}

impl Guard {
    /// A guard that knows this token.
    pub fn new(token: Option<String>) -> Self {
        Self { token }
    }

    /// The caller behind these headers, if it may call a route of this access.
    pub fn admit(&self, headers: &HeaderMap, access: Access) -> Result<Principal, Problem> {
        let principal = match (&self.token, access) {
            (None, _) | (_, Access::Open) => Principal { tenant: "default", role: Role::Operator, actor: "local" },
            (Some(token), _) => {
                let password = if access == Access::Registry { password(headers) } else { None };
                let given = bearer(headers).map(str::as_bytes).or(password.as_deref());
                if !given.is_some_and(|given| bool::from(given.ct_eq(token.as_bytes()))) {
                    return Err(unauthorized(headers));
                }
                Principal { tenant: "default", role: Role::Operator, actor: "operator" }
            }
        };
        match access {
            Access::Operator if principal.role != Role::Operator => {
                Err(Problem::new(codes::FORBIDDEN, "only an operator may do this"))
            }
            _ => Ok(principal),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The password of basic authentication; the user's name says nothing here.
fn password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, pair) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let pair = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(pair.trim()).ok())??;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    pair.get(colon + 1..).map(<[u8]>::to_vec)
}

fn unauthorized(headers: &HeaderMap) -> Problem {
    let (detail, challenge) = if headers.contains_key(header::AUTHORIZATION) {
        ("the token is not the one of this server", "Bearer realm=\"swarmlog\", error=\"invalid_token\"")
    } else {
        ("send the header Authorization: Bearer <token>", "Bearer realm=\"swarmlog\"")
    };
    Problem::new(codes::UNAUTHORIZED, detail).header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
    }

    #[test]
    fn only_loopback_is_served_without_a_token() {
        assert!(check_bind("127.0.0.1:80".parse().unwrap(), None).is_ok());
        assert!(check_bind("[::1]:80".parse().unwrap(), None).is_ok());
        assert!(check_bind("0.0.0.0:80".parse().unwrap(), Some("secret")).is_ok());
        let refused = check_bind("0.0.0.0:80".parse().unwrap(), None).unwrap_err();
        assert!(refused.to_string().contains("0.0.0.0:80"), "{refused}");
        assert!(check_bind("[::]:80".parse().unwrap(), None).is_err());
        assert!(check_bind("127.0.0.1:80".parse().unwrap(), Some("")).is_err(), "an empty token protects nothing");
    }

    #[test]
    fn the_right_token_and_nothing_else_opens() {
        let guard = Guard::new(Some("secret".to_owned()));
        assert_eq!(guard.admit(&headers("Bearer secret"), Access::Operator).unwrap().actor, "operator");
        assert!(guard.admit(&headers("bearer secret"), Access::Caller).is_ok(), "schemes ignore case");
        for wrong in ["Bearer Secret", "Bearer secret2", "Bearer ", "Basic secret", "secret", "Bearer secret, Bearer x"] {
            assert_eq!(guard.admit(&headers(wrong), Access::Caller).unwrap_err().status(), 401, "{wrong}");
        }
        assert_eq!(guard.admit(&HeaderMap::new(), Access::Caller).unwrap_err().status(), 401);
        assert!(guard.admit(&HeaderMap::new(), Access::Open).is_ok());
    }

    #[test]
    fn the_token_is_a_password_for_the_registry_only() {
        let guard = Guard::new(Some("secret".to_owned()));
        let basic = |pair: &str| headers(&format!("Basic {}", STANDARD.encode(pair)));
        for pair in ["user:secret", ":secret"] {
            assert!(guard.admit(&basic(pair), Access::Registry).is_ok(), "{pair}");
            assert_eq!(guard.admit(&basic(pair), Access::Caller).unwrap_err().status(), 401, "{pair}");
        }
        for pair in ["secret", "secret:", "user:secret:", "user:Secret", ""] {
            assert_eq!(guard.admit(&basic(pair), Access::Registry).unwrap_err().status(), 401, "{pair}");
        }
        assert!(guard.admit(&headers("Bearer secret"), Access::Registry).is_ok());
        assert_eq!(guard.admit(&HeaderMap::new(), Access::Registry).unwrap_err().status(), 401);
    }

    #[test]
    fn without_a_token_everybody_is_local() {
        assert_eq!(Guard::new(None).admit(&HeaderMap::new(), Access::Operator).unwrap().actor, "local");
    }
}
