//! What each `code` of an error answer means: one table, served under `/problems/{code}` and used by every answer.
//!
//! The refusals of deciders bring codes of their own; they are described by their status and their `detail`.

use axum::http::StatusCode;

/// A kind of error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// Stable name.
    pub name: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What happened, in a few words.
    pub title: &'static str,
    /// What it means and what to do.
    pub meaning: &'static str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

impl Code {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

macro_rules! codes {
    ($($constant:ident $name:literal $status:literal $retryable:literal $title:literal, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub(crate) const $constant: &Code =
                &Code { name: $name, status: $status, title: $title, meaning: $meaning, retryable: $retryable };
        )*
        /// Every code of the gateway.
        pub(crate) const ALL: &[&Code] = &[$($constant),*];
    };
}

codes! {
    INVALID_JSON "invalid_json" 400 false "The body is not valid JSON",
        "The body is not one JSON value, or it repeats a key, nests too deep, or holds a number or text that nobody could store. Correct it; `detail` says where.";
    INVALID_BODY "invalid_body" 400 false "The body does not fit its schema",
        "The JSON is well formed, but a field is missing, unknown or of the wrong kind. `errors` names each with a JSON pointer; the schemas are in /openapi.json.";
    INVALID_HEADER "invalid_header" 400 false "A header is not understood",
        "A header that changes the meaning of the request is malformed. `detail` names it and says what it looks like.";
    INVALID_PARAMETER "invalid_parameter" 400 false "A parameter is not allowed",
        "A query parameter is unknown, repeated or out of its range. `detail` names those that are allowed.";
    INVALID_ID "invalid_id" 400 false "An identifier is malformed",
        "A part of the path is not an identifier: 1 to 128 letters, digits and . _ : - that starts with a letter or digit and has no two dots in a row.";
    INVALID_CURSOR "invalid_cursor" 400 false "The cursor belongs to no such list",
        "A cursor is valid for exactly the list, filters, order and log that it came from. Start again without it.";
    INVALID_TOKEN "invalid_consistency_token" 400 false "The consistency token is malformed",
        "Send back exactly what X-Consistency-Token of an answer said, or leave the header out.";
    INVALID_SQL "invalid_sql" 400 false "The statement failed",
        "The analytics engine does not accept the statement; `detail` repeats what it says.";
    SQL_LIMIT "sql_limit" 400 false "The statement needs too much",
        "The statement ran into a limit of time, memory or rows. Ask for less.";
    UNAUTHORIZED "unauthorized" 401 false "A token is needed",
        "Send `Authorization: Bearer <token>` with the token that the server was started with.";
    FORBIDDEN "forbidden" 403 false "Not allowed",
        "The caller may not do this.";
    SQL_REFUSED "sql_refused" 403 false "The statement is not allowed",
        "Only one reading statement over the tables of this log is allowed, with functions of the allow-list.";
    NOT_FOUND "not_found" 404 false "There is no such resource",
        "Nothing of this name exists, or it belongs to somebody else.";
    UNKNOWN_COMMAND "unknown_command" 404 false "There is no such command",
        "No schema of a command has this name; `detail` lists those that exist.";
    METHOD_NOT_ALLOWED "method_not_allowed" 405 false "The method does not fit",
        "The resource exists but does not answer this method; the header Allow names those that it does.";
    SLOW_REQUEST "slow_request" 408 true "The request came too slowly",
        "The head or the body of the request did not arrive in time. Send it again over a better connection.";
    REBUILD_RUNS "rebuild_runs" 409 true "A rebuild is under way",
        "A generation of this read model is being built already; wait until it is switched.";
    FOREIGN_TIMELINE "foreign_timeline" 410 false "The token belongs to another history",
        "The log was restored to an earlier point since the token was issued, or the token comes from another log. Drop it and read again.";
    SEQ_MISMATCH "seq_mismatch" 412 false "The aggregate has moved on",
        "The aggregate is not at the sequence number that If-Match or If-None-Match expects. Read it again, then decide anew.";
    TOO_LARGE "too_large" 413 false "The request is too large",
        "The body, or a list in it, is beyond its limit; `detail` says which. Send less at a time.";
    UNSUPPORTED_MEDIA "unsupported_media_type" 415 false "The content type does not fit",
        "Send the Content-Type that /openapi.json names for this operation, without Content-Encoding.";
    KEY_REUSED "idempotency_key_reused" 422 false "The idempotency key was used for another body",
        "An Idempotency-Key stands for one request with one body. Use a fresh key for a new request.";
    UNDECODABLE "undecodable" 400 false "The command cannot be read",
        "The writer cannot decode the command: it was made by a newer program. Upgrade the writers.";
    KEY_FORGOTTEN "idempotency_answer_gone" 409 false "The first answer is gone",
        "The command was carried out before under this Idempotency-Key, but its answer is no longer kept. Read the aggregate.";
    KEYS_FULL "idempotency_full" 503 true "No more idempotency keys",
        "The writer keeps as many idempotency keys as it is allowed to. Send the command without one, or ask an operator.";
    UNWRITABLE "event_unwritable" 500 false "The event cannot be stored",
        "The rules decided on an event that no record can hold; nothing was stored. Make the command smaller.";
    INTERNAL "internal" 500 false "The server failed",
        "Something is wrong with the server, not with the request. The log of the server says more under this trace_id.";
    BUSY "busy" 503 true "The server is full",
        "Too much is in flight already; nothing was done. Try again after the time that Retry-After says.";
    LOG_AWAY "log_unavailable" 503 true "The log is away",
        "The event log is busy or cannot go on. Whether the command was taken is told by its status; with an Idempotency-Key it may be sent again.";
    STORE_AWAY "store_unavailable" 503 true "The read models are away",
        "The operational store is busy or cannot go on. Try again after the time that Retry-After says.";
    NOT_REACHED "not_reached" 503 true "The read model is behind",
        "The read model has not reached the position that the request needs to see. Try again after the time that Retry-After says.";
    ANALYTICS_AWAY "analytics_unavailable" 503 true "Analytics are away",
        "The analytics engine is absent, busy or cannot go on; `detail` says why and what helps.";
    OBJECTS_AWAY "objects_unavailable" 503 true "The object store is away",
        "The object store is busy or cannot go on. Try again after the time that Retry-After says.";
}

/// The code called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Code> {
    ALL.iter().copied().find(|code| code.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_statuses_are_errors() {
        for (place, code) in ALL.iter().enumerate() {
            assert!(ALL[..place].iter().all(|other| other.name != code.name), "{}", code.name);
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{}", code.name);
            assert_eq!(find(code.name), Some(*code));
        }
    }
}
