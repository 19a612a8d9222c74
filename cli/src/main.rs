//! The `swarmlog` program: one binary for the server, the reference worker and the operator.
//!
//! `up` opens a data folder and runs every part in this process. `verify` looks at files and servers itself. All other verbs speak HTTP to a server, which they
//! find by `--server` or by the file `server.json` in the data folder. What flags leave open, settings say. Data goes to stdout, everything else to stderr.

mod client;
mod failure;
mod flags;
mod global;
mod output;
mod parts;
mod process;
mod roles;
mod server_file;
mod servers;
mod verbs;

use clap::{CommandFactory, Parser, Subcommand};
use failure::Failure;
use global::Global;
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A fifth of a command's time went into glibc's allocator, which many threads share.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// One event log under a whole AI platform.
#[derive(Parser)]
#[command(name = "swarmlog", version, propagate_version = true)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the whole server in this process
    Up(Box<verbs::up::Up>),
    /// Run the gateway alone, on servers that it shares with the other parts
    Gateway(Box<verbs::alone::Gateway>),
    /// Run the writer alone
    Writer(Box<verbs::alone::Writer>),
    /// Run one consumer alone
    Consumer(Box<verbs::alone::Consumer>),
    /// Serve the ClickHouse engine over HTTP, where no ClickHouse server can be had
    Engine(Box<verbs::alone::Engine>),
    /// Lease jobs over HTTP and train real models
    Worker(verbs::worker::Worker),
    /// Put a job into a queue
    Submit(verbs::submit::Submit),
    /// Submit a sweep of training jobs, run workers, and show the leaderboard
    Sweep(verbs::sweep::Sweep),
    /// Show every event of an aggregate
    History(verbs::history::History),
    /// Follow the events of an aggregate as they come
    Tail(verbs::tail::Tail),
    /// Ask ClickHouse
    Sql(verbs::sql::Sql),
    /// List read models, or rebuild one from the log
    Projections(verbs::projections::Projections),
    /// Check that every schema is locked and a lawful evolution
    Schemas(verbs::schemas::Schemas),
    /// Show the settings
    Config(verbs::config::Config),
    /// Check the log and everything that was made from it; exit code 7 if something is wrong
    Verify(Box<verbs::verify::Verify>),
    /// Check every server and folder that the settings name; exit code 7 if one will not do
    Doctor(Box<verbs::doctor::Doctor>),
    /// Print the completions of a shell, or the manual page
    Manual(verbs::manual::Manual),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    service::telemetry::start_log(&arguments.global.log);
    let global = &arguments.global;
    let done = match arguments.verb {
        Verb::Up(verb) => verb.run(global).await,
        Verb::Gateway(verb) => verb.run(global).await,
        Verb::Writer(verb) => verb.run(global).await,
        Verb::Consumer(verb) => verb.run(global).await,
        Verb::Engine(verb) => verb.run(global).await,
        Verb::Worker(verb) => verb.run(global).await,
        Verb::Submit(verb) => verb.run(global).await,
        Verb::Sweep(verb) => verb.run(global).await,
        Verb::History(verb) => verb.run(global).await,
        Verb::Tail(verb) => verb.run(global).await,
        Verb::Sql(verb) => verb.run(global).await,
        Verb::Projections(verb) => verb.run(global).await,
        Verb::Schemas(verb) => verb.run(global),
        Verb::Config(verb) => verb.run(global),
        Verb::Verify(verb) => verb.run(global).await,
        Verb::Doctor(verb) => verb.run(global).await,
        Verb::Manual(verb) => verb.run(Arguments::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(global.output),
    }
}

/// The result of a verb.
type Done<T = ()> = Result<T, Failure>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_all_verbs_agree() {
        Arguments::command().debug_assert();
    }
}
