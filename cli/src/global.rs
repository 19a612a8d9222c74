//! What every verb understands.

use crate::{flags, output::Form};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use std::path::PathBuf;

/// What every verb understands.
#[derive(Clone)]
pub struct Global {
    /// Folder of the data; `server.json` in it tells where the server listens.
    pub data: PathBuf,
    /// Server to speak to, unless it is the one that holds the data folder.
    pub server: Option<String>,
    /// Bearer token.
    pub token: Option<String>,
    /// Form of the data on stdout.
    pub output: Form,
    /// What to log on stderr.
    pub log: String,
}

/// The part of it that is no setting.
#[derive(Args)]
struct Call {
    /// Server to speak to, for example http://127.0.0.1:7070; default: the one that holds the data folder
    #[arg(long, global = true, env = "SWARMLOG_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Form of the data on stdout
    #[arg(short, long, global = true, env = "SWARMLOG_OUTPUT", value_enum, default_value = "text")]
    output: Form,
}

impl Args for Global {
    fn augment_args(command: Command) -> Command {
        Call::augment_args(command.args(flags::GLOBAL.iter().map(|flag| flag.arg().global(true))))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Global {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let Call { server, output } = Call::from_arg_matches(matches)?;
        // The flags of the verb count, too: one of them names the file.
        let mut verb = matches;
        while let Some((_, deeper)) = verb.subcommand() {
            verb = deeper;
        }
        let settings = flags::load(verb)?.settings;
        Ok(Self { data: settings.data, server, token: settings.token, output, log: settings.log })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
