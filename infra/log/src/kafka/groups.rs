//! Groups: who of this process is a member, in whose name offsets move, and what was committed.
//!
//! Offsets of a transaction move in the name of the member of this process that owns the partition, so that the broker
//! refuses them once the group goes on without it. Where this process has no member in the group, they move in nobody's
//! name, as an operator's would.

use super::{
    client::{Clients, PATIENCE, retire},
    context::Context,
    error::refused,
    member::Joined,
};
use crate::{LogError, Offset, Source};
use parking_lot::Mutex;
use rdkafka::{
    Offset as Place, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata},
};
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};
use tokio::task::spawn_blocking;

/// The groups that this process has to do with.
pub(super) struct Groups {
    clients: Arc<Clients>,
    members: Mutex<HashMap<String, Vec<Weak<Joined>>>>,
    /// One consumer for each group that never joins it.
    outsiders: Mutex<HashMap<String, Arc<BaseConsumer<Context>>>>,
}

impl Groups {
    pub(super) fn new(clients: Arc<Clients>) -> Self {
        Self { clients, members: Mutex::default(), outsiders: Mutex::default() }
    }

    /// Takes note of a member.
    pub(super) fn join(&self, group: &str, member: &Arc<Joined>) {
        let mut members = self.members.lock();
        let members = members.entry(group.to_owned()).or_default();
        members.retain(|member| member.strong_count() > 0);
        members.push(Arc::downgrade(member));
    }

    /// Who vouches for the offset of `source`; nobody if this process has members, and none of them owns it any more.
    pub(super) async fn vouch(&self, group: &str, source: &Source) -> Result<Option<Voucher>, LogError> {
        let members: Vec<Arc<Joined>> = match self.members.lock().get(group) {
            Some(members) => members.iter().filter_map(Weak::upgrade).filter(|member| !member.is_leaving()).collect(),
            None => Vec::new(),
        };
        if members.is_empty() {
            return Ok(Some(Voucher::Outsider(self.outsider(group).await?)));
        }
        Ok(members.into_iter().find(|member| member.owns(source)).map(Voucher::Member))
    }

    /// The offset that `group` committed for `source`.
    pub(super) async fn committed(&self, group: &str, source: &Source) -> Result<Option<Offset>, LogError> {
        let outsider = self.outsider(group).await?;
        let (topic, partition) = (self.clients.name(&source.topic), source.partition.cast_signed());
        let what = format!("no answer about the offset that {group} committed for {source}");
        let asked = spawn_blocking(move || {
            let mut list = TopicPartitionList::with_capacity(1);
            list.add_partition(&topic, partition);
            // The list must go before the consumer may.
            let list = outsider.committed_offsets(list, PATIENCE)?;
            let Some(found) = list.elements().into_iter().next() else { return Ok(None) };
            found.error()?;
            Ok(match found.offset() {
                Place::Offset(next) => Some(super::wire::offset(next)),
                _ => None,
            })
        });
        let answer = asked.await.map_err(|error| LogError::Transient(error.to_string()))?;
        answer.map_err(|error: rdkafka::error::KafkaError| refused(&what, &error))
    }

    async fn outsider(&self, group: &str) -> Result<Arc<BaseConsumer<Context>>, LogError> {
        let known = self.outsiders.lock().get(group).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let (clients, name) = (self.clients.clone(), group.to_owned());
        let made = spawn_blocking(move || clients.outsider(&name)).await;
        let made = Arc::new(made.map_err(|error| LogError::Transient(error.to_string()))??);
        Ok(self.outsiders.lock().entry(group.to_owned()).or_insert(made).clone())
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let outsiders = std::mem::take(self.outsiders.get_mut());
        if !outsiders.is_empty() {
            retire(outsiders);
        }
    }
}

/// In whose name offsets move.
pub(super) enum Voucher {
    Member(Arc<Joined>),
    Outsider(Arc<BaseConsumer<Context>>),
}

impl Voucher {
    /// What the brokers know the member by at this moment.
    pub(super) fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        match self {
            Self::Member(joined) => joined.consumer.group_metadata(),
            Self::Outsider(consumer) => consumer.group_metadata(),
        }
    }

    pub(super) fn is_same(one: &Self, other: &Self) -> bool {
        match (one, other) {
            (Self::Member(one), Self::Member(other)) => Arc::ptr_eq(one, other),
            (Self::Outsider(one), Self::Outsider(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}
