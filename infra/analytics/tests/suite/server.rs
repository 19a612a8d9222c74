//! An engine that is served, and the port over TCP to it.

use std::net::SocketAddr;
use swarmlog_analytics::{Analytics, Engine, Remote, User, Users, find_library};
use tokio::net::TcpListener;

pub const WRITER: &str = "writer";
pub const PEOPLE: &str = "people";

/// The password of a user.
pub fn password(user: &str) -> String {
    format!("secret of {user}")
}

/// The engine of this process on a folder that stays.
pub fn engine() -> Engine {
    let data = tempfile::tempdir().unwrap().keep();
    Engine::open(&find_library(), &data).unwrap_or_else(|error| panic!("{error}"))
}

/// Serves an engine on a free port as long as the runtime lives.
pub async fn serve(engine: &Engine) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let user = |name: &str| User { name: name.to_owned(), password: password(name) };
    let router = engine.router(Users { writer: user(WRITER), people: user(PEOPLE) });
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Settings for an engine at an address.
pub fn remote(address: SocketAddr) -> Remote {
    Remote {
        url: format!("http://{address}"),
        database: "swarmlog".to_owned(),
        user: WRITER.to_owned(),
        password: password(WRITER),
        sql_user: PEOPLE.to_owned(),
        sql_password: password(PEOPLE),
    }
}

/// The port over TCP.
pub fn analytics(address: SocketAddr) -> Analytics {
    Analytics::remote(remote(address)).unwrap()
}
