//! Closed loops: every client waits for its answer before it asks again.

use crate::http::{Connection, request};
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    task::{JoinSet, LocalSet},
    time::timeout,
};
use uuid::Uuid;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// `POST /v1/commands/work.SubmitJob`, every job with a fresh id.
    Submit,
    /// `GET /v1/jobs/{id}` of the first so many jobs that this run submitted.
    Get {
        /// How many.
        jobs: u64,
    },
}

/// A load.
#[derive(Debug, Clone)]
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// Its token.
    pub token: String,
    /// Clients, each with a connection of its own.
    pub clients: usize,
    /// How long.
    pub time: Duration,
    /// What is asked.
    pub ask: Ask,
}

/// What a load has measured.
pub struct Measured {
    /// Latency of all answers in nanoseconds.
    pub latency: Histogram<u64>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Connections that broke.
    pub broken: Vec<String>,
    /// How long it really took.
    pub elapsed: Duration,
}

impl Measured {
    /// Answers 200 and 201; 202 is none: it says nothing about the outcome.
    pub fn good(&self) -> u64 {
        self.statuses.iter().filter(|(status, _)| matches!(status, 200 | 201)).map(|(_, count)| count).sum()
    }

    /// Good answers per second.
    pub fn rate(&self) -> f64 {
        self.good() as f64 / self.elapsed.as_secs_f64().max(0.001)
    }

    /// A quantile of the latency in milliseconds.
    pub fn millis(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e6
    }
}

/// The id of the n-th job of this run: a UUIDv7 whose time is fixed, so that any job can be asked for without a list.
pub fn job_id(n: u64) -> Uuid {
    Uuid::from_u128(0x019a_9e00_0000_7000_8000_0000_0000_0000 | u128::from(n))
}

impl Load {
    /// Runs the load; `submitted` counts the jobs of this run, across loads.
    pub async fn run(&self, submitted: &Rc<Cell<u64>>) -> Result<Measured> {
        let statuses = Rc::new(RefCell::new(BTreeMap::new()));
        let latency = Rc::new(RefCell::new(Histogram::<u64>::new_with_bounds(1_000, 60_000_000_000, 3)?));
        let broken = Rc::new(RefCell::new(Vec::new()));
        let mut connections = Vec::with_capacity(self.clients);
        for _ in 0..self.clients {
            connections.push(Connection::open(self.address).await?);
        }
        let start = Instant::now();
        let end = start + self.time;
        let local = LocalSet::new();
        let mut clients = JoinSet::new();
        for (place, connection) in connections.into_iter().enumerate() {
            let client = Client {
                connection,
                template: Template::of(self),
                ask: self.ask,
                submitted: submitted.clone(),
                // Clients that read start at different jobs and stride over all of them.
                cursor: place as u64 * 7_919,
                latency: latency.clone(),
                statuses: statuses.clone(),
            };
            let broken = broken.clone();
            clients.spawn_local_on(
                async move {
                    if let Err(error) = client.run(end).await {
                        broken.borrow_mut().push(error.to_string());
                    }
                },
                &local,
            );
        }
        let done = local.run_until(async { while clients.join_next().await.is_some() {} });
        timeout(self.time + Duration::from_secs(60), done).await.context("the server has stopped answering")?;
        let elapsed = start.elapsed();
        let (latency, statuses, broken) = (latency.borrow().clone(), statuses.take(), broken.take());
        Ok(Measured { latency, statuses, broken, elapsed })
    }
}

/// A request of which only the id changes.
struct Template {
    bytes: Vec<u8>,
    /// Where the id stands.
    id: usize,
}

impl Template {
    fn of(load: &Load) -> Self {
        let id = Uuid::nil().hyphenated().to_string();
        let bytes = match load.ask {
            Ask::Submit => {
                let body = format!(r#"{{"job_id":"{id}","queue":"bench","kind":"none","config":{{"seed":1,"alpha":0.05}}}}"#);
                request(&load.token, "POST", "/v1/commands/work.SubmitJob", &body)
            }
            Ask::Get { .. } => request(&load.token, "GET", &format!("/v1/jobs/{id}"), ""),
        };
        let id = bytes.windows(id.len()).position(|window| window == id.as_bytes()).unwrap_or_default();
        Self { bytes, id }
    }

    fn with(&mut self, id: Uuid) -> &[u8] {
        id.hyphenated().encode_lower(&mut self.bytes[self.id..self.id + 36]);
        &self.bytes
    }
}

struct Client {
    connection: Connection,
    template: Template,
    ask: Ask,
    submitted: Rc<Cell<u64>>,
    cursor: u64,
    latency: Rc<RefCell<Histogram<u64>>>,
    statuses: Rc<RefCell<BTreeMap<u16, u64>>>,
}

impl Client {
    async fn run(mut self, end: Instant) -> Result<()> {
        let mut now = Instant::now();
        while now < end {
            let id = match self.ask {
                Ask::Submit => self.submitted.replace(self.submitted.get() + 1),
                Ask::Get { jobs } => {
                    self.cursor = self.cursor.wrapping_add(104_729);
                    self.cursor % jobs.max(1)
                }
            };
            let status = self.connection.send(self.template.with(job_id(id))).await?;
            let answered = Instant::now();
            self.latency.borrow_mut().saturating_record(u64::try_from((answered - now).as_nanos()).unwrap_or(u64::MAX));
            *self.statuses.borrow_mut().entry(status).or_default() += 1;
            now = answered;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    fn load(address: SocketAddr, ask: Ask) -> Load {
        Load { address, token: "t".to_owned(), clients: 3, time: Duration::from_millis(50), ask }
    }

    #[test]
    fn every_request_carries_its_own_id() {
        for ask in [Ask::Submit, Ask::Get { jobs: 1 }] {
            let mut template = Template::of(&load("127.0.0.1:1".parse().unwrap(), ask));
            for n in [0, 1, u64::from(u32::MAX)] {
                let text = String::from_utf8(template.with(job_id(n)).to_vec()).unwrap();
                assert!(text.contains(&job_id(n).to_string()), "{text}");
            }
        }
        assert_eq!(job_id(5).get_version_num(), 7);
    }

    #[tokio::test]
    async fn statuses_and_broken_connections_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut served = 0;
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                served += 1;
                let last = served;
                tokio::spawn(async move {
                    let mut request = vec![0; 4096];
                    for turn in 0.. {
                        if stream.read(&mut request).await.unwrap_or(0) == 0 || (last == 3 && turn == 2) {
                            return;
                        }
                        let status = if turn % 2 == 0 { "201 Created" } else { "503 Busy" };
                        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        let submitted = Rc::new(Cell::new(0));
        let measured = load(address, Ask::Submit).run(&submitted).await.unwrap();
        assert_eq!(measured.broken.len(), 1, "{:?}", measured.broken);
        assert_eq!(measured.statuses.keys().copied().collect::<Vec<_>>(), [201, 503]);
        assert_eq!(measured.good(), measured.statuses[&201]);
        assert_eq!(measured.statuses.values().sum::<u64>() + 1, submitted.get());
        assert_eq!(measured.latency.len() + 1, submitted.get());
    }
}
