//! What people may see of the settings.

use super::{
    SettingsError,
    keys::{KEYS, Secrecy, secrecy},
};
use config::{Config, Source, Value, ValueKind};
use std::cmp::Reverse;

/// What is shown of a setting that is empty.
pub(super) const UNSET: &str = "(unset)";
const HIDDEN: &str = "***";

/// One setting, as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key, with dots.
    pub key: String,
    /// The value without its secrets.
    pub shown: String,
    /// `default`, the path of a file, a variable of the environment, or a flag.
    pub origin: String,
}

/// Every setting, in the order of `default.toml`; librdkafka's settings follow the brokers.
pub(super) fn entries(merged: &Config) -> Result<Vec<Entry>, SettingsError> {
    let all = merged.collect().map_err(|error| SettingsError::Source(error.to_string()))?;
    let mut entries = Vec::new();
    for (key, value) in all {
        match value.kind {
            ValueKind::Table(section) => {
                entries.extend(section.into_iter().map(|(name, value)| entry(format!("{key}.{name}"), &value)));
            }
            _ => entries.push(entry(key, &value)),
        }
    }
    entries.sort_by_cached_key(|entry| (place(&entry.key), entry.key.clone()));
    Ok(entries)
}

fn entry(key: String, value: &Value) -> Entry {
    let text = match &value.kind {
        ValueKind::Array(_) => "a list".to_owned(),
        _ => value.to_string(),
    };
    let shown = match secrecy(&key) {
        _ if text.is_empty() => UNSET.to_owned(),
        Secrecy::Open => text,
        Secrecy::Url => without_password(&text),
        Secrecy::Secret => HIDDEN.to_owned(),
    };
    Entry { key, shown, origin: value.origin().unwrap_or("default").to_owned() }
}

/// The place of the listed key that begins most like this one.
fn place(key: &str) -> usize {
    let alike = |listed: &str| listed.chars().zip(key.chars()).take_while(|(a, b)| a == b).count();
    let best = KEYS.iter().enumerate().max_by_key(|(place, listed)| (alike(listed.name), Reverse(*place)));
    KEYS.iter().position(|listed| listed.name == key).or(best.map(|(place, _)| place)).unwrap_or_default()
}

/// The URL without its passwords; nothing of it if it cannot be read as one.
pub fn without_password(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return HIDDEN.to_owned() };
    if parsed.password().is_some() && parsed.set_password(Some(HIDDEN)).is_err() {
        return HIDDEN.to_owned();
    }
    // Whatever a URL has behind its question mark may be a password under some name.
    if parsed.query().is_some() {
        parsed.set_query(Some(HIDDEN));
    }
    parsed.to_string()
}
