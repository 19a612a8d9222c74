//! What operators see and do: read models with their generations, rebuilds, parked records.
//!
//! `POST /v1/projections/{name}/rebuild` only makes an empty generation; the projector fills, compares and switches it.
//! How far it has come is where it stands in the log, which is read here and nowhere kept.

use crate::{
    Gateway,
    auth::Access,
    call::Call,
    codes,
    commands::{answer_json, insert},
    consistency,
    openapi::{Operation, schemas as shapes},
    problem::Problem,
    queries,
    routes::{Answer, Route},
};
use axum::http::{Method, StatusCode, header};
use log::Source;
use schemas::AnyProjection;
use serde::Serialize;
use std::collections::BTreeMap;
use stores::{Generation, GenerationState};

/// Most parked records that are counted.
const COUNTED: usize = 10_000;

#[derive(Serialize)]
struct ItemsJson<T> {
    items: Vec<T>,
}

#[derive(Serialize)]
struct ProjectionJson {
    name: &'static str,
    /// The version that this program builds.
    version: u32,
    /// The live generation, if there is one.
    live: Option<u64>,
    /// Records of its topics that the live generation has not seen.
    lag: u64,
    /// Parked records of the live generation, counted up to a bound.
    parked: usize,
    generations: Vec<GenerationJson>,
}

#[derive(Serialize)]
struct GenerationJson {
    generation: u64,
    version: u32,
    state: &'static str,
    table: String,
    note: String,
    lag: u64,
    records_done: u64,
    records_total: u64,
    positions: Vec<PositionJson>,
}

#[derive(Serialize)]
struct PositionJson {
    topic: String,
    partition: u32,
    position: u64,
    next_offset: u64,
    end_offset: u64,
    lag: u64,
}

#[derive(Serialize)]
struct ParkedJson {
    projection: String,
    topic: String,
    partition: u32,
    position: u64,
    offset: u64,
    aggregate: String,
    reason: String,
    envelope_bytes: usize,
    payload_bytes: usize,
}

#[derive(Serialize)]
struct RebuildJson {
    generation: u64,
    name: &'static str,
    version: u32,
    state: &'static str,
}

/// The rows of the table.
pub(crate) fn routes() -> Vec<Route> {
    let list = Operation::new("listProjections", "operations", "Every read model, with its generations and how far they are.")
        .answer(200, "The read models.", "application/json", shapes::items(shapes::projection()))
        .problems(&[401, 403, 503]);
    let one = Operation::new("getProjection", "operations", "One read model, with its generations and how far they are.")
        .answer(200, "The read model.", "application/json", shapes::projection())
        .problems(&[400, 401, 403, 404, 503]);
    let rebuild = Operation::new(
        "rebuildProjection",
        "operations",
        "Starts a new generation of a read model, filled from the log beside the live one.",
    )
    .answer(202, "The generation is being built; Location says how far it is.", "application/json", shapes::rebuild())
    .problems(&[400, 401, 403, 404, 409, 503]);
    let parked = Operation::new("listParked", "operations", "Records that were set aside.")
        .query("limit", "Most records.", shapes::integer(1, queries::MAX_LIMIT, 100))
        .answer(200, "The records.", "application/json", shapes::items(shapes::parked()))
        .problems(&[400, 401, 403, 503]);
    vec![
        Route::new(Method::GET, "/v1/projections", Access::Operator, list, list_all),
        Route::new(Method::GET, "/v1/projections/{name}", Access::Operator, one, show),
        Route::new(Method::POST, "/v1/projections/{name}/rebuild", Access::Operator, rebuild, start_rebuild),
        Route::new(Method::GET, "/v1/parked", Access::Operator, parked, list_parked),
    ]
}

async fn list_all(call: Call) -> Answer {
    let parked = parked_by_name(&call.gateway).await?;
    let mut items = Vec::new();
    for projection in projections::all() {
        items.push(describe(&call.gateway, *projection, &parked).await?);
    }
    Ok(answer_json(&ItemsJson { items }))
}

async fn show(call: Call) -> Answer {
    let projection = named(&call)?;
    let parked = parked_by_name(&call.gateway).await?;
    Ok(answer_json(&describe(&call.gateway, projection, &parked).await?))
}

