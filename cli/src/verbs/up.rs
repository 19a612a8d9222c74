//! `swarmlog up`: the whole server in one process, ready in seconds, gone on Ctrl-C without a loss.

use crate::{Done, Global, process::Process};

/// Run the whole server in this process.
#[derive(clap::Args)]
pub struct Up {
    #[command(flatten)]
    process: Process,
}

impl Up {
    /// Serves until SIGTERM or Ctrl-C.
    pub async fn run(self, global: &Global) -> Done {
        self.process.run_all(global).await
    }
}
