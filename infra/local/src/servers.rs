//! All servers of one folder.

use crate::{
    Credentials, LocalError, engine,
    kafka::{self, Detour, Listeners},
    postgres, process,
    process::Place,
    s3,
};
use nix::{fcntl, sys::signal::Signal};
use serde::{Deserialize, Serialize};
use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

/// A server that can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Apache Kafka.
    Kafka,
    /// PostgreSQL.
    Postgres,
    /// An S3 server.
    S3,
    /// ClickHouse's engine over HTTP, see [`Servers::with_engine`].
    Engine,
}

impl Server {
    /// Every server that needs nothing of this project's programs.
    pub const ALL: [Self; 3] = [Self::Kafka, Self::Postgres, Self::S3];

    fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Postgres => "postgres",
            Self::S3 => "s3",
            Self::Engine => "engine",
        }
    }
}

/// Where the servers listen. The ports stay the same for the life of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// `host:port` of the broker.
    pub kafka: String,
    /// URL of the database.
    pub postgres: String,
    /// URL of the S3 server.
    pub s3: String,
    /// Keys and bucket of the S3 server.
    pub credentials: Credentials,
    /// URL of the engine.
    pub clickhouse: String,
    ports: [u16; 5],
}

/// The servers of a folder.
pub struct Servers {
    folder: PathBuf,
    addresses: Addresses,
    s3_program: fn() -> Command,
    detour: Option<Detour>,
    engine_program: Option<fn() -> Command>,
}

impl Servers {
    /// The servers of `folder`, which is made if it is new; none is started yet. `s3_program` starts an S3 server.
    pub fn open(folder: &Path, s3_program: fn() -> Command) -> Result<Self, LocalError> {
        fs::create_dir_all(folder).map_err(LocalError::at(folder))?;
        let folder = folder.canonicalize().map_err(LocalError::at(folder))?;
        let _guard = lock(&folder)?;
        let file = folder.join("servers.json");
        let addresses = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from).map_err(LocalError::at(&file))?,
            Err(_) => {
                let addresses = Addresses::new().map_err(LocalError::at(&file))?;
                let text = serde_json::to_string_pretty(&addresses).map_err(io::Error::from).map_err(LocalError::at(&file))?;
                fs::write(&file, text).map_err(LocalError::at(&file))?;
                addresses
            }
        };
        Ok(Self { folder, addresses, s3_program, detour: None, engine_program: None })
    }

    /// The same with the program that [`Server::Engine`] is.
    pub fn with_engine(self, program: fn() -> Command) -> Self {
        Self { engine_program: Some(program), ..self }
    }

    /// Where they listen.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Gives Kafka a second listener when it is started, and answers its address. Clients of that listener are told to go
    /// on at `advertised`, which the caller forwards: Kafka's clients follow the address that the broker names, so a
    /// proxy sees their connections only if the broker names the proxy.
    pub fn advertise(&mut self, advertised: SocketAddr) -> Result<SocketAddr, LocalError> {
        let port = process::free_port().map_err(LocalError::at(&self.folder))?;
        self.detour = Some(Detour { port, advertised });
        Ok(process::loopback(port))
    }

    /// Starts those of `servers` that do not run, side by side, and waits until each answers.
    pub fn up(&self, servers: &[Server]) -> Result<(), LocalError> {
        let _guard = lock(&self.folder)?;
        thread::scope(|scope| {
            let starts: Vec<_> = servers.iter().map(|server| scope.spawn(move || self.start(*server))).collect();
            starts.into_iter().try_for_each(|start| {
                start.join().unwrap_or_else(|_| Err(LocalError::Step { step: "start".into(), output: "it panicked".into() }))
            })
        })
    }

    /// Stops all of them.
    pub fn down(&self) -> Result<(), LocalError> {
        Server::ALL.iter().chain(&[Server::Engine]).try_for_each(|server| self.stop(*server))
    }

    /// Kills what runs and removes the folder once this process has ended, however it ends; for tests.
    pub fn end_with_this_process(&self) -> Result<(), LocalError> {
        self.end_with(std::process::id())
    }

    /// Kills what runs and removes the folder once the process `pid` has ended.
    pub fn end_with(&self, pid: u32) -> Result<(), LocalError> {
        process::after(pid, &self.folder)
    }

    /// Stops one well.
    pub fn stop(&self, server: Server) -> Result<(), LocalError> {
        // SIGINT is PostgreSQL's fast shutdown; the others take it as the wish to end.
        self.place(server).stop(if server == Server::Postgres { Signal::SIGINT } else { Signal::SIGTERM })
    }

    /// `kill -9` of one; for tests of faults.
    pub fn kill(&self, server: Server) -> Result<(), LocalError> {
        self.place(server).stop(Signal::SIGKILL)
    }

    /// Whether one runs.
    pub fn is_running(&self, server: Server) -> bool {
        self.place(server).running().is_some()
    }

    fn place(&self, server: Server) -> Place {
        Place::new(&self.folder, server.name())
    }

    fn start(&self, server: Server) -> Result<(), LocalError> {
        let place = self.place(server);
        if place.running().is_some() {
            return Ok(());
        }
        let [kafka, controller, postgres, s3, engine] = self.addresses.ports;
        match server {
            Server::Kafka => kafka::start(&place, &cache()?, Listeners { port: kafka, controller, detour: self.detour }),
            Server::Postgres => postgres::start(&place, postgres),
            Server::S3 => s3::start(&place, (self.s3_program)(), s3),
            Server::Engine => {
                let program = self.engine_program.ok_or_else(|| LocalError::Missing {
                    program: "the swarmlog program".into(),
                    remedy: "whoever opens the servers has to name it".into(),
                })?;
                engine::start(&place, program(), engine)
            }
        }
    }
}

impl Addresses {
    fn new() -> io::Result<Self> {
        let mut ports = [0; 5];
        for port in &mut ports {
            *port = process::free_port()?;
        }
        let [kafka, _, postgres, s3, engine] = ports;
        Ok(Self {
            kafka: format!("127.0.0.1:{kafka}"),
            postgres: format!("postgres://swarmlog@127.0.0.1:{postgres}/swarmlog"),
            s3: format!("http://127.0.0.1:{s3}"),
            credentials: Credentials::default(),
            clickhouse: format!("http://127.0.0.1:{engine}"),
            ports,
        })
    }
}

/// One starter at a time; the lock ends with the file.
fn lock(folder: &Path) -> Result<fcntl::Flock<fs::File>, LocalError> {
    let file = folder.join("lock");
    let open = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&file).map_err(LocalError::at(&file))?;
    fcntl::Flock::lock(open, fcntl::FlockArg::LockExclusive).map_err(|(_, error)| LocalError::at(&file)(error.into()))
}

/// Where fetched pieces stay.
fn cache() -> Result<PathBuf, LocalError> {
    let base =
        env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    base.map(|base| base.join("swarmlog")).ok_or_else(|| LocalError::Missing {
        program: "a place for downloads".into(),
        remedy: "set HOME or XDG_CACHE_HOME".into(),
    })
}
