//! Lists and single rows.

use crate::world::{Setting, World, id, job, problem};
use gateway::Limits;
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};

async fn list(world: &World, query: &str, token: &str) -> Value {
    let answer = world.get(&format!("/v1/jobs{query}")).header("x-consistency-token", token).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{query}: {:?}", answer.text().await);
    answer.json().await.unwrap()
}

/// A token that covers all that was answered.
fn merged(answers: &[Value]) -> String {
    let mut newest = std::collections::BTreeMap::new();
    let mut timeline = "";
    for answer in answers {
        let (line, place) = answer["token"].as_str().unwrap().split_once('~').unwrap();
        let (partition, position) = place.rsplit_once('.').unwrap();
        let position: u64 = position.parse().unwrap();
        timeline = line;
        let known = newest.entry(partition).or_insert(0);
        *known = position.max(*known);
    }
    newest.iter().fold(timeline.to_owned(), |token, (partition, position)| format!("{token}~{partition}.{position}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_tile_the_list_in_every_order() {
    let world = World::start().await;
    let mut answers = Vec::new();
    for n in 0..23 {
        answers.push(world.submit(if n % 2 == 0 { "even" } else { "odd" }).await);
    }
    let token = merged(&answers);
    for order in ["", "&order=submitted_at", "&order=-submitted_at", "&order=job_id", "&order=-job_id"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = list(&world, &format!("?limit=5{order}{cursor}"), &token).await;
            let items = page["items"].as_array().unwrap();
            assert!((1..=5).contains(&items.len()));
            seen.extend(items.iter().map(|row| (row["submitted_at"].clone().to_string(), row["job_id"].clone().to_string())));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 23, "{order}");
        assert_eq!(seen.len(), 23, "{order}");
        let mut expected = seen.clone();
        match order {
            "&order=submitted_at" => expected.sort(),
            "&order=-submitted_at" => expected.sort_by(|a, b| b.cmp(a)),
            "&order=-job_id" => expected.sort_by(|a, b| b.1.cmp(&a.1)),
            _ => expected.sort_by(|a, b| a.1.cmp(&b.1)),
        }
        assert_eq!(seen, expected, "{order}");
    }
    let odd = list(&world, "?queue=odd&status=queued&kind=train.wine", &token).await;
    assert_eq!(odd["items"].as_array().unwrap().len(), 11);
    assert_eq!(list(&world, "?queue=none", &token).await, json!({ "items": [], "next_cursor": null }));
    let commands = world.get("/v1/commands?state=done&limit=1000").header("x-consistency-token", &token).send().await.unwrap();
    assert_eq!(commands.json::<Value>().await.unwrap()["items"].as_array().unwrap().len(), 23);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_list_is_refused() {
    let world = World::start().await;
    let answers = [world.submit("q").await, world.submit("q").await];
    let page = list(&world, "?limit=1&queue=q", &merged(&answers)).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(world.get(&format!("/v1/jobs?limit=9&queue=q&cursor={cursor}")).send().await.unwrap().status(), 200);
    for query in
        [format!("?cursor={cursor}"), format!("?queue=r&cursor={cursor}"), format!("?queue=q&order=submitted_at&cursor={cursor}")]
    {
        problem(world.get(&format!("/v1/jobs{query}")).send(), 400, "invalid_cursor").await;
    }
    problem(world.get("/v1/jobs?cursor=AAAA").send(), 400, "invalid_cursor").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_the_list_of_parameters_is_refused() {
    let world = World::start().await;
    for query in [
        "?limit=1001",
        "?limit=0",
        "?limit=1000000000",
        "?order=config",
        "?order=submitted_at;DROP TABLE jobs",
        "?seq=1",
        "?tenant=other",
        "?queue=a&queue=b",
        "?queue=%00",
        "?'%20OR%201=1=1",
    ] {
        problem(world.get(&format!("/v1/jobs{query}")).send(), 400, "invalid_parameter").await;
    }
    let unknown = problem(world.get("/v1/jobs?colour=red").send(), 400, "invalid_parameter").await;
    assert!(unknown["detail"].as_str().unwrap().contains("queue"), "{unknown}");
    problem(world.get("/v1/history").send(), 404, "not_found").await;
    problem(world.get("/v1/job_queue").send(), 404, "not_found").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_honoured_or_refused_never_ignored() {
    let limits = Limits { query_wait: Duration::from_millis(300), ..Limits::default() };
    let world = World::with(Setting { limits, ..Setting::default() }).await;
    let said = world.submit("q").await;
    let path = format!("/v1/jobs/{}", id(&said));
    let read = |token: String| world.get(&path).header("x-consistency-token", token).send();
    let token = said["token"].as_str().unwrap().to_owned();
    assert_eq!(read(token.clone()).await.unwrap().status(), 200);
    let (_, places) = token.split_once('~').unwrap();
    problem(read(format!("{}~{places}", "0".repeat(32))), 410, "foreign_timeline").await;
    problem(read("rubbish".to_owned()), 400, "invalid_consistency_token").await;
    let (partition, _) = token.rsplit_once('.').unwrap();
    let ahead = read(format!("{partition}.999999"));
    let late = problem(ahead, 503, "not_reached").await;
    assert_eq!(late["retryable"], true);
    let (timeline, _) = token.split_once('~').unwrap();
    problem(read(format!("{timeline}~work.99.1")), 400, "invalid_consistency_token").await;
    problem(read(format!("{timeline}~nothing.0.1")), 400, "invalid_consistency_token").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_just_submitted_is_never_404_to_its_submitter() {
    let world = World::start().await;
    let one = async |n: usize| {
        let said = world.submit(&format!("q{n}")).await;
        let token = said["token"].as_str().unwrap().to_owned();
        let row = world.get(&format!("/v1/jobs/{}", id(&said))).header("x-consistency-token", token).send().await.unwrap();
        assert_eq!(row.status(), 200, "job {n}");
    };
    futures::future::join_all((0..200).map(one)).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_projection_a_query_is_told_to_come_back() {
    let world = World::with(Setting { projector: false, ..Setting::default() }).await;
    let answer = world.get("/v1/jobs").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(
        world.post("/v1/commands/work.SubmitJob", &job("q")).send().await.unwrap().status(),
        201,
        "commands need no read model"
    );
    world.stop().await;
}
