//! What the program is told: one value for every key of `default.toml`.
//!
//! Enters: the defaults, a file, the environment and the flags, each above the one before. Leaves: [`Settings`], of which
//! every value is allowed, and for each key where its value comes from. Promised: an unknown key or variable is refused
//! with the nearest known name, and no secret is in a message or in what is shown. Not done: looking whether the servers
//! that are named exist, and what librdkafka thinks of its settings.

mod error;
mod keys;
mod layer;
mod sections;
mod shown;
mod validate;

#[cfg(test)]
mod tests;

pub use error::SettingsError;
pub use keys::{FILE_VARIABLE, KAFKA_SETTINGS_VARIABLE, Key, Secrecy, key};
pub use sections::{Clickhouse, Listen, Postgres, S3, Settings, Topics, Writer};
pub use shown::{Entry, without_password};

use config::{Config, ConfigError};
use layer::Layer;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The defaults, and the manual.
pub const DEFAULTS: &str = include_str!("../../default.toml");
/// The file that is read if it is there and no other one was named.
pub const FILE: &str = "swarmlog.toml";

/// A flag that was given.
#[derive(Clone)]
pub struct Flag {
    /// As people write it: `--s3-bucket`.
    pub name: String,
    /// The key that it sets.
    pub key: String,
    /// The value that it was given.
    pub value: String,
}

/// Where settings are looked for, beside the defaults.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file that a flag names.
    pub file: Option<PathBuf>,
    /// The folder of [`FILE`]; empty for the working folder.
    pub folder: PathBuf,
    /// All variables of the environment; only those that begin with `SWARMLOG_` count.
    pub environment: Vec<(OsString, OsString)>,
    /// Names of variables that the program understands although they are no settings.
    pub other_variables: Vec<String>,
    /// The flags that were given.
    pub flags: Vec<Flag>,
}

/// The settings, and where each comes from.
#[derive(Clone)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Every key, sorted by section.
    pub entries: Vec<Entry>,
}

impl Loaded {
    /// Reads all sources.
    pub fn from(sources: &Sources) -> Result<Self, SettingsError> {
        let variables = layer::variables(&sources.environment)?;
        let mut layers = vec![Layer::toml(DEFAULTS, "default")?];
        if let Some(file) = file(sources, &variables) {
            layers.push(Layer::file(&file)?);
        }
        layers.push(Layer::environment(&variables, &sources.other_variables)?);
        layers.push(Layer::flags(&sources.flags));
        let builder = layers.into_iter().fold(Config::builder(), |builder, layer| builder.add_source(layer));
        let merged = builder.build().map_err(|error| SettingsError::Source(error.to_string()))?;
        let entries = shown::entries(&merged)?;
        let settings: Settings = merged.try_deserialize().map_err(|error| unfit(&error, &entries))?;
        validate::validate(&settings, &entries)?;
        Ok(Self { settings, entries })
    }
}

/// The file to read, if any.
fn file(sources: &Sources, variables: &[(String, String)]) -> Option<PathBuf> {
    let variable = variables.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
    let named = sources.file.clone().or_else(|| variable.map(|(_, path)| PathBuf::from(path)));
    named.or_else(|| Some(sources.folder.join(FILE)).filter(|path: &PathBuf| Path::exists(path)))
}

/// A value of the wrong type.
fn unfit(error: &ConfigError, entries: &[Entry]) -> SettingsError {
    let (key, allowed) = match error {
        ConfigError::Type { key: Some(key), expected, .. } => (key, (*expected).to_owned()),
        ConfigError::At { key: Some(key), error, .. } => (key, format!("something else ({error})")),
        other => return SettingsError::Source(other.to_string()),
    };
    SettingsError::invalid(key, entries, allowed)
}
