//! Others read us: programs that know nothing of Swarmlog read its topic, its schema registry and its documents.
//!
//! What enters is the real program, on Kafka where records are read. What leaves is what a stranger's program made of it, which
//! is compared with what was submitted. `tests/interop/fetch.sh` brings the strangers: kcat, Confluent's client, the SDK of
//! CloudEvents, the schemas of AsyncAPI and OpenAPI. It does not skip: without them the tests fail and say what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod clickhouse;
mod documents;
mod lives;
mod readme;
mod records;
mod registry;
mod strangers;
