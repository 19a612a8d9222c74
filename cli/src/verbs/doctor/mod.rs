//! `swarmlog doctor`: whether what the settings name is there and will do.
//!
//! All checks run side by side, each bounded in time; none founds a log or makes a table. A check answers what it found,
//! or what is wrong and what to do.

mod folder;
mod servers;

use crate::{
    Done, Global,
    failure::{Exit, Failure},
    output,
    servers::Servers,
};
use futures::future::{BoxFuture, join_all};
use serde_json::json;
use std::time::Duration;

/// Longest time of one check.
const BOUND: Duration = Duration::from_secs(5);

/// Check every server and folder that the settings name.
#[derive(clap::Args)]
pub struct Doctor {
    #[command(flatten)]
    servers: Servers,
}

/// What was found, or what is wrong and what to do.
type Finding = Result<String, String>;

/// A check by the name of what it looks at.
struct Check<'a> {
    name: &'static str,
    place: String,
    look: BoxFuture<'a, Finding>,
}

impl<'a> Check<'a> {
    fn new(name: &'static str, place: impl Into<String>, look: impl Future<Output = Finding> + Send + 'a) -> Self {
        Self { name, place: place.into(), look: Box::pin(look) }
    }
}

impl Doctor {
    /// Prints one line for each check.
    pub async fn run(self, global: &Global) -> Done {
        let mut checks = folder::checks(&self.servers);
        checks.extend(servers::checks(&self.servers)?);
        let looks = checks.into_iter().map(|check| async move {
            let late = || Err(format!("no answer within {} s; is it overloaded, or behind a firewall?", BOUND.as_secs()));
            let finding = tokio::time::timeout(BOUND, check.look).await.unwrap_or_else(|_| late());
            let (state, text) = match &finding {
                Ok(found) => ("ok", found),
                Err(wrong) => ("FAILED", wrong),
            };
            json!({ "check": check.name, "place": check.place, "state": state, "finding": text })
        });
        let items = join_all(looks).await;
        output::list(
            global.output,
            &items,
            &[
                ("STATE", |item| output::text(&item["state"])),
                ("CHECK", |item| output::text(&item["check"])),
                ("PLACE", |item| output::text(&item["place"])),
                ("FINDING", |item| output::text(&item["finding"])),
            ],
        );
        let failed: Vec<_> = items.iter().filter(|item| item["state"] != "ok").map(|item| output::text(&item["check"])).collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure::new(Exit::Check, format!("{} of {} checks failed: {}", failed.len(), items.len(), failed.join(", "))))
    }
}
