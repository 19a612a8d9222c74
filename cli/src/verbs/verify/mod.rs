//! `swarmlog verify`: reads the log and everything that was made from it, and says what is wrong.
//!
//! It speaks to no gateway: it opens the files of a folder that no server holds, or asks the servers that the settings
//! name, beside whatever runs. The report goes to stdout, progress to stderr; the exit code is the verdict: 0 clean, 7
//! something was found, any other: it could not look.

mod open;
mod progress;
mod text;

use crate::{
    Done, Global,
    failure::{Exit, Failure},
    output,
    servers::Servers,
};
use open::Opened;
use progress::Bar;
use std::{path::PathBuf, time::Duration};
use verify::{Options, Progress, VerifyError};

/// Check the log and everything that was made from it.
#[derive(clap::Args)]
pub struct Verify {
    /// Folder of the data, which no server may hold [default: that of --data]
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// File of the ClickHouse engine [default: where `make chdb` puts it]
    #[arg(long, env = "SWARMLOG_CHDB_LIBRARY", value_name = "FILE")]
    chdb_library: Option<PathBuf>,
    #[command(flatten)]
    servers: Servers,
}

impl Verify {
    /// Checks, prints the report, and fails if anything is wrong.
    pub async fn run(self, global: &Global) -> Done {
        let folder = self.folder.unwrap_or_else(|| global.data.clone());
        let settings = self.servers.settings();
        let library = self.chdb_library.or(settings.clickhouse.library.clone());
        let days = u64::from(settings.writer.idempotency_days);
        let options = Options { idempotency_window: Duration::from_secs(days * 24 * 3600), ..Options::default() };
        let opened = Opened::open(&folder, &self.servers, library).await?;
        let bar = Bar::new();
        let see = |progress: Progress<'_>| bar.see(progress);
        let report = tokio::select! {
            report = verify::verify(opened.sources(), &options, &see) => report,
            _ = tokio::signal::ctrl_c() => return Err(Failure::new(Exit::Interrupted, "interrupted; there is no verdict")),
        };
        bar.finish();
        opened.close().await?;
        let report = report.map_err(unseen)?;
        output::object(global.output, &serde_json::to_value(&report)?, || text::of(&report));
        if report.clean {
            return Ok(());
        }
        Err(Failure::new(Exit::Check, format!("{} errors were found; the report says where and what to do", report.errors)))
    }
}

/// Why there is no verdict.
fn unseen(error: VerifyError) -> Failure {
    let exit = match error {
        VerifyError::Unavailable(_) => Exit::Unavailable,
        VerifyError::Failed(_) => Exit::Failed,
    };
    Failure::new(exit, format!("there is no verdict: {error}"))
}
