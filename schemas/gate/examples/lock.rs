//! `make schemas`: gives every new or changed schema its line in `registry.lock`, or says why not.

use std::{path::Path, process::ExitCode};
use swarmlog_schemas_gate as gate;

fn main() -> ExitCode {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match gate::lock(&schemas.join("avro"), &schemas.join("registry.lock")) {
        Ok(report) if report.problems.is_empty() => {
            for gate::Unlocked { subject, version, id } in &report.unlocked {
                println!("locked {subject} version {version} as {id}");
            }
            println!("{} schemas pass", report.schemas.len());
            ExitCode::SUCCESS
        }
        Ok(report) => {
            report.problems.iter().for_each(|problem| eprintln!("{problem}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
