//! An owner of a transactional name.
//!
//! The broker's fence is the truth; the number of the owner is written to the log by a first transaction, which also
//! shows that the name is really held. A commit runs where blocking harms nobody and has an end in any case: an owner
//! whose commit was given up, or not answered, has no producer any more and must be replaced. A producer whose requests
//! may arrive late is replaced before the next transaction, if the name is still its owner's.

use super::{
    client::retire,
    groups::Voucher,
    producer::{Failed, Moved, Transactor, Work},
    shared::Shared,
    times::Times,
    wire::Outgoing,
};
use crate::{
    Append, Consumed, LogError, Offset, Source, Transaction, Transactional,
    meters::{self, Meters},
};
use futures::future::BoxFuture;
use std::{collections::BTreeMap, mem, sync::Arc, time::Duration};
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout},
};

/// Longer than all steps of a commit together.
const LIMIT: Duration = Duration::from_secs(60);

/// The owner.
pub(super) struct Owner {
    shared: Arc<Shared>,
    name: String,
    epoch: u64,
    times: Times,
    state: State,
    meters: Meters,
}

enum State {
    Ready(Transactor),
    /// The last transaction ended for certain; the next one needs a new producer.
    Spent,
    Fenced,
    /// Without a producer, and why.
    Lost(String),
}

impl Owner {
    /// Takes the name from whoever had it.
    pub(super) async fn take(shared: Arc<Shared>, name: &str) -> Result<Self, LogError> {
        let (clients, meta, owned) = (shared.clients.clone(), shared.meta.clone(), name.to_owned());
        let taking = spawn_blocking(move || {
            let transactor = Transactor::take(&clients, &owned)?;
            let epoch = meta.epoch(&owned)? + 1;
            let mut work = Work { messages: vec![meta.owner(&owned, epoch)], consumed: Vec::new() };
            match transactor.commit(&mut work) {
                Ok(_) => Ok((State::ended(transactor), epoch)),
                Err(Failed::Fenced) => Err(LogError::Fenced { name: owned, epoch: 0 }),
                Err(Failed::Aborted(why) | Failed::Unknown(why)) => {
                    Err(LogError::Transient(format!("owner of {owned} could not be written down: {why}")))
                }
            }
        });
        let taken = timeout(LIMIT, taking).await;
        let taken = taken.map_err(|_| LogError::Transient(format!("transactional name {name} could not be taken in time")))?;
        let (state, epoch) = taken.map_err(|error| LogError::Transient(error.to_string()))??;
        Ok(Self { shared, name: name.to_owned(), epoch, times: Times::default(), state, meters: Meters::new() })
    }

    async fn transact(&mut self, transaction: Transaction) -> Result<Vec<Offset>, LogError> {
        let Transaction { append, consumed } = transaction;
        let mut names = Vec::with_capacity(append.len());
        for append in &append {
            names.push(self.shared.topics.full(&append.source).await?);
        }
        for consumed in &consumed {
            self.shared.topics.check(&consumed.source).await?;
        }
        if append.is_empty() && consumed.is_empty() {
            return Ok(Vec::new());
        }
        let moved = match self.vouch(consumed).await? {
            Some(moved) => moved,
            None => return Err(self.fenced()),
        };
        for append in &append {
            if !self.times.knows(&append.source) {
                let time = self.shared.last_time(&append.source).await?;
                self.times.learn(append.source.clone(), time);
            }
        }
        if matches!(self.state, State::Spent) {
            self.renew().await?;
        }
        let transactor = match mem::replace(&mut self.state, State::Lost("a commit was given up before its end".to_owned())) {
            State::Ready(transactor) => transactor,
            state => {
                self.state = state;
                return Err(self.refusal());
            }
        };
        let sources: Vec<Source> = append.iter().map(|append| append.source.clone()).collect();
        let work = Work { messages: self.messages(names, append), consumed: moved };
        let offsets = self.run(transactor, work).await?;
        for (source, offset) in sources.iter().zip(&offsets) {
            self.shared.ends.promise(source, *offset);
        }
        Ok(offsets)
    }

    fn messages(&mut self, names: Vec<Arc<str>>, append: Vec<Append>) -> Vec<Outgoing> {
        let messages = names.into_iter().zip(append).map(|(topic, append)| {
            let time = self.times.raise(&append.source, append.time);
            Outgoing::new(topic, append, time)
        });
        messages.collect()
    }

