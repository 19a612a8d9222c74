//! The programs of others: fetched once, run with a bound, answering in lines of JSON.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{io::AsyncWriteExt, process::Command, sync::OnceCell, time::timeout};

/// Bound of the first fetch, which downloads.
const FETCH: Duration = Duration::from_secs(900);

/// Bound of a run.
const RUN: Duration = Duration::from_secs(120);

/// Scripts and lock files.
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/interop");

/// Where the strangers are.
pub struct Strangers {
    folder: PathBuf,
}

impl Strangers {
    /// Fetches them if they are not there. Call it before servers are started: both may install packages.
    pub async fn fetch() -> Result<&'static Self> {
        static FETCHED: OnceCell<Strangers> = OnceCell::const_new();
        FETCHED
            .get_or_try_init(|| async {
                let folder = output(Command::new("bash").arg(format!("{HERE}/fetch.sh")), "", FETCH).await?;
                Ok(Self { folder: folder.trim().into() })
            })
            .await
    }

    /// A file of an npm package.
    pub fn npm(&self, file: &str) -> PathBuf {
        self.folder.join("node_modules").join(file)
    }

    /// What a script for Python prints.
    pub async fn python(&self, script: &str, arguments: &[&str]) -> Result<Vec<Value>> {
        let python = self.folder.join("python/bin/python");
        lines(&output(Command::new(python).arg(Path::new(HERE).join(script)).args(arguments), "", RUN).await?)
    }

    /// What a script for Node.js prints; it gets the folder of the packages and reads `input`.
    pub async fn node(&self, script: &str, input: &[Value]) -> Result<Vec<Value>> {
        let input: String = input.iter().map(|line| format!("{line}\n")).collect();
        lines(&output(Command::new("node").arg(Path::new(HERE).join(script)).arg(&self.folder), &input, RUN).await?)
    }

    /// What a line for the shell prints; kcat is there once the strangers are.
    pub async fn shell(&self, line: &str) -> Result<String> {
        output(Command::new("bash").args(["-c", line]), "", RUN).await
    }
}

fn lines(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// What a program prints; an error carries what it said beside.
async fn output(command: &mut Command, input: &str, bound: Duration) -> Result<String> {
    let program = format!("{:?}", command.as_std());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| program.clone())?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    let (written, output) = timeout(bound, async {
        // The end of the input is its drop; a program that does not read ends the pipe itself, and says why.
        let write = async move { stdin.write_all(input.as_bytes()).await };
        tokio::join!(write, child.wait_with_output())
    })
    .await
    .with_context(|| format!("not within {bound:?}: {program}"))?;
    let output = output?;
    ensure!(output.status.success(), "{program}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    written?;
    Ok(String::from_utf8(output.stdout)?)
}
