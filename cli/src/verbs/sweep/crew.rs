//! The worker processes of a sweep; one that dies is replaced.

use crate::{Done, client::Client};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// Worker processes; they end with this value.
pub struct Crew {
    client: Client,
    queue: String,
    size: u32,
    members: Vec<Child>,
    started: u32,
}

impl Crew {
    /// A crew that is not started yet.
    pub fn new(client: &Client, queue: &str, size: u32) -> Self {
        Self { client: client.clone(), queue: queue.to_owned(), size, members: Vec::new(), started: 0 }
    }

    /// Starts the workers that are missing; answers how many had died since the last time.
    pub fn fill(&mut self) -> Done<u32> {
        let before = self.members.len();
        self.members.retain_mut(|member| matches!(member.try_wait(), Ok(None)));
        let died = before - self.members.len();
        while self.members.len() < self.size as usize {
            self.started += 1;
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["worker", "--queue", &self.queue, "--server", &self.client.url]);
            command.args(["--name", &format!("worker-{}-{}", std::process::id(), self.started)]);
            if let Some(token) = &self.client.token {
                // By the environment, so that it does not show in the list of processes.
                command.env("SWARMLOG_TOKEN", token);
            }
            self.members.push(command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()?);
        }
        Ok(u32::try_from(died).unwrap_or(u32::MAX))
    }
}
