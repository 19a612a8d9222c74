//! ClickHouse's own Kafka engine reads the topic with its format `AvroConfluent`, by the statements of the README.

use crate::{readme, records::header};
use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use swarmlog_tests::{
    BOUND,
    world::{TOKEN, eventually},
};

/// What ClickHouse makes of the topic is what `messages` say, which are its records as `records.py` prints them.
pub async fn holds(messages: &[Value], brokers: &str, gateway: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let engine = chdb::Engine::load(&chdb::find_library(), folder.path(), None)?;
    let connection = engine.connect()?;
    for statement in readme::clickhouse()? {
        let statement = statement.replace("BROKER", brokers).replace("GATEWAY", gateway).replace("TOKEN", TOKEN);
        connection.query(&statement, "TSV").with_context(|| statement)?;
    }
    let count = format!("{}\n", messages.len());
    eventually("ClickHouse has read the topic", || async {
        Ok(connection.query("SELECT count() FROM job_events", "TSV")? == count.as_bytes())
    })
    .await?;
    let rows = connection.query("SELECT * FROM job_events", "JSONEachRow")?;
    // The engine's threads would read on while the process ends.
    for table in ["job_events_reader", "work_events"] {
        connection.query(&format!("DROP TABLE {table} SYNC"), "TSV")?;
    }
    drop(connection);
    engine.close(BOUND)?;

    let mut rows = serde_json::Deserializer::from_slice(&rows).into_iter().collect::<Result<Vec<Value>, _>>()?;
    let mut expected = messages.iter().map(row).collect::<Result<Vec<_>>>()?;
    for rows in [&mut rows, &mut expected] {
        rows.sort_by_key(|row| (row["key"].to_string(), row["place"].as_u64()));
    }
    assert_eq!(rows, expected);
    Ok(())
}

/// A message as the table of the README holds it: fields that its record does not have are null.
fn row(message: &Value) -> Result<Value> {
    let decoded = &message["decoded"];
    let until = decoded["until"].as_str().map(|text| text.replace('T', " ").replace('Z', ""));
    let fields = [
        ("key", message["key"].clone()),
        ("place", message["offset"].clone()),
        ("type", json!(header(message, "ce_type").context("a type")?)),
        ("job_id", decoded["job_id"].clone()),
        ("queue", decoded["queue"].clone()),
        ("step", decoded["step"].clone()),
        ("until", json!(until)),
    ];
    Ok(fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<Map<_, _>>().into())
}
