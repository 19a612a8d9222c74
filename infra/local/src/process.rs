//! Processes that outlive their starter: started detached, known by a pid file, stopped by pid.

use crate::LocalError;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long a server may take to answer, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server's folder: `NAME.pid`, `NAME.log` and `NAME/` for its data.
pub struct Place {
    /// Name of the server.
    pub name: &'static str,
    folder: PathBuf,
}

impl Place {
    /// The place of the server `name` in `folder`.
    pub fn new(folder: &Path, name: &'static str) -> Self {
        Self { name, folder: folder.to_owned() }
    }

    /// Folder of its data.
    pub fn data(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// File of its output.
    pub fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join(format!("{}.pid", self.name))
    }

    /// Its process, if it runs. The start time in the pid file keeps a recycled pid from being taken for it.
    pub fn running(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let pid: i32 = pid.parse().ok()?;
        (start_time(pid)? == started).then(|| Pid::from_raw(pid))
    }

    /// Starts `command` detached and waits until `address` accepts connections.
    pub fn start(&self, mut command: Command, address: SocketAddr) -> Result<(), LocalError> {
        let log = File::create(self.log()).map_err(LocalError::at(self.log()))?;
        let errors = log.try_clone().map_err(LocalError::at(self.log()))?;
        command.process_group(0).stdin(Stdio::null()).stdout(log).stderr(errors);
        let mut child = command.spawn().map_err(|error| LocalError::Step {
            step: format!("start of {} ({})", self.name, command.get_program().to_string_lossy()),
            output: error.to_string(),
        })?;
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let started = start_time(pid).unwrap_or_default();
        fs::write(self.pid_file(), format!("{pid} {started}\n")).map_err(LocalError::at(self.pid_file()))?;
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err() {
            if Instant::now() > end || !matches!(child.try_wait(), Ok(None)) {
                return Err(LocalError::Silent { server: self.name, log: self.log() });
            }
            thread::sleep(Duration::from_millis(25));
        }
        Ok(())
    }

    /// Sends `signal` and waits until the process is gone; a process that stays is killed.
    pub fn stop(&self, signal: Signal) -> Result<(), LocalError> {
        let Some(pid) = self.running() else { return Ok(()) };
        let end = Instant::now() + PATIENCE;
        // ESRCH: it ended by itself.
        let _ = kill(pid, signal);
        while self.running().is_some() {
            if Instant::now() > end {
                let _ = kill(pid, Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(10));
        }
        // If it is a child of this very process, it keeps its number until it is reaped, and what is started next in its
        // folder takes it for alive.
        let _ = nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        fs::remove_file(self.pid_file()).map_err(LocalError::at(self.pid_file()))
    }
}

/// Kills, once the process `pid` has ended, every process of `folder` by its pid file, and removes the folder.
pub fn after(pid: u32, folder: &Path) -> Result<(), LocalError> {
    const SCRIPT: &str = r#"
        tail --pid="$1" -f /dev/null
        for file in "$2"/*.pid; do
            read -r pid started < "$file" && [ "$(cut -d' ' -f22 "/proc/$pid/stat")" = "$started" ] || continue
            # PostgreSQL would leave its shared memory behind; this is its shutdown without delay.
            [ "${file##*/}" != postgres.pid ] || { kill -QUIT "$pid"; timeout 10 tail --pid="$pid" -f /dev/null; }
            kill -KILL "$pid"
        done
        rm -rf "$2""#;
    let mut watcher = Command::new("sh");
    watcher.args(["-c", SCRIPT, "sh", &pid.to_string()]).arg(folder).process_group(0);
    watcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let failed = |error: io::Error| LocalError::Step { step: "start of the watcher".into(), output: error.to_string() };
    watcher.spawn().map(drop).map_err(failed)
}

/// Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), unless all its threads have ended.
pub fn start_time(pid: i32) -> Option<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    // The first thread may be a zombie while others, and with them the sockets, are still there.
    let is_alive = threads.filter_map(|thread| stat(&thread.ok()?.path())).any(|fields| !["Z", "X"].contains(&&*fields[0]));
    let fields = stat(Path::new(&format!("/proc/{pid}")))?;
    is_alive.then(|| fields.into_iter().nth(19))?
}

/// The fields of a stat file from the state on, which is the third.
fn stat(folder: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    let fields: Vec<String> = text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect();
    (!fields.is_empty()).then_some(fields)
}

/// Runs a step to its end; a failure carries the end of what it printed.
pub fn step(name: &str, command: &mut Command) -> Result<(), LocalError> {
    let fail = |output: String| LocalError::Step { step: name.to_owned(), output };
    let output = command.stdin(Stdio::null()).output().map_err(|error| fail(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    let start = text.char_indices().rev().nth(600).map_or(0, |(place, _)| place);
    Err(fail(text[start..].trim().to_owned()))
}

/// A port that is free now.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A loopback address.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
