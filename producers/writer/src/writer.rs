//! The writer as a whole: joins the group for as long as it lives.
//!
//! A lane that is taken away leaves its state here, so that it only has to catch up if it comes back. A fenced lane means
//! that another writer believes in an assignment that this one does not know of: leave the group and join anew.

use crate::{
    Config, Deciders, GROUP, WriterError,
    deduplication::Deduplication,
    patience::Pause,
    session::Session,
    state::{Address, LaneState},
};
use log::{Consumer, Log, LogError};
use schemas::{Stream, snapshots_topic};
use service::{Component, Lifecycle, Status};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// How long to stay away after a lane was fenced.
const REJOIN_PAUSE: Duration = Duration::from_millis(500);

/// Decides the commands of all contexts of `deciders` until the shutdown; then finishes what it has in hand and leaves.
pub async fn run(log: Arc<dyn Log>, deciders: Deciders, config: Config, lifecycle: &Lifecycle) -> Result<(), WriterError> {
    let topic = |stream: Stream| deciders.contexts().iter().map(move |context| stream.topic(context)).collect::<Vec<_>>();
    let all: Vec<String> = [Stream::Commands, Stream::Events, Stream::Results].into_iter().flat_map(topic).collect();
    let snapshots = deciders.contexts().iter().map(|context| snapshots_topic(context));
    let all: Vec<String> = all.into_iter().chain(snapshots).collect();
    let commands = topic(Stream::Commands);
    let health = lifecycle.health().component("writer");
    let mut writer = Writer {
        log,
        deciders: Arc::new(deciders),
        config,
        lifecycle: lifecycle.clone(),
        health,
        states: HashMap::new(),
        reported: Status::Starting,
    };
    let mut pause = Pause::new();
    while !writer.is_shutting_down() {
        match writer.join(&all, &commands).await {
            Ok(consumer) => {
                pause = Pause::new();
                let mut session = Session::new(consumer, &mut writer);
                let end = session.run(&commands).await;
                let closed = session.close(matches!(end, Ok(None))).await;
                match end? {
                    None => return closed,
                    Some(why) => {
                        closed?;
                        tracing::error!(why, "the writer joins its group anew");
                        writer.report(Status::Failing(format!("{why}; joining the group anew")));
                        writer.rest(REJOIN_PAUSE).await;
                    }
                }
            }
            Err(error @ (LogError::Transient(_) | LogError::Ambiguous(_) | LogError::Fenced { .. })) => {
                tracing::warn!(%error, "the writer cannot join its group yet");
                writer.report(Status::Failing(error.to_string()));
                writer.rest(pause.next()).await;
            }
            Err(error) => return Err(WriterError::Fatal(error)),
        }
    }
    Ok(())
}

pub(crate) struct Writer {
    pub(crate) log: Arc<dyn Log>,
    deciders: Arc<Deciders>,
    pub(crate) config: Config,
    lifecycle: Lifecycle,
    health: Component,
    /// Of lanes that are not this writer's now.
    pub(crate) states: HashMap<u32, LaneState>,
    reported: Status,
}

impl Writer {
    async fn join(&mut self, all: &[String], commands: &[String]) -> Result<Box<dyn Consumer>, LogError> {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        self.log.create_topics(&all).await?;
        self.log.consume(GROUP, &commands).await
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.lifecycle.shutdown().is_cancelled()
    }

    pub(crate) async fn rest(&mut self, pause: Duration) {
        let shutdown = self.lifecycle.shutdown();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    pub(crate) fn report(&mut self, status: Status) {
        if self.reported != status {
            self.health.set(status.clone());
            self.reported = status;
        }
    }

    pub(crate) fn state(&mut self, partition: u32) -> LaneState {
        self.states.remove(&partition).unwrap_or_else(|| {
            let (partitions, timeline) = (self.log.partitions(), self.log.timeline().0);
            let window = i64::try_from(self.config.idempotency_window.as_micros()).unwrap_or(i64::MAX);
            let limit = self.config.max_idempotency_keys.div_ceil(partitions.max(1) as usize);
            let address = Address { partition, partitions, timeline };
            LaneState::new(self.deciders.clone(), address, Deduplication::new(self.deciders.contexts().len(), limit, window))
        })
    }
}
