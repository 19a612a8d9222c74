//! Callers that wait for their answers, as those of a gateway do.

use super::commands::Sent;
use log::{Durability, Log, Source};
use parking_lot::Mutex;
use schemas::{
    Message,
    envelope::{CommandResult, Envelope},
};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{sync::oneshot, task::JoinSet};
use uuid::Uuid;

type Waiting = Arc<Mutex<HashMap<Uuid, oneshot::Sender<(Envelope, CommandResult)>>>>;

/// Sends commands and hears the answers that come from now on.
pub struct Caller {
    log: Arc<dyn Log>,
    waiting: Waiting,
    _readers: JoinSet<()>,
}

impl Caller {
    pub async fn new(log: Arc<dyn Log>) -> Self {
        let waiting = Waiting::default();
        let mut readers = JoinSet::new();
        for partition in 0..log.partitions() {
            let source = Source { topic: "work.results".into(), partition };
            let from = log.end(&source).await.expect("the results have an end");
            readers.spawn(hear(log.clone(), source, from, waiting.clone()));
        }
        Self { log, waiting, _readers: readers }
    }

    /// The answer to a command.
    pub async fn call(&self, command: &Sent) -> (Envelope, CommandResult) {
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().insert(command.envelope.command_id, answer);
        let record = command.append(self.log.partitions());
        self.log.append(vec![record], Durability::Ordered).await.expect("a command can be appended");
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, answered).await.expect("an answer comes in time").expect("the reader lives")
    }

    pub async fn status(&self, command: &Sent) -> i32 {
        self.call(command).await.1.status
    }
}

async fn hear(log: Arc<dyn Log>, source: Source, mut from: u64, waiting: Waiting) {
    loop {
        if !log.wait(&source, from, Duration::from_secs(1)).await.expect("the results can be waited for") {
            continue;
        }
        for record in log.read(&source, from, 1000).await.expect("the results can be read") {
            from = record.offset + 1;
            let envelope = Envelope::decode(&record.envelope).expect("an envelope");
            let result = CommandResult::decode(&envelope.r#type, &record.payload).expect("a result");
            if let Some(answer) = waiting.lock().remove(&envelope.command_id) {
                let _ = answer.send((envelope, result));
            }
        }
    }
}
