//! `swarmlog schemas check`: the gate of schema evolution, for a source tree.

use crate::{
    Done, Global,
    failure::{Exit, Failure},
};
use ::schemas::gate;
use std::path::PathBuf;

/// Check that every schema is locked and a lawful evolution.
#[derive(clap::Args)]
pub struct Schemas {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Compare the .avsc files with registry.lock; exit code 7 if one does not hold
    Check {
        /// Folder with avro/ and registry.lock
        #[arg(value_name = "DIR", default_value = "schemas")]
        folder: PathBuf,
    },
}

impl Schemas {
    /// Runs the check.
    pub fn run(self, _: &Global) -> Done {
        let Action::Check { folder } = self.action;
        let report = gate::check(&folder.join("avro"), &folder.join("registry.lock"))?;
        let unlocked = report
            .unlocked
            .iter()
            .map(|new| format!("{} version {} is not locked: run `make schemas`", new.subject, new.version));
        let problems: Vec<String> = report.problems.iter().map(ToString::to_string).chain(unlocked).collect();
        if problems.is_empty() {
            println!("{} schemas, all locked and readable by this program", report.schemas.len());
            return Ok(());
        }
        Err(Failure::new(Exit::Check, problems.join("\n  ")))
    }
}
