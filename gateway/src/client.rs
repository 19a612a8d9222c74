//! Commands from within the process: the way of `POST /v1/commands/{type}` without HTTP and without JSON.
//!
//! What enters is a typed command; what leaves is the writer's answer. A command goes the way that [`submit`](crate::submit)
//! describes, under the same bounds, and is as durable when it is answered. Who owns the log already needs no token: such
//! commands are the operator `local`'s. Not offered here: idempotency keys, preconditions and answers before the decision.

use crate::{
    Limits,
    auth::{Principal, Role},
    codes, consistency,
    problem::Problem,
    results::Listener,
    submit::{Order, Outcome, Submitter, Wait},
    waiters::Waiters,
};
use log::{Log, LogError};
use schemas::{Message, envelope::CommandResult};
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// Who sends them.
const LOCAL: Principal = Principal { tenant: "default", role: Role::Operator, actor: "local" };

/// Sends commands and waits for their results; those that it waits for when it is dropped are decided all the same.
pub struct Client {
    submitter: Submitter,
    wait: Duration,
    _listeners: JoinSet<()>,
    _stop: DropGuard,
}

/// A command without an answer. It carries what HTTP would have said.
#[derive(Debug, thiserror::Error)]
#[error("{status} {code}: {detail}")]
pub struct Unanswered {
    /// 503 if it is worth another try; 202 if the command is on record and no result came in time.
    pub status: u16,
    /// Code of the problem.
    pub code: String,
    /// What happened.
    pub detail: String,
}

impl Client {
    /// A client of `log`, whose topics exist, with at most `limits.commands` in flight and a wait of
    /// `limits.command_wait` for each.
    pub async fn start(log: Arc<dyn Log>, limits: &Limits) -> Result<Self, LogError> {
        let (contexts, waiters, stop) = (consistency::contexts(), Waiters::new(), CancellationToken::new());
        let mut listeners = JoinSet::new();
        for listener in Listener::at_the_end(&log, &waiters, contexts).await? {
            let listening = listener.run(stop.clone());
            listeners.spawn(async move {
                if let Err(error) = listening.await {
                    tracing::error!(%error, "results do not arrive any more");
                }
            });
        }
        let submitter = Submitter::new(log, waiters, contexts, limits.commands);
        Ok(Self { submitter, wait: limits.command_wait, _listeners: listeners, _stop: stop.drop_guard() })
    }

    /// The writer's answer to a command, be it events or a refusal.
    pub async fn submit<C: Message>(&self, command: &C) -> Result<CommandResult, Unanswered> {
        let mut payload = Vec::with_capacity(128);
        command.encode(&mut payload).map_err(Problem::from)?;
        let schema = schemas::schema(command.name()).ok_or_else(|| Problem::new(codes::UNKNOWN_COMMAND, "it has no schema"))?;
        let order = Order {
            schema,
            command_id: Uuid::now_v7(),
            aggregate_id: command.aggregate_id().to_owned(),
            payload,
            correlation_id: None,
            traceparent: None,
            occurred_at: None,
            // Anything, as without If-Match.
            expected_seq: -2,
            body_hash: None,
        };
        match self.submitter.send(&LOCAL, order, Wait::Decided(self.wait)).await? {
            Outcome::Decided(decision) => Ok(decision.result),
            Outcome::Accepted => Err(Unanswered {
                status: 202,
                code: "accepted".to_owned(),
                detail: format!("the command is on record; no result came within {:?}", self.wait),
            }),
        }
    }
}

impl From<Problem> for Unanswered {
    fn from(problem: Problem) -> Self {
        Self { status: problem.status().as_u16(), code: problem.code().to_owned(), detail: problem.detail().to_owned() }
    }
}
