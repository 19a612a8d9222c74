//! Commands without HTTP.

use crate::world::{Setting, World};
use gateway::{Client, Limits};
use schemas::work::{Priority, SubmitJob};
use std::time::Duration;

fn submit(job_id: &str) -> SubmitJob {
    let (job_id, queue, kind, config) = (job_id.to_owned(), "q".to_owned(), "none".to_owned(), "{}".to_owned());
    SubmitJob { job_id, queue, kind, priority: Priority::Normal, config, max_attempts: 1 }
}

#[tokio::test]
async fn a_command_from_within_is_decided_as_one_over_http() {
    let world = World::start().await;
    let client = Client::start(world.log.clone(), &Limits::default()).await.unwrap();
    let id = "019a9e00-0000-7000-8000-000000000001";
    let made = client.submit(&submit(id)).await.unwrap();
    assert_eq!((made.status, made.events), (201, vec!["work.JobSubmitted".to_owned()]));
    let again = client.submit(&submit(id)).await.unwrap();
    assert_eq!(again.status, 409, "{again:?}");
    world
        .eventually("the job can be read", async || world.get(&format!("/v1/jobs/{id}")).send().await.unwrap().status() == 200)
        .await;
}

#[tokio::test]
async fn without_a_writer_a_command_is_on_record_and_said_to_be() {
    let world = World::with(Setting { writer: false, ..Setting::default() }).await;
    let limits = Limits { command_wait: Duration::from_millis(50), ..Limits::default() };
    let client = Client::start(world.log.clone(), &limits).await.unwrap();
    let unanswered = client.submit(&submit("019a9e00-0000-7000-8000-000000000002")).await.unwrap_err();
    assert_eq!((unanswered.status, unanswered.code.as_str()), (202, "accepted"));
    let mut stored = 0;
    for partition in 0..world.log.partitions() {
        let source = log::Source { topic: "work.commands".into(), partition };
        stored += world.log.end(&source).await.unwrap();
    }
    assert_eq!(stored, 1);
}

#[tokio::test]
async fn more_commands_in_flight_than_allowed_are_refused_for_now() {
    let world = World::start().await;
    let limits = Limits { commands: 0, ..Limits::default() };
    let client = Client::start(world.log.clone(), &limits).await.unwrap();
    assert_eq!(client.submit(&submit("019a9e00-0000-7000-8000-000000000003")).await.unwrap_err().status, 503);
}
