//! Reading one's own writes: a query that carries a consistency token sees at least what the token stands for.
//!
//! A token names positions of event topics. A read model of events waits for them; one that reads commands and results
//! waits for what those topics hold now, since whatever was answered is in them. A token of another timeline is refused,
//! never compared. Answers carry a token of what they show at least.

use crate::{Gateway, codes, problem::Problem};
use axum::http::HeaderValue;
use log::Source;
use parking_lot::Mutex;
use schemas::{AnyProjection, ConsistencyToken, SchemaKind, Stream};
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};
use stores::GenerationState;

/// How old the positions may be that an answer names; older ones are true as well, just smaller.
const FRESH: Duration = Duration::from_millis(100);

/// How often a wait for the end of a topic looks where the read model stands.
const LOOK: Duration = Duration::from_millis(5);

/// The contexts that have commands, and so topics.
pub(crate) fn contexts() -> &'static [&'static str] {
    static CONTEXTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let commands = schemas::SCHEMAS.iter().filter(|schema| schema.kind == SchemaKind::Command);
        let mut contexts: Vec<_> = commands.map(|schema| schema.context).collect();
        contexts.sort_unstable();
        contexts.dedup();
        contexts
    });
    &CONTEXTS
}

/// Where a read model has to stand.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    topic: String,
    partition: u32,
    position: u64,
}

/// Waits until `projection` shows what `token` stands for.
pub(crate) async fn settle(
    gateway: &Gateway,
    projection: &'static dyn AnyProjection,
    token: &ConsistencyToken,
) -> Result<(), Problem> {
    if token.timeline != gateway.log.timeline().0 {
        return Err(Problem::new(
            codes::FOREIGN_TIMELINE,
            "the token belongs to another history of the log; drop it and read again",
        ));
    }
    let deadline = Instant::now() + gateway.limits.query_wait;
    let (mut targets, mut sources) = (Vec::new(), Vec::new());
    for ((context, partition), position) in &token.positions {
        if !contexts().contains(&context.as_str()) || *partition >= gateway.log.partitions() {
            return Err(Problem::new(codes::INVALID_TOKEN, "the token names a partition that this log does not have"));
        }
        for stream in projection.streams() {
            let topic = stream.topic(context);
            match stream {
                Stream::Events => targets.push(Target { topic, partition: *partition, position: *position }),
                Stream::Commands | Stream::Results => sources.push(Source { topic: topic.into(), partition: *partition }),
            }
        }
    }
    reach(gateway, projection, targets, deadline).await?;
    reach_end(gateway, projection, sources, deadline).await
}

/// Waits until `projection` has seen every record of its topics that exists now.
pub(crate) async fn settle_now(gateway: &Gateway, projection: &'static dyn AnyProjection, wait: Duration) -> Result<(), Problem> {
    let mut sources = Vec::new();
    for context in contexts() {
        for stream in projection.streams() {
            let topic: Arc<str> = stream.topic(context).into();
            sources.extend((0..gateway.log.partitions()).map(|partition| Source { topic: topic.clone(), partition }));
        }
    }
    reach_end(gateway, projection, sources, Instant::now() + wait).await
}

/// Waits until the live generation has read what `sources` hold now.
async fn reach_end(
    gateway: &Gateway,
    projection: &'static dyn AnyProjection,
    sources: Vec<Source>,
    deadline: Instant,
) -> Result<(), Problem> {
    let mut missing = Vec::with_capacity(sources.len());
    for source in sources {
        let end = gateway.log.end(&source).await?;
        missing.push((source, end));
    }
    while !missing.is_empty() {
        let generations = gateway.store.generations(projection.name()).await?;
        let live = generations.iter().find(|generation| generation.state == GenerationState::Live);
        let stands = match live {
            Some(live) => gateway.store.positions(live.id).await?,
            None => Default::default(),
        };
        let mut left = Vec::new();
        for (source, end) in missing {
            let next = stands.get(&(source.topic.to_string(), source.partition)).map_or(0, |(_, next)| *next);
            if log::unread(&*gateway.log, &source, next, end).await? > 0 {
                left.push((source, end));
            }
        }
        missing = left;
        let Some((source, _)) = missing.first() else { break };
        if Instant::now() >= deadline {
            let name = projection.name();
            return Err(Problem::new(
                codes::NOT_REACHED,
                format!("{name} has not reached the end of {source} in time; try again"),
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn reach(
    gateway: &Gateway,
    projection: &'static dyn AnyProjection,
    targets: Vec<Target>,
    deadline: Instant,
) -> Result<(), Problem> {
    for target in targets.iter().filter(|target| target.position > 0) {
        let left = deadline.saturating_duration_since(Instant::now());
        let reached = gateway.store.reached(projection.name(), &target.topic, target.partition, target.position, left);
        // The store bounds the wait by itself; this bounds a store that does not answer.
        match tokio::time::timeout(left + Duration::from_secs(1), reached).await {
            Ok(Ok(true)) => {}
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(false)) | Err(_) => {
                return Err(Problem::new(
                    codes::NOT_REACHED,
                    format!(
                        "{} has not reached position {} of {}/{} in time; try again",
                        projection.name(),
                        target.position,
                        target.topic,
                        target.partition
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// Positions that the read models are known to have reached.
#[derive(Default)]
pub(crate) struct Watermarks(Mutex<HashMap<&'static str, Mark>>);

/// Where a read model stood at a moment, also as it is answered.
#[derive(Clone)]
struct Mark {
    read: Instant,
    token: Arc<ConsistencyToken>,
    header: HeaderValue,
}

impl Watermarks {
    /// A token of what an answer shows at least: what `asked` stands for, and where `projection` stood before the
    /// answer was read. Call it before reading.
    pub async fn token(
        &self,
        gateway: &Gateway,
        projection: &'static dyn AnyProjection,
        asked: Option<&ConsistencyToken>,
    ) -> Option<HeaderValue> {
        let token = match (self.mark(gateway, projection).await, asked) {
            (Some(mark), None) => return Some(mark.header),
            (Some(mark), Some(asked)) => {
                let mut token = ConsistencyToken::clone(&mark.token);
                for (place, position) in &asked.positions {
                    let known = token.positions.entry(place.clone()).or_default();
                    *known = (*known).max(*position);
                }
                token
            }
            (None, Some(asked)) => asked.clone(),
            (None, None) => return None,
        };
        HeaderValue::try_from(token.to_string()).ok()
    }

    /// Where a read model of events stands; unknown of others, whose positions are no token's.
    async fn mark(&self, gateway: &Gateway, projection: &'static dyn AnyProjection) -> Option<Mark> {
        if projection.streams() != [Stream::Events] {
            return None;
        }
        if let Some(mark) = self.0.lock().get(projection.name())
            && mark.read.elapsed() < FRESH
        {
            return Some(mark.clone());
        }
        let read = Instant::now();
        let generations = gateway.store.generations(projection.name()).await.ok()?;
        let live = generations.iter().find(|generation| generation.state == GenerationState::Live)?;
        let stands = gateway.store.positions(live.id).await.ok()?;
        let positions = stands.into_iter().filter_map(|((topic, partition), (position, _))| {
            Some(((topic.strip_suffix(".events")?.to_owned(), partition), position))
        });
        let token = ConsistencyToken { timeline: gateway.log.timeline().0, positions: positions.collect() };
        let header = HeaderValue::try_from(token.to_string()).ok()?;
        let mark = Mark { read, token: Arc::new(token), header };
        self.0.lock().insert(projection.name(), mark.clone());
        Some(mark)
    }
}
