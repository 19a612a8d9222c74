//! The engine in the process keeps the promises of the port.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[macro_use]
mod suite;

use std::sync::LazyLock;
use suite::World;
use tokio::runtime::Runtime;

static WORLD: LazyLock<World> =
    LazyLock::new(|| World { runtime: Runtime::new().unwrap(), analytics: suite::server::engine().analytics() });

conformance!(WORLD);
