//! `swarmlog up`: the whole server in one process, ready in seconds, gone on Ctrl-C without a loss.

use crate::{
    Done, Global,
    failure::{Exit, Failure},
    parts::Parts,
    server_file::ServerFile,
    servers::Servers,
};
use service::Lifecycle;
use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

/// How long the parts may take to finish what they have in hand.
const DRAIN: Duration = Duration::from_secs(30);

/// Run the whole server in this process.
#[derive(clap::Args)]
pub struct Up {
    /// Address to listen on; beyond loopback a token is required [default: 127.0.0.1:7070]
    #[arg(long, env = "SWARMLOG_LISTEN", value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// File of the ClickHouse engine [default: where `make chdb` puts it]
    #[arg(long, env = "SWARMLOG_CHDB_LIBRARY", value_name = "FILE")]
    chdb_library: Option<PathBuf>,
    /// File to write once the server is ready; it holds the URL
    #[arg(long, env = "SWARMLOG_READY_FILE", value_name = "FILE")]
    ready_file: Option<PathBuf>,
    #[command(flatten)]
    servers: Servers,
}

impl Up {
    /// Serves until SIGTERM or Ctrl-C.
    pub async fn run(self, global: &Global) -> Done {
        let started = Instant::now();
        let token = global.token.clone();
        let listen = self.listen.unwrap_or(self.servers.settings().listen.gateway);
        let library = self.chdb_library.or(self.servers.settings().clickhouse.library.clone());
        gateway::check_bind(listen, token.as_deref()).map_err(|e| Failure::new(Exit::Usage, e))?;
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot listen on {listen}: {error}; name another address with --listen ADDR:PORT"),
            )
        })?;
        let url = format!("http://{}", listener.local_addr()?);
        let metrics = service::telemetry::start_metrics()?;
        let parts = Parts::open(&global.data, self.servers, library).await?;
        let front = Lifecycle::new();
        let back = front.stage();
        parts.start(&back);
        let config = gateway::Config {
            listener,
            token: token.clone(),
            log: Arc::clone(&parts.log),
            store: Arc::clone(&parts.store),
            analytics: parts.analytics.clone(),
            objects: parts.objects.clone(),
            metrics: metrics.clone(),
            lifecycle: front.clone(),
            limits: gateway::Limits::default(),
        };
        front.spawn("gateway", gateway::serve(config));
        let upkeep = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                metrics.run_upkeep();
            }
        });
        let ready = tokio::spawn(announce(
            front.clone(),
            Announcement { url, token, data: global.data.clone(), ready_file: self.ready_file, started },
        ));
        front.run_until_signal().await?;
        eprintln!("stopping: finishing what is in hand");
        ServerFile::remove(&global.data);
        ready.abort();
        let drained = tokio::time::timeout(DRAIN, async {
            let answered = front.finished().await;
            answered.and(back.finished().await)
        })
        .await;
        upkeep.abort();
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

struct Announcement {
    url: String,
    token: Option<String>,
    data: PathBuf,
    ready_file: Option<PathBuf>,
    started: Instant,
}

/// Waits until every part is ready, then says where the server is.
async fn announce(lifecycle: Lifecycle, about: Announcement) {
    let Announcement { url, token, data, ready_file, started } = about;
    while !lifecycle.health().is_ready() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let file = ServerFile { url: url.clone(), pid: std::process::id(), token };
    if let Err(error) = file.write(&data) {
        eprintln!("warning: cannot write server.json in {}: {error}; the verbs need --server {url}", data.display());
    }
    if let Some(path) = ready_file
        && let Err(error) = fs::write(&path, &url)
    {
        eprintln!("warning: cannot write the ready file {}: {error}", path.display());
    }
    eprintln!("swarmlog is ready at {url} after {:.1} s, data in {}", started.elapsed().as_secs_f64(), data.display());
    for (name, status) in lifecycle.health().statuses() {
        if let service::Status::Degraded(why) = status {
            eprintln!("  {name} works in part: {why}");
        }
    }
    eprintln!("  submit a job:  swarmlog --data {} submit --queue demo --kind train.wine", data.display());
}
