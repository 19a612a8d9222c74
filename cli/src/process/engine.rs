//! `swarmlog engine`: the ClickHouse engine in a process of its own, for parts that find no ClickHouse server.
//!
//! It serves a part of ClickHouse's HTTP interface beside the health pages. Nothing of the log is known to it: it keeps
//! the tables that `consumer analytics` fills. On SIGTERM it ends once the statements that run have ended.

use super::{Door, Life, Open, Process};
use crate::{
    Done, Global,
    failure::{Exit, Failure},
    parts,
};
use analytics::{Engine, User, Users};
use service::{Lifecycle, Status, http, settings::Clickhouse};
use std::{net::SocketAddr, time::Instant};
use tokio_util::sync::CancellationToken;

impl Process {
    /// Serves the engine until SIGTERM or Ctrl-C.
    pub async fn run_engine(self, global: &Global) -> Done {
        let started = Instant::now();
        let settings = self.servers.settings();
        let address = self.listen.unwrap_or(settings.listen.engine);
        let users = users(&settings.clickhouse, address)?;
        let front = Lifecycle::new();
        let back = front.stage();
        let door = Door::new(address, global.token.clone(), front.clone()).await?;
        parts::make_folder(&global.data)?;
        let (library, folder) = (self.library().unwrap_or_else(analytics::find_library), parts::engine_folder(&global.data));
        let engine = tokio::task::spawn_blocking(move || Engine::open(&library, &folder)).await??;
        let (component, shutdown) = (back.health().component("engine"), back.shutdown());
        back.spawn("watch of the engine", parts::watch::analytics(engine.analytics(), component, Status::Failing, shutdown));
        let Open { url, listener, pages } = door.open().await;
        let served = CancellationToken::new();
        let router = engine.router(users).merge(http::routes(pages.clone()));
        let serving = tokio::spawn(http::serve(listener, router, served.clone()));
        let ready_file = self.ready_file;
        let life = Life { name: "engine".into(), url, is_whole: false, data: global.data.clone(), ready_file, started };
        let drained = life.run(pages, &back).await;
        served.cancel();
        serving.await??;
        engine.close().await?;
        drained
    }
}

/// Who may come in. On loopback passwords may be empty.
fn users(settings: &Clickhouse, address: SocketAddr) -> Done<Users> {
    if !address.ip().is_loopback() && (settings.password.is_none() || settings.sql_password.is_none()) {
        let detail = format!(
            "{address} is open to other machines, so both users need a password: set clickhouse.password and \
             clickhouse.sql_password (SWARMLOG_CLICKHOUSE_PASSWORD, SWARMLOG_CLICKHOUSE_SQL_PASSWORD)"
        );
        return Err(Failure::new(Exit::Usage, detail));
    }
    let user =
        |name: &str, password: &Option<String>| User { name: name.to_owned(), password: password.clone().unwrap_or_default() };
    Ok(Users { writer: user(&settings.user, &settings.password), people: user(&settings.sql_user, &settings.sql_password) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use service::settings::{Loaded, Sources};

    #[test]
    fn beyond_loopback_both_users_need_a_password() {
        let sources = Sources { folder: "/nowhere".into(), ..Sources::default() };
        let mut settings = Loaded::from(&sources).unwrap().settings.clickhouse;
        let (here, everywhere) = ("127.0.0.1:8123".parse().unwrap(), "0.0.0.0:8123".parse().unwrap());
        assert!(users(&settings, here).is_ok() && users(&settings, everywhere).is_err());
        settings.password = Some("secret".into());
        assert!(users(&settings, everywhere).is_err());
        settings.sql_password = Some("other".into());
        let found = users(&settings, everywhere).unwrap();
        assert_eq!((&*found.writer.password, &*found.people.password), ("secret", "other"));
    }
}
