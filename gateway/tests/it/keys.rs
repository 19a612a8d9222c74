//! The bound of the idempotency keys, as callers and operators see it.

use crate::world::{Setting, World, job, problem};
use reqwest::Response;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const SUBMIT: &str = "/v1/commands/work.SubmitJob";
/// Keys of each partition.
const MOST: usize = 3;

/// How far the clock of the writer is ahead, in microseconds.
static AHEAD: AtomicI64 = AtomicI64::new(0);

fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_micros() as i64 + AHEAD.load(Ordering::Relaxed)
}

async fn submit(world: &World, key: usize, body: &Value) -> Response {
    world.post(SUBMIT, body).header("idempotency-key", format!("key-{key}")).send().await.unwrap()
}

async fn full(world: &World) -> f64 {
    let metrics = world.get("/metrics").send().await.unwrap().text().await.unwrap();
    let name = "swarmlog_writer_commands_total{outcome=\"full\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(name)).map_or(0.0, |count| count.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_new_keys_are_told_503_and_counted_until_old_ones_expire() {
    let window = Duration::from_secs(3600);
    let max_idempotency_keys = MOST * 4;
    let deciding = writer::Config { max_idempotency_keys, idempotency_window: window, clock, ..writer::Config::default() };
    let world = World::with(Setting { deciding, ..Setting::default() }).await;
    assert_eq!(world.log.partitions(), 4, "a share of the keys for each");
    let mut first = None;
    let mut turned_away = Vec::new();
    for key in 0..20 * MOST {
        let answer = submit(&world, key, &job("q")).await;
        if answer.status() == 201 {
            let said: Value = answer.json().await.unwrap();
            first.get_or_insert((key, said));
            continue;
        }
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"5".parse().unwrap()));
        let said: Value = answer.json().await.unwrap();
        assert_eq!((&said["code"], &said["retryable"]), (&json!("idempotency_full"), &json!(true)));
        turned_away.push(key);
    }
    assert_eq!(turned_away.len(), 20 * MOST - 4 * MOST, "every partition took as many as it can remember, and no more");
    assert!(full(&world).await >= turned_away.len() as f64, "each is counted");

    let (key, said) = first.unwrap();
    let replayed = submit(&world, key, &job("q")).await;
    assert_eq!((replayed.status().as_u16(), replayed.json::<Value>().await.unwrap()), (201, said), "what is known is answered");
    let other = world.post(SUBMIT, &job("other")).header("idempotency-key", format!("key-{key}"));
    problem(other.send(), 422, "idempotency_key_reused").await;
    let without = world.post(SUBMIT, &job("q")).send().await.unwrap();
    assert_eq!(without.status(), 201, "a command without a key needs none remembered");

    AHEAD.store(window.as_micros() as i64 + 60_000_000, Ordering::Relaxed);
    // The first command of a partition after the window is what makes it forget.
    world
        .eventually("a key that was turned away is taken", async || {
            submit(&world, turned_away[0], &job("q")).await.status() == 201
        })
        .await;
    world.stop().await;
}
