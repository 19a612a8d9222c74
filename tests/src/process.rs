//! A process of the program that serves: started, waited for until it says that it is ready.

use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Bound of a hang, far beyond what anything may take on the slowest machine.
pub const BOUND: Duration = Duration::from_secs(240);

/// The program, without the settings of whoever runs the tests.
pub fn program() -> Command {
    quiet(Command::new(binary()))
}

/// Without what the environment of the tests says to the program.
pub(crate) fn quiet(mut command: Command) -> Command {
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("SWARMLOG_") && name != "SWARMLOG_CHDB_LIBRARY") {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Starts a process whose files in `folder` are called `name`; answers it and its address once it is ready.
pub(crate) async fn until_ready(mut command: Command, folder: &Path, name: &str) -> Result<(Child, String)> {
    let ready = folder.join(format!("{name}.ready"));
    let _ = fs::remove_file(&ready);
    let mut process =
        command.arg("--ready-file").arg(&ready).stderr(ear(folder, name)?).spawn().context("cannot start the program")?;
    let end = Instant::now() + BOUND;
    loop {
        if let Ok(url) = fs::read_to_string(&ready)
            && let Some(address) = url.strip_prefix("http://")
        {
            return Ok((process, address.to_owned()));
        }
        if let Some(status) = process.try_wait()? {
            bail!("{name} ended at its start: {status}: {}", said_by(folder, name));
        }
        if Instant::now() > end {
            process.kill()?;
            bail!("{name} is not ready after {BOUND:?}: {}", said_by(folder, name));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where a process says on stderr what it has to say.
pub(crate) fn ear(folder: &Path, name: &str) -> Result<fs::File> {
    Ok(fs::OpenOptions::new().create(true).append(true).open(log_of(folder, name))?)
}

/// What a process said on stderr.
pub(crate) fn said_by(folder: &Path, name: &str) -> String {
    fs::read_to_string(log_of(folder, name)).unwrap_or_default()
}

fn log_of(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

/// A file in the folder where cargo puts what it builds.
pub(crate) fn beside(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap_or_default();
    test.ancestors().nth(2).unwrap_or(Path::new(".")).join(name)
}

fn binary() -> PathBuf {
    let binary = beside("swarmlog");
    assert!(binary.exists(), "{} is missing: build it first with `cargo build -p swarmlog` (make test does)", binary.display());
    binary
}
