//! What ends a verb early: a message for people, the API's problem for programs, and an exit code for scripts.

use crate::output::Form;
use serde_json::{Value, json};
use std::{fmt::Display, process::ExitCode};

/// Exit codes; 0 is success and 130 an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Anything else.
    Failed = 1,
    /// The call itself is wrong.
    Usage = 2,
    /// There is no such thing.
    NotFound = 3,
    /// The token is missing or wrong.
    Auth = 4,
    /// The state of the thing does not allow it.
    Conflict = 5,
    /// The server is away or full; try again.
    Unavailable = 6,
    /// A check found something.
    Check = 7,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why a verb ended early.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    problem: Value,
}

impl Failure {
    /// A failure with a message.
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, problem: json!({ "detail": message.to_string() }) }
    }

    /// A problem (RFC 9457) of the server.
    pub fn from_problem(status: u16, problem: Value) -> Self {
        let exit = match status {
            400 | 413 | 415 | 422 => Exit::Usage,
            401 | 403 => Exit::Auth,
            404 => Exit::NotFound,
            409 | 410 | 412 => Exit::Conflict,
            408 | 429 | 502..=504 => Exit::Unavailable,
            _ => Exit::Failed,
        };
        Self { exit, problem }
    }

    /// What kind of failure it is.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// Says it on stderr, under `-o json` as the problem object.
    pub fn report(&self, form: Form) -> ExitCode {
        match form {
            Form::Json | Form::Jsonl => eprintln!("{}", self.problem),
            Form::Text | Form::None => {
                let text = |key: &str| self.problem[key].as_str();
                eprintln!("error: {}", text("detail").or(text("title")).unwrap_or("the server gave no reason"));
                for error in self.problem["errors"].as_array().into_iter().flatten() {
                    let part = |key: &str| error[key].as_str().unwrap_or_default();
                    eprintln!("  {}: {}", part("pointer"), part("detail"));
                }
            }
        }
        ExitCode::from(self.exit as u8)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !message.contains(&cause_text) {
                message = format!("{message}: {cause_text}");
            }
            source = cause.source();
        }
        Self::new(Exit::Failed, message)
    }
}
