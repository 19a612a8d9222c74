//! What the files of `infra/deploy` say is what the program understands.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};
use swarmlog_tests::process::program;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/deploy")
}

/// Every document of every YAML file.
fn documents(folder: &Path) -> Result<Vec<Value>> {
    let mut documents = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "yaml") {
            for document in serde_yaml_ng::Deserializer::from_str(&fs::read_to_string(&path)?) {
                let document: Value = serde::Deserialize::deserialize(document).with_context(|| path.display().to_string())?;
                documents.push(document);
            }
        }
    }
    Ok(documents)
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

type Variables = BTreeMap<String, String>;

fn variables(value: &Value) -> Variables {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// The users of the SQL file can come in with the settings.
fn users_are_known(variables: &Variables) -> Result<()> {
    let users = fs::read_to_string(folder().join("clickhouse-users.sql"))?;
    for (user, variable) in
        [("swarmlog", "SWARMLOG_CLICKHOUSE_PASSWORD"), ("swarmlog_people", "SWARMLOG_CLICKHOUSE_SQL_PASSWORD")]
    {
        let password = variables.get(variable).context(variable)?;
        let created = format!("CREATE USER IF NOT EXISTS {user} IDENTIFIED WITH sha256_password BY '{password}'");
        ensure!(users.contains(&created), "{created}");
    }
    Ok(())
}

/// The program takes the arguments, and the settings of the variables.
fn is_understood(arguments: &[String], variables: &Variables) -> Result<()> {
    let help = program().args(arguments).arg("--help").output()?;
    ensure!(help.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&help.stderr));
    let settings = program().args(["config", "show"]).envs(variables).output()?;
    ensure!(settings.status.success(), "{variables:?}: {}", String::from_utf8_lossy(&settings.stderr));
    Ok(())
}

#[test]
fn the_parts_of_compose_are_understood() -> Result<()> {
    let compose = documents(&folder())?.pop().context("no compose file")?;
    let mut parts = 0;
    for service in compose["services"].as_object().context("no services")?.values() {
        let image = service["image"].as_str().or(service["<<"]["image"].as_str()).unwrap_or_default();
        if image == "swarmlog:local" {
            let settings = if service["environment"].is_null() { &service["<<"]["environment"] } else { &service["environment"] };
            is_understood(&texts(&service["command"]), &variables(settings))?;
            users_are_known(&variables(settings))?;
            parts += 1;
        }
    }
    ensure!(parts == 5, "{parts} parts");
    Ok(())
}

#[test]
fn the_deployments_are_understood_and_probe_what_is_there() -> Result<()> {
    let documents = documents(&folder().join("kubernetes"))?;
    let settings = documents.iter().flat_map(|document| [&document["data"], &document["stringData"]]);
    let settings: Variables = settings.flat_map(variables).collect();
    let mut parts = 0;
    for deployment in documents.iter().filter(|document| document["kind"] == "Deployment") {
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        is_understood(&texts(&container["args"]), &settings)?;
        ensure!(container["livenessProbe"]["httpGet"]["path"] == "/livez", "{container}");
        ensure!(container["readinessProbe"]["httpGet"]["path"] == "/readyz", "{container}");
        parts += 1;
    }
    ensure!(parts == 6, "{parts} parts");
    Ok(())
}

#[test]
fn the_units_are_understood() -> Result<()> {
    let folder = folder().join("systemd");
    let settings = fs::read_to_string(folder.join("swarmlog.env"))?;
    let pairs = settings.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let variables: Variables = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut parts = 0;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "service") {
            let unit = fs::read_to_string(&path)?;
            let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).context("no ExecStart")?;
            let arguments: Vec<String> = start.split_whitespace().skip(1).map(str::to_owned).collect();
            is_understood(&arguments, &variables)?;
            ensure!(unit.contains("Type=notify"), "{}", path.display());
            parts += 1;
        }
    }
    ensure!(parts == 6, "{parts} parts");
    Ok(())
}