async fn start_rebuild(call: Call) -> Answer {
    let projection = named(&call)?;
    let gateway = &call.gateway;
    // One rebuild at a time: who asks while another asks is told so as well.
    let runs = |generation: u64| {
        Problem::new(codes::REBUILD_RUNS, format!("generation {generation} of {} is being built already", projection.name()))
            .retry_after(5)
    };
    let _asking = gateway.rebuilds.lock().await;
    let generations = gateway.store.generations(projection.name()).await?;
    if let Some(building) = generations.iter().find(|generation| generation.state == GenerationState::Building) {
        return Err(runs(building.id));
    }
    let generation = gateway.store.create(&projection.table(), projection.version()).await?;
    tracing::info!(projection = projection.name(), generation = generation.id, "a rebuild was asked for");
    let mut response = answer_json(&RebuildJson {
        generation: generation.id,
        name: projection.name(),
        version: generation.version,
        state: state(generation.state),
    });
    *response.status_mut() = StatusCode::ACCEPTED;
    insert(&mut response, header::LOCATION, &format!("/v1/projections/{}", projection.name()));
    Ok(response)
}

async fn list_parked(call: Call) -> Answer {
    let mut limit = 100;
    for (name, text) in call.query()? {
        match name.as_str() {
            "limit" => limit = queries::limit(&text)?,
            _ => return Err(Problem::new(codes::INVALID_PARAMETER, "there is no such parameter; allowed is limit")),
        }
    }
    let records = call.gateway.store.parked(limit).await?;
    let items = records
        .into_iter()
        .map(|(projection, record)| ParkedJson {
            projection,
            topic: record.topic,
            partition: record.partition,
            position: record.position,
            offset: record.offset,
            aggregate: record.aggregate,
            reason: record.reason,
            envelope_bytes: record.envelope.len(),
            payload_bytes: record.payload.len(),
        })
        .collect();
    Ok(answer_json(&ItemsJson { items }))
}

fn named(call: &Call) -> Result<&'static dyn AnyProjection, Problem> {
    let name = call.name("name")?;
    projections::find(name).ok_or_else(|| {
        let known: Vec<_> = projections::all().iter().map(|projection| projection.name()).collect();
        Problem::new(codes::NOT_FOUND, format!("there is no read model of this name; there are {}", known.join(", ")))
    })
}

async fn parked_by_name(gateway: &Gateway) -> Result<BTreeMap<String, usize>, Problem> {
    let mut counts = BTreeMap::new();
    for (name, _) in gateway.store.parked(COUNTED).await? {
        *counts.entry(name).or_default() += 1;
    }
    Ok(counts)
}

async fn describe(
    gateway: &Gateway,
    projection: &'static dyn AnyProjection,
    parked: &BTreeMap<String, usize>,
) -> Result<ProjectionJson, Problem> {
    let ends = ends(gateway, projection).await?;
    let mut generations = Vec::new();
    for generation in gateway.store.generations(projection.name()).await? {
        generations.push(progress(gateway, generation, &ends).await?);
    }
    let live = generations.iter().find(|generation| generation.state == state(GenerationState::Live));
    Ok(ProjectionJson {
        name: projection.name(),
        version: projection.version(),
        live: live.map(|live| live.generation),
        lag: live.map_or_else(|| ends.values().sum(), |live| live.lag),
        parked: parked.get(projection.name()).copied().unwrap_or_default(),
        generations,
    })
}

/// Where the topics of a read model end.
async fn ends(gateway: &Gateway, projection: &'static dyn AnyProjection) -> Result<BTreeMap<(String, u32), u64>, Problem> {
    let mut ends = BTreeMap::new();
    for context in consistency::contexts() {
        for stream in projection.streams() {
            let topic = stream.topic(context);
            for partition in 0..gateway.log.partitions() {
                let source = Source { topic: topic.as_str().into(), partition };
                ends.insert((topic.clone(), partition), gateway.log.end(&source).await?);
            }
        }
    }
    Ok(ends)
}

async fn progress(
    gateway: &Gateway,
    generation: Generation,
    ends: &BTreeMap<(String, u32), u64>,
) -> Result<GenerationJson, Problem> {
    let stands = gateway.store.positions(generation.id).await?;
    let mut positions = Vec::with_capacity(ends.len());
    for ((topic, partition), end) in ends {
        let (position, next_offset) = stands.get(&(topic.clone(), *partition)).copied().unwrap_or_default();
        let source = Source { topic: topic.as_str().into(), partition: *partition };
        let lag = log::unread(&*gateway.log, &source, next_offset, *end).await?;
        positions.push(PositionJson {
            topic: topic.clone(),
            partition: *partition,
            position,
            next_offset,
            end_offset: *end,
            lag,
        });
    }
    Ok(GenerationJson {
        generation: generation.id,
        version: generation.version,
        state: state(generation.state),
        table: generation.table,
        note: generation.note,
        lag: positions.iter().map(|place| place.lag).sum(),
        records_done: positions.iter().map(|place| place.end_offset - place.lag).sum(),
        records_total: ends.values().sum(),
        positions,
    })
}

fn state(state: GenerationState) -> &'static str {
    match state {
        GenerationState::Building => "building",
        GenerationState::Live => "live",
        GenerationState::Retired => "retired",
    }
}
