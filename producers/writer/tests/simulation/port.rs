//! The log's port, as one writer sees it: every call becomes a request that waits on the desk until the schedule serves it.

use super::world::World;
use futures::future::BoxFuture;
use log::{Append, Consumer, Delivery, Durability, Log, LogError, Offset, Record, Source, Timeline, Transaction, Transactional};
use parking_lot::Mutex;
use std::{future::pending, sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

/// Consumers that wait for something to come.
pub(crate) struct Waiting {
    pub(crate) member: u64,
    pub(crate) seeks: Vec<(Source, Offset)>,
    pub(crate) until: Instant,
}

/// A call that was not served yet.
pub(crate) struct Request {
    /// Who asks for what: the order of requests before one is drawn, whatever order threads gave them.
    pub(crate) label: (u32, String),
    pub(crate) waiting: Option<Waiting>,
    pub(crate) serve: Box<dyn FnOnce(&mut World) + Send>,
}

/// The requests of all writers.
pub(crate) type Desk = Arc<Mutex<Vec<Request>>>;

/// The log of one writer.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) writer: u32,
    pub(crate) partitions: u32,
    pub(crate) desk: Desk,
}

impl Port {
    /// Waits until `serve` was called and has answered; for ever if it does not.
    fn ask<T: Send + 'static>(
        &self,
        label: String,
        waiting: Option<Waiting>,
        serve: impl FnOnce(&mut World) -> Option<Result<T, LogError>> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, LogError>> {
        let (desk, writer) = (self.desk.clone(), self.writer);
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            let serve = Box::new(move |world: &mut World| {
                // Whoever asked may have died; what it asked for may have arrived all the same.
                if reply.is_closed() && world.chance(0.5) {
                    return;
                }
                if let Some(answer) = serve(world) {
                    let _ = reply.send(answer);
                }
            });
            desk.lock().push(Request { label: (writer, label), waiting, serve });
            match answer.await {
                Ok(answer) => answer,
                Err(_) => pending().await,
            }
        })
    }

    /// A call that changes nothing.
    fn look<T: Send + 'static>(
        &self,
        label: String,
        look: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, LogError>> {
        self.ask(label, None, move |world| Some(world.fault().map_or_else(|| Ok(look(world)), Err)))
    }
}

impl Log for Port {
    fn timeline(&self) -> Timeline {
        Timeline(Uuid::from_u128(1))
    }

    fn partitions(&self) -> u32 {
        self.partitions
    }

    fn create_topics<'a>(&'a self, _: &'a [&'a str]) -> BoxFuture<'a, Result<(), LogError>> {
        self.look("create topics".to_owned(), |_| ())
    }

    fn append(&self, records: Vec<Append>, _: Durability) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        let label = records.first().map_or_else(String::new, |first| format!("append {}", first.source));
        self.ask(label, None, move |world| {
            if let Some(fault) = world.fault() {
                return Some(Err(fault));
            }
            let offsets = world.storage.append(records);
            Some(world.lost("append").map_or(Ok(offsets), Err))
        })
    }

    fn transactional<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Box<dyn Transactional>, LogError>> {
        let (port, name) = (self.clone(), name.to_owned());
        self.ask(format!("own {name}"), None, move |world| {
            if let Some(fault) = world.fault() {
                return Some(Err(fault));
            }
            let epoch = world.storage.own(&name, &mut world.rng);
            let owner = Box::new(Owner { port, name, epoch }) as Box<dyn Transactional>;
            Some(world.lost("own").map_or(Ok(owner), Err))
        })
    }

    fn read<'a>(&'a self, source: &'a Source, from: Offset, max: usize) -> BoxFuture<'a, Result<Vec<Record>, LogError>> {
        let source = source.clone();
        self.look(format!("read {source}"), move |world| {
            // Pages are short, so that much can happen between two.
            let max = max.min(world.page);
            world.storage.read(&source, from, max)
        })
    }

    fn end<'a>(&'a self, source: &'a Source) -> BoxFuture<'a, Result<Offset, LogError>> {
        let source = source.clone();
        self.look(format!("end {source}"), move |world| world.storage.end(&source))
    }

    fn offset_at<'a>(&'a self, source: &'a Source, time: i64) -> BoxFuture<'a, Result<Offset, LogError>> {
        let source = source.clone();
        self.look(format!("offset at {source}"), move |world| world.storage.offset_at(&source, time))
    }

    fn wait<'a>(&'a self, _: &'a Source, _: Offset, _: Duration) -> BoxFuture<'a, Result<bool, LogError>> {
        // A writer waits for its consumer only: whoever waits here is a defect, and stops the writer.
        Box::pin(async { Err(LogError::Fatal("nobody waits for a source".to_owned())) })
    }

    fn committed<'a>(&'a self, _: &'a str, source: &'a Source) -> BoxFuture<'a, Result<Option<Offset>, LogError>> {
        let source = source.clone();
        self.look(format!("committed {source}"), move |world| world.storage.committed(&source))
    }

    fn trim<'a>(&'a self, source: &'a Source, before: Offset) -> BoxFuture<'a, Result<bool, LogError>> {
        let source = source.clone();
        self.look(format!("trim {source}"), move |world| world.storage.trim(&source, before, &mut world.rng))
    }

    fn consume<'a>(&'a self, _: &'a str, _: &'a [&'a str]) -> BoxFuture<'a, Result<Box<dyn Consumer>, LogError>> {
        let port = self.clone();
        self.look("join".to_owned(), move |world| {
            let member = world.group.join();
            world.members.insert(port.writer, member);
            Box::new(Member { port, member, seeks: Vec::new() }) as Box<dyn Consumer>
        })
    }
}

struct Owner {
    port: Port,
    name: String,
    epoch: u64,
}

impl Transactional for Owner {
    fn epoch(&self) -> u64 {
        self.epoch
    }

    fn commit(&mut self, transaction: Transaction) -> BoxFuture<'_, Result<Vec<Offset>, LogError>> {
        let (name, epoch) = (self.name.clone(), self.epoch);
        let label = format!("commit {name} {epoch}: {} records", transaction.append.len());
        self.port.ask(label, None, move |world| world.commit(&name, epoch, transaction))
    }
}

struct Member {
    port: Port,
    member: u64,
    seeks: Vec<(Source, Offset)>,
}

impl Consumer for Member {
    fn next(&mut self, max: usize, wait: Duration) -> BoxFuture<'_, Result<Delivery, LogError>> {
        let (member, seeks) = (self.member, std::mem::take(&mut self.seeks));
        let waiting = Waiting { member, seeks: seeks.clone(), until: Instant::now() + wait };
        self.port.ask("next".to_owned(), Some(waiting), move |world| {
            world.group.seek(member, seeks);
            let fault = world.fault().or_else(|| world.lost("session"));
            Some(fault.map_or_else(|| Ok(world.group.next(member, &world.storage, max, &mut world.rng)), Err))
        })
    }

    fn seek(&mut self, source: &Source, from: Offset) {
        self.seeks.push((source.clone(), from));
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let member = self.member;
        let serve = Box::new(move |world: &mut World| world.group.leave(member));
        self.port.desk.lock().push(Request { label: (self.port.writer, "leave".to_owned()), waiting: None, serve });
    }
}
