//! One source of settings: keys with dots, and values that know where they come from.

use super::{
    DEFAULTS, Flag, SettingsError,
    keys::{FILE_VARIABLE, KAFKA, KAFKA_SETTINGS_VARIABLE, KEYS, is_known, nearest},
};
use config::{ConfigError, File, FileFormat, Map, Source, Value, ValueKind};
use std::{ffi::OsString, fmt, fs, path::Path};

/// What all our variables begin with.
const PREFIX: &str = "SWARMLOG_";

/// A source, read and checked for unknown names.
#[derive(Clone)]
pub(super) struct Layer(Vec<(String, Value)>);

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(key, _)| key)).finish()
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    /// Two levels only: sections, and below them names which may have dots, as librdkafka's do.
    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        let mut sections: Map<String, Map<String, Value>> = Map::new();
        let mut all = Map::new();
        for (key, value) in self.0.iter().cloned() {
            match key.split_once('.') {
                Some((section, name)) => drop(sections.entry(section.into()).or_default().insert(name.into(), value)),
                None => drop(all.insert(key, value)),
            }
        }
        all.extend(sections.into_iter().map(|(section, values)| (section, Value::from(values))));
        Ok(all)
    }
}

impl Layer {
    /// A file that somebody named, or that is there.
    pub(super) fn file(path: &Path) -> Result<Self, SettingsError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| SettingsError::Source(format!("{name}: the file of settings cannot be read: {error}")))?;
        Self::toml(&text, &name)
    }

    /// Text in TOML.
    pub(super) fn toml(text: &str, origin: &str) -> Result<Self, SettingsError> {
        let broken = |error: ConfigError| SettingsError::Source(format!("{origin}: {}", without_source(&error.to_string())));
        let parsed = File::from_str(text, FileFormat::Toml).collect().map_err(broken)?;
        let mut values = Vec::new();
        for (key, value) in parsed {
            flatten(key, value, origin, &mut values);
        }
        match values.iter().find(|(key, _)| !is_known(key)) {
            Some((key, _)) if text != DEFAULTS => Err(SettingsError::UnknownKey {
                file: origin.into(),
                key: key.clone(),
                nearest: nearest(key, KEYS.iter().map(|key| key.name)).into(),
            }),
            _ => Ok(Self(values)),
        }
    }

    /// Variables, of which `others` are no settings.
    pub(super) fn environment(variables: &[(String, String)], others: &[String]) -> Result<Self, SettingsError> {
        let mut values = Vec::new();
        for (variable, text) in variables {
            let origin = format!("environment variable {variable}");
            if let Some(key) = KEYS.iter().find(|key| key.variable == variable) {
                values.push((key.name.to_owned(), value(&origin, text)));
            } else if variable == KAFKA_SETTINGS_VARIABLE {
                for setting in text.split(',').filter(|setting| !setting.is_empty()) {
                    let (name, text) = setting.split_once('=').ok_or_else(|| {
                        SettingsError::Source(format!("{origin}: it takes NAME=VALUE, separated by commas; one has no ="))
                    })?;
                    values.push((format!("{KAFKA}{name}"), value(&origin, text)));
                }
            } else if variable != FILE_VARIABLE && !others.contains(variable) {
                let known = KEYS.iter().map(|key| key.variable).chain([FILE_VARIABLE, KAFKA_SETTINGS_VARIABLE]);
                let nearest = nearest(variable, known.chain(others.iter().map(String::as_str))).into();
                return Err(SettingsError::UnknownVariable { variable: variable.clone(), nearest });
            }
        }
        Ok(Self(values))
    }

    /// Flags that were given.
    pub(super) fn flags(flags: &[Flag]) -> Self {
        Self(flags.iter().map(|flag| (flag.key.clone(), value(&format!("flag {}", flag.name), &flag.value))).collect())
    }
}

/// Our variables of an environment.
pub(super) fn variables(environment: &[(OsString, OsString)]) -> Result<Vec<(String, String)>, SettingsError> {
    let ours = environment.iter().filter_map(|(name, value)| Some((name.to_str()?, value)));
    ours.filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| match value.to_str() {
            Some(value) => Ok((name.to_owned(), value.to_owned())),
            None => Err(SettingsError::Source(format!("environment variable {name}: its value is not UTF-8"))),
        })
        .collect()
}

fn value(origin: &str, text: &str) -> Value {
    Value::new(Some(&origin.to_owned()), text)
}

/// Adds `value` and what lies below it, by names with dots.
fn flatten(key: String, value: Value, origin: &str, into: &mut Vec<(String, Value)>) {
    match value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                flatten(format!("{key}.{name}"), value, origin, into);
            }
        }
        kind => into.push((key, Value::new(Some(&origin.to_owned()), kind))),
    }
}

/// The message of a parser without the lines that it quotes, for they may hold a secret.
fn without_source(message: &str) -> String {
    message.lines().filter(|line| !line.contains(" |")).collect::<Vec<_>>().join(": ")
}
