//! What keeps a store from being opened, and how it says so.

use crate::{rows::*, server::shared};
use swarmlog_stores::{PostgresConfig, PostgresStore, StoreError};

async fn refused(config: PostgresConfig) -> StoreError {
    tokio::time::timeout(BOUND, PostgresStore::connect(config)).await.unwrap().err().unwrap()
}

#[tokio::test]
async fn a_server_that_is_away_is_transient() {
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let error = refused(PostgresConfig::new(format!("postgres://anna:geheim@127.0.0.1:{port}/swarmlog"))).await;
    assert!(matches!(&error, StoreError::Transient(_)), "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");
}

#[tokio::test]
async fn what_cannot_work_is_said_and_is_fatal() {
    let url = shared().url();
    let schema = |schema: &str| PostgresConfig { schema: schema.into(), ..PostgresConfig::new(url.clone()) };
    for config in [
        schema("Bad-Name\""),
        PostgresConfig::new("http://anna:geheim@127.0.0.1/x"),
        PostgresConfig::new(format!("{url}?sslmode=require")),
        PostgresConfig::new(url.replace("/swarmlog", "/nowhere")),
    ] {
        let error = refused(config).await;
        assert!(matches!(&error, StoreError::Fatal(_)), "{error}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_left_alone() {
    let config = shared().schema();
    drop(open(&config).await);
    let client = connection(&config.url).await;
    let newer = format!("INSERT INTO {}._sqlx_migrations VALUES (999, 'later', now(), true, '\\x00', 0)", config.schema);
    client.batch_execute(&newer).await.unwrap();
    let error = refused(config).await;
    assert!(matches!(&error, StoreError::Fatal(message) if message.contains("newer program")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_open_a_new_schema_together_take_turns() {
    let config = shared().schema();
    let openings: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn({
                let config = config.clone();
                async move { open(&config).await }
            })
        })
        .collect();
    for opening in openings {
        opening.await.unwrap();
    }
}
