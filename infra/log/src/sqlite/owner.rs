//! The exclusive right to commit under a name.

use super::{Shared, queue::Commit, shared::answered};
use crate::{LogError, Offset, Transaction, Transactional};
use futures::future::BoxFuture;
use std::sync::Arc;

/// An owner of a transactional name; the writer thread knows whether it is still the newest.
pub(super) struct Owner {
    shared: Arc<Shared>,
    name: Arc<str>,
    epoch: u64,
}

impl Owner {
    pub(super) fn new(shared: Arc<Shared>, name: Arc<str>, epoch: u64) -> Self {
        Self { shared, name, epoch }
    }
}

impl Transactional for Owner {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn commit(&mut self, transaction: Transaction) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        Box::pin(async move {
            let rows = self.shared.address(transaction.append)?;
            let consumed = transaction.consumed.into_iter();
            let consumed = consumed.map(|step| Ok((self.shared.partition(&step.source)?, step.group, step.next)));
            let consumed = consumed.collect::<Result<_, LogError>>()?;
            let commit = Commit { name: self.name.clone(), epoch: self.epoch, rows, consumed };
            answered(self.shared.queue.commit(commit)?).await
        })
    }
}
