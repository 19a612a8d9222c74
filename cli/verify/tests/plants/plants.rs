//! One error each, put into a world, and what has to be found of it.

use super::{
    commands::{command, job, record, submit},
    world::World,
};
use log::{Consumed, Source, Transaction};
use schemas::{
    Message,
    envelope::Envelope,
    row::Value,
    work::{JobCancelled, JobSubmitted, Priority},
};
use stores::{Advance, ParkedRecord, Write};
use uuid::Uuid;

/// What has to be found: code, and what its place says.
pub type Found = (&'static str, String);

/// An error of an event that nobody asked for, which is found, too.
fn planted(code: &'static str, source: &Source) -> Vec<Found> {
    [code, "event_without_result"].map(|code| (code, source.to_string())).into()
}

/// An event that follows the last of the partition of `job`, whose first it is.
async fn following(world: &World, job: &str) -> (Source, Envelope, Vec<u8>) {
    let (source, _, last) = world.last_of("work.events", job).await;
    let (queue, kind, config) = ("gpu".to_owned(), "train".to_owned(), "{}".to_owned());
    let event = JobSubmitted { job_id: job.into(), queue, kind, priority: Priority::Normal, config, max_attempts: 3 };
    let mut payload = Vec::new();
    event.encode(&mut payload).unwrap();
    let envelope = Envelope {
        id: Uuid::now_v7(),
        aggregate_id: job.into(),
        seq: 1,
        position: last.position + 1,
        r#type: event.name().into(),
        schema_id: event.schema_id().0 as i32,
        command_id: Uuid::now_v7(),
        ..last
    };
    (source, envelope, payload)
}

async fn plant_event(world: &World, job: &str, change: impl FnOnce(&mut Envelope)) -> Source {
    let (source, mut envelope, payload) = following(world, job).await;
    change(&mut envelope);
    world.append(record(source.clone(), &envelope, payload)).await;
    source
}

pub async fn position_gap(world: &World) -> Vec<Found> {
    let source = plant_event(world, &job(1000), |envelope| envelope.position += 1).await;
    planted("position_gap", &source)
}

/// Two events that stand in the wrong order.
pub async fn position_disorder(world: &World) -> Vec<Found> {
    plant_event(world, &job(1011), |envelope| envelope.position += 1).await;
    let source = plant_event(world, &job(1011), |envelope| (envelope.position, envelope.seq) = (envelope.position - 2, 2)).await;
    let mut found = planted("position_gap", &source);
    found.push(("position_disorder", source.to_string()));
    found
}

/// A record that a newer program wrote.
pub async fn newer_schema(world: &World) -> Vec<Found> {
    let (source, mut envelope, mut payload) = following(world, &job(1012)).await;
    let next = schemas::SCHEMAS.iter().map(|schema| schema.id.0).max().unwrap() + 1;
    envelope.schema_id = next as i32;
    payload[1..5].copy_from_slice(&next.to_be_bytes());
    world.append(record(source.clone(), &envelope, payload)).await;
    planted("newer_schema", &source)
}

pub async fn event_twice(world: &World) -> Vec<Found> {
    let (source, last, envelope) = world.last_of("work.events", &job(1001)).await;
    world.append(record(source.clone(), &envelope, last.payload)).await;
    ["position_double", "seq_double", "event_id_double"].map(|code| (code, source.to_string())).into()
}

/// An event as the writer makes them, of a command that nobody sent.
pub async fn event_of_nothing(world: &World) -> Vec<Found> {
    let source = plant_event(world, &job(1010), |_| ()).await;
    vec![("event_without_result", source.to_string())]
}

pub async fn seq_break(world: &World) -> Vec<Found> {
    let source = plant_event(world, &job(1002), |envelope| envelope.seq = 2).await;
    planted("seq_gap", &source)
}

pub async fn older_event(world: &World) -> Vec<Found> {
    let source = plant_event(world, &job(1003), |envelope| envelope.recorded_at -= 1).await;
    planted("time_backwards", &source)
}

pub async fn foreign_key(world: &World) -> Vec<Found> {
    let (source, envelope, payload) = following(world, &job(1004)).await;
    let partitions = world.log.partitions();
    let same_partition = |key: &String| schemas::partition(key.as_bytes(), partitions) == source.partition;
    let key = (0..).map(|n| format!("default/job/other-{n}")).find(same_partition).unwrap();
    let mut append = record(source.clone(), &envelope, payload);
    append.key = key.into();
    world.append(append).await;
    planted("key_differs", &source)
}

pub async fn foreign_partition(world: &World) -> Vec<Found> {
    let (home, envelope, payload) = following(world, &job(1005)).await;
    let other = Source { partition: (home.partition + 1) % world.log.partitions(), ..home };
    let last = world.records(&other).await.pop().unwrap();
    let last = Envelope::decode(&last.envelope).unwrap();
    let envelope = Envelope { position: last.position + 1, recorded_at: last.recorded_at.max(envelope.recorded_at), ..envelope };
    world.append(record(other.clone(), &envelope, payload)).await;
    planted("wrong_partition", &other)
}

pub async fn broken_payload(world: &World) -> Vec<Found> {
    let (source, envelope, mut payload) = following(world, &job(1006)).await;
    payload.truncate(payload.len() - 3);
    world.append(record(source.clone(), &envelope, payload)).await;
    planted("payload_unreadable", &source)
}

pub async fn broken_envelope(world: &World) -> Vec<Found> {
    let (source, envelope, payload) = following(world, &job(1007)).await;
    let mut append = record(source.clone(), &envelope, payload);
    append.envelope = "no envelope".into();
    world.append(append).await;
    vec![("envelope_unreadable", source.to_string())]
}

/// Another event of a job whose submission was decided long ago, with the id of that very command.
pub async fn decided_twice(world: &World) -> Vec<Found> {
    let (source, _, last) = world.last_of("work.events", &job(0)).await;
    let records = world.records(&source).await;
    let first = Envelope::decode(&records[0].envelope).unwrap();
    let of_first = |record: &&log::Record| record.key == records[0].key;
    let event = JobCancelled { job_id: first.aggregate_id.clone(), reason: None };
    let mut payload = Vec::new();
    event.encode(&mut payload).unwrap();
    let envelope = Envelope {
        id: Uuid::now_v7(),
        seq: records.iter().filter(of_first).count() as i64 + 1,
        position: last.position + 1,
        recorded_at: last.recorded_at,
        r#type: event.name().into(),
        schema_id: event.schema_id().0 as i32,
        ..first
    };
    world.append(record(source.clone(), &envelope, payload)).await;
    vec![("command_decided_twice", source.to_string())]
}

pub async fn missing_result(world: &World) -> Vec<Found> {
    let sent = command(Uuid::now_v7(), None, &submit(&job(1008)), world.log.partitions());
    let source = sent.source.clone();
    world.append(sent).await;
    let next = world.log.end(&source).await.unwrap();
    let mut owner = world.log.transactional(&format!("writer-{}", source.partition)).await.unwrap();
    let consumed = vec![Consumed { group: writer::GROUP.into(), source: source.clone(), next }];
    owner.commit(Transaction { append: Vec::new(), consumed }).await.unwrap();
    vec![("result_missing", format!("work.results/{}", source.partition))]
}

pub async fn result_of_nothing(world: &World) -> Vec<Found> {
    let (source, last, envelope) = world.last_of("work.results", &job(1)).await;
    let envelope = Envelope { id: Uuid::now_v7(), command_id: Uuid::now_v7(), ..envelope };
    world.append(record(source.clone(), &envelope, last.payload)).await;
    vec![("result_without_command", source.to_string())]
}

pub async fn result_twice(world: &World) -> Vec<Found> {
    let (source, last, envelope) = world.last_of("work.results", &job(2)).await;
    world.append(record(source.clone(), &envelope, last.payload)).await;
    vec![("result_double", source.to_string())]
}

/// A command that was sent again is answered with another position.
pub async fn another_answer(world: &World) -> Vec<Found> {
    let keyed = schemas::command_id("default", "work.SubmitJob", "0");
    let sent = command(keyed, Some(1), &submit(&job(0)), world.log.partitions());
    let source = Source { topic: "work.results".into(), partition: sent.source.partition };
    world.append(sent).await;
    let (_, last, _) = world.last_of("work.results", &job(0)).await;
    let mut result = schemas::envelope::CommandResult::decode("envelope.CommandResult", &last.payload).unwrap();
    (result.position, result.status, result.code) = (9_999, 201, None);
    let mut payload = Vec::new();
    result.encode(&mut payload).unwrap();
    let records = world.records(&source).await;
    let envelopes = records.iter().map(|record| Envelope::decode(&record.envelope).unwrap());
    let first = envelopes.into_iter().find(|envelope| envelope.command_id == keyed).unwrap();
    let recorded_at = Envelope::decode(&last.envelope).unwrap().recorded_at;
    world.append(record(source.clone(), &Envelope { id: Uuid::now_v7(), recorded_at, ..first }, payload)).await;
    vec![("answers_differ", source.to_string())]
}

async fn write(world: &World, read_model: &str, change: impl FnOnce(Vec<Vec<Value>>) -> Write) {
    let (generation, rows) = world.rows(read_model, 10).await;
    world.store.write(Write { generation, ..change(rows) }).await.unwrap();
}

/// The second job's queue is another one.
pub async fn wrong_row(world: &World) -> Vec<Found> {
    let change = |rows: Vec<Vec<Value>>| {
        let mut row = rows[1].clone();
        let queue = row.iter_mut().find(|value| **value == Value::Text("gpu".into())).unwrap();
        *queue = Value::Text("cpu".into());
        Write { upserts: vec![row], ..Write::default() }
    };
    write(world, "jobs", change).await;
    vec![("row_differs", "read model jobs".into())]
}

pub async fn missing_row(world: &World) -> Vec<Found> {
    let key = projections::find("history").unwrap().table().key;
    write(world, "history", |rows| Write { deletes: vec![rows[2][..=key].to_vec()], ..Write::default() }).await;
    vec![("row_missing", "read model history".into())]
}

pub async fn extra_row(world: &World) -> Vec<Found> {
    let change = |rows: Vec<Vec<Value>>| {
        let mut row = rows[0].clone();
        row[1] = Value::Text("nobody's".into());
        Write { upserts: vec![row], ..Write::default() }
    };
    write(world, "commands", change).await;
    vec![("row_extra", "read model commands".into())]
}

/// A position that is ahead of its rows: it passes an event that was never taken in.
pub async fn position_ahead_of_rows(world: &World) -> Vec<Found> {
    let (source, envelope, payload) = following(world, &job(1009)).await;
    world.append(record(source.clone(), &envelope, payload)).await;
    let live = world.live("job_queue").await.unwrap().id;
    let next_offset = world.log.end(&source).await.unwrap();
    let (from, to) = (envelope.position as u64 - 1, envelope.position as u64);
    let at = source.to_string();
    let advance = vec![Advance { topic: source.topic, partition: source.partition, from, to, next_offset }];
    world.store.write(Write { generation: live, advance, ..Write::default() }).await.unwrap();
    vec![("row_missing", "read model job_queue".into()), ("event_without_result", at)]
}

pub async fn position_beyond_log(world: &World) -> Vec<Found> {
    let live = world.live("commands").await.unwrap().id;
    let positions = world.store.positions(live).await.unwrap();
    let ((topic, partition), (from, next_offset)) = positions.into_iter().find(|(_, (position, _))| *position > 0).unwrap();
    let advance = vec![Advance { topic: topic.into(), partition, from, to: 1_000_000, next_offset }];
    world.store.write(Write { generation: live, advance, ..Write::default() }).await.unwrap();
    vec![("position_beyond_log", "read model commands".into())]
}

/// A record is set aside that was never there.
pub async fn parked_without_record(world: &World) -> Vec<Found> {
    let live = world.live("jobs").await.unwrap().id;
    let parked = ParkedRecord {
        topic: "work.events".into(),
        partition: 0,
        position: 777_777,
        offset: 777_777,
        aggregate: "default/job/nobody".into(),
        reason: "planted".into(),
        envelope: vec![1],
        payload: vec![2],
    };
    world.store.write(Write { generation: live, parked: vec![parked], ..Write::default() }).await.unwrap();
    ["parked", "parked_unknown"].map(|code| (code, "read model jobs".into())).into()
}
