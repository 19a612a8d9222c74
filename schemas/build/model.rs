//! What the generator knows of a schema: the `.avsc` document and its number in `registry.lock`.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// One record schema of `avro/`.
pub struct Schema {
    /// Number in the registry.
    pub id: u64,
    /// Namespace, which is the context: `work`.
    pub context: String,
    /// Short name: `SubmitJob`.
    pub name: String,
    /// `command`, `event`, `fact`, `envelope` or `result`.
    pub kind: String,
    /// Type of the aggregate, for commands and events.
    pub aggregate: Option<String>,
    /// Field that identifies the aggregate.
    pub id_field: Option<String>,
    /// The document.
    pub json: Value,
}

/// Reads every schema, ordered by context and name.
pub fn load(avro: &Path, lock: &Path) -> Result<Vec<Schema>, String> {
    let locked = locked(lock)?;
    let mut schemas = BTreeMap::new();
    for context in entries(avro)? {
        for file in entries(&context)? {
            let json = parse(&file)?;
            let text = |key: &str| json[key].as_str().map(str::to_owned);
            let required = |key: &str| text(key).ok_or_else(|| format!("{}: attribute \"{key}\" is missing", file.display()));
            let (context, name) = (required("namespace")?, required("name")?);
            let subject = format!("{context}.{name}");
            let id = match locked.get(&subject) {
                Some((id, schema)) if *schema == json => *id,
                _ => return Err(format!("{} differs from schemas/registry.lock; lock it with: make schemas", file.display())),
            };
            let schema =
                Schema { id, kind: required("kind")?, aggregate: text("aggregate"), id_field: text("id"), context, name, json };
            schemas.insert(subject, schema);
        }
    }
    Ok(schemas.into_values().collect())
}

/// The newest locked version of every subject: its number and its document.
fn locked(lock: &Path) -> Result<BTreeMap<String, (u64, Value)>, String> {
    let document = parse(lock)?;
    let versions = document["schemas"].as_array().ok_or("registry.lock: the list \"schemas\" is missing")?;
    let mut newest = BTreeMap::new();
    for version in versions {
        let (Some(id), Some(subject)) = (version["id"].as_u64(), version["subject"].as_str()) else {
            return Err(format!("registry.lock: a version without id or subject: {version}"));
        };
        newest.insert(subject.to_owned(), (id, version["schema"].clone()));
    }
    Ok(newest)
}

fn parse(file: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(file).map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let list = fs::read_dir(folder).map_err(|e| format!("cannot read {}: {e}", folder.display()))?;
    let mut paths: Vec<PathBuf> = list.filter_map(|entry| entry.ok().map(|e| e.path())).collect();
    paths.sort();
    Ok(paths)
}
