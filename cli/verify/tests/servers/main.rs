//! Planted errors on Kafka and PostgreSQL, all at once: each is found beside the others.

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "tests; not every test uses every part of the world")]

#[path = "../plants/cases.rs"]
mod cases;
#[path = "../plants/commands.rs"]
mod commands;
#[path = "../plants/plants.rs"]
mod plants;
#[path = "../plants/world.rs"]
mod world;

use cases::{all_rows, assert_clean, assert_clean_beside_a_running_system, assert_found};
use local::{Server, Servers};
use log::kafka::{KafkaConfig, KafkaLog};
use std::{
    process::Command,
    sync::{Arc, OnceLock},
};
use stores::{PostgresConfig, PostgresStore};
use uuid::Uuid;
use world::World;

/// The servers of this binary.
fn servers() -> &'static Servers {
    static SHARED: OnceLock<Servers> = OnceLock::new();
    SHARED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        // No S3 server is started here.
        let servers = Servers::open(&folder, || Command::new("false")).unwrap();
        servers.end_with_this_process().unwrap();
        servers.up(&[Server::Kafka, Server::Postgres]).unwrap();
        servers
    })
}

/// A world with topics and a schema of its own.
async fn filled() -> World {
    let addresses = tokio::task::spawn_blocking(|| servers().addresses()).await.unwrap();
    let name = format!("t{}", &Uuid::new_v4().simple().to_string()[..12]);
    let kafka = KafkaConfig { partitions: 3, prefix: format!("{name}."), ..KafkaConfig::new(&addresses.kafka) };
    let log = KafkaLog::connect(kafka).await.unwrap();
    let postgres = PostgresConfig { schema: name, ..PostgresConfig::new(&addresses.postgres) };
    let store = PostgresStore::connect(postgres).await.unwrap();
    World::filled(Arc::new(log), Arc::new(store)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_writer_and_projector_made_is_clean() {
    assert_clean(&filled().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_merely_new_is_not_wrong() {
    assert_clean_beside_a_running_system(&filled().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planted_errors_are_found_beside_each_other() {
    let world = filled().await;
    let mut planted = all_rows(&world).await;
    planted.extend(plants::position_gap(&world).await);
    planted.extend(plants::event_twice(&world).await);
    planted.extend(plants::seq_break(&world).await);
    planted.extend(plants::older_event(&world).await);
    planted.extend(plants::foreign_key(&world).await);
    planted.extend(plants::decided_twice(&world).await);
    planted.extend(plants::broken_payload(&world).await);
    planted.extend(plants::missing_result(&world).await);
    planted.extend(plants::result_of_nothing(&world).await);
    planted.extend(plants::result_twice(&world).await);
    planted.extend(plants::another_answer(&world).await);
    planted.extend(plants::position_beyond_log(&world).await);
    planted.extend(plants::parked_without_record(&world).await);
    planted.extend(plants::broken_envelope(&world).await);
    assert_found(&world.verify().await, &planted);
}
