//! What the program is told, shown and checked by the program itself.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use anyhow::{Context, Result, ensure};
use local::Server;
use serde_json::Value;
use std::{collections::BTreeMap, fs, process::Command};
use swarmlog_tests::World;

/// What a command printed as JSON, by `key`; with its exit code.
fn list(command: &mut Command, key: &str) -> Result<(Option<i32>, BTreeMap<String, Value>)> {
    let output = command.args(["-o", "json"]).output()?;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let items: Vec<Value> = serde_json::from_slice(&output.stdout).with_context(said)?;
    let named = |item: Value| Some((item[key].as_str()?.to_owned(), item));
    Ok((output.status.code(), items.into_iter().filter_map(named).collect()))
}

#[tokio::test]
async fn every_setting_is_shown_with_where_it_comes_from() -> Result<()> {
    let world = World::start().await?;
    let file = world.data().join("some.toml");
    fs::write(
        &file,
        "[s3]\nregion = \"file\"\nbucket = \"file\"\n[kafka]\nbootstrap.servers = \"h:1\"\nsasl.password = \"hush\"",
    )?;
    let mut command = world.verb(&["config", "show", "--origin", "--s3-region", "flag"]);
    command.env("SWARMLOG_CONFIG", &file).env("SWARMLOG_POSTGRES", "postgres://u:hush@h/d");
    let (code, shown) = list(&mut command, "key")?;
    assert_eq!(code, Some(0));
    let place = file.to_str().unwrap();
    for (key, value, origin) in [
        ("s3.region", "flag", "flag --s3-region"),
        ("s3.bucket", "file", place),
        ("postgres.url", "postgres://u:***@h/d", "environment variable SWARMLOG_POSTGRES"),
        ("postgres.schema", "swarmlog", "default"),
        ("kafka.sasl.password", "***", place),
        ("token", "***", "flag --token"),
        ("s3.secret_key", "(unset)", "default"),
    ] {
        assert_eq!((&shown[key]["value"], &shown[key]["origin"]), (&value.into(), &origin.into()), "{key}");
    }
    let text = command_text(&mut world.verb(&["config", "show", "--config", place]))?;
    ensure!(!text.contains("hush") && !text.contains("ORIGIN") && text.contains("kafka.sasl.password"), "{text}");
    Ok(())
}

fn command_text(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(command.output()?.stdout)?)
}

#[tokio::test]
async fn an_unknown_setting_is_a_wrong_call_of_any_verb() -> Result<()> {
    let world = World::start().await?;
    let output = world.verb(&["history", "job", "x"]).env("SWARMLOG_QUEU", "q").output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    ensure!(said.contains("SWARMLOG_QUEU;") && said.contains("SWARMLOG_QUEUE"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_all_well_and_names_the_server_that_was_stopped() -> Result<()> {
    let world = World::start_on_servers().await?;
    let addresses = world.servers()?.addresses();
    let doctor = || {
        let mut command = world.verb(&["doctor", "--kafka", &addresses.kafka, "--postgres", &addresses.postgres]);
        command.args(["--s3", &addresses.s3, "--s3-access-key", &addresses.credentials.access_key]);
        command.args(["--s3-secret-key", &addresses.credentials.secret_key]).arg("--data").arg(world.data());
        command.args(["--clickhouse", &addresses.clickhouse]).env("SWARMLOG_LISTEN", world.address());
        list(&mut command, "check")
    };
    let failed = |found: &BTreeMap<String, Value>| -> Vec<String> {
        found.values().filter(|item| item["state"] != "ok").map(|item| item.to_string()).collect()
    };
    let (_, found) = doctor()?;
    assert_eq!(failed(&found), Vec::<String>::new());
    let text = |check: &str| found[check]["finding"].as_str().unwrap_or_default().to_owned();
    ensure!(text("Kafka").contains("4 partitions") && !text("Kafka").contains("makes"), "{}", text("Kafka"));
    ensure!(text("port").contains("held by the server of this folder"), "{}", text("port"));
    let servers =
        [(Server::Kafka, "Kafka"), (Server::Postgres, "PostgreSQL"), (Server::S3, "S3"), (Server::Engine, "ClickHouse")];
    for (server, name) in servers {
        world.servers()?.stop(server)?;
        let (code, found) = doctor()?;
        assert_eq!(code, Some(7));
        let failed = failed(&found);
        ensure!(failed.len() == 1 && failed[0].contains(name), "{failed:?}");
        world.servers()?.up(&[server])?;
    }
    Ok(())
}
