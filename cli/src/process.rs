//! The life of a process that plays roles: listen, open, start, announce, and on SIGTERM drain and leave.
//!
//! The health pages answer from the first moment, while servers that are away are waited for. The gateway drains in a
//! stage before the writer and the consumers, so that they still answer what it has in hand.

use crate::{
    Done, Global,
    failure::{Exit, Failure},
    parts::{Opening, Parts},
    roles::Role,
    server_file::ServerFile,
    servers::Servers,
};
use sd_notify::NotifyState;
use service::{
    Lifecycle,
    http::{self, Pages, WaitingRoom},
};
use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long the roles may take to finish what they have in hand.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the samples of histograms are summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// What every process that serves understands.
#[derive(clap::Args)]
pub struct Process {
    /// Address to listen on; beyond loopback a token is required [default: 127.0.0.1 and the part's own port]
    #[arg(long, env = "SWARMLOG_LISTEN", value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// File of the ClickHouse engine [default: where `make chdb` puts it]
    #[arg(long, env = "SWARMLOG_CHDB_LIBRARY", value_name = "FILE")]
    chdb_library: Option<PathBuf>,
    /// File to write once the process is ready; it holds the URL
    #[arg(long, env = "SWARMLOG_READY_FILE", value_name = "FILE")]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    servers: Servers,
}

impl Process {
    /// Plays one role beside other processes on the same servers.
    pub async fn run_alone(self, global: &Global, role: Role) -> Done {
        role.check_alone(&self.servers)?;
        self.run(global, role.to_string(), &[role]).await
    }

    /// Plays all roles.
    pub async fn run_all(self, global: &Global) -> Done {
        self.run(global, String::new(), &Role::ALL).await
    }

    async fn run(self, global: &Global, name: String, roles: &[Role]) -> Done {
        let started = Instant::now();
        let token = global.token.clone();
        let settings = self.servers.settings();
        let address = self.listen.unwrap_or_else(|| roles.first().unwrap_or(&Role::Gateway).address(&settings.listen));
        gateway::check_bind(address, token.as_deref()).map_err(|e| Failure::new(Exit::Usage, e))?;
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot listen on {address}: {error}; name another address with --listen ADDR:PORT"),
            )
        })?;
        let url = format!("http://{}", listener.local_addr()?);
        let metrics = service::telemetry::start_metrics()?;
        let front = Lifecycle::new();
        let back = front.stage();
        let pages = Pages { lifecycle: front.clone(), metrics: metrics.clone(), token: token.clone() };
        let (room, listener) = WaitingRoom::open(listener, pages.clone())?;
        let library = self.chdb_library.or(settings.clickhouse.library.clone());
        let opening = Opening { data: &global.data, servers: &self.servers, chdb_library: library, lifecycle: &back };
        let parts = Parts::open(roles, opening).await?;
        room.close().await;
        for role in roles {
            parts.start(*role, settings, &back)?;
        }
        let served = CancellationToken::new();
        let pages_end = if roles.contains(&Role::Gateway) {
            let config = gateway::Config {
                listener,
                token: token.clone(),
                log: parts.log.clone(),
                store: parts.store()?,
                analytics: parts.analytics.clone(),
                objects: parts.objects()?,
                metrics: metrics.clone(),
                lifecycle: front.clone(),
                limits: gateway::Limits::default(),
            };
            front.spawn(Role::Gateway.to_string(), gateway::serve(config));
            None
        } else {
            let router = http::routes(pages).fallback(http::nothing_else);
            Some(tokio::spawn(http::serve(listener, router, served.clone())))
        };
        let upkeep = tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP).await;
                metrics.run_upkeep();
                systemd(&[NotifyState::Watchdog]);
            }
        });
        let about = Announcement {
            name,
            url,
            token,
            is_whole: roles.len() == Role::ALL.len(),
            data: global.data.clone(),
            ready_file: self.ready_file,
            started,
        };
        let ready = tokio::spawn(about.announce(front.clone()));
        front.run_until_signal().await?;
        eprintln!("stopping: finishing what is in hand");
        systemd(&[NotifyState::Stopping, NotifyState::Status("finishing what is in hand")]);
        if roles.len() == Role::ALL.len() {
            ServerFile::remove(&global.data);
        }
        ready.abort();
        let drained = tokio::time::timeout(DRAIN, async {
            let answered = front.finished().await;
            answered.and(back.finished().await)
        })
        .await;
        upkeep.abort();
        served.cancel();
        if let Some(pages_end) = pages_end {
            pages_end.await??;
        }
        parts.close().await?;
        match drained {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => Err(failure.into()),
            Err(_) => Err(Failure::new(
                Exit::Failed,
                format!("not everything was finished within {} s; nothing acknowledged is lost", DRAIN.as_secs()),
            )),
        }
    }
}

/// Tells systemd, if it started this process as `Type=notify`; see sd_notify(3).
fn systemd(state: &[NotifyState]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(false, state);
}

struct Announcement {
    name: String,
    url: String,
    token: Option<String>,
    is_whole: bool,
    data: PathBuf,
    ready_file: Option<PathBuf>,
    started: Instant,
}

impl Announcement {
    /// Waits until everything is ready, then says where the process is.
    async fn announce(self, lifecycle: Lifecycle) {
        let Self { name, url, token, is_whole, data, ready_file, started } = self;
        while !lifecycle.health().is_ready() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if is_whole {
            let file = ServerFile { url: url.clone(), pid: std::process::id(), token };
            if let Err(error) = file.write(&data) {
                eprintln!("warning: cannot write server.json in {}: {error}; the verbs need --server {url}", data.display());
            }
        }
        if let Some(path) = ready_file
            && let Err(error) = fs::write(&path, &url)
        {
            eprintln!("warning: cannot write the ready file {}: {error}", path.display());
        }
        systemd(&[NotifyState::Ready, NotifyState::Status(&format!("ready at {url}"))]);
        let (space, took) = (if name.is_empty() { "" } else { " " }, started.elapsed().as_secs_f64());
        if is_whole {
            eprintln!("swarmlog is ready at {url} after {took:.1} s, data in {}", data.display());
        } else {
            eprintln!("swarmlog{space}{name} is ready at {url} after {took:.1} s");
        }
        for (name, status) in lifecycle.health().statuses() {
            if let service::Status::Degraded(why) = status {
                eprintln!("  {name} works in part: {why}");
            }
        }
        if is_whole {
            eprintln!("  submit a job:  swarmlog --data {} submit --queue demo --kind train.wine", data.display());
        }
    }
}
