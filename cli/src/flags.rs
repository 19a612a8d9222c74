//! The flags that are settings, and how settings are loaded for a call of the program.
//!
//! A flag sets the key that it names here, and nothing else: default, variable and secrecy are the key's.

use clap::{Arg, ArgAction, ArgMatches, CommandFactory, error::ErrorKind, parser::ValueSource};
use service::settings::{self, FILE_VARIABLE, Flag as Given, KAFKA_SETTINGS_VARIABLE, Loaded, Secrecy, Sources};
use std::{env, path::PathBuf};

/// Name of the flag that names the file, and its id.
const FILE: &str = "config";
const FILE_ID: &str = "settings_file";
/// The flag that sets any key of librdkafka.
const KAFKA_SETTING: &str = "kafka-setting";

/// A flag that is a setting.
pub struct Flag {
    name: &'static str,
    key: &'static str,
    value: &'static str,
    help: &'static str,
}

const fn flag(name: &'static str, key: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, key, value, help }
}

/// What every verb understands.
pub const GLOBAL: [Flag; 3] = [
    flag("data", "data", "DIR", "Folder of the data; `server.json` in it tells where the server listens [default: .swarmlog]"),
    flag("token", "token", "TOKEN", "Bearer token; names tenant default, role operator"),
    flag("log", "log", "FILTER", "What to log on stderr, for example info or swarmlog_writer=debug [default: warn]"),
];

/// Servers to use in place of files in the data folder.
pub const SERVERS: [Flag; 8] = [
    flag(
        "kafka",
        "kafka.bootstrap.servers",
        "BROKERS",
        "Keep the event log on Apache Kafka 4; host:port of some brokers, separated by commas",
    ),
    flag("postgres", "postgres.url", "URL", "Keep the operational read models on PostgreSQL 15 or newer"),
    flag("s3", "s3.endpoint", "URL", "Keep archive and blobs on an S3 server"),
    flag("s3-bucket", "s3.bucket", "NAME", "Bucket, which must exist [default: swarmlog]"),
    flag("s3-region", "s3.region", "NAME", "Region that requests are signed for [default: us-east-1]"),
    flag("s3-access-key", "s3.access_key", "KEY", "Access key"),
    flag("s3-secret-key", "s3.secret_key", "KEY", "Secret key; better by the environment than on the command line"),
    flag("clickhouse", "clickhouse.url", "URL", "Keep analytics on a ClickHouse server, or on a `swarmlog engine`"),
];

impl Flag {
    /// The flag for clap.
    pub fn arg(&self) -> Arg {
        let arg = Arg::new(self.name).long(self.name).value_name(self.value).help(self.help);
        match settings::key(self.key) {
            Some(key) => arg.env(key.variable).hide_env_values(key.secrecy != Secrecy::Open),
            None => arg,
        }
    }
}

/// The flags beside [`SERVERS`] of a verb that uses servers: the file, and librdkafka's settings.
pub fn other_args() -> [Arg; 2] {
    [
        Arg::new(FILE_ID)
            .long(FILE)
            .env(FILE_VARIABLE)
            .value_name("FILE")
            .help("File of settings; `swarmlog config show` lists them [default: swarmlog.toml if it is there]"),
        Arg::new(KAFKA_SETTING)
            .long(KAFKA_SETTING)
            .env(KAFKA_SETTINGS_VARIABLE)
            .value_name("NAME=VALUE")
            .action(ArgAction::Append)
            .hide_env_values(true)
            .help("Setting of librdkafka, passed on verbatim, for example security.protocol=SASL_PLAINTEXT; may be repeated"),
    ]
}

/// Loads the settings for the verb whose matches these are.
pub fn load(matches: &ArgMatches) -> Result<Loaded, clap::Error> {
    let wrong = |message: String| clap::Error::raw(ErrorKind::ValueValidation, message);
    let mut flags = Vec::new();
    for flag in GLOBAL.iter().chain(&SERVERS) {
        let given = given(matches, flag.name).into_iter();
        flags.extend(given.map(|value| Given { name: format!("--{}", flag.name), key: flag.key.into(), value }));
    }
    for setting in given(matches, KAFKA_SETTING) {
        let takes = || wrong(format!("--{KAFKA_SETTING} takes NAME=VALUE; one has no ="));
        let (name, value) = setting.split_once('=').ok_or_else(takes)?;
        flags.push(Given { name: format!("--{KAFKA_SETTING}"), key: format!("kafka.{name}"), value: value.into() });
    }
    let sources = Sources {
        file: given(matches, FILE_ID).pop().map(PathBuf::from),
        folder: PathBuf::new(),
        environment: env::vars_os().collect(),
        other_variables: variables(&crate::Arguments::command()),
        flags,
    };
    Loaded::from(&sources).map_err(|error| wrong(error.to_string()))
}

/// What the command line itself says of a flag.
fn given(matches: &ArgMatches, id: &str) -> Vec<String> {
    let on_the_line =
        matches!(matches.try_contains_id(id), Ok(true)) && matches.value_source(id) == Some(ValueSource::CommandLine);
    let values = if on_the_line { matches.get_many::<String>(id) } else { None };
    values.into_iter().flatten().cloned().collect()
}

/// Every variable that a flag of any verb can be set by.
fn variables(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|arg| Some(arg.get_env()?.to_str()?.to_owned()));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}