    /// Takes the name with a new producer, whose epoch fences the late requests of the old one. Who took the name
    /// meanwhile has written a greater number.
    async fn renew(&mut self) -> Result<(), LogError> {
        let (clients, meta, name, epoch) = (self.shared.clients.clone(), self.shared.meta.clone(), self.name.clone(), self.epoch);
        let taking = spawn_blocking(move || {
            let is_owner = || Ok::<_, LogError>(meta.epoch(&name)? == epoch);
            if !is_owner()? {
                return Ok(None);
            }
            let transactor = Transactor::take(&clients, &name)?;
            Ok::<_, LogError>(is_owner()?.then_some(transactor))
        });
        let taken = timeout(LIMIT, taking).await;
        let taken =
            taken.map_err(|_| LogError::Transient(format!("transactional name {} could not be taken again", self.name)))?;
        self.state = match taken.map_err(|error| LogError::Transient(error.to_string()))?? {
            Some(transactor) => State::Ready(transactor),
            None => State::Fenced,
        };
        Ok(())
    }

    async fn run(&mut self, transactor: Transactor, mut work: Work) -> Result<Vec<Offset>, LogError> {
        let (start, count) = (Instant::now(), work.messages.len());
        let committing = spawn_blocking(move || {
            let outcome = transactor.commit(&mut work);
            (transactor, outcome)
        });
        let (transactor, outcome) = match timeout(LIMIT, committing).await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => return Err(self.lost(panic.to_string())),
            Err(_) => return Err(self.lost("a commit did not end in time".to_owned())),
        };
        match outcome {
            Ok(offsets) => {
                self.state = State::ended(transactor);
                self.meters.commit_seconds.record(start.elapsed().as_secs_f64());
                self.meters.group_records.record(count as f64);
                Ok(offsets)
            }
            Err(Failed::Aborted(why)) => {
                self.state = State::ended(transactor);
                Err(LogError::Transient(format!("transaction of {} was aborted: {why}", self.name)))
            }
            Err(Failed::Fenced) => {
                retire(transactor);
                self.state = State::Fenced;
                Err(self.fenced())
            }
            Err(Failed::Unknown(why)) => {
                retire(transactor);
                Err(self.lost(why))
            }
        }
    }

    /// In whose name each consumed offset moves; nothing if the group goes on without the member that consumed.
    async fn vouch(&self, consumed: Vec<Consumed>) -> Result<Option<Vec<Moved>>, LogError> {
        // The last offset of a source counts.
        let mut last: BTreeMap<(Arc<str>, Source), Offset> = BTreeMap::new();
        for Consumed { group, source, next } in consumed {
            last.insert((group, source), next);
        }
        let mut moved: Vec<Moved> = Vec::new();
        for ((group, source), next) in last {
            let Some(voucher) = self.shared.groups.vouch(&group, &source).await? else { return Ok(None) };
            let place = (self.shared.topics.name(&source.topic), source.partition, next);
            match moved.iter_mut().find(|moved| Voucher::is_same(&moved.voucher, &voucher)) {
                Some(same) => same.offsets.push(place),
                None => moved.push(Moved { voucher, offsets: vec![place] }),
            }
        }
        Ok(Some(moved))
    }

    fn refusal(&self) -> LogError {
        match &self.state {
            State::Fenced => self.fenced(),
            State::Lost(why) => LogError::Ambiguous(format!("owner of {} has no producer any more: {why}", self.name)),
            State::Ready(_) | State::Spent => LogError::Transient(format!("owner of {} is busy", self.name)),
        }
    }

    fn lost(&mut self, why: String) -> LogError {
        self.state = State::Lost(why.clone());
        LogError::Ambiguous(why)
    }

    fn fenced(&self) -> LogError {
        meters::fenced(&self.name);
        LogError::Fenced { name: self.name.clone(), epoch: 0 }
    }
}

impl State {
    /// After a transaction of which the end is known.
    fn ended(transactor: Transactor) -> Self {
        if !transactor.is_spent() {
            return Self::Ready(transactor);
        }
        retire(transactor);
        Self::Spent
    }
}

impl Transactional for Owner {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn commit(&mut self, transaction: Transaction) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        Box::pin(self.transact(transaction))
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let State::Ready(transactor) = mem::replace(&mut self.state, State::Fenced) {
            retire(transactor);
        }
    }
}
